//! What the driver reports of its devices without a context.

use cudarc::driver::result::{self as cu, DriverError};
use cudarc::driver::sys;
use sys::CUdevice_attribute_enum as Attribute;

use super::library::Library;
use super::problem::missing;

/// An error of the driver as `what: NAME (description)`.
pub(crate) fn words(what: impl std::fmt::Display, error: DriverError) -> String {
    let name = error.error_name().map(|s| s.to_string_lossy().into_owned());
    let text = error.error_string().map(|s| s.to_string_lossy().into_owned());
    match (name, text) {
        (Ok(name), Ok(text)) => format!("{what}: {name} ({text})"),
        _ => format!("{what}: CUDA error {:?}", error.0),
    }
}

/// Number of GPUs; the driver's library must be known.
pub(crate) fn device_count() -> Result<usize, String> {
    cu::init().map_err(|e| words("the NVIDIA driver does not start", e))?;
    let count = cu::device::get_count().map_err(|e| words("the GPUs cannot be counted", e))?;
    Ok(usize::try_from(count).unwrap_or(0))
}

/// An attribute of a device, or `None` where the driver does not know it.
pub(crate) fn attribute(device: sys::CUdevice, attribute: Attribute) -> Option<usize> {
    // SAFETY: the device is one that `device::get` returned
    let value = unsafe { cu::device::get_attribute(device, attribute) };
    value.ok().and_then(|value| usize::try_from(value).ok())
}

/// Compute capability of a device.
pub(crate) fn capability(device: sys::CUdevice) -> (u32, u32) {
    let part = |which| attribute(device, which).and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
    (
        part(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR),
        part(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR),
    )
}

/// Multiprocessors and most shared memory of a block.
pub(crate) fn sizes(device: sys::CUdevice) -> (usize, usize) {
    let processors = attribute(device, Attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT).unwrap_or(1);
    let shared = attribute(device, Attribute::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN);
    (processors.max(1), shared.filter(|bytes| *bytes > 0).unwrap_or(48 << 10))
}

/// What tells a GPU, by the number that the driver counts it by, from every other in the world.
///
/// # Errors
///
/// Why there is no such GPU.
pub fn device_uuid(ordinal: usize) -> Result<[u8; 16], String> {
    Library::Driver.load().map_err(|why| missing(Library::Driver, &why).to_string())?;
    device_count()?;
    let uuid = cu::device::get_uuid(device(ordinal)?).map_err(|e| words("the identity of the GPU", e))?;
    Ok(uuid.bytes.map(|byte| byte.to_ne_bytes()[0]))
}

/// A device by its number.
pub(crate) fn device(ordinal: usize) -> Result<sys::CUdevice, String> {
    let number = i32::try_from(ordinal).map_err(|_| format!("{ordinal} is no number of a GPU"))?;
    cu::device::get(number).map_err(|e| words(format_args!("GPU {ordinal}"), e))
}

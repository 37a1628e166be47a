//! A device, its buffers and the probe kernels.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::{CStr, CString, c_void};

use cudarc::driver::{result, sys};
use cudarc::nvrtc;
use ebt_tests::stand_in;

pub const PROBE: &str = include_str!("../../stand_in/probe.cu");
const COMMON: &str = include_str!("../../../cuda/kernels/common.cuh");

pub struct Device {
    pub stream: sys::CUstream,
    modules: RefCell<HashMap<&'static str, sys::CUmodule>>,
}

/// Device memory with elements of `T`.
pub struct Buffer<T> {
    pub address: u64,
    len: usize,
    elements: std::marker::PhantomData<T>,
}

/// Plain numbers that may be copied as bytes.
pub trait Plain: Copy + Default {}
impl Plain for f32 {}
impl Plain for u32 {}
impl Plain for i32 {}
impl Plain for u16 {}
impl Plain for u8 {}

/// Pointers to kernel arguments, as launches take them.
macro_rules! arguments {
    ($($value:expr),* $(,)?) => {
        &mut [$(std::ptr::from_ref(&$value).cast_mut().cast::<std::ffi::c_void>()),*]
    };
}
pub(crate) use arguments;

/// Compiles for `architecture`; the log if that fails.
pub fn compile(
    text: &str,
    architecture: Option<&str>,
    storage: &str,
    headers: &[(&str, &str)],
) -> Result<Vec<u8>, String> {
    stand_in::install();
    let c = |s: &str| CString::new(s).unwrap();
    let (text, name) = (c(text), c("probe.cu"));
    let (texts, names): (Vec<_>, Vec<_>) = headers.iter().map(|(name, text)| (c(text), c(name))).unzip();
    let (texts, names): (Vec<_>, Vec<_>) = texts.iter().zip(&names).map(|(t, n)| (t.as_ptr(), n.as_ptr())).unzip();
    let mut options = vec![c("--std=c++17"), c(&format!("-DSTORAGE_{storage}"))];
    options.extend(architecture.map(|a| c(&format!("--gpu-architecture={a}"))));
    let options: Vec<_> = options.iter().map(|o| o.as_ptr()).collect();
    let mut program = std::ptr::null_mut();
    // SAFETY: strings live to the end of the function; sizes are those the library tells
    unsafe {
        let count = i32::try_from(names.len()).unwrap();
        nvrtc::sys::nvrtcCreateProgram(
            &mut program,
            text.as_ptr(),
            name.as_ptr(),
            count,
            texts.as_ptr(),
            names.as_ptr(),
        )
        .result()
        .unwrap();
        let compiled =
            nvrtc::sys::nvrtcCompileProgram(program, i32::try_from(options.len()).unwrap(), options.as_ptr());
        let outcome = if compiled.result().is_ok() {
            let mut size = 0;
            nvrtc::sys::nvrtcGetCUBINSize(program, &mut size).result().unwrap();
            let mut image = vec![0_u8; size];
            nvrtc::sys::nvrtcGetCUBIN(program, image.as_mut_ptr().cast()).result().unwrap();
            Ok(image)
        } else {
            let log = nvrtc::result::get_program_log(program).unwrap();
            Err(CStr::from_ptr(log.as_ptr()).to_string_lossy().into_owned())
        };
        nvrtc::result::destroy_program(program).unwrap();
        outcome
    }
}

pub const HEADERS: &[(&str, &str)] = &[("common.cuh", COMMON), ("device.cuh", "")];

impl Device {
    pub fn new() -> Self {
        stand_in::install();
        stand_in::schedule(0);
        stand_in::limit_memory(None);
        stand_in::last_failure();
        result::init().unwrap();
        let device = result::device::get(0).unwrap();
        // SAFETY: the device is the one just got, the context its own
        unsafe { result::ctx::set_current(result::primary_ctx::retain(device).unwrap()) }.unwrap();
        let stream = result::stream::create(result::stream::StreamKind::NonBlocking).unwrap();
        Self { stream, modules: RefCell::default() }
    }

    pub fn function(&self, name: &str, storage: &'static str) -> sys::CUfunction {
        let mut modules = self.modules.borrow_mut();
        let module = modules.entry(storage).or_insert_with(|| {
            let image = compile(PROBE, Some("sm_90"), storage, HEADERS).unwrap();
            // SAFETY: a whole image
            unsafe { result::module::load_data(image.as_ptr().cast()) }.unwrap()
        });
        let name = CString::new(format!("{name}_{}", storage.to_lowercase())).unwrap();
        // SAFETY: the module is loaded and never unloaded
        unsafe { result::module::get_function(*module, name) }.unwrap()
    }

    /// A buffer with these elements.
    pub fn buffer<T: Plain>(&self, elements: &[T]) -> Buffer<T> {
        let buffer = self.unwritten(elements.len());
        self.write(&buffer, elements);
        buffer
    }

    pub fn unwritten<T: Plain>(&self, len: usize) -> Buffer<T> {
        // SAFETY: a size above zero
        let address = unsafe { result::malloc_async(self.stream, len * size_of::<T>()) }.unwrap();
        Buffer { address, len, elements: std::marker::PhantomData }
    }

    pub fn write<T: Plain>(&self, buffer: &Buffer<T>, elements: &[T]) {
        // SAFETY: the driver checks the range; the elements are plain and outlive the copy, which is done at once
        unsafe { result::memcpy_htod_async(buffer.address, elements, self.stream) }.unwrap();
    }

    pub fn read<T: Plain>(&self, buffer: &Buffer<T>) -> Vec<T> {
        let mut elements = vec![T::default(); buffer.len];
        // SAFETY: as for `write`
        unsafe { result::memcpy_dtoh_async(&mut elements, buffer.address, self.stream) }.unwrap();
        // SAFETY: the stream is live
        unsafe { result::stream::synchronize(self.stream) }.unwrap();
        elements
    }

    /// Starts a kernel of the probe; the failure's sentence if that fails.
    pub fn launch(
        &self,
        kernel: (&str, &'static str),
        grid: u32,
        threads: u32,
        shared: u32,
        arguments: &mut [*mut c_void],
    ) -> Result<(), String> {
        let function = self.function(kernel.0, kernel.1);
        // SAFETY: the callers give arguments of the kernel's types
        unsafe { result::launch_kernel(function, (grid, 1, 1), (threads, 1, 1), shared, self.stream, arguments) }
            .map_err(|error| stand_in::last_failure().unwrap_or_else(|| format!("{error:?} without a sentence")))
    }
}

impl<T> Drop for Buffer<T> {
    fn drop(&mut self) {
        // SAFETY: allocated by `Device::unwritten`, freed once
        let freed = unsafe { result::memory_free(self.address) };
        assert!(freed.is_ok() || std::thread::panicking(), "{:?}", stand_in::last_failure());
    }
}

/// Numbers from -1 to 1 that look random, on a grid of 1/128 that all storage types hold.
pub fn numbers(len: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(747_796_405).wrapping_add(1);
    (0..len)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f32::from(i16::try_from(state >> 24).unwrap() - 128) / 128.0
        })
        .collect()
}

/// Bits of numbers in a 16-bit storage type that holds them exactly.
pub fn half_bits(numbers: &[f32], storage: &str) -> Vec<u16> {
    let to_bits = |x: &f32| {
        if storage == "BF16" { half::bf16::from_f32(*x).to_bits() } else { half::f16::from_f32(*x).to_bits() }
    };
    numbers.iter().map(to_bits).collect()
}

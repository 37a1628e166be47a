//! Compiled kernels in the device, by file and storage type.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ffi::CString;
use std::fmt;
use std::rc::Rc;

use cudarc::driver::result::{function, module};
use cudarc::driver::sys;
use sys::CUfunction_attribute_enum as Attribute;

use super::context::Context;
use crate::kind::Kind;
use crate::launch::{Arg, Kernel};
use crate::toolchain::arch::Arch;
use crate::toolchain::compile::Compiler;
use crate::toolchain::device::words;
use crate::toolchain::library::Library;

/// Shared memory that a block may have without asking.
const UNASKED: usize = 48 << 10;

/// A kernel in the device.
#[derive(Debug)]
pub(super) struct Function {
    pub(super) handle: sys::CUfunction,
    /// Bytes of each parameter, where the driver reports them.
    parameters: Option<Vec<usize>>,
    /// Bytes of static shared memory.
    fixed: usize,
    /// Most dynamic shared memory that was asked for.
    allowed: Cell<usize>,
}

/// A loaded file.
#[derive(Debug)]
struct Module {
    context: Rc<Context>,
    handle: sys::CUmodule,
}

impl Drop for Module {
    fn drop(&mut self) {
        if self.context.synchronize().is_ok() {
            // SAFETY: loaded once, unloaded once, and nothing of it runs any more
            let _ = unsafe { module::unload(self.handle) };
        }
    }
}

/// Compiles, loads and keeps kernels.
#[derive(Debug)]
pub(super) struct Modules {
    context: Rc<Context>,
    compiler: Compiler,
    arch: Arch,
    modules: RefCell<HashMap<(&'static str, Kind), Rc<Module>>>,
    functions: RefCell<HashMap<Kernel, Rc<Function>>>,
}

impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{} of {}.cu", self.name, self.kind.name(), self.family)
    }
}

impl Modules {
    pub(super) fn new(context: &Rc<Context>, compiler: Compiler) -> Result<Self, String> {
        let arch = Arch::for_device(context.capability, &compiler.supported()?)?;
        let (modules, functions) = (RefCell::default(), RefCell::default());
        Ok(Self { context: context.clone(), compiler, arch, modules, functions })
    }

    /// A kernel; `may_load` is false while work is recorded, when nothing can be loaded.
    pub(super) fn function(&self, kernel: &Kernel, may_load: bool) -> Result<Rc<Function>, String> {
        if let Some(function) = self.functions.borrow().get(kernel) {
            return Ok(function.clone());
        }
        if !may_load {
            return Err(format!("the kernel {kernel} was first asked for while a step was recorded"));
        }
        let module = self.module(kernel.family, kernel.kind)?;
        let name = format!("{}_{}", kernel.name, kernel.kind.name());
        let name = CString::new(name).map_err(|_| format!("no kernel {kernel}"))?;
        // SAFETY: the module is loaded
        let handle = unsafe { module::get_function(module.handle, name) }
            .map_err(|e| words(format_args!("the kernel {kernel}"), e))?;
        // SAFETY: the function exists
        let fixed = unsafe { function::get_function_attribute(handle, Attribute::CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES) };
        let fixed = fixed.ok().and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(0);
        let allowed = Cell::new(UNASKED.saturating_sub(fixed));
        let function = Rc::new(Function { handle, parameters: parameters(handle), fixed, allowed });
        self.functions.borrow_mut().insert(*kernel, function.clone());
        Ok(function)
    }

    fn module(&self, family: &'static str, kind: Kind) -> Result<Rc<Module>, String> {
        if let Some(module) = self.modules.borrow().get(&(family, kind)) {
            return Ok(module.clone());
        }
        let code = self.compiler.kernels(family, kind, &self.arch)?;
        self.context.bind()?;
        // the intermediate form is a text, which ends in zero; machine code knows its length
        // SAFETY: the image came whole from the compiler, directly or through a digest
        let handle = unsafe { module::load_data(code.image.as_ptr().cast()) }.map_err(|e| {
            words(format_args!("{family}.cu, compiled for {} and {}, cannot be loaded", self.arch, kind.name()), e)
        })?;
        let module = Rc::new(Module { context: self.context.clone(), handle });
        self.modules.borrow_mut().insert((family, kind), module.clone());
        Ok(module)
    }
}

/// Sizes of a kernel's parameters; drivers before 12.4 do not report them.
fn parameters(handle: sys::CUfunction) -> Option<Vec<usize>> {
    if !Library::Driver.has("cuFuncGetParamInfo") {
        return None;
    }
    let mut sizes = Vec::new();
    loop {
        let (mut offset, mut bytes) = (0, 0);
        // SAFETY: the function exists; an index beyond its parameters is an error value
        match unsafe { sys::cuFuncGetParamInfo(handle, sizes.len(), &raw mut offset, &raw mut bytes) } {
            sys::CUresult::CUDA_SUCCESS => sizes.push(bytes),
            sys::CUresult::CUDA_ERROR_INVALID_VALUE => return Some(sizes),
            _ => return None,
        }
    }
}

impl Function {
    /// Whether arguments are as many and as large as the kernel's parameters.
    pub(super) fn check(&self, args: &[Arg<'_>]) -> Result<(), String> {
        let Some(sizes) = &self.parameters else { return Ok(()) };
        if sizes.len() != args.len() {
            return Err(format!("{} arguments for {} parameters", args.len(), sizes.len()));
        }
        for (at, (size, arg)) in sizes.iter().zip(args).enumerate() {
            let fits = match arg {
                Arg::Word(_) => *size <= 8,
                Arg::Words(words) => size.div_ceil(8) == words.len(),
            };
            if !fits {
                return Err(format!("argument {at} is not the {size} bytes that the kernel takes"));
            }
        }
        Ok(())
    }

    /// Lets a block have `bytes` of dynamic shared memory.
    pub(super) fn allow_shared(&self, bytes: usize, most: usize) -> Result<(), String> {
        if bytes <= self.allowed.get() {
            return Ok(());
        }
        if bytes + self.fixed > most {
            return Err(format!("{} bytes of shared memory for a block, the device has {most}", bytes + self.fixed));
        }
        let value = i32::try_from(bytes).map_err(|_| "too much shared memory")?;
        let attribute = Attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
        // SAFETY: the function exists
        unsafe { function::set_function_attribute(self.handle, attribute, value) }
            .map_err(|e| words(format_args!("{bytes} bytes of shared memory"), e))?;
        self.allowed.set(bytes);
        Ok(())
    }
}

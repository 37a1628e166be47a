//! From kernel texts to code for one architecture, by NVRTC; see [`super::cache`] for what is kept.

use std::ffi::{CStr, CString};

use cudarc::nvrtc::{result, sys};

use super::arch::Arch;
use super::cache::{self, Cache, Entry};
use super::kernels;
use super::library::Library;
use crate::kind::Kind;

/// Options of every compilation. Division and roots are rounded correctly; kernels that want the fast ones say so.
const OPTIONS: &[&str] = &[
    "--std=c++17",
    "-default-device",
    "--fmad=true",
    "--prec-div=true",
    "--prec-sqrt=true",
    "--ftz=false",
    "-lineinfo",
    "--ptxas-options=-v",
];

/// A compiler and what it made before.
#[derive(Debug)]
pub(crate) struct Compiler {
    /// Version and file of the compiler: code of one is not taken for that of another.
    identity: String,
    cache: Option<Cache>,
}

impl Compiler {
    /// Finds the compiler. Without a folder to keep kernels in it compiles in every run.
    pub(crate) fn new() -> Result<Self, String> {
        let found = Library::Nvrtc.load()?;
        let mut identity = found.version;
        if let Some(path) = found.path {
            let bytes = std::fs::metadata(&path).map_or(0, |m| m.len());
            identity += &format!(" {} {bytes}", path.display());
        }
        Ok(Self { identity, cache: Cache::open().ok() })
    }

    /// Compute capabilities that the compiler knows, as `10 major + minor`.
    pub(crate) fn supported(&self) -> Result<Vec<u32>, String> {
        let mut count = 0;
        // SAFETY: writes one integer
        let counted = unsafe { sys::nvrtcGetNumSupportedArchs(&raw mut count) }.result();
        let mut list = vec![0; usize::try_from(count).unwrap_or(0)];
        // SAFETY: writes `count` integers
        let listed = unsafe { sys::nvrtcGetSupportedArchs(list.as_mut_ptr()) }.result();
        counted.and(listed).map_err(|e| format!("libnvrtc does not tell what it supports: {}", words(&e)))?;
        Ok(list.into_iter().filter_map(|n| u32::try_from(n).ok()).collect())
    }

    /// Code of a kernel file for a storage type.
    pub(crate) fn kernels(&self, family: &str, kind: Kind, arch: &Arch) -> Result<Entry, String> {
        let source = kernels::source(family).ok_or_else(|| format!("there is no kernel file {family}.cu"))?;
        self.code(&format!("{family}.cu"), source, kernels::HEADERS, kind, arch)
    }

    fn code(
        &self,
        name: &str,
        source: &str,
        headers: &[(&str, &str)],
        kind: Kind,
        arch: &Arch,
    ) -> Result<Entry, String> {
        let mut options: Vec<String> = OPTIONS.iter().map(|&option| option.to_owned()).collect();
        options.push(format!("--gpu-architecture={arch}"));
        options.push(format!("-DSTORAGE_{}", kind.name().to_uppercase()));
        let mut parts: Vec<&[u8]> = vec![self.identity.as_bytes(), name.as_bytes(), source.as_bytes()];
        parts.extend(headers.iter().flat_map(|(name, text)| [name.as_bytes(), text.as_bytes()]));
        parts.extend(options.iter().map(String::as_bytes));
        let key = cache::key(&parts);
        if let Some(entry) = self.cache.as_ref().and_then(|cache| cache.get(&key)) {
            return Ok(entry);
        }
        let entry = compile(name, source, headers, &options, arch.is_real())
            .map_err(|why| format!("kernels/{name} does not compile for {arch} and {}: {why}", kind.name()))?;
        if let Some(cache) = &self.cache {
            // a full disk only costs time at the next start
            let _ = cache.put(&key, &entry);
        }
        Ok(entry)
    }
}

/// A program of NVRTC's, destroyed at the end.
struct Program(sys::nvrtcProgram);

impl Drop for Program {
    fn drop(&mut self) {
        // SAFETY: made by `nvrtcCreateProgram` and destroyed once
        let _ = unsafe { sys::nvrtcDestroyProgram(&raw mut self.0) };
    }
}

fn compile(
    name: &str,
    source: &str,
    headers: &[(&str, &str)],
    options: &[String],
    real: bool,
) -> Result<Entry, String> {
    let text = |text: &str| CString::new(text).map_err(|_| String::from("a text has a zero byte"));
    let (source, name) = (text(source)?, text(name)?);
    let names = headers.iter().map(|(name, _)| text(name)).collect::<Result<Vec<_>, _>>()?;
    let texts = headers.iter().map(|(_, content)| text(content)).collect::<Result<Vec<_>, _>>()?;
    let [name_pointers, text_pointers] =
        [&names, &texts].map(|list| list.iter().map(|s| s.as_ptr()).collect::<Vec<_>>());
    let count = i32::try_from(headers.len()).map_err(|_| "too many headers")?;
    let mut program = Program(std::ptr::null_mut());
    // SAFETY: all strings end in zero and live to the end of this function; both lists have `count` entries
    unsafe {
        sys::nvrtcCreateProgram(
            &raw mut program.0,
            source.as_ptr(),
            name.as_ptr(),
            count,
            text_pointers.as_ptr(),
            name_pointers.as_ptr(),
        )
    }
    .result()
    .map_err(|e| words(&e))?;
    // SAFETY: the program exists
    let compiled = unsafe { result::compile_program(program.0, options) };
    let log = log(&program);
    compiled.map_err(|e| format!("{}\n{log}", words(&e)))?;
    Ok(Entry { image: image(&program, real).map_err(|e| words(&e))?, log })
}

fn log(program: &Program) -> String {
    // SAFETY: the program exists
    let bytes: Vec<u8> = match unsafe { result::get_program_log(program.0) } {
        Ok(log) => log.into_iter().map(|c| c.cast_unsigned()).collect(),
        Err(_) => Vec::new(),
    };
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).trim_end().to_owned()
}

fn image(program: &Program, real: bool) -> Result<Vec<u8>, result::NvrtcError> {
    if !real {
        // SAFETY: the program was compiled
        let ptx = unsafe { result::get_ptx(program.0) }?;
        return Ok(ptx.into_iter().map(|c| c.cast_unsigned()).collect());
    }
    let mut bytes = 0;
    // SAFETY: writes one integer
    unsafe { sys::nvrtcGetCUBINSize(program.0, &raw mut bytes) }.result()?;
    let mut image = vec![0u8; bytes];
    // SAFETY: writes as many bytes as it said it would
    unsafe { sys::nvrtcGetCUBIN(program.0, image.as_mut_ptr().cast()) }.result()?;
    Ok(image)
}

/// An error of NVRTC's in its own words.
fn words(error: &result::NvrtcError) -> String {
    // SAFETY: the function returns a string of the library's, which is never unloaded, or null
    let text = unsafe {
        let text = sys::nvrtcGetErrorString(error.0);
        (!text.is_null()).then(|| CStr::from_ptr(text))
    };
    text.map_or_else(|| format!("{:?}", error.0), |text| text.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With the real compiler where there is one; its absence is an error in words, never a panic.
    #[test]
    fn texts_compile_and_errors_name_the_file_and_show_the_log() {
        let compiler = match Compiler::new() {
            Ok(compiler) => Compiler { cache: None, ..compiler },
            Err(why) => return assert!(why.contains("libnvrtc"), "{why}"),
        };
        let arch: Arch = "sm_80".parse().unwrap();
        let headers = [("half.h", "#define HALF 0.5f\n")];
        let source = "#include <half.h>\nextern \"C\" __global__ void f(float* x) { x[threadIdx.x] *= HALF; }";
        let entry = compiler.code("good.cu", source, &headers, Kind::F32, &arch).unwrap();
        assert!(!entry.image.is_empty());
        if !entry.image.starts_with(b"\x7fELF") {
            // a stand-in that compiles nothing
            return;
        }
        let wrong = "extern \"C\" __global__ void f(float* x) { missing(x); }";
        let error = compiler.code("wrong.cu", wrong, &headers, Kind::Bf16, &arch).unwrap_err();
        assert!(error.contains("wrong.cu") && error.contains("sm_80") && error.contains("bf16"), "{error}");
    }
}

//! Builds the stand-in for NVIDIA's libraries (`stand_in/device.cpp` says what it is): the kernel files of `ebt-cuda`
//! compiled for the CPU in every storage type, and shared objects under the names that the backend looks for. Only on
//! Linux: elsewhere the tests that need it are left out.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::thread;

/// What a source file is compiled with besides the common options.
const RUNTIME: &[&str] = &["-O2"];
const PRODUCTS: &[&str] = &["-O3"];
const KERNELS: &[&str] = &["-O1", "-w", "-fsanitize=alignment,bounds"];

/// Names under which the backend's bindings look for the libraries.
const NAMES: &[&str] = &[
    "libcuda.so",
    "libcuda.so.1",
    "libcublasLt.so",
    "libcublasLt.so.13",
    "libnvrtc.so",
    "libnvrtc.so.13",
    "libnccl.so.2",
];

struct Task {
    source: PathBuf,
    object: PathBuf,
    options: &'static [&'static str],
}

struct Builder {
    compiler: cc::Tool,
    includes: Vec<PathBuf>,
    /// Hash of everything that every object depends on.
    common: u64,
}

fn main() {
    if let Err(sentence) = build() {
        eprintln!("error: {sentence}");
        std::process::exit(1);
    }
}

fn build() -> Result<(), String> {
    // its threads, its guard pages and its libraries are those of Linux
    if std::env::var_os("CARGO_CFG_TARGET_OS").is_none_or(|system| system != "linux") {
        return Ok(());
    }
    // clippy runs nothing
    let compiler = std::env::var_os("RUSTC_WORKSPACE_WRAPPER").map(PathBuf::from);
    if compiler.is_some_and(|path| path.file_stem().is_some_and(|name| name == "clippy-driver")) {
        println!("cargo:rustc-env=STAND_IN_LIBRARIES=");
        return Ok(());
    }
    let here = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").ok_or("cargo names no folder of the package")?);
    let out = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("cargo names no folder for output")?);
    let (sources, kernels) = (here.join("stand_in"), here.join("../cuda/kernels"));
    for watched in [&sources, &kernels, &here.join("build.rs")] {
        println!("cargo:rerun-if-changed={}", watched.display());
    }
    let headers = [files(&sources, &["h", "cuh"])?, files(&kernels, &["cuh"])?].concat();
    let builder = Builder::new(vec![sources.clone(), kernels.clone()], &headers)?;

    let (objects, libraries) = (out.join("objects"), out.join("stand_in"));
    for folder in [&objects, &libraries] {
        fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    }
    let mut runtime = Vec::new();
    for source in files(&sources, &["cpp"])? {
        let object = objects.join(stem(&source)).with_extension("o");
        let options = if stem(&source) == "product" { PRODUCTS } else { RUNTIME };
        runtime.push(Task { source, object, options });
    }
    let mut compiled = Vec::new();
    for family in [files(&kernels, &["cu"])?, files(&sources, &["cu"])?].concat() {
        for storage in ["F32", "BF16", "F16"] {
            let source = objects.join(format!("{}_{storage}.cpp", stem(&family)));
            write_if_new(&source, wrapper(&family, storage)?.as_bytes())?;
            let object = source.with_extension("o");
            compiled.push(Task { source, object, options: KERNELS });
        }
    }
    builder.compile(runtime.iter().chain(&compiled).collect())?;

    let objects_of = |tasks: &[Task]| tasks.iter().map(|t| t.object.clone()).collect::<Vec<_>>();
    let (core, all) = (libraries.join("libstand_in.so"), libraries.join("libstand_in_kernels.so"));
    builder.link(&core, &objects_of(&runtime), &[])?;
    builder.link(&all, &objects_of(&compiled), &[&core])?;
    for name in NAMES {
        builder.link(&libraries.join(name), &[], &[&core, &all])?;
    }
    println!("cargo:rustc-env=STAND_IN_LIBRARIES={}", libraries.display());
    Ok(())
}

impl Builder {
    fn new(includes: Vec<PathBuf>, headers: &[PathBuf]) -> Result<Self, String> {
        let compiler =
            cc::Build::new().cpp(true).std("c++17").pic(true).debug(false).warnings(false).try_get_compiler();
        let compiler =
            compiler.map_err(|e| format!("ebt-tests needs a C++17 compiler for its stand-in device: {e}"))?;
        let mut hasher = DefaultHasher::new();
        (compiler.path(), compiler.args()).hash(&mut hasher);
        for header in headers {
            read(header)?.hash(&mut hasher);
        }
        Ok(Self { compiler, includes, common: hasher.finish() })
    }

    /// Compiles what changed, as many files at a time as cargo allows.
    fn compile(&self, tasks: Vec<&Task>) -> Result<(), String> {
        let jobs = std::env::var("NUM_JOBS").ok().and_then(|n| n.parse().ok()).unwrap_or(1);
        let jobs = thread::available_parallelism().map_or(1, usize::from).min(jobs);
        // the largest files first, so that none is left alone at the end
        let mut tasks = tasks;
        tasks.sort_by_key(|t| std::cmp::Reverse(t.options.len()));
        let (queue, failures) = (Mutex::new(VecDeque::from(tasks)), Mutex::new(Vec::new()));
        let next = || queue.lock().ok().and_then(|mut q| q.pop_front());
        thread::scope(|scope| {
            for _ in 0..jobs {
                scope.spawn(|| {
                    while let Some(task) = next() {
                        if let (Err(e), Ok(mut failures)) = (self.compile_one(task), failures.lock()) {
                            failures.push(e);
                        }
                    }
                });
            }
        });
        match failures.into_inner() {
            Ok(failures) if failures.is_empty() => Ok(()),
            Ok(failures) => Err(failures.join("\n")),
            Err(_) => Err("a thread that ran the compiler panicked".into()),
        }
    }

    fn compile_one(&self, task: &Task) -> Result<(), String> {
        let mut hasher = DefaultHasher::new();
        (self.common, task.options, read(&task.source)?).hash(&mut hasher);
        let (stamp, text) = (task.object.with_extension("stamp"), hasher.finish().to_string());
        if task.object.is_file() && fs::read_to_string(&stamp).is_ok_and(|old| old == text) {
            return Ok(());
        }
        let mut command = self.compiler.to_command();
        command.args(task.options).arg("-c").arg(&task.source).arg("-o").arg(&task.object);
        for folder in &self.includes {
            command.arg("-I").arg(folder);
        }
        run(command)?;
        fs::write(&stamp, text).map_err(|e| format!("{}: {e}", stamp.display()))
    }

    fn link(&self, library: &Path, objects: &[PathBuf], needed: &[&PathBuf]) -> Result<(), String> {
        let name = library.file_name().unwrap_or_default().to_string_lossy();
        let mut command = self.compiler.to_command();
        command.args(["-shared", "-Wl,-rpath,$ORIGIN", "-Wl,--no-as-needed", "-Wl,-z,defs"]);
        command.arg(format!("-Wl,-soname,{name}")).args(objects).args(needed).arg("-o").arg(library);
        run(command)
    }
}

fn run(mut command: Command) -> Result<(), String> {
    let output = command.output().map_err(|e| {
        format!(
            "ebt-tests needs a C++17 compiler for its stand-in device, and {:?} cannot be run: {e}",
            command.get_program()
        )
    })?;
    if output.status.success() {
        return Ok(());
    }
    let arguments: Vec<_> = command.get_args().map(|a| a.to_string_lossy()).collect();
    let (program, fault) = (command.get_program().to_string_lossy(), String::from_utf8_lossy(&output.stderr));
    Err(format!("{program} {}: {}\n{fault}", arguments.join(" "), output.status))
}

/// A translation unit with one kernel file in one storage type. The unnamed namespace keeps what is equally named and
/// differently compiled apart.
fn wrapper(family: &Path, storage: &str) -> Result<String, String> {
    let bytes = read(family)?;
    let text = String::from_utf8_lossy(&bytes);
    let mut unit = format!(
        "// {:016x}\n#define STORAGE_{storage} 1\n#include \"device.cuh\"\n#include \"launch.h\"\nnamespace {{\n#include \"{}\"\n\
         thread_local char touched;\nvoid* touch() {{ return &touched; }}\n",
        fnv(&bytes),
        family.display()
    );
    for (threads, name) in text.lines().filter_map(kernel) {
        let name = format!("{name}_{}", storage.to_lowercase());
        let _ = writeln!(
            unit,
            "[[maybe_unused]] const bool enrolled_{name} = stand_in::enroll({{\"{name}\", \"{:016x}\", \"{storage}\", \
             stand_in::Entry<{name}>::body, stand_in::Entry<{name}>::sizes, stand_in::Entry<{name}>::count, {threads}, touch}});",
            fnv(&bytes)
        );
    }
    unit.push_str("}\n");
    Ok(unit)
}

/// Most threads and name of `KERNEL(threads, name)` at the start of a line.
fn kernel(line: &str) -> Option<(u32, &str)> {
    let (threads, rest) = line.strip_prefix("KERNEL(")?.split_once(',')?;
    let name = rest.split_once(')')?.0.trim();
    Some((threads.trim().parse().ok()?, name))
}

/// FNV-1a, as in `modules.cpp`.
fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, b| (hash ^ u64::from(*b)).wrapping_mul(0x100_0000_01b3))
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|e| format!("{}: {e}", path.display()))
}

fn write_if_new(path: &Path, bytes: &[u8]) -> Result<(), String> {
    if fs::read(path).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    fs::write(path, bytes).map_err(|e| format!("{}: {e}", path.display()))
}

/// Files of a folder with one of the extensions, in order.
fn files(folder: &Path, extensions: &[&str]) -> Result<Vec<PathBuf>, String> {
    let fault = |e: io::Error| format!("{}: {e}", folder.display());
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(fault)? {
        let path = entry.map_err(fault)?.path();
        if path.extension().is_some_and(|e| extensions.iter().any(|x| e == *x)) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

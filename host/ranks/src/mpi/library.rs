//! Finding and opening the library that fits the launcher. Nothing of MPI is linked.

use std::ffi::{OsStr, OsString, c_char, c_int, c_void};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use libloading::os::unix::{Library as Opened, RTLD_GLOBAL, RTLD_NOW};

use super::abi::{Abi, Constants, Handle};
use crate::launch::{Environment, Family};

/// Names of the library in each interface, by their number: other numbers have other interfaces. Debian's MPICH has a name
/// of its own.
#[cfg(not(target_os = "macos"))]
const NAMES: [(Abi, &str); 4] = [
    (Abi::Standard, "libmpi_abi.so.1"),
    (Abi::Mpich, "libmpi.so.12"),
    (Abi::Mpich, "libmpich.so.12"),
    (Abi::OpenMpi, "libmpi.so.40"),
];
#[cfg(target_os = "macos")]
const NAMES: [(Abi, &str); 3] =
    [(Abi::Standard, "libmpi_abi.1.dylib"), (Abi::Mpich, "libmpi.12.dylib"), (Abi::OpenMpi, "libmpi.40.dylib")];

/// Bytes that hold any text of a library (`MPI_MAX_LIBRARY_VERSION_STRING` is at most 8192).
const LONGEST_TEXT: usize = 8192;

/// Declares the functions that are used, and how they are looked up.
macro_rules! functions {
    ($($field:ident = $name:literal($($argument:ty),*);)*) => {
        /// Functions of the library. All but two return an error code, 0 for none.
        #[derive(Debug, Clone, Copy)]
        pub struct Functions {
            $(pub $field: unsafe extern "C" fn($($argument),*) -> c_int,)*
        }

        impl Functions {
            /// # Safety
            ///
            /// The library is one of MPI, and stays open as long as the functions are called.
            unsafe fn of(library: &Opened) -> Result<Self> {
                Ok(Self {
                    // SAFETY: the standard of MPI defines the function with these arguments
                    $($field: unsafe { *library.get($name).with_context(|| format!("{} is missing", $name))? },)*
                })
            }
        }
    };
}

functions! {
    init_thread = "MPI_Init_thread"(*mut c_int, *mut *mut *mut c_char, c_int, *mut c_int);
    finalize = "MPI_Finalize"();
    abort = "MPI_Abort"(Handle, c_int);
    rank = "MPI_Comm_rank"(Handle, *mut c_int);
    size = "MPI_Comm_size"(Handle, *mut c_int);
    set_errors = "MPI_Comm_set_errhandler"(Handle, Handle);
    error_string = "MPI_Error_string"(c_int, *mut c_char, *mut c_int);
    version = "MPI_Get_library_version"(*mut c_char, *mut c_int);
    all_to_all = "MPI_Alltoall"(*const c_void, c_int, Handle, *mut c_void, c_int, Handle, Handle);
    all_gather = "MPI_Allgather"(*const c_void, c_int, Handle, *mut c_void, c_int, Handle, Handle);
    all_reduce = "MPI_Allreduce"(*const c_void, *mut c_void, c_int, Handle, Handle, Handle);
    broadcast = "MPI_Bcast"(*mut c_void, c_int, Handle, c_int, Handle);
}

/// A library of MPI, open until the process ends: none of them can be closed once it has started.
#[derive(Debug)]
pub struct Library {
    /// The file, or the name by which the system found it.
    pub name: PathBuf,
    /// What it calls itself: `MPICH 5.0.2`, `Open MPI v5.0.11`.
    pub version: String,
    pub functions: Functions,
    pub constants: Constants,
}

/// The text that a function writes.
pub fn text(write: impl FnOnce(*mut c_char, *mut c_int) -> c_int) -> String {
    let (mut bytes, mut length) = (vec![0_u8; LONGEST_TEXT], 0);
    let code = write(bytes.as_mut_ptr().cast(), &mut length);
    let text = &bytes[..usize::try_from(length).unwrap_or(0).min(LONGEST_TEXT)];
    let text = String::from_utf8_lossy(text).trim_end_matches(['\0', '\n', ' ']).to_owned();
    if code == 0 { text } else { String::new() }
}

impl Library {
    /// Opens a library; `None` if the system finds none of this name.
    ///
    /// # Errors
    ///
    /// A file that cannot be loaded or is no library of MPI.
    fn open(name: &Path) -> Result<Option<Self>> {
        let failed = || format!("{} is no library of MPI that can be used", name.display());
        // SAFETY: the initialisers of a library of MPI set up nothing that is used before MPI_Init_thread
        let opened = match unsafe { Opened::open(Some(name), RTLD_NOW | RTLD_GLOBAL) } {
            Ok(opened) => opened,
            Err(_) if !name.exists() => return Ok(None),
            Err(error) => return Err(error).with_context(failed),
        };
        let symbol = |symbol: &str| {
            // SAFETY: only the address is taken
            unsafe { opened.get::<*mut c_void>(symbol).ok().map(|found| *found) }
        };
        let abi = match (symbol("ompi_mpi_comm_world"), symbol("MPI_Abi_get_version")) {
            (Some(_), _) => Abi::OpenMpi,
            (None, Some(_)) if standard_version(&opened) >= 1 => Abi::Standard,
            _ => Abi::Mpich,
        };
        let constants = Constants::of(abi, symbol).context("handles of Open MPI are missing").with_context(failed)?;
        // SAFETY: the library is never closed
        let functions = unsafe { Functions::of(&opened) }.with_context(failed)?;
        std::mem::forget(opened);
        // SAFETY: the buffer is as long as the standard asks for; the function may be called at any time
        let told = text(|to, length| unsafe { (functions.version)(to, length) });
        Ok(Some(Self { name: name.to_owned(), version: short(&told), functions, constants }))
    }

    /// Whether this is Open MPI, in whichever interface.
    pub fn is_open_mpi(&self) -> bool {
        self.version.starts_with("Open MPI")
    }

    /// The library for a launcher: the one that `EBT_MPI_LIB` names, or else the first that is found beside the launcher
    /// or where the system looks.
    ///
    /// # Errors
    ///
    /// None is found, or one that the launcher cannot serve.
    pub fn find(family: Family, env: Environment) -> Result<Self> {
        if let Some(given) = env("EBT_MPI_LIB").filter(|given| !given.is_empty()) {
            let library = Self::open(Path::new(&given))?;
            let library = library.with_context(|| format!("EBT_MPI_LIB: there is no library {given}"))?;
            // this one would end the process
            if family == Family::OpenMpi && !library.is_open_mpi() {
                bail!(
                    "{} started this, and EBT_MPI_LIB names {}: unset EBT_MPI_LIB, or start with the mpirun of that library",
                    family.launcher(),
                    library.version
                );
            }
            return Ok(library);
        }
        let mut unfit = Vec::new();
        for name in candidates(family, &folders(env)) {
            match Self::open(&name) {
                Ok(Some(library)) if family == Family::OpenMpi && !library.is_open_mpi() => unfit.push(library.version),
                Ok(Some(library)) => return Ok(library),
                Ok(None) => {}
                Err(error) => unfit.push(format!("{error:#}")),
            }
        }
        let names: Vec<&str> = names(family).collect();
        let found = if unfit.is_empty() { String::new() } else { format!(" (found: {})", unfit.join("; ")) };
        bail!(
            "{} started this, and no library of its MPI was found: {}{found}. Name it in EBT_MPI_LIB or add its folder to \
             LD_LIBRARY_PATH, or say --ranks off",
            family.launcher(),
            names.join(", ")
        )
    }

    /// Every library that is found on this machine, each file once.
    pub fn survey(env: Environment) -> Vec<Found> {
        let folders = folders(env);
        let given = env("EBT_MPI_LIB").map(PathBuf::from).filter(|given| !given.as_os_str().is_empty());
        let all = given.into_iter().chain(candidates(Family::Pmix, &folders));
        let mut found: Vec<Found> = Vec::new();
        for library in all.filter_map(|name| Self::open(&name).ok().flatten()) {
            let file = library.name.canonicalize().ok().or_else(|| loaded_file(library.functions.version as usize));
            let file = file.unwrap_or(library.name);
            if !found.iter().any(|other| other.file == file) {
                found.push(Found { version: library.version, file });
            }
        }
        found
    }
}

/// A library that is found on a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// What it calls itself: `MPICH 5.0.2`.
    pub version: String,
    /// The file, or the name by which the system found it.
    pub file: PathBuf,
}

/// The file that is loaded at an address, where the system tells.
fn loaded_file(address: usize) -> Option<PathBuf> {
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    maps.lines().find_map(|line| {
        let number = |text| usize::from_str_radix(text, 16).ok();
        let (start, end) = line.split_once(' ')?.0.split_once('-')?;
        let inside = (number(start)?..number(end)?).contains(&address);
        inside.then(|| line.find('/').map(|at| PathBuf::from(&line[at..])))?
    })
}

/// The version of the standard interface that a library has; below 0 if it has another.
fn standard_version(library: &Opened) -> c_int {
    let (mut major, mut minor) = (-1, -1);
    // SAFETY: the function has these arguments by the standard, and may be called at any time
    unsafe {
        if let Ok(get) = library.get::<unsafe extern "C" fn(*mut c_int, *mut c_int) -> c_int>("MPI_Abi_get_version") {
            get(&mut major, &mut minor);
        }
    }
    major
}

/// `MPICH Version:      5.0.2` and what else the first line holds, in few words.
fn short(version: &str) -> String {
    let line = version.lines().next().unwrap_or_default();
    let line = line.split(',').next().unwrap_or_default().replace("Version:", " ");
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Names that may fit a launcher, the most likely first.
fn names(family: Family) -> impl Iterator<Item = &'static str> {
    let order: &[Abi] = match family {
        Family::OpenMpi => &[Abi::OpenMpi, Abi::Standard],
        Family::Pmi => &[Abi::Standard, Abi::Mpich],
        Family::Pmix => &[Abi::OpenMpi, Abi::Standard, Abi::Mpich],
    };
    order.iter().flat_map(|wanted| NAMES.iter().filter(move |(abi, _)| abi == wanted).map(|(_, name)| *name))
}

fn candidates(family: Family, folders: &[PathBuf]) -> Vec<PathBuf> {
    let there = folders.iter().flat_map(|folder| names(family).map(move |name| folder.join(name)));
    there.filter(|path| path.exists()).chain(names(family).map(PathBuf::from)).collect()
}

/// Folders in which the launcher's library may lie, beside those where the system looks: it lies beside the launcher, also
/// in an environment of Python.
fn folders(env: Environment) -> Vec<PathBuf> {
    let mut folders = Vec::new();
    folders.extend(env("OMPI_LIBDIR_LOC").map(PathBuf::from));
    folders.extend(env("OPAL_PREFIX").map(|prefix| Path::new(&prefix).join("lib")));
    let launcher = std::fs::read_link(format!("/proc/{}/exe", std::os::unix::process::parent_id())).ok();
    let path = env("PATH").map(OsString::from).unwrap_or_default();
    let on_path = std::env::split_paths(&path).map(|folder| folder.join("mpirun")).find(|file| file.is_file());
    for program in launcher.into_iter().chain(on_path) {
        // mpirun may be a link into its own tree
        for program in [program.canonicalize().ok(), Some(program)].into_iter().flatten() {
            let prefix = program.parent().filter(|folder| folder.file_name() == Some(OsStr::new("bin")));
            folders.extend(prefix.and_then(Path::parent).map(|prefix| prefix.join("lib")));
        }
    }
    if let Some(intel) = env("I_MPI_ROOT") {
        folders.extend(["lib", "lib/release"].map(|lib| Path::new(&intel).join(lib)));
    }
    folders
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_beside_the_launcher_come_first() {
        let root = std::env::temp_dir().join(format!("ebt-ranks-{}", std::process::id()));
        for file in ["m/bin/mpirun", "m/lib/libmpi_abi.so.1", "m/lib/libmpi.so.12", "o/lib/libmpi.so.40"] {
            std::fs::create_dir_all(root.join(file).parent().unwrap()).unwrap();
            std::fs::write(root.join(file), "").unwrap();
        }
        let path = |text: &str| root.join(text).to_str().unwrap().to_owned();
        let env = |name: &str| match name {
            "PATH" => Some(format!("/nowhere:{}", path("m/bin"))),
            "OMPI_LIBDIR_LOC" => Some(path("o/lib")),
            _ => None,
        };
        let folders = folders(&env);
        let expected = |family, there: &[&str]| {
            let there = there.iter().map(|file| root.join(file));
            let wanted: Vec<PathBuf> = there.chain(names(family).map(PathBuf::from)).collect();
            assert_eq!(candidates(family, &folders), wanted);
        };
        assert!(folders.contains(&root.join("m/lib")) && folders[0] == root.join("o/lib"), "{folders:?}");
        if cfg!(not(target_os = "macos")) {
            let doubled = folders.iter().filter(|folder| **folder == root.join("m/lib")).count();
            let beside = ["m/lib/libmpi_abi.so.1", "m/lib/libmpi.so.12"].repeat(doubled);
            expected(Family::Pmi, &beside);
            let names: Vec<_> = names(Family::Pmi).collect();
            assert_eq!(names, ["libmpi_abi.so.1", "libmpi.so.12", "libmpich.so.12"]);
        }
        // what is there and no library is an error that names it
        let error = format!("{:#}", Library::open(&root.join("o/lib/libmpi.so.40")).unwrap_err());
        assert!(error.contains("libmpi.so.40 is no library of MPI that can be used"), "{error}");
        std::fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn a_loaded_file_is_found_by_an_address_in_it() {
        if cfg!(target_os = "linux") {
            let own = std::env::current_exe().unwrap().canonicalize().unwrap();
            assert_eq!(loaded_file(short as *const () as usize), Some(own));
        }
        assert_eq!(loaded_file(0), None);
    }

    #[test]
    fn versions_are_shortened() {
        assert_eq!(short("MPICH Version:      5.0.2\nMPICH Release date: x"), "MPICH 5.0.2");
        assert_eq!(short("Open MPI v5.0.11, package: Open MPI user"), "Open MPI v5.0.11");
        assert_eq!(short(""), "");
    }

    #[test]
    fn a_library_that_is_not_there_is_said_to_be_missing() {
        let env = |name: &str| (name == "EBT_MPI_LIB").then(|| "/nowhere/libmpi.so.12".to_owned());
        let error = Library::find(Family::Pmi, &env).unwrap_err().to_string();
        assert_eq!(error, "EBT_MPI_LIB: there is no library /nowhere/libmpi.so.12");
    }
}

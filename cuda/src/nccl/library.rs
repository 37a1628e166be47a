//! Finding `libnccl.so.2`.

use std::path::PathBuf;
use std::sync::OnceLock;

use libloading::Library;

use super::table::Table;
use crate::toolchain::library::{Found, loaded_file, nvidia_folders, reason};
use crate::toolchain::problem::Problem;

/// The one name that NCCL 2 has in every package of it.
const FILE: &str = "libnccl.so.2";
/// File or folder of NCCL to be taken before all others.
const OWN: &str = "EBT_NCCL_LIB";
/// The first release with all that is called, as `major minor patch` in five digits.
const OLDEST: i32 = 21_800;

/// Finds and opens NCCL, once in the life of the program: `EBT_NCCL_LIB` (a file or a folder), the folders of
/// `EBT_CUDA_LIBS`, what the linker finds, then toolkits and Python packages.
///
/// # Errors
///
/// Why there is none that can be used, and how to get one.
pub fn nccl() -> Result<Found, Problem> {
    table().and_then(|table| found(table).map_err(problem))
}

fn found(table: &Table) -> Result<Found, String> {
    let mut version = 0;
    // SAFETY: writes one integer
    let code = unsafe { (table.ncclGetVersion)(&raw mut version) };
    table.result("it does not tell its version", code)?;
    let version = match version {
        ..OLDEST => return Err(format!("its version {version} is older than {OLDEST}, that is 2.18.0")),
        _ => format!("{}.{}.{}", version / 10_000, version / 100 % 100, version % 100),
    };
    Ok(Found { version, path: loaded_file("libnccl") })
}

/// NCCL's functions.
pub(super) fn table() -> Result<&'static Table, Problem> {
    static TABLE: OnceLock<Result<Table, Problem>> = OnceLock::new();
    TABLE.get_or_init(|| open().map_err(problem)).as_ref().map_err(Clone::clone)
}

fn open() -> Result<Table, String> {
    if !cfg!(target_os = "linux") {
        return Err(String::from("NCCL exists for Linux only"));
    }
    let mut failures = Vec::new();
    for file in places() {
        // SAFETY: the library is NCCL by its name; its initialisers are what it is opened for
        match unsafe { Library::new(&file) } {
            Ok(library) => {
                let table = Table::of(&library)?;
                found(&table)?;
                // its functions are called until the program ends
                std::mem::forget(library);
                return Ok(table);
            }
            Err(error) => failures.push(reason(&error)),
        }
    }
    Err(format!("{FILE} could not be opened ({})", failures.join("; ")))
}

/// What is tried in turn; the name alone leaves the search to the linker.
fn places() -> Vec<PathBuf> {
    let variable = std::env::var_os(OWN).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(own) = variable {
        return vec![if own.is_dir() { own.join(FILE) } else { own }];
    }
    let (own, others) = nvidia_folders();
    let files =
        |folders: Vec<PathBuf>| folders.into_iter().map(|folder| folder.join(FILE)).filter(|file| file.is_file());
    files(own).chain([PathBuf::from(FILE)]).chain(files(others)).collect()
}

fn problem(why: String) -> Problem {
    let how_to_get_it =
        "Several GPUs need NCCL 2.18 or newer: on Debian and Ubuntu `libnccl2` of NVIDIA's repository, or without \
                         root `pip install nvidia-nccl-cu13`; set EBT_NCCL_LIB to its file if it lies elsewhere"
            .to_owned();
    Problem { what: String::from("libnccl"), why, how_to_get_it, fatal: false }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::UniqueId;

    /// With `EBT_NCCL_LIB` or `EBT_CUDA_LIBS` set this looks at that library; NCCL makes identities without a GPU.
    #[test]
    fn what_is_found_works_and_what_is_missing_is_said() {
        match nccl() {
            Ok(found) => {
                eprintln!("NCCL {} at {:?}", found.version, found.path);
                assert_ne!(UniqueId::new().unwrap(), UniqueId::new().unwrap());
            }
            Err(problem) => {
                let text = problem.to_string();
                assert!(text.starts_with("libnccl: ") && text.contains("EBT_NCCL_LIB") && !problem.fatal, "{text}");
                assert_eq!(UniqueId::new().unwrap_err(), text);
            }
        }
    }
}

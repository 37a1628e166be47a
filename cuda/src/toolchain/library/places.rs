//! Where NVIDIA's libraries lie: the folders of toolkits, drivers and Python packages of each operating system.

use std::collections::HashSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Folders to look in before all others, separated as in `PATH`.
const OWN_FOLDERS: &str = "EBT_CUDA_LIBS";

/// A variable of the environment by its name.
pub(super) type Environment<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// The folders of `EBT_CUDA_LIBS`.
pub(super) fn own_folders(environment: Environment<'_>) -> Vec<PathBuf> {
    environment(OWN_FOLDERS).map(|list| std::env::split_paths(&list).collect()).unwrap_or_default()
}

/// Where toolkits, drivers and Python packages put their libraries, below `root`; only folders that exist.
pub(super) fn folders(environment: Environment<'_>, root: &Path) -> Vec<PathBuf> {
    let variable = |name: &str| environment(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let mut list = if cfg!(windows) { on_windows(&variable) } else { on_unix(&variable, root) };
    list.retain(|folder| folder.is_dir());
    let mut seen = HashSet::new();
    list.retain(|folder| seen.insert(folder.clone()));
    list
}

/// Variables that name the folder of a toolkit.
const TOOLKITS: [&str; 3] = ["CUDA_HOME", "CUDA_PATH", "CUDA_ROOT"];

/// Folders of Linux and what is like it, whether they exist or not.
pub(super) fn on_unix(variable: &dyn Fn(&str) -> Option<PathBuf>, root: &Path) -> Vec<PathBuf> {
    let mut list = Vec::new();
    let mut toolkit = |home: PathBuf| {
        list.extend(["lib64", "lib", "targets/x86_64-linux/lib", "targets/sbsa-linux/lib"].map(|lib| home.join(lib)));
    };
    TOOLKITS.into_iter().filter_map(variable).for_each(&mut toolkit);
    toolkit(root.join("usr/local/cuda"));
    starting_with(&root.join("usr/local"), "cuda-").into_iter().for_each(&mut toolkit);

    let mut pythons = Vec::new();
    for prefix in ["VIRTUAL_ENV", "CONDA_PREFIX"].into_iter().filter_map(variable) {
        list.push(prefix.join("lib"));
        pythons.push(prefix.join("lib"));
    }
    pythons.extend(variable("HOME").map(|home| home.join(".local/lib")));
    pythons.extend(["usr/local/lib", "usr/lib", "opt/conda/lib"].map(|lib| root.join(lib)));
    for python in pythons.iter().flat_map(|lib| starting_with(lib, "python3")) {
        for packages in ["site-packages", "dist-packages"].map(|name| python.join(name).join("nvidia")) {
            list.push(packages.join("cu13/lib"));
            let others = starting_with(&packages, "").into_iter().filter(|package| !package.ends_with("cu13"));
            list.extend(others.map(|package| package.join("lib")));
        }
    }

    let driver = ["usr/lib/wsl/lib", "usr/local/nvidia/lib64", "run/opengl-driver/lib", "usr/lib/x86_64-linux-gnu"];
    list.extend(driver.map(|lib| root.join(lib)));
    list.extend(["usr/lib/aarch64-linux-gnu", "usr/lib64"].map(|lib| root.join(lib)));
    list
}

/// Folders of Windows, whether they exist or not. The driver's own library lies where the system looks anyway.
pub(super) fn on_windows(variable: &dyn Fn(&str) -> Option<PathBuf>) -> Vec<PathBuf> {
    let mut list = Vec::new();
    let mut toolkit = |home: PathBuf| list.extend(["bin/x64", "bin"].map(|bin| home.join(bin)));
    TOOLKITS.into_iter().filter_map(variable).for_each(&mut toolkit);
    if let Some(programs) = variable("ProgramFiles") {
        let toolkits = programs.join("NVIDIA GPU Computing Toolkit/CUDA");
        starting_with(&toolkits, "v").into_iter().for_each(&mut toolkit);
    }

    let mut packages = Vec::new();
    packages.extend(variable("VIRTUAL_ENV").map(|prefix| prefix.join("Lib/site-packages")));
    if let Some(prefix) = variable("CONDA_PREFIX") {
        list.extend(["Library/bin/x64", "Library/bin"].map(|bin| prefix.join(bin)));
        packages.push(prefix.join("Lib/site-packages"));
    }
    let own = variable("APPDATA").map(|own| (own.join("Python"), "site-packages"));
    let local = variable("LOCALAPPDATA").map(|local| (local.join("Programs/Python"), "Lib/site-packages"));
    for (pythons, place) in own.into_iter().chain(local) {
        packages.extend(starting_with(&pythons, "Python3").into_iter().map(|python| python.join(place)));
    }
    for nvidia in packages.into_iter().map(|packages| packages.join("nvidia")) {
        list.push(nvidia.join("cu13/bin/x86_64"));
        list.extend(starting_with(&nvidia, "").into_iter().map(|package| package.join("bin")));
    }
    list
}

/// Entries of a folder whose names begin with `prefix`, the last in the alphabet (the newest version) first.
pub(super) fn starting_with(folder: &Path, prefix: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found: Vec<_> =
        entries.filter(|e| e.file_name().to_string_lossy().starts_with(prefix)).map(|e| e.path()).collect();
    found.sort();
    found.reverse();
    found
}

/// File of a loaded library, where the system tells what it maps.
pub(crate) fn loaded_file(name: &str) -> Option<PathBuf> {
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    mapped_file(&maps, name)
}

/// The library in a list of mappings as Linux writes it.
pub(super) fn mapped_file(maps: &str, name: &str) -> Option<PathBuf> {
    let paths = maps.lines().filter_map(|line| line.find('/').map(|at| Path::new(&line[at..])));
    let is_it = |path: &&Path| {
        let file = path.file_name().and_then(|f| f.to_str()).unwrap_or_default();
        file.strip_prefix(name).is_some_and(|rest| rest.starts_with(".so"))
    };
    paths.into_iter().find(is_it).map(Path::to_path_buf)
}

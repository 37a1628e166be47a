use super::places::{mapped_file, on_unix, on_windows};
use super::*;

#[test]
fn folders_of_toolkits_and_python_packages_are_found_in_order() {
    let root = tempfile::tempdir().unwrap();
    let at = |path: &str| root.path().join(path);
    for folder in [
        "home/lib64",
        "usr/local/cuda-12.9/lib64",
        "usr/local/cuda-13.0/lib64",
        "venv/lib/python3.12/site-packages/nvidia/cu13/lib",
        "venv/lib/python3.12/site-packages/nvidia/cublas/lib",
        "usr/lib/python3/dist-packages/nvidia/cuda_nvrtc/lib",
    ] {
        std::fs::create_dir_all(at(folder)).unwrap();
    }
    let variable =
        |name: &str| ["CUDA_HOME", "VIRTUAL_ENV"].iter().position(|n| *n == name).map(|n| at(["home", "venv"][n]));
    let expected = [
        "home/lib64",
        "usr/local/cuda-13.0/lib64",
        "usr/local/cuda-12.9/lib64",
        "venv/lib",
        "venv/lib/python3.12/site-packages/nvidia/cu13/lib",
        "venv/lib/python3.12/site-packages/nvidia/cublas/lib",
        "usr/lib/python3/dist-packages/nvidia/cuda_nvrtc/lib",
    ];
    let found: Vec<_> = on_unix(&variable, root.path()).into_iter().filter(|folder| folder.is_dir()).collect();
    let mut once = found.clone();
    once.dedup();
    assert_eq!(once, expected.map(at));
}

#[test]
fn on_windows_libraries_lie_beside_programs() {
    let root = tempfile::tempdir().unwrap();
    let at = |path: &str| root.path().join(path);
    let expected = [
        "home/bin/x64",
        "programs/NVIDIA GPU Computing Toolkit/CUDA/v13.1/bin/x64",
        "programs/NVIDIA GPU Computing Toolkit/CUDA/v12.9/bin",
        "conda/Library/bin",
        "venv/Lib/site-packages/nvidia/cu13/bin/x86_64",
        "conda/Lib/site-packages/nvidia/cublas/bin",
        "roaming/Python/Python312/site-packages/nvidia/cu13/bin/x86_64",
        "local/Programs/Python/Python313/Lib/site-packages/nvidia/cuda_nvrtc/bin",
    ];
    for folder in expected {
        std::fs::create_dir_all(at(folder)).unwrap();
    }
    let variable = |name: &str| {
        let place = match name {
            "CUDA_PATH" => "home",
            "ProgramFiles" => "programs",
            "VIRTUAL_ENV" => "venv",
            "CONDA_PREFIX" => "conda",
            "APPDATA" => "roaming",
            "LOCALAPPDATA" => "local",
            _ => return None,
        };
        Some(at(place))
    };
    let found: Vec<_> = on_windows(&variable).into_iter().filter(|folder| folder.is_dir()).collect();
    let ours = |path: &&PathBuf| expected.iter().any(|folder| **path == at(folder));
    assert_eq!(found.iter().filter(ours).collect::<Vec<_>>(), expected.map(at).iter().collect::<Vec<_>>());
}

#[test]
fn empty_variables_name_no_folder_and_a_folder_named_twice_counts_once() {
    let root = tempfile::tempdir().unwrap();
    let libraries = root.path().join(if cfg!(windows) { "bin" } else { "lib64" });
    std::fs::create_dir(&libraries).unwrap();
    let environment = |name: &str| match name {
        "CUDA_HOME" | "CUDA_ROOT" => Some(root.path().into()),
        "CUDA_PATH" => Some(std::ffi::OsString::new()),
        _ => None,
    };
    assert_eq!(folders(&environment, &root.path().join("nowhere")), [libraries]);
}

#[test]
fn the_mapped_file_of_a_library_is_not_that_of_its_namesake() {
    let maps = "7f00-7f01 r--p 0 08:01 12   /opt/x/libnvrtc-builtins.so.13.0\n\
                7f02-7f03 r-xp 0 00:00 0\n\
                7f04-7f05 r-xp 0 08:01 13   /opt/a folder/libnvrtc.so.13\n";
    assert_eq!(mapped_file(maps, "libnvrtc"), Some(PathBuf::from("/opt/a folder/libnvrtc.so.13")));
    assert_eq!(mapped_file(maps, "libcuda"), None);
}

#[test]
fn a_file_that_is_no_library_is_a_failure_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let name = Library::Driver.files()[0];
    std::fs::write(folder.path().join(name), b"nothing").unwrap();
    let mut failures = Vec::new();
    assert!(!Library::Driver.open_in(&[folder.path().to_owned()], &mut failures));
    assert!(failures.len() == 1 && failures[0].contains(name), "{failures:?}");
}

#[test]
fn loading_twice_says_the_same() {
    for library in Library::ALL {
        assert_eq!(library.load(), library.load());
    }
}

#[test]
fn a_library_that_is_broken_is_told_from_one_that_is_missing() {
    let missing = "libcuda.so.1: cannot open shared object file: No such file or directory";
    assert!(!is_found("libcuda.so.1", missing));
    for broken in [
        "libcuda.so.1: file too short",
        "libcuda.so.1: invalid ELF header",
        "libother.so.2: cannot open shared object file: No such file or directory",
    ] {
        assert!(is_found("libcuda.so.1", broken), "{broken}");
    }
    assert_eq!(unusable("libnobody-has-this.so.1"), None);
}

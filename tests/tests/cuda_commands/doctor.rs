//! `ebt doctor`.

use std::fs;
use std::os::unix::fs::symlink;

use ebt_tests::stand_in;
use serde_json::Value;

use crate::program::{ends_with, folder, json, on_stand_in, without_gpu};

/// The report of a machine on which no GPU can be used.
fn unusable(command: &mut std::process::Command) -> Value {
    let (out, err) = ends_with(3, command);
    assert_eq!(err, "");
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(report["usable"], false);
    let problems = report["problems"].as_array().unwrap();
    assert!(problems.iter().any(|p| p["fatal"] == true), "{out}");
    assert!(problems.iter().all(|p| p["how_to_get_it"].as_str().unwrap().len() > 20), "{out}");
    report
}

/// Whether a fatal problem with `what` says `why`.
fn is_in_the_way(report: &Value, what: &str, why: &str) -> bool {
    let matches = |p: &Value| p["what"] == what && p["fatal"] == true && p["why"].as_str().unwrap().contains(why);
    report["problems"].as_array().unwrap().iter().any(matches)
}

#[test]
fn a_usable_device_is_described() {
    let report = json(&mut on_stand_in(&["doctor", "--json"]));
    assert_eq!((&report["usable"], &report["cuda"]), (&true.into(), &true.into()));
    let gpu = &report["devices"][0];
    assert_eq!((gpu["name"].as_str(), gpu["capability"].to_string().as_str()), (Some("cpusim (no GPU)"), "[9,0]"));
    assert_eq!(gpu["arch"], "sm_90a");
    for library in ["driver", "nvrtc", "cublas_lt"] {
        let path = report[library]["path"].as_str().unwrap();
        assert!(path.starts_with(stand_in::library_directory().to_str().unwrap()), "{library}: {path}");
    }

    let (text, err) = ends_with(0, &mut on_stand_in(&["doctor"]));
    assert_eq!(err, "");
    for part in
        ["driver     CUDA 13.0", "GPU 0      cpusim (no GPU)", "compute capability 9.0 (sm_90a)", "132 multiproc"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(text.ends_with("\nA GPU can be used.\n") && !text.contains("In the way"), "{text}");
}

#[test]
fn what_is_missing_comes_with_how_to_get_it() {
    let report = unusable(&mut without_gpu(&["doctor", "--json"]));
    // a machine may have the driver: then it hides its GPUs
    assert!(is_in_the_way(&report, if report["driver"].is_null() { "libcuda" } else { "GPU" }, ""));
    let (text, _) = ends_with(3, &mut without_gpu(&["doctor"]));
    assert!(text.contains("\nIn the way\n") && text.ends_with("No GPU can be used: the CPU can.\n"), "{text}");
    if report["nvrtc"].is_null() {
        assert!(text.contains("compiler   not found") && text.contains("pip install nvidia-cuda-nvrtc"), "{text}");
    }
}

#[test]
fn a_hidden_device_is_missed() {
    let report = unusable(on_stand_in(&["doctor", "--json"]).env("CUDA_VISIBLE_DEVICES", ""));
    assert!(is_in_the_way(&report, "GPU", "CUDA_ERROR_NO_DEVICE"), "{report}");
    assert_eq!(report["driver"]["version"], "13.0");
}

#[test]
fn an_old_driver_and_an_old_device_are_told_from_missing_ones() {
    let report = unusable(on_stand_in(&["doctor", "--json"]).env("EBT_STAND_IN_DRIVER", "12040"));
    assert!(is_in_the_way(&report, "driver version", "CUDA 12.4, code of libnvrtc 13.0"), "{report}");
    let report = unusable(on_stand_in(&["doctor", "--json"]).env("EBT_STAND_IN_CAPABILITY", "6.1"));
    assert!(is_in_the_way(&report, "GPU", "none can be used"), "{report}");
}

#[test]
fn a_broken_library_is_named() {
    let libraries = folder("broken");
    for name in ["libcuda.so.1", "libcublasLt.so.13", "libstand_in.so", "libstand_in_kernels.so"] {
        symlink(stand_in::library_directory().join(name), libraries.join(name)).unwrap();
    }
    let broken = libraries.join("libnvrtc.so.13");
    fs::write(&broken, "no library").unwrap();
    let report = on_stand_in(&["doctor", "--json"]).env("EBT_CUDA_LIBS", &libraries).output().unwrap();
    let report: Value = serde_json::from_slice(&report.stdout).unwrap();
    assert_eq!(report["driver"]["version"], "13.0");
    // a machine may have another one where it looks next
    if report["nvrtc"].is_null() {
        assert!(is_in_the_way(&report, "libnvrtc", broken.to_str().unwrap()), "{report}");
    }
}

#[test]
fn kernels_that_cannot_be_kept_are_no_obstacle() {
    let file = folder("file").join("taken");
    fs::write(&file, "").unwrap();
    let (text, _) = ends_with(0, on_stand_in(&["doctor"]).env("EBT_CACHE_DIR", &file));
    for part in ["kernels    not kept", "\nTo know\n  kernel cache: ", file.to_str().unwrap(), "EBT_CACHE_DIR"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let product = ["bench", "product", "--backend", "cuda", "--size", "16", "--repeat", "1"];
    json(on_stand_in(&product).env("EBT_CACHE_DIR", &file));
}

#[test]
fn no_architecture_is_refused() {
    let (_, err) = ends_with(1, &mut on_stand_in(&["doctor", "--compile", "pentium"]));
    assert!(err.contains("`pentium` is no architecture"), "{err}");
}

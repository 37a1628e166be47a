//! `ebt doctor` on whatever machine this is.
#![allow(clippy::unwrap_used)]

mod support;

use support::program::host;

#[test]
fn the_exit_status_says_whether_a_gpu_can_be_used() {
    let json = host(&["doctor", "--json"]);
    let report: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    let usable = report["usable"].as_bool().unwrap();
    assert_eq!(json.status.code(), Some(if usable { 0 } else { 3 }));
    assert!(json.stderr.is_empty());
    // what is in the way is said, with what to do about it
    if cfg!(feature = "cuda") {
        let problems = report["problems"].as_array().unwrap();
        assert_eq!(usable, problems.iter().all(|p| p["fatal"] == false));
        assert!(problems.iter().all(|p| !p["how_to_get_it"].as_str().unwrap().is_empty()));
    }

    // one process needs no engine: what is missing is said, and changes nothing
    let ranks = &report["ranks"];
    let engines = if cfg!(feature = "cuda") { &["MPI", "NCCL"][..] } else { &["MPI"] };
    for (engine, found) in engines.iter().zip([!ranks["mpi"].as_array().unwrap().is_empty(), ranks["nccl"].is_object()])
    {
        let missing = ranks["missing"].as_array().unwrap().iter().find(|missing| missing["what"] == **engine);
        assert_eq!(found, missing.is_none(), "{ranks}");
        assert!(missing.is_none_or(|missing| missing["how_to_get_it"].as_str().unwrap().contains("pip install")));
    }
    for library in ranks["mpi"].as_array().unwrap() {
        assert!(["version", "file"].iter().all(|key| !library[key].as_str().unwrap().is_empty()), "{library}");
    }

    let text = host(&["doctor"]);
    assert_eq!(text.status.code(), json.status.code());
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(
        engines.iter().all(|engine| text.contains(&format!("\n{engine:10} ")) || text.starts_with(engine)),
        "{text}"
    );
    let last = text.lines().last().unwrap();
    assert_eq!(last.starts_with("A GPU can be used"), usable, "{text}");
}

#[test]
fn an_architecture_that_is_none_is_a_failure() {
    let output = host(&["doctor", "--compile", "sm_80,pentium"]);
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("--compile") || error.contains("`pentium` is no architecture"), "{error}");
}

//! `ebt bench` and `ebt plan`: one JSON line, and memory as planned.

use crate::program::{json_line, on_stand_in, two_ranks, without_gpu};
use serde_json::Value;

const SIZES: [&str; 20] = [
    "--batch",
    "2",
    "--context",
    "16",
    "--vocab",
    "512",
    "--dim",
    "64",
    "--layers",
    "2",
    "--heads",
    "2",
    "--ffn",
    "96",
    "--landscapes",
    "2",
    "--steps",
    "2",
    "--alpha",
    "1",
];

/// The same training step as [`SIZES`], for `ebt plan`.
const PLANNED: [&str; 24] = [
    "--set",
    "model.last_token=false",
    "--set",
    "optimizer.kind=adamw",
    "--batch",
    "2",
    "--set",
    "model.context=16",
    "--set",
    "model.vocab=512",
    "--set",
    "model.dim=64",
    "--set",
    "model.layers=2",
    "--set",
    "model.heads=2",
    "--set",
    "model.ffn=96",
    "--set",
    "model.landscapes=2",
    "--set",
    "objective.max_steps=2",
    "--set",
    "objective.checkpointing=none",
];

fn bench(more: &[&str]) -> Value {
    json_line(on_stand_in(&["bench", "train", "--device", "cuda"]).args(SIZES).args(more))
}

#[test]
fn every_precision_is_timed_in_one_line() {
    let mut exact = None;
    for (dtype, precision) in [("f32", "f32"), ("tf32", "tf32"), ("bf16", "bf16")] {
        let line = timed(dtype, precision, &[]);
        let loss = line["loss"].as_f64().unwrap();
        let exact = *exact.get_or_insert(loss);
        assert!((loss / exact - 1.0).abs() < 0.05, "{exact} in f32: {line}");
    }
    // the first steps are skipped until the loss scales fit, and so not those of f32; also by the name of other commands
    for flags in [&["--warmup", "10"][..], &["--warmup", "10", "--no-graphs"]] {
        let loss = timed("fp16", "f16", flags)["loss"].as_f64().unwrap();
        assert!(loss > 0.0 && loss < 100.0, "{loss}");
    }
    assert_eq!(bench(&["--precision", "f16", "--warmup", "0"])["dtype"], "fp16");
}

/// The line of one precision.
fn timed(dtype: &str, precision: &str, more: &[&str]) -> Value {
    let line = bench(&[&["--dtype", dtype], more].concat());
    assert_eq!((&line["dtype"], &line["device"]), (&dtype.into(), &"cuda".into()));
    assert_eq!(line["name"], format!("cuda {precision} on cpusim (no GPU)"));
    for key in ["tokens_per_second", "seconds_per_step", "useful_flops_per_second", "peak_bytes"] {
        assert!(line[key].as_f64().unwrap() > 0.0, "{key}: {line}");
    }
    line
}

#[test]
fn a_step_takes_the_memory_that_was_planned() {
    for (dtype, precision) in [("bf16", "bf16"), ("f32", "f32"), ("fp16", "f16")] {
        let line = bench(&["--dtype", dtype]);
        let peak = line["peak_bytes"].as_f64().unwrap();
        assert_eq!(line["planned_bytes"].as_f64(), Some(peak), "{line}");
        let plan = ["plan", "--json", "--backend", "cuda", "--precision", precision];
        // planning needs no GPU
        let plan = json_line(without_gpu(&plan).args(PLANNED));
        assert_eq!((&plan["backend"], &plan["precision"]), (&"cuda".into(), &precision.into()));
        let planned = plan["peak_bytes"].as_f64().unwrap();
        // beside the workspace of products, which is always the same
        let workspace = f64::from(64 << 20);
        let (planned, peak) = (planned - workspace, peak - workspace);
        assert!((planned / peak - 1.0).abs() < 0.05, "{precision}: planned {planned}, taken {peak}");
    }
}

#[test]
fn products_are_timed_in_one_line() {
    let line = json_line(&mut on_stand_in(&[
        "bench",
        "product",
        "--backend",
        "cuda",
        "--precision",
        "bf16",
        "--size",
        "64",
        "--repeat",
        "2",
    ]));
    assert!(line["flops_per_second"].as_f64().unwrap() > 0.0, "{line}");
    assert_eq!((&line["size"], &line["name"]), (&64.into(), &"cuda bf16 on cpusim (no GPU)".into()));
}

#[test]
fn ranks_share_a_step_and_its_memory_is_planned() {
    let line = two_ranks(&[&["bench", "train", "--device", "cuda"], &SIZES[..]].concat());
    assert_eq!((&line["ranks"], &line["lanes"]), (&2.into(), &2.into()), "{line}");
    assert!(line["seconds_per_sum"].as_f64().unwrap() > 0.0 && line["share_of_sum"].as_f64().unwrap() > 0.0, "{line}");
    assert_eq!(line["peak_bytes"], line["planned_bytes"]);
    let alone = bench(&["--lanes", "2"]);
    assert_eq!((&alone["ranks"], &alone["loss"]), (&1.into(), &line["loss"]), "{line}");
}

#[test]
fn sums_over_ranks_are_timed_in_both_orders() {
    let report = two_ranks(&["bench", "ranks", "--backend", "cuda", "--megabytes", "1,2", "--repeat", "2", "--json"]);
    assert!(report["engine"].as_str().unwrap().starts_with("NCCL "), "{report}");
    for (row, megabytes) in report["sums"].as_array().unwrap().iter().zip([1, 2]) {
        assert_eq!(row["megabytes"], megabytes);
        for kind in ["tree", "all_reduce"] {
            let [least, median, most] = ["least", "median", "most"].map(|key| row[kind][key].as_f64().unwrap());
            assert!(0.0 < least && least <= median && median <= most, "{report}");
        }
    }
}

//! `ebt train`, `plan` and `bench` as programs: interrupts, resumption, exit statuses, JSON.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

const TINY: [&str; 14] = [
    "--set",
    "model.dim=16",
    "--set",
    "model.heads=2",
    "--set",
    "model.ffn=16",
    "--set",
    "model.context=16",
    "--set",
    "train.batch=2",
    "--set",
    "train.checkpoint_every=1",
    "--threads",
    "1",
];

fn host(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ebt"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // where there is a GPU, the driver then hides it
    command.env("CUDA_VISIBLE_DEVICES", "");
    command
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout)
}

/// A tiny validation text, so that tests do not wait for the whole one.
fn validation(folder: &Path) -> PathBuf {
    let path = folder.join("validation.txt");
    fs::write(&path, "Bir varmış bir yokmuş.\n\nEvvel zaman içinde kalbur saman içinde.\n").unwrap();
    path
}

fn train(out: &Path, more: &[&str]) -> Command {
    let held_out = validation(out.parent().unwrap());
    let mut command = host(&["train", "--out"]);
    command.arg(out).arg("--validation").arg(held_out).args(TINY).args(more);
    command
}

#[test]
#[cfg(unix)]
fn an_interrupted_run_saves_exits_with_130_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let child = train(&out, &["--steps", "100000", "--minutes", "5"]).spawn().unwrap();
    let started = Instant::now();
    let two_steps = |out: &Path| fs::read_to_string(out.join("metrics.jsonl")).is_ok_and(|t| t.lines().count() > 2);
    while !two_steps(&out) && started.elapsed() < Duration::from_secs(120) {
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", text(&output));
    let command = format!("ebt train --resume {}", out.display());
    assert!(text(&output).contains(&command), "{}", text(&output));
    let (step, state) = newest(&out);
    assert!(step >= 2 && state.is_file());

    // another length of the run is refused by name, the same one goes on
    let output = host(&["train", "--resume"]).arg(&out).args(["--steps", "7"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("`train.steps` is 7 now"), "{}", text(&output));
    let output = host(&["train", "--json", "--quiet", "--minutes", "0.02", "--resume"]).arg(&out).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(summary["ending"], "time_up");
    assert!(summary["step"].as_u64().unwrap() > step);
    assert!(output.stderr.is_empty());

    // a second run does not write into the folder of the first
    let output = train(&out, &[]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("holds a run already"), "{}", text(&output));
}

fn newest(out: &Path) -> (u64, PathBuf) {
    let folders = fs::read_dir(out.join("checkpoints")).unwrap().map(|entry| entry.unwrap().path());
    let path = folders.max().unwrap();
    let name = path.file_name().unwrap().to_str().unwrap().to_owned();
    (name.strip_prefix("step-").unwrap().parse().unwrap(), path.join("state.ebs"))
}

#[test]
fn a_finished_run_prints_a_table_and_how_to_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let output = train(&out, &["--steps", "2"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let table = String::from_utf8(output.stdout).unwrap();
    for part in ["unigram", "bigram", "this model", "2 of 2 steps", "ebt generate --model"] {
        assert!(table.contains(part), "{part}: {table}");
    }
    let messages = String::from_utf8(output.stderr).unwrap();
    for part in ["device: cpu f32, 1 threads", "parameters", "to beat: unigram"] {
        assert!(messages.contains(part), "{part}: {messages}");
    }
    assert!(["model.ebt", "config.toml", "metrics.jsonl"].iter().all(|name| out.join(name).is_file()));
}

#[test]
fn a_run_begins_with_the_weights_of_a_model() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (folder.path().join("first"), folder.path().join("second"));
    let output = train(&first, &["--steps", "3", "--tokenizer", "full"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let held_out = validation(folder.path());
    let begin = |out: &Path, more: &[&str]| {
        let mut command = host(&["train", "--steps", "1", "--threads", "1", "--set", "train.batch=2", "--out"]);
        command.arg(out).arg("--validation").arg(&held_out).args(more);
        command.output().unwrap()
    };
    // at a rate of next to nothing the model stays what it was, with its sizes, objective and tokenizer
    let from = first.to_str().unwrap();
    let output = begin(&second, &["--from", from, "--set", "schedule.rate=1e-30"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert!(text(&output).contains("begins with the weights of model.ebt"), "{}", text(&output));
    let measured = |model: &Path| {
        let output = host(&["eval", "--json", "--threads", "1", "--model"]).arg(model).arg(&held_out).output().unwrap();
        let value: Value = serde_json::from_slice(&output.stdout).unwrap();
        value["bits_per_byte"].clone()
    };
    assert_eq!(measured(&first), measured(&second));
    let told = host(&["inspect"]).arg(&second).output().unwrap();
    assert!(text(&told).contains("began with"), "{}", text(&told));
    // the embedding is not drawn, so it does not learn as one that is
    let settings = |run: &Path| {
        let table: toml::Table = fs::read_to_string(run.join("config.toml")).unwrap().parse().unwrap();
        (table["optimizer"]["embedding_rate"].clone(), table["start"].get("embedding").cloned())
    };
    assert_eq!(settings(&first), (50.0.into(), Some(1.0.into())));
    assert_eq!(settings(&second), (1.0.into(), None));
    // it is a run like any other
    let output = host(&["train", "--resume"]).arg(&second).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    // where a preset is named anew the embedding stays a learned one
    let mut resumed = host(&["train", "--preset", "sample", "--resume"]);
    resumed.arg(&second).arg("--validation").arg(&held_out).args(TINY);
    resumed.args(["--tokenizer", "full", "--steps", "1", "--set", "schedule.rate=1e-30"]);
    let output = resumed.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert_eq!(settings(&second), (1.0.into(), None));

    // more blocks and wider feed-forwards change nothing at first
    let larger = folder.path().join("larger");
    let grow = ["--from", from, "--set", "schedule.rate=1e-30", "--set", "model.layers=3", "--set", "model.ffn=24"];
    let output = begin(&larger, &grow);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert_eq!(measured(&first), measured(&larger));
    let told = host(&["inspect", "--json"]).arg(&larger).output().unwrap();
    let told: Value = serde_json::from_slice(&told.stdout).unwrap();
    assert_eq!((&told["config"]["layers"], &told["config"]["ffn"]), (&3.into(), &24.into()));

    let third = folder.path().join("third");
    let packed = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/sample-model.ebp");
    for (arguments, words) in [
        (
            &["--from", from, "--set", "model.dim=32"][..],
            "embedding of 32768 x 16 where embedding of 32768 x 32 is asked for",
        ),
        (&["--from", from, "--set", "model.layers=1"], "a model can grow in `layers` and `ffn` alone"),
        (&["--from", from, "--tokenizer", "fixtures"], "tokenizer"),
        (&["--from", packed], "folded"),
        (&["--from", "nowhere"], "nowhere does not exist"),
    ] {
        let output = begin(&third, arguments);
        assert_eq!(output.status.code(), Some(1), "{}", text(&output));
        assert!(text(&output).contains(words), "{words}: {}", text(&output));
        assert!(!third.exists());
    }
    assert_eq!(begin(&third, &["--from", from, "--resume"]).status.code(), Some(2));
}

/// The fullest of eight experts in the later half of thirty steps, where 1 is a fair share and 8 all tokens: AdaLN at the rate of the rest
/// sends most to one.
#[test]
fn experts_share_tokens_where_adaln_learns_slowly() {
    let folder = tempfile::tempdir().unwrap();
    let fullest = |more: &[&str]| {
        let out = folder.path().join(format!("run{}", more.len()));
        let mut command =
            train(&out, &["--steps", "30", "--quiet", "--set", "train.minutes=none", "--set", "model.dim=64"]);
        command.args(["--set", "model.context=32", "--set", "train.batch=8"]);
        command.args(["--set", "model.moe={n_routed=8,n_shared=0,top_k=1,hidden=64}"]).args(more);
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", text(&output));
        let lines = fs::read_to_string(out.join("metrics.jsonl")).unwrap();
        let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let loads =
            lines.filter(|line| line["step"].as_u64() > Some(15)).filter_map(|line| line["load"].as_array().cloned());
        let loads: Vec<f64> = loads.flatten().map(|load| load.as_f64().unwrap()).collect();
        assert_eq!(loads.len(), 2 * 15);
        loads.iter().sum::<f64>() / loads.len() as f64
    };
    let (slow, fast) = (fullest(&[]), fullest(&["--set", "optimizer.adaln_rate=1"]));
    assert!(slow < 2.5 && fast > 4.0, "slowly {slow}, at the rate of the rest {fast}");
}

#[test]
fn wrong_arguments_fail_with_the_right_status() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let at = out.to_str().unwrap();
    for (arguments, status, part) in [
        (&["train", "--preset", "huge"][..], 2, "nearest"),
        (&["train", "--recipe", "s3"], 2, "s1"),
        (&["train", "--steps", "many"], 2, "--steps"),
        (&["train", "--out", at, "--steps", "0"], 2, "--steps"),
        (&["train", "--out", at, "--set", "train.steps=0"], 1, "train.steps"),
        (&["train", "--out", at, "--set", "model.layer=1"], 1, "`model.layers`"),
        (&["train", "--out", at, "--data", "/nowhere.txt"], 1, "/nowhere.txt"),
        (&["train", "--out", at, "--tokenizer", "/nowhere.json"], 1, "/nowhere.json"),
        (&["train", "--out", at, "--backend", "cuda"], 1, "--backend"),
        (&["train", "--out", at, "--gpu", "0"], 1, "--gpu"),
        (&["train", "--out", at, "--backend", "cpu", "--gpu", "0"], 1, "--gpu 0"),
        (&["train", "--out", at, "--backend", "cpu", "--precision", "f16"], 1, "precision f16"),
        (&["train", "--out", at, "--precision", "f16"], 1, "precision f16"),
        (&["plan", "--precision", "f16"], 1, "--backend cuda"),
        (&["plan", "--set", "train.precision=tf32"], 1, "precision tf32"),
        (&["bench", "train", "--dtype", "f16"], 1, "--dtype fp16"),
        (&["bench", "train", "--gpu", "0"], 1, "--gpu 0"),
        (&["train", "--resume"], 1, "--resume"),
        (&["train", "--resume", at], 1, "no checkpoint"),
        (&["plan", "--batch", "0"], 2, "--batch"),
        (&["plan", "--link", "ib"], 2, "--ranks"),
        (&["plan", "--ranks", "4096"], 2, "--ranks"),
        (&["plan", "--ranks", "8", "--link", "carrier-pigeon"], 2, "nvlink"),
        (&["plan", "--ranks", "3", "--set", "train.batch=16"], 1, "3 lanes cannot share a step"),
        (
            &["plan", "--ranks", "6", "--set", "train.lanes=8", "--set", "train.accumulate=8"],
            1,
            "use 1 or 2 or 4 or 8 ranks",
        ),
        (&["bench", "ranks"], 1, "`mpirun -n N`"),
        (&["bench", "ranks", "--megabytes", "10,0"], 2, "--megabytes"),
        (&["bench", "train", "--lanes", "0"], 2, "--lanes"),
        (&["bench", "train", "--heads", "3"], 1, "head_dim"),
        (&["bench", "train", "--dtype", "f8"], 2, "--dtype"),
    ] {
        let output = host(arguments).output().unwrap();
        let text = text(&output);
        assert_eq!(output.status.code(), Some(status), "{arguments:?}: {text}");
        assert!(text.contains(part) && !text.contains("panicked"), "{arguments:?}: {text}");
    }
    assert!(!out.exists());
}

#[test]
fn plan_and_bench_print_json() {
    let output = host(&["plan", "--json", "--preset", "seed"]).output().unwrap();
    let plan: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(plan["peak_bytes"].as_u64().unwrap() > plan["weight_bytes"].as_u64().unwrap());
    let sizes = ["--vocab", "64", "--dim", "16", "--layers", "1", "--heads", "2", "--ffn", "32", "--context", "8"];
    for more in [&["--profile"][..], &["--unroll", "--experts", "4", "--expert-hidden", "8"]] {
        let output =
            host(&["bench", "train", "--threads", "1", "--steps", "2"]).args(sizes).args(more).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", text(&output));
        let line: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert!(line["tokens_per_second"].as_f64().unwrap() > 0.0 && line["loss"].as_f64().unwrap() > 0.0, "{line}");
        assert_eq!(line["config"]["vocab"], 64);
        assert!(line["lanes"].is_null(), "{line}");
        assert_eq!(String::from_utf8(output.stderr).unwrap().contains("ms a step"), more == ["--profile"]);
    }
    // lanes of one process: no other is there to add with
    let lanes = ["bench", "train", "--threads", "1", "--steps", "1", "--lanes", "3"];
    let line: Value = serde_json::from_slice(&host(&lanes).args(sizes).output().unwrap().stdout).unwrap();
    assert_eq!((&line["ranks"], &line["lanes"], &line["share_of_sum"]), (&1.into(), &3.into(), &Value::Null));
}

/// Against tables 4.1 and 4.2 of the design: 2,048 and 8,192 tokens a rank of the preset `small`.
#[test]
fn plan_calculates_what_ranks_make_of_a_step() {
    let plan = |more: &[&str]| -> Value {
        let small = ["plan", "--json", "--preset", "small", "--tokenizer", "full"];
        let output = host(&small).args(more).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", text(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let near = |value: &Value, wanted: f64, by: f64| {
        assert!((value.as_f64().unwrap() - wanted).abs() <= by, "{value} and {wanted}");
    };
    assert!(plan(&[])["ranks"].is_null());
    let eight = plan(&["--ranks", "8"]);
    let ranks = &eight["ranks"];
    for (key, wanted) in [("lanes", 8), ("lanes_a_rank", 1), ("micro_batches_a_rank", 1), ("tokens_a_rank", 2048)] {
        assert_eq!(ranks[key], wanted, "{key}: {ranks}");
    }
    // everything but the update of the weights is shared
    near(&ranks["flops_a_rank"], eight["flops"].as_f64().unwrap() / 8.0, 3.5e9);
    near(&ranks["bytes_a_rank"], 2.0 * 7.0 / 8.0 * 0.83e9, 2e7);
    near(&ranks["seconds_of_work"], 0.034, 0.0005);
    assert_eq!(ranks["links"].as_array().unwrap().len(), 4);
    near(&ranks["links"][0]["seconds_of_sum"], 4.1e-3, 0.1e-3);
    near(&ranks["links"][0]["efficiency"], 0.90, 0.01);
    assert!(ranks["basis"].as_str().unwrap().contains("not a measurement"));

    // 64 micro-batches of 32 sequences
    for (ranks, link, sum, efficiency) in
        [("64", "ib", 8.5e-3, 0.94), ("16", "25gbe", 0.299, 0.33), ("16", "10gbe", 0.741, 0.17)]
    {
        let accumulate = format!("train.accumulate={ranks}");
        let set = ["--set", "train.batch=32", "--set", &*accumulate, "--ranks", ranks, "--link", link];
        let ranks = &plan(&set)["ranks"];
        assert_eq!((&ranks["tokens_a_rank"], &ranks["links"][0]["link"]), (&8192.into(), &link.into()));
        near(&ranks["seconds_of_work"], 0.136, 0.001);
        near(&ranks["links"][0]["seconds_of_sum"], sum, 0.03 * sum);
        near(&ranks["links"][0]["efficiency"], efficiency, 0.02);
    }

    let output = host(&["plan", "--ranks", "2", "--link", "nvlink"]).output().unwrap();
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(
        table.contains("2 ranks, each an H100 in bf16") && table.contains("a calculation, not a measurement"),
        "{table}"
    );
    assert!(table.contains("\nnvlink ") && !table.contains("\nib "), "{table}");
}

#[test]
fn the_bench_compares_products_in_turns() {
    let ours = ["bench", "product", "--against", "matrixmultiply", "--size", "8", "--repeat", "3", "--threads", "2"];
    let output = host(&ours).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let table = String::from_utf8(output.stdout).unwrap();
    for numbers in ["f32, threads 1", "f64, threads 1", "f32, threads 2", "f64, threads 2"] {
        assert!(table.contains(numbers), "{table}");
    }
    // five weights, three products of each, two sizes of a batch
    let rows: Vec<_> = table.lines().filter(|line| line.contains(" to ")).collect();
    assert_eq!(rows.len(), 4 * 30, "{table}");
    for row in rows {
        let columns: Vec<_> = row.split_whitespace().rev().take(6).collect();
        assert!(columns.iter().filter(|c| **c != "to").all(|c| c.parse::<f64>().is_ok_and(|x| x > 0.0)), "{row}");
    }
    for (more, part) in [(["--size", "0"], "--size"), (["--backend", "cuda"], "--backend cuda")] {
        let refused = ["bench", "product", "--against", "matrixmultiply"];
        assert!(text(&host(&refused).args(more).output().unwrap()).contains(part));
    }
}

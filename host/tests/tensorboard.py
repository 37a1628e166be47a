"""Reads with TensorBoard what `ebt train --log tensorboard` writes, and compares every scalar with RUN/metrics.jsonl.

    python3 host/tests/tensorboard.py target/release/ebt

makes an environment with PyPI's `tensorboard`, trains small runs on text, boards and letters, kills one in the middle of a step and
goes on with it.  Exit status 0 where everything is equal.
"""
import json
import pathlib
import signal
import struct
import subprocess
import sys
import tempfile
import time
import venv

PACKAGES = ["tensorboard==2.21.0", "setuptools<81"]


def settings(*pairs):
    return [word for pair in pairs for word in ("--set", pair)]


SMALL = ["--threads", "1", "--log", "tensorboard", "--quiet", "--seed", "3"]
TEXT = SMALL + settings(
    "model.dim=16", "model.heads=2", "model.ffn=16", "model.context=16", "train.batch=2", "train.checkpoint_every=3",
    "train.validate_every=2", "train.validate_tokens=200", "objective.curriculum=0",
    "model.moe={n_routed=4, top_k=2, hidden=8}")
BOARDS = SMALL + ["--preset", "sudoku"] + settings(
    "model.vocab=4", "model.context=16", "model.joint.grid={rows=4,columns=4,box_rows=2,box_columns=2}", "model.dim=16",
    "sudoku.givens=[6,8]", "sudoku.harder=[4,5]", "sudoku.tests=8", "train.batch=8", "train.validate_every=2")
LETTERS = SMALL + ["--preset", "restore"] + settings(
    "model.dim=16", "model.layers=1", "model.ffn=16", "model.context=32", "train.batch=4", "train.validate_every=2",
    "train.validate_tokens=512")


def single(number):
    """The number as it is stored: in single precision."""
    return struct.unpack("f", struct.pack("f", number if number is not None else float("nan")))[0]


def shown(values):
    return [(k, x) for k, x in enumerate(values, 1) if k & (k - 1) == 0 or k == len(values)]


def expected(metrics):
    """Tag -> [(step, value)] that the lines of a run ask for."""
    tags, before = {}, (0, 0.0)
    add = lambda tag, step, value: tags.setdefault(tag, []).append((step, single(value)))
    for line in map(json.loads, metrics.read_text().splitlines()):
        step = line["step"]
        if "validation" in line:
            found = line["validation"]
            if found.get("solved"):
                for k, n in shown(found["solved"]["per_step"]):
                    add(f"validation/solved/step_{k}", step, n / found["solved"]["boards"])
            elif found.get("restored"):
                of = found["restored"]["of"]
                for k, right in shown(found["restored"]["per_step"]):
                    for kind in ("words", "letters"):
                        add(f"validation/{kind}/step_{k}", step, right[kind] / max(of[kind], 1))
            else:
                for k, bits in enumerate(found["per_step"], 1):
                    add(f"validation/bits_per_byte/step_{k}", step, bits)
        elif "loss" in line:
            add("loss/total", step, line["loss"])
            for tag, values in (("loss/step", line["step_losses"]), ("energy/step", line["energies"])):
                for k, x in enumerate(values, 1):
                    add(f"{tag}_{k}", step, x)
            for block, load in enumerate(line["load"]):
                add(f"experts/load/{block}", step, load)
            add("gradient/norm", step, line["gradient_norm"])
            add("rate", step, line["rate"])
            add("alpha", step, line["alpha"])
            tokens, seconds = line["tokens"] - before[0], line["seconds"] - before[1]
            if seconds > 0:
                add("speed/tokens_per_second", step, tokens / seconds)
            before = line["tokens"], line["seconds"]
    return tags


def compare(run, histograms):
    # this file is called like the package
    sys.path.remove(str(pathlib.Path(__file__).resolve().parent))
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(run / "tensorboard"), size_guidance={"scalars": 0, "histograms": 0, "tensors": 0})
    events.Reload()
    wanted, numbers = expected(run / "metrics.jsonl"), 0
    assert sorted(events.Tags()["scalars"]) == sorted(wanted), (events.Tags()["scalars"], sorted(wanted))
    for tag, points in wanted.items():
        found = [(event.step, event.value) for event in events.Scalars(tag)]
        assert repr(found) == repr(points), (run.name, tag, found, points)
        numbers += len(points)
    assert bool(events.Tags()["histograms"]) == histograms, events.Tags()["histograms"]
    for tag in events.Tags()["histograms"]:
        for event in events.Histograms(tag):
            value = event.histogram_value
            assert sum(value.bucket) == value.num > 0 and value.min <= value.max, tag
    text = events.Tensors("configuration")[-1].tensor_proto.string_val[0].decode()
    assert (run / "config.toml").read_text().strip() in text
    files = len(list((run / "tensorboard").iterdir()))
    print(f"{run.name}: {len(wanted)} tags, {numbers} scalars equal to metrics.jsonl, "
          f"{len(events.Tags()['histograms'])} histograms, {files} files")


def kill(command, run):
    """Kills the run once it has gone on after a checkpoint, and cuts its last event off, as a kill inside of a write does."""
    process = subprocess.Popen(command)
    saved = run / "checkpoints" / "step-00000003"
    lines = lambda: sum(b"\"loss\"" in line for line in (run / "metrics.jsonl").read_bytes().splitlines())
    while not (saved.is_dir() and lines() > 4):
        assert process.poll() is None, "the run was over before it was killed"
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    [file] = (run / "tensorboard").iterdir()
    file.write_bytes(file.read_bytes()[:-3])


def main(program):
    program = pathlib.Path(program).resolve()
    with tempfile.TemporaryDirectory() as place:
        place = pathlib.Path(place)
        environment = place / "environment"
        venv.create(environment, with_pip=True)
        python = environment / "bin" / "python"
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PACKAGES], check=True)
        held_out = place / "held-out.txt"
        held_out.write_text("Bir varmış bir yokmuş.\n\nEvvel zaman içinde kalbur saman içinde, develer tellal iken.\n")
        train = lambda name, flags: [program, "train", "--out", place / name, *flags]
        words = ["--validation", held_out]
        subprocess.run(train("text", TEXT + words + ["--steps", "7"]), check=True, stdout=subprocess.DEVNULL)
        kill(train("killed", TEXT + words + ["--steps", "400"]), place / "killed")
        subprocess.run([program, "train", "--resume", place / "killed", "--minutes", "0.05", "--quiet"], check=True, stdout=subprocess.DEVNULL)
        subprocess.run(train("boards", BOARDS + ["--steps", "5"]), check=True, stdout=subprocess.DEVNULL)
        sentence = place / "sentence.txt"
        sentence.write_text("Işıklar söndü; ağaçların üstünde kuşlar ötüyor, çocuklar şarkı söylüyor.\n" * 40)
        letters = ["--data", sentence, "--validation", sentence, "--steps", "5"]
        subprocess.run(train("letters", LETTERS + letters), check=True, stdout=subprocess.DEVNULL)
        for name, histograms in (("text", "yes"), ("killed", "yes"), ("boards", "yes"), ("letters", "no")):
            subprocess.run([python, __file__, "--compare", place / name, histograms], check=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--compare"]:
        compare(pathlib.Path(sys.argv[2]), sys.argv[3] == "yes")
    elif len(sys.argv) == 2:
        main(sys.argv[1])
    else:
        sys.exit(__doc__)

"""Runs of `ebt train` as arrays."""
import json
import pathlib

import numpy as np


def read_run(folder):
    """What a run told of itself: {"steps": {name: array}, "validations": [dict]}; `folder` may also be its `metrics.jsonl`.

    The arrays of "steps" have a value a training step: step, tokens, seconds, loss, gradient_norm, rate, ...; what has
    several values a step (step_losses, energies) is (steps, n), padded with NaN.  A run that is still going on is read up to its
    last whole line.
    """
    steps, validations = [], []
    path = pathlib.Path(folder)
    text = (path / "metrics.jsonl" if path.is_dir() else path).read_text(encoding="utf-8")
    for line in text[:text.rfind("\n") + 1].splitlines():
        entry = json.loads(line)
        if "loss" in entry:
            steps.append(entry)
        elif "validation" in entry:
            validations.append(entry["validation"])
    names = {name for entry in steps for name, value in entry.items() if isinstance(value, (int, float, list))}
    return {"steps": {name: _column([entry.get(name) for entry in steps]) for name in sorted(names)},
            "validations": validations}


def _column(values):
    if not any(isinstance(value, list) for value in values):
        return np.array([np.nan if value is None else value for value in values])
    rows = [[] if value is None else np.ravel(np.array(value, dtype=float)) for value in values]
    width = max((len(row) for row in rows), default=0)
    out = np.full((len(rows), width), np.nan)
    for to, row in zip(out, rows):
        to[:len(row)] = row
    return out

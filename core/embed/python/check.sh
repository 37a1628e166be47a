#!/usr/bin/env bash
# Builds the Python package, installs it into a fresh environment and tests it: check.sh [notebooks]. With `notebooks` they are executed,
# too. EBT_PROGRAM names the program `ebt` whose results must be the same.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$root/target}/python
mkdir -p "$CARGO_TARGET_DIR"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
pip=("$work/venv/bin/pip" install --quiet --disable-pip-version-check)
"${pip[@]}" 'maturin>=1.9,<2'
(cd "$here" && "$work/venv/bin/maturin" build --quiet --release --locked --interpreter "$work/venv/bin/python" --out "$work/wheels")
extras=test
if [ "${1:-}" = notebooks ]; then extras=test,notebooks; fi
"${pip[@]}" "$(echo "$work"/wheels/*.whl)[$extras]"
(cd "$work" && venv/bin/python -m pytest --quiet -p no:cacheprovider "$here/tests")
if [ "${1:-}" = notebooks ]; then
    "$work/venv/bin/python" "$here/execute.py" "$here"/notebooks/*.ipynb --pictures "${EBT_PICTURES:-$work/pictures}"
fi

#!/bin/sh
# Trains, generates, tests, or opens the notebooks, from the sources: run.sh train|generate|test|notebook [arguments of that command]
set -eu
cd "$(dirname "$0")/../.."

usage() {
    echo "usage: $0 train|generate|test|notebook [arguments]" >&2
    exit 2
}

[ $# -gt 0 ] || usage
task=$1
shift
case $task in
    train | generate) exec cargo run --release --locked --bin ebt -- "$task" "$@" ;;
    test) exec cargo test --release --workspace --features full --locked "$@" ;;
    notebook)
        venv=${EBT_VENV:-target/notebooks}
        [ -x "$venv/bin/python" ] || python3 -m venv "$venv"
        "$venv/bin/python" -m pip install --quiet "./core/embed/python[notebooks]" jupyterlab
        exec "$venv/bin/python" -m jupyter lab --notebook-dir core/embed/python/notebooks "$@"
        ;;
    *) usage ;;
esac

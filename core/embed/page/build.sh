#!/usr/bin/env bash
# Puts the page together: build.sh MODULE.wasm MODEL.packed SOLVER.packed RESTORER.packed FOLDER. Any static server can then serve FOLDER,
# for example python3 -m http.server --directory FOLDER.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$5"
cp "$here"/*.{html,css,js} "$here"/../wasm/*.js "$5"
cp "$1" "$5/ebt.wasm"
cp "$2" "$5/model.packed"
cp "$3" "$5/solver.packed"
cp "$4" "$5/restorer.packed"

#!/usr/bin/env bash
# Puts the page together: build.sh MODULE.wasm MODEL.packed SOLVER.packed FOLDER. Any static server can then serve FOLDER,
# for example python3 -m http.server --directory FOLDER.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$4"
cp "$here"/*.{html,css,js} "$here"/../wasm/*.js "$4"
cp "$1" "$4/ebt.wasm"
cp "$2" "$4/model.packed"
cp "$3" "$4/solver.packed"

#!/usr/bin/env bash
# Puts the page together: build.sh MODULE.wasm MODEL.packed FOLDER. Any static server can then serve FOLDER, for example
# python3 -m http.server --directory FOLDER.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$3"
cp "$here"/{index.html,style.css,*.js} "$here/../wasm/ebt.js" "$3"
cp "$1" "$3/ebt.wasm"
cp "$2" "$3/model.packed"

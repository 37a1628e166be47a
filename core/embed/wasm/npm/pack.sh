#!/usr/bin/env bash
# Puts the package for npm together: pack.sh MODULE.wasm TEXT.ebp SOLVER.ebp RESTORER.ebp FOLDER. `npm pack FOLDER` then makes one file of it,
# `npm publish FOLDER` hands it on.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
rm -rf "$5"
mkdir -p "$5"
cp "$here"/../*.{js,d.ts,json} "$here"/*.{js,d.ts,md} "$here"/../../../../LICENSE-* "$5"
cp "$1" "$5/ebt.wasm"
cp "$2" "$5/text.ebp"
cp "$3" "$5/sudoku.ebp"
cp "$4" "$5/letters.ebp"

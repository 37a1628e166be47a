#!/usr/bin/env bash
# Puts the library for Arduino together: make.sh FOLDER, for example ~/Arduino/libraries/ebt. Then File, Examples, ebt, Speak, in the program of Arduino.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1/src/cortex-m4/fpv4-sp-d16-softfp" "$1/src/cortex-m4/fpv4-sp-d16-hard"
cp -r "$here/ebt/." "$1"
cp "$here"/../speak/*.{c,h,S} "$here/../../include/ebt.h" "$here/../../../../fixtures/micro-model.ebp" "$1/src"
# the compiler of Arduino looks for included files in the folder of the sources, and for what an assembler includes as well
"$here/../build.sh" thumbv7em-none-eabihf "$1/src/cortex-m4/fpv4-sp-d16-hard"
"$here/../build.sh" thumbv7em-none-eabi "$1/src/cortex-m4/fpv4-sp-d16-softfp"

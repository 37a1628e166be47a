#!/usr/bin/env bash
# The library for a board's processor: build.sh TARGET FOLDER, which then holds libebt.a.
#   thumbv6m-none-eabi            Cortex-M0+: Pico (RP2040)
#   thumbv7em-none-eabihf         Cortex-M4F and M7: nRF52840, Nano 33 BLE, STM32F4 and F7
#   thumbv8m.main-none-eabihf     Cortex-M33: Pico 2 (RP2350), nRF5340
#   riscv32imc-unknown-none-elf   ESP32-C3; riscv32imac-unknown-none-elf: ESP32-C6
# Wants the target: rustup target add TARGET. EBT_BUILD_STD=1 builds core as well, by a compiler that may (tests/targets/env.sh).
set -euo pipefail
target=$1
mkdir -p "$2"
folder=$(cd "$2" && pwd)
cd "$(dirname "$0")/libebt"
words=(rustc --quiet --release --locked --target "$target")
[ "${EBT_BUILD_STD:-}" != 1 ] || words+=(-Zbuild-std=core)
output=${CARGO_TARGET_DIR:-$PWD/../../../../target/boards}
CARGO_TARGET_DIR=$output cargo "${words[@]}"
cp "$output/$target/release/libebt_board.a" "$folder/libebt.a"

#!/usr/bin/env bash
# The program of core/embed/boards, in C, on machines with the memory of boards: boards.sh [all]
#
# The linker is given the flash and the memory of a board, so what does not fit does not link; QEMU runs the program, and what it says must
# be expected.txt, to the byte. zephyr/src/main.c is standard C and stands for the main programs of all four systems; the others are compiled
# against the few functions that they call, for their SDKs and build systems are where this machine cannot reach. Without `all` two boards are run.
#
# Needs, on Debian: gcc-arm-none-eabi picolibc-arm-none-eabi gcc-riscv64-unknown-elf picolibc-riscv64-unknown-elf qemu-system-arm
# qemu-system-misc, and what run.sh needs (setup.sh installs all).
set -euo pipefail
cd "$(dirname "$0")"
root=$(cd ../.. && pwd)
boards=$root/core/embed/boards
target=${CARGO_TARGET_DIR:-$root/target}
export CARGO_TARGET_DIR=$target/targets CARGO_TERM_COLOR=never CARGO_INCREMENTAL=0 EBT_BUILD_STD=1
. ./env.sh
work=$CARGO_TARGET_DIR/boards
mkdir -p "$work"

mkdir -p "$work/pico"
echo 'void stdio_init_all(void); void sleep_ms(unsigned);' > "$work/pico/stdlib.h"
echo 'struct { void begin(long) {} void print(const char *) {} } Serial; void delay(unsigned);' > "$work/Arduino.h"
check=(-fsyntax-only -Wall -Wextra -Werror -I "$boards/speak" -I "$work")
arm-none-eabi-gcc --specs=picolibc.specs "${check[@]}" "$boards/esp-idf/main/main.c" "$boards/pico/main.c"
arm-none-eabi-g++ --specs=picolibc.specs "${check[@]}" -include Arduino.h -x c++ "$boards/arduino/ebt/examples/Speak/Speak.ino"

printf '%-34s %10s %10s\n' board 'flash, B' 'memory, B'

# speak NAME MACHINE TARGET FLASH FLASH_SIZE RAM RAM_SIZE CC FLAGS...: the program with the memory of a board
speak() {
    local name=$1 machine=$2 triple=$3 flash=$4 flash_size=$5 ram=$6 ram_size=$7 cc=$8
    shift 8
    "$boards/build.sh" "$triple" "$work/$triple"
    local place=(-Wl,--defsym=__flash="$flash",--defsym=__flash_size="$flash_size",--defsym=__ram="$ram",--defsym=__ram_size="$ram_size")
    "$cc" "$@" --specs=picolibc.specs --crt0=hosted --oslib=semihost -T picolibc.ld "${place[@]}" -Wl,--defsym=__stack_size=16k -Wl,--gc-sections,-z,noexecstack -O2 \
        -std=c11 -Wall -Wextra -Werror -I "$boards/speak" -I "$root/core/embed/include" -I "$root/fixtures" \
        "$boards/speak/speak.c" "$boards/speak/model.S" "$boards/zephyr/src/main.c" "$work/$triple/libebt.a" -o "$work/$name"
    local processor=arm
    local firmware=()
    [[ $cc != riscv* ]] || { processor=riscv32 firmware=(-bios none); }
    timeout 300 "qemu-system-$processor" -M "$machine" "${firmware[@]}" -display none -monitor none -serial none \
        -chardev stdio,id=out -semihosting-config enable=on,target=native,chardev=out -kernel "$work/$name" > "$work/$name.txt"
    cmp "$work/$name.txt" "$boards/speak/expected.txt"
    "${cc%gcc}size" "$work/$name" | awk -v name="$name" 'NR == 2 { printf "%-34s %10d %10d\n", name, $1 + $2, $2 + $3 }'
}

# a board with an STM32F405: 1 MB of flash, 128 KB of memory in one piece (Cortex-M4F). QEMU knows it.
speak stm32f405 netduinoplus2 thumbv7em-none-eabihf 0x08000000 1024k 0x20000000 128k \
    arm-none-eabi-gcc -mcpu=cortex-m4 -mthumb -mfloat-abi=hard -mfpu=fpv4-sp-d16
# an ESP32-C6's (RISC-V without a floating-point unit)
speak esp32c6 virt riscv32imac-unknown-none-elf 0x80000000 4096k 0x80400000 512k \
    riscv64-unknown-elf-gcc -march=rv32imac -mabi=ilp32
[ "${1:-}" = all ] || exit 0
# a Pico's code and memory (Cortex-M0+, no floating-point unit) on a processor that runs it
speak rp2040 mps2-an385 thumbv6m-none-eabi 0 2048k 0x20000000 264k \
    arm-none-eabi-gcc -mcpu=cortex-m0plus -mthumb -mfloat-abi=soft
# a Pico 2's or an nRF5340's (Cortex-M33)
speak rp2350 mps2-an505 thumbv8m.main-none-eabihf 0x10000000 4096k 0x38000000 512k \
    arm-none-eabi-gcc -mcpu=cortex-m33 -mthumb -mfloat-abi=hard -mfpu=fpv5-sp-d16

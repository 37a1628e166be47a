#!/usr/bin/env bash
# Builds and runs ebt where there is no operating system: run.sh [all]
#
# The same scenario (scenario/) generates Turkish, fills in a board and restores letters on this machine, on a Cortex-M4F and on a 64-bit Arm
# under QEMU, and as WebAssembly in node; texts, answers and the bits of all energies must be the same everywhere. There is
# no allocator in any of these programs, so nothing asked for memory. Every program is then linked again with a panic handler that does not exist
# (also for machines without a floating-point unit or compare-and-swap): no code that panics is left. `all` adds the page
# in headless Chromium, the package for npm and a program that Vite puts together with it, and the types of the JavaScript package.
#
# Needs, on Debian: rustc-web cargo-web rust-web-src qemu-system-arm nodejs, for `all` chromium npm (setup.sh installs
# them). EBT_MODEL names another packed model than the sample, EBT_SOLVER another one of boards of 6 x 6, EBT_RESTORER one of
# letters; all have to fit 4 MiB of flash with the program.
set -euo pipefail
cd "$(dirname "$0")"
root=$(cd ../.. && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
export CARGO_TARGET_DIR=$target/targets CARGO_TERM_COLOR=never CARGO_INCREMENTAL=0
work=$CARGO_TARGET_DIR/scenario
mkdir -p "$work"

EBT_MODEL=$(realpath "${EBT_MODEL:-$root/fixtures/sample-model.ebp}")
EBT_SOLVER=$(realpath "${EBT_SOLVER:-$root/fixtures/sudoku-model.ebp}")
EBT_RESTORER=$(realpath "${EBT_RESTORER:-$root/fixtures/restore-model.ebp}")
export EBT_MODEL EBT_SOLVER EBT_RESTORER

# what this machine says, with its own compiler and the kernel it detects
cargo build --quiet --release --locked -p scenario-host
"$CARGO_TARGET_DIR/release/scenario-host" "$EBT_MODEL" "$EBT_SOLVER" "$EBT_RESTORER" > "$work/host.txt"

# the compiler of the rest of the project, whatever is set below
own=(env -u RUSTC -u RUSTDOC -u RUSTC_BOOTSTRAP -u CARGO_PROFILE_RELEASE_STRIP "PATH=$PATH" "CARGO_TARGET_DIR=$target")
. ./env.sh
build=(cargo build --quiet --release --locked -Zbuild-std=core)
semihosting=(-display none -monitor none -serial none -chardev "stdio,id=out" -semihosting-config "enable=on,target=native,chardev=out")
same() {
    cmp "$work/host.txt" "$work/$1.txt"
    echo "$1: texts, answers and the bits of every energy are those of the host"
}

for target in thumbv7em-none-eabihf aarch64-unknown-none thumbv6m-none-eabi riscv32imac-unknown-none-elf; do
    "${build[@]}" -p firmware --target "$target"
    image=$CARGO_TARGET_DIR/$target/release/firmware
    cp "$image" "$work/$target"
    case $target in
        thumbv7em-*) timeout 300 qemu-system-arm -M mps2-an386 "${semihosting[@]}" -kernel "$image" > "$work/$target.txt" && same $target ;;
        aarch64-*)
            timeout 300 qemu-system-aarch64 -M virt -cpu cortex-a72 -m 1G -nic none "${semihosting[@]}" -kernel "$image" \
                > "$work/$target.txt" && same $target
            ;;
        *) echo "$target: links" ;;
    esac
    "${build[@]}" -p firmware --target "$target" --features no-panic || {
        python3 panics.py "$work/$target" || true
        exit 1
    }
    echo "$target: links without a panic handler"
done

wasm=wasm32-unknown-unknown
export CARGO_PROFILE_RELEASE_STRIP=symbols
"${build[@]}" -p ebt-wasm --target $wasm --features no-panic
cp "$CARGO_TARGET_DIR/$wasm/release/ebt_wasm.wasm" "$work/no-panic.wasm"
"${build[@]}" -p ebt-wasm --target $wasm
node "$root/core/embed/wasm/test.mjs" "$CARGO_TARGET_DIR/$wasm/release/ebt_wasm.wasm" "$work/no-panic.wasm" "$EBT_MODEL" "$EBT_SOLVER" \
    "$EBT_RESTORER" "$work/host.txt"
EBT_WASM=$CARGO_TARGET_DIR/$wasm/release/ebt_wasm.wasm "${own[@]}" \
    cargo test --quiet --release --locked --manifest-path "$root/Cargo.toml" --workspace --features full --test one_text

printf '\n%-30s %10s %10s\n' program 'text, B' 'with models'
for target in thumbv7em-none-eabihf thumbv6m-none-eabi riscv32imac-unknown-none-elf aarch64-unknown-none; do
    all=$(size "$work/$target" | awk 'NR == 2 { print $1 }')
    printf '%-30s %10d %10d\n' "$target" $((all - $(cat "$EBT_MODEL" "$EBT_SOLVER" "$EBT_RESTORER" | wc -c))) "$all"
done
printf '%-30s %10d\n' $wasm "$(stat -c %s "$CARGO_TARGET_DIR/$wasm/release/ebt_wasm.wasm")"
printf '\n%-30s %10s\n' 'memory (scenario: options)' B
awk '$1 == "size" { label["model"] = "the model, in flash"; label["arena least"] = "1 candidate, 3 steps"
    label["arena f16"] = "the same, cache of f16"; label["arena int8"] = "the same, cache of int8"; label["arena int4"] = "the same, cache of int4"
    label["arena usual"] = "the usual options, 32 steps"; label["arena most"] = "2 candidates, 8, curvature"
    label["solver"] = "the solver, in flash"; label["board least"] = "a board, 1 start, 16 steps"
    label["board most"] = "4 starts, 16, curvature"
    label["restorer"] = "the restorer, in flash"; label["letters"] = "letters"
    name = $2; for (i = 3; i < NF; i++) name = name " " $i; printf "%-30s %10d\n", label[name], $NF }' "$work/host.txt"

if [ "${1:-}" = all ]; then
    ../../core/embed/page/build.sh "$CARGO_TARGET_DIR/$wasm/release/ebt_wasm.wasm" "$EBT_MODEL" "$EBT_SOLVER" "$EBT_RESTORER" "$work/page"
    cp -r page "$work/browser"
    (cd "$work/browser" && npm install --silent --no-audit --no-fund)
    mkdir -p "$work/pictures"
    EBT_PARAGRAPHS=$root/tests/tests/one_text/paragraphs.txt node "$work/browser/test.mjs" "$work/page" "$work/pictures"

    ../../core/embed/wasm/npm/pack.sh "$CARGO_TARGET_DIR/$wasm/release/ebt_wasm.wasm" "$EBT_MODEL" "$EBT_SOLVER" "$EBT_RESTORER" "$work/package"
    rm -rf "$work/bundle"
    cp -r bundle "$work/bundle"
    (cd "$work/bundle" && npm pack --silent --pack-destination . "$work/package" > packed.txt \
        && npm install --silent --no-audit --no-fund "./$(tail -n 1 packed.txt)" && node test.mjs)

    "${own[@]}" bash boards.sh

    rm -rf "$work/typescript"
    cp -r types "$work/typescript"
    (cd "$work/typescript" && npm install --silent --no-audit --no-fund)
    cp -r "$root/core/embed/wasm" "$work/typescript/node_modules/ebt"
    node "$work/typescript/test.mjs" "$CARGO_TARGET_DIR/$wasm/release/ebt_wasm.wasm" "$EBT_MODEL" "$EBT_SOLVER" "$EBT_RESTORER"
fi

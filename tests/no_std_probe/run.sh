#!/bin/sh
# Builds the probes for this machine without std and libc, checks that nothing of either was linked, and runs them.
set -eu
cd "$(dirname "$0")"
target="${CARGO_TARGET_DIR:-$PWD/target}"
export CARGO_TARGET_DIR="$target"
for package in no-std-probe no-std-tokenizer-probe; do
    cargo rustc --quiet --release --package "$package" -- \
        -C link-arg=-nostartfiles -C link-arg=-nostdlib -C link-arg=-static -C relocation-model=static
    probe="$target/release/$package"
    if nm -C "$probe" | grep -E '(^|[ <&(])std::'; then
        echo "a symbol of std was linked" >&2
        exit 1
    fi
    if [ "$package" = no-std-tokenizer-probe ] && nm -C "$probe" | grep -E '(^|[ <&(])alloc::|__rust_alloc'; then
        echo "a symbol of alloc was linked" >&2
        exit 1
    fi
    if readelf -d "$probe" | grep NEEDED; then
        echo "a shared library was linked" >&2
        exit 1
    fi
    "$probe"
done

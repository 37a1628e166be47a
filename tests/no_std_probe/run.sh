#!/bin/sh
# Builds the probe for this machine without std and libc, checks that nothing of either was linked, and runs it.
set -eu
cd "$(dirname "$0")"
target="${CARGO_TARGET_DIR:-$PWD/target}"
export CARGO_TARGET_DIR="$target"
cargo rustc --quiet --release -- \
    -C link-arg=-nostartfiles -C link-arg=-nostdlib -C link-arg=-static -C relocation-model=static
probe="$target/release/no-std-probe"
if nm -C "$probe" | grep -E '(^|[ <&(])std::'; then
    echo "a symbol of std was linked" >&2
    exit 1
fi
if readelf -d "$probe" | grep NEEDED; then
    echo "a shared library was linked" >&2
    exit 1
fi
"$probe"

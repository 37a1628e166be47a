#!/usr/bin/env bash
# Fuzzes readers: tests/fuzz/run.sh SECONDS [READER...], all without names, one after the other. It needs a nightly Rust, a C++
# compiler and `cargo install cargo-fuzz --locked`. What a reader breaks on is left in tests/fuzz/artifacts/READER: mend the
# reader, and keep a small input in tests/fuzz/corpus/READER, which every test run reads from then on.
set -euo pipefail
cd "$(dirname "$0")"
seconds=${1:?usage: tests/fuzz/run.sh SECONDS [READER...]}
shift
# inputs of this run, and files of the bodies: in memory where that can be
work=$(mktemp -d --tmpdir="$([ -w /dev/shm ] && echo /dev/shm || echo "${TMPDIR:-/tmp}")")
trap 'rm -rf "$work"' EXIT
export TMPDIR=$work
target=${CARGO_TARGET_DIR:-target}
triple=$(rustc +nightly -vV | sed -n 's/^host: //p')
cargo +nightly fuzz build --fuzz-dir . --target-dir "$target" > /dev/null
readers=$("$target/$triple/release/seeds" "$work/seeds")
for reader in ${@:-$readers}; do
    printf '\n== %s\n' "$reader"
    mkdir -p "$work/corpus" "artifacts/$reader" "corpus/$reader"
    # a window of Zstandard of its greatest length is the largest block of memory that a small file may ask for
    # decoders of other houses believe a file that asks for exabytes; such inputs are passed over
    believes=()
    if [ "$reader" = columnar ]; then believes=(-fork=1 -ignore_ooms=1); fi
    # glibc's note of a destructor of a thread, made when a thread first needs it, counts as a leak; C may leak for real
    if [[ "$reader" != c_* ]]; then believes+=(-detect_leaks=0); fi
    "$target/$triple/release/$reader" "${believes[@]}" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -malloc_limit_mb=160 \
        -max_len=131072 -print_final_stats=1 -artifact_prefix="artifacts/$reader/" \
        "$work/corpus" "$work/seeds/$reader" "corpus/$reader"
    rm -rf "$work/corpus"
    rmdir --ignore-fail-on-non-empty "artifacts/$reader" "corpus/$reader"
done

#!/usr/bin/env bash
# Compiles every kernel with NVIDIA's own compiler, which needs no GPU, for every generation of GPUs served, and fails
# if one does not compile or a hot one spills registers (`ebt doctor --compile`).
#
# Usage: compile.sh [ARCHS]      by default sm_75,sm_80,sm_90,sm_100
# HOST names the program, else cargo builds it. EBT_NVRTC_DIR names the folder that NVRTC is fetched into and kept in
# (one file of 90 MB from PyPI); without it a temporary one. EBT_CUDA_LIBS, if set, names a folder with libnvrtc: nothing
# is fetched then.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
archs=${1:-sm_75,sm_80,sm_90,sm_100}
wheel=nvidia-cuda-nvrtc==13.0.88

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if [ -z "${EBT_CUDA_LIBS:-}" ]; then
    kept=${EBT_NVRTC_DIR:-$work/nvrtc}
    export EBT_CUDA_LIBS=$kept/nvidia/cu13/lib
    if [ ! -e "$EBT_CUDA_LIBS/libnvrtc.so.13" ]; then
        python3 -m pip --version > /dev/null 2>&1 || {
            echo "compile.sh: NVRTC is fetched by python3 with pip, which this machine lacks; install it, or set" \
                "EBT_CUDA_LIBS to a folder with libnvrtc.so.13" >&2
            exit 1
        }
        python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
            -d "$work/wheels" "$wheel" > "$work/pip.log" 2>&1 || {
            cat "$work/pip.log" >&2
            echo "compile.sh: $wheel could not be fetched from the Python package index: is there a network? Without" \
                "one set EBT_CUDA_LIBS to a folder with libnvrtc.so.13, or EBT_NVRTC_DIR to one filled before" >&2
            exit 1
        }
        mkdir -p "$kept"
        for file in "$work"/wheels/*.whl; do python3 -m zipfile -e "$file" "$kept"; done
        [ -e "$EBT_CUDA_LIBS/libnvrtc.so.13" ] || {
            echo "compile.sh: $wheel has no nvidia/cu13/lib/libnvrtc.so.13" >&2
            exit 1
        }
    fi
fi
# nothing compiled before is taken: this is what is checked
export EBT_CACHE_DIR=$work/cache

if [ -n "${HOST:-}" ]; then
    host=("$HOST")
else
    host=(cargo run --quiet --release --locked --manifest-path "$root/Cargo.toml" --bin ebt --)
fi
start=$SECONDS
"${host[@]}" doctor --compile "$archs"
echo "compiled in $((SECONDS - start)) s"

#!/usr/bin/env bash
# What run.sh needs on a fresh Debian 12: setup.sh [all]
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive
packages=(rustc-web cargo-web rust-web-src qemu-system-arm valgrind)
# node may have come another way, and then brings its own npm
command -v node > /dev/null || packages+=(nodejs)
if [ "${1:-}" = all ]; then
    packages+=(chromium gcc-arm-none-eabi picolibc-arm-none-eabi gcc-riscv64-unknown-elf picolibc-riscv64-unknown-elf qemu-system-misc)
    command -v npm > /dev/null || packages+=(npm)
fi
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${packages[@]}"
version=$(/usr/bin/rustc -V | cut -d ' ' -f 2)
test -d "/usr/src/rustc-$version/library/core" || { echo "rust-web-src is not that of rustc-web $version" >&2; exit 1; }

#!/usr/bin/env bash
# What check.sh needs on a fresh Debian 12, beside tests/targets/setup.sh.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends gcc-mingw-w64-x86-64 wine wine64

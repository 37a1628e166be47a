# Sourced: Debian's compiler first, with its own sources of core; the linker of the rustup toolchain last.
# That compiler may build core itself (-Zbuild-std) for targets whose library nobody ships.
linker=$(dirname "$(find "${RUSTUP_HOME:-$HOME/.rustup}/toolchains" -name rust-lld | sort | head -n 1)")
export PATH=/usr/bin:$PATH:$linker RUSTC=/usr/bin/rustc RUSTDOC=/usr/bin/rustdoc RUSTC_BOOTSTRAP=1
unset RUSTUP_TOOLCHAIN RUSTC_WRAPPER

#!/usr/bin/env bash
# Real Slurm on one machine, in a Debian root of its own, without systemd. slurm.sh PROGRAM WORK; run.sh calls it.
set -euo pipefail
cd "$(dirname "$0")/../.."
program=$1 work=$2 root=$2/slurm
if [ "$(id -u)" != 0 ] || ! command -v debootstrap > /dev/null || ! unshare --mount --pid --uts --fork true 2> /dev/null; then
    echo 'slurm: not run: it wants root, unshare and debootstrap'
    exit 0
fi
if [ ! -x "$root/usr/sbin/slurmctld" ]; then
    rm -rf --one-file-system "$root"
    if ! debootstrap --include=slurmctld,slurmd,slurm-client,munge,openmpi-bin,mpich,procps bookworm "$root" > "$work/debootstrap.log" 2>&1; then
        rm -rf --one-file-system "$root"
        echo "slurm: not run: debootstrap made no root, see $work/debootstrap.log"
        exit 0
    fi
    # Slurm looks for the PMIx that Debian puts elsewhere
    for lib in "$root"/usr/lib/*/pmix2/lib; do ln -sf libpmix.so.2 "$lib/libpmix.so"; done
fi
mkdir -p "$root/w"
cp "$program" "$root/w/ebt"
cp "$(find fixtures/turkish/validation -type f -name '*.txt' | sort | head -n 1)" "$root/w/text.txt"
cp tests/ranks/in-slurm.sh "$root/w/"
exec unshare --mount --pid --uts --fork --kill-child bash -c '
    mount -t proc proc "$1/proc" && mount --rbind /dev "$1/dev" && mount -t tmpfs tmpfs "$1/run"
    hostname node1
    exec chroot "$1" /bin/bash /w/in-slurm.sh' - "$root"

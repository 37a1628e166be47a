#!/usr/bin/env bash
# Builds both images without a hub and uses them: as root on Debian. The base is made of Debian's packages (mmdebstrap), and buildah builds
# with chroot isolation, so that neither a daemon nor namespaces are needed. Takes some fifteen minutes of two cores and 6 GB.
set -euo pipefail
# what is mounted into a root is seen here alone, and is gone with this process however it ends: nothing is ever deleted through it
if [ "${EBT_UNSHARED:-}" != 1 ]; then
    EBT_UNSHARED=1 exec unshare --mount --pid --fork --kill-child --mount-proc bash "$0" "$@"
fi
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
work=$(mktemp -d)
export TMPDIR=$work STORAGE_DRIVER=vfs BUILDAH_ISOLATION=chroot
store=(--root "$work/storage" --runroot "$work/run")
trap 'buildah "${store[@]}" rm --all > /dev/null 2>&1 || true; rm -rf --one-file-system "$work"' EXIT
apt-get install -y -qq --no-install-recommends mmdebstrap buildah > /dev/null

# Rust of Debian's is newer than the oldest that serves; certificates are those of this machine
packages=ca-certificates,gcc,g++,libc6-dev,rustc-web,cargo-web,python3,python3-venv,python3-pip,python3-dev
mmdebstrap --quiet --variant=minbase --include="$packages" bookworm "$work/base.tar"
base=$(buildah "${store[@]}" from scratch)
buildah "${store[@]}" add --quiet "$base" "$work/base.tar" / > /dev/null
buildah "${store[@]}" copy --quiet "$base" /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt > /dev/null
buildah "${store[@]}" config --env CARGO_HTTP_CAINFO=/etc/ssl/certs/ca-certificates.crt --env PIP_CERT=/etc/ssl/certs/ca-certificates.crt "$base"
buildah "${store[@]}" commit --quiet "$base" localhost/base > /dev/null
rm "$work/base.tar"

for target in program notebooks; do
    buildah "${store[@]}" bud --quiet --network host -f "$here/Containerfile" --target "$target" --ignorefile "$root/.dockerignore" \
        --build-arg BUILD=localhost/base --build-arg RUNTIME=localhost/base --build-arg PYTHON=localhost/base \
        -t "localhost/ebt-$target" "$root"
    echo "localhost/ebt-$target: built"
done

inside() {
    local image=$1
    shift
    local container
    container=$(buildah "${store[@]}" from "localhost/ebt-$image")
    buildah "${store[@]}" run "$container" -- "$@"
}
[ "$(echo "Turkiye'nin baskenti" | inside program ebt restore)" = "Türkiye'nin başkenti" ]
inside program sh -c 'ebt train --steps 5 --quiet --out /tmp/run && ebt generate --model /tmp/run --prompt Ankara --tokens 3 --seed 1' > /dev/null
echo 'the program restores, trains and generates in its image'
inside notebooks sh -c 'cd /work/notebooks && jupyter lab --version && jupyter execute tokenizer.ipynb'
echo 'a notebook runs in its image'

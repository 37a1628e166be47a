#!/usr/bin/env bash
# Checks the compose files and the runners: check.sh. Images are built by check.sh images, as root on Debian, without a hub: see there.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

sh -n "$here/run.sh"
for wrong in '' unknown; do
    if sh "$here/run.sh" $wrong 2> "$work/said"; then echo "run.sh took '$wrong'" >&2; exit 1; fi
    grep -q '^usage: ' "$work/said"
done

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check podman-compose tree-sitter tree-sitter-powershell
# podman-compose reads the file as compose does; to read, it asks podman for nothing but its version
mkdir "$work/bin"
command -v podman > /dev/null || { printf '#!/bin/sh\necho podman version 5.0.0\n' > "$work/bin/podman" && chmod +x "$work/bin/podman"; }
# the file that .env names is found from the root; docker compose reads .env itself
(cd "$root" && set -a && . ./.env && PATH="$work/venv/bin:$PATH:$work/bin" podman-compose config > "$work/compose.yaml")
"$work/venv/bin/python" "$here/check.py" "$work/compose.yaml" "$here/run.ps1"
if [ "${1:-}" = images ]; then bash "$here/images.sh"; fi

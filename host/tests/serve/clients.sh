#!/usr/bin/env bash
# Clients of others against `ebt serve`: OpenAI's, and lm-evaluation-harness on pairs of sentences, which must judge as many pairs
# right as OpenAI's client does. clients.sh PROGRAM [openai|all]; needs python3-venv and PyPI. EBT_CLIENTS_VENV keeps the environment.
set -euo pipefail
program=$(realpath "$1")
which=${2:-all}
cd "$(dirname "$0")/clients"
scratch=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2> /dev/null || true; rm -rf "$scratch"' EXIT
venv=${EBT_CLIENTS_VENV:-$scratch/venv}
[ -x "$venv/bin/python" ] || python3 -m venv "$venv"
packages=(openai==3.57.0)
if [ "$which" = all ]; then packages+=('lm_eval[api]==0.4.13'); fi
"$venv/bin/pip" install --quiet --disable-pip-version-check "${packages[@]}"

"$program" serve --bind 127.0.0.1:0 --json > "$scratch/address" &
server=$!
for _ in $(seq 3000); do
    [ -s "$scratch/address" ] && break
    sleep 0.1
done
address=$("$venv/bin/python" -c 'import json, sys; print(json.load(open(sys.argv[1]))["address"])' "$scratch/address")

"$venv/bin/python" openai_client.py "$address" | tee "$scratch/openai"

if [ "$which" = all ]; then
    export HF_HUB_OFFLINE=1 HF_DATASETS_OFFLINE=1 HF_HOME="$scratch/hf" TOKENIZERS_PARALLELISM=false
    "$venv/bin/lm_eval" --model local-completions --tasks turkish_pairs --include_path . --output_path "$scratch/results" \
        --model_args "model=sample,base_url=http://$address/v1/completions,num_concurrent=2,max_retries=1"
    "$venv/bin/python" - "$scratch" << 'END'
import json, pathlib, re, sys
scratch = pathlib.Path(sys.argv[1])
result = json.loads(next(scratch.glob("results/**/*.json")).read_text())["results"]["turkish_pairs"]["acc,none"]
right, pairs = map(int, re.search(r"pairs: (\d+) of (\d+)", (scratch / "openai").read_text()).groups())
assert abs(result - right / pairs) < 1e-9, (result, right, pairs)
print("lm-evaluation-harness judges the same pairs right:", result)
END
fi

kill -s TERM "$server"
wait "$server"
server=
echo 'the clients of others are content'

#!/usr/bin/env bash
# torchrun itself, which joins processes on GPUs: those of the stand-in for NVIDIA's libraries here, on which nothing is fast. EBT_TORCHRUN names it,
# where it is not on the path: PyTorch is too large to be installed for this. torchrun.sh PROGRAM WORK; run.sh calls it.
set -euo pipefail
cd "$(dirname "$0")/../.."
program=$1 work=$2/torchrun torchrun=${EBT_TORCHRUN:-$(command -v torchrun || true)}
if [ -z "$torchrun" ]; then
    echo 'torchrun: not run: pip install torch, and EBT_TORCHRUN=.../bin/torchrun'
    exit 0
fi
libraries=${EBT_CUDA_LIBS:-$(cargo run --quiet --release --locked -p ebt-tests --example stand_in)}
rm -rf "$work" && mkdir -p "$work"
cp "$(find "$PWD/fixtures/turkish/validation" -type f -name '*.txt' | sort | head -n 1)" "$work/text.txt"
cd "$work"
words=("$program" train --data text.txt --validation text.txt --set model.dim=32 --set model.ffn=64 --set model.context=16
    --set model.layers=1 --set train.batch=2 --set train.lanes=2 --set train.accumulate=2 --set train.minutes=none
    --set train.validate_tokens=100 --set train.validate_every=4 --set train.checkpoint_every=4 --steps 20 --threads 1 --quiet)
one=("$torchrun" --nnodes 1 --nproc-per-node 2 --no-python)

ranks_of() { pgrep -f "^$program train" | sort -n; }
same() { for file in model.ebt config.toml checkpoints/step-00000020/state.ebs; do cmp one/$file "$1/$file"; done; }
begin() { # RUN: starts it by torchrun, up to its first checkpoint
    "${one[@]}" "${words[@]}" --backend cuda --out "$1" > out.txt 2>&1 &
    for _ in $(seq 6000); do [ -d "$1/checkpoints/step-00000004" ] && return; sleep 0.05; done
    cat out.txt >&2
    return 1
}
ended() { # RUN WORDS: torchrun ended with an error, all ranks too, one of which said the words; the run goes on to the same bytes
    wait $! && exit 1
    [ -z "$(ranks_of)" ]
    grep -E "$2" out.txt || { cat out.txt >&2; exit 1; }
    "${words[@]:0:1}" train --resume "$1" --backend cuda --threads 1 --quiet > /dev/null
    same "$1"
}

echo 'torchrun: on processors the command that works is said'
"${one[@]}" "${words[@]}" --backend cpu --out refused > out.txt 2>&1 && exit 1
grep 'put `mpirun -n 2` before the command instead' out.txt || { cat out.txt >&2; exit 1; }

export EBT_CUDA_LIBS=$libraries EBT_STAND_IN_DEVICES=2
echo 'torchrun: the bytes of one process'
"${words[@]}" --backend cuda --out one > /dev/null
"${one[@]}" "${words[@]}" --backend cuda --out two > /dev/null
same two

for rank in 0 1; do
    echo "torchrun: rank $rank is killed"
    begin killed-$rank
    kill -KILL "$(ranks_of | sed -n $((rank + 1))p)"
    ended killed-$rank "^error: rank $rank \(.*, pid [0-9]+\) ended during [^;]+; the last checkpoint is of step [0-9]+; go on with: ebt train --resume killed-$rank"
done
echo 'torchrun: Ctrl-C'
begin interrupted
kill -INT $!
ended interrupted '^resume: .*ebt train --resume interrupted'

echo 'torchrun: two nodes, which are this machine'
address=$(hostname -I | tr ' ' '\n' | grep -m 1 -F .) || { echo 'not run: this machine has no address in a network'; exit 0; }
nodes=(--nnodes 2 --nproc-per-node 1 --no-python)
"$torchrun" "${nodes[@]}" --node-rank 1 --master-addr "$address" "${words[@]}" --backend cuda --gpu 1 --out other > other.txt 2>&1 &
"$torchrun" "${nodes[@]}" --node-rank 0 --master-addr "$address" "${words[@]}" --backend cuda --out nodes > /dev/null
wait $!
same nodes
# whoever is rank 0 writes; by the name localhost no node reaches another one
found=(--rdzv-backend c10d --rdzv-id 7 --rdzv-endpoint "$address:29511" --rdzv-conf)
"$torchrun" "${nodes[@]}" "${found[@]}" is_host=0 --local-addr "$address" "${words[@]}" --backend cuda --gpu 1 --out either > other.txt 2>&1 &
"$torchrun" "${nodes[@]}" "${found[@]}" is_host=1 --local-addr "$address" "${words[@]}" --backend cuda --out neither > /dev/null
wait $!
if [ -d neither ]; then same neither; else same either; fi
"$torchrun" "${nodes[@]}" "${found[@]}" is_host=0 --local-addr localhost "${words[@]}" --backend cuda --gpu 1 --out refused > other.txt 2>&1 &
"$torchrun" "${nodes[@]}" "${found[@]}" is_host=1 --local-addr localhost "${words[@]}" --backend cuda --out refused > out.txt 2>&1 && exit 1
wait $! && exit 1
for said in out.txt other.txt; do grep 'error: localhost is .*: --local-addr there, or --master-addr' $said; done
rm -rf "$work"

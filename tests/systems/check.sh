#!/usr/bin/env bash
# The other systems, as far as Linux can show them: check.sh [windows] [macos]
# windows: builds the program with mingw-w64 and Rust's own sources of std, runs it in wine and compares with Linux, and runs
#          the tests of files and locks there. The program of Linux is built too where the target folder lacks it.
# macos:   type-checks the program; nothing is linked or run.
# Needs what setup.sh and ../targets/setup.sh install. The results stay in target/systems.
set -euo pipefail
cd "$(dirname "$0")/../.."
here=tests/systems
[ $# -gt 0 ] || set -- windows macos
work=$PWD/target/systems
mkdir -p "$work"

cargo_for() { # SYSTEM COMMAND...: cargo with Debian's compiler, which builds std itself
    (
        . tests/targets/env.sh
        system=$1 command=$2
        shift 2
        cargo --config $here/cargo.toml "$command" --release --locked -Zbuild-std=std,panic_abort --target "$system" \
            --target-dir "$work" "$@"
    )
}

# The program of this machine, and the same for Windows, in the current folder
linux() { "$linux" "$@" 2> linux.err || { cat linux.err >&2; false; }; }
windows() { wine "$exe" "$@" 2> windows.err || { cat windows.err >&2; false; }; }

rounded() { sed -E 's/([0-9]\.[0-9]{2})[0-9]*/\1/g' "$1"; } # FILE: numbers cut after two decimals

same() { # COMMAND...: both programs print the same
    linux "$@" > linux.out
    windows "$@" > windows.out
    cmp linux.out windows.out
}

refuses() { # STATUS WORDS COMMAND...: the Windows program says WORDS and ends with STATUS
    local status=$1 words=$2 found=0
    shift 2
    wine "$exe" "$@" > windows.out 2> windows.err || found=$?
    if [ $found != "$status" ] || ! grep -qF -- "$words" windows.out windows.err; then
        echo "$* ended with $found, not $status, or did not say: $words" >&2
        cat windows.out windows.err >&2
        return 1
    fi
}

use_the_program() {
    local tiny=(--set model.dim=16 --set model.heads=2 --set model.ffn=16 --set model.context=16 --set train.batch=2
        --set train.checkpoint_every=1 --set train.validate_tokens=256 --threads 1 --quiet)
    printf 'Ankara'"'"'nın başkent oluşu.\r\n\r\nİstanbul'"'"'un ilçeleri ve köyleri.\r\n' > bir.txt
    printf '{"text":"Kediler uyur."}\n{"text":"Evvel zaman içinde kalbur saman içinde."}\n' > iki.jsonl

    echo 'generate: the same text and certificates, to the bit'
    same generate --prompt 'Türkiye' --tokens 24 --seed 1
    same generate --prompt "İstanbul'un" --tokens 8 --seed 2 --temperature 1 --think 3 --certificate -

    echo 'tokenizer: the same file, the same ids, the same text back'
    for system in linux windows; do
        $system tokenizer train bir.txt iki.jsonl --vocab 300 --out $system.json > $system.out
    done
    cmp linux.json windows.json
    mv windows.json tokenizer.json
    windows tokenizer encode --tokenizer tokenizer.json < bir.txt > ids.txt
    linux tokenizer encode --tokenizer tokenizer.json < bir.txt | cmp - ids.txt
    windows tokenizer decode --tokenizer tokenizer.json < ids.txt | cmp - bir.txt

    echo 'data prepare: the same shards'
    for system in linux windows; do
        $system data prepare bir.txt iki.jsonl --near-duplicates 0.8 --tokenizer tokenizer.json --out "$system-data"
        $system data inspect "$system-data" --verify > "$system.out"
    done
    cmp linux-data/train-00000.tokens windows-data/train-00000.tokens
    refuses 1 '--overwrite' data prepare bir.txt --tokenizer tokenizer.json --out windows-data
    windows data prepare iki.jsonl bir.txt --tokenizer tokenizer.json --out windows-data --overwrite

    echo 'train, resume, eval, export, plot: a folder with a space, and weights as good'
    windows train "${tiny[@]}" --steps 3 --minutes 0.00001 --validation bir.txt --out 'bir yer\run' > windows.out
    grep -F 'train --resume "bir yer\run"' windows.out
    windows train --resume 'bir yer\run' --minutes 5 --quiet --json > windows.out
    grep -q '"ending":"finished","step":3' windows.out
    refuses 1 'holds a run already' train "${tiny[@]}" --steps 3 --validation bir.txt --out 'bir yer/run'
    linux train "${tiny[@]}" --steps 3 --validation bir.txt --out run > linux.out
    cp -r 'bir yer/run' windows-run
    mv run linux-run
    for system in linux windows; do
        $system eval --model $system-run bir.txt --json | sed "s/$system-run/run/; /\"seconds\"/d" > $system.out
        $system export linux-run --packed f32 --out $system.ebp > /dev/null
    done
    # training adds in the order of the instructions that it finds, which in wine may be others
    cmp <(rounded linux.out) <(rounded windows.out)
    cmp linux.ebp windows.ebp
    windows generate --model 'bir yer\run' --prompt 'Türkiye' --tokens 4 --seed 1 > windows.out
    windows plot --model windows.ebp --prompt 'Türkiye' --out windows.svg
    linux plot --model linux.ebp --prompt 'Türkiye' --out linux.svg
    cmp linux.svg windows.svg

    echo 'messages: without a GPU, of a missing file'
    refuses 3 'nvcuda.dll' doctor
    refuses 1 'yok.ebt' eval --model yok.ebt bir.txt
}

check_windows() {
    echo 'building the program for Windows'
    cargo_for x86_64-pc-windows-gnu build -p ebt-host --bin ebt
    linux=${EBT_LINUX:-$PWD/target/release/ebt}
    [ -n "${EBT_LINUX:-}" ] || cargo build --release --locked --bin ebt
    local built=$work/x86_64-pc-windows-gnu/release
    exe=$built/ebt.exe
    # where the loader looks first
    local shim=$built/bcryptprimitives.dll
    x86_64-w64-mingw32-gcc -O2 -shared $here/bcryptprimitives.c -o "$shim" -ladvapi32
    mkdir -p "$built/deps" && cp "$shim" "$built/deps/"

    export WINEPREFIX=$work/wine WINEDEBUG=-all WINEDLLOVERRIDES='mscoree,mshtml=' LC_ALL=C.UTF-8
    # stops the services of this prefix alone
    trap 'wineserver -k || true' EXIT
    wine wineboot --init > /dev/null 2>&1
    rm -rf "$work/use" && mkdir -p "$work/use"
    (cd "$work/use" && use_the_program)
    echo 'files in use, locks, shards and checkpoints: their tests, in wine'
    cargo_for x86_64-pc-windows-gnu test -p ebt-data -p ebt-train --lib --quiet
}

for system in "$@"; do
    case $system in
        windows) check_windows ;;
        macos)
            echo 'checking the program for macOS'
            cargo_for aarch64-apple-darwin check -p ebt-host --bin ebt
            ;;
        *) echo "$system is none of: windows macos" >&2; exit 2 ;;
    esac
done

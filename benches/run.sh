#!/usr/bin/env bash
# Everything `just bench` does: builds, measures the engine, the server and the peers, and reports.
#   benches/run.sh [--data DIRECTORY] [--quick] [--results DIRECTORY] [engine|http|peers|scale|report]...
# Without steps it runs all of them; alone, a step leaves the figures of the others as they are. What
# the steps measure lies in target/bench/ until the report is made of it.
set -euo pipefail

data= results= quick= steps=()
while [ $# -gt 0 ]; do
    case $1 in
        --data | --results)
            [ $# -ge 2 ] || { echo "$1 needs a directory" >&2; exit 2; }
            directory=$(realpath -m -- "$2")
            if [ "$1" = --data ]; then data=$directory; else results=$directory; fi
            shift 2 ;;
        --quick) quick=yes; shift ;;
        engine | http | peers | scale | report) steps+=("$1"); shift ;;
        *) echo "$1 is none of --data DIRECTORY, --results DIRECTORY, --quick, engine, http, peers, scale, report" >&2
            exit 2 ;;
    esac
done
cd "$(dirname "$0")/.."
data=${data:-$PWD/benches/data}
out=$PWD/target/bench
# A shortened run is nothing to keep.
if [ -n "$quick" ]; then results=${results:-$out}; fi
results=${results:-$PWD/benches/results}
venv=$PWD/target/peers-venv
date=$(date +%F)
if [ ${#steps[@]} -eq 0 ]; then
    steps=(engine http peers scale report)
    rm -rf "$out"
fi
if [ ! -d "$data" ]; then
    echo "$data is no directory; give one with --data, benches/README.md tells what it holds" >&2
    exit 2
fi
mkdir -p "$out" "$results"
failed=()

say() { printf '\n==> %s\n' "$*" >&2; }
before_step() { # what comes next
    read -r load _ </proc/loadavg
    touch "$out/steps.txt"
    sed -i "/ $1\$/d" "$out/steps.txt"
    echo "$load $1" >>"$out/steps.txt"
    say "$1 (load average $load)"
}
# What the build made, not `cargo run`: that would build anew, with the features of one package.
bench() { "${CARGO_TARGET_DIR:-target}/release/$1" "${@:2}"; }
# A step that fails leaves no figures, not those of another day; the others go on, the table says
# what is missing, and the script ends with a failure.
attempt() { # figures, command...
    local figures=$1
    shift
    rm -f "$figures"
    if ! "$@"; then
        rm -f "$figures"
        failed+=("$(basename "$figures" .json)")
        say "FAILED: $(basename "$figures" .json) was not measured"
    fi
}

engine() {
    local key base queries truth
    for key in sift1m minilm; do
        base=$(compgen -G "$data/${key}_base_*.npy") || { say "$key: SKIPPED, no files"; continue; }
        queries=$(compgen -G "$data/${key}_query_*.npy")
        truth=$data/${key}_truth_cosine_100.npy
        before_step "engine alone, $key"
        attempt "$out/engine-$key.json" engine_on "$base" "$queries" "$truth" "$out/engine-$key.json"
    done
}
engine_on() { # base, queries, truth, figures
    bench scan --json "$1" "$2" "$3" >"$4"
}

http() {
    attempt "$out/http.json" bench http --data "$data" --output "$out/http.json" ${quick:+--quick}
}

# The venv is made anew when the requirements change, or when making it failed half-way.
peers_venv() {
    cmp -s benches/peers/requirements.txt "$venv/made-of" && return
    rm -rf "$venv"
    python3 -m venv "$venv" \
        && "$venv/bin/pip" install --quiet --requirement benches/peers/requirements.txt \
        && cp benches/peers/requirements.txt "$venv/made-of"
}

peers() {
    local short=()
    if [ -n "$quick" ]; then short=(--rounds 1 --seconds 1 --queries 50); fi
    before_step "peers"
    if peers_venv; then
        attempt "$out/peers.json" "$venv/bin/python" benches/peers/measure.py \
            --data "$data" --output "$out/peers.json" "${short[@]}"
    else
        rm -f "$out/peers.json"
        failed+=(peers)
        say "PEERS SKIPPED: python3, its venv or a package of benches/peers/requirements.txt cannot be had"
    fi
}

# A page of its own: it is about clusters, the table about one server.
scale() {
    local revision
    revision=$(git describe --always --dirty 2>/dev/null || echo unknown)
    before_step "scale"
    attempt "$results/$date-scale.md" bench scale --data "$data" --output "$results/$date-scale.md" \
        --date "$date" --revision "$revision" ${quick:+--quick}
}

report() {
    local revision
    revision=$(git describe --always --dirty 2>/dev/null || echo unknown)
    bench report --from "$out" --results "$results" --date "$date" --revision "$revision"
    if peers_venv; then
        "$venv/bin/python" benches/peers/plot.py "$results/$date-bench.json" "$results/$date-peers.svg"
        echo "written: $results/$date-peers.svg" >&2
    else
        failed+=(plot)
        say "NO PLOT: matplotlib of benches/peers/requirements.txt cannot be had"
    fi
}

say "building"
cargo build --release --package vectra-server --package vectra-benches
for step in "${steps[@]}"; do "$step"; done
if [ ${#failed[@]} -gt 0 ]; then
    say "not measured: ${failed[*]}"
    exit 1
fi

#!/usr/bin/env bash
# Shows that the simulation finds bugs: puts each bug of `planted/` into a copy of the code and runs seeds until
# one of them says so. Fails if a bug is not found within SEEDS seeds (60 without an argument), or if nothing
# but the bug's own invariant can be what says so.
set -euo pipefail
cd "$(dirname "$0")"
readonly SEEDS=${1:-60}
root=$(cd ../.. && pwd)
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT

# What each bug breaks.
declare -A breaks=(
    [acknowledge_before_fsync]='no acknowledged write is lost'
    [skip_a_read_index]='no acknowledged write is lost|no resurrection'
    [drop_a_tombstone_in_a_move]='no resurrection|replicas are equal|one owner of an id|no acknowledged write is lost'
)

# Copied once, and each bug taken out again: so only what it changes is compiled anew.
(cd "$root" && cp -R --parents Cargo.toml Cargo.lock proto crates tests/sim "$copy")

for patch in planted/*.patch; do
    bug=$(basename "$patch" .patch)
    patch --quiet --directory "$copy" --strip 1 <"$patch"
    cd "$copy/tests/sim"
    CARGO_TARGET_DIR=$root/target cargo build --quiet --locked
    cp "$root/target/debug/simulate" "$copy/simulate"
    seed=1
    found=
    while [ "$seed" -le "$SEEDS" ] && [ -z "$found" ]; do
        if ! "$copy/simulate" --seed "$seed" --jobs 1 >"$copy/output" 2>&1; then
            found=$(grep --max-count 1 VIOLATED "$copy/output" || true)
        fi
        seed=$((seed + 1))
    done
    cd "$root/tests/sim"
    patch --quiet --directory "$copy" --strip 1 --reverse <"$patch"
    if [ -z "$found" ]; then
        echo "$bug: not found by $SEEDS seeds" >&2
        exit 1
    fi
    echo "$bug: seed $((seed - 1)): $found"
    if ! grep --quiet --extended-regexp "${breaks[$bug]}" <<<"$found"; then
        echo "$bug: that is not what it breaks: ${breaks[$bug]}" >&2
        exit 1
    fi
done

#!/usr/bin/env bash
# Shows that the simulation finds bugs: puts each bug of `planted/` into a copy of the code and runs seeds until
# one of them says so. Fails if within SEEDS seeds (60 without an argument) nothing violates what the bug breaks;
# whatever else it brings about does not count.
set -euo pipefail
cd "$(dirname "$0")"
readonly SEEDS=${1:-60}
root=$(cd ../.. && pwd)
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT

# What each bug breaks.
declare -A breaks=(
    # A delete that is lost is a resurrection.
    [acknowledge_before_fsync]='no acknowledged write is lost|no resurrection'
    [skip_a_read_index]='no acknowledged write is lost|no resurrection'
    [answer_what_was_presumed]='no acknowledged write is lost|no resurrection'
    [answer_behind_the_leader]='no acknowledged write is lost|no resurrection'
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
            found=$(grep --extended-regexp "^VIOLATED (${breaks[$bug]})" "$copy/output" | head -n 1 || true)
        fi
        seed=$((seed + 1))
    done
    cd "$root/tests/sim"
    patch --quiet --directory "$copy" --strip 1 --reverse <"$patch"
    if [ -z "$found" ]; then
        echo "$bug: $SEEDS seeds do not violate: ${breaks[$bug]}" >&2
        exit 1
    fi
    echo "$bug: seed $((seed - 1)): $found"
done

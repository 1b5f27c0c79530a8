# `just verify` only reads, `just fix` changes.

# what there is to run
default:
    @just --list --unsorted

# every check besides the tests; changes nothing
verify: format lint dependencies documentation manifests planted-bugs-fit

[private]
format:
    cargo fmt --all --check
    cd tests/sim && cargo fmt --check

[private]
lint:
    cargo clippy --locked --workspace --all-targets -- -D warnings
    cd tests/sim && cargo clippy --locked --all-targets -- -D warnings

# licences, sources and bans always; known vulnerabilities where the advisory database can be had
[private]
dependencies:
    #!/bin/sh
    set -eu
    cargo deny --locked check --hide-inclusion-graph bans licenses sources
    cargo deny --locked --manifest-path tests/sim/Cargo.toml --config deny.toml check --hide-inclusion-graph bans licenses sources
    if cargo deny --locked fetch db; then
        cargo deny --locked --offline check advisories
        cargo deny --locked --offline --manifest-path tests/sim/Cargo.toml --config deny.toml check advisories
    else
        echo 'skipped: the advisory database cannot be fetched; known vulnerabilities were NOT checked' >&2
    fi

[private]
documentation:
    RUSTDOCFLAGS='-D warnings' cargo doc --locked --workspace --no-deps

# whether the bugs of `just simulate-planted-bugs` can still be put in
[private]
planted-bugs-fit:
    for bug in tests/sim/planted/*.patch; do git apply --check "$bug" || exit 1; done

# the Helm chart and the Kubernetes manifests, without a cluster; needs deploy/requirements.txt
manifests:
    #!/bin/sh
    set -eu
    if python3 -c 'import helm_python, kubernetes_validate, yaml, yamllint' 2>/dev/null; then
        deploy/manifests.py
    else
        echo 'skipped: pip install -r deploy/requirements.txt; the chart and the manifests were NOT checked' >&2
    fi

# deploy/kubernetes anew, from the chart
render-manifests:
    deploy/manifests.py --write

# format, and apply what clippy can mend by itself
fix:
    cargo fmt --all
    cd tests/sim && cargo fmt
    cargo clippy --workspace --all-targets --fix --allow-dirty --allow-staged

# the tests, as `.ci/run` runs them
test: && (simulate '12') simulate-twice
    cargo test --workspace

# everything that is measured, in one table; best on an idle machine: see benches/README.md
bench *arguments:
    benches/run.sh {{ arguments }}

# the engine alone, of `just bench`
bench-engine *arguments:
    benches/run.sh engine {{ arguments }}

# the server over HTTP, of `just bench`
bench-http *arguments:
    benches/run.sh http {{ arguments }}

# clusters beside one server, and one coordinator over many nodes, of `just bench`
bench-scale *arguments:
    benches/run.sh scale {{ arguments }}

# other engines on the same vectors, of `just bench`
bench-peers *arguments:
    benches/run.sh peers {{ arguments }}

# the table and the plot of what these steps measured last
bench-report *arguments:
    benches/run.sh report {{ arguments }}

# the scan on vectors of your own: `just bench-scan BASE.npy [QUERIES.npy [TRUTH.npy]]`
bench-scan *arguments:
    cargo run --release --package vectra-benches --bin scan -- {{ arguments }}

# many more rounds of writes and deletes under `kill -9` than `just test` runs; a seed repeats one run
kill-rounds rounds='200' seed='':
    {{ if seed == '' { '' } else { 'VECTRA_TEST_SEED=' + seed + ' ' } }}VECTRA_TEST_ROUNDS={{ rounds }} \
        cargo test --package vectra-tests acknowledged_writes_survive_kill -- --nocapture

# the same against a cluster of processes
cluster-kill-rounds rounds='50' seed='':
    {{ if seed == '' { '' } else { 'VECTRA_TEST_SEED=' + seed + ' ' } }}VECTRA_TEST_CLUSTER_ROUNDS={{ rounds }} \
        cargo test --package vectra-tests a_cluster_keeps_its_word_under_kill -- --nocapture

# concurrent clients of a cluster under kill, sleep and partition, their histories checked: docs/testing.md
linearizability rounds='50' seed='':
    {{ if seed == '' { '' } else { 'VECTRA_TEST_SEED=' + seed + ' ' } }}VECTRA_TEST_LINEARIZABILITY_ROUNDS={{ rounds }} \
        cargo test --package vectra-tests every_history_is_linearizable -- --nocapture

# a whole cluster under faults, its network, disks, time and chance simulated: docs/testing.md
simulate seeds='24' seed='1':
    cd tests/sim && cargo run --quiet --locked -- --seed {{ seed }} --seeds {{ seeds }}

# thousands of seeds, for an hour: an optimised build, faster and the same to the last message
simulate-thousands seeds='2000' seed='1000':
    cd tests/sim && cargo run --release --quiet --locked -- --seed {{ seed }} --seeds {{ seeds }}

# each twice over: whether a seed repeats everything
simulate-twice seeds='2' seed='1':
    cd tests/sim && cargo run --quiet --locked -- --seed {{ seed }} --seeds {{ seeds }} --twice

# what happens in one seed of the simulation, and what was violated
simulate-one seed:
    cd tests/sim && cargo run --quiet --locked -- --seed {{ seed }} --show

# bugs put into a copy of the code, each of which the simulation must find
simulate-planted-bugs seeds='60':
    tests/sim/planted.sh {{ seeds }}

# the cluster of docker-compose.yml in containers: every one killed, paused, disconnected and moved to another
# address in its turn, all restarted at once, and one after the other; some ten minutes beside the image's
faults:
    VECTRA_TEST_FAULTS=all cargo test --package vectra-tests --test containers -- --nocapture

# three shard nodes become six and three again under load, as it is built for users: how long searches take
scale-out:
    cargo test --release --package vectra-tests three_nodes_become_six -- --nocapture

# the image, with the images it starts from where they cannot be pulled
image:
    deploy/base-images.sh
    docker build -t vectra-engine -f deploy/Dockerfile .

"""Measures other flat engines on the vectors, threads and k that Vectra is measured with.

    python measure.py --data DIRECTORY --output peers.json

In turns, round after round, so that a slow spell of the machine meets all of them alike; what is
written are medians over the rounds, and the rounds themselves.
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path
from statistics import median

import vector_set
from faiss_peers import FlatInnerProduct, ScalarQuantizer
from peer import BATCHES, Peer
from qdrant_peer import FullScanInt8
from stopwatch import in_batches, one_by_one, side_by_side
from usearch_peer import ExactInt8
from vector_set import VectorSet

K = 10


def main() -> None:
    arguments = parse_arguments()
    sets = []
    for key in vector_set.FILES:
        vectors = vector_set.read(arguments.data, key)
        if vectors is None:
            say(f"{key}: SKIPPED, its files are not in {arguments.data}")
            continue
        if arguments.queries:
            vectors.queries = vectors.queries[: arguments.queries]
        sets.append(measure(vectors, arguments))
    if not sets:
        sys.exit(f"{arguments.data} holds none of the vector sets; see benches/README.md")
    result = {"threads": arguments.threads, "k": K, "sets": sets}
    arguments.output.write_text(json.dumps(result, indent=1) + "\n")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="directory of the vector sets")
    parser.add_argument("--output", type=Path, required=True, help="where the figures go, as JSON")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement")
    parser.add_argument("--queries", type=int, help="take only the first so many")
    return parser.parse_args()


def measure(vectors: VectorSet, arguments: argparse.Namespace) -> dict:
    threads = arguments.threads
    makers = [
        FlatInnerProduct,
        ScalarQuantizer,
        ExactInt8,
        lambda base: FullScanInt8(base, threads),
    ]
    peers, building = [], []
    for make in makers:
        start = time.perf_counter()
        peers.append(make(vectors.base))
        building.append(time.perf_counter() - start)
        say(f"{vectors.key}: {peers[-1].name} built in {building[-1]:.1f} s")
    recalls = [vectors.recall(peer.search(vectors.queries, K, threads)) for peer in peers]

    load_before = os.getloadavg()[0]
    rounds: list[list[dict]] = [[] for _ in peers]
    for _ in range(arguments.rounds):
        for peer, of_peer in zip(peers, rounds):
            of_peer.append(one_round(peer, vectors, arguments))
    figures = []
    for peer, seconds, recall, of_peer in zip(peers, building, recalls, rounds):
        figures.append(
            {
                "name": peer.name,
                "version": peer.version,
                "detail": peer.detail,
                "build_seconds": seconds,
                "recall": recall,
                **middle(of_peer),
                "rounds": of_peer,
            }
        )
        peer.close()
        best = figures[-1]
        say(
            f"{vectors.key}: {peer.name}: p50 {best['p50_ms']:.2f} ms, {best['qps']:.0f} queries/s"
            f" ({best['qps_with']}), recall@{K} {recall:.4f}"
        )
    return {
        "key": vectors.key,
        "rows": len(vectors.base),
        "dimension": vectors.base.shape[1],
        "queries": len(vectors.queries),
        "load_average_before": load_before,
        "peers": figures,
    }


def one_round(peer: Peer, vectors: VectorSet, arguments: argparse.Namespace) -> dict:
    """Every way of asking, by name."""
    queries, threads, seconds = vectors.queries, arguments.threads, arguments.seconds
    ways = {
        "one query at a time": one_by_one(peer, queries, K, threads, seconds),
        f"{threads} queries at a time": side_by_side(peer, queries, K, threads, seconds),
    }
    for batch in BATCHES:
        name = f"batches of {batch}"
        ways[name] = in_batches(peer, queries, K, threads, batch, seconds)
    return ways


def middle(rounds: list[dict]) -> dict:
    """Medians over the rounds: of the latency, and of the way that gives most queries a second."""
    rates = {way: median(each[way]["qps"] for each in rounds) for way in rounds[0]}
    best = max(rates, key=rates.__getitem__)
    latency = median(each["one query at a time"]["p50_ms"] for each in rounds)
    return {"p50_ms": latency, "qps": rates[best], "qps_with": best, "qps_by_way": rates}


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()

"""How long a peer's searches take."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count, islice
from statistics import median

import numpy as np

from peer import Peer


def one_by_one(peer: Peer, queries: np.ndarray, k: int, threads: int, seconds: float) -> dict:
    """One query at a time, all threads on it: the median latency."""
    latencies = []
    start = time.perf_counter()
    for query in _cycle(queries, 1):
        before = time.perf_counter()
        peer.search(query, k, threads)
        now = time.perf_counter()
        latencies.append(now - before)
        if now - start >= seconds and len(latencies) >= 5:
            break
    return {"p50_ms": median(latencies) * 1e3, "qps": len(latencies) / sum(latencies)}


def side_by_side(peer: Peer, queries: np.ndarray, k: int, threads: int, seconds: float) -> dict:
    """As many queries at a time as threads, one thread on each."""

    def search_until(deadline: float, first: int) -> int:
        done = 0
        for query in _cycle(np.roll(queries, -first, axis=0), 1):
            peer.search(query, k, 1)
            done += 1
            if time.perf_counter() >= deadline:
                return done
        return done

    with ThreadPoolExecutor(threads) as pool:
        start = time.perf_counter()
        deadline = start + seconds
        firsts = [thread * len(queries) // threads for thread in range(threads)]
        done = sum(pool.map(search_until, [deadline] * threads, firsts))
        return {"qps": done / (time.perf_counter() - start)}


def in_batches(
    peer: Peer, queries: np.ndarray, k: int, threads: int, batch: int, seconds: float
) -> dict:
    """Batches, all threads on each; at least one, however long it takes."""
    done = 0
    start = time.perf_counter()
    for queries_of_batch in _cycle(queries, batch):
        peer.search(queries_of_batch, k, threads)
        done += batch
        elapsed = time.perf_counter() - start
        if elapsed >= seconds:
            break
    return {"qps": done / elapsed}


def _cycle(queries: np.ndarray, batch: int) -> Iterator[np.ndarray]:
    """Batches of the queries, over and over without an end."""
    rows = (i % len(queries) for i in count())
    while True:
        yield queries[list(islice(rows, batch))]

"""USearch: its exact search over int8 rows."""

import numpy as np
import usearch
from usearch.index import MetricKind, search

from peer import Peer


class ExactInt8(Peer):
    name = "USearch exact int8"
    version = usearch.__version__
    detail = "cosine of int8 rows, one scale for all of them, flat"

    def __init__(self, base: np.ndarray):
        # The most that one scale can keep: the largest value of all becomes 127. USearch's own
        # conversion takes 1.0 for the largest, which unit vectors never reach.
        self.scale = 127 / np.abs(base).max()
        self.rows = self._quantized(base)

    def search(self, queries: np.ndarray, k: int, threads: int) -> np.ndarray:
        queries = self._quantized(queries)
        found = search(self.rows, queries, k, MetricKind.Cos, exact=True, threads=threads)
        return np.asarray(found.keys).reshape(len(queries), k)

    def _quantized(self, vectors: np.ndarray) -> np.ndarray:
        return np.rint(vectors * self.scale).clip(-127, 127).astype(np.int8)

"""The vectors that everything is measured on."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

# The files of each set, by its key; `benches/src/vector_set.rs` names the same.
FILES = {
    "sift1m": ("sift1m_base_u8.npy", "sift1m_query_u8.npy", "sift1m_truth_cosine_100.npy"),
    "minilm": ("minilm_base_f16.npy", "minilm_query_f16.npy", "minilm_truth_cosine_100.npy"),
}


@dataclass
class VectorSet:
    """Rows of unit length and what a search of them should find."""

    key: str
    # rows × dimension, float32
    base: np.ndarray
    # queries × dimension, float32
    queries: np.ndarray
    # queries × 100, row numbers of the highest cosine, best first
    truth: np.ndarray

    def recall(self, found: np.ndarray) -> float:
        """The part of the true neighbours among `found`: the first queries × k row numbers."""
        queries, k = found.shape
        hits = (len(np.intersect1d(found[i], self.truth[i, :k])) for i in range(queries))
        return sum(hits) / (queries * k)


def read(directory: Path, key: str) -> VectorSet | None:
    """The set of that key, or nothing where its files are not all in the directory."""
    paths = [directory / file for file in FILES[key]]
    if not all(path.is_file() for path in paths):
        return None
    base, queries, truth = (np.load(path) for path in paths)
    return VectorSet(key, of_unit_length(base), of_unit_length(queries), truth)


def of_unit_length(rows: np.ndarray) -> np.ndarray:
    rows = rows.astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows

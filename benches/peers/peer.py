"""What a peer must offer to be measured."""

from abc import ABC, abstractmethod

import numpy as np

# Batches that every peer is measured with, besides one query at a time.
BATCHES = (64, 1000)


class Peer(ABC):
    """Another engine's index over the rows of one vector set, ready to be searched."""

    name: str
    version: str
    # How it was set up, for the results.
    detail: str

    @abstractmethod
    def search(self, queries: np.ndarray, k: int, threads: int) -> np.ndarray:
        """The k nearest rows (queries × k row numbers) on that many threads of its own."""

    def close(self) -> None:
        """Gives back what it holds on disk."""

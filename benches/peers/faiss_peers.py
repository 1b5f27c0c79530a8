"""FAISS: its flat indexes, float32 and one byte per dimension."""

import faiss
import numpy as np

from peer import Peer


class _Faiss(Peer):
    version = faiss.__version__

    def __init__(self, index: faiss.Index, base: np.ndarray):
        self.index = index
        index.train(base)
        index.add(base)

    def search(self, queries: np.ndarray, k: int, threads: int) -> np.ndarray:
        # Of the calling thread alone, so that several can search on one thread each.
        faiss.omp_set_num_threads(threads)
        return self.index.search(queries, k)[1]


class FlatInnerProduct(_Faiss):
    name = "FAISS IndexFlatIP"
    detail = "float32, exact; batches by BLAS"

    def __init__(self, base: np.ndarray):
        super().__init__(faiss.IndexFlatIP(base.shape[1]), base)


class ScalarQuantizer(_Faiss):
    name = "FAISS IndexScalarQuantizer"
    detail = "QT_8bit, inner product, flat"

    def __init__(self, base: np.ndarray):
        index = faiss.IndexScalarQuantizer(
            base.shape[1], faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT
        )
        super().__init__(index, base)

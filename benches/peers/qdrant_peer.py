"""Qdrant's engine in this process (Qdrant Edge): a full scan of int8 rows, rescored."""

from importlib.metadata import version
from tempfile import TemporaryDirectory

import numpy as np
from qdrant_edge import (
    Distance,
    EdgeConfig,
    EdgeOptimizersConfig,
    EdgeShard,
    EdgeVectorParams,
    HnswIndexConfig,
    Point,
    QuantizationSearchParams,
    Query,
    QueryBatchRequest,
    QueryRequest,
    ScalarQuantizationConfig,
    ScalarType,
    SearchParams,
    UpdateOperation,
)

from peer import Peer

POINTS_PER_UPDATE = 5000
OVERSAMPLING = 4.0


class FullScanInt8(Peer):
    name = "Qdrant Edge full scan int8"
    version = version("qdrant-edge-py")
    detail = f"scalar int8 in memory, no graph, rescored with oversampling {OVERSAMPLING:.0f}"

    def __init__(self, base: np.ndarray, threads: int):
        self.directory = TemporaryDirectory(prefix="qdrant-edge-")
        rows, dimension = base.shape
        config = EdgeConfig(
            vectors=EdgeVectorParams(size=dimension, distance=Distance.Cosine),
            # Quantised rows come only with an index. A graph without edges is a full scan of them;
            # `exact=True` would scan the float32 rows instead.
            hnsw_config=HnswIndexConfig(m=0, ef_construct=100, full_scan_threshold=10**9),
            quantization_config=ScalarQuantizationConfig(type=ScalarType.Int8, always_ram=True),
            # One segment for each thread: a query scans its segments in parallel.
            optimizers=EdgeOptimizersConfig(
                default_segment_number=threads,
                max_segment_size=base.nbytes // threads // 1024 + 1024,
                indexing_threshold=1,
            ),
            max_search_threads=threads,
            wal_enabled=False,
        )
        self.shard = EdgeShard.create(self.directory.name, config)
        for part in np.array_split(np.arange(rows), threads):
            for start in range(part[0], part[-1] + 1, POINTS_PER_UPDATE):
                end = min(start + POINTS_PER_UPDATE, part[-1] + 1)
                vectors = base[start:end].tolist()
                points = [Point(id=start + i, vector=vector) for i, vector in enumerate(vectors)]
                self.shard.update(UpdateOperation.upsert_points(points))
            self.shard.optimize()
        information = self.shard.info()
        if information.indexed_vectors_count != rows:
            indexed = information.indexed_vectors_count
            raise RuntimeError(f"{self.name} quantised {indexed} rows of {rows}")
        self.parameters = SearchParams(
            quantization=QuantizationSearchParams(rescore=True, oversampling=OVERSAMPLING)
        )

    def search(self, queries: np.ndarray, k: int, threads: int) -> np.ndarray:
        # The threads are the shard's own, set when it was made.
        requests = [
            QueryRequest(limit=k, query=Query.Nearest(query), params=self.parameters)
            for query in queries.tolist()
        ]
        if len(requests) == 1:
            answers = [self.shard.query(requests[0])]
        else:
            answers = self.shard.query_batch(QueryBatchRequest(requests))
        return np.array([[point.id for point in points] for points in answers])

    def close(self) -> None:
        self.shard.close()
        self.directory.cleanup()

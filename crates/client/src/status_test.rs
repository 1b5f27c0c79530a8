use serde_json::json;

use super::*;

fn read(value: Value) -> ClusterStatus {
    serde_json::from_value(value).unwrap()
}

#[test]
fn a_cluster_is_drawn_as_aligned_tables() {
    let status = read(json!({
        "cluster_id": "c-17",
        "items": 1_000_000,
        "coordinators": [
            {"id": 1, "grpc": "coordinator-1:8100", "http": "coordinator-1:8000", "leader": true,
             "alive": true},
            {"id": 2, "grpc": "coordinator-2:8100", "http": "coordinator-2:8000", "leader": false,
             "alive": false},
        ],
        "nodes": [
            {"id": 11, "grpc": "shard-1:8100", "alive": true, "leaders": 6, "replicas": 12,
             "memory_bytes": 141_557_760},
            {"id": 12, "grpc": "shard-2:8100", "alive": false, "leaders": 0, "replicas": 12,
             "memory_bytes": 1023, "draining": true},
        ],
        "collections": [{"name": "default", "dimension": 128, "rows": 1_000_000}],
        "shards": [
            {"id": 1, "collection": "default", "leader": 11, "replicas": [11, 12], "rows": 83_001},
            {"id": 12, "collection": "default", "leader": null, "replicas": [11, 12], "rows": 9,
             "faults": ["node 12: a.seg is damaged"], "move_failed": "node 13 went away"},
        ],
        "moves": [{"shard": 1, "reason": "drain", "from": [12], "to": [13], "percent": 41.6,
                   "sent_bytes": 416_000, "total_bytes": 1_000_000, "bytes_per_second": 48_128,
                   "eta_seconds": 12}],
    }));
    assert_eq!(
        render_status(&status),
        "\
cluster c-17: 1000000 vectors, 2 coordinators, 1 of 2 nodes alive, 2 shards, 135.0 MiB in memory
1 shards have no leader and refuse writes
shard 12: node 12: a.seg is damaged
shard 12: a move was given up: node 13 went away

coordinators
  id  http                grpc                role      alive
  1   coordinator-1:8000  coordinator-1:8100  leader    yes
  2   coordinator-2:8000  coordinator-2:8100  follower  no

nodes
  id  grpc          alive         replicas  leaders  memory
  11  shard-1:8100  yes           12        6        135.0 MiB
  12  shard-2:8100  no, draining  12        0        1023 B

collections
  name     dimension  rows
  default  128        1000000

shards
  id  collection  rows   leader  replicas
  1   default     83001  11      11 12
  12  default     9      -       11 12

moves
  shard  why    from  to  done  sent       of         rate        eta
  1      drain  12    13  42 %  406.2 KiB  976.6 KiB  47.0 KiB/s  12 s
"
    );
}

#[test]
fn a_server_that_says_little_is_drawn_all_the_same() {
    let status = read(json!({"items": 0, "nodes": [{"id": "n", "later": 1}], "unknown": {}}));
    let text = render_status(&status);
    assert!(
        text.starts_with("cluster -: 0 vectors, 0 coordinators, 1 of 1 nodes alive"),
        "{text}"
    );
    assert!(text.contains("\nmoves: none\n"), "{text}");
}

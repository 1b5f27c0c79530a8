//! With `api_keys` set: 401 without a key, 403 with one that lacks the right.

use serde_json::json;
use vectra_tests::process::Vectra;
use vectra_tests::wait::eventually;

const KEYS: &str = r#"
[[api_keys]]
name = "reader"
key = "key-of-the-reader-0123456789"
rights = ["read"]

[[api_keys]]
name = "writer"
key = "key-of-the-writer-0123456789"
rights = ["write"]

[[api_keys]]
name = "both"
key = "key-of-them-both-0123456789"
rights = ["read", "write"]
"#;

#[test]
fn each_key_does_what_its_rights_say_and_no_more() {
    let server = Vectra::serve().configured(KEYS).start();
    let nobody = server.api();
    // It answers `/health` a moment before it has founded its cluster.
    eventually("it is ready", || match nobody.try_get("/ready")?.status {
        200 => Ok(()),
        status => Err(format!("{status}")),
    });
    let stranger = nobody.with_key("key-of-the-stranger-0123456789");
    let reader = nobody.with_key("key-of-the-reader-0123456789");
    let writer = nobody.with_key("key-of-the-writer-0123456789");
    let both = nobody.with_key("key-of-them-both-0123456789");
    let ingest = json!({"vectors": [[1, 2, 3]], "ids": ["a"]});
    let search = json!({"vector": [1, 2, 3]});
    let delete = json!({"ids": ["nothing"]});

    for api in [&nobody, &stranger] {
        for answer in [
            api.post("/ingest", &ingest),
            api.post("/search", &search),
            api.post("/delete", &delete),
            api.get("/vectors/a"),
            api.get("/cluster"),
            api.get("/metrics"),
        ] {
            answer.problem(401);
            assert!(
                answer.header("www-authenticate").is_some(),
                "{}",
                answer.describe()
            );
        }
        assert_eq!(api.get("/health").status, 200);
        assert_eq!(api.get("/ready").status, 200);
        assert_eq!(api.get("/openapi.json").status, 200);
    }
    reader.post("/ingest", &ingest).problem(403);
    reader.post("/delete", &delete).problem(403);
    assert_eq!(nobody.items(), 0);

    assert_eq!(writer.post("/ingest", &ingest).status, 201);
    assert_eq!(writer.post("/delete", &delete).status, 200);
    writer.post("/search", &search).problem(403);
    writer.get("/vectors/a").problem(403);
    writer.get("/metrics").problem(403);

    assert_eq!(reader.post("/search", &search).status, 200);
    assert_eq!(reader.get("/vectors/a").status, 200);
    assert_eq!(reader.get("/metrics").status, 200);
    assert_eq!(both.post("/ingest", &ingest).status, 201);
    assert_eq!(both.post("/search", &search).status, 200);
}

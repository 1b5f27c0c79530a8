use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::ingest_form::read_ingest;

/// A server that remembers what was ingested and refuses as it is told to.
#[derive(Default)]
struct Fake {
    stored: std::sync::Mutex<BTreeMap<String, Vec<f32>>>,
    requests: AtomicU64,
    /// Answers for the first requests; after them everything is stored.
    refusals: std::sync::Mutex<Vec<(u16, Value)>>,
}

async fn ingest(State(fake): State<Arc<Fake>>, request: Request) -> Response {
    fake.requests.fetch_add(1, Ordering::Relaxed);
    if let Some((status, problem)) = fake.refusals.lock().unwrap().pop() {
        let status = StatusCode::from_u16(status).unwrap();
        return (status, [("retry-after", "0")], problem.to_string()).into_response();
    }
    let (ids, vectors) = read_ingest(request).await;
    let count = ids.len();
    assert_eq!(count, vectors.len());
    fake.stored
        .lock()
        .unwrap()
        .extend(ids.into_iter().zip(vectors));
    (
        StatusCode::CREATED,
        Json(json!({"status": "indexed", "count": count})),
    )
        .into_response()
}

async fn serve(refusals: Vec<(u16, Value)>) -> (Arc<Fake>, Client) {
    let fake = Arc::new(Fake {
        refusals: std::sync::Mutex::new(refusals),
        ..Fake::default()
    });
    let router = Router::new()
        .route("/ingest", post(ingest))
        .with_state(fake.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = Client::new(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (fake, client)
}

#[derive(Default)]
struct Heard {
    total: std::sync::Mutex<Option<u64>>,
    rows: AtomicU64,
}

impl ImportObserver for Heard {
    fn opened(&self, rows: Option<u64>) {
        *self.total.lock().unwrap() = rows;
    }
    fn stored(&self, rows: u64) {
        self.rows.fetch_add(rows, Ordering::Relaxed);
    }
    fn retrying(&self, _: &ClientError, _: Duration) {}
}

fn bvecs(path: &Path, rows: std::ops::Range<u8>) -> PathBuf {
    let bytes: Vec<u8> = rows.flat_map(|row| [2, 0, 0, 0, row, 1]).collect();
    fs::write(path, bytes).unwrap();
    path.to_owned()
}

fn import(files: Vec<PathBuf>) -> Import {
    let retry = RetryPolicy {
        give_up_after: Duration::from_secs(30),
        first_pause: Duration::from_millis(1),
        longest_pause: Duration::from_millis(5),
    };
    Import {
        files,
        ids: None,
        batch_rows: Some(3),
        connections: 3,
        retry,
    }
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

#[tokio::test]
async fn every_row_of_every_file_arrives_and_row_numbers_run_on() {
    let folder = folder();
    let files = vec![
        bvecs(&folder.path().join("a.bvecs"), 0..10),
        bvecs(&folder.path().join("b.bvecs"), 10..17),
    ];
    let (fake, client) = serve(Vec::new()).await;
    let heard = Arc::new(Heard::default());
    let report = import(files).run(client, heard.clone()).await.unwrap();
    assert_eq!((report.rows, report.retries), (17, 0));
    assert_eq!(*heard.total.lock().unwrap(), Some(17));
    assert_eq!(heard.rows.load(Ordering::Relaxed), 17);
    let stored = fake.stored.lock().unwrap();
    let expected: BTreeMap<String, Vec<f32>> = (0..17_u8)
        .map(|row| (row.to_string(), vec![f32::from(row), 1.0]))
        .collect();
    assert_eq!(*stored, expected);
    assert_eq!(fake.requests.load(Ordering::Relaxed), 4 + 3);
}

#[tokio::test]
async fn a_batch_that_is_refused_for_now_is_sent_again() {
    let folder = folder();
    let files = vec![bvecs(&folder.path().join("a.bvecs"), 0..9)];
    let refusals = [429, 503, 503, 504].map(|status| (status, json!({"title": "later"})));
    let (fake, client) = serve(refusals.to_vec()).await;
    let report = import(files)
        .run(client, Arc::new(Heard::default()))
        .await
        .unwrap();
    assert_eq!((report.rows, report.retries), (9, 4));
    assert_eq!(fake.stored.lock().unwrap().len(), 9);
}

#[tokio::test]
async fn a_server_that_is_away_is_waited_for_only_so_long() {
    let folder = folder();
    let files = vec![bvecs(&folder.path().join("a.bvecs"), 0..9)];
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = Client::new(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    drop(listener);
    let mut import = import(files);
    import.retry.give_up_after = Duration::from_millis(20);
    let error = import
        .run(client, Arc::new(Heard::default()))
        .await
        .unwrap_err();
    let ClientError::Batch { cause, .. } = &error else {
        panic!("{error}")
    };
    assert!(matches!(**cause, ClientError::Transport { .. }), "{error}");
}

#[tokio::test]
async fn a_refused_batch_stops_the_import_and_names_file_and_row() {
    let folder = folder();
    let path = bvecs(&folder.path().join("a.bvecs"), 0..9);
    let problem = json!({"title": "Zero vector", "detail": "all values are 0", "index": 2});
    let (fake, client) = serve(vec![(400, problem)]).await;
    let mut import = import(vec![path.clone()]);
    import.connections = 1;
    let error = import
        .run(client, Arc::new(Heard::default()))
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "row 2 of {}: the server answered 400 Zero vector: all values are 0",
            path.display()
        )
    );
    assert!(
        std::error::Error::source(&error).is_none(),
        "a chain would say it twice"
    );
    assert_eq!(fake.requests.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn ids_come_from_a_file_when_there_is_one() {
    let folder = folder();
    let files = vec![bvecs(&folder.path().join("a.bvecs"), 0..4)];
    let ids = folder.path().join("ids.txt");
    fs::write(&ids, "first\nsecond\r\nthird id\nvierte-ä\n").unwrap();
    let (fake, client) = serve(Vec::new()).await;
    let mut import = import(files);
    import.ids = Some(ids);
    import
        .run(client, Arc::new(Heard::default()))
        .await
        .unwrap();
    let stored: Vec<String> = fake.stored.lock().unwrap().keys().cloned().collect();
    assert_eq!(stored, ["first", "second", "third id", "vierte-ä"]);
}

#[tokio::test]
async fn ids_that_do_not_fit_are_refused_before_anything_is_sent() {
    let folder = folder();
    let files = vec![bvecs(&folder.path().join("a.bvecs"), 0..4)];
    let ids = folder.path().join("ids.txt");
    for (text, said) in [
        ("a\nb\nc", "it has 3 ids for 4 vectors"),
        ("a\nb\nc\nd\ne\n", "it has 5 ids for 4 vectors"),
        ("a\n\nc\nd\n", "line 2: an id must not be empty"),
    ] {
        fs::write(&ids, text).unwrap();
        let (fake, client) = serve(Vec::new()).await;
        let mut import = import(files.clone());
        import.ids = Some(ids.clone());
        let error = import
            .run(client, Arc::new(Heard::default()))
            .await
            .unwrap_err()
            .to_string();
        assert!(error.ends_with(said), "{error}");
        assert_eq!(fake.requests.load(Ordering::Relaxed), 0);
    }
}

#[tokio::test]
async fn too_few_ids_for_lines_that_were_not_counted_are_noticed_on_the_way() {
    let folder = folder();
    let lines = folder.path().join("a.jsonl");
    fs::write(&lines, "{\"vector\":[1]}\n{\"vector\":[2]}\n").unwrap();
    let ids = folder.path().join("ids.txt");
    for (text, said) in [
        ("a\n", "the ids end here"),
        ("a\nb\nc\n", "no vector for this id"),
    ] {
        fs::write(&ids, text).unwrap();
        let (_fake, client) = serve(Vec::new()).await;
        let mut import = import(vec![lines.clone()]);
        import.ids = Some(ids.clone());
        let error = import
            .run(client, Arc::new(Heard::default()))
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains(said), "{error}");
    }
}

#[tokio::test]
async fn files_of_different_dimensions_are_refused_before_anything_is_sent() {
    let folder = folder();
    let other = folder.path().join("b.bvecs");
    fs::write(&other, [1, 0, 0, 0, 7]).unwrap();
    let files = vec![bvecs(&folder.path().join("a.bvecs"), 0..4), other];
    let (fake, client) = serve(Vec::new()).await;
    let error = import(files)
        .run(client, Arc::new(Heard::default()))
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("its vectors have 1 dimensions, those of"),
        "{error}"
    );
    assert_eq!(fake.requests.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_line_garbled_in_the_middle_ends_the_import_with_its_place() {
    let folder = folder();
    let lines = folder.path().join("a.jsonl");
    fs::write(&lines, "{\"vector\":[1]}\n{\"vector\":[2]}\n{\"vec").unwrap();
    let (_fake, client) = serve(Vec::new()).await;
    let error = import(vec![lines])
        .run(client, Arc::new(Heard::default()))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("line 3: column 2"), "{error}");
}

//! For tests: the form of an ingest, read as a server would.

use axum::body::to_bytes;
use axum::extract::Request;

/// The ids and the vectors of a request of `POST /ingest`.
pub(crate) async fn read_ingest(request: Request) -> (Vec<String>, Vec<Vec<f32>>) {
    let query = request.uri().query().unwrap().to_owned();
    let dimension: usize = query.strip_prefix("dimension=").unwrap().parse().unwrap();
    let content_type = request.headers()["content-type"].to_str().unwrap();
    let boundary = content_type
        .strip_prefix("multipart/form-data; boundary=")
        .unwrap();
    let delimiter = format!("--{boundary}\r\n");
    let end = format!("\r\n--{boundary}--\r\n");
    let between = format!("\r\n{delimiter}");
    let body = to_bytes(request.into_body(), usize::MAX).await.unwrap();
    let body = body.strip_prefix(delimiter.as_bytes()).unwrap();
    let body = body.strip_suffix(end.as_bytes()).unwrap();
    let cut = find(body, between.as_bytes());
    let ids = content_of(
        &body[..cut],
        "name=\"ids\"\r\nContent-Type: application/json",
    );
    let vectors = content_of(&body[cut + between.len()..], "name=\"vectors\"");
    let values: Vec<f32> = vectors
        .chunks(4)
        .map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()))
        .collect();
    (
        serde_json::from_slice(ids).unwrap(),
        values.chunks(dimension).map(<[f32]>::to_vec).collect(),
    )
}

/// What follows the headers of a part, which have this in them.
fn content_of<'a>(part: &'a [u8], header: &str) -> &'a [u8] {
    let end = find(part, b"\r\n\r\n");
    find(&part[..end], header.as_bytes());
    &part[end + 4..]
}

fn find(text: &[u8], wanted: &[u8]) -> usize {
    text.windows(wanted.len())
        .position(|window| window == wanted)
        .unwrap()
}

//! For tests: the form of an ingest, read as a server would.

use std::io::Read;

use axum::body::to_bytes;
use axum::extract::Request;

use crate::files::NpyHeader;

/// The ids and the vectors of a request of `POST /ingest`.
pub(crate) async fn read_ingest(request: Request) -> (Vec<String>, Vec<Vec<f32>>) {
    assert_eq!(request.uri().query(), None);
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
    let mut vectors = content_of(
        &body[cut + between.len()..],
        "name=\"vectors\"\r\nContent-Type: application/x-npy",
    );
    let header = NpyHeader::read(
        |buffer, _| vectors.read_exact(buffer),
        |byte, reason| panic!("byte {byte}: {reason}"),
    );
    let header = header.unwrap();
    assert_eq!(header.data_bytes(), Some(vectors.len() as u64));
    let mut values = Vec::new();
    header.element.append_floats(vectors, &mut values);
    (
        serde_json::from_slice(ids).unwrap(),
        values.chunks(header.columns).map(<[f32]>::to_vec).collect(),
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

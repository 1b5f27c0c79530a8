//! A well-behaved client of the HTTP API.

use std::sync::Once;
use std::time::Duration;

use reqwest::blocking::{Client, RequestBuilder};
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};

use crate::answer::outcome;
use crate::wait::eventually;

pub use crate::answer::{Answer, Hit, Outcome, SearchAnswer, read_hit, read_vector};

/// Requests to one server.
#[derive(Clone, Debug)]
pub struct Api {
    base: String,
    client: Client,
    key: Option<String>,
}

impl Api {
    /// A client of the server at `base` (`http://host:port`), over HTTP/1.1.
    pub fn new(base: &str) -> Self {
        Self::with(base, |builder| builder.http1_only())
    }

    /// The same over HTTP/2, assumed from the first byte.
    pub fn http2(base: &str) -> Self {
        Self::with(base, |builder| builder.http2_prior_knowledge())
    }

    fn with(
        base: &str,
        version: impl FnOnce(reqwest::blocking::ClientBuilder) -> reqwest::blocking::ClientBuilder,
    ) -> Self {
        static PROVIDER: Once = Once::new();
        PROVIDER.call_once(|| {
            let _ = rustls::crypto::ring::default_provider().install_default();
        });
        let builder = Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(60));
        let client = version(builder).build().expect("an HTTP client");
        Self {
            base: base.to_owned(),
            client,
            key: None,
        }
    }

    /// The same, giving up on an answer after this time.
    pub fn within(self, patience: Duration) -> Self {
        let client = Client::builder().no_proxy().http1_only();
        Self {
            client: client.timeout(patience).build().expect("an HTTP client"),
            ..self
        }
    }

    /// The same client, showing an API key.
    pub fn with_key(&self, key: &str) -> Self {
        Self {
            key: Some(key.to_owned()),
            ..self.clone()
        }
    }

    /// Where it sends its requests.
    pub fn base(&self) -> &str {
        &self.base
    }

    fn send(&self, request: RequestBuilder) -> Result<Answer, String> {
        let request = match &self.key {
            Some(key) => request.bearer_auth(key),
            None => request,
        };
        let response = request.send().map_err(|error| chain(&error))?;
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let body = response.bytes().map_err(|error| chain(&error))?.to_vec();
        Ok(Answer {
            status,
            headers,
            body,
        })
    }

    /// GET, or why there was no answer.
    pub fn try_get(&self, path: &str) -> Result<Answer, String> {
        self.send(self.client.get(format!("{}{path}", self.base)))
    }

    /// GET.
    #[track_caller]
    pub fn get(&self, path: &str) -> Answer {
        self.try_get(path)
            .unwrap_or_else(|error| panic!("GET {path}: {error}"))
    }

    /// POST of JSON, or why there was no answer.
    pub fn try_post(&self, path: &str, body: &Value) -> Result<Answer, String> {
        self.try_post_bytes(
            path,
            Some("application/json"),
            body.to_string().into_bytes(),
        )
    }

    /// POST of JSON.
    #[track_caller]
    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.try_post(path, body)
            .unwrap_or_else(|error| panic!("POST {path}: {error}"))
    }

    /// POST of anything, or why there was no answer.
    pub fn try_post_bytes(
        &self,
        path: &str,
        content_type: Option<&str>,
        body: Vec<u8>,
    ) -> Result<Answer, String> {
        let mut request = self.client.post(format!("{}{path}", self.base)).body(body);
        if let Some(content_type) = content_type {
            request = request.header(CONTENT_TYPE, content_type);
        }
        self.send(request)
    }

    /// POST of anything.
    #[track_caller]
    pub fn post_bytes(&self, path: &str, content_type: &str, body: Vec<u8>) -> Answer {
        self.try_post_bytes(path, Some(content_type), body)
            .unwrap_or_else(|error| panic!("POST {path}: {error}"))
    }

    /// A request with any method and no body.
    #[track_caller]
    pub fn bare(&self, method: &str, path: &str) -> Answer {
        let method = method.parse().expect("an HTTP method");
        self.send(self.client.request(method, format!("{}{path}", self.base)))
            .unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// Ingests and tells what became of it.
    pub fn try_ingest(&self, ids: &[String], vectors: &[Vec<f32>]) -> Outcome {
        let answer = self.try_post("/ingest", &json!({"ids": ids, "vectors": vectors}));
        outcome(answer, 201, "indexed")
    }

    /// Ingests; where the server says that it cannot just now, again, as a user would: on a machine
    /// that is busy with other tests the first write of a cluster may outlast its deadline.
    ///
    /// # Panics
    /// When the server does not acknowledge every vector in the end.
    #[track_caller]
    pub fn ingest(&self, ids: &[String], vectors: &[Vec<f32>]) {
        let count = eventually("an ingest is acknowledged", || {
            match self.try_ingest(ids, vectors) {
                Outcome::Acknowledged(count) => Ok(count),
                Outcome::Unknown(reason) if reason.starts_with('5') => Err(reason),
                Outcome::Unknown(reason) => panic!("ingest: {reason}"),
            }
        });
        assert_eq!(count, ids.len() as u64, "count of ingest");
    }

    /// Deletes and tells what became of it.
    pub fn try_delete(&self, ids: &[String]) -> Outcome {
        outcome(
            self.try_post("/delete", &json!({"ids": ids})),
            200,
            "deleted",
        )
    }

    /// Deletes and tells how many existed.
    #[track_caller]
    pub fn delete(&self, ids: &[String]) -> u64 {
        match self.try_delete(ids) {
            Outcome::Acknowledged(count) => count,
            Outcome::Unknown(reason) => panic!("delete: {reason}"),
        }
    }

    /// Searches, or tells why not.
    pub fn try_search(&self, query: &[f32], k: usize) -> Result<SearchAnswer, String> {
        let answer = self.try_post("/search", &json!({"vector": query, "k": k}))?;
        if answer.status != 200 {
            return Err(answer.describe());
        }
        Ok(SearchAnswer::of(&answer.json()))
    }

    /// Searches with a consistency: the whole answer, or why there is none.
    pub fn try_search_as(
        &self,
        consistency: &str,
        query: &[f32],
        k: usize,
    ) -> Result<Value, String> {
        let search = json!({"vector": query, "k": k, "consistency": consistency});
        let answer = self.try_post("/search", &search)?;
        if answer.status == 200 {
            Ok(answer.json())
        } else {
            Err(answer.describe())
        }
    }

    /// Searches.
    #[track_caller]
    pub fn search(&self, query: &[f32], k: usize) -> SearchAnswer {
        self.try_search(query, k)
            .unwrap_or_else(|error| panic!("search: {error}"))
    }

    /// The vector stored under an id, `None` if there is none, or why there is no answer.
    pub fn try_fetch(&self, id: &str) -> Result<Option<Vec<f32>>, String> {
        let answer = self.try_get(&format!("/vectors/{}", percent_encoded(id)))?;
        match answer.status {
            200 => {
                let body = answer.json();
                assert_eq!(body["id"], id, "the id asked for");
                Ok(Some(read_vector(&body["vector"])))
            }
            404 => Ok(None),
            _ => Err(answer.describe()),
        }
    }

    /// The vector stored under an id.
    #[track_caller]
    pub fn fetch(&self, id: &str) -> Option<Vec<f32>> {
        self.try_fetch(id)
            .unwrap_or_else(|error| panic!("fetch of {id:?}: {error}"))
    }

    /// Waits until `/health` tells this many vectors: in a cluster its figure is of a moment ago.
    #[track_caller]
    pub fn wait_for_items(&self, expected: u64) {
        eventually(&format!("{} tells {expected} items", self.base), || {
            let items = self.items();
            if items == expected {
                Ok(())
            } else {
                Err(format!("{items} items"))
            }
        });
    }

    /// Vectors stored, as `/health` tells.
    #[track_caller]
    pub fn items(&self) -> u64 {
        let answer = self.get("/health");
        assert_eq!(answer.status, 200, "{}", answer.describe());
        answer.json()["items"].as_u64().expect("items is a count")
    }

    /// The cluster as `GET /cluster` tells it, or why not.
    pub fn try_cluster(&self) -> Result<Value, String> {
        let answer = self.try_get("/cluster")?;
        if answer.status == 200 {
            Ok(answer.json())
        } else {
            Err(answer.describe())
        }
    }
}

/// An id as one segment of a path.
pub fn percent_encoded(id: &str) -> String {
    let mut text = String::new();
    for byte in id.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text = format!("{text}: {inner}");
        source = inner.source();
    }
    text
}

//! The typed client.

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Method, Url};
use serde::de::DeserializeOwned;

use crate::answer::Counted;
use crate::files::parse_object;
use crate::{
    ClientError, ClusterStatus, Consistency, Health, IngestBody, Precision, SearchAnswer,
    StoredVector, delete_body, search_body,
};

/// Longer than the server's own deadline (30 s), so that its answer is heard.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A client of one server, or of one coordinator of a cluster. Connections are kept alive and
/// shared by its clones.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    base: Url,
    authorization: Option<HeaderValue>,
    timeout: Duration,
}

impl Client {
    /// A client of the server at `url`, such as `http://127.0.0.1:8000`; without a scheme, `http`
    /// is meant. Nothing is sent yet.
    ///
    /// # Errors
    /// [`ClientError::Address`] if that is no address of an HTTP server.
    pub fn new(url: &str) -> Result<Self, ClientError> {
        crate::tls::install_provider();
        let base = parse_address(url)?;
        let mut http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_nodelay(true)
            .user_agent(concat!("vectra-client/", env!("CARGO_PKG_VERSION")));
        if is_loopback(&base) {
            // A proxy of the environment leads elsewhere, never back to this machine.
            http = http.no_proxy();
        }
        let http = http.build().map_err(|error| ClientError::Address {
            url: url.to_owned(),
            reason: causes(&error),
        })?;
        Ok(Self {
            http,
            base,
            authorization: None,
            timeout: DEFAULT_TIMEOUT,
        })
    }

    /// The same client with this key on every request.
    ///
    /// # Errors
    /// [`ClientError::Argument`] if the key holds what an HTTP header cannot.
    pub fn with_api_key(mut self, key: &str) -> Result<Self, ClientError> {
        self.authorization = Some(bearer(key)?);
        Ok(self)
    }

    /// The same client with another limit for a whole request and its answer (60 s).
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The address requests go to.
    #[must_use]
    pub fn url(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// Stores vectors: `ids.len()` rows of `dimension` values, one after the other in `vectors`.
    /// An id that exists is replaced. Returns how many were stored, durably.
    ///
    /// # Errors
    /// Any [`ClientError`] of a request; on [`ClientError::Transport`] each id may hold the old
    /// vector or the new one.
    pub async fn ingest(
        &self,
        ids: &[String],
        dimension: usize,
        vectors: &[f32],
    ) -> Result<u64, ClientError> {
        self.ingest_prepared(&IngestBody::new(ids, dimension, vectors)?)
            .await
    }

    /// [`Client::ingest`] of a body made before, so that a retry need not make it again.
    ///
    /// # Errors
    /// As [`Client::ingest`].
    pub async fn ingest_prepared(&self, body: &IngestBody) -> Result<u64, ClientError> {
        let url = self.address(&["ingest"])?;
        let sent = Some((body.content_type(), body.bytes.clone()));
        let answer = self.send(Method::POST, url.clone(), sent).await;
        let answer = answer.map_err(|error| match error {
            ClientError::Problem {
                status: 415,
                title,
                detail,
                retry_after,
                members,
            } => ClientError::Problem {
                status: 415,
                title,
                detail: format!(
                    "{detail} (it does not take binary vectors: it is older than this client, \
                     whose version is {}, or no Vectra)",
                    env!("CARGO_PKG_VERSION")
                ),
                retry_after,
                members,
            },
            other => other,
        })?;
        let counted: Counted = read_json(&url, &answer)?;
        Ok(counted.count)
    }

    /// The `k` nearest neighbours of `vector`, best first. `None` leaves it to the server how precisely, which
    /// is exactly, and which replicas may answer, which is their leaders.
    ///
    /// # Errors
    /// Any [`ClientError`] of a request.
    pub async fn search(
        &self,
        vector: &[f32],
        k: usize,
        precision: Option<Precision>,
        consistency: Option<Consistency>,
    ) -> Result<SearchAnswer, ClientError> {
        let body = search_body(vector, k, precision, consistency)?;
        self.post("search", body.into()).await
    }

    /// Deletes ids. Returns how many of them existed.
    ///
    /// # Errors
    /// Any [`ClientError`] of a request.
    pub async fn delete(&self, ids: &[String]) -> Result<u64, ClientError> {
        let counted: Counted = self.post("delete", delete_body(ids).into()).await?;
        Ok(counted.count)
    }

    /// The vector stored under an id, with the very bits that were ingested, or `None`.
    ///
    /// # Errors
    /// Any [`ClientError`] of a request; [`ClientError::Argument`] for an id that no URL can name
    /// (`.`, `..` and the empty one).
    pub async fn fetch(&self, id: &str) -> Result<Option<StoredVector>, ClientError> {
        if matches!(id, "" | "." | "..") {
            return Err(ClientError::Argument(format!(
                "the id {id:?} cannot be written in a URL, so it cannot be fetched"
            )));
        }
        let url = self.address(&["vectors", id])?;
        let answer = match self.send(Method::GET, url.clone(), None).await {
            Ok(answer) => answer,
            Err(ClientError::Problem { status: 404, .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut vector = Vec::new();
        let id = parse_object(&answer, &mut vector)
            .map_err(|reason| protocol(&url, reason))?
            .ok_or_else(|| protocol(&url, "the answer has no id".to_owned()))?;
        Ok(Some(StoredVector { id, vector }))
    }

    /// Whether the process is well.
    ///
    /// # Errors
    /// Any [`ClientError`] of a request.
    pub async fn health(&self) -> Result<Health, ClientError> {
        self.get("health").await
    }

    /// The cluster as a coordinator sees it.
    ///
    /// # Errors
    /// Any [`ClientError`] of a request.
    pub async fn cluster(&self) -> Result<ClusterStatus, ClientError> {
        self.get("cluster").await
    }

    /// [`Client::cluster`], just as the server sent it.
    ///
    /// # Errors
    /// Any [`ClientError`] of a request.
    pub async fn cluster_json(&self) -> Result<serde_json::Value, ClientError> {
        self.get("cluster").await
    }

    /// Empties a shard node of its replicas, or uses it again. They move after the answer.
    ///
    /// # Errors
    /// Any [`ClientError`] of a request.
    pub async fn drain(&self, node: u64, draining: bool) -> Result<(), ClientError> {
        let url = self.address(&["cluster", "nodes", &node.to_string(), "drain"])?;
        let method = if draining {
            Method::POST
        } else {
            Method::DELETE
        };
        self.send(method, url, None).await.map(drop)
    }

    /// Takes a coordinator out of the cluster for good.
    ///
    /// # Errors
    /// Any [`ClientError`] of a request.
    pub async fn remove_coordinator(&self, node: u64) -> Result<(), ClientError> {
        let url = self.address(&["cluster", "coordinators", &node.to_string()])?;
        self.send(Method::DELETE, url, None).await.map(drop)
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        let url = self.address(&[path])?;
        let answer = self.send(Method::GET, url.clone(), None).await?;
        read_json(&url, &answer)
    }

    async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: bytes::Bytes,
    ) -> Result<T, ClientError> {
        let url = self.address(&[path])?;
        let sent = Some(("application/json".to_owned(), body));
        let answer = self.send(Method::POST, url.clone(), sent).await?;
        read_json(&url, &answer)
    }

    /// The address of a resource; each segment is percent-encoded as a whole.
    fn address(&self, segments: &[&str]) -> Result<Url, ClientError> {
        let mut url = self.base.clone();
        match url.path_segments_mut() {
            Ok(mut path) => {
                path.pop_if_empty().extend(segments);
            }
            Err(()) => {
                return Err(ClientError::Address {
                    url: self.base.to_string(),
                    reason: "it has no path".to_owned(),
                });
            }
        }
        Ok(url)
    }

    async fn send(
        &self,
        method: Method,
        url: Url,
        body: Option<(String, bytes::Bytes)>,
    ) -> Result<bytes::Bytes, ClientError> {
        let verb = match method {
            Method::GET => "GET",
            Method::DELETE => "DELETE",
            _ => "POST",
        };
        let transport = |error: reqwest::Error| ClientError::Transport {
            method: verb,
            url: url.to_string(),
            reason: causes(&error.without_url()),
        };

        let mut request = self.http.request(method, url.clone()).timeout(self.timeout);
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization.clone());
        }
        if let Some((content_type, body)) = body {
            request = request.header(CONTENT_TYPE, content_type).body(body);
        }
        let response = request.send().await.map_err(transport)?;
        let status = response.status();
        let headers = response.headers().clone();
        let answer = response.bytes().await.map_err(transport)?;
        if status.is_success() {
            return Ok(answer);
        }
        Err(problem(status, &headers, &answer))
    }
}

/// The value of an `Authorization` header.
pub(crate) fn bearer(key: &str) -> Result<HeaderValue, ClientError> {
    let mut value = HeaderValue::from_str(&format!("Bearer {key}")).map_err(|_| {
        ClientError::Argument("the API key holds characters that no HTTP header can".to_owned())
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// Reads an address, `http` unless it says otherwise.
pub(crate) fn parse_address(url: &str) -> Result<Url, ClientError> {
    let refused = |reason: String| ClientError::Address {
        url: url.to_owned(),
        reason,
    };
    let spelled = if url.contains("://") {
        url.to_owned()
    } else {
        format!("http://{url}")
    };
    let parsed = Url::parse(&spelled).map_err(|error| refused(error.to_string()))?;
    if !matches!(parsed.scheme(), "http" | "https") {
        return Err(refused(format!("{} is not http or https", parsed.scheme())));
    }
    if parsed.query().is_some() || parsed.fragment().is_some() {
        return Err(refused("it goes on after the path".to_owned()));
    }
    Ok(parsed)
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

fn read_json<T: DeserializeOwned>(url: &Url, answer: &[u8]) -> Result<T, ClientError> {
    serde_json::from_slice(answer).map_err(|error| protocol(url, error.to_string()))
}

fn protocol(url: &Url, reason: String) -> ClientError {
    ClientError::Protocol {
        url: url.to_string(),
        reason,
    }
}

/// An error and what it came from, outermost first.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}

/// Reads a refusal: a problem of RFC 9457, or whatever a proxy in between had to say.
fn problem(status: reqwest::StatusCode, headers: &HeaderMap, body: &[u8]) -> ClientError {
    let mut members: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(body).unwrap_or_default();
    let mut take = |name: &str| match members.remove(name) {
        Some(serde_json::Value::String(text)) => Some(text),
        _ => None,
    };
    let title = take("title").unwrap_or_else(|| {
        status
            .canonical_reason()
            .unwrap_or("without a reason")
            .to_owned()
    });
    let detail = take("detail").unwrap_or_else(|| {
        let text = String::from_utf8_lossy(body);
        text.lines()
            .next()
            .unwrap_or_default()
            .chars()
            .take(200)
            .collect()
    });
    ClientError::Problem {
        status: status.as_u16(),
        title,
        detail,
        retry_after: headers.get(RETRY_AFTER).and_then(seconds),
        members,
    }
}

/// The delay-seconds form of `Retry-After`, the one Vectra sends; a date is as good as none.
fn seconds(value: &HeaderValue) -> Option<Duration> {
    value
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()
        .map(Duration::from_secs)
}

#[cfg(test)]
#[path = "client_test.rs"]
mod tests;

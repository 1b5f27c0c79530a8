//! What a server answered, and what it means.

use reqwest::header::HeaderMap;
use serde_json::Value;

/// What a server answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The header fields.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

/// One neighbour found by a search.
#[derive(Clone, Debug, PartialEq)]
pub struct Hit {
    /// Its id.
    pub id: String,
    /// The cosine as answered.
    pub score: f32,
}

/// The answer to a search.
#[derive(Clone, Debug, PartialEq)]
pub struct SearchAnswer {
    /// Best first.
    pub hits: Vec<Hit>,
    /// Whether the answer was proven.
    pub certified: bool,
}

/// What became of a write.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// It was answered 2xx, with this count.
    Acknowledged(u64),
    /// It was answered with an error, or not at all.
    Unknown(String),
}

impl Answer {
    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("the body is not JSON ({error}): {}", self.describe()))
    }

    /// A header field as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The problem document of an error with this status (RFC 9457).
    ///
    /// # Panics
    /// When the status is another, or the document does not say what is wrong.
    #[track_caller]
    pub fn problem(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.describe());
        let content_type = self.header("content-type").unwrap_or("none");
        assert!(
            content_type.starts_with("application/problem+json"),
            "{}",
            self.describe()
        );
        let problem = self.json();
        assert_eq!(problem["status"], status, "{problem}");
        for field in ["type", "title", "detail"] {
            let text = problem[field].as_str().unwrap_or_default();
            assert!(text.len() > 3, "{field} is missing in {problem}");
        }
        let must_say_when = status == 429 || status == 503;
        if must_say_when {
            let after = self
                .header("retry-after")
                .and_then(|seconds| seconds.parse::<u64>().ok());
            assert!(after.is_some(), "no Retry-After: {}", self.describe());
        }
        problem
    }

    /// Status and the beginning of the body.
    pub fn describe(&self) -> String {
        let text = String::from_utf8_lossy(&self.body);
        let start: String = text.chars().take(500).collect();
        format!("{} {start}", self.status)
    }
}

impl SearchAnswer {
    /// Reads the body of an answer.
    pub fn of(body: &Value) -> Self {
        let hits = body["results"].as_array().expect("results is a list");
        Self {
            hits: hits.iter().map(read_hit).collect(),
            certified: body["certified"].as_bool().unwrap_or(false),
        }
    }
}

/// What became of a write that is acknowledged with `status` and this word in the body.
pub(crate) fn outcome(answer: Result<Answer, String>, status: u16, word: &str) -> Outcome {
    match answer {
        Ok(answer) if answer.status == status => {
            let body = answer.json();
            assert_eq!(body["status"], word, "{body}");
            Outcome::Acknowledged(body["count"].as_u64().expect("count is a number"))
        }
        Ok(answer) => Outcome::Unknown(answer.describe()),
        Err(error) => Outcome::Unknown(error),
    }
}

/// A neighbour of an answer.
pub fn read_hit(hit: &Value) -> Hit {
    let id = hit["id"].as_str().expect("id is a string").to_owned();
    let score = parse_f32(&hit["score"]);
    Hit { id, score }
}

/// Floats of a JSON list, each parsed from its own digits as float32.
pub fn read_vector(list: &Value) -> Vec<f32> {
    list.as_array()
        .expect("a vector is a list")
        .iter()
        .map(parse_f32)
        .collect()
}

// By way of float64: exact, because the server's digits name one float32, and the float64 nearest
// to them rounds to that same float32.
fn parse_f32(number: &Value) -> f32 {
    let number = number.as_f64().expect("a number");
    #[allow(clippy::cast_possible_truncation)] // the rounding wanted
    let narrowed = number as f32;
    narrowed
}

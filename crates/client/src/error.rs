//! Why the client could not do what it was asked.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Why a call, a file or a whole import failed. Each message is whole: what it came from is in it,
/// not behind `source()`, so that printing a chain says nothing twice.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The address is not one of an HTTP server.
    #[error(
        "{url:?} is not the address of a server: {reason}; write it like http://127.0.0.1:8000"
    )]
    Address {
        /// The address as it was given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// What was to be sent can be no valid request; nothing was sent.
    #[error("{0}")]
    Argument(String),
    /// The server refused, with a problem of RFC 9457.
    #[error("{}", describe_problem(*status, title, detail))]
    Problem {
        /// HTTP status.
        status: u16,
        /// What kind of problem, in a few words.
        title: String,
        /// What is wrong with this very request; may be empty.
        detail: String,
        /// How long the server asked to wait before the request is repeated.
        retry_after: Option<Duration>,
        /// Every other member of the problem, such as `index`, `id`, `expected`, `got`, `shards`.
        members: serde_json::Map<String, serde_json::Value>,
    },
    /// The request did not reach the server, or its answer did not arrive.
    #[error("{method} {url}: {reason}")]
    Transport {
        /// HTTP method.
        method: &'static str,
        /// Where the request went.
        url: String,
        /// What happened, from the outside in.
        reason: String,
    },
    /// The answer arrived and is not one of Vectra's.
    #[error("{url} answered in a way this client does not understand: {reason}")]
    Protocol {
        /// Where the request went.
        url: String,
        /// What is odd about the answer.
        reason: String,
    },
    /// A file cannot be opened or read.
    #[error("{}: {cause}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// A file does not hold what its format says.
    #[error("{}: {place}{reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Where in it.
        place: Place,
        /// What is wrong there.
        reason: String,
    },
    /// A batch of an import could not be stored.
    #[error("{} of {}: {cause}", describe_rows(*first_row, *last_row), path.display())]
    Batch {
        /// The file the rows come from.
        path: PathBuf,
        /// First row it can be, counted from 0 within the file.
        first_row: u64,
        /// Last row it can be; the same where the server named the row.
        last_row: u64,
        /// Why.
        cause: Box<ClientError>,
    },
}

/// A place in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The file as a whole.
    Whole,
    /// Offset in bytes from its start.
    Byte(u64),
    /// Line, counted from 1 as editors do.
    Line(u64),
    /// Row, counted from 0.
    Row(u64),
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole => Ok(()),
            Self::Byte(offset) => write!(formatter, "byte {offset}: "),
            Self::Line(line) => write!(formatter, "line {line}: "),
            Self::Row(row) => write!(formatter, "row {row}: "),
        }
    }
}

impl ClientError {
    /// Whether the same request may succeed later: nobody answered, or the server said that it is
    /// a matter of time. Every request of this API may be repeated without harm.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Transport { .. } => true,
            Self::Problem { status, .. } => matches!(status, 429 | 502 | 503 | 504),
            _ => false,
        }
    }

    /// How long the server asked to wait, if it did.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Problem { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

fn describe_problem(status: u16, title: &str, detail: &str) -> String {
    if detail.is_empty() {
        return format!("the server answered {status} {title}");
    }
    format!("the server answered {status} {title}: {detail}")
}

fn describe_rows(first: u64, last: u64) -> String {
    if first == last {
        format!("row {first}")
    } else {
        format!("rows {first} to {last}")
    }
}

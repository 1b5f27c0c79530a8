//! What a client did to one register, or learned of it.

use std::fmt;

/// The number of a vector among those written under one id.
pub type Value = u32;

/// One operation as its client saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// Who did it, and by whom it was answered.
    pub client: String,
    /// When it was sent, in steps of a clock that all clients share.
    pub began: u64,
    /// When it was answered. `None` if nobody knows its outcome: it happened at any time since, or
    /// happens still, or never.
    pub ended: Option<u64>,
    /// What it was.
    pub what: What,
}

/// What an operation does to its register, or says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// The register holds this from then on. No value is written twice.
    Write(Value),
    /// The register holds nothing from then on.
    Delete {
        /// Whether it held something, where the answer says so.
        existed: Option<bool>,
    },
    /// Nothing changes.
    See(Sight),
}

/// What an answer reveals of what a register held at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sight {
    /// Nothing.
    Nothing,
    /// One of these. None of them, where a vector was seen that nobody wrote.
    OneOf(Vec<Value>),
    /// Anything but this.
    Not(Value),
}

impl Operation {
    /// The value that it certainly saw.
    pub(super) fn seen(&self) -> Option<Value> {
        match &self.what {
            What::See(Sight::OneOf(values)) => match values[..] {
                [value] => Some(value),
                _ => None,
            },
            _ => None,
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ended = self.ended.map_or("?".to_owned(), |at| at.to_string());
        write!(to, "{:>8} – {ended:<8} {:<24} ", self.began, self.client)?;
        match &self.what {
            What::Write(value) => write!(to, "write {value}"),
            What::Delete { existed: None } => write!(to, "delete"),
            What::Delete {
                existed: Some(true),
            } => write!(to, "delete (there was something)"),
            What::Delete {
                existed: Some(false),
            } => write!(to, "delete (there was nothing)"),
            What::See(Sight::Nothing) => write!(to, "see nothing"),
            What::See(Sight::OneOf(values)) => match values[..] {
                [] => write!(to, "see a vector that nobody wrote"),
                [value] => write!(to, "see {value}"),
                _ => write!(to, "see one of {values:?}"),
            },
            What::See(Sight::Not(value)) => write!(to, "see that it is not {value}"),
        }
    }
}

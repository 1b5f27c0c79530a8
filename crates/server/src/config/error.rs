//! Why a configuration was refused: every message names the key, the value and the source.

use std::fmt;
use std::path::PathBuf;

use figment::value::Value;

use super::raw::KEYS;

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration file {path}: {source}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The file is not TOML.
    #[error("the configuration file {path} is not valid TOML: {reason}", path = path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// What is wrong, with its line.
        reason: String,
    },
    /// Keys or values are wrong; all of them are listed.
    #[error("the configuration is refused:{}", listed(.0))]
    Refused(Vec<Refusal>),
}

/// One key or value that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The key, such as `http.listen`.
    pub key: String,
    /// The value as it was given; hidden where it may be a secret.
    pub value: Option<String>,
    /// Where it came from, such as `environment variable VECTRA_HTTP__LISTEN`.
    pub source: String,
    /// What is wrong, and what would be right.
    pub reason: String,
}

impl Refusal {
    pub(super) fn unknown_key(key: &str, value: Option<&str>, source: &str) -> Self {
        let reason = match nearest_key(key) {
            Some(near) => format!("there is no such key; did you mean {near}?"),
            None => "there is no such key; docs/configuration.md lists them all".to_owned(),
        };
        Refusal {
            key: key.to_owned(),
            value: value.map(|text| format!("{text:?}")),
            source: source.to_owned(),
            reason,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.key)?;
        if let Some(value) = &self.value {
            write!(formatter, " = {value}")?;
        }
        write!(formatter, " (from {}): {}", self.source, self.reason)
    }
}

/// The value as it is printed in a message, never a secret.
pub(super) fn shown(key: &str, value: &Value) -> String {
    if key.contains("key") && !key.ends_with("tls_key") {
        return "…".to_owned();
    }
    match value {
        Value::String(_, text) => format!("{text:?}"),
        Value::Char(_, char) => format!("{:?}", char.to_string()),
        Value::Bool(_, on) => on.to_string(),
        Value::Num(_, number) => match (number.to_i128(), number.to_u128(), number.to_f64()) {
            (Some(whole), ..) => whole.to_string(),
            (_, Some(whole), _) => whole.to_string(),
            (.., Some(float)) => float.to_string(),
            _ => "a number".to_owned(),
        },
        Value::Empty(..) => "nothing".to_owned(),
        Value::Dict(..) => "{…}".to_owned(),
        Value::Array(_, items) => {
            let items: Vec<String> = items.iter().map(|item| shown(key, item)).collect();
            format!("[{}]", items.join(", "))
        }
    }
}

fn listed(refusals: &[Refusal]) -> String {
    refusals
        .iter()
        .map(|refusal| format!("\n  {refusal}"))
        .collect()
}

/// The known key that differs least, if it differs by a slip of the keyboard.
fn nearest_key(key: &str) -> Option<&'static str> {
    let last = key.rsplit('.').next().unwrap_or(key);
    // A key whose table was forgotten, such as `listen`.
    let forgotten_table = KEYS
        .iter()
        .find(|(known, _)| known.rsplit('.').next() == Some(last));
    let by_distance = KEYS
        .iter()
        .map(|(known, _)| (edit_distance(key, known), *known))
        .min();
    by_distance
        .filter(|(distance, _)| *distance <= 3)
        .map(|(_, known)| known)
        .or_else(|| forgotten_table.map(|(known, _)| *known))
}

/// Levenshtein distance in bytes, row by row.
fn edit_distance(left: &str, right: &str) -> usize {
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, from) in left.bytes().enumerate() {
        let mut diagonal = i;
        let mut previous = i + 1;
        for (cell, to) in row.iter_mut().skip(1).zip(right.bytes()) {
            let replaced = diagonal + usize::from(from != to);
            diagonal = *cell;
            *cell = replaced.min(previous + 1).min(diagonal + 1);
            previous = *cell;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_keyboard_is_recognised() {
        assert_eq!(nearest_key("http.max_bdy"), Some("http.max_body"));
        assert_eq!(nearest_key("data-dir"), Some("data_dir"));
        assert_eq!(nearest_key("max_in_flight"), Some("http.max_in_flight"));
        assert_eq!(nearest_key("colour"), None);
    }

    #[test]
    fn the_distance_counts_single_edits() {
        assert_eq!(edit_distance("kitten", "sitting"), 3);
        assert_eq!(edit_distance("", "abc"), 3);
        assert_eq!(edit_distance("same", "same"), 0);
    }
}

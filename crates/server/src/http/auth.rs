//! Who may do what.

use axum::http::header::{AUTHORIZATION, HeaderMap};
use subtle::{Choice, ConstantTimeEq};

use super::problem::Problem;
use super::problem_kind::ProblemKind;
use crate::config::{ApiKey, MAX_API_KEY};

/// What a route asks of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Right {
    /// Search, fetch, look at the cluster.
    Read,
    /// Ingest, delete.
    Write,
}

/// Checks that a request bears a key with this right. Without any keys everything is allowed.
pub(super) fn authorize(keys: &[ApiKey], headers: &HeaderMap, right: Right) -> Result<(), Problem> {
    if keys.is_empty() {
        return Ok(());
    }
    let Some(secret) = bearer(headers) else {
        let detail = "this server wants a key: send Authorization: Bearer KEY";
        return Err(Problem::new(ProblemKind::Unauthorized, detail));
    };
    // Every key is compared, so that the time taken says nothing about which one matched.
    let matching = keys.iter().fold(None, |found, key| {
        if bool::from(equal(secret, key.key.as_bytes())) {
            Some(key)
        } else {
            found
        }
    });
    let Some(key) = matching else {
        let detail = "the server does not know this key";
        return Err(Problem::new(ProblemKind::Unauthorized, detail));
    };
    let (has_right, name) = match right {
        Right::Read => (key.read, "read"),
        Right::Write => (key.write, "write"),
    };
    if has_right {
        return Ok(());
    }
    let detail = format!(
        "the key {:?} has not the right {name:?} that this takes",
        key.name
    );
    Err(Problem::new(ProblemKind::Forbidden, detail))
}

fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let (scheme, secret) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then(|| secret.trim().as_bytes())
}

/// Compares in a time that depends on neither secret.
fn equal(given: &[u8], wanted: &[u8]) -> Choice {
    padded(given).ct_eq(&padded(wanted)) & given.len().ct_eq(&wanted.len())
}

fn padded(secret: &[u8]) -> [u8; MAX_API_KEY] {
    let mut padded = [0; MAX_API_KEY];
    for (to, from) in padded.iter_mut().zip(secret) {
        *to = *from;
    }
    padded
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn keys() -> Vec<ApiKey> {
        let key = |name: &str, secret: &str, read, write| ApiKey {
            name: name.to_owned(),
            key: secret.to_owned(),
            read,
            write,
        };
        vec![
            key("reader", "look", true, false),
            key("both", "look-and-write", true, true),
        ]
    }

    fn kind(authorization: Option<&str>, right: Right) -> Option<ProblemKind> {
        let mut headers = HeaderMap::new();
        if let Some(value) = authorization {
            headers.insert(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        }
        authorize(&keys(), &headers, right)
            .err()
            .map(|problem| problem.kind())
    }

    #[test]
    fn each_key_has_its_rights_and_no_more() {
        assert_eq!(kind(Some("Bearer look"), Right::Read), None);
        assert_eq!(
            kind(Some("Bearer look"), Right::Write),
            Some(ProblemKind::Forbidden)
        );
        assert_eq!(kind(Some("bearer look-and-write"), Right::Write), None);
    }

    #[test]
    fn without_a_known_key_nothing_is_allowed() {
        let long = format!("Bearer {}", "x".repeat(MAX_API_KEY * 2));
        for authorization in [
            None,
            Some("Bearer loo"),
            Some("Bearer look2"),
            Some("Basic look"),
            Some("Bearer "),
            Some(&*long),
        ] {
            assert_eq!(
                kind(authorization, Right::Read),
                Some(ProblemKind::Unauthorized)
            );
        }
    }

    #[test]
    fn without_keys_everything_is_open() {
        assert!(authorize(&[], &HeaderMap::new(), Right::Write).is_ok());
    }
}

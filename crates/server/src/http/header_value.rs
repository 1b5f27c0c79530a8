//! Header values with parameters: `multipart/form-data; boundary="…"`, `form-data; name="ids"`.

use std::borrow::Cow;

use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;

/// A value and the parameters behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HeaderValue<'a> {
    /// What stands before the first semicolon, in lower case.
    pub(super) essence: String,
    parameters: &'a str,
}

impl<'a> HeaderValue<'a> {
    pub(super) fn parse(value: &'a str) -> Self {
        let (essence, parameters) = value.split_once(';').unwrap_or((value, ""));
        HeaderValue {
            essence: essence.trim().to_ascii_lowercase(),
            parameters,
        }
    }

    /// The `Content-Type` of a request; none if the request has none.
    pub(super) fn content_type(headers: &'a HeaderMap) -> Option<Self> {
        let value = headers.get(CONTENT_TYPE)?;
        Some(Self::parse(value.to_str().unwrap_or("")))
    }

    /// Whether this is a media type of JSON.
    pub(super) fn is_json(&self) -> bool {
        self.essence == "application/json"
            || (self.essence.starts_with("application/") && self.essence.ends_with("+json"))
    }

    /// The value of a parameter, its quotes taken off.
    pub(super) fn parameter(&self, name: &str) -> Option<Cow<'a, str>> {
        let mut rest = self.parameters;
        loop {
            let (parameter, after) = split_at_semicolon(rest);
            if let Some((found, value)) = parameter.split_once('=')
                && found.trim().eq_ignore_ascii_case(name)
            {
                return Some(unquoted(value.trim()));
            }
            rest = after?;
        }
    }
}

/// The text before the next semicolon outside quotes, and what follows it.
fn split_at_semicolon(text: &str) -> (&str, Option<&str>) {
    let mut is_quoted = false;
    let mut is_escaped = false;
    for (at, char) in text.char_indices() {
        match char {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            ';' if !is_quoted => return (&text[..at], Some(&text[at + 1..])),
            _ => {}
        }
    }
    (text, None)
}

fn unquoted(value: &str) -> Cow<'_, str> {
    let inner = value
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    match inner {
        Some(inner) if inner.contains('\\') => {
            let mut is_escaped = false;
            let unescape = |char: &char| {
                is_escaped = *char == '\\' && !is_escaped;
                !is_escaped
            };
            inner.chars().filter(unescape).collect::<String>().into()
        }
        Some(inner) => inner.into(),
        None => value.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_found_with_and_without_quotes() {
        let value =
            HeaderValue::parse("Multipart/Form-Data; charset=utf-8 ;Boundary=\"a;b=\\\"c\\\\\"; x");
        assert_eq!(value.essence, "multipart/form-data");
        assert_eq!(value.parameter("boundary").unwrap(), "a;b=\"c\\");
        assert_eq!(value.parameter("charset").unwrap(), "utf-8");
        assert_eq!(value.parameter("x"), None);
        assert_eq!(value.parameter("b"), None);
    }

    #[test]
    fn a_value_may_have_no_parameters() {
        let value = HeaderValue::parse(" text/plain ");
        assert_eq!(value.essence, "text/plain");
        assert_eq!(value.parameter("charset"), None);
        assert_eq!(HeaderValue::parse("").essence, "");
    }
}

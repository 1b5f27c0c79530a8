//! Walks over JSON text (RFC 8259) token by token and knows where it stands.

use crate::http::problem::Problem;
use crate::http::problem_kind::ProblemKind;

/// A place in a JSON text.
pub(super) struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    /// Begins at the first value of a body, which must be UTF-8 and not blank.
    pub(super) fn new(body: &'a [u8]) -> Result<Self, Problem> {
        let text = std::str::from_utf8(body).map_err(|error| {
            let good = body.get(..error.valid_up_to()).unwrap_or_default();
            let (line, column) = position(good);
            let detail =
                format!("line {line}, column {column}: the body is not UTF-8; encode it so");
            Problem::new(ProblemKind::MalformedJson, detail).at(line, column)
        })?;
        // Some platforms' editors begin every UTF-8 file with this mark.
        let at = if text.starts_with('\u{feff}') {
            '\u{feff}'.len_utf8()
        } else {
            0
        };
        let mut scanner = Scanner { text, at };
        if scanner.peek().is_none() {
            let detail = "the body is empty: send JSON";
            return Err(Problem::new(ProblemKind::EmptyBody, detail));
        }
        Ok(scanner)
    }

    /// Byte offset of the next unread byte.
    #[inline]
    pub(super) fn offset(&self) -> usize {
        self.at
    }

    /// The whole text.
    #[inline]
    pub(super) fn bytes(&self) -> &'a [u8] {
        self.text.as_bytes()
    }

    /// A part of the text; empty if there is no such part.
    pub(super) fn text_between(&self, start: usize, end: usize) -> &'a str {
        self.text.get(start..end).unwrap_or_default()
    }

    /// Goes on at this byte.
    #[inline]
    pub(super) fn skip_to(&mut self, at: usize) {
        self.at = at;
    }

    /// How many bytes are still to be read.
    pub(super) fn remaining(&self) -> usize {
        self.text.len() - self.at
    }

    /// The next byte that is not white space, still unread.
    #[inline]
    pub(super) fn peek(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        while let Some(byte) = bytes.get(self.at) {
            match byte {
                b' ' | b'\n' | b'\r' | b'\t' => self.at += 1,
                _ => return Some(*byte),
            }
        }
        None
    }

    /// Whether a number is next: a digit, or a minus and a digit.
    #[inline]
    pub(super) fn is_at_number(&mut self) -> bool {
        match self.peek() {
            Some(b'0'..=b'9') => true,
            Some(b'-') => self
                .text
                .as_bytes()
                .get(self.at + 1)
                .is_some_and(u8::is_ascii_digit),
            _ => false,
        }
    }

    /// Reads this byte if it is next.
    #[inline]
    pub(super) fn take(&mut self, wanted: u8) -> bool {
        let found = self.peek() == Some(wanted);
        self.at += usize::from(found);
        found
    }

    /// Reads this byte or says that it, or something else, was expected.
    pub(super) fn expect(&mut self, wanted: u8, expected: &str) -> Result<(), Problem> {
        if self.take(wanted) {
            Ok(())
        } else {
            Err(self.malformed(expected))
        }
    }

    /// Reads a string. The caller has seen its opening quote.
    pub(super) fn string(&mut self) -> Result<std::borrow::Cow<'a, str>, Problem> {
        let bytes = self.text.as_bytes();
        let start = self.at;
        let mut at = start + 1;
        let mut has_escapes = false;
        loop {
            match bytes.get(at) {
                Some(b'"') => break,
                Some(b'\\') => {
                    has_escapes = true;
                    at += 2;
                }
                Some(0..0x20) => {
                    let expected = "a string without raw control characters (escape them)";
                    return Err(self.malformed_at(at, expected));
                }
                Some(_) => at += 1,
                None => return Err(self.malformed_at(bytes.len(), "the closing quote of a string")),
            }
        }
        if !has_escapes {
            self.at = at + 1;
            return Ok(self.text.get(start + 1..at).unwrap_or_default().into());
        }
        let quoted = self.text.get(start..=at).unwrap_or_default();
        match serde_json::from_str::<String>(quoted) {
            Ok(text) => {
                self.at = at + 1;
                Ok(text.into())
            }
            Err(_) => Err(self.malformed_at(start, "a string with valid escapes")),
        }
    }

    /// Says that nothing may follow.
    pub(super) fn end(&mut self) -> Result<(), Problem> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.malformed("nothing after the JSON")),
        }
    }

    /// What the next value is, in words.
    pub(super) fn found(&mut self) -> &'static str {
        let next = self.peek();
        let rest = self.text.get(self.at..).unwrap_or_default();
        match next {
            None => "the end of the body",
            Some(b'"') => "a string",
            Some(b'[') => "an array",
            Some(b'{') => "an object",
            Some(b'-' | b'0'..=b'9') => "a number",
            Some(_) if rest.starts_with("true") || rest.starts_with("false") => "a boolean",
            Some(_) if rest.starts_with("null") => "null",
            Some(_) => "something that is not JSON",
        }
    }

    /// Whether the next value is the way some languages write NaN and infinity into JSON.
    pub(super) fn is_at_non_finite(&mut self) -> bool {
        self.peek();
        let rest = self.text.get(self.at..).unwrap_or_default();
        let unsigned = rest.strip_prefix(['-', '+']).unwrap_or(rest);
        ["NaN", "nan", "Infinity", "inf", "Inf"]
            .iter()
            .any(|name| unsigned.starts_with(name))
    }

    /// The next value is of the wrong type: `what` names it and says what it must be.
    pub(super) fn wrong_type(&mut self, what: &str, must_be: &str) -> Problem {
        let found = self.found();
        let (line, column) = self.position(self.at);
        if matches!(found, "the end of the body" | "something that is not JSON") {
            return self.malformed(&format!("{what} to be {must_be}"));
        }
        let detail = format!("line {line}, column {column}: {what} must be {must_be}, not {found}");
        Problem::new(ProblemKind::WrongType, detail).at(line, column)
    }

    /// The text is not JSON at the next byte.
    pub(super) fn malformed(&mut self, expected: &str) -> Problem {
        self.peek();
        self.malformed_at(self.at, expected)
    }

    /// The text is not JSON at this byte.
    pub(super) fn malformed_at(&self, at: usize, expected: &str) -> Problem {
        let (line, column) = self.position(at);
        let found = match self.text.get(at..).and_then(|rest| rest.chars().next()) {
            Some(char) => format!("{char:?}"),
            None => "the end of the body".to_owned(),
        };
        let detail = format!("line {line}, column {column}: expected {expected}, found {found}");
        Problem::new(ProblemKind::MalformedJson, detail).at(line, column)
    }

    /// Line and column of a byte, both counted from 1.
    pub(super) fn position(&self, at: usize) -> (usize, usize) {
        position(
            self.text
                .as_bytes()
                .get(..at)
                .unwrap_or(self.text.as_bytes()),
        )
    }
}

/// Line and character that follow these bytes of UTF-8.
fn position(before: &[u8]) -> (usize, usize) {
    let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
    let last_line = before
        .rsplit(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    let is_start_of_char = |byte: &&u8| **byte & 0b1100_0000 != 0b1000_0000;
    (line, 1 + last_line.iter().filter(is_start_of_char).count())
}

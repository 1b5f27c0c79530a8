//! Bodies of `multipart/form-data` (RFC 7578, RFC 2046), cut into their parts where they lie.

use memchr::memmem;

use crate::http::header_value::HeaderValue;
use crate::http::problem::Problem;
use crate::http::problem_kind::ProblemKind;

/// The headers of a part take a hundred bytes or two.
const LONGEST_HEADERS: usize = 16 << 10;

/// Longest boundary that RFC 2046 allows.
const LONGEST_BOUNDARY: usize = 70;

/// The parts of an ingest, none given twice.
#[derive(Debug, Default)]
pub(super) struct Form<'a> {
    pub(super) vectors: Option<Part<'a>>,
    pub(super) ids: Option<Part<'a>>,
}

/// One part of a form.
#[derive(Debug)]
pub(super) struct Part<'a> {
    /// The part's own `Content-Type`.
    pub(super) media_type: Option<HeaderValue<'a>>,
    pub(super) content: &'a [u8],
}

/// The boundary that the `Content-Type` of a form names.
pub(super) fn boundary(media_type: &HeaderValue<'_>) -> Result<String, Problem> {
    let boundary = media_type.parameter("boundary").unwrap_or_default();
    if boundary.is_empty() || boundary.len() > LONGEST_BOUNDARY {
        let detail = format!(
            "Content-Type: multipart/form-data must name a boundary of 1 to {LONGEST_BOUNDARY} \
             characters; leave the header to your HTTP library, which writes both"
        );
        return Err(Problem::new(ProblemKind::MalformedForm, detail));
    }
    Ok(boundary.into_owned())
}

impl<'a> Form<'a> {
    /// Cuts a body into its parts. What stands before the first boundary and after the last one is
    /// passed over, as RFC 2046 has it.
    pub(super) fn parse(body: &'a [u8], boundary: &str) -> Result<Self, Problem> {
        let delimiter = format!("\r\n--{boundary}");
        let finder = memmem::Finder::new(&delimiter);
        let first = delimiter.as_bytes().get(2..).unwrap_or_default();
        let mut at = if body.starts_with(first) {
            first.len()
        } else {
            let begun = finder.find(body).map(|found| found + delimiter.len());
            begun.ok_or_else(|| {
                let detail = format!("the boundary \"--{boundary}\" is nowhere in the body");
                malformed(0, detail)
            })?
        };
        let mut form = Form::default();
        while let Some(start) = after_delimiter(body, at)? {
            let (headers, content_start) = headers(body, start)?;
            let rest = body.get(content_start..).unwrap_or_default();
            let length = finder.find(rest).ok_or_else(|| {
                let detail = "the body ends within a part; it was cut off, or the boundary after \
                              that part is missing";
                malformed(body.len(), detail)
            })?;
            let content = rest.get(..length).unwrap_or_default();
            form.add(headers, content, start)?;
            at = content_start + length + delimiter.len();
        }
        Ok(form)
    }

    fn add(&mut self, headers: &'a str, content: &'a [u8], at: usize) -> Result<(), Problem> {
        let mut name = None;
        let mut media_type = None;
        for line in headers.split("\r\n").filter(|line| !line.is_empty()) {
            let Some((field, value)) = line.split_once(':') else {
                return Err(malformed(at, format!("{line:?} is no header of a part")));
            };
            match field.to_ascii_lowercase().as_str() {
                "content-disposition" => name = HeaderValue::parse(value).parameter("name"),
                "content-type" => media_type = Some(HeaderValue::parse(value)),
                "content-transfer-encoding" => check_encoding(value.trim(), at)?,
                _ => {}
            }
        }
        let Some(name) = name else {
            let detail = "a part has no name; it needs Content-Disposition: form-data; name=\"…\"";
            return Err(malformed(at, detail));
        };
        let slot = match name.as_ref() {
            "vectors" => &mut self.vectors,
            "ids" => &mut self.ids,
            other => {
                let shown: String = other.chars().take(64).collect();
                let detail = format!(
                    "there is no part {shown:?}; this form takes vectors and ids, and the query \
                     dimension and first_id"
                );
                return Err(Problem::new(ProblemKind::UnknownField, detail).byte(at));
            }
        };
        let part = Part {
            media_type,
            content,
        };
        if slot.replace(part).is_some() {
            let detail = format!("the part {name:?} is given twice");
            return Err(Problem::new(ProblemKind::DuplicateField, detail).byte(at));
        }
        Ok(())
    }
}

/// Where the part after a delimiter begins; none after the last delimiter.
fn after_delimiter(body: &[u8], at: usize) -> Result<Option<usize>, Problem> {
    let rest = body.get(at..).unwrap_or_default();
    if rest.starts_with(b"--") {
        return Ok(None);
    }
    let padding = rest
        .iter()
        .take_while(|byte| matches!(byte, b' ' | b'\t'))
        .count();
    if rest.get(padding..).unwrap_or_default().starts_with(b"\r\n") {
        return Ok(Some(at + padding + 2));
    }
    let detail = "a boundary must be followed by a line break, or by \"--\" after the last part";
    Err(malformed(at, detail))
}

/// The headers of the part that begins here, and where its content begins.
fn headers(body: &[u8], start: usize) -> Result<(&str, usize), Problem> {
    let rest = body.get(start..).unwrap_or_default();
    let window = rest.get(..LONGEST_HEADERS).unwrap_or(rest);
    // A part without any header begins with the empty line.
    let (length, gap) = if window.starts_with(b"\r\n") {
        (0, 2)
    } else {
        let found = memmem::find(window, b"\r\n\r\n");
        (
            found.ok_or_else(|| malformed(start, "the headers of a part do not end"))?,
            4,
        )
    };
    let headers = std::str::from_utf8(rest.get(..length).unwrap_or_default())
        .map_err(|_| malformed(start, "the headers of a part are not UTF-8"))?;
    Ok((headers, start + length + gap))
}

/// Parts come as they are; the encodings that mail knows died out in forms.
fn check_encoding(encoding: &str, at: usize) -> Result<(), Problem> {
    if ["binary", "8bit", "7bit"]
        .iter()
        .any(|plain| encoding.eq_ignore_ascii_case(plain))
    {
        return Ok(());
    }
    Err(malformed(
        at,
        format!("a part is encoded as {encoding:?}; send its bytes as they are"),
    ))
}

fn malformed(byte: usize, detail: impl std::fmt::Display) -> Problem {
    let detail = format!("byte {byte} of the body: {detail}");
    Problem::new(ProblemKind::MalformedForm, detail).byte(byte)
}

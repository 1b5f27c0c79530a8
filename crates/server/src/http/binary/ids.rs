//! The ids beside binary vectors.

use super::form::Part;
use super::parameters::invalid;
use crate::http::json::{check_id, parse_ids};
use crate::http::problem::Problem;
use crate::http::problem_kind::ProblemKind;

/// Reads the part `ids`: a JSON array if it says so, else one id a line.
pub(super) fn read_ids(part: &Part<'_>) -> Result<Vec<String>, Problem> {
    if part
        .media_type
        .as_ref()
        .is_some_and(|media_type| media_type.is_json())
    {
        return parse_ids(part.content);
    }
    refuse_untold_json(part)?;
    let text = std::str::from_utf8(part.content).map_err(|error| {
        let good = part.content.get(..error.valid_up_to()).unwrap_or_default();
        let index = memchr::memchr_iter(b'\n', good).count();
        let detail = format!("ids[{index}] is not UTF-8 (byte {} of the ids)", good.len());
        let problem = Problem::new(ProblemKind::InvalidId, detail);
        problem.index(index).byte(good.len())
    })?;
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let text = text.strip_suffix('\n').unwrap_or(text);
    let mut ids = Vec::with_capacity(memchr::memchr_iter(b'\n', text.as_bytes()).count() + 1);
    for (index, line) in text.split('\n').enumerate() {
        let id = line.strip_suffix('\r').unwrap_or(line);
        check_id(id, format_args!("ids[{index}]")).map_err(|problem| problem.index(index))?;
        ids.push(id.to_owned());
    }
    Ok(ids)
}

/// An array of ids that came without its type would pass for one odd id.
fn refuse_untold_json(part: &Part<'_>) -> Result<(), Problem> {
    let content = part.content.trim_ascii();
    let looks_like_json = content.starts_with(b"[\"") && content.ends_with(b"\"]");
    if part.media_type.is_some() || !looks_like_json {
        return Ok(());
    }
    let detail = "the ids look like a JSON array; give their part Content-Type: application/json, \
                  or text/plain if this is one id a line";
    Err(Problem::new(ProblemKind::InvalidId, detail))
}

/// Row numbers as ids, from `first` on.
pub(super) fn row_numbers(first: u64, count: usize) -> Result<Vec<String>, Problem> {
    let end = first.checked_add(count as u64).ok_or_else(|| {
        invalid(format!(
            "{count} row numbers from first_id={first} on pass {}",
            u64::MAX
        ))
    })?;
    Ok((first..end).map(|number| number.to_string()).collect())
}

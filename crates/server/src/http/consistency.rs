//! The words of the API for which replicas may answer a read.

use super::problem::Problem;
use super::problem_kind::ProblemKind;
use crate::root::Consistency;

/// What a value must be.
pub(super) const WORDS: &str = "\"leader\", \"linearizable\" or \"any\"";

/// The consistency that a word asks for.
pub(super) fn from_word(word: &str) -> Option<Consistency> {
    match word {
        "leader" => Some(Consistency::Leader),
        "linearizable" => Some(Consistency::Linearizable),
        "any" => Some(Consistency::Any),
        _ => None,
    }
}

/// Reads the query of a URL that takes `consistency` only.
pub(super) fn from_query(query: Option<&str>) -> Result<Consistency, Problem> {
    let mut consistency = None;
    let pairs = query.unwrap_or_default().split('&');
    for pair in pairs.filter(|pair| !pair.is_empty()) {
        let invalid = |detail: String| Err(Problem::new(ProblemKind::InvalidParameter, detail));
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if name != "consistency" {
            return invalid(format!(
                "there is no parameter {name:?}; this request takes consistency"
            ));
        }
        let Some(word) = from_word(value) else {
            let detail = format!("consistency must be {WORDS}, not {value:?}");
            return Err(Problem::new(ProblemKind::InvalidConsistency, detail));
        };
        if consistency.replace(word).is_some() {
            return invalid("the parameter consistency is given twice".to_owned());
        }
    }
    Ok(consistency.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_names_a_consistency_once_or_not_at_all() {
        assert_eq!(from_query(None), Ok(Consistency::Leader));
        assert_eq!(from_query(Some("")), Ok(Consistency::Leader));
        let any = from_query(Some("consistency=any"));
        assert_eq!(any, Ok(Consistency::Any));
        let kind = |query| from_query(Some(query)).unwrap_err().kind();
        assert_eq!(kind("consistency=all"), ProblemKind::InvalidConsistency);
        assert_eq!(kind("consistency"), ProblemKind::InvalidConsistency);
        assert_eq!(kind("k=5"), ProblemKind::InvalidParameter);
        let twice = "consistency=any&consistency=any";
        assert_eq!(kind(twice), ProblemKind::InvalidParameter);
    }
}

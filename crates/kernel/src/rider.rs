use std::fmt;

use crate::{FoldedQuery, TopRows};

/// One query's part in a scan shared by many.
pub struct Rider<'a> {
    /// The query, folded for the codes that are scanned.
    pub query: &'a FoldedQuery,
    /// Asked only about rows whose score could change `top`.
    pub is_live: &'a dyn Fn(u32) -> bool,
    /// What the query has found so far.
    pub top: &'a mut TopRows,
}

impl fmt::Debug for Rider<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rider")
            .field("query", &self.query)
            .field("top", &self.top)
            .finish_non_exhaustive()
    }
}

use std::fmt;

use crate::{FoldedQuery, TopRows};

/// One query's part in a scan shared by many.
pub struct Rider<'a> {
    /// The query, folded for the codes that are scanned.
    pub query: &'a FoldedQuery,
    /// Rows of a cosine that is certainly lower need not be found: −∞ where nothing is known yet.
    pub floor: f32,
    /// Asked only about rows that could change `top`.
    pub is_live: &'a dyn Fn(u32) -> bool,
    /// What the query has found so far.
    pub top: &'a mut TopRows,
}

/// What a rider has not to be told of, as of its top's floor.
#[derive(Clone, Copy)]
pub(crate) struct Lowest {
    top_floor: i64,
    /// The least score of the floor.
    floor_score: i64,
}

impl Lowest {
    pub(crate) fn of(rider: &Rider<'_>) -> Self {
        Self {
            top_floor: rider.top.floor(),
            floor_score: rider.query.floor_for(rider.floor),
        }
    }

    /// Whether the floor rose since; takes the new one.
    pub(crate) fn rises(&mut self, rider: &Rider<'_>) -> bool {
        let rises = rider.top.floor() > self.top_floor.max(self.floor_score);
        self.top_floor = rider.top.floor();
        rises
    }

    /// The integer score below which rows do not matter.
    pub(crate) fn score(&self) -> i64 {
        self.top_floor.max(self.floor_score)
    }

    /// The cosine below which they do not: rows whose integer score matters may have one that is
    /// lower, by the error.
    pub(crate) fn cosine(&self, rider: &Rider<'_>) -> f64 {
        let floor = f64::from(rider.floor.next_down());
        match self.top_floor {
            i64::MIN => floor,
            score => floor.max(rider.query.estimate(score) - rider.query.error()),
        }
    }
}

impl fmt::Debug for Rider<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rider")
            .field("query", &self.query)
            .field("floor", &self.floor)
            .field("top", &self.top)
            .finish_non_exhaustive()
    }
}

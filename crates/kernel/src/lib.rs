//! The pure CPU work of Vectra: quantise rows to int8, scan them against a query, bound the error
//! of what the scan says, and score the survivors exactly.
//!
//! How a proven answer comes about, per query:
//!
//! 1. [`Query::fold`] folds a segment's scales into the query and quantises it: what is left of the
//!    segment is integer arithmetic.
//! 2. [`scan_top`] keeps the best rows by integer score and remembers the best score it turned away;
//!    [`scan_top_many`] does so for many queries while it reads the codes once.
//! 3. [`FoldedQuery::upper`] turns an integer score into the highest cosine such a row can have.
//! 4. [`Query::score`] gives the true cosine of the rows that may belong to the answer. Once the
//!    k-th of these beats every `upper` that is left, no other row can belong; where that does not
//!    happen, [`FoldedQuery::floor_for`] and [`scan_above`] fetch the rows that were turned away.
//!
//! Nothing here knows files, async, serialisation or the network, and nothing starts a thread.

mod arch;
mod blocks;
mod codes;
mod error;
mod exact;
mod folded;
mod instruction_set;
pub mod oracle;
mod pack;
mod quantized;
mod query;
mod rider;
mod rounding;
mod scan;
#[cfg(test)]
mod scan_test;
mod split;
mod top;

pub use codes::Codes;
pub use error::{LayoutError, VectorError};
pub use folded::FoldedQuery;
pub use instruction_set::instruction_set;
pub use quantized::QuantizedRows;
pub use query::{Query, check_vector};
pub use rider::Rider;
pub use scan::{scan_above, scan_top, scan_top_many};
pub use top::TopRows;

/// The most dimensions a vector can have. Integer scores reach dimensions · 127², and the scan
/// adds them up in 32 bits.
pub const MAX_DIMENSION: usize = 4096;

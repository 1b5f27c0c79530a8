//! The pure CPU work of Vectra: quantise rows to int8, scan them against a query, bound the error
//! of what the scan says, and score the survivors exactly.
//!
//! How a proven answer comes about, per query:
//!
//! 1. [`Query::fold`] folds a segment's rotation and scales into the query and quantises it: what is
//!    left of the segment is integer arithmetic.
//! 2. [`probe`] looks at a few rows that are likely to be good ones. [`Query::score`] gives their true
//!    cosines; the k-th is a floor that the true answer does not fall below.
//! 3. [`scan_top`] finds every row that may reach the floor, and rules out the others as early as a bound
//!    allows; [`scan_top_many`] does so for many queries while it reads the codes once.
//! 4. [`FoldedQuery::upper`] turns an integer score into the highest cosine such a row can have. Rows
//!    are scored exactly until the k-th best beats every `upper` that is left: no other row can belong.
//!    Where [`TopRows`] had to turn rows away that still could, [`FoldedQuery::floor_for`] and
//!    [`scan_above`] fetch them.
//!
//! Nothing here knows files, async, serialisation or the network, and nothing starts a thread.

mod arch;
mod arrangement;
mod blocks;
mod codes;
mod coding;
mod encoder;
mod error;
mod exact;
mod folded;
mod frame;
mod instruction_set;
mod normal_rows;
mod norms;
pub mod oracle;
mod pack;
mod plan;
mod probe;
mod quantized;
mod query;
mod rider;
mod rotation;
mod rounding;
mod scan;
#[cfg(test)]
mod scan_test;
mod top;

pub use codes::Codes;
pub use error::{LayoutError, VectorError};
pub use folded::FoldedQuery;
pub use frame::{Frame, Leaves, Stage};
pub use instruction_set::instruction_set;
pub use probe::{Probed, probe};
pub use quantized::QuantizedRows;
pub use query::{Query, check_vector};
pub use rider::Rider;
pub use rotation::Rotation;
pub use scan::{scan_above, scan_top, scan_top_many};
pub use top::TopRows;

/// The most dimensions a vector can have. Integer scores reach dimensions · 127², and the scan
/// adds them up in 32 bits.
pub const MAX_DIMENSION: usize = 4096;

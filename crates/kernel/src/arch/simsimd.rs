//! Rows taken out of their block and multiplied by simsimd, for CPUs that it has int8 instructions
//! for and that have no tile here.

use ::simsimd::SpatialSimilarity;

use super::{Hits, find_by_block};
use crate::MAX_DIMENSION;
use crate::blocks::{BLOCK_ROWS, GROUP_DIMENSIONS, read_row};
use crate::pack::{Floors, Pack};

pub(super) fn find(
    blocks: &[u8],
    pack: &Pack,
    floors: &Floors,
    from: usize,
    hits: &mut Hits,
) -> Option<usize> {
    let padded = pack.groups() * GROUP_DIMENSIONS;
    let mut row_codes = [0i8; MAX_DIMENSION];
    let row_codes = &mut row_codes[..padded];
    find_by_block(blocks, pack, from, hits, |block, excess| {
        for row in 0..BLOCK_ROWS {
            read_row(block, padded, row, row_codes);
            for (query, (codes, excess)) in pack.rows().zip(excess.iter_mut()).enumerate() {
                excess[row] = inner_product(row_codes, codes) - floors.get(query);
            }
        }
    })
}

/// Σ aᵢ·bᵢ, exact: simsimd adds in 32 bits and only then converts.
fn inner_product(a: &[i8], b: &[i8]) -> i32 {
    // Only slices of two lengths have no product, and no caller has such.
    i8::dot(a, b).map_or(i32::MIN / 4, |sum| sum as i32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_inner_product_is_the_exact_integer_in_every_dimension(
            pairs in prop::collection::vec((-128i8..=127, -128i8..=127), 1..700),
        ) {
            let (a, b): (Vec<i8>, Vec<i8>) = pairs.into_iter().unzip();
            let exact: i64 = a.iter().zip(&b).map(|(&x, &y)| i64::from(x) * i64::from(y)).sum();
            prop_assert_eq!(i64::from(inner_product(&a, &b)), exact);
        }
    }
}

//! In which order the rows of a segment are laid out: like beside like, so that a block of 16 rows is
//! ruled out as a whole, and rows with the same norm of what is scanned last beside each other.

use std::ops::Range;

use crate::arch::{Sums, Wide, wide};

/// Rows of a leaf: enough for a tail to be about the same over each of its blocks.
pub(crate) const LEAF_ROWS: usize = 256;

/// Coordinates that are looked at: those that carry the most.
const LEADING: usize = 32;

/// Rows whose spread is measured before a part is split.
const MEASURED: usize = 512;

/// An order of the rows (the numbers of which it gives) in leaves of [`LEAF_ROWS`], all but the last
/// full: a k-d tree (Bentley 1975) that splits at the median of the widest spread coordinate.
pub(crate) fn in_leaves(dimension: usize, rows: &[f32]) -> Vec<u32> {
    let count = rows.len() / dimension;
    let mut order: Vec<u32> = (0..count as u32).collect();
    let mut to_split: Vec<Range<usize>> = Vec::new();
    to_split.push(0..count);
    let mut keyed: Vec<(f32, u32)> = Vec::new();
    while let Some(part) = to_split.pop() {
        if part.len() <= LEAF_ROWS {
            continue;
        }
        let coordinate = wide(WidestSpread {
            dimension,
            rows,
            part: &order[part.clone()],
        });
        let half = (part.len() / 2).next_multiple_of(LEAF_ROWS);
        keyed.clear();
        keyed.extend(
            order[part.clone()]
                .iter()
                .map(|&row| (rows[row as usize * dimension + coordinate], row)),
        );
        keyed.select_nth_unstable_by(half.min(part.len() - 1), |a, b| {
            a.0.total_cmp(&b.0).then(a.1.cmp(&b.1))
        });
        for (place, &(_, row)) in order[part.clone()].iter_mut().zip(&keyed) {
            *place = row;
        }
        to_split.push(part.start + half..part.end);
        to_split.push(part.start..part.start + half);
    }
    order
}

/// Sorts the rows of each leaf by a number.
pub(crate) fn sort_leaves(order: &mut [u32], number: impl Fn(u32) -> f32) {
    for leaf in order.chunks_mut(LEAF_ROWS) {
        leaf.sort_unstable_by(|&a, &b| number(a).total_cmp(&number(b)).then(a.cmp(&b)));
    }
}

/// Finds the coordinate that some rows are spread most in.
struct WidestSpread<'a> {
    dimension: usize,
    rows: &'a [f32],
    part: &'a [u32],
}

impl Wide for WidestSpread<'_> {
    type Output = usize;

    #[inline(always)]
    fn run(self, _: impl Sums) -> usize {
        let looked_at = LEADING.min(self.dimension);
        let mut sums = [0.0f64; LEADING];
        let mut squares = [0.0f64; LEADING];
        let step = self.part.len().div_ceil(MEASURED);
        let mut count = 0.0;
        for &row in self.part.iter().step_by(step) {
            let row = &self.rows[row as usize * self.dimension..][..looked_at];
            for ((sum, square), &value) in sums.iter_mut().zip(&mut squares).zip(row) {
                *sum += f64::from(value);
                *square += f64::from(value) * f64::from(value);
            }
            count += 1.0;
        }
        let spread = |i: &usize| squares[*i] - sums[*i] * sums[*i] / count;
        (0..looked_at)
            .max_by(|a, b| spread(a).total_cmp(&spread(b)))
            .unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_one_place_and_a_leaf_holds_neighbours() {
        for count in [0, 1, 255, 256, 257, 3000] {
            let rows: Vec<f32> = (0..count)
                .flat_map(|i| [((i * 7919) % 3001) as f32, 1.0])
                .collect();
            let mut order = in_leaves(2, &rows);
            sort_leaves(&mut order, |row| -rows[row as usize * 2]);
            let mut sorted = order.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, (0..count as u32).collect::<Vec<_>>());
            // One coordinate tells: leaves are its ranges, and each is in descending order.
            let value = |row: &u32| rows[*row as usize * 2];
            let leaves: Vec<&[u32]> = order.chunks(LEAF_ROWS).collect();
            assert!(
                leaves
                    .iter()
                    .all(|leaf| leaf.is_sorted_by(|a, b| value(a) >= value(b)))
            );
            assert!(
                leaves
                    .windows(2)
                    .all(|pair| value(&pair[0][0]) < value(&pair[1][pair[1].len() - 1]))
            );
        }
    }
}

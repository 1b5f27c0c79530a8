//! Looking up a hash in a sorted list of hashes.

use crate::ids::{Ids, hash_id};

/// Guesses by interpolation before it falls back to halving: hashes are uniform, so that two or
/// three hit; the limit keeps the worst case logarithmic.
const INTERPOLATIONS: usize = 6;

/// Below this many candidates halving costs less than another guess.
const NARROW: usize = 8;

/// The first position whose hash is not below `hash`, in a list of `len` ascending hashes.
/// A list that is not sorted gives some position up to `len`.
pub(crate) fn lower_bound(len: usize, hash: u64, hash_at: impl Fn(usize) -> u64) -> usize {
    // Everything before `low` is below `hash`, everything from `high` on is not.
    let (mut low, mut high) = (0, len);
    let (mut low_hash, mut high_hash) = (0u64, u64::MAX);
    for _ in 0..INTERPOLATIONS {
        if high - low <= NARROW || hash <= low_hash || high_hash <= low_hash {
            break;
        }
        // Only a guess: what f64 rounds off does not matter.
        let share = (hash - low_hash) as f64 / (high_hash - low_hash).max(1) as f64;
        let guess = low + ((share * (high - low) as f64) as usize).min(high - low - 1);
        let found = hash_at(guess);
        if found < hash {
            (low, low_hash) = (guess + 1, found);
        } else {
            (high, high_hash) = (guess, found);
        }
    }
    while low < high {
        let middle = low + (high - low) / 2;
        if hash_at(middle) < hash {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

/// The (hash, row) pairs of some ids, ascending.
pub(crate) fn sorted_hashes(ids: &Ids) -> Vec<(u64, u32)> {
    let mut pairs: Vec<(u64, u32)> = ids.iter().map(hash_id).zip(0..).collect();
    pairs.sort_unstable();
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_finds_what_a_linear_search_finds(
            mut hashes in prop::collection::vec(
                prop_oneof![any::<u64>(), 0..20u64, (u64::MAX - 20)..=u64::MAX], 0..200),
            wanted in prop_oneof![any::<u64>(), 0..20u64, (u64::MAX - 20)..=u64::MAX],
        ) {
            hashes.sort_unstable();
            for hash in hashes.iter().copied().chain([wanted]) {
                let expected = hashes.iter().position(|&h| h >= hash).unwrap_or(hashes.len());
                prop_assert_eq!(lower_bound(hashes.len(), hash, |i| hashes[i]), expected);
            }
        }

        #[test]
        fn a_list_out_of_order_gives_a_position_all_the_same(
            hashes in prop::collection::vec(any::<u64>(), 0..100), hash in any::<u64>(),
        ) {
            prop_assert!(lower_bound(hashes.len(), hash, |i| hashes[i]) <= hashes.len());
        }
    }
}

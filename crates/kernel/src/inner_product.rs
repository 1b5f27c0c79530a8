//! Σ aᵢ·bᵢ over int8 codes, exact: no sum of [`MAX_DIMENSION`](crate::MAX_DIMENSION) products leaves
//! 32 bits.

use simsimd::SpatialSimilarity;

/// With the best instructions of the CPU. simsimd adds in 32 bits and only then converts.
pub(crate) fn simsimd(a: &[i8], b: &[i8]) -> i32 {
    // Only slices of two lengths have no product, and no caller has such.
    i8::dot(a, b).map_or(i32::MIN, |sum| sum as i32)
}

/// With those that every CPU has.
pub(crate) fn portable(a: &[i8], b: &[i8]) -> i32 {
    a.iter()
        .zip(b)
        .map(|(&x, &y)| i32::from(x) * i32::from(y))
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_path_gives_the_exact_integer_in_every_dimension(
            pairs in prop::collection::vec((-128i8..=127, -128i8..=127), 1..700),
        ) {
            let (a, b): (Vec<i8>, Vec<i8>) = pairs.into_iter().unzip();
            let exact: i64 = a.iter().zip(&b).map(|(&x, &y)| i64::from(x) * i64::from(y)).sum();
            prop_assert_eq!(i64::from(simsimd(&a, &b)), exact);
            prop_assert_eq!(i64::from(portable(&a, &b)), exact);
        }
    }

    #[test]
    fn the_largest_sum_fits() {
        let codes = [127i8; crate::MAX_DIMENSION];
        let opposite = codes.map(|code| -code);
        for inner_product in [simsimd, portable] {
            assert_eq!(inner_product(&codes, &codes), 4096 * 127 * 127);
            assert_eq!(inner_product(&codes, &opposite), -4096 * 127 * 127);
        }
    }
}

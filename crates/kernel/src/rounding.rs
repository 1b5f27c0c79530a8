//! Roundings in a known direction.

/// The nearest whole number of a value in -127.5…127.5, within ±127. Adding and taking away
/// 1.5 · 2⁵² leaves the rounding to the float unit, eight lanes at a time; `f64::round` is a call on
/// the CPUs this is compiled for.
pub(crate) fn nearest_code(value: f64) -> f64 {
    ((value + SHIFT) - SHIFT).clamp(-127.0, 127.0)
}

/// [`nearest_code`] as a byte, taken from the last bits of the shifted value: a cast of the float
/// would look for values out of range one by one.
#[inline(always)]
pub(crate) fn nearest_code_byte(value: f64) -> i8 {
    (value.clamp(-127.0, 127.0) + SHIFT).to_bits() as i8
}

/// 1.5 · 2⁵²: beside it a float64 has no bits for fractions, and its last bits are those of a small whole
/// number in two's complement.
const SHIFT: f64 = 6_755_399_441_055_744.0;

/// The smallest float32 that is not below a value.
pub(crate) fn up_to_f32(value: f64) -> f32 {
    let nearest = value as f32;
    if f64::from(nearest) < value {
        nearest.next_up()
    } else {
        nearest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_the_nearest_whole_number_in_its_range() {
        for (value, code) in [
            (0.0, 0.0),
            (0.49, 0.0),
            (-0.51, -1.0),
            (126.6, 127.0),
            (127.4, 127.0),
            (-127.4, -127.0),
        ] {
            assert_eq!(nearest_code(value), code);
            assert_eq!(f64::from(nearest_code_byte(value)), code);
        }
    }

    #[test]
    fn rounding_up_never_ends_below_even_among_denormals() {
        for value in [0.0, 1e-60, 2.1e-45, 1e-40, 0.1, 1.0, 1.0 + 1e-12] {
            let rounded = up_to_f32(value);
            assert!(f64::from(rounded) >= value);
            assert!(value == 0.0 || f64::from(rounded.next_down()) < value);
        }
    }
}

//! Numbers: their grammar, and the float32 nearest to what they say.

use super::scanner::Scanner;
use crate::http::problem::Problem;

/// A number as it is written: `± mantissa · 10^exponent`.
pub(super) struct Number {
    /// Where it begins and ends, in bytes.
    pub(super) start: usize,
    end: usize,
    /// Whether it is digits only, perhaps with a minus.
    pub(super) is_integer: bool,
    is_negative: bool,
    /// All digits as one whole number; wrapped around if there are more than [`MOST_DIGITS`].
    mantissa: u64,
    digits: usize,
    exponent: i64,
}

/// The most decimal digits that always fit a u64.
const MOST_DIGITS: usize = 19;

/// The powers of ten a float64 holds exactly.
const EXACT_POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];

/// Where the exponent of a number as it is written stops being counted: far beyond any float32.
const FAR_EXPONENT: i64 = 1 << 32;

impl<'a> Scanner<'a> {
    /// Reads a number. The caller has seen a digit or a minus.
    #[inline(always)]
    pub(super) fn number(&mut self) -> Result<Number, Problem> {
        let bytes = self.bytes();
        let start = self.offset();
        let mut mantissa = 0;
        let is_negative = bytes.get(start) == Some(&b'-');
        let first = start + usize::from(is_negative);
        let mut at = read_digits(bytes, first, &mut mantissa);
        let mut digits = at - first;
        if digits == 0 {
            return Err(self.malformed_at(at, "a digit"));
        }
        if digits > 1 && bytes.get(first) == Some(&b'0') {
            return Err(self.malformed_at(first + 1, "no digit after a leading zero"));
        }
        let mut is_integer = true;
        let mut exponent = 0;
        if bytes.get(at) == Some(&b'.') {
            is_integer = false;
            let fraction = at + 1;
            at = read_digits(bytes, fraction, &mut mantissa);
            if at == fraction {
                return Err(self.malformed_at(at, "a digit after the point"));
            }
            digits += at - fraction;
            exponent -= (at - fraction) as i64;
        }
        if matches!(bytes.get(at), Some(b'e' | b'E')) {
            is_integer = false;
            let (end, given) = read_exponent(bytes, at + 1);
            let given = given.ok_or_else(|| self.malformed_at(end, "a digit in the exponent"))?;
            at = end;
            exponent += given;
        }
        self.skip_to(at);
        Ok(Number {
            start,
            end: at,
            is_integer,
            is_negative,
            mantissa,
            digits,
            exponent,
        })
    }

    /// The number as it is written.
    pub(super) fn text_of(&self, number: &Number) -> &'a str {
        self.text_between(number.start, number.end)
    }

    /// The float32 nearest to the number, ties to even; infinite if it is beyond all of them.
    #[inline(always)]
    pub(super) fn nearest_f32(&self, number: &Number) -> f32 {
        quick_f32(number).unwrap_or_else(|| {
            // The grammar of JSON is a part of Rust's, whose reading is exact.
            self.text_of(number).parse().unwrap_or(f32::NAN)
        })
    }
}

/// Adds the digits that follow to the mantissa and returns where they end.
#[inline(always)]
fn read_digits(bytes: &[u8], mut at: usize, mantissa: &mut u64) -> usize {
    while let Some(eight) = bytes
        .get(at..)
        .and_then(<[u8]>::first_chunk)
        .and_then(eight_digits)
    {
        *mantissa = mantissa.wrapping_mul(100_000_000).wrapping_add(eight);
        at += 8;
    }
    while let Some(byte) = bytes.get(at) {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        *mantissa = mantissa.wrapping_mul(10).wrapping_add(u64::from(digit));
        at += 1;
    }
    at
}

/// The number that eight digits write, if they are all digits; computed in pairs, fours, eights.
/// (After D. Lemire, "Number parsing at a gigabyte per second", 2021, section 6.)
#[inline(always)]
fn eight_digits(bytes: &[u8; 8]) -> Option<u64> {
    let word = u64::from_le_bytes(*bytes);
    // A byte is a digit if its high nibble is 3, and still is when 6 is added.
    let high = word & 0xf0f0_f0f0_f0f0_f0f0;
    let raised = word.wrapping_add(0x0606_0606_0606_0606) & 0xf0f0_f0f0_f0f0_f0f0;
    if high != 0x3030_3030_3030_3030 || raised != high {
        return None;
    }
    let ones = word & 0x0f0f_0f0f_0f0f_0f0f;
    let pairs = (ones.wrapping_mul(2561) >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs.wrapping_mul(6_553_601) >> 16) & 0x0000_ffff_0000_ffff;
    Some(fours.wrapping_mul(42_949_672_960_001) >> 32)
}

/// Reads what follows `e`; returns where it ends and, if there is a digit, the exponent.
fn read_exponent(bytes: &[u8], start: usize) -> (usize, Option<i64>) {
    let is_negative = bytes.get(start) == Some(&b'-');
    let first = start + usize::from(matches!(bytes.get(start), Some(b'+' | b'-')));
    let mut at = first;
    let mut exponent = 0_i64;
    while let Some(byte) = bytes.get(at).filter(|byte| byte.is_ascii_digit()) {
        exponent = (exponent * 10 + i64::from(byte - b'0')).min(FAR_EXPONENT);
        at += 1;
    }
    let exponent = if is_negative { -exponent } else { exponent };
    (at, (at > first).then_some(exponent))
}

/// The nearest float32, where a float64 settles which that is.
///
/// Mantissa and power each become a float64 with at most half an ulp of error, and so does their
/// product or quotient: it is within 2 ulps of the number. Rounding that to float32 rounds the
/// number itself unless the float64 lies as near as that to the middle between two float32.
/// (After W. D. Clinger, "How to read floating point numbers accurately", PLDI 1990.)
#[inline(always)]
fn quick_f32(number: &Number) -> Option<f32> {
    /// Bits of a float64's fraction that a normal float32 has not.
    const DROPPED: u64 = (1 << 29) - 1;
    const MIDDLE: u64 = 1 << 28;
    const DOUBT: u64 = 4;
    if number.digits > MOST_DIGITS {
        return None;
    }
    let sign = if number.is_negative { -1.0_f32 } else { 1.0 };
    if number.mantissa == 0 {
        return Some(0.0 * sign);
    }
    let power = usize::try_from(number.exponent.unsigned_abs()).ok()?;
    let power = EXACT_POWERS.get(power)?;
    let mantissa = number.mantissa as f64;
    let value = if number.exponent < 0 {
        mantissa / power
    } else {
        mantissa * power
    };
    // At least 1e-22, so never a subnormal float32; near the largest the slow way decides.
    let is_certain = (value.to_bits() & DROPPED).abs_diff(MIDDLE) > DOUBT && value < 3.4e38;
    is_certain.then_some(value as f32 * sign)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> f32 {
        let mut scanner = Scanner::new(text.as_bytes()).unwrap();
        let number = scanner.number().unwrap();
        assert_eq!(scanner.text_of(&number), text);
        scanner.nearest_f32(&number)
    }

    #[test]
    fn the_quick_way_is_taken_where_it_is_certain() {
        let quick = |text: &str| {
            let mut scanner = Scanner::new(text.as_bytes()).unwrap();
            quick_f32(&scanner.number().unwrap()).is_some()
        };
        for text in [
            "0",
            "-1",
            "255",
            "0.1",
            "0.8444218515250481",
            "-12.5e3",
            "1e-22",
        ] {
            assert!(quick(text), "{text}");
        }
        for text in ["1e-23", "16777217", "1e39", "0.12345678901234567890"] {
            assert!(!quick(text), "{text}");
        }
    }

    /// The exact decimal of the middle between a float32 and the next, cut to some digits.
    fn near_the_middle(bits: u32, digits: usize) -> String {
        let (low, high) = (f32::from_bits(bits), f32::from_bits(bits + 1));
        let middle = (f64::from(low) + f64::from(high)) / 2.0;
        format!("{middle:.digits$}")
    }

    proptest! {
        #[test]
        fn every_decimal_is_read_exactly(text in "-?(0|[1-9][0-9]{0,24})(\\.[0-9]{1,24})?([eE][+-]?[0-9]{1,2})?") {
            prop_assert_eq!(read(&text).to_bits(), text.parse::<f32>().unwrap().to_bits());
        }

        #[test]
        fn short_decimals_are_read_exactly(mantissa in any::<u64>(), exponent in -25_i32..25) {
            let text = format!("{}e{exponent}", mantissa >> (mantissa % 60));
            prop_assert_eq!(read(&text).to_bits(), text.parse::<f32>().unwrap().to_bits());
        }

        #[test]
        fn decimals_near_the_middle_of_two_floats_are_read_exactly(
            bits in 0x3000_0000_u32..0x4b00_0000,
            digits in 1_usize..18,
        ) {
            let text = near_the_middle(bits, digits);
            prop_assert_eq!(read(&text).to_bits(), text.parse::<f32>().unwrap().to_bits());
        }
    }
}

//! Sizes and durations as people write them: `256MiB`, `30s`.

use std::time::Duration;

/// Units of a size and their bytes, longest first so that a suffix is found whole.
const SIZE_UNITS: [(&str, u64); 13] = [
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("tib", 1 << 40),
    ("kb", 1_000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("tb", 1_000_000_000_000),
    ("k", 1 << 10),
    ("m", 1 << 20),
    ("g", 1 << 30),
    ("t", 1 << 40),
    ("b", 1),
];

/// Units of a duration and their seconds.
const DURATION_UNITS: [(&str, f64); 5] = [
    ("ms", 1e-3),
    ("us", 1e-6),
    ("s", 1.0),
    ("m", 60.0),
    ("h", 3_600.0),
];

/// What a size looks like, for messages.
pub(super) const SIZE_FORM: &str = "a size such as \"256MiB\", or a number of bytes";

/// What a duration looks like, for messages.
pub(super) const DURATION_FORM: &str = "a duration such as \"30s\", or a number of seconds";

/// Reads a size in bytes; `None` if it is not one. `k`, `m`, `g` and `t` alone are powers of 1024.
pub(super) fn parse_size(text: &str) -> Option<u64> {
    let text = text.trim().to_ascii_lowercase();
    let (number, factor) = SIZE_UNITS
        .iter()
        .find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, *factor)))
        .unwrap_or((&text, 1));
    let number = number.trim();
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(factor);
    }
    let bytes = parse_decimal(number)? * factor as f64;
    (bytes <= i64::MAX as f64).then_some(bytes.round() as u64)
}

/// Reads a duration; `None` if it is not one.
pub(super) fn parse_duration(text: &str) -> Option<Duration> {
    let text = text.trim().to_ascii_lowercase();
    let (number, factor) = DURATION_UNITS
        .iter()
        .find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, *factor)))
        .unwrap_or((&text, 1.0));
    Duration::try_from_secs_f64(parse_decimal(number.trim())? * factor).ok()
}

/// Writes a size with the largest unit that leaves it whole.
pub(crate) fn write_size(bytes: u64) -> String {
    let units = [
        ("TiB", 1_u64 << 40),
        ("GiB", 1 << 30),
        ("MiB", 1 << 20),
        ("KiB", 1 << 10),
    ];
    units
        .iter()
        .find(|(_, factor)| bytes >= *factor && bytes.is_multiple_of(*factor))
        .map_or_else(
            || format!("{bytes} bytes"),
            |(unit, factor)| format!("{} {unit}", bytes / factor),
        )
}

/// Digits with at most one point: no sign, no exponent, no `inf`.
fn parse_decimal(text: &str) -> Option<f64> {
    let plain = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.');
    if plain { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_in_every_unit() {
        let cases = [
            ("0", 0),
            ("1024", 1024),
            ("256MiB", 256 << 20),
            ("256 MiB", 256 << 20),
            ("1.5GiB", 3 << 29),
            ("64k", 64 << 10),
            ("10MB", 10_000_000),
            ("512b", 512),
        ];
        for (text, bytes) in cases {
            assert_eq!(parse_size(text), Some(bytes), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_size_is_refused() {
        for text in [
            "",
            "MiB",
            "-1",
            "1e9",
            "ten",
            "1.2.3GB",
            "12 parsecs",
            "99999999999999TiB",
        ] {
            assert_eq!(parse_size(text), None, "{text}");
        }
    }

    #[test]
    fn durations_are_read_in_every_unit() {
        let cases = [
            ("30s", 30_000),
            ("250ms", 250),
            ("1.5 m", 90_000),
            ("2h", 7_200_000),
        ];
        for (text, millis) in cases {
            assert_eq!(
                parse_duration(text),
                Some(Duration::from_millis(millis)),
                "{text}"
            );
        }
        assert_eq!(parse_duration("7"), Some(Duration::from_secs(7)));
        for text in ["", "s", "-1s", "soon", "1e400s"] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }

    #[test]
    fn a_size_is_written_as_it_was_meant() {
        assert_eq!(write_size(256 << 20), "256 MiB");
        assert_eq!(write_size(1000), "1000 bytes");
        assert_eq!(write_size(0), "0 bytes");
    }
}

//! The names of a segment's files.

use std::fmt;

/// The name of one of a segment's files: its number in at least eight digits, and what it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct FileName {
    pub(crate) number: u64,
    pub(crate) kind: FileKind,
}

/// What a segment's file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum FileKind {
    /// Codes.
    Segment,
    /// Ids, and rows by the hash of their id.
    Ids,
    /// float32 rows.
    Vectors,
}

impl FileKind {
    /// Every file of a segment, in the order in which snapshots send them.
    pub(crate) const ALL: [Self; 3] = [Self::Segment, Self::Ids, Self::Vectors];
}

impl FileName {
    pub(crate) fn segment(number: u64) -> Self {
        Self {
            number,
            kind: FileKind::Segment,
        }
    }

    pub(crate) fn ids(number: u64) -> Self {
        Self {
            number,
            kind: FileKind::Ids,
        }
    }

    pub(crate) fn vectors(number: u64) -> Self {
        Self {
            number,
            kind: FileKind::Vectors,
        }
    }

    /// Reads a name exactly as [`fmt::Display`] writes it. Nothing else is a name, so that one
    /// received from elsewhere cannot point out of its directory.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let (digits, extension) = name.split_once('.')?;
        let kind = match extension {
            "segment" => FileKind::Segment,
            "ids" => FileKind::Ids,
            "vectors" => FileKind::Vectors,
            _ => return None,
        };
        let parsed = Self {
            number: digits.parse().ok()?,
            kind,
        };
        (parsed.to_string() == name).then_some(parsed)
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let extension = match self.kind {
            FileKind::Segment => "segment",
            FileKind::Ids => "ids",
            FileKind::Vectors => "vectors",
        };
        write!(formatter, "{:08}.{extension}", self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for number in [0, 7, 99_999_999, 100_000_000, u64::MAX] {
            for kind in FileKind::ALL {
                let name = FileName { number, kind };
                assert_eq!(FileName::parse(&name.to_string()), Some(name));
            }
        }
    }

    #[test]
    fn anything_else_is_no_name() {
        for name in [
            "",
            ".",
            "..",
            "manifest",
            "1.segment",
            "+0000001.segment",
            "00000001.segment.tmp",
            "../00000001.segment",
            "/00000001.segment",
            "00000001.segment/",
            "000000001.vectors",
            "00000001.Vectors",
            "18446744073709551616.segment",
            "00000001.",
            "00000001",
        ] {
            assert_eq!(FileName::parse(name), None, "{name}");
        }
    }
}

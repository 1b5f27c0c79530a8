//! The number formats of binary vector files.

use half::f16;

/// How one value is stored, little-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Element {
    /// float16
    F16,
    /// float32
    F32,
    /// float64
    F64,
    /// uint8
    U8,
    /// int8
    I8,
    /// int32
    I32,
    /// int64
    I64,
}

impl Element {
    /// The element of a NumPy type descriptor such as `<f4`.
    pub(super) fn from_descriptor(descriptor: &str) -> Option<Self> {
        Some(match descriptor {
            "<f2" => Self::F16,
            "<f4" => Self::F32,
            "<f8" => Self::F64,
            "|u1" | "<u1" => Self::U8,
            "|i1" | "<i1" => Self::I8,
            "<i4" => Self::I32,
            "<i8" => Self::I64,
            _ => return None,
        })
    }

    /// Its NumPy type descriptor.
    pub(super) fn descriptor(self) -> &'static str {
        match self {
            Self::F16 => "<f2",
            Self::F32 => "<f4",
            Self::F64 => "<f8",
            Self::U8 => "|u1",
            Self::I8 => "|i1",
            Self::I32 => "<i4",
            Self::I64 => "<i8",
        }
    }

    /// Whether vectors may be made of it; row numbers are made of the others.
    #[must_use]
    pub fn is_vector_value(self) -> bool {
        !matches!(self, Self::I32 | Self::I64)
    }

    /// Bytes a value.
    #[must_use]
    pub fn size(self) -> usize {
        match self {
            Self::U8 | Self::I8 => 1,
            Self::F16 => 2,
            Self::F32 | Self::I32 => 4,
            Self::F64 | Self::I64 => 8,
        }
    }

    /// Appends the values in `bytes` as float32, the nearest one where it cannot hold them.
    pub fn append_floats(self, bytes: &[u8], values: &mut Vec<f32>) {
        match self {
            Self::U8 => values.extend(bytes.iter().map(|&byte| f32::from(byte))),
            Self::I8 => values.extend(bytes.iter().map(|&byte| f32::from(byte as i8))),
            Self::F16 => {
                values.extend(
                    bytes
                        .as_chunks()
                        .0
                        .iter()
                        .map(|&b| f16::from_le_bytes(b).to_f32()),
                );
            }
            Self::F32 => values.extend(bytes.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b))),
            Self::F64 => {
                values.extend(
                    bytes
                        .as_chunks()
                        .0
                        .iter()
                        .map(|&b| f64::from_le_bytes(b) as f32),
                );
            }
            Self::I32 => {
                values.extend(
                    bytes
                        .as_chunks()
                        .0
                        .iter()
                        .map(|&b| i32::from_le_bytes(b) as f32),
                );
            }
            Self::I64 => {
                values.extend(
                    bytes
                        .as_chunks()
                        .0
                        .iter()
                        .map(|&b| i64::from_le_bytes(b) as f32),
                );
            }
        }
    }

    /// Appends the values in `bytes` as whole numbers; only of the integer formats.
    pub(super) fn append_integers(self, bytes: &[u8], values: &mut Vec<i64>) {
        match self {
            Self::I32 => {
                values.extend(
                    bytes
                        .as_chunks()
                        .0
                        .iter()
                        .map(|&b| i64::from(i32::from_le_bytes(b))),
                );
            }
            Self::I64 => values.extend(bytes.as_chunks().0.iter().map(|&b| i64::from_le_bytes(b))),
            _ => {}
        }
    }
}

//! The configuration as it is written: every key optional, nothing checked but its form.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use serde::de::{self, Deserializer, SeqAccess, Visitor};

use super::quantity::{DURATION_FORM, SIZE_FORM, parse_duration, parse_size};

/// How the text of an environment variable becomes the value of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Taken as it is.
    Text,
    /// Numbers, sizes, durations, booleans.
    Scalar,
    /// Texts with commas between them.
    List,
    /// TOML-like arrays and tables.
    Structure,
}

/// Every key there is.
pub(super) const KEYS: [(&str, Form); 26] = [
    ("http.listen", Form::Text),
    ("http.advertise", Form::Text),
    ("http.max_body", Form::Scalar),
    ("http.timeout", Form::Scalar),
    ("http.max_in_flight", Form::Scalar),
    ("http.tls_certificate", Form::Text),
    ("http.tls_key", Form::Text),
    ("grpc.listen", Form::Text),
    ("grpc.advertise", Form::Text),
    ("data_dir", Form::Text),
    ("data_slots", Form::Scalar),
    ("log_format", Form::Text),
    ("dim", Form::Scalar),
    ("shards", Form::Scalar),
    ("replicas", Form::Scalar),
    ("nodes_at_start", Form::Scalar),
    ("memory_budget", Form::Scalar),
    ("disk_reserve", Form::Scalar),
    ("seal_bytes", Form::Scalar),
    ("seal_after", Form::Scalar),
    ("api_keys", Form::Structure),
    ("dead_after", Form::Scalar),
    ("move_rate", Form::Scalar),
    ("split_at", Form::Scalar),
    ("cluster.peers", Form::List),
    ("cluster.join", Form::List),
];

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Raw {
    pub(super) http: RawHttp,
    pub(super) grpc: RawGrpc,
    pub(super) data_dir: Option<String>,
    pub(super) data_slots: Option<Switch>,
    pub(super) log_format: Option<String>,
    pub(super) dim: Option<Whole>,
    pub(super) shards: Option<Whole>,
    pub(super) replicas: Option<Whole>,
    pub(super) nodes_at_start: Option<Whole>,
    pub(super) memory_budget: Option<Size>,
    pub(super) disk_reserve: Option<Size>,
    pub(super) seal_bytes: Option<Size>,
    pub(super) dead_after: Option<Span>,
    pub(super) move_rate: Option<Size>,
    pub(super) split_at: Option<Whole>,
    pub(super) seal_after: Option<Span>,
    pub(super) api_keys: Vec<RawApiKey>,
    pub(super) cluster: RawCluster,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawHttp {
    pub(super) listen: Option<String>,
    pub(super) advertise: Option<String>,
    pub(super) max_body: Option<Size>,
    pub(super) timeout: Option<Span>,
    pub(super) max_in_flight: Option<Whole>,
    pub(super) tls_certificate: Option<String>,
    pub(super) tls_key: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawGrpc {
    pub(super) listen: Option<String>,
    pub(super) advertise: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawCluster {
    pub(super) peers: List,
    pub(super) join: List,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawApiKey {
    pub(super) name: String,
    pub(super) key: String,
    pub(super) rights: List,
}

/// A whole number, of any sign; its range is checked later.
#[derive(Debug, Clone, Copy)]
pub(super) struct Whole(pub(super) i64);

/// A number of bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size(pub(super) u64);

/// A duration.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span(pub(super) Duration);

/// On or off.
#[derive(Debug, Clone, Copy)]
pub(super) struct Switch(pub(super) bool);

/// Texts, as an array or with commas between them.
#[derive(Debug, Clone, Default)]
pub(super) struct List(pub(super) Vec<String>);

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct WholeVisitor;
        impl Visitor<'_> for WholeVisitor {
            type Value = Whole;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a whole number")
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Whole, E> {
                Ok(Whole(number))
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Whole, E> {
                Ok(Whole(i64::try_from(number).unwrap_or(i64::MAX)))
            }
        }
        deserializer.deserialize_any(WholeVisitor)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SizeVisitor;
        impl Visitor<'_> for SizeVisitor {
            type Value = Size;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(SIZE_FORM)
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Size, E> {
                let refused = |_| E::invalid_value(de::Unexpected::Signed(number), &self);
                u64::try_from(number).map(Size).map_err(refused)
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Size, E> {
                Ok(Size(number))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Size, E> {
                let refused = || E::invalid_value(de::Unexpected::Str(text), &self);
                parse_size(text).map(Size).ok_or_else(refused)
            }
        }
        deserializer.deserialize_any(SizeVisitor)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SpanVisitor;
        impl Visitor<'_> for SpanVisitor {
            type Value = Span;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(DURATION_FORM)
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Span, E> {
                let refused = |_| E::invalid_value(de::Unexpected::Signed(number), &self);
                u64::try_from(number)
                    .map(|seconds| Span(Duration::from_secs(seconds)))
                    .map_err(refused)
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Span, E> {
                Ok(Span(Duration::from_secs(number)))
            }

            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Span, E> {
                let refused = |_| E::invalid_value(de::Unexpected::Float(number), &self);
                Duration::try_from_secs_f64(number)
                    .map(Span)
                    .map_err(refused)
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Span, E> {
                let refused = || E::invalid_value(de::Unexpected::Str(text), &self);
                parse_duration(text).map(Span).ok_or_else(refused)
            }
        }
        deserializer.deserialize_any(SpanVisitor)
    }
}

impl<'de> Deserialize<'de> for Switch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SwitchVisitor;
        impl Visitor<'_> for SwitchVisitor {
            type Value = Switch;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("true or false")
            }

            fn visit_bool<E: de::Error>(self, on: bool) -> Result<Switch, E> {
                Ok(Switch(on))
            }

            // Environments often say 1 and 0.
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Switch, E> {
                match number {
                    0 => Ok(Switch(false)),
                    1 => Ok(Switch(true)),
                    _ => Err(E::invalid_value(de::Unexpected::Unsigned(number), &self)),
                }
            }
        }
        deserializer.deserialize_any(SwitchVisitor)
    }
}

impl<'de> Deserialize<'de> for List {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ListVisitor;
        impl<'de> Visitor<'de> for ListVisitor {
            type Value = List;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an array of texts, or texts with commas between them")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<List, E> {
                let items = text
                    .split(',')
                    .map(str::trim)
                    .filter(|item| !item.is_empty());
                Ok(List(items.map(str::to_owned).collect()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<List, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = sequence.next_element()? {
                    items.push(item);
                }
                Ok(List(items))
            }
        }
        deserializer.deserialize_any(ListVisitor)
    }
}

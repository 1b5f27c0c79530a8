//! From raw values to a [`Config`]: extraction, ranges, and what keys mean together.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use figment::error::Kind;
use figment::value::{Dict, Value};
use figment::{Figment, Profile, Provider};

use super::address::{is_host, port_of, with_scheme};
use super::error::{ConfigError, Refusal, shown};
use super::raw::{KEYS, Raw, RawApiKey};
use super::sources::Sources;
use super::{ApiKey, Cluster, Config, Grpc, Http, LogFormat, MAX_DIMENSION, Tls};

/// The longest key of the HTTP API, in bytes.
pub(crate) const MAX_API_KEY: usize = 256;

/// The file limit of a segment keeps its rows well under 2 GiB.
const SEAL_BYTES: RangeInclusive<u64> = 4 << 10..=1 << 30;

/// Most of a gigabit network stays free for searches and writes.
const DEFAULT_MOVE_RATE: u64 = 64 << 20;

impl Config {
    /// Reads and checks the whole configuration.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, a key that does not exist, a value out of its range: all that
    /// is wrong at once.
    pub fn load(sources: &Sources) -> Result<Config, ConfigError> {
        let figment = sources.layers()?;
        let mut check = Check {
            figment: &figment,
            refusals: Vec::new(),
        };
        check.refuse_unknown_keys();
        if !check.refusals.is_empty() {
            return Err(ConfigError::Refused(check.refusals));
        }
        let raw = match figment.extract::<Raw>() {
            Ok(raw) => raw,
            Err(error) => {
                error
                    .into_iter()
                    .for_each(|error| check.refuse_form(&error));
                return Err(ConfigError::Refused(check.refusals));
            }
        };
        let config = check.validate(raw);
        if check.refusals.is_empty() {
            Ok(config)
        } else {
            Err(ConfigError::Refused(check.refusals))
        }
    }
}

/// Checks values and collects what is wrong with them.
pub(super) struct Check<'a> {
    figment: &'a Figment,
    refusals: Vec<Refusal>,
}

impl Check<'_> {
    pub(super) fn refuse(&mut self, key: &str, reason: impl Into<String>) {
        let found = self.figment.find_value(key).ok();
        let source = found
            .as_ref()
            .and_then(|value| self.figment.get_metadata(value.tag()))
            .map_or_else(
                || "built-in default".to_owned(),
                |metadata| metadata.name.to_string(),
            );
        self.refusals.push(Refusal {
            key: key.to_owned(),
            value: found.map(|value| shown(key, &value)),
            source,
            reason: reason.into(),
        });
    }

    fn refuse_unknown_keys(&mut self) {
        let values = self.figment.data().unwrap_or_default();
        let top = values.get(&Profile::Default).cloned().unwrap_or_default();
        self.refuse_unknown_keys_of("", &top);
    }

    fn refuse_unknown_keys_of(&mut self, table: &str, values: &Dict) {
        for (name, value) in values {
            let key = if table.is_empty() {
                name.clone()
            } else {
                format!("{table}.{name}")
            };
            if KEYS.iter().any(|(known, _)| *known == key) {
                continue;
            }
            let is_table = KEYS.iter().any(|(known, _)| {
                known
                    .strip_prefix(&key)
                    .is_some_and(|rest| rest.starts_with('.'))
            });
            match (is_table, value) {
                (true, Value::Dict(_, inner)) => self.refuse_unknown_keys_of(&key, inner),
                (true, _) => self.refuse(&key, format!("is a table: write its keys as [{key}]")),
                (false, _) => {
                    let metadata = self.figment.get_metadata(value.tag());
                    let source = metadata.map_or("", |metadata| &metadata.name);
                    let text = shown(&key, value);
                    let mut refusal = Refusal::unknown_key(&key, None, source);
                    refusal.value = Some(text);
                    self.refusals.push(refusal);
                }
            }
        }
    }

    /// A value of the wrong type or spelling, as figment found it.
    fn refuse_form(&mut self, error: &figment::Error) {
        let key = error.path.join(".");
        let reason = match &error.kind {
            Kind::InvalidType(_, expected) | Kind::InvalidValue(_, expected) => {
                format!("must be {expected}")
            }
            Kind::UnknownField(field, known) => {
                format!(
                    "has no field {field:?}; its fields are {}",
                    known.join(", ")
                )
            }
            Kind::MissingField(field) => format!("lacks the field {field:?}"),
            other => other.to_string(),
        };
        // Within a list of keys figment's path goes deeper than the key itself.
        let known = KEYS
            .iter()
            .map(|(known, _)| *known)
            .find(|known| key.starts_with(known));
        match known {
            Some(known) if known != key => self.refuse(known, format!("{key} {reason}")),
            _ => self.refuse(&key, reason),
        }
    }

    fn validate(&mut self, raw: Raw) -> Config {
        let tls = self.tls(raw.http.tls_certificate, raw.http.tls_key);
        let http = Http {
            listen: self.address("http.listen", raw.http.listen, ([127, 0, 0, 1], 8000)),
            advertise: self.advertised("http.advertise", raw.http.advertise),
            max_body: self.size(
                "http.max_body",
                raw.http.max_body,
                256 << 20,
                1 << 10..=4 << 30,
            ),
            timeout: self.span("http.timeout", raw.http.timeout, (1, "1 ms")),
            max_in_flight: self.whole(
                "http.max_in_flight",
                raw.http.max_in_flight,
                1024,
                1..=1_000_000,
            ),
            tls,
        };
        let grpc = Grpc {
            listen: self.address("grpc.listen", raw.grpc.listen, ([127, 0, 0, 1], 8100)),
            advertise: self.advertised("grpc.advertise", raw.grpc.advertise),
        };
        let budget = 1..=i64::MAX as u64;
        Config {
            http,
            grpc,
            data_dir: self.data_dir(raw.data_dir),
            data_slots: raw.data_slots.is_some_and(|switch| switch.0),
            log_format: self.log_format(raw.log_format),
            dimension: raw
                .dim
                .map(|dim| self.whole("dim", Some(dim), 1, 1..=MAX_DIMENSION)),
            shards: self.whole("shards", raw.shards, 6, 1..=4096),
            replicas: self.whole("replicas", raw.replicas, 3, 1..=9),
            nodes_at_start: self.whole("nodes_at_start", raw.nodes_at_start, 1, 1..=1000),
            memory_budget: raw
                .memory_budget
                .map(|size| self.size("memory_budget", Some(size), 1, budget)),
            disk_reserve: self.size(
                "disk_reserve",
                raw.disk_reserve,
                512 << 20,
                0..=i64::MAX as u64,
            ),
            seal_bytes: self.size("seal_bytes", raw.seal_bytes, 16 << 20, SEAL_BYTES),
            dead_after: self.dead_after(raw.dead_after.map(|span| span.0)),
            move_rate: Some(self.size(
                "move_rate",
                raw.move_rate,
                DEFAULT_MOVE_RATE,
                0..=i64::MAX as u64,
            ))
            .filter(|rate| *rate > 0),
            split_at: self.split_at(raw.split_at),
            seal_after: self.span("seal_after", raw.seal_after, (100, "100 ms")),
            api_keys: self.api_keys(raw.api_keys),
            cluster: self.cluster(raw.cluster.peers.0, raw.cluster.join.0),
        }
    }

    fn address(&mut self, key: &str, text: Option<String>, default: ([u8; 4], u16)) -> SocketAddr {
        let Some(text) = text else {
            return SocketAddr::from(default);
        };
        let numeric = text.replace("localhost:", "127.0.0.1:");
        numeric.parse().unwrap_or_else(|_| {
            self.refuse(
                key,
                "must be an address and a port, such as \"127.0.0.1:8000\"",
            );
            SocketAddr::from(default)
        })
    }

    /// `host` or `host:port`, resolved at every dial and so never looked up here.
    fn advertised(&mut self, key: &str, name: Option<String>) -> Option<String> {
        let name = name?;
        if !is_host(&name) {
            self.refuse(
                key,
                "must be a name or a name and a port, such as \"node-1:8100\"",
            );
        }
        Some(name)
    }

    fn tls(&mut self, certificate: Option<String>, key: Option<String>) -> Option<Tls> {
        match (certificate, key) {
            (Some(certificate), Some(key)) => Some(Tls {
                certificate: PathBuf::from(certificate),
                key: PathBuf::from(key),
            }),
            (Some(_), None) => {
                self.refuse("http.tls_certificate", "needs http.tls_key beside it");
                None
            }
            (None, Some(_)) => {
                self.refuse("http.tls_key", "needs http.tls_certificate beside it");
                None
            }
            (None, None) => None,
        }
    }

    fn data_dir(&mut self, given: Option<String>) -> PathBuf {
        let given = given.unwrap_or_else(|| "./vectra-data".to_owned());
        if given.trim().is_empty() {
            self.refuse("data_dir", "must be a directory");
        }
        PathBuf::from(given)
    }

    fn log_format(&mut self, given: Option<String>) -> LogFormat {
        match given.as_deref() {
            None | Some("text") => LogFormat::Text,
            Some("json") => LogFormat::Json,
            Some(_) => {
                self.refuse("log_format", "must be \"text\" or \"json\"");
                LogFormat::Text
            }
        }
    }

    fn api_keys(&mut self, given: Vec<RawApiKey>) -> Vec<ApiKey> {
        let mut names = HashSet::new();
        let mut secrets = HashSet::new();
        let mut keys = Vec::with_capacity(given.len());
        for (index, raw) in given.into_iter().enumerate() {
            let place = format!("api_keys[{index}]");
            if raw.name.is_empty() || !names.insert(raw.name.clone()) {
                self.refuse(
                    "api_keys",
                    format!("{place}: its name must be there and its own"),
                );
            }
            let printable = raw.key.bytes().all(|byte| byte.is_ascii_graphic());
            if raw.key.is_empty() || raw.key.len() > MAX_API_KEY || !printable {
                let reason =
                    format!("{place}: its key must be 1 to {MAX_API_KEY} visible ASCII characters");
                self.refuse("api_keys", reason);
            }
            if !secrets.insert(raw.key.clone()) {
                self.refuse(
                    "api_keys",
                    format!("{place}: another entry has the same key"),
                );
            }
            let rights = &raw.rights.0;
            let has = |wanted: &str| rights.iter().any(|right| right == wanted);
            if rights.is_empty()
                || !rights
                    .iter()
                    .all(|right| right == "read" || right == "write")
            {
                let reason = format!("{place}: its rights must be of \"read\" and \"write\"");
                self.refuse("api_keys", reason);
            }
            keys.push(ApiKey {
                read: has("read"),
                write: has("write"),
                name: raw.name,
                key: raw.key,
            });
        }
        keys
    }

    fn cluster(&mut self, peers: Vec<String>, join: Vec<String>) -> Cluster {
        if !peers
            .iter()
            .all(|peer| is_host(peer) && port_of(peer).is_some())
        {
            self.refuse(
                "cluster.peers",
                "must be gRPC names with ports, such as \"coordinator-1:8100\"",
            );
        }
        let join: Vec<String> = join.iter().map(|url| with_scheme(url)).collect();
        let is_url = |url: &String| url.split_once("://").is_some_and(|(_, rest)| is_host(rest));
        if !join.iter().all(is_url) {
            self.refuse(
                "cluster.join",
                "must be HTTP addresses of coordinators, such as \"http://coordinator-1:8000\"",
            );
        }
        if !peers.is_empty() && !join.is_empty() {
            self.refuse(
                "cluster.join",
                "cannot stand beside cluster.peers: found a cluster or join one",
            );
        }
        Cluster { peers, join }
    }
}

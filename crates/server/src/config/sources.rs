//! Where configuration comes from: a file, the environment, flags. Each value remembers which.

use std::path::{Path, PathBuf};

use figment::providers::{Format, Toml};
use figment::util::nest;
use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};

use super::error::{ConfigError, Refusal};
use super::raw::{Form, KEYS};

/// The file that is read when no other is named.
const DEFAULT_FILE: &str = "vectra.toml";

/// Variables with the prefix that are no configuration: the kernel's instruction set and the log
/// filter, both read elsewhere.
const READ_ELSEWHERE: [&str; 2] = ["VECTRA_ISA", "VECTRA_LOG"];

/// Settings of the test suite, which a server under test inherits.
const TEST_PREFIX: &str = "VECTRA_TEST_";

/// Everything a configuration is read from.
#[derive(Debug, Default)]
pub struct Sources {
    /// The file of `--config`; without one, `vectra.toml` in the working directory, if it is there.
    pub file: Option<PathBuf>,
    /// The environment; variables without the prefix `VECTRA_` are ignored.
    pub environment: Vec<(String, String)>,
    /// Values of flags, each with its flag, its key and its text; a later one wins.
    pub flags: Vec<FlagValue>,
}

/// What one command-line flag says about one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlagValue {
    /// The flag, such as `--listen`.
    pub flag: &'static str,
    /// The key, such as `http.listen`.
    pub key: &'static str,
    /// What was given.
    pub value: String,
}

impl Sources {
    /// The environment of this process, no file named, no flags.
    pub fn from_environment() -> Self {
        let readable = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((
                name.into_string().ok()?,
                value.to_string_lossy().into_owned(),
            ))
        };
        Sources {
            environment: std::env::vars_os().filter_map(readable).collect(),
            ..Sources::default()
        }
    }

    /// Puts the sources on top of each other.
    pub(super) fn layers(&self) -> Result<Figment, ConfigError> {
        let mut figment = Figment::new();
        if let Some(layer) = file_layer(self.file.as_deref())? {
            figment = figment.merge(layer);
        }
        for (name, value) in &self.environment {
            if let Some(layer) = environment_layer(name, value)? {
                figment = figment.merge(layer);
            }
        }
        for flag in &self.flags {
            figment = figment.merge(Layer {
                origin: format!("flag {}", flag.flag),
                values: nested(flag.key, &flag.value),
            });
        }
        Ok(figment)
    }
}

/// Values with one origin.
struct Layer {
    origin: String,
    values: Dict,
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.origin.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Profile::Default.collect(self.values.clone()))
    }
}

fn file_layer(named: Option<&Path>) -> Result<Option<Layer>, ConfigError> {
    let path = named.unwrap_or_else(|| Path::new(DEFAULT_FILE));
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => {
            return Ok(None);
        }
        Err(source) => {
            return Err(ConfigError::File {
                path: path.to_owned(),
                source,
            });
        }
    };
    let values: Dict = Toml::from_str(&text).map_err(|error| ConfigError::Syntax {
        path: path.to_owned(),
        reason: error.to_string().trim_end().to_owned(),
    })?;
    Ok(Some(Layer {
        origin: format!("file {}", path.display()),
        values,
    }))
}

fn environment_layer(name: &str, value: &str) -> Result<Option<Layer>, ConfigError> {
    let Some(rest) = name.strip_prefix("VECTRA_") else {
        return Ok(None);
    };
    if READ_ELSEWHERE.contains(&name) || name.starts_with(TEST_PREFIX) {
        return Ok(None);
    }
    // `VECTRA_DIM=` is how compose files and shells leave a variable out.
    if value.is_empty() {
        return Ok(None);
    }
    let origin = format!("environment variable {name}");
    let key = rest.to_ascii_lowercase().replace("__", ".");
    // A key with an empty level would vanish in nesting instead of being refused.
    if key.split('.').any(str::is_empty) {
        return Err(ConfigError::Refused(vec![Refusal::unknown_key(
            &key,
            Some(value),
            &origin,
        )]));
    }
    Ok(Some(Layer {
        origin,
        values: nested(&key, value),
    }))
}

/// The text under its key, read as the key's form says.
fn nested(key: &str, text: &str) -> Dict {
    let form = KEYS
        .iter()
        .find(|(name, _)| *name == key)
        .map_or(Form::Text, |(_, form)| *form);
    let value = match form {
        Form::Text => Value::from(text),
        Form::List if !text.trim_start().starts_with('[') => Value::from(text),
        // Never fails: what is no number, boolean, array or table is a text.
        Form::Scalar | Form::Structure | Form::List => {
            text.parse().unwrap_or_else(|_| Value::from(text))
        }
    };
    nest(key, value).into_dict().unwrap_or_default()
}

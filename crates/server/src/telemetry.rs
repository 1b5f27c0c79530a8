//! What the process says of itself: log lines on standard error.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::config::LogFormat;

/// The variable that holds the filter.
const FILTER_VARIABLE: &str = "VECTRA_LOG";

/// What is logged unless the filter says otherwise: the libraries below speak of their own insides.
/// (raft-engine warns of the torn end that every crash leaves; damage is told by `cluster`. openraft says several
/// times a second, of each shard, that a node is away, and which messages it passes over.)
const DEFAULT_FILTER: &str = "info,openraft=error,openraft::replication=off,raft_engine=error,h2=warn,hyper=warn,tower=warn,rustls=warn";

/// Begins to log. Only the first call of a process counts.
///
/// # Errors
///
/// If `VECTRA_LOG` is no filter.
pub(crate) fn start(format: LogFormat) -> anyhow::Result<()> {
    let text = std::env::var(FILTER_VARIABLE).unwrap_or_default();
    let filter = filter(&text)?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    // An error means that logging was started before.
    let _ = match format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    Ok(())
}

/// The default filter, with what is given on top of it.
fn filter(text: &str) -> anyhow::Result<EnvFilter> {
    let filter = match text.trim() {
        "" => DEFAULT_FILTER.to_owned(),
        given => format!("{DEFAULT_FILTER},{given}"),
    };
    EnvFilter::try_new(filter).map_err(|error| {
        anyhow::anyhow!(
            "{FILTER_VARIABLE} = {text:?} is no filter ({error}); write a level such as debug, or \
             levels of parts such as info,vectra_server=debug"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_a_level_or_levels_of_parts() {
        for text in ["", "debug", "warn,vectra_server=trace"] {
            assert!(filter(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn what_is_no_filter_is_refused_by_name() {
        let message = filter("info,a=b=c").unwrap_err().to_string();
        assert!(
            message.starts_with("VECTRA_LOG = \"info,a=b=c\""),
            "{message}"
        );
    }

    #[test]
    fn a_level_given_replaces_the_default_level() {
        let filter = filter("debug").unwrap().to_string();
        assert!(filter.split(',').any(|part| part == "debug"), "{filter}");
        assert!(!filter.split(',').any(|part| part == "info"), "{filter}");
    }
}

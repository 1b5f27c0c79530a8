//! What a person reads first.

use std::io::Write;
use std::net::TcpListener;

use crate::config::{Config, Role};

/// Prints where the API is and, for the embedded default, something to paste.
pub(super) fn print(role: Role, config: &Config, http: &TcpListener) -> std::io::Result<()> {
    let address = http.local_addr()?;
    let scheme = if config.http.tls.is_some() {
        "https"
    } else {
        "http"
    };
    let reached_at = if address.ip().is_unspecified() {
        format!("localhost:{}", address.port())
    } else {
        address.to_string()
    };
    let url = format!("{scheme}://{reached_at}");
    let mut out = std::io::stdout().lock();
    match role {
        Role::Serve | Role::Coordinator => {
            let what = if role == Role::Serve {
                "serves"
            } else {
                "coordinates"
            };
            writeln!(
                out,
                "Vectra {} {what} at {url}  (API: {url}/docs)",
                env!("CARGO_PKG_VERSION")
            )?;
            let json = "-H 'Content-Type: application/json'";
            writeln!(out, "Try:")?;
            writeln!(
                out,
                "  curl {url}/ingest {json} -d '{{\"vectors\": [[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]], \"ids\": [\"item_1\", \"item_2\"]}}'"
            )?;
            writeln!(
                out,
                "  curl {url}/search {json} -d '{{\"vector\": [0.1, 0.2, 0.3], \"k\": 2}}'"
            )?;
        }
        Role::Shard => {
            let version = env!("CARGO_PKG_VERSION");
            writeln!(out, "Vectra {version} shard node; health at {url}/health")?;
        }
    }
    if !address.ip().is_loopback() && config.api_keys.is_empty() {
        tracing::warn!(
            %address,
            "THE API IS OPEN TO EVERYONE WHO REACHES THIS PORT: it listens beyond this machine \
             without an API key; set `api_keys`, or listen on 127.0.0.1"
        );
    }
    out.flush()
}

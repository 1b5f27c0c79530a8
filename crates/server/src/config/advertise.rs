//! The names by which other nodes reach this one.

use std::net::SocketAddr;

use super::address::port_of;
use super::{Config, Grpc};

impl Config {
    /// `name:port` by which other nodes reach the gRPC port that was bound to `bound`.
    ///
    /// That is `grpc.advertise` (with the bound port if it names none), else the host's name if
    /// other machines can reach the port, else the bound address.
    pub fn grpc_advertised(&self, bound: SocketAddr) -> String {
        match &self.grpc.advertise {
            Some(name) => with_port(name, bound.port()),
            None => reachable_name(bound),
        }
    }

    /// URL by which clients and other nodes reach the HTTP port that was bound to `bound`.
    ///
    /// That is `http.advertise`, else the name of `grpc.advertise` with the HTTP port, else as for
    /// gRPC.
    pub fn http_advertised(&self, bound: SocketAddr) -> String {
        let name = match (&self.http.advertise, &self.grpc) {
            (Some(name), _) => with_port(name, bound.port()),
            (
                None,
                Grpc {
                    advertise: Some(name),
                    ..
                },
            ) if !bound.ip().is_loopback() => {
                format!("{}:{}", without_port(name), bound.port())
            }
            _ => reachable_name(bound),
        };
        let scheme = if self.http.tls.is_some() {
            "https"
        } else {
            "http"
        };
        format!("{scheme}://{name}")
    }
}

fn reachable_name(bound: SocketAddr) -> String {
    if bound.ip().is_loopback() {
        return bound.to_string();
    }
    let uname = rustix::system::uname();
    match uname.nodename().to_str() {
        Ok(name) if !name.is_empty() => format!("{name}:{}", bound.port()),
        _ => bound.to_string(),
    }
}

fn with_port(name: &str, port: u16) -> String {
    let has_port = !name.ends_with(']') && port_of(name).is_some();
    if has_port {
        name.to_owned()
    } else {
        format!("{name}:{port}")
    }
}

fn without_port(name: &str) -> &str {
    match name.rsplit_once(':') {
        Some((host, _)) if !name.ends_with(']') => host,
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Sources;

    fn config(variables: &[(&str, &str)]) -> Config {
        let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let environment = variables.iter().map(pair).collect();
        Config::load(&Sources {
            environment,
            ..Sources::default()
        })
        .unwrap()
    }

    #[test]
    fn a_loopback_port_is_advertised_as_it_is() {
        let bound = "127.0.0.1:8123".parse().unwrap();
        assert_eq!(config(&[]).grpc_advertised(bound), "127.0.0.1:8123");
        assert_eq!(config(&[]).http_advertised(bound), "http://127.0.0.1:8123");
    }

    #[test]
    fn an_open_port_is_advertised_by_the_name_of_the_host() {
        let advertised = config(&[]).grpc_advertised("0.0.0.0:8100".parse().unwrap());
        assert!(!advertised.starts_with("0.0.0.0"), "{advertised}");
        assert!(advertised.ends_with(":8100"), "{advertised}");
    }

    #[test]
    fn a_name_given_wins_and_gets_the_port_if_it_has_none() {
        let bound = "0.0.0.0:8100".parse().unwrap();
        let named = config(&[("VECTRA_GRPC__ADVERTISE", "node-1")]);
        assert_eq!(named.grpc_advertised(bound), "node-1:8100");
        let with_port = config(&[("VECTRA_GRPC__ADVERTISE", "node-1:9")]);
        assert_eq!(with_port.grpc_advertised(bound), "node-1:9");
        let http_bound = "0.0.0.0:8000".parse().unwrap();
        assert_eq!(with_port.http_advertised(http_bound), "http://node-1:8000");
    }
}

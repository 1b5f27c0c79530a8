//! Names, ports and URLs as they are written in a configuration.

/// `host`, `host:port`, `[::1]:port`.
pub(super) fn is_host(name: &str) -> bool {
    let host = match name.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((inside, "")) => return inside.parse::<std::net::Ipv6Addr>().is_ok(),
            Some((inside, after)) => {
                return inside.parse::<std::net::Ipv6Addr>().is_ok()
                    && after
                        .strip_prefix(':')
                        .is_some_and(|port| port.parse::<u16>().is_ok());
            }
            None => return false,
        },
        None => match name.split_once(':') {
            Some((_, port)) if port.parse::<u16>().is_err() => return false,
            Some((host, _)) => host,
            None => name,
        },
    };
    let in_a_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    !host.is_empty() && host.bytes().all(in_a_name)
}

/// The port of `host:port`, if there is one.
pub(super) fn port_of(name: &str) -> Option<u16> {
    name.rsplit_once(':')
        .and_then(|(_, port)| port.parse().ok())
}

/// `host:port` means plain HTTP.
pub(super) fn with_scheme(url: &str) -> String {
    let url = url.trim_end_matches('/');
    if url.starts_with("http://") || url.starts_with("https://") {
        return url.to_owned();
    }
    format!("http://{url}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_names_or_addresses_perhaps_with_a_port() {
        for host in [
            "a",
            "node-1.internal",
            "10.0.0.1:80",
            "[::1]",
            "[::1]:80",
            "under_score:1",
        ] {
            assert!(is_host(host), "{host}");
        }
        for other in [
            "", ":80", "a:", "a:99999", "a b", "http://a", "[::1", "[x]:1", "a/b", "::1",
        ] {
            assert!(!is_host(other), "{other}");
        }
    }

    #[test]
    fn an_address_without_a_scheme_is_plain_http() {
        assert_eq!(with_scheme("a:80/"), "http://a:80");
        assert_eq!(with_scheme("https://a"), "https://a");
    }
}

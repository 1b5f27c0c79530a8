//! What a configuration accepts, which source wins, and what a refusal says.

use std::io::Write;
use std::time::Duration;

use super::*;

fn environment(variables: &[(&str, &str)]) -> Sources {
    let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Sources {
        environment: variables.iter().map(pair).collect(),
        ..Sources::default()
    }
}

fn file(text: &str) -> (tempfile::NamedTempFile, Sources) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    let sources = Sources {
        file: Some(file.path().to_owned()),
        ..Sources::default()
    };
    (file, sources)
}

fn refusal(sources: &Sources) -> Refusal {
    match Config::load(sources) {
        Err(ConfigError::Refused(refusals)) => {
            assert_eq!(refusals.len(), 1, "{refusals:?}");
            refusals.into_iter().next().unwrap()
        }
        other => panic!("expected a refusal, got {other:?}"),
    }
}

#[test]
fn nothing_given_means_the_defaults() {
    let config = Config::load(&Sources::default()).unwrap();
    assert_eq!(config.http.listen.to_string(), "127.0.0.1:8000");
    assert_eq!(config.http.max_body, 256 << 20);
    assert_eq!(config.http.timeout, Duration::from_secs(30));
    assert_eq!(config.http.max_in_flight, 1024);
    assert_eq!(config.grpc.listen.to_string(), "127.0.0.1:8100");
    assert_eq!(config.data_dir, PathBuf::from("./vectra-data"));
    assert_eq!(
        (config.shards, config.replicas, config.nodes_at_start),
        (6, 3, 1)
    );
    assert_eq!((config.dimension, config.memory_budget), (None, None));
    assert_eq!(
        (config.disk_reserve, config.seal_bytes),
        (512 << 20, 16 << 20)
    );
    assert_eq!(config.seal_after, Duration::from_secs(30));
    assert_eq!(config.split_at, 2_000_000);
    assert!(config.api_keys.is_empty() && !config.data_slots && config.http.tls.is_none());
}

#[test]
fn a_file_gives_every_key() {
    let (_file, sources) = file(
        r#"
        data_dir = "/srv/vectra"
        data_slots = true
        log_format = "json"
        dim = 384
        shards = 4
        replicas = 1
        nodes_at_start = 3
        memory_budget = "2GiB"
        disk_reserve = 0
        seal_bytes = "64KiB"
        seal_after = "5m"
        split_at = 300
        [http]
        listen = "0.0.0.0:80"
        advertise = "vectra.example"
        max_body = 1048576
        timeout = 2.5
        max_in_flight = 1
        tls_certificate = "cert.pem"
        tls_key = "key.pem"
        [grpc]
        listen = "[::1]:8100"
        advertise = "node-1:8100"
        [cluster]
        peers = ["a:1", "b:2"]
        [[api_keys]]
        name = "reader"
        key = "secret-1"
        rights = ["read"]
        [[api_keys]]
        name = "both"
        key = "secret-2"
        rights = ["read", "write"]
        "#,
    );
    let config = Config::load(&sources).unwrap();
    assert_eq!(config.http.timeout, Duration::from_millis(2500));
    assert_eq!(config.http.max_body, 1 << 20);
    assert_eq!(config.dimension, Some(384));
    assert_eq!(config.memory_budget, Some(2 << 30));
    assert_eq!(config.seal_after, Duration::from_secs(300));
    assert_eq!(config.cluster.peers, ["a:1", "b:2"]);
    assert_eq!(config.log_format, LogFormat::Json);
    assert!(config.data_slots);
    let rights: Vec<_> = config
        .api_keys
        .iter()
        .map(|key| (key.read, key.write))
        .collect();
    assert_eq!(rights, [(true, false), (true, true)]);
}

#[test]
fn flags_win_over_the_environment_and_that_over_the_file() {
    let (_file, mut sources) = file("shards = 1\nreplicas = 1\ndata_dir = \"from-file\"");
    sources.environment = environment(&[
        ("VECTRA_REPLICAS", "2"),
        ("VECTRA_DATA_DIR", "from-environment"),
    ])
    .environment;
    sources.flags = vec![FlagValue {
        flag: "--data-dir",
        key: "data_dir",
        value: "from-flag".to_owned(),
    }];
    let config = Config::load(&sources).unwrap();
    assert_eq!((config.shards, config.replicas), (1, 2));
    assert_eq!(config.data_dir, PathBuf::from("from-flag"));
}

#[test]
fn the_environment_reaches_every_form_of_value() {
    let config = Config::load(&environment(&[
        ("VECTRA_HTTP__LISTEN", "localhost:9000"),
        ("VECTRA_HTTP__MAX_BODY", "1MiB"),
        ("VECTRA_HTTP__TIMEOUT", "500ms"),
        ("VECTRA_DATA_SLOTS", "1"),
        ("VECTRA_DATA_DIR", "007"),
        ("VECTRA_DIM", "3"),
        ("VECTRA_CLUSTER__JOIN", "http://a:8000/, b:8000"),
        (
            "VECTRA_API_KEYS",
            r#"[{name="ci", key="k1", rights="read,write"}]"#,
        ),
    ]))
    .unwrap();
    assert_eq!(config.http.listen.to_string(), "127.0.0.1:9000");
    assert_eq!(config.http.max_body, 1 << 20);
    assert_eq!(config.http.timeout, Duration::from_millis(500));
    assert_eq!(
        config.data_dir,
        PathBuf::from("007"),
        "a text stays the text it was"
    );
    assert_eq!(config.cluster.join, ["http://a:8000", "http://b:8000"]);
    assert!(config.data_slots && config.api_keys[0].write);
}

#[test]
fn an_unknown_key_is_named_with_its_value_and_its_source() {
    let refused = refusal(&environment(&[("VECTRA_HTTP__MAX_BDY", "1MiB")]));
    assert_eq!(refused.key, "http.max_bdy");
    assert_eq!(refused.value.as_deref(), Some("\"1MiB\""));
    assert_eq!(refused.source, "environment variable VECTRA_HTTP__MAX_BDY");
    assert!(
        refused.reason.contains("did you mean http.max_body?"),
        "{refused}"
    );

    let (file, sources) = file("[http]\nlisten = \"127.0.0.1:1\"\nspeed = 9");
    let refused = refusal(&sources);
    assert_eq!(
        (refused.key.as_str(), refused.value.as_deref()),
        ("http.speed", Some("9"))
    );
    assert!(
        refused.source.contains(&file.path().display().to_string()),
        "{refused}"
    );
}

#[test]
fn variables_that_are_read_elsewhere_are_no_keys() {
    let sources = environment(&[
        ("VECTRA_LOG", "debug"),
        ("VECTRA_ISA", "scalar"),
        ("VECTRA_TEST_SEED", "7"),
        ("VECTRA_DIM", ""),
        ("HOME", "/root"),
    ]);
    assert_eq!(
        Config::load(&sources).unwrap(),
        Config::load(&Sources::default()).unwrap()
    );
}

#[test]
fn a_value_out_of_range_is_named_with_its_source() {
    let cases = [
        ("VECTRA_DIM", "dim", "0", "1 to 4096"),
        ("VECTRA_DIM", "dim", "4097", "1 to 4096"),
        ("VECTRA_SHARDS", "shards", "-1", "1 to 4096"),
        ("VECTRA_SHARDS", "shards", "2.5", "whole number"),
        ("VECTRA_SPLIT_AT", "split_at", "99", "or 0 for never"),
        ("VECTRA_SHARDS", "shards", "\"many\"", "whole number"),
        (
            "VECTRA_HTTP__MAX_IN_FLIGHT",
            "http.max_in_flight",
            "0",
            "1 to 1000000",
        ),
        (
            "VECTRA_HTTP__MAX_BODY",
            "http.max_body",
            "\"12 parsecs\"",
            "256MiB",
        ),
        (
            "VECTRA_HTTP__MAX_BODY",
            "http.max_body",
            "1",
            "1 KiB to 4 GiB",
        ),
        (
            "VECTRA_HTTP__TIMEOUT",
            "http.timeout",
            "\"0s\"",
            "1 ms to 1 h",
        ),
        ("VECTRA_SEAL_AFTER", "seal_after", "\"2h\"", "100 ms to 1 h"),
        (
            "VECTRA_HTTP__LISTEN",
            "http.listen",
            "\"8000\"",
            "127.0.0.1:8000",
        ),
        (
            "VECTRA_HTTP__TLS_KEY",
            "http.tls_key",
            "\"a.pem\"",
            "http.tls_certificate",
        ),
        (
            "VECTRA_GRPC__ADVERTISE",
            "grpc.advertise",
            "\"http://a\"",
            "node-1:8100",
        ),
        (
            "VECTRA_LOG_FORMAT",
            "log_format",
            "\"xml\"",
            "\"text\" or \"json\"",
        ),
        ("VECTRA_DATA_SLOTS", "data_slots", "2", "true or false"),
        (
            "VECTRA_CLUSTER__PEERS",
            "cluster.peers",
            "\"a,b\"",
            "coordinator-1:8100",
        ),
    ];
    for (variable, key, value, expected) in cases {
        let given = value.trim_matches('"');
        let refused = refusal(&environment(&[(variable, given)]));
        assert_eq!(refused.key, key);
        assert_eq!(refused.value.as_deref(), Some(value), "{refused}");
        assert_eq!(refused.source, format!("environment variable {variable}"));
        assert!(refused.reason.contains(expected), "{refused}");
    }
}

#[test]
fn a_refused_flag_is_named() {
    let flag = FlagValue {
        flag: "--listen",
        key: "http.listen",
        value: "nowhere".to_owned(),
    };
    let sources = Sources {
        flags: vec![flag],
        ..Sources::default()
    };
    let message = Config::load(&sources).unwrap_err().to_string();
    assert!(
        message.contains("http.listen = \"nowhere\" (from flag --listen)"),
        "{message}"
    );
}

#[test]
fn secrets_are_never_printed() {
    let (_file, sources) =
        file("[[api_keys]]\nname = \"a\"\nkey = \"hunter2\"\nrights = [\"admin\"]");
    let message = Config::load(&sources).unwrap_err().to_string();
    assert!(message.contains("api_keys[0]: its rights"), "{message}");
    assert!(!message.contains("hunter2"), "{message}");
    let misspelt = environment(&[("VECTRA_API_KEY", "hunter2")]);
    let message = Config::load(&misspelt).unwrap_err().to_string();
    assert!(!message.contains("hunter2"), "{message}");
}

#[test]
fn a_key_without_its_fields_says_which() {
    let (_file, sources) = file("[[api_keys]]\nname = \"a\"\nrights = [\"read\"]");
    let message = Config::load(&sources).unwrap_err().to_string();
    assert!(message.contains("lacks the field \"key\""), "{message}");
}

#[test]
fn everything_wrong_is_said_at_once() {
    let sources = environment(&[("VECTRA_DIM", "0"), ("VECTRA_SHARDS", "0")]);
    let Err(ConfigError::Refused(refusals)) = Config::load(&sources) else {
        panic!("must be refused");
    };
    assert_eq!(refusals.len(), 2, "{refusals:?}");
}

#[test]
fn a_named_file_must_exist_and_be_toml() {
    let missing = Sources {
        file: Some("/nowhere/vectra.toml".into()),
        ..Sources::default()
    };
    let message = Config::load(&missing).unwrap_err().to_string();
    assert!(message.contains("/nowhere/vectra.toml"), "{message}");
    let (_file, broken) = file("shards = = 3");
    let message = Config::load(&broken).unwrap_err().to_string();
    assert!(message.contains("not valid TOML"), "{message}");
}

#[test]
fn founding_and_joining_exclude_each_other() {
    let sources = environment(&[
        ("VECTRA_CLUSTER__PEERS", "a:1"),
        ("VECTRA_CLUSTER__JOIN", "http://b:2"),
    ]);
    assert_eq!(refusal(&sources).key, "cluster.join");
}

#[test]
fn the_documentation_lists_every_key() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configuration.md");
    let text = std::fs::read_to_string(path).unwrap();
    for (key, _) in super::raw::KEYS {
        assert!(
            text.contains(&format!("| `{key}` |")),
            "docs/configuration.md lacks {key}"
        );
    }
}

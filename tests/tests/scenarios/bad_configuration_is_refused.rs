//! An unknown key or a value out of range stops the start, with the key, the value and the source.

use vectra_tests::process::Vectra;

#[test]
fn an_unknown_key_is_named_with_its_source() {
    let said = Vectra::serve()
        .configured("[http]\nlisten_on = \"127.0.0.1:1\"\n")
        .refusal();
    assert!(
        said.contains("listen_on") && said.contains("serve.toml"),
        "{said}"
    );
    let said = Vectra::serve().set("http.max_bodi", "1").refusal();
    assert!(said.to_lowercase().contains("max_bodi"), "{said}");
    assert!(
        said.to_lowercase().contains("environment") || said.contains("VECTRA_"),
        "{said}"
    );
}

#[test]
fn a_value_out_of_range_is_named_with_its_source() {
    for (key, value) in [
        ("dim", "0"),
        ("dim", "5000"),
        ("shards", "0"),
        ("http.timeout", "soon"),
        ("http.max_body", "-1"),
        ("http.max_in_flight", "0"),
        ("replicas", "0"),
        ("log_format", "xml"),
    ] {
        let said = Vectra::serve().set(key, value).refusal();
        let last = key.rsplit('.').next().unwrap_or(key);
        assert!(said.contains(last), "{key} = {value}: {said}");
        assert!(said.contains(value), "{key} = {value}: {said}");
    }
}

#[test]
fn a_named_file_must_exist_and_be_toml() {
    let said = Vectra::serve()
        .flag("--config", "/nowhere/vectra.toml")
        .refusal();
    assert!(said.contains("/nowhere/vectra.toml"), "{said}");
    let said = Vectra::serve().configured("this is not toml").refusal();
    assert!(said.contains("serve.toml"), "{said}");
}

#[test]
fn a_configured_dimension_holds_from_the_first_ingest() {
    let server = Vectra::serve().configured("dim = 4\n").start();
    let api = server.api();
    let wrong = serde_json::json!({"vectors": [[1, 2, 3]], "ids": ["a"]});
    let problem = api.post("/ingest", &wrong).problem(400);
    assert_eq!(problem["expected"], 4, "{problem}");
    api.ingest(&["a".to_owned()], &[vec![1.0, 2.0, 3.0, 4.0]]);
}

#[test]
fn the_first_lines_tell_the_url_and_a_command_to_paste() {
    let server = Vectra::serve().start();
    let log = server.log();
    assert!(log.contains(&server.url()), "{log}");
    assert!(log.contains("curl"), "{log}");
}

//! `/docs` and `/openapi.json`, generated from the code.

use vectra_tests::process::Vectra;

#[test]
fn every_route_is_listed() {
    let server = Vectra::serve().start();
    let api = server.api();
    let document = api.get("/openapi.json");
    assert_eq!(document.status, 200, "{}", document.describe());
    let document = document.json();
    for (path, method) in [
        ("/ingest", "post"),
        ("/search", "post"),
        ("/delete", "post"),
        ("/vectors/{id}", "get"),
        ("/health", "get"),
        ("/ready", "get"),
        ("/metrics", "get"),
        ("/cluster", "get"),
    ] {
        let operation = &document["paths"][path][method];
        assert!(
            operation.is_object(),
            "{method} {path} is not in {}",
            document["paths"]
        );
        assert!(
            operation["responses"].is_object(),
            "{method} {path} tells no responses"
        );
    }
    let text = document.to_string();
    assert!(
        text.contains("application/problem+json"),
        "errors are not documented"
    );
}

#[test]
fn the_page_is_served_without_the_internet() {
    let server = Vectra::serve().start();
    let page = server.api().get("/docs");
    assert_eq!(page.status, 200, "{}", page.describe());
    let html = String::from_utf8_lossy(&page.body).into_owned();
    assert!(html.to_lowercase().contains("swagger"), "{html}");
    let elsewhere = html.contains("src=\"http") || html.contains("href=\"http");
    assert!(!elsewhere, "the page loads from elsewhere: {html}");
}

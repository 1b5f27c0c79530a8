//! The API's own documentation, generated from the code.

use utoipa::openapi::path::{HttpMethod, OperationBuilder, PathItem};
use utoipa::openapi::{Components, ContentBuilder, OpenApi, Ref, ResponseBuilder};
use utoipa::{OpenApi as _, ToSchema};

use super::{cluster_handlers, handlers};

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Vectra",
        description = "Exact vector search. Errors are `application/problem+json` (RFC 9457); \
                       `/docs/errors` explains each. If the server has `api_keys`, send \
                       `Authorization: Bearer KEY`.",
        license(name = "MIT", identifier = "MIT")
    ),
    paths(
        handlers::ingest,
        handlers::search,
        handlers::delete,
        handlers::fetch,
        cluster_handlers::drain,
        cluster_handlers::cancel_drain,
        cluster_handlers::digests,
        cluster_handlers::remove_coordinator,
        handlers::metrics,
        handlers::ready,
        handlers::health
    ),
    tags(
        (name = "vectors", description = "Storing, finding and deleting vectors."),
        (name = "operation", description = "Looking at the server and its cluster.")
    )
)]
struct Document;

/// The document, with `GET /cluster` as the engine's own type describes it.
pub(super) fn document<Status: ToSchema>() -> OpenApi {
    let mut document = Document::openapi();
    let name = Status::name();
    let mut schemas = vec![(name.to_string(), Status::schema())];
    Status::schemas(&mut schemas);
    document
        .components
        .get_or_insert_with(Components::new)
        .schemas
        .extend(schemas);
    let reference = Ref::from_schema_name(name);
    let content = ContentBuilder::new().schema(Some(reference)).build();
    let answer = ResponseBuilder::new()
        .description("Nodes, collections, shards, replicas and leaders.")
        .content("application/json", content)
        .build();
    let operation = OperationBuilder::new()
        .tag("operation")
        .operation_id(Some("cluster"))
        .summary(Some("Look at the cluster"))
        .response("200", answer)
        .build();
    document.paths.paths.insert(
        "/cluster".to_owned(),
        PathItem::new(HttpMethod::Get, operation),
    );
    document
}

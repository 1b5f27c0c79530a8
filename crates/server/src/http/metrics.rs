//! What this process counts, and the page of `GET /metrics` that tells it to Prometheus.
//!
//! Counters and histograms live as long as the process. Gauges are measured when somebody asks, into
//! a recorder made for that page alone: so what is gone, such as a move that is done, leaves none
//! behind.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use metrics::{
    Counter, Gauge, Histogram, counter, describe_counter, describe_gauge, describe_histogram,
    gauge, histogram, with_local_recorder,
};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusRecorder};

use super::options::Options;

/// The text format of Prometheus.
const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Upper bounds of the histograms' buckets, in seconds: each twice the one before.
const BUCKETS: [f64; 17] = [
    0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.024, 2.048,
    4.096, 8.192, 16.384, 32.768,
];

/// Histograms keep every value until somebody asks for the page, or so many seconds at the most.
const SORT_PERIOD: u64 = 5;

/// What a request that leads nowhere is counted under.
const NO_ROUTE: &str = "none";

const REQUESTS: &str = "vectra_http_requests_total";

/// What one process counts.
pub(super) struct Metrics {
    recorder: PrometheusRecorder,
    shed: Counter,
    ingested: Counter,
    deleted: Counter,
    ingest_seconds: Histogram,
    search_seconds: Histogram,
    searches: Gauge,
    began: Instant,
    /// When values were sorted into the buckets last, in periods since the beginning.
    sorted: AtomicU64,
}

/// A search that waits for its answer, until this is dropped.
pub(super) struct Waiting {
    began: Instant,
    searches: Gauge,
}

impl Metrics {
    /// Begins to count, everything from 0.
    pub(super) fn new(options: &Options) -> Self {
        // Only no buckets at all would be refused.
        let builder = PrometheusBuilder::new()
            .set_buckets(&BUCKETS)
            .unwrap_or_default();
        let recorder = builder.build_recorder();
        with_local_recorder(&recorder, || {
            describe();
            let build = gauge!(
                "vectra_build_info",
                "version" => env!("CARGO_PKG_VERSION"),
                "role" => options.role.name(),
                "instruction_set" => options.instruction_set
            );
            build.set(1.0);
        });
        let (shed, ingested, deleted) = with_local_recorder(&recorder, || {
            (
                counter!("vectra_requests_shed_total"),
                counter!("vectra_vectors_ingested_total"),
                counter!("vectra_vectors_deleted_total"),
            )
        });
        let (ingest_seconds, search_seconds, searches) = with_local_recorder(&recorder, || {
            (
                histogram!("vectra_ingest_duration_seconds"),
                histogram!("vectra_search_duration_seconds"),
                gauge!("vectra_searches_waiting"),
            )
        });
        Metrics {
            recorder,
            shed,
            ingested,
            deleted,
            ingest_seconds,
            search_seconds,
            searches,
            began: Instant::now(),
            sorted: AtomicU64::new(0),
        }
    }

    /// A search begins to wait for its answer.
    pub(super) fn search_begins(&self) -> Waiting {
        self.searches.increment(1.0);
        Waiting {
            began: Instant::now(),
            searches: self.searches.clone(),
        }
    }

    /// A search was answered.
    pub(super) fn searched(&self, waiting: &Waiting) {
        self.search_seconds.record(waiting.began.elapsed());
    }

    /// An ingest of so many vectors was acknowledged.
    pub(super) fn ingested(&self, vectors: u64, took: Duration) {
        self.ingested.increment(vectors);
        self.ingest_seconds.record(took);
    }

    /// So many vectors were deleted.
    pub(super) fn deleted(&self, vectors: u64) {
        self.deleted.increment(vectors);
    }

    fn answered(&self, route: &str, status: StatusCode) {
        if status == StatusCode::TOO_MANY_REQUESTS {
            self.shed.increment(1);
        }
        with_local_recorder(&self.recorder, || {
            let status = status.as_str().to_owned();
            counter!(REQUESTS, "route" => route.to_owned(), "status" => status).increment(1);
        });
        let period = self.began.elapsed().as_secs() / SORT_PERIOD;
        if self.sorted.swap(period, Ordering::Relaxed) != period {
            self.recorder.handle().run_upkeep();
        }
    }

    /// The page: what was counted, and the gauges that `measure` sets now.
    pub(super) fn page(&self, measure: impl FnOnce()) -> Response {
        let now = PrometheusBuilder::new().build_recorder();
        with_local_recorder(&now, measure);
        let page = self.recorder.handle().render() + &now.handle().render();
        ([(CONTENT_TYPE, TEXT_FORMAT)], page).into_response()
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.searches.decrement(1.0);
    }
}

/// Counts each answer by its route, never by its path: ids would make a series each.
pub(super) async fn count(
    State(metrics): State<Arc<Metrics>>,
    request: Request,
    next: Next,
) -> Response {
    let route = request.extensions().get::<MatchedPath>().cloned();
    let response = next.run(request).await;
    let route = route.as_ref().map_or(NO_ROUTE, MatchedPath::as_str);
    metrics.answered(route, response.status());
    response
}

fn describe() {
    describe_gauge!(
        "vectra_build_info",
        "Always 1; the labels say what runs here."
    );
    describe_counter!(REQUESTS, "Requests answered, by route and status.");
    describe_counter!(
        "vectra_requests_shed_total",
        "Requests refused with 429, as too much was under way."
    );
    describe_counter!(
        "vectra_vectors_ingested_total",
        "Vectors whose ingest this process acknowledged."
    );
    describe_counter!(
        "vectra_vectors_deleted_total",
        "Vectors that existed and were deleted through this process."
    );
    describe_histogram!(
        "vectra_ingest_duration_seconds",
        "From the whole body of an ingest to its acknowledgement."
    );
    describe_histogram!(
        "vectra_search_duration_seconds",
        "From the whole body of a search to its answer."
    );
    describe_gauge!(
        "vectra_searches_waiting",
        "Searches that wait for their answer now."
    );
}

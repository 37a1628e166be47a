//! What the server counts, in the text format of OpenMetrics, which Prometheus reads.

use std::sync::atomic::AtomicU64;
use std::time::Instant;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// Status of a request whose client left before it was answered.
pub const LEFT: u16 = 499;

/// Content type of [`Metrics::text`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

type Labels<const N: usize> = [(&'static str, String); N];

/// All counters.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Family<Labels<2>, Counter>,
    seconds: Family<Labels<1>, Histogram>,
    tokens: Family<Labels<1>, Counter>,
    /// Seconds of computing: of a prompt and all of its completions.
    pub computing: Counter<f64, AtomicU64>,
    /// Sessions that compute.
    pub busy: Gauge,
    /// Requests that wait for a session.
    pub queue: Gauge,
    /// Open connections.
    pub connections: Gauge,
}

/// Bounds of the histogram in seconds.
const SECONDS: [f64; 12] = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0];

impl Metrics {
    /// Counters at 0, and the number of sessions and their bytes.
    pub fn new(sessions: usize, bytes: usize) -> Self {
        let mut registry = Registry::with_prefix("ebt");
        let requests = Family::default();
        registry.register("requests", "Requests by route and status; 499: the client left", requests.clone());
        let seconds = Family::<Labels<1>, Histogram>::new_with_constructor(|| Histogram::new(SECONDS));
        registry.register_with_unit(
            "request",
            "Time from a request to the end of its answer",
            Unit::Seconds,
            seconds.clone(),
        );
        let tokens = Family::default();
        registry.register("tokens", "Tokens that were read (prompt) and generated (completion)", tokens.clone());
        let computing = Counter::default();
        registry.register_with_unit("computing", "Time that sessions computed", Unit::Seconds, computing.clone());
        let mut gauge = |name: &str, help: &str, value: usize| {
            let gauge: Gauge = Gauge::default();
            gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
            registry.register(name, help, gauge.clone());
            gauge
        };
        gauge("sessions", "Sessions that were made", sessions);
        gauge("session_bytes", "Memory of a session", bytes);
        let busy = gauge("sessions_busy", "Sessions that compute", 0);
        let queue = gauge("queue", "Requests that wait for a session", 0);
        let connections = gauge("connections", "Open connections", 0);
        Self { registry, requests, seconds, tokens, computing, busy, queue, connections }
    }

    /// Counts tokens; `kind` is `prompt` or `completion`.
    pub fn count_tokens(&self, kind: &str, count: usize) {
        self.tokens.get_or_create(&[("kind", kind.to_owned())]).inc_by(count as u64);
    }

    /// Counts a request that began at `started`.
    pub fn count_request(&self, route: &str, status: u16, started: Instant) {
        self.requests.get_or_create(&[("route", route.to_owned()), ("status", status.to_string())]).inc();
        self.seconds.get_or_create(&[("route", route.to_owned())]).observe(started.elapsed().as_secs_f64());
    }

    /// All of it.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // a string takes all that is written to it
        let _ = encode(&mut text, &self.registry);
        text
    }
}

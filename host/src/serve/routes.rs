//! The addresses of the server.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use axum::Router;
use axum::body::{Body, Bytes, HttpBody, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use ebt_tokenizer::Special;
use hyper::body::{Frame, SizeHint};
use serde_json::{Value, json};
use tokio::sync::mpsc::channel;
use tokio::task::spawn_blocking;
use tokio::time::{timeout, timeout_at};

use super::answer::{Form, streamed, whole};
use super::engine::Engine;
use super::fields::{Fields, kind};
use super::limits::{MOST_BODY, PIECES, READING};
use super::metrics::{CONTENT_TYPE, LEFT, Metrics};
use super::page::Page;
use super::queue::{Job, Queue};
use super::refusal::{Refusal, answer};
use super::request::{Completion, encode, ids};

/// What answers are made of.
#[derive(Debug)]
pub struct Server {
    /// The model.
    pub engine: Arc<Engine>,
    /// Requests that wait for a session.
    pub queue: Arc<Queue>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// What a request must bring along, where a key is needed.
    pub key: Option<String>,
    /// The files of the page.
    pub page: Page,
    /// Completions that were asked for.
    pub count: AtomicU64,
}

type Shared = State<Arc<Server>>;

/// Addresses that need no key, and by which nothing is learned of the model: the page, and whether the server lives.
const OPEN: [&str; 2] = ["/", "/health"];

/// The other addresses that do not belong to the page.
const ROUTES: [&str; 6] = ["/metrics", "/v1/models", "/v1/completions", "/tokenize", "/detokenize", "/tokenizer_info"];

/// All addresses.
pub fn router(server: Arc<Server>) -> Router {
    let file = |State(server): Shared, request: Request| async move { server.page.file(request.uri().path()) };
    Router::new()
        .route("/health", get(|| async { answer(StatusCode::OK, &json!({"status": "ok"})) }))
        .route("/metrics", get(metrics))
        .route("/v1/models", get(models))
        .route("/v1/completions", post(completions))
        .route("/tokenize", post(tokenize))
        .route("/detokenize", post(detokenize))
        .route("/tokenizer_info", get(tokenizer_info))
        .route("/", get(file))
        .route("/{file}", get(file))
        .fallback(|| async { Refusal::of(StatusCode::NOT_FOUND, "there is nothing at this address") })
        .method_not_allowed_fallback(method)
        .layer(from_fn_with_state(Arc::clone(&server), observed))
        .with_state(server)
}

async fn method(method: Method) -> Refusal {
    Refusal::of(StatusCode::METHOD_NOT_ALLOWED, format!("this address does not know the method {method}"))
}

/// Asks for the key, and counts the request.
async fn observed(State(server): Shared, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let known = |list: &[&'static str]| list.iter().copied().find(|route| *route == path);
    let of_route = known(&OPEN).or_else(|| known(&ROUTES));
    // a file of the page cannot open a route of its name
    let of_page = of_route.is_none() && request.method() == Method::GET && server.page.has(path);
    let is_open = known(&OPEN).is_some() || of_page;
    let route = of_route.unwrap_or(if of_page { "/" } else { "other" });
    // the body of an answer to HEAD is dropped unread
    let is_head = request.method() == Method::HEAD;
    let mut watch = Watch { metrics: Arc::clone(&server.metrics), route, status: LEFT, started: Instant::now() };
    let response = match server.check_key(request.headers()) {
        Err(refusal) if !is_open => refusal.into_response(),
        _ => next.run(request).await,
    };
    let status = response.status().as_u16();
    response.map(|body| {
        if is_head || body.is_end_stream() {
            watch.status = status;
        }
        Body::new(Observed { body, status, watch })
    })
}

/// Counts a request when it is dropped: with the status of its answer, once that was sent.
struct Watch {
    metrics: Arc<Metrics>,
    route: &'static str,
    status: u16,
    started: Instant,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.metrics.count_request(self.route, self.status, self.started);
    }
}

/// A body that tells when it was sent.
struct Observed {
    body: Body,
    status: u16,
    watch: Watch,
}

impl HttpBody for Observed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        if frame.is_none() || (matches!(frame, Some(Ok(_))) && self.body.is_end_stream()) {
            self.watch.status = self.status;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Server {
    fn check_key(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let Some(key) = &self.key else { return Ok(()) };
        let given = headers.get(header::AUTHORIZATION).map(|value| value.as_bytes()).unwrap_or_default();
        let right = format!("Bearer {key}").into_bytes();
        // its time does not tell how much of a key is right
        let differences = given.iter().zip(&right).fold(0, |all, (a, b)| all | (a ^ b));
        if given.len() == right.len() && differences == 0 {
            return Ok(());
        }
        let why = if given.is_empty() { "a key is needed: Authorization: Bearer KEY" } else { "the key is wrong" };
        Err(Refusal::of(StatusCode::UNAUTHORIZED, why))
    }

    /// Does `work` with the body of a request on a thread for such work.
    async fn with_body<T: Send + 'static>(
        self: Arc<Self>,
        request: Request,
        work: impl FnOnce(&Engine, &[u8]) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let json = |value: &str| {
            value.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
        };
        let kind = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        // pages of other sites can send other types without being asked whether they may
        if !kind.is_some_and(json) {
            let why = "the body must be JSON: Content-Type: application/json";
            return Err(Refusal::of(StatusCode::UNSUPPORTED_MEDIA_TYPE, why));
        }
        let too_large =
            || Refusal::of(StatusCode::PAYLOAD_TOO_LARGE, format!("the body has more than {MOST_BODY} bytes"));
        if request.body().size_hint().lower() > MOST_BODY as u64 {
            return Err(too_large());
        }
        let body = timeout(READING, to_bytes(request.into_body(), MOST_BODY)).await;
        let late =
            || Refusal::of(StatusCode::REQUEST_TIMEOUT, format!("the body took longer than {} s", READING.as_secs()));
        let body = body.map_err(|_| late())?.map_err(|_| too_large())?;
        let engine = Arc::clone(&self.engine);
        spawn_blocking(move || work(&engine, &body)).await.unwrap_or_else(|error| Err(Refusal::failed(error)))
    }
}

async fn completions(State(server): Shared, request: Request) -> Result<Response, Refusal> {
    let deadline = Instant::now() + server.engine.limits.request;
    let request = Arc::clone(&server).with_body(request, Completion::read).await?;
    let form = Form::new(Arc::clone(&server.engine), server.count.fetch_add(1, Ordering::Relaxed), &request);
    let (choices, stream) = (request.prompts.len() * request.n, request.stream);
    let (client, events) = channel(PIECES);
    server.queue.push(Job { request, client, deadline }).map_err(|_| {
        Refusal::unavailable(format!("all sessions are busy, and {} requests wait already", server.engine.limits.queue))
    })?;
    let answering = async {
        match stream {
            Some(options) => streamed(form, options, events).await,
            None => whole(form, choices, events).await,
        }
    };
    timeout_at(deadline.into(), answering).await.unwrap_or_else(|_| {
        let seconds = server.engine.limits.request.as_secs();
        Err(Refusal::of(StatusCode::GATEWAY_TIMEOUT, format!("the completion took longer than {seconds} s")))
    })
}

async fn models(State(server): Shared) -> Response {
    let Engine { name, created, config, limits, .. } = &*server.engine;
    let model = json!({
        "id": name, "object": "model", "created": created, "owned_by": "ebt",
        "max_model_len": limits.prompt + limits.tokens, "vocabulary": config.vocab,
    });
    answer(StatusCode::OK, &json!({"object": "list", "data": [model]}))
}

async fn metrics(State(server): Shared) -> Response {
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], server.metrics.text()).into_response()
}

/// The tokens of `prompt`; one that is the name of a special token and nothing else is that token, which is how clients ask for
/// its id.
async fn tokenize(State(server): Shared, request: Request) -> Result<Response, Refusal> {
    let tokens = server.with_body(request, |engine, body| {
        let mut fields = Fields::of_body(body)?;
        let text = match fields.take("prompt") {
            Some(Value::String(text)) => text,
            Some(other) => return Err(fields.wrong("prompt", format!("must be a string, not {}", kind(&other)))),
            None => return Err(fields.wrong("prompt", "is missing")),
        };
        let begin = fields.flag("add_special_tokens")?.then_some(engine.delimiters.begin);
        fields.take("model");
        fields.end()?;
        let special = Special::ALL.into_iter().filter(|special| special.text() == text);
        let special = special.filter_map(|special| engine.tokenizer.special(special)).next();
        let ids = special.map_or_else(|| encode(engine, &text), |id| Ok(vec![id]))?;
        Ok(begin.into_iter().chain(ids).collect::<Vec<u32>>())
    });
    let tokens = tokens.await?;
    Ok(answer(StatusCode::OK, &json!({"count": tokens.len(), "tokens": tokens})))
}

async fn detokenize(State(server): Shared, request: Request) -> Result<Response, Refusal> {
    let text = server.with_body(request, |engine, body| {
        let mut fields = Fields::of_body(body)?;
        let list = match fields.take("tokens") {
            Some(Value::Array(list)) => list,
            Some(other) => return Err(fields.wrong("tokens", format!("must be a list of ids, not {}", kind(&other)))),
            None => return Err(fields.wrong("tokens", "is missing")),
        };
        fields.take("model");
        fields.end()?;
        engine.tokenizer.decode(&ids(engine, "tokens", &list)?).map_err(Refusal::failed)
    });
    Ok(answer(StatusCode::OK, &json!({"prompt": text.await?})))
}

async fn tokenizer_info(State(server): Shared) -> Response {
    let tokenizer = &server.engine.tokenizer;
    let name = |special: Special| tokenizer.special(special).map(|_| special.text());
    let info = json!({
        "bos_token": name(Special::Begin),
        "eos_token": name(Special::End),
        "pad_token": name(Special::Pad),
        "vocab_size": tokenizer.vocabulary_size(),
        "fingerprint": format!("{:016x}", tokenizer.fingerprint()),
        "model_max_length": server.engine.limits.prompt,
        "chat_template": null,
    });
    answer(StatusCode::OK, &info)
}

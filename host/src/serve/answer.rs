//! What a worker sends, and what becomes of it: one JSON object, or server-sent events.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use hyper::body::Frame;
use serde::Serialize;
use tokio::sync::mpsc::Receiver;

use super::engine::Engine;
use super::refusal::{Refusal, answer};
use super::request::{Completion, Streamed};
use super::scores::Score;
use super::tail::Released;
use crate::certificate::Certified;

/// A step of an answer.
#[derive(Clone, Debug)]
pub enum Event {
    /// A completion goes on.
    Piece {
        /// Which completion.
        choice: usize,
        /// How.
        released: Released<Token>,
    },
    /// A completion has ended.
    End {
        /// Which completion.
        choice: usize,
        /// `stop` before a stop string or where the model ended the text, `length` after as many tokens as may be.
        reason: &'static str,
    },
    /// All completions have ended.
    Done(Usage),
    /// No more comes.
    Failed(Refusal),
}

/// A token of a completion.
#[derive(Clone, Debug, Default)]
pub struct Token {
    /// Its log probability, where that is wanted.
    pub score: Option<Score>,
    /// How it was found, where that is wanted.
    pub certified: Option<Box<Certified>>,
}

/// Tokens of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Those of all prompts.
    pub prompt: usize,
    /// Those of all completions, stop strings included.
    pub completion: usize,
}

/// The same as it is sent.
#[derive(Debug, Serialize)]
struct Counts {
    prompt_tokens: usize,
    completion_tokens: usize,
    total_tokens: usize,
}

impl From<Usage> for Counts {
    fn from(Usage { prompt, completion }: Usage) -> Self {
        Self { prompt_tokens: prompt, completion_tokens: completion, total_tokens: prompt + completion }
    }
}

/// An answer as it is sent, or an event of it.
#[derive(Debug, Serialize)]
struct Object<'f> {
    id: &'f str,
    object: &'static str,
    created: u64,
    model: &'f str,
    choices: Vec<Choice>,
    /// Missing where it is not asked for, and null in events before the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Option<Counts>>,
}

/// A completion as it is sent, or a piece of it.
#[derive(Debug, Serialize)]
struct Choice {
    index: usize,
    text: String,
    logprobs: Option<Scores>,
    finish_reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ebt: Option<Certificates>,
}

/// How the tokens of a completion were found: what `ebt generate --certificate` writes of each.
#[derive(Debug, Serialize)]
struct Certificates {
    tokens: Vec<Certified>,
}

/// Log probabilities as they are sent.
#[derive(Debug, Default, Serialize)]
struct Scores {
    tokens: Vec<String>,
    token_logprobs: Vec<Option<f64>>,
    top_logprobs: Option<Vec<Option<BTreeMap<String, f64>>>>,
    /// Characters of the text before every token.
    text_offset: Vec<usize>,
}

/// What all objects of an answer say.
#[derive(Clone, Debug)]
pub struct Form {
    engine: Arc<Engine>,
    id: String,
    alternatives: Option<usize>,
    certified: bool,
}

impl Form {
    /// That of the answer with number `number`.
    pub fn new(engine: Arc<Engine>, number: u64, request: &Completion) -> Self {
        let id = format!("cmpl-{:x}-{number}", engine.created);
        Self { engine, id, alternatives: request.alternatives, certified: request.certificate }
    }

    fn object(&self, choices: Vec<Choice>, usage: Option<Option<Counts>>) -> Object<'_> {
        let Engine { created, name, .. } = &*self.engine;
        Object { id: &self.id, object: "text_completion", created: *created, model: name, choices, usage }
    }

    fn choice(&self, index: usize, released: Released<Token>, finish_reason: Option<&'static str>) -> Choice {
        let mut scores =
            Scores { top_logprobs: self.alternatives.filter(|n| *n > 0).map(|_| Vec::new()), ..Scores::default() };
        let mut certified = Vec::new();
        for (offset, token) in released.tokens {
            certified.extend(token.certified.map(|certified| *certified));
            let Some(Score { token, log_probability, alternatives }) = token.score else { continue };
            if let Some(top) = &mut scores.top_logprobs {
                top.push(Some(alternatives.into_iter().collect()).filter(|map: &BTreeMap<_, _>| !map.is_empty()));
            }
            scores.tokens.push(token);
            scores.token_logprobs.push(log_probability);
            scores.text_offset.push(offset);
        }
        let logprobs = self.alternatives.map(|_| scores);
        let ebt = self.certified.then_some(Certificates { tokens: certified });
        Choice { index, text: released.text, logprobs, finish_reason, ebt }
    }
}

/// The whole answer, of so many completions.
///
/// # Errors
///
/// What the worker failed with.
pub async fn whole(form: Form, choices: usize, mut events: Receiver<Event>) -> Result<Response, Refusal> {
    let mut all: Vec<(Released<Token>, &'static str)> = (0..choices).map(|_| (Released::default(), "length")).collect();
    loop {
        match events.recv().await {
            Some(Event::Piece { choice, released }) => {
                all[choice].0.text += &released.text;
                all[choice].0.tokens.extend(released.tokens);
            }
            Some(Event::End { choice, reason }) => all[choice].1 = reason,
            Some(Event::Done(usage)) => {
                let choices = all.into_iter().enumerate().map(|(i, (text, why))| form.choice(i, text, Some(why)));
                return Ok(answer(StatusCode::OK, &form.object(choices.collect(), Some(Some(usage.into())))));
            }
            Some(Event::Failed(refusal)) => return Err(refusal),
            None => return Err(Refusal::failed("its worker ended")),
        }
    }
}

/// The answer as events, as they come. A failure before the first of them has its status.
///
/// # Errors
///
/// That failure.
pub async fn streamed(form: Form, options: Streamed, mut events: Receiver<Event>) -> Result<Response, Refusal> {
    let first = match events.recv().await {
        Some(Event::Failed(refusal)) => return Err(refusal),
        Some(event) => event,
        None => return Err(Refusal::failed("its worker ended")),
    };
    let body = Body::new(Events { form, options, first: Some(first), events, over: false });
    let headers = [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-store")];
    Ok((StatusCode::OK, headers, body).into_response())
}

/// Events as a body.
struct Events {
    form: Form,
    options: Streamed,
    first: Option<Event>,
    events: Receiver<Event>,
    over: bool,
}

impl Events {
    /// The lines of an event.
    fn lines(&mut self, event: Event) -> String {
        let one = |choice| line(&self.form.object(vec![choice], self.options.usage.then_some(None)));
        match event {
            Event::Piece { choice, released } => one(self.form.choice(choice, released, None)),
            Event::End { choice, reason } => one(self.form.choice(choice, Released::default(), Some(reason))),
            Event::Done(usage) => {
                self.over = true;
                let last = || line(&self.form.object(Vec::new(), Some(Some(usage.into()))));
                format!("{}data: [DONE]\n\n", if self.options.usage { last() } else { String::new() })
            }
            Event::Failed(refusal) => {
                self.over = true;
                line(&refusal.json())
            }
        }
    }
}

/// A server-sent event.
fn line(value: &impl Serialize) -> String {
    // keys are strings, which is all that can fail
    format!("data: {}\n\n", serde_json::to_string(value).unwrap_or_default())
}

impl axum::body::HttpBody for Events {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.over {
            return Poll::Ready(None);
        }
        let event = match self.first.take() {
            Some(event) => Some(event),
            None => match self.events.poll_recv(context) {
                Poll::Ready(event) => event,
                Poll::Pending => return Poll::Pending,
            },
        };
        // a worker that stops without a word has waited too long for this client: what was sent is not the whole answer
        Poll::Ready(Some(match event {
            Some(event) => Ok(Frame::data(Bytes::from(self.lines(event)))),
            None => Err(std::io::Error::other("the answer was broken off")),
        }))
    }
}

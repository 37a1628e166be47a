//! A request for completions, checked.

use ebt::{Sampling, SessionOptions, Settings};
use ebt_core::config::UpdateRule;
use ebt_data::text::clean::normal;
use serde_json::Value;

use super::engine::Engine;
use super::fields::{Fields, kind};
use super::limits::{MOST_ALTERNATIVES, MOST_CHOICES, MOST_STOP_BYTES, MOST_STOPS};
use super::refusal::Refusal;
use super::thinking::Thinking;

/// What is asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Completion {
    /// The texts to continue.
    pub prompts: Vec<Prompt>,
    /// Completions of each; the `k`-th has the seed plus `k`.
    pub n: usize,
    /// Most tokens of a completion.
    pub tokens: usize,
    /// How tokens are thought of and drawn.
    pub settings: Settings,
    /// What a session for it takes.
    pub extents: SessionOptions,
    /// How a state moves, where that is not as in training.
    pub rule: Option<UpdateRule>,
    /// How many alternatives are listed beside the log probability of every token; none: no log probabilities.
    pub alternatives: Option<usize>,
    /// Texts that end a completion and do not belong to it.
    pub stops: Vec<String>,
    /// Whether a completion begins with its prompt.
    pub echo: bool,
    /// Whether every token comes with its certificate.
    pub certificate: bool,
    /// How the answer is sent.
    pub stream: Option<Streamed>,
}

/// An answer in events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Streamed {
    /// Whether the last event says how many tokens there were.
    pub usage: bool,
}

/// A text as tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prompt {
    /// A delimiter that was given before the text. It stands for the begin token, which the model reads in any case.
    pub front: Option<u32>,
    /// The text.
    pub ids: Vec<u32>,
}

impl Prompt {
    /// Tokens as they were given.
    pub fn len(&self) -> usize {
        self.ids.len() + usize::from(self.front.is_some())
    }

    /// Whether it has no tokens.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The tokens of a text, read as `ebt generate` reads a prompt: in Unicode NFC, with LF at line ends.
///
/// # Errors
///
/// A failure inside the tokenizer.
pub fn encode(engine: &Engine, text: &str) -> Result<Vec<u32>, Refusal> {
    engine.tokenizer.encode(&normal(text)).map_err(Refusal::failed)
}

impl Completion {
    /// Reads the body of a request.
    ///
    /// # Errors
    ///
    /// The first field that is missing, unknown, out of its range or beyond the limits of the server.
    pub fn read(engine: &Engine, body: &[u8]) -> Result<Self, Refusal> {
        let limits = &engine.limits;
        let mut fields = Fields::of_body(body)?;
        check_model(&mut fields, engine)?;
        let prompts = match fields.take("prompt") {
            Some(prompt) => prompts(engine, prompt)?,
            None => return Err(fields.wrong("prompt", "is missing; an empty string begins a text")),
        };
        let n = fields.whole("n", 1..=MOST_CHOICES as u64)?.unwrap_or(1) as usize;
        if prompts.len() * n > MOST_CHOICES {
            return Err(fields.wrong("n", format!("times the number of prompts must be at most {MOST_CHOICES}")));
        }
        let most = limits.tokens as u64;
        let tokens = fields.whole("max_tokens", 0..=most)?.unwrap_or(16.min(most)) as usize;
        let temperature = fields.real("temperature", 0.0..)?.unwrap_or(1.0);
        let top_p = fields.real("top_p", 0.0..=1.0)?.unwrap_or(1.0);
        let seed = fields.whole("seed", 0..=u64::MAX)?.unwrap_or(0);
        let alternatives = fields.whole("logprobs", 0..=MOST_ALTERNATIVES)?.map(|count| count as usize);
        let stops = stops(&mut fields)?;
        let echo = fields.flag("echo")?;
        let stream = streamed(&mut fields)?;
        let thinking = Thinking::read(fields.object("ebt", "ebt.")?, limits)?;
        refuse_others(&mut fields)?;
        fields.end()?;
        let Thinking { mut think, rule, top_k, min_p, certificate } = thinking;
        think.seed = seed;
        let sampling = Sampling { temperature, top_k, top_p, min_p };
        if let Err(ebt::engine::Error::Option { field, requirement }) = sampling.validate() {
            return Err(Refusal::field(field, requirement));
        }
        let settings = Settings { think, sampling };
        let extents = engine.extents(&settings).map_err(|why| Refusal::field("ebt", why))?;
        Ok(Self { prompts, n, tokens, settings, extents, rule, alternatives, stops, echo, certificate, stream })
    }
}

/// A request may name the model, and no other.
fn check_model(fields: &mut Fields, engine: &Engine) -> Result<(), Refusal> {
    match fields.take("model") {
        None => Ok(()),
        Some(Value::String(name)) if name == engine.name => Ok(()),
        Some(Value::String(name)) => {
            let name: String = name.chars().take(64).collect();
            let refusal = fields.wrong("model", format!("`{name}` is not served here; the model is `{}`", engine.name));
            Err(Refusal { status: axum::http::StatusCode::NOT_FOUND, ..refusal })
        }
        Some(other) => Err(fields.wrong("model", format!("must be a string, not {}", kind(&other)))),
    }
}

/// A text, token ids, or a list of either.
fn prompts(engine: &Engine, value: Value) -> Result<Vec<Prompt>, Refusal> {
    let one = |value: Value| match value {
        Value::String(text) => within(engine, Prompt { front: None, ids: encode(engine, &text)? }),
        Value::Array(ids) => within(engine, given(engine, &ids)?),
        other => {
            Err(Refusal::field("prompt", format!("must hold strings or lists of token ids, not {}", kind(&other))))
        }
    };
    match value {
        Value::Array(list) if list.iter().any(|item| item.is_string() || item.is_array()) => {
            if list.len() > MOST_CHOICES {
                return Err(Refusal::field("prompt", format!("must be at most {MOST_CHOICES} prompts")));
            }
            list.into_iter().map(one).collect()
        }
        Value::Array(list) if list.is_empty() => Err(Refusal::field("prompt", "is an empty list")),
        Value::String(_) | Value::Array(_) => Ok(vec![one(value)?]),
        other => Err(Refusal::field(
            "prompt",
            format!("must be a string, token ids or a list of either, not {}", kind(&other)),
        )),
    }
}

/// Tokens that were given as numbers.
fn given(engine: &Engine, list: &[Value]) -> Result<Prompt, Refusal> {
    let ids = ids(engine, "prompt", list)?;
    let front = ids.first().copied().filter(|id| engine.delimiters.ends(*id));
    Ok(Prompt { front, ids: ids[usize::from(front.is_some())..].to_vec() })
}

/// The ids in a list, all of them tokens.
///
/// # Errors
///
/// Anything that is no id of the vocabulary.
pub fn ids(engine: &Engine, name: &str, list: &[Value]) -> Result<Vec<u32>, Refusal> {
    let vocabulary = engine.tokenizer.vocabulary_size();
    let id = |value: &Value| match value.as_u64() {
        Some(id) if id < vocabulary as u64 => Ok(id as u32),
        Some(id) => Err(Refusal::field(name, format!("has the id {id}, and the vocabulary has {vocabulary} tokens"))),
        None => Err(Refusal::field(name, "must have whole numbers as ids")),
    };
    list.iter().map(id).collect()
}

fn within(engine: &Engine, prompt: Prompt) -> Result<Prompt, Refusal> {
    let (count, most) = (prompt.len(), engine.limits.prompt);
    if count > most {
        let why = format!("has {count} tokens, and at most {most} are read: `ebt serve --most-prompt N` allows more");
        return Err(Refusal::field("prompt", why));
    }
    Ok(prompt)
}

/// A text, or a list of texts.
fn stops(fields: &mut Fields) -> Result<Vec<String>, Refusal> {
    let list = match fields.take("stop") {
        None => return Ok(Vec::new()),
        Some(Value::Array(list)) => list,
        Some(one) => vec![one],
    };
    if list.len() > MOST_STOPS {
        return Err(fields.wrong("stop", format!("must be at most {MOST_STOPS} strings")));
    }
    let stop = |value| match value {
        Value::String(text) if (1..=MOST_STOP_BYTES).contains(&text.len()) => Ok(text),
        Value::String(_) => Err(fields.wrong("stop", format!("must have from 1 to {MOST_STOP_BYTES} bytes"))),
        other => Err(fields.wrong("stop", format!("must be a string or a list of strings, not {}", kind(&other)))),
    };
    list.into_iter().map(stop).collect()
}

fn streamed(fields: &mut Fields) -> Result<Option<Streamed>, Refusal> {
    let stream = fields.flag("stream")?;
    if !stream && fields.has("stream_options") {
        return Err(fields.wrong("stream_options", "says nothing without `stream`"));
    }
    let mut options = fields.object("stream_options", "stream_options.")?;
    let usage = options.flag("include_usage")?;
    options.end()?;
    Ok(stream.then_some(Streamed { usage }))
}

/// What OpenAI's completions have and these do not, unless it asks for nothing.
fn refuse_others(fields: &mut Fields) -> Result<(), Refusal> {
    // who asks changes no answer
    fields.take("user");
    for (name, nothing) in [("frequency_penalty", 0.0), ("presence_penalty", 0.0), ("best_of", 1.0)] {
        if fields.take(name).is_some_and(|value| value.as_f64() != Some(nothing)) {
            return Err(fields.wrong(name, format!("must be {nothing}: nothing else is supported")));
        }
    }
    if fields.take("suffix").is_some_and(|value| value.as_str() != Some("")) {
        return Err(fields.wrong("suffix", "is not supported: the model writes what follows a text"));
    }
    if fields.take("logit_bias").is_some_and(|value| value.as_object().is_none_or(|map| !map.is_empty())) {
        return Err(fields.wrong("logit_bias", "is not supported"));
    }
    Ok(())
}

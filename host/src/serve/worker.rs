//! Threads that compute, each with the memory of a session of its own.

use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result};
use axum::http::StatusCode;
use ebt::engine::descent::StepReport;
use ebt::packed::Model;
use ebt::{Settings, TokenGenerator};
use tokio::runtime::Handle;
use tokio::time::timeout_at;

use super::answer::{Event, Token, Usage};
use super::engine::Engine;
use super::metrics::Metrics;
use super::queue::{Job, Queue};
use super::refusal::Refusal;
use super::request::Prompt;
use super::scores::Score;
use super::tail::{Released, Tail};
use crate::certificate::Certified;
use crate::inference::{SessionMemory, spells};

/// Tokens of a prompt that are read between two looks at the client.
const TOGETHER: usize = 64;

/// What all workers share.
#[derive(Clone, Debug)]
pub struct Workers {
    /// The model.
    pub engine: Arc<Engine>,
    /// The requests.
    pub queue: Arc<Queue>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// The runtime that answers are sent on.
    pub runtime: Handle,
}

/// Why a request ends early.
enum Ended {
    /// Nobody reads the answer.
    Left,
    /// The client is told.
    Refused(Refusal),
}

impl From<ebt::engine::Error> for Ended {
    fn from(error: ebt::engine::Error) -> Self {
        Ended::Refused(Refusal::failed(error))
    }
}

impl Workers {
    /// Makes `count` sessions, and a thread for each.
    ///
    /// # Errors
    ///
    /// Memory or threads that the system does not give; a model that is damaged.
    pub fn start(&self, count: usize) -> Result<()> {
        ebt_data::memory::check_threads(count, "--sessions N asks for fewer")?;
        let bytes = (count as u64).saturating_mul(self.engine.bytes as u64);
        ebt_data::memory::check(
            "the sessions",
            bytes,
            "--sessions N asks for fewer, --most-candidates N for smaller ones",
        )?;
        for number in 0..count {
            let memory = SessionMemory::of_bytes(self.engine.bytes)?;
            let workers = self.clone();
            let thread = thread::Builder::new().name(format!("session {number}"));
            thread
                .spawn(move || workers.work(memory))
                .context("cannot start a thread for a session; --sessions N asks for fewer")?;
        }
        Ok(())
    }

    fn work(&self, mut memory: SessionMemory) {
        // the engine has read it
        let Ok(model) = self.engine.model.model() else { return };
        while let Some(job) = self.queue.next() {
            self.metrics.busy.inc();
            let begun = Instant::now();
            let mut task = Task { workers: self, job: &job, usage: Usage::default() };
            let done = catch_unwind(AssertUnwindSafe(|| task.run(&model, &mut memory)));
            let done = done.unwrap_or_else(|_| Err(Ended::Refused(Refusal::failed("the program made a mistake"))));
            self.metrics.count_tokens("prompt", task.usage.prompt);
            self.metrics.count_tokens("completion", task.usage.completion);
            self.metrics.computing.inc_by(begun.elapsed().as_secs_f64());
            self.metrics.busy.dec();
            let last = match done {
                Ok(()) => Event::Done(task.usage),
                Err(Ended::Refused(refusal)) => Event::Failed(refusal),
                Err(Ended::Left) => continue,
            };
            // a client that left, or does not read, hears nothing
            let _ = task.send(last);
        }
    }
}

/// A request that is computed.
struct Task<'w> {
    workers: &'w Workers,
    job: &'w Job,
    usage: Usage,
}

impl Task<'_> {
    fn run(&mut self, model: &Model<'_>, memory: &mut SessionMemory) -> Result<(), Ended> {
        let request = &self.job.request;
        for (number, prompt) in request.prompts.iter().enumerate() {
            self.usage.prompt += prompt.len();
            for k in 0..request.n {
                self.complete(model, memory, number * request.n + k, prompt, k as u64)?;
            }
        }
        Ok(())
    }

    /// Computes one completion.
    fn complete(
        &mut self,
        model: &Model<'_>,
        memory: &mut SessionMemory,
        choice: usize,
        prompt: &Prompt,
        k: u64,
    ) -> Result<(), Ended> {
        let (engine, request) = (&*self.workers.engine, &self.job.request);
        let mut settings = request.settings;
        settings.think.seed = settings.think.seed.wrapping_add(k);
        let session = memory.session(model.clone(), &request.extents, engine.kernel);
        let mut session = session.map_err(|error| Ended::Refused(Refusal::failed(error)))?;
        if let Some(rule) = request.rule {
            session.dynamics_mut().update = rule;
        }
        let mut generator = TokenGenerator::new(session, engine.delimiters);
        let mut tail = Tail::new(request.stops.clone());
        self.read(&mut generator, &mut tail, choice, prompt, &settings)?;
        let spelling = |id| spells(&engine.tokenizer, id);
        let mut reason = "length";
        for _ in 0..request.tokens {
            self.check()?;
            let drawn = generator.next(&settings, spelling, &mut |step| self.goes_on(step));
            let (Some(drawn), Some(certificate)) = (self.unless_cancelled(drawn)?, generator.certificate()) else {
                reason = "stop";
                break;
            };
            self.usage.completion += 1;
            let bytes = engine.tokenizer.token_bytes(drawn.id).unwrap_or_default();
            let certified = request.certificate.then(|| Box::new(Certified::new(drawn, bytes, &certificate)));
            let logits = generator.session().logits();
            let score = request.alternatives.map(|count| Score::of(engine, logits, drawn.id, count));
            let (released, is_over) = tail.push(bytes, Token { score, certified });
            self.send_piece(choice, released)?;
            if is_over {
                reason = "stop";
                break;
            }
        }
        self.send_piece(choice, tail.finish())?;
        self.send(Event::End { choice, reason })
    }

    /// Reads a prompt; where it is echoed with log probabilities, every token of it is thought about.
    fn read(
        &self,
        generator: &mut TokenGenerator<'_, '_>,
        tail: &mut Tail<Token>,
        choice: usize,
        prompt: &Prompt,
        settings: &Settings,
    ) -> Result<(), Ended> {
        let (engine, request) = (&*self.workers.engine, &self.job.request);
        let scored = request.alternatives.filter(|_| request.echo);
        if let (Some(front), true) = (prompt.front, request.echo) {
            let score = scored.map(|_| Score::of_first(engine, front));
            self.send_piece(choice, tail.echo(&[], Token { score, certified: None }))?;
        }
        for ids in prompt.ids.chunks(if scored.is_some() { 1 } else { TOGETHER }) {
            self.check()?;
            let mut score = None;
            if let (Some(count), &[id]) = (scored, ids) {
                // the begin token stands before the first
                generator.accept(&[])?;
                let thought = generator.session_mut().think(&settings.think, &mut |step| self.goes_on(step));
                self.unless_cancelled(thought.map(drop))?;
                score = Some(Score::of(engine, generator.session().logits(), id, count));
            }
            generator.accept(ids)?;
            if request.echo {
                let bytes =
                    engine.tokenizer.decode_bytes(ids).map_err(|error| Ended::Refused(Refusal::failed(error)))?;
                self.send_piece(choice, tail.echo(&bytes, Token { score, certified: None }))?;
            }
        }
        Ok(())
    }

    fn goes_on(&self, _: &StepReport<'_>) -> ControlFlow<()> {
        if self.check().is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }

    fn unless_cancelled<T>(&self, done: Result<T, ebt::engine::Error>) -> Result<T, Ended> {
        if let Err(ebt::engine::Error::Cancelled) = done {
            self.check()?;
        }
        Ok(done?)
    }

    /// Whether the work still has a purpose.
    fn check(&self) -> Result<(), Ended> {
        if self.job.client.is_closed() {
            Err(Ended::Left)
        } else if self.workers.queue.is_ending() {
            Err(Ended::Refused(Refusal::unavailable("the server ends, and did not finish this request in time")))
        } else if Instant::now() >= self.job.deadline {
            let seconds = self.workers.engine.limits.request.as_secs();
            let why = format!("the completion took longer than {seconds} s: fewer tokens or steps take less");
            Err(Ended::Refused(Refusal::of(StatusCode::GATEWAY_TIMEOUT, why)))
        } else {
            Ok(())
        }
    }

    fn send_piece(&self, choice: usize, released: Released<Token>) -> Result<(), Ended> {
        if released.text.is_empty() && released.tokens.is_empty() {
            return Ok(());
        }
        let wanted = self.job.request.alternatives.is_some() || self.job.request.certificate;
        let tokens = if wanted { released.tokens } else { Vec::new() };
        self.send(Event::Piece { choice, released: Released { tokens, ..released } })
    }

    /// Waits for a client that reads slowly, until the time of its request is over.
    fn send(&self, event: Event) -> Result<(), Ended> {
        let event = match self.job.client.try_send(event) {
            Ok(()) => return Ok(()),
            Err(unsent) => unsent.into_inner(),
        };
        // an answer that is refused may still be said
        let deadline = self.job.deadline.max(Instant::now());
        let sent =
            self.workers.runtime.block_on(async { timeout_at(deadline.into(), self.job.client.send(event)).await });
        match sent {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Ended::Left),
        }
    }
}

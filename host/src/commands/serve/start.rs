//! Starts the server, and ends it.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use ebt_data::progress::{eprint_line, size};
use serde_json::json;
use tokio::runtime::{Builder, Handle};
use tokio::time::sleep;

use super::args::Args;
use crate::cli::{Output, kernel, thread_count, write_json_line};
use crate::inference::InferenceModel;
use crate::serve::engine::Engine;
use crate::serve::limits::Limits;
use crate::serve::listener::{bind, serve};
use crate::serve::metrics::Metrics;
use crate::serve::page::Page;
use crate::serve::queue::Queue;
use crate::serve::routes::{Server, router};
use crate::serve::worker::Workers;

/// What a model without a file is called.
const SAMPLE: &str = "sample";

/// Threads that parse bodies and cut text into tokens.
const PARSERS: usize = 4;

/// Time to tell clients that their requests were broken off.
const LAST_WORDS: Duration = Duration::from_millis(500);

impl Args {
    fn limits(&self) -> Limits {
        let of = &self.limits;
        Limits {
            tokens: of.most_tokens,
            prompt: of.most_prompt,
            steps: of.most_think,
            candidates: of.most_candidates,
            queue: of.queue,
            connections: of.connections,
            request: Duration::from_secs(of.timeout),
            writing: Duration::from_secs(of.write_timeout),
            grace: Duration::from_secs(of.grace),
        }
    }

    /// What requests call the model.
    fn name(&self) -> String {
        let file = self
            .model
            .as_deref()
            .map(|path| path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy().into_owned());
        self.name.clone().or(file).unwrap_or_else(|| SAMPLE.to_owned())
    }

    /// The key that requests must bring along.
    fn key(&self) -> Result<Option<String>> {
        let Some(name) = &self.api_key_env else { return Ok(None) };
        match std::env::var(name) {
            Ok(key) if !key.trim().is_empty() => Ok(Some(key.trim().to_owned())),
            Ok(_) => bail!("--api-key-env {name}: this variable of the environment is empty"),
            Err(_) => bail!("--api-key-env {name}: there is no such variable of the environment, or it is no text"),
        }
    }
}

/// Runs the command.
///
/// # Errors
///
/// A model that cannot be read or continues no text, memory that cannot be had, an address that cannot be listened on.
pub fn run(args: &Args) -> Result<()> {
    let mut runtime = Builder::new_current_thread();
    let runtime = runtime.enable_all().max_blocking_threads(PARSERS).build().context("cannot start the server")?;
    let done = runtime.block_on(serving(args));
    // what parses a body that nobody waits for is not waited for either
    runtime.shutdown_background();
    done
}

async fn serving(args: &Args) -> Result<()> {
    let (limits, key) = (args.limits(), args.key()?);
    let page = args.page.as_deref().map_or_else(|| Ok(Page::built_in()), Page::folder)?;
    let listener = bind(args.bind).await?;
    let address = listener.local_addr().context("the address is not known")?;
    let model = InferenceModel::load(args.model.as_deref())?;
    let engine = Arc::new(Engine::new(model, args.name(), args.cache, kernel(args.kernel)?, limits)?);
    let sessions = thread_count(args.sessions);
    let metrics = Arc::new(Metrics::new(sessions, engine.bytes));
    let queue = Arc::new(Queue::new(limits.queue, metrics.queue.clone()));
    let workers = Workers {
        engine: Arc::clone(&engine),
        queue: Arc::clone(&queue),
        metrics: Arc::clone(&metrics),
        runtime: Handle::current(),
    };
    workers.start(sessions)?;
    let has_key = key.is_some();
    let ready = || -> Result<()> {
        let (bytes, all) = (engine.bytes, sessions.saturating_mul(engine.bytes));
        let plural = if sessions == 1 { "" } else { "s" };
        eprint_line(format_args!(
            "{} as `{}`: {sessions} session{plural} of {}, {} of memory; http://{address}",
            engine.model.name,
            engine.name,
            size(bytes as f64),
            size(all as f64),
        ));
        if !address.ip().is_loopback() && !has_key {
            eprint_line(
                "warning: other machines can reach this address, and no key is asked for; --api-key-env NAME asks for one",
            );
        }
        if args.json {
            let report = json!({
                "address": address.to_string(), "model": engine.name, "sessions": sessions, "bytes_per_session": bytes,
            });
            write_json_line(&mut Output::of_results(), &report)?;
        }
        Ok(())
    };
    let (open, count) = (metrics.connections.clone(), AtomicU64::new(0));
    let server = Server { engine: Arc::clone(&engine), queue: Arc::clone(&queue), metrics, key, page, count };
    let in_time = serve(listener, router(Arc::new(server)), &limits, open, ready).await?;
    if in_time {
        queue.close();
    } else {
        queue.end();
        sleep(LAST_WORDS).await;
        eprint_line(format_args!("requests that took longer than {} s were broken off", limits.grace.as_secs()));
    }
    Ok(())
}

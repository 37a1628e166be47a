//! Arguments of `ebt serve`.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use ebt::packed::Storage;

use crate::cli::{KERNELS, MOST_CANDIDATES, MOST_STEPS, STORAGES, one_of, whole};

/// Answer completions over HTTP, as OpenAI's clients ask for them.
///
/// `POST /v1/completions` continues texts or token ids, whole or as a stream; it takes `prompt`, `max_tokens`, `temperature`,
/// `top_p`, `seed`, `n`, `stop`, `stream`, `stream_options`, `logprobs`, `echo` and, for thinking, `ebt`. `/v1/models`, `/tokenize`,
/// `/detokenize`, `/tokenizer_info`, `/metrics` and `/health` are there too, and a page at `/`. Fields that are not known are refused.
///
/// A session is a thread and its memory, made once at the start; requests beyond the sessions wait, and beyond the queue are
/// refused with status 503. The same prompt, seed and settings give the tokens of `ebt generate`. Ctrl-C finishes what runs.
///
/// A build needs the feature `serve` for this command.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  ebt serve
  ebt serve --model runs/turkish --bind 127.0.0.1:9000 --sessions 4
  ebt serve --bind 0.0.0.0:8080 --api-key-env EBT_KEY
  curl -d '{\"prompt\": \"Ankara\", \"max_tokens\": 8}' -H 'Content-Type: application/json' http://127.0.0.1:8080/v1/completions")]
pub struct Args {
    /// Model file or packed model, run or checkpoint folder, or hf://OWNER/NAME/FILE [default: a small model that the program brings along]
    #[arg(long, value_name = "PATH")]
    pub model: Option<PathBuf>,
    /// What requests call the model [default: the name of its file; `sample`]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Address and port to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080")]
    pub bind: SocketAddr,
    /// Completions that are computed at once, a thread each [default: all cores]
    #[arg(long, value_name = "N", value_parser = crate::cli::threads())]
    pub sessions: Option<NonZeroUsize>,
    /// Environment variable with the key that requests must bring along
    #[arg(long, value_name = "NAME")]
    pub api_key_env: Option<String>,
    /// Folder of a page to show at / [default: the page of the program]
    #[arg(long, value_name = "DIR")]
    pub page: Option<PathBuf>,
    /// Print address, model and memory as one line of JSON once connections are taken
    #[arg(long)]
    pub json: bool,
    /// Instructions of the processor; answers do not depend on them
    #[arg(long, value_parser = one_of(KERNELS), default_value = "auto", value_name = "KERNEL")]
    pub kernel: &'static str,
    /// How read keys and values are kept: f16 and int8 take half and a quarter of a session's memory, and change results a little
    #[arg(long, value_parser = one_of(STORAGES), default_value = "f32", value_name = "NUMBERS")]
    pub cache: Storage,
    /// What requests may ask for.
    #[command(flatten)]
    pub limits: LimitArgs,
}

/// Bounds of requests.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Limits")]
pub struct LimitArgs {
    /// Most tokens of a completion
    #[arg(long, value_name = "N", default_value_t = 2048, value_parser = whole::<usize>(1..=1 << 24))]
    pub most_tokens: usize,
    /// Most tokens of a prompt
    #[arg(long, value_name = "N", default_value_t = 8192, value_parser = whole::<usize>(1..=1 << 20))]
    pub most_prompt: usize,
    /// Most descent steps of a token
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = whole::<usize>(1..=MOST_STEPS))]
    pub most_think: usize,
    /// Most candidates of a token; the memory of a session grows with it
    #[arg(long, value_name = "M", default_value_t = 4, value_parser = whole::<usize>(1..=MOST_CANDIDATES))]
    pub most_candidates: usize,
    /// Requests that may wait for a session
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = whole::<usize>(0..=65_536))]
    pub queue: usize,
    /// Connections that may be open; others wait to be taken
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = whole::<usize>(1..=65_536))]
    pub connections: usize,
    /// Seconds that a request may take, waiting included
    #[arg(long, value_name = "SECONDS", default_value_t = 600, value_parser = whole::<u64>(1..=86_400))]
    pub timeout: u64,
    /// Seconds after which a client is given up that takes nothing of its answer
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = whole::<u64>(1..=3600))]
    pub write_timeout: u64,
    /// Seconds that running requests are given after Ctrl-C
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = whole::<u64>(0..=3600))]
    pub grace: u64,
}

//! Generation with a cache from random weights: the same work as an embedded program's, one JSON line.

use std::hint::black_box;
use std::ops::ControlFlow;
use std::time::Instant;

use anyhow::Result;
use ebt::engine::descent::{DescentOptions, Sampling};
use ebt::engine::{Session, SessionOptions};
use ebt::packed::{self, FeedForward, Model, Storage, Swiglu};
use ebt_core::config::{Config, UpdateRule};
use ebt_core::objective::Objective;
use ebt_core::parameters::ParameterLayout;
use ebt_core::random::{Purpose, Stream};
use ebt_data::memory;
use ebt_device::products::products_on_one_thread;
use ebt_device::weights::random_weights;
use serde::Serialize;

use super::median::median;
use crate::cli::{
    KERNELS, MOST_CANDIDATES, MOST_SIZE, MOST_STEPS, Output, RULES, STORAGES, kernel, one_of, whole, write_json_line,
};
use crate::inference::SessionMemory;

/// Sizes of the model and of the measurement.
///
/// One thread reads tokens and generates others, after 16 and after 4000 tokens. Fields of the line:
///
/// milliseconds_per_token: median time of thinking, drawing and reading one token. tokens_per_second: of the slower.
///
/// peak_bytes: the packed model and the session's memory.
///
/// weight_bytes_per_token: bytes of the stored matrices that a token reads, each matrix once for every pass it is read
/// in: per landscape once for the token that is read (of the last block its keys and values), and per step once forward
/// and once backward, the vocabulary matrix likewise. floor_milliseconds: the time that these take at the rate
/// copy_bytes_per_second, the bytes that a copy between two buffers of 256 MiB moves in a second (each is read and written).
/// share_of_floor: the floor over milliseconds_per_token after 4000.
///
/// prompt_tokens_per_second: reading a prompt in blocks. prompt_flops_per_second: its products, counted as 2 rows columns
/// for every token and matrix, and 4 d for every query head and key that it sees. prompt_share_of_gemm: that over the rate
/// gemm_flops_per_second of the training backend's products with the matrices, of as many rows.
#[derive(Clone, Debug, Serialize, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Vocabulary
    #[arg(long, default_value_t = 8192, value_parser = whole::<usize>(1..=MOST_SIZE))]
    vocab: usize,
    /// Width
    #[arg(long, default_value_t = 256, value_parser = whole::<usize>(1..=MOST_SIZE))]
    dim: usize,
    /// Blocks
    #[arg(long, default_value_t = 6, value_parser = whole::<usize>(1..=MOST_SIZE))]
    layers: usize,
    /// Query heads
    #[arg(long, default_value_t = 4, value_parser = whole::<usize>(1..=MOST_SIZE))]
    heads: usize,
    /// Feed-forward width
    #[arg(long, default_value_t = 1024, value_parser = whole::<usize>(1..=MOST_SIZE))]
    ffn: usize,
    /// Sliding window
    #[arg(long, default_value_t = 256, value_parser = whole::<usize>(1..=MOST_SIZE))]
    window: usize,
    /// Landscapes
    #[arg(long, default_value_t = 3, value_parser = whole::<usize>(1..=MOST_SIZE))]
    landscapes: usize,
    /// Descent steps of a token
    #[arg(long, default_value_t = 3, value_parser = whole::<usize>(1..=MOST_STEPS))]
    steps: usize,
    /// Starts of a token
    #[arg(long, default_value_t = 1, value_parser = whole::<usize>(1..=MOST_CANDIDATES))]
    candidates: usize,
    /// Storage of the matrices
    #[arg(long, value_parser = one_of(STORAGES), default_value = "f32")]
    #[serde(skip)]
    dtype: Storage,
    /// How read keys and values are kept
    #[arg(long, value_parser = one_of(STORAGES), default_value = "f32")]
    #[serde(skip)]
    cache: Storage,
    /// Tokens of a prompt that are read together
    #[arg(long, default_value_t = 64, value_parser = whole::<usize>(1..=4096))]
    block: usize,
    /// Timed tokens at each place
    #[arg(long, default_value_t = 32, value_parser = whole::<usize>(1..=1 << 16))]
    tokens: usize,
    /// Update rule
    #[arg(long, default_value = "probability", value_parser = one_of(RULES))]
    update: UpdateRule,
    /// Instructions of the processor
    #[arg(long, value_parser = one_of(KERNELS), default_value = "auto")]
    #[serde(skip)]
    kernel: &'static str,
}

/// Tokens before the first and before the second measurement.
const PLACES: [usize; 2] = [16, 4000];

/// Bytes of each of two buffers that the copy rate is measured with: larger than any cache.
const COPIED: usize = 256 << 20;

#[derive(Serialize)]
struct Line<'a> {
    tokens_per_second: f64,
    milliseconds_per_token: After,
    peak_bytes: usize,
    model_bytes: usize,
    session_bytes: usize,
    weight_bytes_per_token: usize,
    copy_bytes_per_second: f64,
    floor_milliseconds: f64,
    share_of_floor: f64,
    prompt_tokens_per_second: f64,
    prompt_flops_per_second: f64,
    gemm_flops_per_second: f64,
    prompt_share_of_gemm: f64,
    threads: usize,
    dtype: &'a str,
    cache: &'a str,
    kernel: &'a str,
    config: &'a Args,
}

#[derive(Serialize)]
struct After {
    after_16: f64,
    after_4000: f64,
}

impl Args {
    fn model(&self) -> Config {
        Config {
            vocab: self.vocab,
            dim: self.dim,
            layers: self.layers,
            heads: self.heads,
            ffn: self.ffn,
            context: self.window.max(1),
            window: Some(self.window),
            landscapes: self.landscapes,
            update: self.update,
            ..Config::default()
        }
    }

    /// The bytes of a packed model of random weights.
    fn pack(&self, storage: Storage) -> Result<Vec<u8>> {
        let config = self.model();
        config.validate()?;
        // as they are drawn, and packed in at most as many bytes
        let values = ParameterLayout::new(&config).count() as u64;
        let wanted = values.saturating_mul(8).saturating_add(2 * COPIED as u64);
        memory::check("this model", wanted, "a smaller --vocab, --dim, --ffn or fewer --layers take less")?;
        let weights: Vec<Vec<f32>> = random_weights(&ParameterLayout::new(&config)).collect();
        let objective = Objective { min_steps: 1, max_steps: self.steps, ..Objective::default() };
        let contents = packed::Contents {
            config: &config,
            objective: &objective,
            provenance: &[],
            weights: &weights,
            storage,
            language: None,
        };
        Ok(packed::pack(&contents)?)
    }
}

/// Measures and prints.
///
/// # Errors
///
/// An impossible size, and a value that is not finite.
pub fn run(args: &Args) -> Result<()> {
    let (kernel, storage) = (kernel(args.kernel)?, args.dtype);
    let bytes = args.pack(storage)?;
    let model = Model::read(&bytes)?;
    let options = SessionOptions {
        block: args.block,
        rows: args.candidates,
        steps: args.steps,
        trials: false,
        curvature: false,
        cache: args.cache,
    };
    let mut memory = SessionMemory::of(&model.config, &options)?;
    let session_bytes = memory.bytes();
    let mut session = memory.session(model.clone(), &options, kernel)?;

    let prompt_seconds = prompt(&mut session, args)?;
    let [after_16, after_4000] = [token(&mut session, args, PLACES[0])?, token(&mut session, args, PLACES[1])?];
    let prompt_flops = prompt_flops(&model);
    let gemm = gemm(&model, args.block);
    let copy = copy_rate();
    let weight_bytes = weight_bytes(&model, args.steps);
    let floor = 1e3 * weight_bytes as f64 / copy;
    let rounded = |x: f64, places: f64| (x * places).round() / places;
    let slower = after_16.max(after_4000);
    let line = Line {
        tokens_per_second: rounded(1e3 / slower, 100.0),
        milliseconds_per_token: After { after_16: rounded(after_16, 1e3), after_4000: rounded(after_4000, 1e3) },
        peak_bytes: bytes.len() + session_bytes,
        model_bytes: bytes.len(),
        session_bytes,
        weight_bytes_per_token: weight_bytes,
        copy_bytes_per_second: copy.round(),
        floor_milliseconds: rounded(floor, 1e3),
        share_of_floor: rounded(floor / after_4000, 1e4),
        prompt_tokens_per_second: rounded(1.0 / prompt_seconds, 10.0),
        prompt_flops_per_second: (prompt_flops / prompt_seconds).round(),
        gemm_flops_per_second: gemm.round(),
        prompt_share_of_gemm: rounded(prompt_flops / prompt_seconds / gemm, 1e4),
        threads: 1,
        dtype: storage.name(),
        cache: args.cache.name(),
        kernel: kernel.name(),
        config: args,
    };
    Ok(write_json_line(&mut Output::of_results(), &line)?)
}

/// Random tokens of a stream.
fn tokens(vocab: usize, count: usize) -> Vec<u32> {
    let stream = Stream::new(0, 0, Purpose::Test);
    (0..count).map(|i| stream.below(i as u64, vocab as u64) as u32).collect()
}

/// Seconds a token of reading a prompt: median over blocks, once the window is full.
fn prompt(session: &mut Session<'_, '_>, args: &Args) -> Result<f64> {
    session.reset();
    session.observe(&tokens(args.vocab, args.window.min(1024)))?;
    let block = tokens(args.vocab, args.block);
    let mut times = Vec::new();
    for _ in 0..(1024 / args.block).clamp(5, 32) {
        let start = Instant::now();
        session.observe(&block)?;
        times.push(start.elapsed().as_secs_f64() / args.block as f64);
    }
    Ok(median(&mut times))
}

/// Milliseconds of one token after `place` others: thinking, drawing, reading.
fn token(session: &mut Session<'_, '_>, args: &Args, place: usize) -> Result<f64> {
    session.reset();
    session.observe(&tokens(args.vocab, place))?;
    let think = DescentOptions { steps: args.steps, candidates: args.candidates, ..DescentOptions::default() };
    let draws = Stream::new(0, 0, Purpose::Sampling);
    let mut times = Vec::new();
    // the first is not counted
    for count in 0..=args.tokens {
        let start = Instant::now();
        session.think(&think, &mut |_| ControlFlow::Continue(()))?;
        let drawn = session.sample(&Sampling::default(), draws.uniform(count as u64), |_| false)?;
        session.observe(&[drawn.id])?;
        times.push(1e3 * start.elapsed().as_secs_f64());
    }
    times.remove(0);
    Ok(median(&mut times))
}

/// `(rows, columns, bytes)` of the matrices that every block is made of.
fn matrices(model: &Model<'_>) -> Vec<[(usize, usize, usize); 4]> {
    let shape = |m: packed::Matrix<'_>| (m.rows, m.columns, m.bytes());
    let of = |layer| {
        let block = model.block(layer)?;
        // the bench has no mixtures
        let FeedForward::Dense(Swiglu { w13, w2 }) = block.feed_forward else { return None };
        Some([shape(block.qkv), shape(block.wo), shape(w13), shape(w2)])
    };
    (0..model.config.layers).filter_map(of).collect()
}

/// Rows of the key and value projection.
fn key_value_rows(config: &Config) -> usize {
    2 * config.key_heads() * config.head_width()
}

/// Bytes of matrices that a token reads.
fn weight_bytes(model: &Model<'_>, steps: usize) -> usize {
    let blocks = matrices(model);
    let all: usize = blocks.iter().flatten().map(|m| m.2).sum();
    let last: usize = blocks.last().map_or(0, |block| block.iter().map(|m| m.2).sum());
    let keys = blocks.last().map_or(0, |block| block[0].2 * key_value_rows(&model.config) / block[0].0.max(1));
    let embedding = model.embedding().bytes() / model.config.vocab.max(1);
    let observed = embedding + all - last + keys;
    let step = 2 * (all + model.vocabulary().bytes());
    model.config.landscapes.min(steps) * observed + steps * step
}

/// Operations of the products that reading one token takes.
fn prompt_flops(model: &Model<'_>) -> f64 {
    let blocks = matrices(model);
    let whole: usize = blocks.iter().rev().skip(1).flatten().map(|m| m.0 * m.1).sum();
    let keys = key_value_rows(&model.config) * model.config.dim;
    let (queries, seen) =
        (model.config.heads * model.config.head_width(), model.config.window.unwrap_or(model.config.context));
    let attention = 2 * queries * seen * model.config.layers.saturating_sub(1);
    2.0 * (model.config.landscapes.min(model.descent.steps) * (whole + keys + attention)) as f64
}

/// Operations a second of the training backend's products of `rows` rows with matrices of these shapes, one after the
/// other as a pass takes them, on one thread.
fn gemm(model: &Model<'_>, rows: usize) -> f64 {
    let shapes: Vec<_> = matrices(model).into_iter().flatten().map(|(n, k, _)| (n, k)).collect();
    products_on_one_thread(&shapes, rows)
}

/// Bytes a second that copies move between buffers larger than the caches, on one thread.
fn copy_rate() -> f64 {
    let (from, mut to) = (vec![1u8; COPIED], vec![2u8; COPIED]);
    let mut copy = || {
        let start = Instant::now();
        to.copy_from_slice(black_box(&from));
        black_box(&mut to);
        start.elapsed().as_secs_f64()
    };
    copy();
    COPIED as f64 / median(&mut (0..7).map(|_| copy()).collect::<Vec<_>>())
}

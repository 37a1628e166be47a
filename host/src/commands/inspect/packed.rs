//! What a packed model holds.

use std::io::Write;

use anyhow::{Context, Result};
use ebt::packed::{BlockCondition, ConditionOf, DescentDefaults, FeedForward, Floats, Model, Swiglu, VERSION};
use ebt_core::config::Config;
use ebt_tokenizer::compact::CompactTokenizer;
use serde::Serialize;

use super::parts::{TokenizerReport, print_fields, print_origin};
use crate::cli::{Output, write_json};

/// What is printed.
#[derive(Debug, Serialize)]
struct Report {
    file: String,
    packed: bool,
    format_version: u32,
    bytes: usize,
    config: Config,
    descent: DescentDefaults,
    storage: &'static str,
    weight_bytes: usize,
    parts: Vec<Part>,
    provenance: Vec<(String, String)>,
    tokenizer: Option<TokenizerReport>,
}

/// Bytes of one part of the model, without padding.
#[derive(Debug, Serialize)]
struct Part {
    name: &'static str,
    bytes: usize,
}

pub(super) fn run(file: &str, bytes: &[u8], json: bool) -> Result<()> {
    let model = Model::read(bytes).with_context(|| file.to_owned())?;
    let report = report(file, bytes.len(), &model)?;
    let mut out = Output::of_results();
    if json {
        write_json(&mut out, &report)?;
    } else {
        print(&mut out, &report)?;
    }
    Ok(out.flush()?)
}

fn report(file: &str, bytes: usize, model: &Model<'_>) -> Result<Report> {
    let tokenizer = model.tokenizer().map(|bytes| -> Result<_> {
        let t = CompactTokenizer::from_bytes(bytes).with_context(|| format!("the tokenizer inside {file}"))?;
        let fingerprint = format!("{:016x}", t.fingerprint());
        Ok(TokenizerReport { vocabulary: t.vocabulary_size() as usize, fingerprint, bytes: bytes.len() })
    });
    Ok(Report {
        file: file.to_owned(),
        packed: true,
        format_version: VERSION,
        bytes,
        config: model.config.clone(),
        descent: model.descent,
        storage: model.storage.name(),
        weight_bytes: model.weight_bytes(),
        parts: parts(model),
        provenance: model.provenance().map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
        tokenizer: tokenizer.transpose()?,
    })
}

fn parts(model: &Model<'_>) -> Vec<Part> {
    let vector = |v: Option<Floats<'_>>| v.map_or(0, |v| 4 * v.len());
    let swiglu = |s: Swiglu<'_>| s.w13.bytes() + s.w2.bytes();
    let (mut attention, mut feed_forward, mut conditions) = (0, 0, 0);
    let all = (0..model.config.landscapes).map(ConditionOf::Landscape).chain([ConditionOf::Plain]);
    let all: Vec<ConditionOf> = all.collect();
    for layer in 0..model.config.layers {
        let Some(block) = model.block(layer) else { continue };
        attention += block.qkv.bytes() + block.wo.bytes();
        feed_forward += match block.feed_forward {
            FeedForward::Dense(dense) => swiglu(dense),
            FeedForward::Mixture { gate, bias, experts, shared } => {
                gate.bytes() + vector(bias) + swiglu(experts) + shared.map_or(0, swiglu)
            }
        };
        for BlockCondition { w1, b1, a1, w2, b2, a2 } in all.iter().filter_map(|&of| model.block_condition(of, layer)) {
            conditions += [Some(w1), b1, a1, Some(w2), b2, a2].map(vector).iter().sum::<usize>();
        }
    }
    for head in all.iter().filter_map(|&of| model.head_condition(of)) {
        conditions += vector(Some(head.w)) + vector(head.b);
    }
    let vocabulary = if model.config.tied { 0 } else { model.vocabulary().bytes() };
    vec![
        Part { name: "embedding", bytes: model.embedding().bytes() },
        Part { name: "vocabulary", bytes: vocabulary },
        Part { name: "attention", bytes: attention },
        Part { name: "feed-forward", bytes: feed_forward },
        Part { name: "conditions", bytes: conditions },
        Part { name: "head", bytes: vector(model.head()) },
    ]
}

fn print(out: &mut impl Write, r: &Report) -> Result<()> {
    writeln!(out, "{}: packed model version {}, {} bytes, {}\n", r.file, r.format_version, r.bytes, r.storage)?;
    print_fields(out, "config", &r.config)?;
    print_fields(out, "descent", &r.descent)?;
    writeln!(out, "part          {:>12}", "bytes")?;
    for part in &r.parts {
        writeln!(out, "{:13} {:>12}", part.name, part.bytes)?;
    }
    writeln!(out, "{:13} {:>12}\n", "with padding", r.weight_bytes)?;
    print_origin(out, r.tokenizer.as_ref(), None, &r.provenance)
}

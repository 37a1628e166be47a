//! What the plan says of many ranks.

use std::io::{self, Write};

use ebt_data::progress::{count, size};
use ebt_device::scaling::{BASIS, Link, OF_A_MACHINE, Scaling};

/// Writes the section; `told` says what [`share_among`](ebt_device::scaling::share_among) made different.
pub fn print(s: &Scaling, told: Option<&str>, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "\n{} ranks, each an H100 in bf16, {OF_A_MACHINE} on a machine: {BASIS}", s.ranks)?;
    if let Some(told) = told {
        writeln!(out, "{told}")?;
    }
    let plural = |n: usize, one: &str, many: &str| format!("{n} {}", if n == 1 { one } else { many });
    let lanes = plural(s.lanes_a_rank, "lane", "lanes");
    let batches = plural(s.micro_batches_a_rank, "micro-batch", "micro-batches");
    writeln!(out, "{:<13}{:>12}   {lanes} and {batches} a rank", "lanes", s.lanes)?;
    writeln!(out, "{:<13}{:>12}   a rank and step", "tokens", s.tokens_a_rank)?;
    writeln!(out, "{:<13}{:>12}   a rank and step sent, and as many received", "gradients", bytes(s.bytes_a_rank))?;
    writeln!(out, "{:<13}{:>12}   a rank", "peak", size(s.peak_bytes_a_rank as f64))?;
    let (work, flops) = (milliseconds(s.seconds_of_work), count(s.flops_a_rank as f64));
    writeln!(out, "{:<13}{work:>12}   {flops} FLOPs a rank at 35% of 790 TFLOP/s", "work")?;
    writeln!(out, "\n{:<13}{:>12}{:>12}{:>12}", "link", "sum", "step", "efficiency")?;
    for over in &s.links {
        let (sum, step) = (milliseconds(over.seconds_of_sum), milliseconds(over.seconds_of_step));
        let what = Link::ALL.iter().find(|(name, ..)| *name == over.link).map_or("", |(_, what, _)| what);
        writeln!(out, "{:<13}{sum:>12}{step:>12}{:>11.0}%   {what}", over.link, 100.0 * over.efficiency)?;
    }
    if s.ranks <= OF_A_MACHINE {
        writeln!(
            out,
            "up to {OF_A_MACHINE} ranks are on one machine: whatever joins machines, its sum goes over NVLink"
        )?;
    }
    Ok(())
}

/// Bytes in powers of ten, as the rates of links are.
fn bytes(n: u64) -> String {
    match n as f64 {
        n if n >= 1e9 => format!("{:.2} GB", n / 1e9),
        n if n >= 1e6 => format!("{:.2} MB", n / 1e6),
        n => format!("{:.2} kB", n / 1e3),
    }
}

fn milliseconds(seconds: f64) -> String {
    match 1e3 * seconds {
        ms if ms >= 100.0 => format!("{ms:.0} ms"),
        ms => format!("{ms:.1} ms"),
    }
}

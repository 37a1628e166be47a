//! Trajectories, a panel a token.

use plotters::prelude::*;

use super::canvas::{Area, Drawn, FONT, axes};
use super::trajectory::{Step, Trajectory};

/// Columns of panels.
pub const COLUMNS: usize = 3;

const KEPT: RGBColor = RGBColor(20, 80, 160);
const JUMP: RGBColor = RGBColor(150, 150, 150);

pub(super) fn draw<DB: DrawingBackend>(area: &Area<DB>, title: &str, tokens: &[Trajectory]) -> Drawn<DB> {
    area.fill(&WHITE)?;
    let area = area.titled(title, (FONT, 20))?;
    let columns = tokens.len().clamp(1, COLUMNS);
    let panels = area.split_evenly((tokens.len().div_ceil(columns).max(1), columns));
    panels.iter().zip(tokens).enumerate().try_for_each(|(number, (area, token))| panel(area, number, token))
}

fn panel<DB: DrawingBackend>(area: &Area<DB>, number: usize, token: &Trajectory) -> Drawn<DB> {
    let steps = token.candidates.iter().map(Vec::len).max().unwrap_or(0).max(1);
    let energies = token.candidates.iter().flatten().flat_map(|s| [Some(s.before), s.after]).flatten();
    let caption = format!("token {}: {:?}", number + 1, token.piece);
    // an odd number of marks at most, so that they fall on whole steps
    let marks = if steps <= 12 { steps + 1 } else { 7 };
    let chart = axes(ChartBuilder::on(area).caption(caption, (FONT, 15)), (steps, marks), energies, "energy")?;
    let std::ops::Range { start: low, end: high } = chart.y_range();
    changes(token).try_for_each(|at| {
        let line = PathElement::new(vec![(at as f64, low), (at as f64, high)], JUMP.mix(0.35).stroke_width(1));
        chart.plotting_area().draw(&line)
    })?;
    // the kept one last, on top
    let order = (0..token.candidates.len()).filter(|&c| c != token.chosen).chain([token.chosen]);
    for candidate in order {
        let Some(steps) = token.candidates.get(candidate) else { continue };
        let kept = candidate == token.chosen;
        let (colour, width) = if kept { (KEPT.mix(1.0), 2) } else { (JUMP.mix(0.9), 1) };
        for (i, step) in steps.iter().enumerate() {
            let from = (i as f64, step.before);
            if let Some(to) = end(steps, i) {
                let line = PathElement::new(vec![from, ((i + 1) as f64, to)], colour.stroke_width(width));
                chart.plotting_area().draw(&line)?;
                if kept {
                    chart.plotting_area().draw(&Circle::new(((i + 1) as f64, to), 3, colour.stroke_width(1)))?;
                }
            }
            if kept {
                chart.plotting_area().draw(&Circle::new(from, 3, colour.filled()))?;
            }
        }
    }
    Ok(())
}

/// Energy at the end of a step: as evaluated, else where the next step on the same landscape begins.
fn end(steps: &[Step], i: usize) -> Option<f64> {
    let step = steps.get(i)?;
    let next = steps.get(i + 1).filter(|next| next.landscape == step.landscape).map(|next| next.before);
    step.after.or(next)
}

/// Steps before which the landscape changes: energies on either side do not compare.
fn changes(token: &Trajectory) -> impl Iterator<Item = usize> {
    let longest = token.candidates.iter().max_by_key(|steps| steps.len());
    let pairs = longest.into_iter().flat_map(|steps| steps.windows(2).enumerate());
    pairs.filter(|(_, pair)| pair[0].landscape != pair[1].landscape).map(|(i, _)| i + 1)
}

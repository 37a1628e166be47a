//! Trajectories, a panel a token.

use plotters::prelude::*;

use super::canvas::{Area, Drawn, FONT, label};
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

/// Least and largest energy with a margin.
fn range(token: &Trajectory) -> (f64, f64) {
    let energies = token.candidates.iter().flatten().flat_map(|s| [Some(s.before), s.after]).flatten();
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    energies.filter(|e| e.is_finite()).for_each(|e| (low, high) = (low.min(e), high.max(e)));
    if low > high {
        return (0.0, 1.0);
    }
    let margin = 0.06 * (high - low).max(1e-6 * (1.0 + high.abs()));
    (low - margin, high + margin)
}

fn panel<DB: DrawingBackend>(area: &Area<DB>, number: usize, token: &Trajectory) -> Drawn<DB> {
    let steps = token.candidates.iter().map(Vec::len).max().unwrap_or(0).max(1);
    let (low, high) = range(token);
    let caption = format!("token {}: {:?}", number + 1, token.piece);
    let mut chart = ChartBuilder::on(area)
        .caption(caption, (FONT, 15))
        .margin(10)
        .margin_right(18)
        .x_label_area_size(36)
        .y_label_area_size(70)
        .build_cartesian_2d(-0.02 * steps as f64..1.02 * steps as f64, low..high)?;
    // an odd number of marks at most, so that they fall on whole steps
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(BLACK.mix(0.08))
        .x_labels(if steps <= 12 { steps + 1 } else { 7 })
        .y_labels(6)
        .x_label_formatter(&|x| if (x - x.round()).abs() < 1e-6 { format!("{x:.0}") } else { String::new() })
        .y_label_formatter(&|y| label(*y, high - low))
        .x_desc("descent step")
        .y_desc("energy")
        .label_style((FONT, 12))
        .axis_desc_style((FONT, 13))
        .draw()?;
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

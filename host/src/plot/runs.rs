//! The course of training runs as curves: loss, measurements and energies.

use ebt_train::checkpoint::Validation;
use ebt_train::metrics::{History, Past};
use ebt_train::session::RateSearch;
use plotters::prelude::*;

use super::Figure;
use super::curves::{COLOURS, Curves, Level, Mark, Panel, Series, Style};

/// What curves run along.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum By {
    /// Training steps
    #[default]
    Steps,
    /// Seconds of training, over all invocations
    Seconds,
    /// Tokens trained on
    Tokens,
}

impl By {
    fn place(self, past: &Past) -> f64 {
        match self {
            By::Steps => past.step as f64,
            By::Seconds => past.seconds,
            By::Tokens => past.tokens as f64,
        }
    }

    fn along(self) -> (&'static str, Mark) {
        match self {
            By::Steps => ("training steps", Mark::Count),
            By::Seconds => ("time", Mark::Clock),
            By::Tokens => ("tokens", Mark::Count),
        }
    }
}

/// A run and what it is called.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// In the legend.
    pub name: String,
    /// What it told.
    pub history: History,
}

/// What a measurement measures; each has a panel of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Measure {
    Bits,
    Boards,
    Words,
}

impl Measure {
    const ALL: [Self; 3] = [Self::Bits, Self::Boards, Self::Words];

    fn of(validation: &Validation) -> Self {
        match (&validation.solved, &validation.restored) {
            (Some(_), _) => Self::Boards,
            (None, Some(_)) => Self::Words,
            (None, None) => Self::Bits,
        }
    }

    fn named(self) -> &'static str {
        match self {
            Self::Bits => "bits per byte",
            Self::Boards => "boards solved, %",
            Self::Words => "words right, %",
        }
    }

    /// After every thinking step.
    fn values(self, validation: &Validation) -> Vec<f64> {
        let percent = |n: u64, of: u64| 100.0 * n as f64 / of.max(1) as f64;
        match (&validation.solved, &validation.restored) {
            (Some(solved), _) => solved.per_step.iter().map(|&n| percent(n, solved.boards)).collect(),
            (None, Some(found)) => found.per_step.iter().map(|right| percent(right.words, found.of.words)).collect(),
            (None, None) => validation.per_step.clone(),
        }
    }
}

/// Points that are enough for any screen.
const MOST_POINTS: usize = 1500;
/// How visible a curve is that lies behind another of its run.
const PALE: f64 = 0.3;
const GREY: RGBColor = RGBColor(90, 90, 90);

/// The picture of runs. `smooth` is the share of the mean loss that stays at a step; 0 = as measured.
pub fn figure(runs: &[Run], by: By, smooth: f64) -> Figure {
    let coloured = || runs.iter().zip(COLOURS.iter().copied().cycle());
    let mut panels = vec![loss(coloured(), by, smooth)];
    panels.extend(Measure::ALL.into_iter().filter_map(|measure| measured(coloured(), by, measure)));
    panels.extend(energies(coloured(), by));
    let (along, mark) = by.along();
    let legend = coloured().map(|(run, colour)| (run.name.clone(), colour)).collect();
    let title = match runs {
        [run] => run.name.clone(),
        _ => format!("{} runs", runs.len()),
    };
    Figure::Curves { title, curves: Curves { legend, along, mark, panels } }
}

fn loss<'a>(runs: impl Iterator<Item = (&'a Run, RGBColor)>, by: By, smooth: f64) -> Panel {
    let mut series = Vec::new();
    for (run, colour) in runs {
        let raw: Vec<(f64, f64)> = run.history.steps.iter().map(|past| (by.place(past), past.loss)).collect();
        if smooth > 0.0 {
            series.push(Series { points: thinned(&smoothed(&raw, smooth)), colour, strength: 1.0, style: Style::Line });
            series.insert(0, Series { points: thinned(&raw), colour, strength: PALE, style: Style::Line });
        } else {
            series.push(Series { points: thinned(&raw), colour, strength: 1.0, style: Style::Line });
        }
    }
    let how = if smooth > 0.0 { format!(", smoothed by {smooth}") } else { String::new() };
    Panel {
        caption: format!("training loss{how}"),
        named: String::from("nats a token"),
        series,
        levels: Vec::new(),
        cut: true,
    }
}

/// Measurements of one kind, where there are any.
fn measured<'a>(runs: impl Iterator<Item = (&'a Run, RGBColor)>, by: By, measure: Measure) -> Option<Panel> {
    let (mut series, mut levels): (Vec<Series>, Vec<Level>) = (Vec::new(), Vec::new());
    let (mut rings, mut pale) = (false, false);
    for (run, colour) in runs {
        let all = || run.history.validations.iter().filter(|validation| Measure::of(validation) == measure);
        let Some(first) = all().next() else { continue };
        let point = |validation: &Validation, value: Option<f64>| {
            let place = run.history.at(validation.step).map_or(0.0, |past| by.place(past));
            (place, value.unwrap_or(f64::NAN))
        };
        let of_all = |v: &Validation| point(v, measure.values(v).last().copied());
        let checks = || all().filter(|validation| validation.tokens == first.tokens);
        let others: Vec<(f64, f64)> = all().filter(|v| v.tokens != first.tokens).map(of_all).collect();
        if all().any(|validation| measure.values(validation).len() > 1) {
            pale = true;
            let points = checks().map(|v| point(v, measure.values(v).first().copied())).collect();
            series.insert(0, Series { points, colour, strength: PALE, style: Style::Line });
        }
        series.push(Series { points: checks().map(of_all).collect(), colour, strength: 1.0, style: Style::Dots });
        rings |= !others.is_empty();
        series.push(Series { points: others, colour, strength: 1.0, style: Style::Rings });
        let of = run.history.baselines.filter(|_| measure == Measure::Bits);
        for (name, value) in of.into_iter().flat_map(|of| [("unigram", of.unigram), ("bigram", of.bigram)]) {
            // runs on one text share their lines
            match levels.iter_mut().find(|level| level.name == name && (level.value - value).abs() < 1e-3) {
                Some(level) => level.colour = GREY,
                None => levels.push(Level { name: name.to_owned(), value, colour }),
            }
        }
    }
    if let [Level { colour: a, .. }, Level { colour: b, .. }] = levels.as_mut_slice() {
        (*a, *b) = (GREY, GREY);
    }
    let notes = [(pale, "pale: after the first thinking step"), (rings, "ring: on all validation data")];
    let notes: Vec<&str> = notes.into_iter().filter(|(there, _)| *there).map(|(_, note)| note).collect();
    let notes = if notes.is_empty() { String::new() } else { format!(" ({})", notes.join("; ")) };
    let named = measure.named().to_owned();
    (!series.is_empty()).then(|| Panel {
        caption: format!("validation{notes}"),
        named,
        series,
        levels,
        cut: measure == Measure::Bits,
    })
}

/// Mean energies before every descent step, where there are any.
fn energies<'a>(runs: impl Iterator<Item = (&'a Run, RGBColor)>, by: By) -> Option<Panel> {
    let mut series = Vec::new();
    for (run, colour) in runs {
        let steps = run.history.steps.iter().map(|past| past.energies.len()).max().unwrap_or(0);
        for step in 0..steps {
            let points = run.history.steps.iter().filter_map(|past| Some((by.place(past), *past.energies.get(step)?)));
            let strength = 1.0 - (1.0 - PALE) * (steps - 1 - step) as f64 / (steps - 1).max(1) as f64;
            let points = thinned(&points.collect::<Vec<_>>());
            series.push(Series { points, colour, strength, style: Style::Line });
        }
    }
    let caption = String::from("mean energy before every descent step (pale: the first)");
    (!series.is_empty()).then(|| Panel {
        caption,
        named: String::from("energy"),
        series,
        levels: Vec::new(),
        cut: false,
    })
}

/// A sweep over learning rates.
pub fn rates(found: &RateSearch) -> Figure {
    let points = |values: &[f64]| found.rates.iter().map(|rate| rate.log10()).zip(values.iter().copied()).collect();
    let [colour, ring, ..] = COLOURS;
    let mut series = vec![
        Series { points: points(&found.losses), colour, strength: PALE, style: Style::Line },
        Series { points: points(&found.smoothed), colour, strength: 1.0, style: Style::Line },
    ];
    let mut caption = String::from("training loss of a step (pale) and its mean");
    if let Some(steepest) = found.steepest {
        let at = found.rates.iter().position(|&rate| rate == steepest);
        let point = at.and_then(|at| Some((steepest.log10(), *found.smoothed.get(at)?)));
        series.push(Series { points: point.into_iter().collect(), colour: ring, strength: 1.0, style: Style::Rings });
        caption += &format!("; ring: steepest fall, at {steepest:.1e}");
    }
    let panel = Panel { caption, named: String::from("nats a token"), series, levels: Vec::new(), cut: false };
    let curves = Curves { legend: Vec::new(), along: "learning rate", mark: Mark::Power, panels: vec![panel] };
    Figure::Curves { title: String::from("learning rates"), curves }
}

/// The mean of the values up to each, with weights that fall by `kept` a point, corrected for its beginning.
fn smoothed(points: &[(f64, f64)], kept: f64) -> Vec<(f64, f64)> {
    let (mut mean, mut weight) = (0.0, 0.0);
    let finite = points.iter().filter(|(_, y)| y.is_finite());
    let next = finite.map(|&(x, y)| {
        mean = kept * mean + (1.0 - kept) * y;
        weight = kept * weight + (1.0 - kept);
        (x, mean / weight)
    });
    next.collect()
}

/// At most [`MOST_POINTS`]: means of equally many neighbours.
fn thinned(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let together = points.len().div_ceil(MOST_POINTS).max(1);
    let mean = |some: &[(f64, f64)]| {
        let finite = || some.iter().filter(|(_, y)| y.is_finite());
        let n = finite().count() as f64;
        (finite().map(|p| p.0).sum::<f64>() / n, finite().map(|p| p.1).sum::<f64>() / n)
    };
    points.chunks(together).map(mean).filter(|(x, _)| x.is_finite()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn smoothing_keeps_what_is_constant_and_thinning_keeps_the_mean() {
        let constant: Vec<(f64, f64)> = (0..10).map(|i| (f64::from(i), 3.0)).collect();
        assert!(smoothed(&constant, 0.9).iter().all(|(_, y)| (y - 3.0).abs() < 1e-12));
        let many: Vec<(f64, f64)> = (0..4500).map(|i| (f64::from(i), f64::from(i % 3))).collect();
        let few = thinned(&many);
        assert_eq!(few.len(), MOST_POINTS);
        assert!(few.iter().all(|(_, y)| (y - 1.0).abs() < 1e-12));
        assert_eq!(thinned(&[(1.0, f64::NAN), (2.0, 5.0)]), [(2.0, 5.0)]);
    }
}

//! Curves over a common axis, a panel for every quantity.

use std::ops::Range;

use ebt_data::progress::{clock, count};
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

use super::canvas::{Area, Drawn, FONT, label, range};

/// Width of the picture in pixels.
const WIDTH: u32 = 900;
/// Height of a panel.
const PANEL: u32 = 300;
/// Height of a line of the legend.
const LINE: u32 = 22;
/// Height of the title.
const TITLE: u32 = 34;

/// Colours that also those tell apart who see few of them (Okabe and Ito).
pub const COLOURS: [RGBColor; 8] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(0, 0, 0),
    RGBColor(130, 130, 60),
];

/// What panels have in common.
#[derive(Clone, Debug, PartialEq)]
pub struct Curves {
    /// Names and their colours; one alone is not shown.
    pub legend: Vec<(String, RGBColor)>,
    /// What runs along, below every panel.
    pub along: &'static str,
    /// How its numbers are written.
    pub mark: Mark,
    /// From top to bottom.
    pub panels: Vec<Panel>,
}

/// How the numbers of an axis are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// As counts, from 0.
    Count,
    /// As times in seconds, from 0.
    Clock,
    /// As powers of ten, of which the axis has the exponents.
    Power,
}

impl Mark {
    fn of(self, x: f64) -> String {
        match self {
            Mark::Power if (x - x.round()).abs() < 1e-6 => format!("1e{x:.0}"),
            Mark::Count if x >= 0.0 => count(x),
            Mark::Clock if x >= 0.0 => clock(x),
            _ => String::new(),
        }
    }
}

/// One quantity.
#[derive(Clone, Debug, PartialEq)]
pub struct Panel {
    /// Above it.
    pub caption: String,
    /// Beside its axis.
    pub named: String,
    /// Later ones lie on top.
    pub series: Vec<Series>,
    /// Lines across it.
    pub levels: Vec<Level>,
    /// Whether values at the beginning that lie far above all later ones are cut off.
    pub cut: bool,
}

/// Share of the places at the beginning that may be cut off.
const BEGINNING: f64 = 0.2;
/// How far above the range of the rest, as a multiple of it, is not yet cut off.
const HEADROOM: f64 = 0.5;

impl Panel {
    /// From the least to the largest value that is shown, and whether larger ones are cut off.
    fn values(&self, places: &Range<f64>) -> (f64, f64, bool) {
        let points = || self.series.iter().flat_map(|series| &series.points);
        let levels = || self.levels.iter().map(|level| level.value);
        let (low, high) = range(points().map(|point| point.1).chain(levels()));
        let from = places.start + BEGINNING * (places.end - places.start);
        let later = points().filter(|point| point.0 >= from).map(|point| point.1);
        let (least, most) = range(later.chain(levels()));
        let limit = most + HEADROOM * (most - least);
        let lowest = points().map(|point| point.1).filter(|y| y.is_finite()).fold(least, f64::min);
        if self.cut && limit < high { (lowest, limit, true) } else { (low, high, false) }
    }
}

/// One curve.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Places and values.
    pub points: Vec<(f64, f64)>,
    /// Of line and dots.
    pub colour: RGBColor,
    /// How visible it is, up to 1.
    pub strength: f64,
    /// How points are shown.
    pub style: Style,
}

/// How the points of a curve are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Joined by a line.
    Line,
    /// Joined by a line, with a dot each.
    Dots,
    /// A ring each.
    Rings,
}

/// A line across a panel.
#[derive(Clone, Debug, PartialEq)]
pub struct Level {
    /// Written above it.
    pub name: String,
    /// Where it is.
    pub value: f64,
    /// Of line and name.
    pub colour: RGBColor,
}

impl Curves {
    fn named(&self) -> u32 {
        if self.legend.len() > 1 { self.legend.len() as u32 } else { 0 }
    }

    /// Width and height in pixels.
    pub fn size(&self) -> (u32, u32) {
        (WIDTH, TITLE + LINE * self.named() + PANEL * self.panels.len().max(1) as u32)
    }

    /// From the least to the largest place.
    fn places(&self) -> Range<f64> {
        let series = self.panels.iter().flat_map(|panel| &panel.series);
        let (low, high) = range(series.flat_map(|series| &series.points).map(|point| point.0));
        low..high
    }
}

pub(super) fn draw<DB: DrawingBackend>(area: &Area<DB>, title: &str, curves: &Curves) -> Drawn<DB> {
    area.fill(&WHITE)?;
    let area = area.titled(title, (FONT, 20))?;
    let (legend, panels) = area.split_vertically((LINE * curves.named()) as i32);
    for (i, (name, colour)) in curves.legend.iter().enumerate().take(curves.named() as usize) {
        let middle = (LINE * i as u32 + LINE / 2) as i32;
        legend.draw(&PathElement::new(vec![(20, middle), (50, middle)], colour.stroke_width(3)))?;
        legend.draw(&Text::new(name.clone(), (60, middle - 7), (FONT, 14).into_font()))?;
    }
    let places = curves.places();
    let areas = panels.split_evenly((curves.panels.len().max(1), 1));
    areas.iter().zip(&curves.panels).try_for_each(|(area, panel)| draw_panel(area, curves, panel, places.clone()))
}

fn draw_panel<DB: DrawingBackend>(area: &Area<DB>, curves: &Curves, panel: &Panel, places: Range<f64>) -> Drawn<DB> {
    let (low, high, cut) = panel.values(&places);
    let caption = format!("{}{}", panel.caption, if cut { ", cut off above" } else { "" });
    let mut chart = ChartBuilder::on(area)
        .caption(caption, (FONT, 15))
        .margin(10)
        .margin_right(24)
        .x_label_area_size(36)
        .y_label_area_size(70)
        .build_cartesian_2d(places.clone(), low..high)?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(BLACK.mix(0.08))
        .x_labels(8)
        .y_labels(6)
        .x_label_formatter(&|x| curves.mark.of(*x))
        .y_label_formatter(&|y| label(*y, high - low))
        .x_desc(curves.along)
        .y_desc(&panel.named)
        .label_style((FONT, 12))
        .axis_desc_style((FONT, 13))
        .draw()?;
    let plot: &DrawingArea<DB, Cartesian2d<RangedCoordf64, RangedCoordf64>> = chart.plotting_area();
    for (i, level) in panel.levels.iter().enumerate() {
        let across = vec![(places.start, level.value), (places.end, level.value)];
        plot.draw(&PathElement::new(across, level.colour.mix(0.6).stroke_width(1)))?;
        let right = places.start + (0.01 + 0.1 * i as f64).min(0.9) * (places.end - places.start);
        let at = (right, level.value + 0.06 * (high - low));
        plot.draw(&Text::new(level.name.clone(), at, (FONT, 12).into_font().color(&level.colour)))?;
    }
    for series in &panel.series {
        let colour = series.colour.mix(series.strength);
        let finite = |point: &&(f64, f64)| point.0.is_finite() && point.1.is_finite();
        let points: Vec<(f64, f64)> =
            series.points.iter().filter(finite).map(|&(x, y)| (x, y.clamp(low, high))).collect();
        let alone = points.len() == 1;
        if series.style != Style::Rings && !alone {
            let width = if series.strength < 1.0 { 1 } else { 2 };
            plot.draw(&PathElement::new(points.clone(), colour.stroke_width(width)))?;
        }
        for point in points {
            match series.style {
                Style::Rings => plot.draw(&Circle::new(point, 6, colour.stroke_width(2)))?,
                Style::Line if !alone => {}
                Style::Line | Style::Dots => plot.draw(&Circle::new(point, 3, colour.filled()))?,
            }
        }
    }
    Ok(())
}

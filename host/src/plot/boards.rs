//! A board that fills in: its distributions after some steps, the free energy of all starts, and where each of them ended.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::canvas::{Area, Drawn, FONT, axes};
use ebt_train::sudoku::{Grid, symbol};

/// Boards in a row.
const COLUMNS: usize = 6;
/// Width of a board with its margins, and height with its caption, in pixels.
const BOARD: (u32, u32) = (190, 212);
/// Height of the energies.
const ENERGIES: u32 = 300;
/// Space above everything.
const TITLE: u32 = 40;
/// A candidate digit less probable than this is not drawn.
const LEAST: f32 = 0.03;
/// From here on the digit is drawn as an answer.
const SURE: f32 = 0.9;

const GIVEN: RGBColor = RGBColor(20, 20, 20);
const ANSWER: RGBColor = RGBColor(20, 80, 160);
const WRONG: RGBColor = RGBColor(190, 40, 40);
const LINES: RGBColor = RGBColor(150, 150, 150);

/// What one start did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Start {
    /// `F` before every step, and after the last where it was assessed.
    pub energies: Vec<f64>,
    /// Distributions `(cells, N)` after every step.
    pub distributions: Vec<Vec<f32>>,
}

/// Descents on one board.
#[derive(Clone, Debug, PartialEq)]
pub struct Boards {
    /// The cells.
    pub grid: Grid,
    /// Symbols of given cells.
    pub givens: Vec<Option<u8>>,
    /// What every start did; at least one.
    pub starts: Vec<Start>,
    /// Which of them was kept.
    pub chosen: usize,
    /// Whether a cell of an answer breaks a rule, for every start.
    pub wrong: Vec<Vec<bool>>,
}

impl Boards {
    /// Steps after which the kept start is shown: powers of two and the last.
    fn shown(&self) -> Vec<usize> {
        let last = self.starts.get(self.chosen).map_or(0, |start| start.distributions.len());
        let mut steps: Vec<usize> = (0..).map(|i| 1 << i).take_while(|&step| step < last).chain([last]).collect();
        while steps.len() > COLUMNS {
            steps.remove(steps.len() - 2);
        }
        steps
    }

    /// Rows of boards of the starts; none where there is one start.
    fn rows(&self) -> u32 {
        if self.starts.len() == 1 { 0 } else { self.starts.len().div_ceil(COLUMNS) as u32 }
    }

    /// Width and height in pixels.
    pub(super) fn size(&self) -> (u32, u32) {
        (COLUMNS as u32 * BOARD.0, TITLE + BOARD.1 * (1 + self.rows()) + ENERGIES)
    }
}

pub(super) fn draw<DB: DrawingBackend>(area: &Area<DB>, title: &str, boards: &Boards) -> Drawn<DB> {
    area.fill(&WHITE)?;
    let area = area.titled(title, (FONT, 20))?;
    let (first, rest) = area.split_vertically(BOARD.1);
    let (middle, last) = rest.split_vertically(ENERGIES);
    let Some(kept) = boards.starts.get(boards.chosen) else { return Ok(()) };
    for (place, step) in first.split_evenly((1, COLUMNS)).iter().zip(boards.shown()) {
        let Some(p) = step.checked_sub(1).and_then(|i| kept.distributions.get(i)) else { continue };
        let caption = format!("after {step} step{}", if step == 1 { "" } else { "s" });
        board(place, boards, p, (&caption, ANSWER), &[])?;
    }
    energies(&middle, boards)?;
    if boards.rows() == 0 {
        return Ok(());
    }
    let places = last.split_evenly((boards.rows() as usize, COLUMNS));
    for (number, (place, start)) in places.iter().zip(&boards.starts).enumerate() {
        let Some(p) = start.distributions.last() else { continue };
        let end = start.energies.last().map_or(String::new(), |f| format!(": F = {f:.2}"));
        let is_kept = number == boards.chosen;
        let caption = format!("start {}{end}{}", number + 1, if is_kept { ", kept" } else { "" });
        let wrong = boards.wrong.get(number).map_or(&[][..], Vec::as_slice);
        board(place, boards, p, (&caption, if is_kept { ANSWER } else { GIVEN }), wrong)?;
    }
    Ok(())
}

fn centred(size: f64, colour: &RGBAColor) -> TextStyle<'static> {
    (FONT, size).into_font().color(colour).pos(Pos::new(HPos::Center, VPos::Center))
}

/// One board with distributions `p`; `wrong` cells are red.
fn board<DB: DrawingBackend>(
    area: &Area<DB>,
    boards: &Boards,
    p: &[f32],
    (caption, colour): (&str, RGBColor),
    wrong: &[bool],
) -> Drawn<DB> {
    let (grid, n) = (boards.grid, boards.grid.symbols());
    let (width, height) = area.dim_in_pixel();
    let side = (width.min(height.saturating_sub(22)) as i32 - 14) / n as i32;
    let (left, top) = ((width as i32 - side * n as i32) / 2, 22);
    area.draw(&Text::new(caption.to_owned(), (width as i32 / 2, 11), centred(14.0, &colour.mix(1.0))))?;
    for (cell, p) in p.chunks_exact(n).enumerate() {
        let place = grid.place(cell);
        let corner = (left + side * place.column as i32, top + side * place.row as i32);
        let middle = (corner.0 + side / 2, corner.1 + side / 2);
        let digit = |v: usize| symbol::to_char(v as u8).to_string();
        let size = f64::from(side) * 0.72;
        if let Some(given) = boards.givens.get(cell).copied().flatten() {
            let shade = Rectangle::new([corner, (corner.0 + side, corner.1 + side)], GIVEN.mix(0.07).filled());
            area.draw(&shade)?;
            area.draw(&Text::new(digit(given.into()), middle, centred(size, &GIVEN.mix(1.0))))?;
            continue;
        }
        let colour = if wrong.get(cell) == Some(&true) { WRONG } else { ANSWER };
        if let Some(sure) = p.iter().position(|&p| p >= SURE) {
            area.draw(&Text::new(digit(sure), middle, centred(size, &colour.mix(1.0))))?;
            continue;
        }
        let (rows, columns) = (grid.box_rows() as i32, grid.box_columns() as i32);
        for (v, &p) in p.iter().enumerate().filter(|(_, p)| **p >= LEAST) {
            let at = (v as i32 % columns, v as i32 / columns);
            let x = corner.0 + side * (2 * at.0 + 1) / (2 * columns);
            let y = corner.1 + side * (2 * at.1 + 1) / (2 * rows);
            // the area of a digit is its probability
            let size = f64::from(side) * (0.22 + 0.26 * f64::from(p).sqrt());
            let strength = 0.35 + 0.65 * f64::from(p);
            area.draw(&Text::new(digit(v), (x, y), centred(size, &colour.mix(strength))))?;
        }
    }
    for line in 0..=n {
        let at = side * line as i32;
        let style = |heavy: bool| if heavy { GIVEN.stroke_width(2) } else { LINES.stroke_width(1) };
        let (far_x, far_y) = (left + side * n as i32, top + side * n as i32);
        let down = PathElement::new(vec![(left + at, top), (left + at, far_y)], style(line % grid.box_columns() == 0));
        let across = PathElement::new(vec![(left, top + at), (far_x, top + at)], style(line % grid.box_rows() == 0));
        area.draw(&down)?;
        area.draw(&across)?;
    }
    Ok(())
}

/// `F` of all starts by step, that of the kept one last and thick.
fn energies<DB: DrawingBackend>(area: &Area<DB>, boards: &Boards) -> Drawn<DB> {
    let all = boards.starts.iter().flat_map(|start| start.energies.iter().copied());
    let last = boards.starts.iter().map(|start| start.energies.len()).max().unwrap_or(1).saturating_sub(1).max(1);
    let marks = if last <= 16 { last + 1 } else { 9 };
    let mut chart = axes(&mut ChartBuilder::on(area), (last, marks), all, "free energy F")?;
    let order = (0..boards.starts.len()).filter(|&start| start != boards.chosen).chain([boards.chosen]);
    for number in order {
        let Some(start) = boards.starts.get(number) else { continue };
        let points: Vec<(f64, f64)> = start.energies.iter().enumerate().map(|(i, &f)| (i as f64, f)).collect();
        let style = if number == boards.chosen { ANSWER.stroke_width(2) } else { LINES.stroke_width(1) };
        chart.draw_series(LineSeries::new(points, style))?;
    }
    Ok(())
}

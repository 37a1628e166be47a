//! A landscape as a heat map with contours and paths.

use plotters::prelude::*;

use super::canvas::{Area, Drawn, FONT, label};
use super::landscape::{Landscape, Point};

/// Number of contours on a map; none are drawn where no energy is finite.
const LEVELS: usize = 12;

/// Colours from low to high energy; lightness grows evenly.
const COLOURS: [(f64, f64, f64); 7] = [
    (28.0, 22.0, 66.0),
    (44.0, 60.0, 122.0),
    (38.0, 104.0, 138.0),
    (44.0, 146.0, 134.0),
    (104.0, 184.0, 112.0),
    (186.0, 212.0, 98.0),
    (250.0, 238.0, 170.0),
];

fn colour(share: f64) -> RGBColor {
    let x = if share.is_finite() { share.clamp(0.0, 1.0) } else { 1.0 } * (COLOURS.len() - 1) as f64;
    let i = (x as usize).min(COLOURS.len() - 2);
    let (t, low, high) = (x - i as f64, COLOURS[i], COLOURS[i + 1]);
    let mix = |low: f64, high: f64| (low + t * (high - low)).round() as u8;
    RGBColor(mix(low.0, high.0), mix(low.1, high.1), mix(low.2, high.2))
}

/// Least and largest of the finite energies.
fn range(energies: &[f64]) -> (f64, f64) {
    let finite = energies.iter().copied().filter(|e| e.is_finite());
    let (low, high) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), e| (l.min(e), h.max(e)));
    if low < high { (low, high) } else { (low.min(0.0), low.min(0.0) + 1.0) }
}

/// Energies of contours: quantiles, so that flat regions show their form, too.
fn levels(energies: &[f64]) -> Vec<f64> {
    let mut sorted: Vec<f64> = energies.iter().copied().filter(|e| e.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    let quantile = |level: usize| sorted.get(level * sorted.len() / (LEVELS + 1)).copied();
    (1..=LEVELS).filter_map(quantile).collect()
}

pub(super) fn draw<DB: DrawingBackend>(area: &Area<DB>, title: &str, map: &Landscape) -> Drawn<DB> {
    area.fill(&WHITE)?;
    let area = area.titled(title, (FONT, 18))?;
    let (width, _) = area.dim_in_pixel();
    let (left, right) = area.split_horizontally(width.saturating_sub(120));
    let (low, high) = range(&map.energies);
    let mut chart = ChartBuilder::on(&left)
        .margin(12)
        .x_label_area_size(44)
        .y_label_area_size(64)
        .build_cartesian_2d(map.a.0..map.a.1, map.b.0..map.b.1)?;
    chart
        .configure_mesh()
        .disable_mesh()
        .x_labels(7)
        .y_labels(7)
        .x_label_formatter(&|x| label(*x, map.a.1 - map.a.0))
        .y_label_formatter(&|y| label(*y, map.b.1 - map.b.0))
        .x_desc("a: along the descent, 1 = its length")
        .y_desc(format!("b: {}", map.second))
        .label_style((FONT, 12))
        .axis_desc_style((FONT, 13))
        .draw()?;
    let plane = chart.plotting_area();
    let cells = map.resolution.saturating_sub(1);
    for j in 0..cells {
        for i in 0..cells {
            let corners = [(i, j), (i + 1, j), (i, j + 1), (i + 1, j + 1)].map(|(i, j)| map.energy(i, j));
            let share = (corners.iter().sum::<f64>() / 4.0 - low) / (high - low);
            let cell = Rectangle::new([map.point(i, j), map.point(i + 1, j + 1)], colour(share).filled());
            plane.draw(&cell)?;
        }
    }
    for energy in levels(&map.energies) {
        for (from, to) in contour(map, energy) {
            plane.draw(&PathElement::new(vec![from, to], WHITE.mix(0.45).stroke_width(1)))?;
        }
    }
    let order = (0..map.paths.len()).filter(|&c| c != map.chosen).chain([map.chosen]);
    for candidate in order {
        let Some(path) = map.paths.get(candidate) else { continue };
        let kept = candidate == map.chosen;
        let (tint, width) = if kept { (RGBColor(220, 40, 40), 2) } else { (RGBColor(230, 230, 230), 1) };
        plane.draw(&PathElement::new(path.clone(), tint.stroke_width(width)))?;
        for (i, &point) in path.iter().enumerate() {
            let radius = if i + 1 == path.len() { 5 } else { 3 };
            plane.draw(&Circle::new(point, radius, tint.filled()))?;
            plane.draw(&Circle::new(point, radius, BLACK.stroke_width(1)))?;
        }
    }
    scale(&right, (low, high))
}

/// The colours and what they mean.
fn scale<DB: DrawingBackend>(area: &Area<DB>, (low, high): (f64, f64)) -> Drawn<DB> {
    let (_, height) = area.dim_in_pixel();
    let (top, bottom) = (34i32, height as i32 - 58);
    area.draw(&Text::new("energy", (4, 10), (FONT, 13)))?;
    for y in top..bottom {
        let share = f64::from(bottom - 1 - y) / f64::from((bottom - top - 1).max(1));
        area.draw(&Rectangle::new([(4, y), (24, y + 1)], colour(share).filled()))?;
    }
    for mark in 0..=5 {
        let share = f64::from(mark) / 5.0;
        let y = bottom - 1 - (share * f64::from(bottom - top - 1)) as i32;
        area.draw(&PathElement::new(vec![(24, y), (29, y)], BLACK.stroke_width(1)))?;
        area.draw(&Text::new(label(low + share * (high - low), high - low), (33, y - 7), (FONT, 12)))?;
    }
    Ok(())
}

/// Segments of the line of this energy, cell by cell (marching squares on two triangles a cell).
fn contour(map: &Landscape, level: f64) -> Vec<(Point, Point)> {
    let mut segments = Vec::new();
    let cells = map.resolution.saturating_sub(1);
    for j in 0..cells {
        for i in 0..cells {
            let corner = |(i, j): (usize, usize)| (map.point(i, j), map.energy(i, j) - level);
            for triangle in [[(i, j), (i + 1, j), (i, j + 1)], [(i + 1, j), (i + 1, j + 1), (i, j + 1)]] {
                let [x, y, z] = triangle.map(corner);
                let crossings: Vec<Point> = [(x, y), (y, z), (z, x)].into_iter().filter_map(crossing).collect();
                if let [from, to] = crossings[..] {
                    segments.push((from, to));
                }
            }
        }
    }
    segments
}

/// Where a quantity that is linear between two points is zero.
fn crossing(((p, x), (q, y)): ((Point, f64), (Point, f64))) -> Option<Point> {
    if (x < 0.0) == (y < 0.0) || !x.is_finite() || !y.is_finite() {
        return None;
    }
    let t = x / (x - y);
    Some((p.0 + t * (q.0 - p.0), p.1 + t * (q.1 - p.1)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plot::trajectory::Trajectory;

    #[test]
    fn a_contour_of_a_bowl_is_a_circle() {
        let resolution = 41;
        let trajectory = Trajectory { piece: String::new(), candidates: vec![], chosen: 0 };
        let mut map = Landscape {
            a: (-1.0, 1.0),
            b: (-1.0, 1.0),
            resolution,
            energies: Vec::new(),
            paths: vec![],
            chosen: 0,
            second: "",
            landscape: 0,
            trajectory,
        };
        let at = |map: &Landscape, k: usize| map.point(k % resolution, k / resolution);
        map.energies = (0..resolution * resolution).map(|k| at(&map, k)).map(|(a, b)| a * a + b * b).collect();
        let segments = contour(&map, 0.49);
        let length: f64 = segments.iter().map(|(p, q)| (p.0 - q.0).hypot(p.1 - q.1)).sum();
        assert!((length / (std::f64::consts::TAU * 0.7) - 1.0).abs() < 0.01, "{length}");
        assert!(segments.iter().all(|(p, _)| (p.0.hypot(p.1) - 0.7).abs() < 0.01));
    }

    #[test]
    fn colours_go_from_dark_to_light() {
        let light = |share: f64| {
            let RGBColor(r, g, b) = colour(share);
            0.2 * f64::from(r) + 0.7 * f64::from(g) + 0.1 * f64::from(b)
        };
        assert!((0..20).all(|i| light(f64::from(i) / 20.0) < light(f64::from(i + 1) / 20.0)));
        assert_eq!((colour(-1.0), colour(f64::NAN)), (colour(0.0), colour(1.0)));
    }
}

//! What all figures are drawn on and labelled with.

use anyhow::Result;
use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::drawing::DrawingAreaErrorKind;
use plotters::prelude::*;

/// Font of all text.
pub const FONT: &str = "sans-serif";

/// Makes the font known by which text is measured, and drawn in PNG.
#[cfg(feature = "png")]
pub fn fonts() -> Result<()> {
    plotters::style::register_font(FONT, FontStyle::Normal, dejavu::sans::regular())
        .map_err(|_| anyhow::anyhow!("the font cannot be used"))
}

/// Without PNG, text is measured by the number of its letters.
#[cfg(not(feature = "png"))]
pub fn fonts() -> Result<()> {
    Ok(())
}

/// Where a figure is drawn.
pub type Area<DB> = DrawingArea<DB, Shift>;
/// What drawing returns.
pub type Drawn<DB> = Result<(), DrawingAreaErrorKind<<DB as DrawingBackend>::ErrorType>>;

/// Axes for energies by descent step.
pub type Energies<'a, DB> = ChartContext<'a, DB, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// Draws these axes: from before the first step to after the last of `steps`, with `marks` marks, and all `energies`, which are
/// `named`.
pub fn axes<'a, DB: DrawingBackend>(
    chart: &mut ChartBuilder<'a, '_, DB>,
    (steps, marks): (usize, usize),
    energies: impl Iterator<Item = f64>,
    named: &str,
) -> Result<Energies<'a, DB>, DrawingAreaErrorKind<<DB as DrawingBackend>::ErrorType>> {
    let (low, high) = range(energies);
    let mut chart = chart
        .margin(10)
        .margin_right(18)
        .x_label_area_size(36)
        .y_label_area_size(70)
        .build_cartesian_2d(-0.02 * steps as f64..1.02 * steps as f64, low..high)?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(BLACK.mix(0.08))
        .x_labels(marks)
        .y_labels(6)
        .x_label_formatter(&|x| if (x - x.round()).abs() < 1e-6 { format!("{x:.0}") } else { String::new() })
        .y_label_formatter(&|y| label(*y, high - low))
        .x_desc("descent step")
        .y_desc(named)
        .label_style((FONT, 12))
        .axis_desc_style((FONT, 13))
        .draw()?;
    Ok(chart)
}

/// Least and largest number with a margin.
pub fn range(energies: impl Iterator<Item = f64>) -> (f64, f64) {
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    energies.filter(|e| e.is_finite()).for_each(|e| (low, high) = (low.min(e), high.max(e)));
    if low > high {
        return (0.0, 1.0);
    }
    let margin = 0.06 * (high - low).max(1e-6 * (1.0 + high.abs()));
    (low - margin, high + margin)
}

/// `x` in as few digits as distinguish parts of `span`.
pub fn label(x: f64, span: f64) -> String {
    let digits = (2.0 - span.abs().max(1e-12).log10().floor()).clamp(0.0, 9.0) as usize;
    if x != 0.0 && (x.abs() >= 1e6 || span < 1e-6) {
        return format!("{x:.3e}");
    }
    let text = format!("{x:.digits$}");
    // zero has no sign, however the place of a tick was rounded
    let zero = text.bytes().all(|byte| matches!(byte, b'-' | b'0' | b'.'));
    if zero { text.trim_start_matches('-').to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::label;

    #[test]
    fn labels_tell_ticks_apart_and_zero_has_no_sign() {
        assert_eq!([-0.05, -1e-17, 0.1].map(|x| label(x, 0.3)), ["-0.050", "0.000", "0.100"]);
        assert_eq!([-200.0, -0.0, 2e6].map(|x| label(x, 500.0)), ["-200", "0", "2.000e6"]);
        assert_eq!(label(-3e-8, 1e-7), "-3.000e-8");
    }
}

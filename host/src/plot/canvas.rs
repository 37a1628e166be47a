//! What all figures are drawn on and labelled with.

use anyhow::Result;
use plotters::coord::Shift;
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

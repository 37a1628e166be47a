//! Pictures as PNG.

use anyhow::Result;
use plotters::prelude::*;

use super::canvas::Area;

/// The PNG file of what `draw` draws on so many pixels.
///
/// # Errors
///
/// What `draw` returns.
pub fn png(
    (width, height): (u32, u32),
    draw: impl for<'a> FnOnce(&Area<BitMapBackend<'a>>) -> Result<()>,
) -> Result<Vec<u8>> {
    let mut pixels = vec![0; 3 * width as usize * height as usize];
    draw(&BitMapBackend::with_buffer(&mut pixels, (width, height)).into_drawing_area())?;
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&pixels)?;
    writer.finish()?;
    Ok(file)
}

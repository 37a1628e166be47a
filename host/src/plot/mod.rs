//! Pictures of descents: energies along trajectories, and slices of the landscape they descend on.
//!
//! SVG names the generic font `sans-serif`; PNG draws text with DejaVu Sans (of the free DejaVu licence, in the crate
//! `dejavu`), which the program brings along, so no font of the system is needed and pictures are the same everywhere.

mod canvas;
pub mod landscape;
mod map;
mod panels;
pub mod trajectory;

use std::io::BufWriter;
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use plotters::prelude::*;

use canvas::{Area, fonts};
use ebt_data::file;
use landscape::Landscape;
use panels::COLUMNS;
use trajectory::Trajectory;

/// What is drawn.
#[derive(Clone, Debug, PartialEq)]
pub enum Figure {
    /// A panel for every token.
    Trajectories {
        /// Above all panels.
        title: String,
        /// In order, at least one.
        tokens: Vec<Trajectory>,
    },
    /// One token's landscape.
    Landscape {
        /// Above the map.
        title: String,
        /// What is on it.
        landscape: Box<Landscape>,
    },
}

/// The two kinds of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Vector graphics, with text in the viewer's own font `sans-serif`.
    Svg,
    /// Pixels, with text drawn in DejaVu Sans.
    Png,
}

impl Format {
    /// By the end of a file's name.
    ///
    /// # Errors
    ///
    /// Any other end; the message names the file.
    pub fn of(path: &Path) -> Result<Self> {
        let end = path.extension().and_then(|end| end.to_str()).map(str::to_ascii_lowercase);
        match end.as_deref() {
            Some("svg") => Ok(Format::Svg),
            Some("png") => Ok(Format::Png),
            _ => bail!("{}: the name of a picture must end in .svg or .png", path.display()),
        }
    }
}

impl Figure {
    /// Width and height in pixels.
    fn size(&self) -> (u32, u32) {
        match self {
            Figure::Trajectories { tokens, .. } => {
                let columns = tokens.len().clamp(1, COLUMNS) as u32;
                let rows = tokens.len().div_ceil(COLUMNS).max(1) as u32;
                (if columns == 1 { 760 } else { 460 * columns }, 40 + if columns == 1 { 440 } else { 330 * rows })
            }
            Figure::Landscape { .. } => (860, 680),
        }
    }

    /// Draws the picture and writes it to `path`, whole or not at all.
    ///
    /// # Errors
    ///
    /// A name that says neither SVG nor PNG, and whatever the file system refuses; the message names the file.
    pub fn write(&self, path: &Path) -> Result<()> {
        let format = Format::of(path)?;
        let failed = || format!("cannot draw {}", path.display());
        match format {
            Format::Svg => {
                let svg = self.svg().with_context(failed)?;
                file::write(path, |out| Ok(out.write_all(svg.as_bytes())?))
            }
            Format::Png => {
                let pixels = self.pixels().with_context(failed)?;
                file::write(path, |out| self.encode(out, &pixels))
            }
        }
    }

    fn svg(&self) -> Result<String> {
        fonts()?;
        let mut svg = String::new();
        draw(self, &SVGBackend::with_string(&mut svg, self.size()).into_drawing_area())?;
        Ok(svg)
    }

    /// Three bytes a pixel, row by row.
    fn pixels(&self) -> Result<Vec<u8>> {
        fonts()?;
        let (width, height) = self.size();
        let mut pixels = vec![0; 3 * width as usize * height as usize];
        draw(self, &BitMapBackend::with_buffer(&mut pixels, (width, height)).into_drawing_area())?;
        Ok(pixels)
    }

    fn encode(&self, out: &mut dyn std::io::Write, pixels: &[u8]) -> Result<()> {
        let (width, height) = self.size();
        let mut encoder = png::Encoder::new(BufWriter::new(out), width, height);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(pixels)?;
        Ok(writer.finish()?)
    }
}

fn draw<DB: DrawingBackend>(figure: &Figure, area: &Area<DB>) -> Result<()> {
    let drawn = match figure {
        Figure::Trajectories { title, tokens } => panels::draw(area, title, tokens),
        Figure::Landscape { title, landscape } => map::draw(area, title, landscape),
    };
    drawn.and_then(|()| area.present()).map_err(|error| anyhow!("{error}"))
}

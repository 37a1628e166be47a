//! Pictures of descents: energies along trajectories, slices of the landscape they descend on, and boards that fill in; and of
//! runs: the course of training.
//!
//! SVG names the generic font `sans-serif`; PNG, which is a feature, draws text with DejaVu Sans (of the free DejaVu licence,
//! in the crate `dejavu`), which the program brings along, so no font of the system is needed and pictures of a build are
//! the same everywhere.

pub mod boards;
mod canvas;
pub mod curves;
pub mod landscape;
mod map;
mod panels;
#[cfg(feature = "png")]
mod pixels;
pub mod runs;
pub mod trajectory;

use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use plotters::prelude::*;

use boards::Boards;
use canvas::{Area, fonts};
use curves::Curves;
use ebt_data::{file, program};
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
    /// One board's descents.
    Boards {
        /// Above everything.
        title: String,
        /// What is on it.
        boards: Boards,
    },
    /// Quantities over the course of training.
    Curves {
        /// Above everything.
        title: String,
        /// Panels.
        curves: Curves,
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
    /// Any other end, and PNG in a build without the feature `png`; the message names the file.
    pub fn of(path: &Path) -> Result<Self> {
        let end = path.extension().and_then(|end| end.to_str()).map(str::to_ascii_lowercase);
        match end.as_deref() {
            Some("svg") => Ok(Format::Svg),
            Some("png") if cfg!(feature = "png") => Ok(Format::Png),
            Some("png") => Err(lacks_png(path)),
            _ => bail!("{}: the name of a picture must end in .svg or .png", path.display()),
        }
    }
}

fn lacks_png(path: &Path) -> anyhow::Error {
    program::lacks(&format!("{}: drawing PNG", path.display()), "png")
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
            Figure::Boards { boards, .. } => boards.size(),
            Figure::Curves { curves, .. } => curves.size(),
        }
    }

    /// Draws the picture and writes it to `path`, whole or not at all.
    ///
    /// # Errors
    ///
    /// A name that says neither SVG nor PNG, and whatever the file system refuses; the message names the file.
    pub fn write(&self, path: &Path) -> Result<()> {
        let format = Format::of(path)?;
        fonts()?;
        let picture = match format {
            Format::Svg => self.svg(),
            Format::Png => self.png(path),
        };
        let picture = picture.with_context(|| format!("cannot draw {}", path.display()))?;
        file::write(path, |out| Ok(out.write_all(&picture)?))
    }

    fn svg(&self) -> Result<Vec<u8>> {
        let mut svg = String::new();
        draw(self, &SVGBackend::with_string(&mut svg, self.size()).into_drawing_area())?;
        Ok(svg.into_bytes())
    }

    #[cfg(feature = "png")]
    fn png(&self, _: &Path) -> Result<Vec<u8>> {
        pixels::png(self.size(), |area| draw(self, area))
    }

    #[cfg(not(feature = "png"))]
    fn png(&self, path: &Path) -> Result<Vec<u8>> {
        Err(lacks_png(path))
    }
}

fn draw<DB: DrawingBackend>(figure: &Figure, area: &Area<DB>) -> Result<()> {
    let drawn = match figure {
        Figure::Trajectories { title, tokens } => panels::draw(area, title, tokens),
        Figure::Landscape { title, landscape } => map::draw(area, title, landscape),
        Figure::Boards { title, boards } => boards::draw(area, title, boards),
        Figure::Curves { title, curves } => curves::draw(area, title, curves),
    };
    drawn.and_then(|()| area.present()).map_err(|error| anyhow!("{error}"))
}

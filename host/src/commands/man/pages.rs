//! Pages of the manual, one a command.

use std::io::{self, Write};
use std::path::Path;

use anyhow::{Context, Result};
use clap::Command;
use clap_mangen::Man;
use ebt_data::file;

/// Prints the page of the program.
///
/// # Errors
///
/// Output that cannot be written.
pub fn print(mut program: Command) -> Result<()> {
    program.build();
    let page = page(&program)?;
    let mut out = crate::cli::Output::of_results();
    out.write_all(&page)?;
    Ok(out.flush()?)
}

/// Writes the pages of the program and of all its commands to `folder`, which is made where there is none.
///
/// # Errors
///
/// A folder or a page that cannot be written; the message names it.
pub fn write(mut program: Command, folder: &Path) -> Result<()> {
    program.build();
    std::fs::create_dir_all(folder).with_context(|| format!("cannot create the folder {}", folder.display()))?;
    let mut left = vec![program];
    while let Some(command) = left.pop() {
        let path = folder.join(format!("{}.1", name(&command)));
        let page = page(&command)?;
        file::write(&path, |out| Ok(out.write_all(&page)?))?;
        left.extend(command.get_subcommands().filter(|command| command.get_name() != "help").cloned());
    }
    Ok(())
}

/// `ebt-data-prepare`.
fn name(command: &Command) -> &str {
    command.get_display_name().unwrap_or_else(|| command.get_name())
}

fn page(command: &Command) -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    Man::new(command.clone()).title(name(command)).render(&mut page)?;
    Ok(page)
}

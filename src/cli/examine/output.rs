//! In which forms an examination is printed, and where.

use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};

use clap::Args;

use super::super::Failure;
use super::super::file::write_whole;
use crate::report::{Examination, Style, Suite, examination, matrix};

#[derive(Args)]
#[group(id = "output")]
pub(super) struct Arguments {
    /// Print the findings as JSON
    #[arg(long, conflicts_with = "tap")]
    json: bool,
    /// Print the findings in the Test Anything Protocol
    #[arg(long)]
    tap: bool,
    /// Write the findings as JUnit's XML, too
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Write a page that explains itself, too
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Write the table of a suite as comma-separated values, too
    #[arg(long, value_name = "FILE")]
    pub(super) csv: Option<PathBuf>,
}

impl Arguments {
    /// Prints and writes an examination. That it can't be written is no fault of the server's: status 2.
    pub(super) fn one(&self, found: &Examination) -> Result<(), Failure> {
        self.write_one(found).map_err(unwritten)
    }

    fn write_one(&self, found: &Examination) -> Result<(), Failure> {
        if let Some(path) = &self.html {
            file(path, |out| examination::html::write(found, out))?;
        }
        if let Some(path) = &self.junit {
            file(path, |out| examination::junit::write([found], out))?;
        }
        let mut out = BufWriter::new(io::stdout().lock());
        if self.json {
            examination::json::write(found, &mut out)?;
        } else if self.tap {
            examination::tap::write([found], &mut out)?;
        } else {
            examination::text::write(found, &style(), &mut out)?;
        }
        Ok(out.flush()?)
    }

    /// The same of a suite.
    pub(super) fn several(&self, suite: &Suite) -> Result<(), Failure> {
        self.write_several(suite).map_err(unwritten)
    }

    fn write_several(&self, suite: &Suite) -> Result<(), Failure> {
        if let Some(path) = &self.html {
            file(path, |out| matrix::html::write(suite, out))?;
        }
        if let Some(path) = &self.csv {
            file(path, |out| matrix::csv::write(suite, out))?;
        }
        if let Some(path) = &self.junit {
            file(path, |out| examination::junit::write(&suite.examinations, out))?;
        }
        let mut out = BufWriter::new(io::stdout().lock());
        if self.json {
            examination::json::write_suite(suite, &mut out)?;
        } else if self.tap {
            examination::tap::write(&suite.examinations, &mut out)?;
        } else {
            matrix::text::write(suite, &style(), &mut out)?;
        }
        Ok(out.flush()?)
    }
}

fn unwritten(failure: Failure) -> Failure {
    Failure { status: 2, ..failure }
}

/// As wide as the terminal, with colour unless NO_COLOR is set; without a terminal neither.
pub(super) fn style() -> Style {
    let is_terminal = io::stdout().is_terminal();
    // A terminal that nobody has given a size has none.
    let width = comfy_table::Table::new().width().filter(|&width| is_terminal && width > 0);
    let width = width.map(usize::from);
    let is_plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    Style { width, colour: is_terminal && !is_plain }
}

/// Writes a file whole, or says why it can't be.
fn file(path: &Path, write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> Result<(), Failure> {
    let mut bytes = Vec::new();
    write(&mut bytes)?;
    write_whole(path, &bytes)
}

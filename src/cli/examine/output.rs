//! In which forms an examination is printed, and where.

use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::PathBuf;

use clap::Args;

use super::super::Failure;
use super::super::file::{may_write, write_for};
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
    /// That all files can be written, before there is anything to write.
    pub(super) fn may_be_written(&self) -> Result<(), Failure> {
        let files = [("--html", &self.html), ("--csv", &self.csv), ("--junit", &self.junit)];
        for (option, path) in files {
            if let Some(path) = path {
                may_write(option, path).map_err(unwritten)?;
            }
        }
        Ok(())
    }

    /// Prints and writes an examination, and prints it even if it can't be written. That it can't is no fault of the
    /// server's: status 2.
    pub(super) fn one(&self, found: &Examination) -> Result<(), Failure> {
        let written =
            file("--html", self.html.as_ref(), |out| examination::html::write(found, out)).and(
                file("--junit", self.junit.as_ref(), |out| examination::junit::write([found], out)),
            );
        self.print_one(found).and(written).map_err(unwritten)
    }

    fn print_one(&self, found: &Examination) -> Result<(), Failure> {
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
        let written = file("--html", self.html.as_ref(), |out| matrix::html::write(suite, out))
            .and(file("--csv", self.csv.as_ref(), |out| matrix::csv::write(suite, out)))
            .and(file("--junit", self.junit.as_ref(), |out| {
                examination::junit::write(&suite.examinations, out)
            }));
        self.print_several(suite).and(written).map_err(unwritten)
    }

    fn print_several(&self, suite: &Suite) -> Result<(), Failure> {
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

/// Writes a file whole that an option names, or says why it can't be.
fn file(
    option: &str,
    path: Option<&PathBuf>,
    write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>,
) -> Result<(), Failure> {
    let Some(path) = path else { return Ok(()) };
    let mut bytes = Vec::new();
    write(&mut bytes)?;
    write_for(option, path, &bytes)
}

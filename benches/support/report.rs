//! What a benchmark says: to people as it goes, to machines in a file, nothing in a test that passes.

use std::fmt::Display;
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};
use serde_json::Value;

/// Where it is said.
pub(crate) struct Report {
    quiet: bool,
    held_back: String,
}

impl Report {
    /// A quiet one says what it has to say only if the benchmark fails.
    pub(crate) fn new(quiet: bool) -> Self {
        Self { quiet, held_back: String::new() }
    }

    pub(crate) fn line(&mut self, line: impl Display) {
        if self.quiet {
            self.held_back.push_str(&format!("{line}\n"));
        } else {
            self.clear();
            println!("{line}");
        }
    }

    /// What is being done, on a terminal only.
    pub(crate) fn progress(&self, what: impl Display) {
        let mut stderr = std::io::stderr();
        if !self.quiet && stderr.is_terminal() {
            let _ = write!(stderr, "\r\x1b[K{what}");
            let _ = stderr.flush();
        }
    }

    fn clear(&self) {
        self.progress("");
    }

    /// The figures for a machine.
    pub(crate) fn json(&mut self, path: Option<&Path>, value: &Value) {
        if let Some(path) = path {
            let done = std::fs::write(path, format!("{value:#}\n"));
            self.line(match done {
                Ok(()) => format!("figures: {}", path.display()),
                Err(error) => format!("error: {}: {error}", path.display()),
            });
        }
    }

    /// The end, and the exit status.
    pub(crate) fn end(self, good: bool) -> ExitCode {
        self.clear();
        if good {
            return ExitCode::SUCCESS;
        }
        eprint!("{}", self.held_back);
        ExitCode::FAILURE
    }
}

/// An empty table; the words of its header stand over what is below them.
pub(crate) fn table(header: &[impl ToString]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    let cell = |(at, word): (usize, &_)| {
        let word = ToString::to_string(word);
        if at == 0 { Cell::new(word) } else { figure(word) }
    };
    table.set_header(header.iter().enumerate().map(cell));
    table
}

/// A cell of figures.
pub(crate) fn figure(text: impl ToString) -> Cell {
    Cell::new(text).set_alignment(CellAlignment::Right)
}

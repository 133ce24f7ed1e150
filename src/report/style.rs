//! How text is laid out for a terminal, or for none.

use std::borrow::Cow;
use std::io::{self, Write};

use textwrap::core::display_width;
use textwrap::{Options, WordSeparator, WordSplitter, WrapAlgorithm};

use super::Verdict;

/// What a terminal can show. The default is for a file or a pipe: no colour, and lines as long as they are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Style {
    /// How many columns a line may have; fewer than [`Style::NARROWEST`] are taken as so many.
    pub width: Option<usize>,
    /// Whether it shows colours. All that is said with one is said with a word too.
    pub colour: bool,
}

/// A part of a line: as wide as it is told, and several lines high if it has to be.
pub(super) struct Cell<'a> {
    pub(super) text: Cow<'a, str>,
    pub(super) width: Option<usize>,
    pub(super) verdict: Option<Verdict>,
}

impl<'a> Cell<'a> {
    pub(super) fn new(text: impl Into<Cow<'a, str>>, width: impl Into<Option<usize>>) -> Self {
        Self { text: text.into(), width: width.into(), verdict: None }
    }

    pub(super) fn painted(mut self, verdict: Verdict) -> Self {
        self.verdict = Some(verdict);
        self
    }
}

impl Style {
    /// Below this a table is no table.
    pub const NARROWEST: usize = 32;

    pub(super) fn columns(&self) -> Option<usize> {
        self.width.map(|width| width.max(Self::NARROWEST))
    }

    /// What is left of a line behind `taken` columns.
    pub(super) fn room(&self, taken: usize) -> Option<usize> {
        self.columns().map(|width| width.saturating_sub(taken).max(2))
    }

    /// The text between the codes of its verdict's colour.
    pub(super) fn paint<'a>(&self, verdict: Verdict, text: &'a str) -> Cow<'a, str> {
        let code = match verdict {
            _ if !self.colour || text.trim().is_empty() => return Cow::Borrowed(text),
            Verdict::Pass => "32",
            Verdict::ByDesign => "34",
            Verdict::Weak => "33",
            Verdict::Fail => "1;31",
            Verdict::Info => "36",
            Verdict::NotApplicable | Verdict::Blocked => "2",
            Verdict::Broken => "1;35",
        };
        Cow::Owned(format!("\x1b[{code}m{text}\x1b[0m"))
    }

    /// In bold, for a heading.
    pub(super) fn strong<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if self.colour { Cow::Owned(format!("\x1b[1m{text}\x1b[0m")) } else { Cow::Borrowed(text) }
    }

    /// Cells side by side; the last one should have what room is left.
    pub(super) fn row(&self, cells: &[Cell<'_>], out: &mut impl Write) -> io::Result<()> {
        // A column between two cells stays free, whatever is wrapped.
        let gap = |at: usize| usize::from(at + 1 < cells.len());
        let lines = cells.iter().enumerate().map(|(at, cell)| {
            wrap(&cell.text, cell.width.map(|width| width.saturating_sub(gap(at)).max(1)))
        });
        let columns: Vec<Vec<String>> = lines.collect();
        let height = columns.iter().map(Vec::len).max().unwrap_or(0);
        for at in 0..height {
            let mut line = String::new();
            let mut pending = 0;
            for (cell, lines) in cells.iter().zip(&columns) {
                let text = lines.get(at).map_or("", String::as_str);
                let width = cell.width.unwrap_or(0);
                if text.is_empty() {
                    pending += width;
                    continue;
                }
                line.extend(std::iter::repeat_n(' ', pending));
                pending = width.saturating_sub(display_width(text));
                match cell.verdict {
                    Some(verdict) => line += &self.paint(verdict, text),
                    None => line += text,
                }
            }
            writeln!(out, "{line}")?;
        }
        Ok(())
    }

    /// A label, and behind it a text that continues below itself.
    /// Writes a text in lines that are no wider than they may be, a little indented.
    ///
    /// # Errors
    ///
    /// Those of writing.
    pub fn paragraph(&self, text: &str, out: &mut impl Write) -> io::Result<()> {
        wrap(text, self.room(4)).iter().try_for_each(|line| writeln!(out, "  {line}"))
    }

    pub(super) fn labelled(
        &self,
        label: &str,
        indent: usize,
        text: &str,
        out: &mut impl Write,
    ) -> io::Result<()> {
        self.row(&[Cell::new(label, indent), Cell::new(text, self.room(indent))], out)
    }
}

/// A blank at which no line is broken, and which is printed as any other.
pub(super) const UNBROKEN: char = '\u{a0}';

/// The text in lines of at most so many columns, broken at blanks, and within a word that is longer than a line.
pub fn wrap(text: &str, width: Option<usize>) -> Vec<String> {
    let printed = |line: &str| line.replace(UNBROKEN, " ").trim_end().to_owned();
    let Some(width) = width else { return vec![printed(text)] };
    let options = Options::new(width)
        .word_separator(WordSeparator::AsciiSpace)
        .word_splitter(WordSplitter::NoHyphenation)
        .wrap_algorithm(WrapAlgorithm::FirstFit);
    textwrap::wrap(text, options).iter().map(|line| printed(line)).collect()
}

/// A command in lines that a shell takes for one, where it can be broken so.
pub(super) fn wrap_command(command: &str, width: Option<usize>) -> Vec<String> {
    let whole = wrap(command, width);
    let Some(width) = width.filter(|_| whole.len() > 1) else { return whole };
    let fits = |word: &str| display_width(word) + 2 <= width;
    if command.contains(['\'', '"', '\\']) || !command.split(' ').all(fits) {
        return whole;
    }
    let mut lines = wrap(command, Some(width - 2));
    let last = lines.len().saturating_sub(1);
    lines[..last].iter_mut().for_each(|line| line.push_str(" \\"));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_broken_as_a_shell_allows() {
        let command = "socklab examine --only D8 -- ./mine --port {port}";
        assert_eq!(wrap_command(command, Some(60)), [command]);
        let lines = wrap_command(command, Some(30));
        assert_eq!(lines, ["socklab examine --only D8 -- \\", "./mine --port {port}"]);
        assert_eq!(wrap_command("echo 'one  two' three", Some(12)), ["echo 'one", "two' three"]);
    }
}

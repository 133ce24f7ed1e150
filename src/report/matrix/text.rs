//! A suite for a terminal: words where there is room for them, else a letter for each verdict.

use std::io::{self, Write};

use textwrap::core::display_width;

use super::super::examination::text::cut_to;
use super::super::examination::{faults, ids, quiet, remarkable};
use super::super::style::{Cell, UNBROKEN, wrap};
use super::super::{Style, Suite, Verdict, visible};
use super::{CHARACTERS, Check, Matrix};

/// Columns for a server's name.
const NAME: usize = 24;

/// Without a terminal, a table with words is not wider.
const WIDE: usize = 120;

/// How many of the checks that most fail are named.
const MOST: usize = 10;

/// Of how many faults of a server it is said what happened: of a class, a person reads one.
const fn first(servers: usize) -> usize {
    if servers > 10 { 1 } else { 3 }
}

/// Where the rest is.
const MORE: &str = "--html FILE says all of each fault: evidence, what the client saw, remedy, the command that repeats the check";

/// Writes the table, each server's summary, the checks that most fail, and the summary of all.
pub fn write(suite: &Suite, style: &Style, out: &mut impl Write) -> io::Result<()> {
    let matrix = Matrix::new(suite);
    let names: Vec<String> =
        matrix.rows.iter().map(|row| visible(&row.examination.server).into_owned()).collect();
    if !matrix.checks.is_empty() {
        let widths: Vec<usize> =
            names.iter().map(|name| display_width(name).clamp(9, NAME) + 2).collect();
        let taken: usize =
            first_columns(&matrix).iter().sum::<usize>() + widths.iter().sum::<usize>();
        if taken <= style.columns().unwrap_or(WIDE) {
            words(&matrix, &names, &widths, style, out)?;
        } else {
            letters(&matrix, &names, style, out)?;
        }
        writeln!(out)?;
    }
    servers(&matrix, &names, style, out)?;
    if matrix.rows.iter().any(|row| !remarkable(row.examination).is_empty()) {
        writeln!(out)?;
        style.row(&[Cell::new(MORE, style.room(0))], out)?;
    }
    let failed = matrix.most_failed();
    if matrix.rows.len() > 1 && !failed.is_empty() {
        let title = "failed most often";
        writeln!(out, "\n{}", style.strong(title))?;
        for (at, count) in failed.into_iter().take(MOST) {
            let check = &matrix.checks[at];
            let text = format!("{} {}", visible(check.id), visible(check.name));
            style.row(
                &[Cell::new(format!("{count:6}  "), 8), Cell::new(text, style.room(8))],
                out,
            )?;
        }
    }
    writeln!(out)?;
    style.row(&[Cell::new(matrix.summary(suite), style.room(0))], out)
}

/// The widths of a check's id and name.
fn first_columns(matrix: &Matrix<'_>) -> [usize; 2] {
    let widest = |text: fn(&Check<'_>) -> usize, most: usize| {
        matrix.checks.iter().map(text).max().unwrap_or(0).min(most) + 2
    };
    [
        widest(|check| display_width(&visible(check.id)), 6),
        widest(|check| display_width(&visible(check.name)), NAME),
    ]
}

/// A line for each check, a column with words for each server.
fn words(
    matrix: &Matrix<'_>,
    names: &[String],
    widths: &[usize],
    style: &Style,
    out: &mut impl Write,
) -> io::Result<()> {
    let [id, name] = first_columns(matrix);
    let mut cells = vec![Cell::new("", id), Cell::new("", name)];
    cells.extend(names.iter().zip(widths).map(|(name, width)| Cell::new(name.as_str(), *width)));
    style.row(&cells, out)?;
    for (at, check) in matrix.checks.iter().enumerate() {
        let mut cells =
            vec![Cell::new(visible(check.id), id), Cell::new(visible(check.name), name)];
        for (row, width) in matrix.rows.iter().zip(widths) {
            cells.push(match row.findings[at] {
                Some(finding) => Cell::new(finding.verdict.word(), *width).painted(finding.verdict),
                None => Cell::new("", *width),
            });
        }
        style.row(&cells, out)?;
    }
    Ok(())
}

/// A line for each server, a column with a letter for each check; in several tables, if it is too wide for one.
fn letters(
    matrix: &Matrix<'_>,
    names: &[String],
    style: &Style,
    out: &mut impl Write,
) -> io::Result<()> {
    let name = names.iter().map(|name| display_width(name)).max().unwrap_or(0);
    let most = style.columns().map_or(usize::MAX, |columns| NAME.min(columns / 2));
    let name = name.min(most) + 1;
    for (at, block) in blocks(matrix, style.room(name)).iter().enumerate() {
        if at > 0 {
            writeln!(out)?;
        }
        for line in heading(matrix, block) {
            writeln!(out, "{}{}", " ".repeat(name), line.trim_end())?;
        }
        for (row, server) in matrix.rows.iter().zip(names) {
            let mut lines = wrap(server, Some(name - 1)).into_iter();
            let first = lines.next().unwrap_or_default();
            let mut line = first.clone() + &" ".repeat(name - display_width(&first));
            let mut pending = 0;
            for column in block {
                match column.and_then(|at| row.findings[at]) {
                    Some(finding) => {
                        line.extend(std::iter::repeat_n(' ', pending));
                        pending = 0;
                        let letter = finding.verdict.letter().to_string();
                        line += &style.paint(finding.verdict, &letter);
                    }
                    None => pending += 1,
                }
            }
            writeln!(out, "{}", line.trim_end())?;
            lines.try_for_each(|line| writeln!(out, "{line}"))?;
        }
    }
    writeln!(out)?;
    let meaning = |verdict: Verdict| format!("{}{UNBROKEN}{}", verdict.letter(), quiet(verdict));
    let meanings = Verdict::ALL.map(meaning);
    style.row(&[Cell::new(meanings.join(", "), style.room(0))], out)
}

/// The columns of each table: a check, or the space between two groups.
fn blocks(matrix: &Matrix<'_>, room: Option<usize>) -> Vec<Vec<Option<usize>>> {
    let mut blocks: Vec<Vec<Option<usize>>> = vec![Vec::new()];
    let mut group = None;
    for (at, check) in matrix.checks.iter().enumerate() {
        let letter = check.id.chars().next();
        let space = usize::from(group.is_some_and(|group| group != letter));
        group = Some(letter);
        let is_full = |block: &&mut Vec<_>| room.is_some_and(|room| block.len() + space >= room);
        match blocks.last_mut() {
            Some(block) if !is_full(&block) => {
                if space > 0 {
                    block.push(None);
                }
                block.push(Some(at));
            }
            _ => blocks.push(vec![Some(at)]),
        }
    }
    blocks
}

/// The ids of a table's checks, to be read from top to bottom.
fn heading(matrix: &Matrix<'_>, block: &[Option<usize>]) -> Vec<String> {
    // One column each: what is wider than that or hidden is not a character of the catalogue's.
    let shown = |c: char| if c.is_ascii_graphic() { c } else { '?' };
    let id = |column: &Option<usize>| column.map_or("", |at| matrix.checks[at].id);
    let height = block.iter().map(|column| id(column).chars().count()).max().unwrap_or(0).min(8);
    let character = |column, line| id(column).chars().nth(line).map_or(' ', shown);
    (0..height).map(|line| block.iter().map(|column| character(column, line)).collect()).collect()
}

/// What is wrong with each server, and what happened in the first checks that say so.
fn servers(
    matrix: &Matrix<'_>,
    names: &[String],
    style: &Style,
    out: &mut impl Write,
) -> io::Result<()> {
    let widest = names.iter().map(|name| display_width(name)).max().unwrap_or(0);
    let most = style.columns().map_or(usize::MAX, |columns| NAME.min(columns / 2));
    let name = widest.min(most) + 2;
    for (row, server) in matrix.rows.iter().zip(names) {
        let examination = row.examination;
        let mut parts = Vec::new();
        if let Some(identity) = &examination.identity {
            parts.push(visible(&identity.design).into_owned());
        }
        for verdict in [Verdict::Fail, Verdict::Broken, Verdict::Weak] {
            let ids = ids(examination, verdict);
            if !ids.is_empty() {
                parts.push(format!("{} {}", quiet(verdict), visible(&ids.join(", "))));
            }
        }
        if examination.status() == 0 {
            parts.push(String::from("nothing failed"));
        }
        if !parts.is_empty() || examination.trouble.is_none() {
            let text = Cell::new(parts.join("; "), style.room(name));
            style.row(&[Cell::new(server.as_str(), name), text], out)?;
        }
        if let Some(trouble) = &examination.trouble {
            let text = format!("not examined in full: {}", visible(trouble));
            let text = Cell::new(text, style.room(name)).painted(Verdict::Broken);
            let server = if parts.is_empty() { server } else { "" };
            style.row(&[Cell::new(server, name), text], out)?;
        }
        for finding in faults(examination).take(first(matrix.rows.len())) {
            let text = cut_to(&format!("{} {}", finding.id, finding.what), CHARACTERS);
            let text = Cell::new(text, style.room(name)).painted(finding.verdict);
            style.row(&[Cell::new("", name), text], out)?;
        }
    }
    Ok(())
}

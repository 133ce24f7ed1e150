//! An examination for a terminal, or for a pipe.

use std::io::{self, Write};

use textwrap::core::display_width;

use super::super::style::{Cell, UNBROKEN, wrap_command};
use super::super::{Examination, Finding, Style, Verdict, shell, visible};
use super::{duration, groups, lines, remarkable, summary_with};

/// How much of it a person reads here; the other forms have all of it.
const LINES: usize = 40;
const CHARACTERS: usize = 600;

/// Where the text of a labelled line begins.
const INDENT: usize = 13;

/// Writes the head, the table of all checks, what is behind the bad ones, and the summary.
pub fn write(examination: &Examination, style: &Style, out: &mut impl Write) -> io::Result<()> {
    head(examination, style, out)?;
    table(examination, style, out)?;
    for finding in remarkable(examination) {
        writeln!(out)?;
        details(finding, style, out)?;
    }
    writeln!(out)?;
    if let Some(trouble) = &examination.trouble {
        let how_far =
            if examination.findings.is_empty() { "not examined" } else { "not examined further" };
        let text = format!("{how_far}: {}", cut(trouble));
        style.row(&[Cell::new(text, style.room(0)).painted(Verdict::Broken)], out)?;
    }
    let worst = match examination.status() {
        0 => Verdict::Pass,
        1 => Verdict::Fail,
        _ => Verdict::Broken,
    };
    let text = cut_to(&summary_with(examination, UNBROKEN), usize::MAX);
    style.row(&[Cell::new(text, style.room(0)).painted(worst)], out)
}

fn head(examination: &Examination, style: &Style, out: &mut impl Write) -> io::Result<()> {
    style.labelled(examination.role.word(), INDENT, &cut(&examination.server), out)?;
    let command = shell(&examination.command);
    if command != examination.server && !command.is_empty() {
        style.labelled("command", INDENT, &cut(&command), out)?;
    }
    let kind = examination.role.kind();
    match &examination.identity {
        Some(identity) => {
            let design = format!("{}, {}", cut(&identity.design), cut(&identity.method));
            style.labelled(kind, INDENT, &design, out)?;
            list("", &identity.evidence, style, out)?;
        }
        None => style.labelled(kind, INDENT, "not found out", out)?,
    }
    style.labelled("isolation", INDENT, &cut(&examination.isolation), out)
}

fn table(examination: &Examination, style: &Style, out: &mut impl Write) -> io::Result<()> {
    let widest = |text: fn(&Finding) -> &str, most: usize| {
        let widths = examination.findings.iter().map(|finding| display_width(&cut(text(finding))));
        widths.max().unwrap_or(0).min(if style.width.is_some() { most } else { usize::MAX })
    };
    let id = widest(|finding| &finding.id, 6) + 2;
    let name = widest(|finding| &finding.name, 24) + 2;
    let before = 2 + 10 + id;
    // A narrow terminal has the name before the text instead of beside it.
    let beside = style.columns().is_none_or(|width| width >= before + name + 30);
    for group in groups(examination) {
        writeln!(out)?;
        let letter = group.letter.map_or(String::new(), |letter| format!("{letter}  "));
        writeln!(out, "{}", style.strong(&format!("{letter}{}", group.title)))?;
        for finding in group.findings {
            let verdict = finding.verdict;
            let mut cells = vec![
                Cell::new(mark(verdict), 2).painted(verdict),
                Cell::new(verdict.word(), 10).painted(verdict),
                Cell::new(cut(&finding.id), id),
            ];
            if beside {
                cells.push(Cell::new(cut(&finding.name), name));
                cells.push(Cell::new(cut(&finding.what), style.room(before + name)));
            } else {
                let text = format!("{}: {}", cut(&finding.name), cut(&finding.what));
                cells.push(Cell::new(text, style.room(before)));
            }
            style.row(&cells, out)?;
        }
    }
    Ok(())
}

fn details(finding: &Finding, style: &Style, out: &mut impl Write) -> io::Result<()> {
    let title = format!("{} {} {}", finding.verdict, cut(&finding.id), cut(&finding.name));
    style.row(&[Cell::new(title, style.room(0)).painted(finding.verdict)], out)?;
    style.labelled("  what", INDENT, &cut(&finding.what), out)?;
    list("  evidence", &finding.evidence, style, out)?;
    list("  client", &finding.transcript, style, out)?;
    if let Some(remedy) = &finding.remedy {
        style.labelled("  remedy", INDENT, &cut(remedy), out)?;
    }
    style.labelled("  source", INDENT, &cut(&finding.source), out)?;
    style.labelled("  took", INDENT, &duration(finding.seconds), out)?;
    let lines = wrap_command(&cut(&finding.repeat), style.room(INDENT));
    lines.iter().enumerate().try_for_each(|(at, line)| {
        style.labelled(if at == 0 { "  repeat" } else { "" }, INDENT, line, out)
    })
}

fn list(label: &str, texts: &[String], style: &Style, out: &mut impl Write) -> io::Result<()> {
    let mut lines = lines(texts);
    for (at, line) in lines.by_ref().take(LINES).enumerate() {
        style.labelled(if at == 0 { label } else { "" }, INDENT, &cut(&line), out)?;
    }
    let more = lines.count();
    if more > 0 {
        let more = format!("(and {more} lines more: --json has them)");
        style.labelled("", INDENT, &more, out)?;
    }
    Ok(())
}

/// What catches the eye in a long table without colour.
fn mark(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Fail => "!",
        Verdict::Broken => "?",
        Verdict::Weak => "~",
        _ => "",
    }
}

fn cut(text: &str) -> String {
    cut_to(text, CHARACTERS)
}

/// At most so many characters of it, and how many more there are.
pub(in crate::report) fn cut_to(text: &str, most: usize) -> String {
    let text = visible(text);
    match text.char_indices().nth(most) {
        None => text.into_owned(),
        Some((end, _)) => {
            format!("{}... ({} characters more)", &text[..end], text[end..].chars().count())
        }
    }
}

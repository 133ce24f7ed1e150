//! Examinations in the Test Anything Protocol, with a YAML block for each check.
//!
//! It says version 13: nothing in it is newer, and Perl's prove takes a later number for an error.

use std::io::{self, Write};

use super::super::{Examination, Finding, Verdict, finite, shell, visible};
use super::{lines, summary};

/// Writes one document for all of them. FAIL and BROKEN are `not ok`, and so is a server that could not be
/// examined; N/A and BLOCKED are skipped, all else is `ok`. Of several servers, each test begins with the name.
pub fn write<'a>(
    examinations: impl IntoIterator<Item = &'a Examination>,
    out: &mut impl Write,
) -> io::Result<()> {
    let examinations: Vec<&Examination> = examinations.into_iter().collect();
    let tests = |examination: &&Examination| {
        examination.findings.len() + usize::from(examination.trouble.is_some())
    };
    let tests: usize = examinations.iter().map(tests).sum();
    writeln!(out, "TAP version 13")?;
    if tests == 0 {
        return writeln!(out, "1..0 # SKIP nothing was checked");
    }
    writeln!(out, "1..{tests}")?;
    let mut number = 0;
    for examination in &examinations {
        let prefix = match examinations.len() {
            1 => String::new(),
            _ => format!("{}: ", described(&examination.server)),
        };
        head(examination, out)?;
        for finding in &examination.findings {
            number += 1;
            test(number, &prefix, finding, out)?;
        }
        if let Some(trouble) = &examination.trouble {
            number += 1;
            writeln!(out, "not ok {number} - {prefix}examination")?;
            writeln!(out, "  ---\n  message: {}\n  severity: error\n  ...", quoted(trouble))?;
        }
        writeln!(out, "# {}", visible(&summary(examination)))?;
    }
    Ok(())
}

fn head(examination: &Examination, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "# {}: {}", examination.role.word(), visible(&examination.server))?;
    writeln!(out, "# command: {}", visible(&shell(&examination.command)))?;
    if let Some(identity) = &examination.identity {
        let (design, method) = (visible(&identity.design), visible(&identity.method));
        writeln!(out, "# {}: {design}, {method}", examination.role.kind())?;
    }
    writeln!(out, "# isolation: {}", visible(&examination.isolation))
}

fn test(number: usize, prefix: &str, finding: &Finding, out: &mut impl Write) -> io::Result<()> {
    let name = described(&format!("{} {}", finding.id, finding.name));
    let verdict = finding.verdict;
    let (ok, severity) = match verdict {
        Verdict::Fail => ("not ok", "fail"),
        Verdict::Broken => ("not ok", "error"),
        Verdict::Weak => ("ok", "warning"),
        _ => ("ok", "comment"),
    };
    write!(out, "{ok} {number} - {prefix}{name}")?;
    if matches!(verdict, Verdict::NotApplicable | Verdict::Blocked) {
        write!(out, " # SKIP {verdict}: {}", described(&finding.what))?;
    }
    writeln!(out, "\n  ---\n  message: {}\n  severity: {severity}", quoted(&finding.what))?;
    writeln!(out, "  verdict: {}", quoted(verdict.word()))?;
    writeln!(out, "  duration_ms: {:.3}", finite(finding.seconds) * 1e3)?;
    block("evidence", &finding.evidence, out)?;
    block("transcript", &finding.transcript, out)?;
    if let Some(remedy) = &finding.remedy {
        writeln!(out, "  remedy: {}", quoted(remedy))?;
    }
    writeln!(out, "  source: {}\n  repeat: {}", quoted(&finding.source), quoted(&finding.repeat))?;
    writeln!(out, "  ...")
}

/// A literal block: it needs no escapes but those that are in it already. A blank at its beginning would be
/// taken for more indentation.
fn block(key: &str, texts: &[String], out: &mut impl Write) -> io::Result<()> {
    let lines = lines(texts).map(|line| line.trim().to_owned());
    let mut lines = lines.filter(|line| !line.is_empty()).peekable();
    if lines.peek().is_some() {
        writeln!(out, "  {key}: |")?;
    }
    lines.try_for_each(|line| writeln!(out, "    {line}"))
}

/// A description, in which `#` would begin a directive.
fn described(text: &str) -> String {
    visible(text).trim().replace('\\', "\\\\").replace('#', "\\#")
}

/// A string of YAML.
fn quoted(text: &str) -> String {
    format!("\"{}\"", visible(text).replace('\\', "\\\\").replace('"', "\\\""))
}

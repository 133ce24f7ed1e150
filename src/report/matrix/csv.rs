//! A suite as comma-separated values (RFC 4180): a line for each server, a column for each check.

use std::io::{self, Write};

use super::super::examination::faults;
use super::super::examination::text::cut_to;
use super::super::{Suite, Verdict, finite, visible};
use super::{CHARACTERS, Matrix};

/// Writes it: name, exit status, design, seconds, trouble, the first fault, how many findings come to each verdict, then each
/// check's verdict.
pub fn write(suite: &Suite, out: &mut impl Write) -> io::Result<()> {
    let matrix = Matrix::new(suite);
    let mut writer =
        ::csv::WriterBuilder::new().terminator(::csv::Terminator::CRLF).from_writer(&mut *out);
    let role = matrix.role();
    let head =
        [role.word(), "status", role.kind(), "seconds", "trouble", "fault"].map(String::from);
    let counts = Verdict::ALL.map(|verdict| verdict.word().to_owned());
    let checks = matrix.checks.iter().map(|check| harmless(check.id));
    writer.write_record(head.into_iter().chain(counts).chain(checks))?;
    for row in &matrix.rows {
        let examination = row.examination;
        let design = examination.identity.as_ref().map_or("", |identity| &identity.design);
        let head = [
            harmless(&examination.server),
            examination.status().to_string(),
            harmless(design),
            format!("{:.3}", finite(examination.seconds)),
            harmless(examination.trouble.as_deref().unwrap_or_default()),
            faults(examination).next().map_or(String::new(), |first| {
                harmless(&cut_to(&format!("{} {}", first.id, first.what), CHARACTERS))
            }),
        ];
        let counts = Verdict::ALL.map(|verdict| examination.count(verdict).to_string());
        let verdict = |finding: &Option<&super::Finding>| {
            finding.map_or(String::new(), |finding| finding.verdict.word().to_owned())
        };
        let checks = row.findings.iter().map(verdict);
        writer.write_record(head.into_iter().chain(counts).chain(checks))?;
    }
    writer.flush()
}

/// With an apostrophe before what a spreadsheet would take for a formula.
fn harmless(text: &str) -> String {
    let text = visible(text);
    let first = text.trim_start().chars().next();
    let is_formula = first.is_some_and(|c| "=+-@\u{ff1d}\u{ff0b}\u{ff0d}\u{ff20}".contains(c));
    if is_formula { format!("'{text}") } else { text.into_owned() }
}

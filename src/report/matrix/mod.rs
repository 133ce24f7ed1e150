//! Several servers' examinations side by side: checks times servers, in each form.

pub mod csv;
pub mod html;
pub mod text;

use std::collections::BTreeMap;

use super::examination::{duration, place};
use super::{Examination, Finding, Role, Suite, Verdict};

/// In so many characters a line of a table says what happened; a report of one server has all of them.
const CHARACTERS: usize = 200;

/// A check that was made with one server at least.
pub(super) struct Check<'a> {
    pub(super) id: &'a str,
    pub(super) name: &'a str,
}

pub(super) struct Row<'a> {
    pub(super) examination: &'a Examination,
    /// One for each check; nothing where it was not made.
    pub(super) findings: Vec<Option<&'a Finding>>,
}

pub(super) struct Matrix<'a> {
    /// In the catalogue's order.
    pub(super) checks: Vec<Check<'a>>,
    pub(super) rows: Vec<Row<'a>>,
}

impl<'a> Matrix<'a> {
    pub(super) fn new(suite: &'a Suite) -> Self {
        let mut names = BTreeMap::new();
        for finding in suite.examinations.iter().flat_map(|examination| &examination.findings) {
            names
                .entry(place(&finding.id))
                .or_insert(Check { id: &finding.id, name: &finding.name });
        }
        let at: BTreeMap<&str, usize> =
            names.values().enumerate().map(|(at, check)| (check.id, at)).collect();
        let row = |examination: &'a Examination| {
            let mut findings: Vec<Option<&Finding>> = vec![None; at.len()];
            for finding in &examination.findings {
                let Some(slot) = at.get(finding.id.as_str()).and_then(|at| findings.get_mut(*at))
                else {
                    continue;
                };
                // Of a check that was made twice, the worse.
                let is_worse = |other: &Finding| finding.verdict.weight() > other.verdict.weight();
                if slot.is_none_or(is_worse) {
                    *slot = Some(finding);
                }
            }
            Row { examination, findings }
        };
        let rows = suite.examinations.iter().map(row).collect();
        Self { checks: names.into_values().collect(), rows }
    }

    /// What they are: one suite has servers or clients.
    pub(super) fn role(&self) -> Role {
        self.rows.first().map_or(Role::Server, |row| row.examination.role)
    }

    /// How many servers come to this verdict in the check at this place.
    pub(super) fn count(&self, at: usize, verdict: Verdict) -> usize {
        let is_it =
            |row: &&Row<'_>| row.findings[at].is_some_and(|finding| finding.verdict == verdict);
        self.rows.iter().filter(is_it).count()
    }

    /// The places of the checks that most servers fail, with how many do.
    pub(super) fn most_failed(&self) -> Vec<(usize, usize)> {
        let counts = (0..self.checks.len()).map(|at| (at, self.count(at, Verdict::Fail)));
        let mut failed: Vec<_> = counts.filter(|(_, count)| *count > 0).collect();
        failed.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        failed
    }

    /// How the check at this place is mended, as it is said to whoever fails it.
    pub(super) fn remedy(&self, at: usize) -> Option<&'a str> {
        let mut findings = self.rows.iter().filter_map(|row| row.findings[at]);
        findings.find(|finding| finding.verdict == Verdict::Fail)?.remedy.as_deref()
    }

    /// In one line: `3 servers, 62 checks in 41.2 s: 1 without FAIL, 1 with FAIL, 1 not examined; of 1 a check
    /// is BROKEN`.
    pub(super) fn summary(&self, suite: &Suite) -> String {
        let has = |row: &Row<'_>, verdict: Verdict| {
            row.findings.iter().flatten().any(|finding| finding.verdict == verdict)
        };
        let (mut without, mut with, mut not, mut broken) = (0, 0, 0, 0);
        for row in &self.rows {
            let count = match row.examination.trouble {
                Some(_) => &mut not,
                None if has(row, Verdict::Fail) => &mut with,
                None => &mut without,
            };
            *count += 1;
            broken += usize::from(has(row, Verdict::Broken));
        }
        let plural = |count: usize, word: &str| {
            format!("{count} {word}{}", if count == 1 { "" } else { "s" })
        };
        let mut parts = Vec::new();
        for (count, text) in [(without, "without FAIL"), (with, "with FAIL"), (not, "not examined")]
        {
            if count > 0 {
                parts.push(format!("{count} {text}"));
            }
        }
        let broken =
            if broken > 0 { format!("; of {broken} a check is BROKEN") } else { String::new() };
        format!(
            "{}, {} in {}{}{}{broken}",
            plural(self.rows.len(), self.role().word()),
            plural(self.checks.len(), "check"),
            duration(suite.seconds),
            if parts.is_empty() { "" } else { ": " },
            parts.join(", ")
        )
    }
}

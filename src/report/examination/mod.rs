//! One server's examination, in each form.

pub mod html;
pub mod json;
pub mod junit;
pub mod tap;
pub mod text;

use std::borrow::Cow;

use super::{Examination, Finding, GROUPS, Verdict, finite, visible};

/// Findings of one group of the catalogue.
pub(super) struct Group<'a> {
    pub(super) letter: Option<char>,
    pub(super) title: &'static str,
    pub(super) findings: Vec<&'a Finding>,
}

/// Where a check stands in the catalogue: its group, its number, and its id where that says neither.
pub(super) fn place(id: &str) -> (usize, u32, &str) {
    let group =
        id.chars().next().and_then(|first| GROUPS.iter().position(|(letter, _)| *letter == first));
    let number = id.trim_start_matches(|c: char| !c.is_ascii_digit());
    let number = number.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
    (group.unwrap_or(GROUPS.len()), number.parse().unwrap_or(u32::MAX), id)
}

/// The findings by the catalogue's groups; what is of none comes last.
pub(super) fn groups(examination: &Examination) -> Vec<Group<'_>> {
    let titles = GROUPS.iter().map(|(letter, title)| (Some(*letter), *title));
    let mut groups: Vec<Group<'_>> = titles
        .chain([(None, "others")])
        .map(|(letter, title)| Group { letter, title, findings: Vec::new() })
        .collect();
    for finding in &examination.findings {
        groups[place(&finding.id).0].findings.push(finding);
    }
    groups.retain(|group| !group.findings.is_empty());
    groups
}

/// What a reader should look at: FAIL, BROKEN and WEAK, in this order.
pub(super) fn remarkable(examination: &Examination) -> Vec<&Finding> {
    let is_remarkable = |finding: &&Finding| finding.verdict.weight() >= Verdict::Weak.weight();
    let mut found: Vec<&Finding> = examination.findings.iter().filter(is_remarkable).collect();
    found.sort_by_key(|finding| std::cmp::Reverse(finding.verdict.weight()));
    found
}

/// FAIL and BROKEN, in this order.
pub(super) fn faults(examination: &Examination) -> impl Iterator<Item = &Finding> {
    remarkable(examination).into_iter().filter(|finding| finding.verdict != Verdict::Weak)
}

/// In one line: `45 checks in 12.3 s: 42 pass, 2 weak (A2, D14), 1 FAIL (D8)`.
pub fn summary(examination: &Examination) -> String {
    summary_with(examination, ' ')
}

/// The same with another blank between a count and its word.
pub(super) fn summary_with(examination: &Examination, blank: char) -> String {
    let number = examination.findings.len();
    let checks = if number == 1 { "check" } else { "checks" };
    let mut summary = format!("{number} {checks} in {}", duration(examination.seconds));
    for verdict in Verdict::ALL {
        let ids = ids(examination, verdict);
        if ids.is_empty() {
            continue;
        }
        summary += if summary.contains(": ") { ", " } else { ": " };
        summary += &format!("{}{blank}{}", ids.len(), quiet(verdict));
        if verdict.weight() >= Verdict::Weak.weight() {
            summary += &format!(" ({})", ids.join(", "));
        }
    }
    summary
}

/// The checks that come to this verdict.
pub(super) fn ids(examination: &Examination, verdict: Verdict) -> Vec<&str> {
    let found = examination.findings.iter().filter(|finding| finding.verdict == verdict);
    found.map(|finding| finding.id.as_str()).collect()
}

/// The lines of a list of evidence: what a server has printed may be several in one.
pub(super) fn lines(texts: &[String]) -> impl Iterator<Item = Cow<'_, str>> {
    texts.iter().flat_map(|text| text.lines()).map(visible)
}

/// The verdict's word, in capitals only where it is bad news.
pub(super) fn quiet(verdict: Verdict) -> String {
    match verdict {
        Verdict::Fail | Verdict::Broken => verdict.word().to_owned(),
        _ => verdict.word().to_lowercase(),
    }
}

/// In the unit that leaves few digits.
pub(super) fn duration(seconds: f64) -> String {
    let seconds = finite(seconds);
    // What would be rounded to 1000 ms is a second.
    if seconds < 0.9995 {
        return format!("{:.0} ms", seconds * 1e3);
    }
    let digits = if seconds < 9.995 { 2 } else { usize::from(seconds < 99.95) };
    format!("{seconds:.digits$} s")
}

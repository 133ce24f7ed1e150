//! An examination as one page that needs nothing else: no script, no picture, no network.

use std::borrow::Cow;
use std::io::{self, Write};

use askama::Template;

use super::super::{Examination, Finding, Role, Verdict, shell, visible};
use super::{duration, groups, lines, remarkable, summary};

/// Writes the page.
pub fn write(examination: &Examination, out: &mut impl Write) -> io::Result<()> {
    let page = page(examination).render().map_err(io::Error::other)?;
    out.write_all(page.as_bytes())
}

#[derive(Template)]
#[template(path = "examination.html")]
struct Page {
    server: String,
    command: String,
    isolation: String,
    /// What an identity is called.
    kind: &'static str,
    design: Option<Design>,
    trouble: Option<String>,
    summary: String,
    counts: Vec<Count>,
    first: Vec<Link>,
    groups: Vec<Section>,
}

struct Design {
    name: String,
    method: String,
    evidence: Vec<String>,
}

struct Link {
    anchor: String,
    class: &'static str,
    symbol: char,
    text: String,
}

struct Section {
    title: String,
    cards: Vec<Card>,
}

/// A verdict, and how many findings come to it.
pub(in crate::report) struct Count {
    pub(in crate::report) class: &'static str,
    pub(in crate::report) symbol: char,
    pub(in crate::report) word: &'static str,
    pub(in crate::report) count: usize,
}

/// A finding, ready for a page.
pub(in crate::report) struct Card {
    pub(in crate::report) anchor: String,
    pub(in crate::report) class: &'static str,
    pub(in crate::report) symbol: char,
    pub(in crate::report) word: &'static str,
    pub(in crate::report) open: bool,
    pub(in crate::report) id: String,
    pub(in crate::report) name: String,
    pub(in crate::report) what: String,
    pub(in crate::report) evidence: Vec<String>,
    pub(in crate::report) transcript: Vec<String>,
    pub(in crate::report) remedy: Option<String>,
    pub(in crate::report) source: String,
    pub(in crate::report) repeat: String,
    pub(in crate::report) took: String,
}

impl Card {
    pub(in crate::report) fn new(finding: &Finding, anchor: String, open: bool) -> Self {
        let shown = |texts: &[String]| lines(texts).map(Cow::into_owned).collect();
        Self {
            anchor,
            class: class(finding.verdict),
            symbol: symbol(finding.verdict),
            word: finding.verdict.word(),
            open,
            id: visible(&finding.id).into_owned(),
            name: visible(&finding.name).into_owned(),
            what: visible(&finding.what).into_owned(),
            evidence: shown(&finding.evidence),
            transcript: shown(&finding.transcript),
            remedy: finding.remedy.as_deref().map(|remedy| visible(remedy).into_owned()),
            source: visible(&finding.source).into_owned(),
            repeat: visible(&finding.repeat).into_owned(),
            took: duration(finding.seconds),
        }
    }
}

fn page(examination: &Examination) -> Page {
    let anchor = |finding: &Finding| {
        let at = examination.findings.iter().position(|other| std::ptr::eq(other, finding));
        format!("check-{}", at.unwrap_or_default())
    };
    let first = remarkable(examination).into_iter().map(|finding| Link {
        anchor: anchor(finding),
        class: class(finding.verdict),
        symbol: symbol(finding.verdict),
        text: visible(&format!("{} {}", finding.id, finding.name)).into_owned(),
    });
    let card = |finding: &Finding| {
        let open = finding.verdict.weight() >= Verdict::Weak.weight();
        Card::new(finding, anchor(finding), open)
    };
    let sections = groups(examination).into_iter().map(|group| Section {
        title: match group.letter {
            Some(letter) => format!("{letter} · {}", group.title),
            None => group.title.to_owned(),
        },
        cards: group.findings.into_iter().map(card).collect(),
    });
    Page {
        server: visible(&examination.server).into_owned(),
        command: visible(&shell(&examination.command)).into_owned(),
        isolation: visible(&examination.isolation).into_owned(),
        kind: match examination.role {
            Role::Server => "Design",
            Role::Client => "Kind",
        },
        design: examination.identity.as_ref().map(|identity| Design {
            name: visible(&identity.design).into_owned(),
            method: visible(&identity.method).into_owned(),
            evidence: lines(&identity.evidence).map(Cow::into_owned).collect(),
        }),
        trouble: examination.trouble.as_deref().map(|trouble| visible(trouble).into_owned()),
        summary: visible(&summary(examination)).into_owned(),
        counts: counts(|verdict| examination.count(verdict)),
        first: first.collect(),
        groups: sections.collect(),
    }
}

/// The verdicts that occur.
pub(in crate::report) fn counts(count: impl Fn(Verdict) -> usize) -> Vec<Count> {
    let counts = Verdict::ALL.map(|verdict| Count {
        class: class(verdict),
        symbol: symbol(verdict),
        word: verdict.word(),
        count: count(verdict),
    });
    counts.into_iter().filter(|count| count.count > 0).collect()
}

/// The verdict's name in the style sheet.
pub(in crate::report) const fn class(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "pass",
        Verdict::ByDesign => "design",
        Verdict::Weak => "weak",
        Verdict::Fail => "fail",
        Verdict::Info => "info",
        Verdict::NotApplicable => "none",
        Verdict::Blocked => "blocked",
        Verdict::Broken => "broken",
    }
}

/// What tells verdicts apart beside their colours.
pub(in crate::report) const fn symbol(verdict: Verdict) -> char {
    match verdict {
        Verdict::Pass => '✓',
        Verdict::ByDesign => '◇',
        Verdict::Weak => '△',
        Verdict::Fail => '✗',
        Verdict::Info => 'i',
        Verdict::NotApplicable => '–',
        Verdict::Blocked => '⊘',
        Verdict::Broken => '!',
    }
}

//! A suite as one page that needs nothing else: no script, no picture, no network.

use std::io::{self, Write};

use askama::Template;

use super::super::examination::html::{Card, Count, class, counts, symbol};
use super::super::examination::text::cut_to;
use super::super::examination::{quiet, remarkable, summary};
use super::super::{Finding, Suite, Verdict, shell, visible};
use super::{CHARACTERS, Matrix};

/// Writes the page.
pub fn write(suite: &Suite, out: &mut impl Write) -> io::Result<()> {
    let page = page(suite).render().map_err(io::Error::other)?;
    out.write_all(page.as_bytes())
}

#[derive(Template)]
#[template(path = "matrix.html")]
struct Page {
    /// What they are.
    role: &'static str,
    summary: String,
    counts: Vec<Count>,
    /// The checks that most fail.
    failed: Vec<Fault>,
    checks: Vec<Column>,
    rows: Vec<Line>,
}

/// A check that somebody fails.
struct Fault {
    id: String,
    name: String,
    count: usize,
    remedy: String,
}

struct Column {
    id: String,
    name: String,
    failed: usize,
    /// Whether no server fails, is weak or could not be checked here.
    is_quiet: bool,
    /// Whether a new group begins.
    begins: bool,
}

struct Line {
    anchor: String,
    server: String,
    command: String,
    design: String,
    /// How many checks it fails.
    failed: usize,
    summary: String,
    trouble: Option<String>,
    status: &'static str,
    cells: Vec<Square>,
    cards: Vec<Card>,
}

struct Square {
    class: &'static str,
    symbol: char,
    title: String,
    /// Where more is said.
    link: Option<String>,
    is_quiet: bool,
    begins: bool,
}

fn page(suite: &Suite) -> Page {
    let matrix = Matrix::new(suite);
    let is_loud = |verdict: Verdict| verdict.weight() >= Verdict::Weak.weight();
    let mut group = None;
    let columns = matrix.checks.iter().enumerate().map(|(at, check)| {
        let letter = check.id.chars().next();
        let begins = group.is_some_and(|group| group != letter);
        group = Some(letter);
        Column {
            id: visible(check.id).into_owned(),
            name: visible(check.name).into_owned(),
            failed: matrix.count(at, Verdict::Fail),
            is_quiet: !Verdict::ALL
                .into_iter()
                .any(|verdict| is_loud(verdict) && matrix.count(at, verdict) > 0),
            begins,
        }
    });
    let columns: Vec<Column> = columns.collect();
    let rows = matrix.rows.iter().enumerate().map(|(number, row)| {
        let remarkable = remarkable(row.examination);
        let link = |finding: &Finding| {
            let at = remarkable.iter().position(|other| std::ptr::eq(*other, finding));
            at.map(|at| format!("server-{number}-{at}"))
        };
        let cells = row.findings.iter().zip(&columns).map(|(finding, column)| {
            let &Column { is_quiet, begins, .. } = column;
            let Some(finding) = finding else {
                let title = format!("{}: not checked", column.id);
                return Square {
                    class: "absent",
                    symbol: ' ',
                    title,
                    link: None,
                    is_quiet,
                    begins,
                };
            };
            Square {
                class: class(finding.verdict),
                symbol: symbol(finding.verdict),
                title: title(finding),
                link: link(finding),
                is_quiet,
                begins,
            }
        });
        let examination = row.examination;
        Line {
            anchor: format!("server-{number}"),
            server: visible(&examination.server).into_owned(),
            command: visible(&shell(&examination.command)).into_owned(),
            design: examination
                .identity
                .as_ref()
                .map_or(String::new(), |identity| visible(&identity.design).into_owned()),
            failed: examination.count(Verdict::Fail),
            summary: visible(&summary(examination)).into_owned(),
            trouble: examination.trouble.as_deref().map(|trouble| visible(trouble).into_owned()),
            status: ["sound", "findings", "trouble"][usize::from(examination.status())],
            cells: cells.collect(),
            cards: remarkable
                .iter()
                .enumerate()
                .map(|(at, finding)| Card::new(finding, format!("server-{number}-{at}"), false))
                .collect(),
        }
    });
    let rows = rows.collect();
    let all =
        |verdict| suite.examinations.iter().map(|examination| examination.count(verdict)).sum();
    let failed = matrix.most_failed().into_iter().map(|(at, count)| Fault {
        id: visible(matrix.checks[at].id).into_owned(),
        name: visible(matrix.checks[at].name).into_owned(),
        count,
        remedy: matrix.remedy(at).map_or(String::new(), |remedy| visible(remedy).into_owned()),
    });
    let (role, summary) = (matrix.role().word(), matrix.summary(suite));
    Page { role, summary, counts: counts(all), failed: failed.collect(), checks: columns, rows }
}

/// What is told of a finding where the pointer rests.
fn title(finding: &Finding) -> String {
    let Finding { id, name, verdict, what, .. } = finding;
    cut_to(&format!("{id} {name}: {}, {what}", quiet(*verdict)), CHARACTERS)
}

//! Two runs side by side, as they are shown.

mod excerpt;
pub mod html;

use std::collections::BTreeMap;

use serde::Serialize;

use super::repeats::{Part, repeats};
use super::sequence::Sequence;

pub use excerpt::{excerpt, excerpts, least};

/// Two runs, and what they have in common.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// The one and the other.
    pub runs: [Sequence; 2],
    /// The tasks of the same role.
    pub tasks: Vec<Pair>,
    /// How often each call was made, and how long the kernel had it, in both.
    pub calls: Vec<Count>,
}

/// A task of the one and a task of the other.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Pair {
    /// `parent`, `child 1`, `thread 2` and so on.
    pub role: String,
    /// What they did, in order.
    pub rows: Vec<Row>,
}

/// An event of the one, of the other, or of both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// Of the one.
    pub left: Option<String>,
    /// Of the other.
    pub right: Option<String>,
    /// Whether they are the same, and if not, why that is accepted.
    pub verdict: Verdict,
}

/// What is to be said of a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// They are the same.
    Equal,
    /// They differ, for a reason that is known.
    Accepted(String),
    /// They differ.
    Differs,
}

/// How often a call was made, over all tasks.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Count {
    /// The call.
    pub call: String,
    /// By the one and by the other.
    pub made: [usize; 2],
    /// In seconds.
    pub spent: [f64; 2],
}

impl Comparison {
    /// How many rows are equal, accepted and different.
    pub fn verdicts(&self) -> [usize; 3] {
        let rows = || self.tasks.iter().flat_map(|pair| &pair.rows);
        let equal = rows().filter(|row| row.verdict == Verdict::Equal).count();
        let differ = rows().filter(|row| row.verdict == Verdict::Differs).count();
        [equal, rows().count() - equal - differ, differ]
    }
}

/// What is to be said of a call on the whole: by its name, whether it differs for no reason that is known, or
/// only for one that is.
pub fn by_call<'a>(rows: impl Iterator<Item = &'a Row>) -> BTreeMap<String, char> {
    let mut marks: BTreeMap<String, char> = BTreeMap::new();
    for row in rows {
        let mark = match row.verdict {
            Verdict::Equal => continue,
            Verdict::Accepted(_) => '~',
            Verdict::Differs => '!',
        };
        for text in row.left.iter().chain(&row.right) {
            let name = text.split('(').next().unwrap_or_default();
            match marks.get_mut(name) {
                Some(known) if mark == '!' => *known = mark,
                Some(_) => {}
                None => drop(marks.insert(name.to_owned(), mark)),
            }
        }
    }
    marks
}

/// The rows in parts: what is the same again and again is one of them.
pub fn in_parts(rows: &[Row]) -> Vec<Part> {
    repeats(rows, |one, other| one == other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_as_different_as_the_worst_of_its_rows() {
        let row = |text: &str, verdict| Row { left: Some(text.into()), right: None, verdict };
        let known = || Verdict::Accepted(String::from("known"));
        let rows = [
            row("futex(1) = 0", known()),
            row("close(1) = 0", known()),
            row("close(1) = 0", Verdict::Differs),
            row("close(1) = 0", known()),
            row("read(1) = 0", Verdict::Equal),
        ];
        let marks = by_call(rows.iter());
        assert_eq!(marks, BTreeMap::from([("close".into(), '!'), ("futex".into(), '~')]));
    }
}

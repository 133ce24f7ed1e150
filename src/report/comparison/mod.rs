//! Two runs side by side, as they are shown.

pub mod html;

use serde::Serialize;

use super::sequence::Sequence;

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

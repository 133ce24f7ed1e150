//! Two traces side by side: task by task, what is equal, what differs, and which differences are accepted.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use serde::Serialize;
use similar::{Algorithm, DiffOp, capture_diff_slices};

use super::normalise::{Step, Task, Trace};
pub use crate::report::comparison::{Count, Row, Verdict};

/// Two runs, side by side.
#[derive(Debug, Clone, Serialize)]
pub struct Comparison {
    /// How many other processes the start of each made use of.
    pub helpers: [usize; 2],
    /// The tasks of the same role.
    pub tasks: Vec<Pair>,
    /// How often each call was made, and how long the kernel had it, in both.
    pub calls: Vec<Count>,
}

/// A task of the one and a task of the other.
#[derive(Debug, Clone, Serialize)]
pub struct Pair {
    /// `parent`, `child 1`, `thread 2` and so on.
    pub role: String,
    /// How many calls each made before the server's first socket; none where it has no such task.
    pub started: [Option<usize>; 2],
    /// What they did, in order.
    pub rows: Vec<Row>,
}

/// A difference that is no fault: a row of the table in c-compat/README.md.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// A design, or `servers`, `clients`, `all`.
    pub design: String,
    /// The calls that it is about.
    pub calls: Vec<String>,
    /// `start`, `stop`, `end`, `argument`, `order`, `number`, `signal`, `again`, `anywhere`.
    pub place: String,
    /// Why.
    pub reason: String,
}

/// The rows of the table behind `<!-- differences -->` that hold for one of these.
pub fn accepted(markdown: &str, designs: &[&str]) -> Vec<Accepted> {
    let table = markdown.split_once("<!-- differences -->").map_or("", |(_, table)| table);
    let rows = table.lines().skip_while(|line| !line.starts_with('|')).skip(2);
    rows.take_while(|line| line.starts_with('|'))
        .filter_map(|line| {
            let mut cells = line.trim_matches('|').split('|').map(str::trim);
            let (design, calls, place) = (cells.next()?, cells.next()?, cells.next()?);
            let reason = cells.next()?.to_owned();
            let calls = calls.split(',').map(|call| call.trim().trim_matches('`').to_owned());
            let place = place.split(':').next().unwrap_or_default().trim().to_owned();
            let is_meant = design.split(',').any(|design| designs.contains(&design.trim()));
            is_meant.then(|| Accepted {
                design: design.to_owned(),
                calls: calls.collect(),
                place,
                reason,
            })
        })
        .collect()
}

impl Comparison {
    /// Whether nothing differs that is not accepted.
    pub fn is_equal(&self) -> bool {
        self.tasks.iter().flat_map(|pair| &pair.rows).all(|row| row.verdict != Verdict::Differs)
    }
}

/// Puts two traces side by side.
pub fn align(left: &Trace, right: &Trace, accepted: &[Accepted]) -> Comparison {
    let by_role = |trace: &Trace| -> BTreeMap<String, Task> {
        trace.tasks.iter().map(|task| (task.role.clone(), task.clone())).collect()
    };
    let [mut ones, mut others] = [left, right].map(by_role);
    let mut tasks = Vec::new();
    for task in left.tasks.iter().chain(&right.tasks) {
        let (one, other) = (ones.remove(&task.role), others.remove(&task.role));
        if one.is_some() || other.is_some() {
            tasks.push(pair(&task.role, one, other, accepted));
        }
    }
    let helpers = [left.helpers, right.helpers];
    Comparison { helpers, tasks, calls: counts(left, right) }
}

fn pair(role: &str, left: Option<Task>, right: Option<Task>, accepted: &[Accepted]) -> Pair {
    let started = [&left, &right].map(|task| task.as_ref().map(|task| task.started));
    let sides = [left, right].map(|task| {
        let steps = task.map_or_else(Vec::new, |task| task.steps);
        Side::new(steps, accepted)
    });
    let [left, right] = &sides;
    let mut rows = Vec::new();
    let [old, new] = [left, right].map(|side| keys(&side.steps, accepted));
    for op in capture_diff_slices(Algorithm::Myers, &old, &new) {
        let (at_left, at_right) = (op.old_range(), op.new_range());
        let pairs: Vec<(Option<usize>, Option<usize>)> = if let DiffOp::Equal { .. } = op {
            at_left.zip(at_right).map(|(one, other)| (Some(one), Some(other))).collect()
        } else {
            let (one, other) = (at_left.start, at_right.start);
            by_name(&left.steps[at_left], &right.steps[at_right])
                .into_iter()
                .map(|(at_left, at_right)| {
                    (at_left.map(|at| one + at), at_right.map(|at| other + at))
                })
                .collect()
        };
        for (one, other) in pairs {
            rows.extend(one.into_iter().flat_map(|at| left.before(at, true)));
            rows.extend(other.into_iter().flat_map(|at| right.before(at, false)));
            let places = [one.map(|at| left.place(at)), other.map(|at| right.place(at))];
            let (one, other) = (one.map(|at| &left.steps[at]), other.map(|at| &right.steps[at]));
            let is_equal = one.map(|step| &step.text) == other.map(|step| &step.text);
            let verdict =
                if is_equal { Verdict::Equal } else { verdict(one, other, &places, accepted) };
            let text = |step: Option<&Step>| step.map(|step| step.text.clone());
            rows.push(Row { left: text(one), right: text(other), verdict });
        }
    }
    rows.extend(left.before(left.steps.len(), true));
    rows.extend(right.before(right.steps.len(), false));
    Pair { role: role.to_owned(), started, rows }
}

/// The steps of one task that are aligned, and those that may stand anywhere.
struct Side {
    steps: Vec<Step>,
    /// Before which of the steps, what, and why that is no fault.
    anywhere: Vec<(usize, Step, String)>,
    /// From which step on it stops.
    stop: usize,
    /// From which step on nothing but the end follows.
    end: usize,
}

/// Where a step stands.
struct Place {
    is_stop: bool,
    is_end: bool,
}

impl Side {
    fn new(all: Vec<Step>, accepted: &[Accepted]) -> Self {
        let (mut steps, mut anywhere) = (Vec::new(), Vec::new());
        let free = free_signals(&all, accepted);
        let may_stand_anywhere: Vec<&Accepted> =
            accepted.iter().filter(|accepted| accepted.place == "anywhere").collect();
        for (at, step) in all.into_iter().enumerate() {
            let is_free = free.iter().find(|(delivery, _)| delivery.contains(&at));
            let found = is_free.map(|(_, accepted)| *accepted).or_else(|| {
                may_stand_anywhere.iter().find(|rule| rule.calls.contains(&step.call)).copied()
            });
            match found {
                Some(accepted) => anywhere.push((steps.len(), step, accepted.reason.clone())),
                None => steps.push(step),
            }
        }
        // A request to stop, or the end of the socket that clients come from, which comes with it.
        let stops = |step: &Step| {
            ["--- SIGINT", "--- SIGTERM"].iter().any(|signal| step.text.starts_with(signal))
                || step.call == "rt_sigtimedwait" && step.text.contains("(SIG")
                || step.call == "recvmsg" && step.text.ends_with(" = 0")
                || step.call.starts_with("accept") && step.text.ends_with("EINVAL")
        };
        // One before: the call that the signal has interrupted.
        let stop = steps.iter().position(stops).map_or(steps.len(), |at| at.saturating_sub(1));
        const LAST: &[&str] = &["", "exit", "exit_group", "sigaltstack", "munmap", "madvise"];
        let last = steps.iter().rposition(|step| !LAST.contains(&step.call.as_str()));
        let end = last.map_or(0, |at| at + 1);
        Self { steps, anywhere, stop, end }
    }

    fn place(&self, at: usize) -> Place {
        Place { is_stop: at >= self.stop, is_end: at >= self.end }
    }

    /// What may stand anywhere and stands before a step.
    fn before(&self, at: usize, is_left: bool) -> Vec<Row> {
        let begin = self.anywhere.partition_point(|(before, _, _)| *before < at);
        let here = self.anywhere[begin..].iter().take_while(|(before, _, _)| *before == at);
        here.map(|(_, step, reason)| {
            let text = Some(step.text.clone());
            let (left, right) = if is_left { (text, None) } else { (None, text) };
            Row { left, right, verdict: Verdict::Accepted(reason.clone()) }
        })
        .collect()
    }
}

/// The signals that may come or not, or may come once more, each with all that its handler does.
fn free_signals<'a>(
    steps: &[Step],
    accepted: &'a [Accepted],
) -> Vec<(RangeInclusive<usize>, &'a Accepted)> {
    let mut free = Vec::new();
    for accepted in accepted {
        let is_again = accepted.place == "again";
        if !is_again && accepted.place != "signal" {
            continue;
        }
        for signal in &accepted.calls {
            let handled = format!("rt_sigaction({signal}, {{sa_handler=POINTER");
            let has_handler = steps.iter().any(|step| step.text.starts_with(&handled));
            let delivery = format!("--- {signal} ---");
            let all = steps.iter().enumerate().filter(|(_, step)| step.text == delivery);
            free.extend(all.skip(usize::from(is_again)).map(|(at, _)| {
                let returns = steps[at..].iter().position(|step| step.call == "rt_sigreturn");
                (at..=at + returns.filter(|_| has_handler).unwrap_or(0), accepted)
            }));
        }
    }
    free
}

/// What two steps have in common that are to stand side by side: their text, but of a call whose arguments
/// may differ only its name and what came of it.
fn keys(steps: &[Step], accepted: &[Accepted]) -> Vec<String> {
    let rules: Vec<&Accepted> =
        accepted.iter().filter(|accepted| accepted.place == "argument").collect();
    let may_differ = |call: &String| rules.iter().any(|rule| rule.calls.contains(call));
    let key = |step: &Step| match step.text.rsplit_once(" = ") {
        Some((_, outcome)) if may_differ(&step.call) => format!("{} = {outcome}", step.call),
        _ => step.text.clone(),
    };
    steps.iter().map(key).collect()
}

/// Pairs of two stretches that differ: those of the same call, in order, and the rest alone.
fn by_name(ones: &[Step], others: &[Step]) -> Vec<(Option<usize>, Option<usize>)> {
    let names = |steps: &[Step]| steps.iter().map(|step| step.call.clone()).collect::<Vec<_>>();
    let mut pairs = Vec::new();
    for op in capture_diff_slices(Algorithm::Myers, &names(ones), &names(others)) {
        match op {
            DiffOp::Equal { old_index, new_index, len } => {
                pairs.extend((0..len).map(|at| (Some(old_index + at), Some(new_index + at))));
            }
            _ => {
                pairs.extend(op.old_range().map(|at| (Some(at), None)));
                pairs.extend(op.new_range().map(|at| (None, Some(at))));
            }
        }
    }
    pairs
}

fn verdict(
    one: Option<&Step>,
    other: Option<&Step>,
    places: &[Option<Place>; 2],
    accepted: &[Accepted],
) -> Verdict {
    let step = one.or(other);
    let call = step.map_or("", |step| step.call.as_str());
    // Of a signal, its name.
    let signal = step.and_then(|step| step.text.strip_prefix("--- ")?.split(' ').next());
    let all = |is_there: fn(&Place) -> bool| places.iter().flatten().all(is_there);
    let found = accepted.iter().find(|accepted| {
        let is_there = match accepted.place.as_str() {
            "number" | "order" => true,
            "argument" => one.is_some() && other.is_some(),
            "stop" => all(|place| place.is_stop),
            "end" => all(|place| place.is_end),
            _ => false,
        };
        is_there && accepted.calls.iter().any(|name| name == call || Some(name.as_str()) == signal)
    });
    found.map_or(Verdict::Differs, |accepted| Verdict::Accepted(accepted.reason.clone()))
}

fn counts(left: &Trace, right: &Trace) -> Vec<Count> {
    let mut counts: BTreeMap<&str, Count> = BTreeMap::new();
    for (at, trace) in [left, right].into_iter().enumerate() {
        for step in
            trace.tasks.iter().flat_map(|task| &task.steps).filter(|step| !step.call.is_empty())
        {
            let count = counts.entry(&step.call).or_insert_with(|| Count {
                call: step.call.clone(),
                made: [0; 2],
                spent: [0.0; 2],
            });
            count.made[at] += 1;
            count.spent[at] += step.spent;
        }
    }
    counts.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(lines: &[&str]) -> Trace {
        let step = |text: &&str| {
            let call = if text.starts_with(['-', '+']) { "" } else { text };
            let call = call.split('(').next().unwrap_or_default().to_owned();
            Step { call, text: (*text).to_owned(), ..Step::default() }
        };
        let steps = lines.iter().map(step).collect();
        let task = Task { role: String::from("child 1"), started: 0, steps };
        Trace { tasks: vec![task], helpers: 0, clients: Vec::new() }
    }

    fn is_equal(left: &[&str], right: &[&str], rows: &str) -> bool {
        let table = format!(
            "<!-- differences -->\n| design | calls | where | reason |\n|---|---|---|---|\n{rows}"
        );
        align(&trace(left), &trace(right), &accepted(&table, &["all"])).is_equal()
    }

    const HANDLED: &str = "rt_sigaction(SIGTERM, {sa_handler=POINTER}, NULL, 8) = 0";
    const TERM: [&str; 3] = ["--- SIGTERM ---", "getpid() = child 1", "rt_sigreturn() = RESTORED"];

    #[test]
    fn a_signal_that_comes_once_more() {
        let once = [&[HANDLED][..], &TERM, &["close(4) = 0", "close(3) = 0"]].concat();
        let twice = [&[HANDLED][..], &TERM, &["close(4) = 0"], &TERM, &["close(3) = 0"]].concat();
        let never = [HANDLED, "close(4) = 0", "close(3) = 0"];
        let again = "| all | `SIGTERM` | again | it is asked twice |\n";
        assert!(is_equal(&once, &twice, again) && !is_equal(&once, &twice, ""));
        assert!(!is_equal(&never, &once, again));
        let signal = "| some, all | `SIGTERM` | signal: none or one | it may have ended |\n";
        assert!(is_equal(&never, &once, signal) && is_equal(&never, &twice, signal));
        // What is no part of the handler is compared.
        let more = [&once[..], &["getpid() = child 1"]].concat();
        assert!(!is_equal(&once, &more, signal));
    }

    #[test]
    fn a_signal_without_a_handler_is_alone() {
        let ignored = "rt_sigaction(SIGCHLD, {sa_handler=SIG_DFL}, NULL, 8) = 0";
        let one = [ignored, "--- SIGCHLD ---", "close(4) = 0", "rt_sigreturn() = RESTORED"];
        let none = [ignored, "close(4) = 0", "rt_sigreturn() = RESTORED"];
        assert!(is_equal(&one, &none, "| all | `SIGCHLD` | signal | it may have ended |\n"));
    }

    #[test]
    fn what_may_differ_once_it_stops() {
        let row = "| all | `accept` | stop | which it learns of first |\n";
        let stop = |outcome| ["--- SIGTERM ---", outcome, "close(3) = 0"];
        let (one, other) = (stop("accept(3) = EINTR"), stop("accept(3) = EINVAL"));
        assert!(is_equal(&one, &other, row) && !is_equal(&one, &other, ""));
        let (one, other) = (["getpid() = 1", "accept(3) = 4"], ["getpid() = 1", "accept(3) = 5"]);
        assert!(!is_equal(&one, &other, row));
    }
}

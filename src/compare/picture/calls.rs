//! What a step of a trace is about.

use crate::compare::normalise::Step;

/// The calls that a connection comes from.
pub(super) const ACCEPTS: &[&str] = &["accept", "accept4"];
/// The calls that bytes come from.
pub(super) const RECEIVES: &[&str] = &["recvfrom", "recvmsg", "recvmmsg", "read", "readv"];
/// The calls that bytes go to.
pub(super) const SENDS: &[&str] = &["sendto", "sendmsg", "sendmmsg", "write", "writev", "sendfile"];
/// The calls that make a task.
pub(super) const MAKERS: &[&str] = &["clone", "clone3", "fork", "vfork"];

/// The beginning of what stands for the name of a step that stands for many.
pub(super) const AGAIN: &str = "× ";

pub(super) fn is_one_of(names: &[&str], step: &Step) -> bool {
    names.contains(&step.call.as_str())
}

/// What came of a call.
pub(super) fn outcome(step: &Step) -> &str {
    step.text.rsplit_once(" = ").map_or("", |(_, outcome)| outcome)
}

/// How many bytes came of it, or what else it returned.
pub(super) fn returned(step: &Step) -> Option<i64> {
    outcome(step).split(' ').next()?.parse().ok()
}

/// Which connection it is about: 3 of `recvfrom(connfd 3, ...`.
pub(super) fn connection(step: &Step) -> Option<usize> {
    let rest = step.text.strip_prefix(step.call.as_str())?.strip_prefix("(connfd ")?;
    rest.split([',', ')']).next()?.parse().ok()
}

/// Which connection it returned.
pub(super) fn accepted(step: &Step) -> Option<usize> {
    is_one_of(ACCEPTS, step).then(|| outcome(step).strip_prefix("connfd ")?.parse().ok())?
}

/// Whether the end of its task comes first.
pub(super) fn never_returns(step: &Step) -> bool {
    outcome(step) == "?" && !matches!(step.call.as_str(), "exit" | "exit_group")
}

pub(super) fn end(step: &Step) -> f64 {
    step.at + step.spent
}

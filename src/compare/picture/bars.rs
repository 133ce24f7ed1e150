//! A step of the server, or an act of a client, as a bar.

use super::calls::{AGAIN, SENDS, is_one_of, never_returns, outcome};
use crate::compare::clients::Act;
use crate::compare::normalise::{Step, Task};
use crate::report::sequence::{Bar, Kind};

/// From which time on in the kernel a call that may wait has waited, in seconds; a call that has got what was
/// sent after it had begun has waited anyway.
const WAIT: f64 = 0.0005;
/// The same for a call that sends: it waits only for room, and a busy machine takes its time for it too.
const ROOM: f64 = 0.01;

/// The calls that may wait for somebody else.
const WAITERS: &[&str] = &[
    "accept",
    "accept4",
    "clock_nanosleep",
    "connect",
    "epoll_pwait",
    "epoll_pwait2",
    "epoll_wait",
    "fcntl",
    "flock",
    "futex",
    "io_uring_enter",
    "nanosleep",
    "pause",
    "poll",
    "ppoll",
    "pselect6",
    "read",
    "readv",
    "recvfrom",
    "recvmmsg",
    "recvmsg",
    "restart_syscall",
    "rt_sigsuspend",
    "rt_sigtimedwait",
    "select",
    "semtimedop",
    "sendfile",
    "sendmmsg",
    "sendmsg",
    "sendto",
    "splice",
    "wait4",
    "waitid",
    "write",
    "writev",
];
/// The calls that are about sockets, files and processes, beside those that may wait.
const MAIN: &[&str] = &[
    "bind",
    "clone",
    "clone3",
    "close",
    "dup",
    "dup2",
    "dup3",
    "epoll_create",
    "epoll_create1",
    "epoll_ctl",
    "eventfd2",
    "execve",
    "exit",
    "exit_group",
    "fork",
    "getpeername",
    "getsockname",
    "getsockopt",
    "io_uring_register",
    "io_uring_setup",
    "kill",
    "listen",
    "pipe",
    "pipe2",
    "setsockopt",
    "shutdown",
    "signalfd4",
    "socket",
    "socketpair",
    "vfork",
];
/// The calls that a design is known by.
const KEY: &[&str] = &[
    "accept",
    "accept4",
    "bind",
    "clone",
    "clone3",
    "fork",
    "io_uring_setup",
    "listen",
    "recvfrom",
    "recvmmsg",
    "recvmsg",
    "sendmmsg",
    "sendmsg",
    "sendto",
    "socket",
    "vfork",
];
pub(super) fn start(task: &Task) -> Bar {
    let first = task.steps.first().map_or(0.0, |step| step.at);
    Bar {
        at: 0.0,
        spent: first,
        label: format!("{} calls", task.started),
        text: format!(
            "{} calls of the loader and of the language before the first socket",
            task.started
        ),
        kind: Kind::Start,
        error: None,
        is_key: true,
    }
}

pub(super) fn bar(step: &Step) -> Bar {
    let is_interrupted = outcome(step) == "interrupted, to be restarted";
    let code = outcome(step).split(' ').next().unwrap_or_default();
    let is_error = code.len() > 1
        && code.starts_with('E')
        && code.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit());
    let error = is_error.then(|| code.to_owned());
    let signal = step.text.strip_prefix("--- ").and_then(|text| text.strip_suffix(" ---"));
    let is_call = !step.call.is_empty();
    let patience = if is_one_of(SENDS, step) { ROOM } else { WAIT };
    let (label, kind) = match signal {
        Some(signal) => (signal, Kind::Signal),
        None if step.call.is_empty() => ("end", Kind::End),
        None if step.call.starts_with(AGAIN) => (step.call.as_str(), Kind::Again),
        None if is_one_of(WAITERS, step)
            && (step.spent >= patience || is_interrupted || never_returns(step)) =>
        {
            (step.call.as_str(), Kind::Blocked)
        }
        None if step.call == "futex" => (step.call.as_str(), Kind::Aside),
        None if is_one_of(WAITERS, step) || is_one_of(MAIN, step) || error.is_some() => {
            (step.call.as_str(), Kind::Quick)
        }
        None => (step.call.as_str(), Kind::Aside),
    };
    let is_key = match kind {
        Kind::Blocked | Kind::Signal | Kind::Again => true,
        Kind::Quick => error.is_none() && is_one_of(KEY, step),
        _ => false,
    };
    let label = if is_call { in_c(step) } else { label };
    let (label, text) = (label.to_owned(), step.text.clone());
    Bar { at: step.at, spent: step.spent, label, text, kind, error, is_key }
}

/// What a C program calls it.
fn in_c(step: &Step) -> &str {
    let has_address =
        !step.text.contains(", NULL, NULL) = ") && !step.text.contains(", NULL, 0) = ");
    match step.call.as_str() {
        "accept4" => "accept",
        "clone3" => "clone",
        "epoll_pwait" => "epoll_wait",
        "exit_group" => "exit",
        "pselect6" => "select",
        "ppoll" => "poll",
        "recvfrom" if !has_address => "recv",
        "rt_sigtimedwait" => "sigwait",
        "sendto" if !has_address => "send",
        "wait4" => "waitpid",
        call => call,
    }
}

pub(super) fn act(act: &Act) -> Bar {
    let is_wait = matches!(act.word, "expect" | "end" | "accepted") && act.spent >= WAIT;
    let kind = match act.word {
        _ if is_wait => Kind::Blocked,
        "accepted" => Kind::Aside,
        _ => Kind::Quick,
    };
    let (label, text) = (act.word.to_owned(), act.text.clone());
    Bar { at: act.at, spent: act.spent, label, text, kind, error: None, is_key: false }
}

//! What a connection costs a server: how many calls, and who makes them.

use std::ffi::OsString;
use std::time::Duration;

use serde::Serialize;

use super::normalise::{Step, Trace};
use super::record::{Broken, Clients, Plan, record};
use super::script::{self, Action};

/// The calls of one connection whose request comes with it, or of one datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Cost {
    /// Of the process that was started.
    pub parent: usize,
    /// Of all other processes and threads.
    pub others: usize,
}

/// So many are served before it is counted: by then stacks, arenas and the like have been made.
const BEFORE: usize = 6;
/// So many are counted.
const COUNTED: usize = 4;

/// Calls that never return; those with which threads meet at a lock, which is a matter of scheduling; and the
/// allocator's, who makes a new thread's arena with a call more or less, as it lies.
const LEFT_OUT: &[&str] =
    &["exit", "exit_group", "futex", "brk", "mmap", "munmap", "mremap", "mprotect", "madvise"];

/// What a connection costs, by the difference between two runs; `None` where that is not the same for each.
///
/// # Errors
///
/// Those of [`record`].
pub fn cost(
    command: &[OsString],
    request: &[u8],
    patience: Duration,
) -> Result<Option<Cost>, Broken> {
    let count = |connections: usize| -> Result<[usize; 2], Broken> {
        let script = (1..=connections).flat_map(|number| client(number, request)).collect();
        let trace = record(command, &Plan { clients: Clients::Script(script), patience })?;
        Ok(calls(&trace))
    };
    let (few, many) = (count(BEFORE)?, count(BEFORE + COUNTED)?);
    let each = |at: usize| {
        let more = many[at].checked_sub(few[at])?;
        (more % COUNTED == 0).then_some(more / COUNTED)
    };
    Ok(each(0).zip(each(1)).map(|(parent, others)| Cost { parent, others }))
}

/// One that asks, is answered and waits for nothing more.
fn client(number: usize, request: &[u8]) -> [script::Step; 2] {
    let actions = [Action::Ask(request.to_vec()), Action::Expect(Vec::new())];
    actions.map(|action| script::Step { client: format!("client {number}"), action })
}

/// Those of the parent, those of all others, up to the request to stop. What follows depends on who runs
/// first; only that the parent asks after each of its children is a cost of that child.
fn calls(trace: &Trace) -> [usize; 2] {
    let all = || trace.tasks.iter().flat_map(|task| &task.steps);
    let asked = all().filter(|step| is_request_to_stop(step)).map(|step| step.at + step.spent);
    let stop = asked.fold(f64::INFINITY, f64::min);
    let mut calls = [0; 2];
    for task in &trace.tasks {
        let counts = |step: &&Step| {
            let is_left_out = step.call.is_empty() || LEFT_OUT.contains(&step.call.as_str());
            !is_left_out && (step.at < stop || step.text.starts_with("wait4(child "))
        };
        calls[usize::from(task.role != "parent")] += task.steps.iter().filter(counts).count();
    }
    calls
}

fn is_request_to_stop(step: &Step) -> bool {
    step.text.starts_with("--- SIGINT")
        || step.call == "rt_sigtimedwait" && step.text.contains("(SIGINT)")
}

//! C1: what a client costs while it is connected.

use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};
use crate::report::Verdict;
use crate::subject::watch::descriptors;

pub(in crate::examine) const CHECK: Check = Check {
    id: "C1",
    name: "cost of a client",
    does: "holds eight silent clients, or as many as are accepted",
    sees: "how many processes, threads and descriptors there are more than before",
    matters: "a process or a thread for each client bounds how many there can be; a descriptor costs almost nothing",
    remedy: "none is needed",
    source: "slides 'Forked server', 'Threaded server', 'select server'; UNIX Network Programming 30.1",
    over: Over::Tcp,
    is_quick: true,
    on_running: OnRunning::Made,
    run,
};

const CLIENTS: usize = 8;

/// What a client takes while it is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cost {
    /// A process that is made for it.
    Process,
    /// A thread that is made for it.
    Thread,
    /// A process or a thread that is there already.
    Worker,
    /// No more than a descriptor.
    Descriptor,
}

impl Cost {
    /// In words, as C1 finds it.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Process => "a process each",
            Self::Thread => "a thread each",
            Self::Worker => "a worker each, which is there already",
            Self::Descriptor => "a descriptor each",
        }
    }
}

fn run(exam: &Exam) -> Result<Outcome, Trouble> {
    if exam.is_single_use()? {
        return Ok(Outcome::not_applicable("it serves once"));
    }
    let design = exam.design()?;
    let server = exam.start()?;
    server.until_at_rest()?;
    let count = || {
        let processes = server.processes();
        let threads = server.tasks().len() - processes.len();
        let fds: usize = processes.iter().map(|&pid| descriptors(pid).len()).sum();
        [processes.len(), threads, fds]
    };
    let before = count();
    let clients = if design.is_pool_or_iterative() {
        design.fill(&server)?
    } else {
        (0..CLIENTS).map(|_| server.connect_accepted()).collect::<Result<_, _>>()?
    };
    let few = if design.is_pool_or_iterative() { design.workers.max(1) } else { CLIENTS };
    server.until_at_rest()?;
    let after = count();
    let names = ["processes", "threads", "descriptors"];
    let line = |at: usize| {
        format!(
            "{} {}: {} before, {} with {few} clients",
            names[at], "in all", before[at], after[at]
        )
    };
    let cost = |at: usize| after[at].saturating_sub(before[at]);
    // A pool that is filled as clients come makes each worker once.
    let what = if design.is_pool_or_iterative() {
        Cost::Worker
    } else if cost(0) >= few {
        Cost::Process
    } else if cost(1) >= few {
        Cost::Thread
    } else {
        Cost::Descriptor
    };
    drop(clients);
    Ok(Outcome::new(Verdict::Info, what.words()).with_all((0..names.len()).map(line)))
}

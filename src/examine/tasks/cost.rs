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

fn run(exam: &Exam) -> Result<Outcome, Trouble> {
    if exam.is_single_use()? {
        return Ok(Outcome::not_applicable("it serves once"));
    }
    let design = exam.design()?;
    let few = if design.kind.is_loop() || !design.is_pool_or_iterative() {
        CLIENTS
    } else {
        design.workers
    };
    let server = exam.start()?;
    server.until_at_rest()?;
    let count = || {
        let processes = server.processes();
        let threads = server.tasks().len() - processes.len();
        let fds: usize = processes.iter().map(|&pid| descriptors(pid).len()).sum();
        [processes.len(), threads, fds]
    };
    let before = count();
    let clients: Vec<_> = (0..few).map(|_| server.connect_accepted()).collect::<Result<_, _>>()?;
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
    let what = if cost(0) >= few {
        "a process each"
    } else if cost(1) >= few {
        "a thread each"
    } else if design.is_pool_or_iterative() {
        "a worker each, which is there already"
    } else {
        "a descriptor each"
    };
    drop(clients);
    Ok(Outcome::new(Verdict::Info, what).with_all((0..names.len()).map(line)))
}

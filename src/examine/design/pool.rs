//! Who has a client where not everybody who comes is served: one task, or each of some workers.

use super::crowd::Crowd;
use super::kind::{Design, Kind, Sight, Turn};
use super::scene::Scene;
use crate::examine::Trouble;
use crate::examine::server::Server;
use crate::subject::limit::limit;
use crate::subject::watch::{self, Doing, Task};

/// What it is that serves so many silent clients and no more.
///
/// # Errors
///
/// Those of looking.
pub(super) fn tell(
    design: &mut Design,
    crowd: &Crowd,
    before: &Scene,
    after: &Scene,
    server: &Server,
) -> Result<(), Trouble> {
    let workers = crowd.served();
    let processes = after.processes.len().saturating_sub(before.processes.len());
    let threads = after.threads.saturating_sub(before.threads);
    design.workers = workers;
    // It makes a task for its client, and waits for that one's end.
    let is_serial = before.is_alone() && crowd.accepted <= 1;
    // Whoever made the others may serve itself: then these are no workers.
    let first = after.processes.first().map(|&pid| Task { pid, tid: pid });
    let is_first = match first.filter(|_| workers == 1) {
        Some(first) => crowd.is_heard_by(server, &first)?,
        None => false,
    };
    design.kind = match workers {
        _ if is_first => Kind::Iterative,
        _ if after.sight == Sight::Nothing && workers > 1 => Kind::Pool,
        _ if is_serial && processes > 0 => Kind::Forked,
        _ if is_serial && threads > 0 => Kind::Threaded,
        _ if before.processes.len() > 1 || processes > 0 => Kind::Preforked,
        // A language may have threads of its own.
        1 if before.threads + threads == 1 => Kind::Prethreaded,
        0 | 1 => Kind::Iterative,
        _ if before.threads + threads >= workers - 1 => Kind::Prethreaded,
        _ => Kind::Iterative,
    };
    match design.kind {
        Kind::Forked | Kind::Threaded => {
            let line = "it takes the next client only when that task has ended";
            design.evidence.push(String::from(line));
        }
        Kind::Preforked => design.turn = turn(before, workers),
        Kind::Prethreaded if crowd.accepted > workers => design.turn = Turn::Queued,
        Kind::Iterative => {
            design.limit = watch::tasks(&after.processes).iter().find_map(patience);
            design.evidence.extend(design.limit.clone());
        }
        _ => {}
    }
    if is_first && !after.is_alone() {
        let line =
            "its first task has the client, and takes the next one after it: the others have none";
        design.evidence.push(String::from(line));
    }
    Ok(())
}

/// How processes come by their clients: where those wait that have none.
fn turn(before: &Scene, workers: usize) -> Turn {
    let waiting = |calls: &[&str]| before.blocked_in(calls);
    if waiting(&["recvmsg"]) >= workers {
        Turn::Passed
    } else if waiting(&["fcntl", "flock"]) > 0 {
        Turn::FileLock
    } else if workers > 1
        && waiting(&["futex"]) >= workers - 1
        && waiting(&["accept", "accept4"]) <= 1
    {
        Turn::Mutex
    } else {
        Turn::Each
    }
}

/// How long a task waits for its one client at most.
fn patience(task: &Task) -> Option<String> {
    let Doing::Blocked(call) = task.doing() else { return None };
    let is_for_one = match call.name()? {
        "read" | "readv" | "recvfrom" | "recvmsg" | "select" | "pselect6" => true,
        "poll" | "ppoll" => call.args[1] == 1,
        _ => false,
    };
    let (limit, what) = limit(task).filter(|_| is_for_one)?.seen()?;
    let (tid, seconds) = (task.tid, limit.as_secs_f64());
    Some(format!("task {tid} is blocked in {call} for {seconds} s at most ({what})"))
}

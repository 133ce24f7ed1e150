//! Who has a client where not everybody who comes is served: one task, or each of some workers.

use super::crowd::Crowd;
use super::kind::{Design, Kind, Sight, Turn};
use super::scene::Scene;
use crate::subject::limit::limit;
use crate::subject::watch::{self, Doing, Task};

/// What it is that serves so many silent clients and no more.
pub(super) fn tell(design: &mut Design, crowd: &Crowd, before: &Scene, after: &Scene) {
    let workers = crowd.served();
    let processes = after.processes.len().saturating_sub(before.processes.len());
    let threads = after.threads.saturating_sub(before.threads);
    design.workers = workers;
    // It makes a task for its client, and waits for that one's end.
    let is_serial = before.is_alone() && crowd.accepted <= 1;
    design.kind = match workers {
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

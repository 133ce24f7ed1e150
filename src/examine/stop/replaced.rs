//! H8: a worker process that is killed.

use crate::examine::design::Kind;
use crate::examine::server::Server;
use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};
use crate::report::Verdict;
use crate::report::plural::counted;
use crate::subject::watch::{self, Doing, Task};

pub(in crate::examine) const CHECK: Check = Check {
    id: "H8",
    name: "killed worker",
    does: "kills a worker process by SIGKILL, one that waits in accept() if any does",
    sees: "whether another one takes its place, and whether the next client is answered",
    matters: "workers die: of a fault, or because memory runs out; a pool that misses nobody shrinks until nobody is left, and \
              one that dies with a lock in its hand stops all others",
    remedy: "wait for the children (SIGCHLD, waitpid()) and fork() for each that has ended; a robust mutex, or a lock that \
             the kernel takes back (fcntl)",
    source: "slide 'Preforked'; waitpid(2); pthread_mutexattr_setrobust(3); UNIX Network Programming 30.6",
    over: Over::Tcp,
    is_quick: true,
    on_running: OnRunning::Never,
    run,
};

fn run(exam: &Exam) -> Result<Outcome, Trouble> {
    let design = exam.design()?;
    let server = exam.start()?;
    server.settles()?;
    let workers: Vec<u32> =
        living(&server).into_iter().filter(|&pid| pid != server.pid()).collect();
    let is_pool = design.kind == Kind::Preforked || (design.kind.is_loop() && workers.len() > 1);
    if !is_pool || workers.is_empty() {
        return Ok(Outcome::not_applicable("it has no worker processes"));
    }
    let Some(&victim) = workers.iter().find(|&&pid| accepts(pid)).or(workers.first()) else {
        return Err(Trouble::Broken(String::from("it has no worker process any more")));
    };
    let doing = watch::tasks(&[victim]).first().map(Task::doing);
    server.kill(victim)?;
    if !server.until(|| Ok(!living(&server).contains(&victim)))? {
        return Err(Trouble::Broken(format!("process {victim} does not die")));
    }
    // However long it waits until it looks.
    let is_replaced = server.until(|| {
        let now = living(&server);
        Ok(server.ended().is_some()
            || now.len() > workers.len() && now.iter().any(|pid| !workers.contains(pid)))
    })?;
    let beside =
        if accepts(server.pid()) { " beside the first process, which serves too" } else { "" };
    let all = counted(workers.len(), "worker", "workers");
    let mut lines = vec![format!("{all}{beside}; process {victim} of them was killed")];
    if let Some(Doing::Blocked(call)) = doing {
        lines.push(format!("it was blocked in {call}"));
    }
    if let Some(ill) = server.ailment()? {
        return Ok(ill.with_all(lines));
    }
    let now = living(&server).len().saturating_sub(1);
    if !is_replaced {
        let what =
            format!("nobody takes its place: {} left", counted(now, "worker is", "workers are"));
        return Ok(Outcome::fail(what).with_all(lines).with_all(server.scene()));
    }
    lines.push(format!("{} after that", counted(now, "worker", "workers")));
    if watch::state(victim) == Some('Z') {
        let what = "another one takes its place, and the one that was killed stays a zombie";
        return Ok(Outcome::new(Verdict::Weak, what).with_all(lines));
    }
    Ok(Outcome::pass("another one takes its place, and the next client is answered")
        .with_all(lines))
}

/// Its processes that have not ended.
fn living(server: &Server) -> Vec<u32> {
    let mut processes = server.processes();
    processes.retain(|&pid| !matches!(watch::state(pid), None | Some('Z' | 'X')));
    processes
}

fn accepts(pid: u32) -> bool {
    let is_accept = |task: &Task| matches!(task.doing(), Doing::Blocked(call) if call.is(&["accept", "accept4"]));
    watch::tasks(&[pid]).iter().any(is_accept)
}

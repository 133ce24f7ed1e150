//! C3: in which call it waits.

use crate::examine::server::Server;
use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};
use crate::report::Verdict;
use crate::subject::watch::Doing;

pub(in crate::examine) const CHECK: Check = Check {
    id: "C3",
    name: "waiting place",
    does: "looks at the tasks of the server while nobody asks for anything, and while a client says nothing",
    sees: "the system call that each task is blocked in: /proc/PID/task/TID/syscall",
    matters: "the call names the design: accept() waits for a client, recv() for one client's word, select, poll and \
              epoll_wait for anybody's",
    remedy: "none is needed",
    source: "slide 'Blocking or not'; proc_pid_syscall(5); UNIX Network Programming 6.2",
    over: Over::Both,
    is_quick: true,
    on_running: OnRunning::Made,
    run,
};

fn run(exam: &Exam) -> Result<Outcome, Trouble> {
    let server = exam.start()?;
    let alone = places(&server)?;
    let what = format!("at rest it waits in {}", alone.join(", "));
    let outcome = Outcome::new(Verdict::Info, what).with_all(server.scene());
    let is_tcp = server.is_tcp;
    // What follows may be found out with another one, on the same port.
    drop(server);
    if !is_tcp || exam.speaks_first()?.is_some() {
        return Ok(outcome);
    }
    let server = exam.start()?;
    let _client = server.connect_accepted()?;
    let served = places(&server)?;
    Ok(outcome.with(format!("with a silent client it waits in {}", served.join(", "))))
}

/// The calls in which the tasks of a server at rest are blocked, each once.
fn places(server: &Server) -> Result<Vec<String>, Trouble> {
    server.until_at_rest()?;
    let mut places: Vec<String> = Vec::new();
    for task in server.tasks() {
        match task.doing() {
            Doing::Blocked(call) => places.push(call.to_string()),
            Doing::Hidden => {
                let what = format!("/proc/{}/syscall may not be read", task.pid);
                return Err(Trouble::Blocked(what));
            }
            _ => {}
        }
    }
    places.sort();
    places.dedup();
    Ok(places)
}

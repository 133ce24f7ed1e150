//! C3: in which call it waits.

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
    server.until_at_rest()?;
    let places = || {
        let mut places: Vec<String> = Vec::new();
        for task in server.tasks() {
            match task.doing() {
                Doing::Blocked(call) => places.push(call.to_string()),
                Doing::Hidden => {
                    return Err(Trouble::Blocked(format!(
                        "/proc/{}/syscall may not be read",
                        task.pid
                    )));
                }
                _ => {}
            }
        }
        places.sort();
        places.dedup();
        Ok(places)
    };
    let alone = places()?;
    let what = format!("at rest it waits in {}", alone.join(", "));
    let outcome = Outcome::new(Verdict::Info, what).with_all(server.scene());
    if !server.is_tcp || exam.speaks_first()?.is_some() {
        return Ok(outcome);
    }
    let client = server.connect_accepted()?;
    server.until_at_rest()?;
    let served = places()?;
    drop(client);
    Ok(outcome.with(format!("with a silent client it waits in {}", served.join(", "))))
}

//! C8: how many costly requests are computed at once.

use std::thread::available_parallelism;

use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};
use crate::report::Verdict;
use crate::subject::watch::Doing;

pub(in crate::examine) const CHECK: Check = Check {
    id: "C8",
    name: "parallel computing",
    does: "sends two costly requests at the same time",
    sees: "whether two tasks are ever seen running at once, until the first answer comes",
    matters: "a server of one process with one thread, or with a lock round its interpreter, uses one CPU however many there are",
    remedy: "none is needed; processes, or threads without a common lock, use them all",
    source: "slide 'Threaded server'; UNIX Network Programming 26.1",
    over: Over::Tcp,
    is_quick: true,
    on_running: OnRunning::Made,
    run,
};

fn run(exam: &Exam) -> Result<Outcome, Trouble> {
    if exam.is_single_use()? {
        return Ok(Outcome::not_applicable("it serves once"));
    }
    if available_parallelism().map_or(1, usize::from) < 2 {
        return Err(Trouble::Blocked(String::from("the machine has one CPU")));
    }
    let Some(heavy) = exam.heavy()? else {
        return Ok(Outcome::not_applicable("no costly request is known: --heavy tells one"));
    };
    exam.design()?;
    let server = exam.start()?;
    let clients = [server.connect()?, server.connect()?];
    for client in &clients {
        client.send(&heavy.request)?;
    }
    let (mut looks, mut both, mut one) = (0, 0, 0);
    server.until(|| {
        let running = server.tasks().iter().filter(|task| task.doing() == Doing::Running).count();
        looks += 1;
        both += usize::from(running >= 2);
        one += usize::from(running == 1);
        Ok(both >= 10 || clients[0].is_told()? || clients[1].is_told()?)
    })?;
    if both + one == 0 {
        return Err(Trouble::Broken(format!("no task was seen running in {looks} looks")));
    }
    let line = format!("in {looks} looks, two tasks ran {both} times, one {one} times");
    // Two threads that hand a lock over are both awake for a moment.
    let what =
        if both >= 10 || both > one { "two at once" } else { "one after the other, on one CPU" };
    Ok(Outcome::new(Verdict::Info, what).with(line))
}

//! D16: a number that would take centuries.

use std::time::Duration;

use crate::examine::client::End;
use crate::examine::log::quoted;
use crate::examine::protocol::exactly;
use crate::examine::server::Server;
use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};
use crate::report::Verdict;
use crate::subject::Limits;
use crate::subject::watch::{self, Meter};

pub(in crate::examine) const CHECK: Check = Check {
    id: "D16",
    name: "absurd number",
    does: "asks for fib(90), which takes the recursion centuries",
    sees: "whether it is refused, or the server is still at work after a second of CPU time",
    matters: "a request of three bytes takes a CPU for good: the cheapest denial of service there is",
    remedy: "refuse an n above a limit (45 takes seconds); or limit the CPU time of the child: setrlimit(RLIMIT_CPU)",
    source: "slide 'Fibonacci server'; getrlimit(2), RLIMIT_CPU; CWE-400, uncontrolled resource consumption",
    over: Over::Tcp,
    is_quick: true,
    on_running: OnRunning::IfNamed,
    run,
};

/// So much CPU time shows that it computes.
const BUDGET: Duration = Duration::from_secs(1);
/// On however busy a machine, the budget is spent by then.
const PATIENCE: Duration = Duration::from_secs(60);

fn run(exam: &Exam) -> Result<Outcome, Trouble> {
    let is_single_use = exam.is_single_use()?;
    let server = exam.start()?;
    if !server.protocol.is_fibonacci {
        return Ok(Outcome::not_applicable("only Fibonacci numbers are that costly"));
    }
    let mut client = server.connect_accepted()?;
    let meter = Meter::of(&server.processes());
    client.send(b"90\n")?;
    let spent = || meter.spent(&server.processes());
    server.until_or_at_rest(PATIENCE, 400, || {
        Ok(client.is_told()? || spent() >= BUDGET || server.ended().is_some())
    })?;
    let spent = spent();
    let answer = client.take()?;
    if answer.bytes.is_empty() && answer.end == End::Open && server.ended().is_none() {
        return Ok(if spent >= BUDGET { at_work(&server, spent) } else { asleep(&server) });
    }
    client.close();
    if !is_single_use && let Some(ailment) = server.ailment()? {
        return Ok(ailment);
    }
    let said = quoted(&answer.bytes);
    Ok(if exactly(b"2880067194370816120").is_match(&answer.bytes) {
        Outcome::pass("fib(90) is answered at once, and is right: it is not the recursion")
    } else if answer.bytes.first().is_some_and(|byte| byte.is_ascii_digit() || *byte == b'-') {
        Outcome::fail(format!("fib(90) is answered with {said}; 2880067194370816120 is right"))
    } else if answer.bytes.is_empty() {
        Outcome::new(Verdict::Weak, "the connection is closed without a word")
    } else {
        Outcome::pass(format!("refused: {said}"))
    }
    .with(format!(
        "the client gets {}, after {:.1} ms of CPU time",
        answer.words(),
        spent.as_secs_f64() * 1e3
    )))
}

fn at_work(server: &Server, spent: Duration) -> Outcome {
    let busy = server.tasks().into_iter().find(|task| !task.sleeps());
    let limit = busy.and_then(|task| watch::cpu_limit(task.pid));
    let line = format!("{:.1} s of CPU time are spent on it", spent.as_secs_f64());
    match limit.filter(|&limit| limit < Limits::USUAL.cpu) {
        Some(limit) => Outcome::pass(format!("computed, but for {limit} s of CPU time at most"))
            .with(line)
            .with("RLIMIT_CPU of the process that computes"),
        None => Outcome::fail("not refused, and no end in sight: the server computes")
            .with(line)
            .with_all(server.scene()),
    }
}

fn asleep(server: &Server) -> Outcome {
    Outcome::fail("neither answered nor refused: the server sleeps").with_all(server.scene())
}

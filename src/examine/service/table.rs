//! B1: the right answers.

use crate::examine::client::End;
use crate::examine::log::quoted;
use crate::examine::protocol::exactly;
use crate::examine::server::Probe;
use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};

pub(in crate::examine) const CHECK: Check = Check {
    id: "B1",
    name: "right answers",
    does: "asks for the Fibonacci numbers 0, 1, 2, 10 and 20, or of another protocol three times the same",
    sees: "the answers",
    matters: "everything else stands on it",
    remedy: "fib(0) = 0, fib(1) = 1, fib(n) = fib(n-1) + fib(n-2); the answer is the number in decimal and a line's end",
    source: "slide 'Fibonacci server'",
    over: Over::Both,
    is_quick: true,
    on_running: OnRunning::Made,
    run,
};

const TABLE: &[(&str, &str)] =
    &[("0\n", "0"), ("1\n", "1"), ("2\n", "1"), ("10\n", "55"), ("20\n", "6765")];

fn run(exam: &Exam) -> Result<Outcome, Trouble> {
    let is_single_use = exam.is_single_use()?;
    let mut server = exam.start()?;
    if !server.protocol.is_fibonacci {
        return any(exam, server, is_single_use);
    }
    let mut said = Vec::new();
    for (number, (request, expected)) in TABLE.iter().enumerate() {
        if number > 0 && is_single_use {
            server = exam.start()?;
        }
        let mut client = server.connect()?;
        client.send(request.as_bytes())?;
        let right = exactly(expected.as_bytes());
        let is_over = server.until(|| {
            let answer = client.take()?;
            Ok(answer.end != End::Open || right.is_match(&answer.bytes))
        })?;
        let (answer, asked) = (client.take()?, quoted(request.as_bytes()));
        if right.is_match(&answer.bytes) {
            said.push(format!("{} to {asked}", quoted(&answer.bytes)));
            continue;
        }
        let what = if is_over { answer.words() } else { String::from("nothing in time") };
        return Ok(Outcome::fail(format!("{asked} is answered with {what}; {expected} is right")));
    }
    let what = format!("{} requests, {} right answers", TABLE.len(), TABLE.len());
    Ok(Outcome::pass(what).with(said.join(", ")))
}

fn any(
    exam: &Exam,
    mut server: crate::examine::server::Server,
    is_single_use: bool,
) -> Result<Outcome, Trouble> {
    let mut said = Vec::new();
    for number in 0..3 {
        if number > 0 && is_single_use {
            server = exam.start()?;
        }
        let mut client = server.connect()?;
        client.send(&server.protocol.request)?;
        let probe = server.outcome(&mut client)?;
        if probe != Probe::Right {
            return Ok(Outcome::fail(format!("a good request is {}", probe.words())));
        }
        said.push(quoted(&client.take()?.bytes));
    }
    Ok(Outcome::pass("3 requests, 3 right answers").with(said.join(", ")))
}

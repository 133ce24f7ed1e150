//! B5: a number that does not fit.

use std::time::Duration;

use crate::examine::log::quoted;
use crate::examine::protocol::exactly;
use crate::examine::server::Server;
use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};
use crate::report::Verdict;
use crate::subject::watch::Meter;

pub(in crate::examine) const CHECK: Check = Check {
    id: "B5",
    name: "answers that do not fit",
    does: "asks for fib(48) and fib(94), the first that do not fit 32 and 64 bits",
    sees: "whether each is refused, right, wrong, or computed without an end",
    matters: "an answer that is wrong without a sign of it is worse than none",
    remedy: "refuse, with a line, every n whose answer the type can't hold or whose cost is out of proportion",
    source: "slide 'Fibonacci server'; ISO C11 6.2.5, unsigned arithmetic",
    over: Over::Tcp,
    is_quick: true,
    on_running: OnRunning::IfNamed,
    run,
};

fn run(exam: &Exam) -> Result<Outcome, Trouble> {
    if exam.is_single_use()? {
        return Ok(Outcome::not_applicable("it serves once"));
    }
    let server = exam.start()?;
    if !server.protocol.is_fibonacci {
        return Ok(Outcome::not_applicable("the protocol is not Fibonacci"));
    }
    let narrow = ask(&server, 48, b"4807526976", 32)?;
    if narrow.verdict != Verdict::Pass {
        return Ok(narrow);
    }
    ask(&server, 94, b"19740274219868223167", 64)
}

/// So much CPU time is more than it takes to refuse, even for a program that is started for it.
const AT_WORK: Duration = Duration::from_millis(300);

/// Asks for the first number that does not fit so many bits.
fn ask(server: &Server, n: u32, right: &[u8], bits: u32) -> Result<Outcome, Trouble> {
    let mut client = server.connect()?;
    client.send(format!("{n}\n").as_bytes())?;
    // It is told something, or at work on it.
    let meter = Meter::of(&server.processes());
    let spent = || meter.spent(&server.processes());
    server.until_or_stuck(|| Ok(client.is_told()? || spent() >= AT_WORK))?;
    if !client.is_told()? {
        return Ok(if server.is_at_rest() {
            Outcome::fail(format!("fib({n}) is neither answered nor refused"))
                .with_all(server.scene())
        } else {
            Outcome::new(
                Verdict::Info,
                format!("fib({n}) is computed, which takes too long to see whether it fits (D16)"),
            )
        });
    }
    // A connection that carries several requests stays open.
    server.until_at_rest_for(20, server.patience)?;
    let answer = client.take()?;
    if let Some(status) = server.ended() {
        return Ok(server.died(status));
    }
    let begins_with_digit = answer.bytes.first().is_some_and(u8::is_ascii_digit);
    Ok(if exactly(right).is_match(&answer.bytes) {
        Outcome::pass(format!("fib({n}) is right: the server counts beyond {bits} bits"))
    } else if begins_with_digit || answer.bytes.first() == Some(&b'-') {
        Outcome::fail(format!(
            "fib({n}) is answered with {}, which is wrong",
            quoted(&answer.bytes)
        ))
    } else if answer.bytes.is_empty() {
        Outcome::new(
            Verdict::Weak,
            format!("fib({n}) is refused without a word: the connection just ends"),
        )
    } else {
        Outcome::pass(format!("fib({n}) is refused with a line")).with(answer.words())
    })
}

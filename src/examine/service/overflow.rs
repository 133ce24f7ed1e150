//! B5: a number that does not fit.

use crate::examine::log::quoted;
use crate::examine::protocol::exactly;
use crate::examine::{Check, Exam, Outcome, Over, Trouble};
use crate::report::Verdict;

pub(in crate::examine) const CHECK: Check = Check {
    id: "B5",
    name: "answers that do not fit",
    does: "asks for fib(94), the first that does not fit 64 bits",
    sees: "whether it is refused, right, wrong, or computed without an end",
    matters: "an answer that is wrong without a sign of it is worse than none",
    remedy: "refuse, with a line, every n whose answer the type can't hold or whose cost is out of proportion",
    source: "slide 'Fibonacci server'; ISO C11 6.2.5, unsigned arithmetic",
    over: Over::Tcp,
    is_quick: true,
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
    let mut client = server.connect()?;
    client.send(b"94\n")?;
    // It is told something, or at work on it.
    let mut busy = 0;
    server.until(|| {
        busy = if server.tasks().iter().all(|task| task.sleeps()) { 0 } else { busy + 1 };
        Ok(client.is_told()? || busy >= 200)
    })?;
    if !client.is_told()? {
        let computes = server.tasks().iter().any(|task| !task.sleeps());
        return Ok(if computes {
            Outcome::new(
                Verdict::Info,
                "fib(94) is computed, which takes years: whether it fits is never seen (D16)",
            )
        } else {
            Outcome::fail("fib(94) is neither answered nor refused").with_all(server.scene())
        });
    }
    let answer = client.all()?;
    if let Some(status) = server.ended() {
        return Ok(server.died(status));
    }
    let begins_with_digit = answer.bytes.first().is_some_and(u8::is_ascii_digit);
    Ok(if exactly(b"19740274219868223167").is_match(&answer.bytes) {
        Outcome::pass("fib(94) is right: the server counts beyond 64 bits")
    } else if begins_with_digit || answer.bytes.first() == Some(&b'-') {
        Outcome::fail(format!("fib(94) is answered with {}, which is wrong", quoted(&answer.bytes)))
    } else if answer.bytes.is_empty() {
        Outcome::new(Verdict::Weak, "fib(94) is refused without a word: the connection just ends")
    } else {
        Outcome::pass("fib(94) is refused with a line").with(answer.words())
    })
}

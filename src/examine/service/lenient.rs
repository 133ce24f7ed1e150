//! B3: the same number, written otherwise.

use crate::examine::client::End;
use crate::examine::log::quoted;
use crate::examine::protocol::exactly;
use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};
use crate::report::Verdict;

pub(in crate::examine) const CHECK: Check = Check {
    id: "B3",
    name: "line ends and blanks",
    does: "asks for fib(10) as telnet (CR LF), a C program (a NUL at the end) and a person (blanks, a plus sign) would write it",
    sees: "for each, whether it is the right answer, a refusal, or nothing",
    matters: "who types at telnet sends CR LF; who sends a C string may send its NUL: such a client is to be answered, or told \
              that it is not",
    remedy: "end a number at the first byte that is no digit, and answer, or refuse with a line, whatever follows",
    source: "slide 'Fibonacci server'; RFC 854; strtol(3)",
    over: Over::Tcp,
    is_quick: true,
    on_running: OnRunning::Made,
    run,
};

const FORMS: &[&[u8]] = &[b"10\r\n", b"10\n\0", b" 10\n", b"10 \n", b"\t10\n", b"+10\n", b"010\n"];

fn run(exam: &Exam) -> Result<Outcome, Trouble> {
    if exam.is_single_use()? {
        return Ok(Outcome::not_applicable("it serves once"));
    }
    let server = exam.start()?;
    if !server.protocol.is_fibonacci {
        return Ok(Outcome::not_applicable("the protocol is not Fibonacci"));
    }
    let right = exactly(b"55");
    let (mut answered, mut evidence) = (0, Vec::new());
    for form in FORMS {
        let mut client = server.connect()?;
        client.send(form)?;
        // No more comes: whoever waits for more is to see that.
        client.finish()?;
        let answer = server.last_answer(&mut client)?;
        // A connection may carry several requests: what follows the line's end is the next one.
        let mut lines = answer.bytes.splitn(2, |byte| *byte == b'\n');
        let (first, rest) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
        let is_refused = |rest: &[u8]| !rest.first().is_some_and(u8::is_ascii_digit);
        if right.is_match(&answer.bytes) || right.is_match(first) && is_refused(rest) {
            answered += 1;
            evidence.push(format!("{} is answered", quoted(form)));
        } else if answer.bytes.is_empty() && answer.end == End::Open {
            let what = format!("{} is neither answered nor refused", quoted(form));
            return Ok(Outcome::fail(what).with_all(server.scene()));
        } else if answer.bytes.first().is_some_and(u8::is_ascii_digit) {
            return Ok(Outcome::fail(format!(
                "{} is answered with {}",
                quoted(form),
                answer.words()
            )));
        } else {
            evidence.push(format!("{} is refused: {}", quoted(form), answer.words()));
        }
        if let Some(status) = server.ended() {
            return Ok(server.died(status).with(format!("after {}", quoted(form))));
        }
    }
    if let Some(ailment) = server.ailment()? {
        return Ok(ailment.with_all(evidence));
    }
    let telnet = evidence.first().is_some_and(|line| line.ends_with("answered"));
    let what = match answered {
        0 => String::from("no form is answered, each is refused"),
        _ if answered == FORMS.len() => format!("all {answered} forms are answered"),
        1 => format!("1 of {} forms is answered, the others refused", FORMS.len()),
        _ => format!("{answered} of {} forms are answered, the others refused", FORMS.len()),
    };
    let outcome = if telnet {
        Outcome::pass(what)
    } else {
        Outcome::new(Verdict::Weak, format!("a line that ends in CR LF is refused; {what}"))
    };
    Ok(outcome.with_all(evidence))
}

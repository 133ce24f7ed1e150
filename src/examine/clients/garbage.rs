//! D7: requests that are none.

use std::cell::RefCell;
use std::time::Duration;

use super::{Deed, reply, survives};
use crate::examine::log::quoted;
use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};
use crate::report::Verdict;
use crate::report::plural::grouped;

pub(in crate::examine) const CHECK: Check = Check {
    id: "D7",
    name: "garbage",
    does: "sends what is no request: an empty line, letters, a negative number, a thousand digits, bytes that are no text, \
           zeros, 1e9, blanks, foreign digits; each with a client of its own, and a good one after each",
    sees: "whether the process lives and sleeps, the good clients' answers, and what the garbage is answered with",
    matters: "whoever can reach the port can send anything: an exception that nobody catches, a recursion without an end or \
              an overflow lets one stranger end the service for all",
    remedy: "check a request as a whole before using it: strtol() with its end and errno, a try round int(); refuse with a line",
    source: "slide 'Fibonacci server'; strtol(3), NOTES; CWE-20, improper input validation",
    over: Over::Tcp,
    is_quick: true,
    on_running: OnRunning::Made,
    run,
};

/// Python's int() knows these as 10, and is not wrong.
const FOREIGN_DIGITS: &str = "\u{661}\u{660}\n";

fn inputs() -> Vec<(&'static str, Vec<u8>)> {
    let lines: [(&str, &[u8]); 12] = [
        ("an empty line", b"\n"),
        ("letters", b"abc\n"),
        ("-5", b"-5\n"),
        ("bytes that are no UTF-8", b"\xff\xfe\xc3\x28\n"),
        ("a NUL", b"\0\n"),
        ("1e9", b"1e9\n"),
        ("0x10", b"0x10\n"),
        ("a sign alone", b"-\n"),
        ("tabs", b"\t\t\t\n"),
        ("two numbers", b"10 20\n"),
        ("format characters", b"%n%s%n%s\n"),
        ("foreign digits", FOREIGN_DIGITS.as_bytes()),
    ];
    let mut all: Vec<_> = lines.into_iter().map(|(name, bytes)| (name, bytes.to_vec())).collect();
    all.push(("a thousand digits", [&[b'1'; 1000][..], b"\n"].concat()));
    all.push(("4096 zero bytes", vec![0; 4096]));
    all
}

fn run(exam: &Exam) -> Result<Outcome, Trouble> {
    if exam.is_single_use()? {
        return Ok(Outcome::not_applicable("it serves once"));
    }
    let taken = RefCell::new(Vec::new());
    let told: RefCell<Vec<(String, &str)>> = RefCell::default();
    let deeds: Vec<Deed<'_>> = inputs()
        .into_iter()
        .map(|(name, bytes)| {
            let (taken, told) = (&taken, &told);
            let deed = move |server: &crate::examine::server::Server| {
                let mut client = server.connect()?;
                client.send_all(&bytes)?;
                let answer = reply(server, &mut client, Duration::from_secs(1))?;
                client.close();
                told.borrow_mut().push((answer.words(), name));
                let is_number = answer.bytes.first().is_some_and(u8::is_ascii_digit)
                    || matches!(answer.bytes.as_slice(), [b'-', digit, ..] if digit.is_ascii_digit());
                if is_number && bytes != FOREIGN_DIGITS.as_bytes() && server.protocol.is_fibonacci {
                    taken.borrow_mut().push(format!(
                        "{name}, {}, is answered with {}",
                        quoted(&bytes),
                        quoted(&answer.bytes)
                    ));
                }
                Ok(())
            };
            (name.to_owned(), Box::new(deed) as Box<_>)
        })
        .collect();
    let outcome = survives(exam, &deeds)?;
    let taken = taken.take();
    if outcome.verdict != Verdict::Pass {
        return Ok(outcome);
    }
    if taken.is_empty() {
        let told = grouped(told.take()).into_iter();
        return Ok(
            outcome.with_all(told.map(|(answer, of)| format!("{answer}: {}", of.join(", "))))
        );
    }
    let what = format!("{} of {} are taken for a number, and answered", taken.len(), deeds.len());
    Ok(Outcome::new(Verdict::Weak, what).with_all(taken))
}

//! D14: bytes behind the request.

use super::reply;
use crate::examine::client::End;
use crate::examine::protocol::Shape;
use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};
use crate::report::Verdict;

pub(in crate::examine) const CHECK: Check = Check {
    id: "D14",
    name: "bytes behind the request",
    does: "sends a request and, with the same send(), a word behind it",
    sees: "the answer, and how the connection ends",
    matters: "closed while there is something unread, a connection is reset instead of ended; where packets are lost the \
              reset may destroy the answer before the client has read it",
    remedy: "shutdown(SHUT_WR) after the answer, then read until the end of file, for a limited time, before close()",
    source: "slide 'close'; RFC 9293, 3.10.4; RFC 2525, 2.17; UNIX Network Programming 7.5",
    over: Over::Tcp,
    is_quick: true,
    on_running: OnRunning::Made,
    run,
};

fn run(exam: &Exam) -> Result<Outcome, Trouble> {
    if exam.shape()? == Shape::Persistent {
        return Ok(Outcome::not_applicable("what follows a request is the next one"));
    }
    if let Some(outcome) = exam.speaks_first()? {
        return Ok(outcome);
    }
    let is_single_use = exam.is_single_use()?;
    let server = exam.start()?;
    let mut client = server.connect_accepted()?;
    client.send(&[&server.protocol.request, &b"extra"[..]].concat())?;
    let answer = reply(&server, &mut client, server.patience)?;
    client.close();
    if !is_single_use && let Some(ailment) = server.ailment()? {
        return Ok(ailment);
    }
    let is_right = server.protocol.is_right(&answer.bytes);
    Ok(match answer.end {
        End::Eof if is_right => Outcome::pass("the answer, then the end of file"),
        End::Reset if is_right => Outcome::new(
            Verdict::Weak,
            "the answer, then a reset: the connection was closed with something unread",
        ),
        End::Open if is_right => {
            Outcome::pass("the answer; the connection stays open for the rest")
        }
        _ if answer.bytes.first().is_some_and(|byte| !byte.is_ascii_digit()) => {
            Outcome::pass(format!("refused with a line: {}", answer.words()))
        }
        _ => {
            Outcome::fail(format!("\"extra\" behind the request: the answer is {}", answer.words()))
        }
    }
    .with(format!("the client gets {}", answer.words())))
}

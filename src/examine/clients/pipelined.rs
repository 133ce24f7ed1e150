//! D5: two requests at once.

use super::reply;
use crate::examine::client::{Answer, End};
use crate::examine::log::quoted;
use crate::examine::protocol::Shape;
use crate::examine::server::Server;
use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};
use crate::report::Verdict;

pub(in crate::examine) const CHECK: Check = Check {
    id: "D5",
    name: "two requests in one segment",
    does: "sends two requests with one send()",
    sees: "how many are answered, and whether the server is well after that",
    matters: "what one recv() brings may be more than one request; who takes all of it for one answers nonsense, and who \
              forgets the rest lets a client wait for ever",
    remedy: "end a request where its newline is; keep what follows for the next one, or close after the first",
    source: "slide 'TCP: a stream of bytes'; UNIX Network Programming 3.9; RFC 9112, 9.3.2",
    over: Over::Tcp,
    is_quick: true,
    on_running: OnRunning::Made,
    run,
};

fn run(exam: &Exam) -> Result<Outcome, Trouble> {
    if let Some(outcome) = exam.speaks_first()? {
        return Ok(outcome);
    }
    let (is_single_use, shape) = (exam.is_single_use()?, exam.shape()?);
    let server = exam.start()?;
    let protocol = server.protocol.clone();
    let one = protocol.request.clone();
    let two = if protocol.is_fibonacci { b"20\n".to_vec() } else { one.clone() };
    let mut client = server.connect_accepted()?;
    let both = [one, two].concat();
    client.send(&both)?;
    let answer = reply(&server, &mut client, server.patience)?;
    client.close();
    let outcome = match shape {
        _ if protocol.is_fibonacci => fibonacci(shape, &answer),
        _ if answer.bytes.is_empty() => silence(&answer),
        _ => others(shape, &answer, &alone(&server)?, |bytes| protocol.is_right(bytes)),
    };
    let outcome = outcome.with(format!("{} is answered with {}", quoted(&both), answer.words()));
    if outcome.verdict == Verdict::Fail || is_single_use {
        return Ok(outcome);
    }
    server.if_well(outcome)
}

/// The answer to one request.
fn alone(server: &Server) -> Result<Vec<u8>, Trouble> {
    let mut client = server.connect()?;
    client.send(&server.protocol.request)?;
    Ok(reply(server, &mut client, server.patience)?.bytes)
}

/// What two requests of a protocol come to of which only the answer to one is known, this one here: both may be there, one after
/// the other, which is not what the answer to one looks like.
fn others(
    shape: Shape,
    answer: &Answer,
    single: &[u8],
    is_right: impl Fn(&[u8]) -> bool,
) -> Outcome {
    let bytes = &answer.bytes;
    let first = &bytes[..single.len().min(bytes.len())];
    let is_first = is_right(bytes) || is_right(first);
    match shape {
        _ if !is_first => Outcome::fail(format!(
            "two requests in one segment are answered otherwise than one: {}",
            answer.words()
        )),
        _ if bytes.len() > single.len() => Outcome::pass("both are answered"),
        Shape::OneShot => Outcome::pass("the first is answered"),
        Shape::Persistent => {
            Outcome::fail(format!("only the first is answered: {}", answer.words()))
        }
    }
}

fn fibonacci(shape: Shape, answer: &Answer) -> Outcome {
    let is_end = |byte: &u8| byte.is_ascii_whitespace() || *byte == 0;
    let words: Vec<&[u8]> = answer.bytes.split(is_end).filter(|word| !word.is_empty()).collect();
    match (words.as_slice(), shape) {
        ([b"55", b"6765"], _) => Outcome::pass("both are answered: 55 and 6765"),
        ([b"55"], Shape::OneShot) => {
            Outcome::pass("the first is answered, and the connection is closed")
        }
        ([b"55"], Shape::Persistent) => {
            Outcome::fail(format!("only the first is answered: {}", answer.words()))
        }
        ([b"55", ..], Shape::OneShot) if !answer.bytes[2].is_ascii_digit() => Outcome::pass(
            format!("the first is answered, the second refused: {}", quoted(&answer.bytes)),
        ),
        ([first, ..], _) if first[0].is_ascii_digit() || first[0] == b'-' => {
            Outcome::fail(format!("10 and 20 in one segment are answered with {}", answer.words()))
        }
        ([_, ..], _) => Outcome::pass(format!("refused with a line: {}", quoted(&answer.bytes))),
        ([], _) => silence(answer),
    }
}

fn silence(answer: &Answer) -> Outcome {
    match answer.end {
        End::Open => Outcome::fail(format!("neither is answered nor refused: {}", answer.words())),
        _ => Outcome::new(
            Verdict::Weak,
            format!("both are dropped without a word: {}", answer.words()),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_two_answers_of_another_protocol_are() {
        let judge = |shape, bytes: &[u8]| {
            let answer = Answer { bytes: bytes.to_vec(), end: End::Open, is_tcp: true };
            others(shape, &answer, b"hello\n", |bytes| bytes == b"hello\n").verdict
        };
        assert_eq!(judge(Shape::Persistent, b"hello\nhello\n"), Verdict::Pass);
        assert_eq!(judge(Shape::Persistent, b"hello\n"), Verdict::Fail);
        assert_eq!(judge(Shape::OneShot, b"hello\n"), Verdict::Pass);
        assert_eq!(judge(Shape::OneShot, b"hell\n"), Verdict::Fail);
    }

    #[test]
    fn what_two_answers_are() {
        let judge = |shape, bytes: &[u8]| {
            let answer = Answer { bytes: bytes.to_vec(), end: End::Eof, is_tcp: true };
            fibonacci(shape, &answer).verdict
        };
        for bytes in [&b"55\n6765\n"[..], b"55\x006765", b"55", b"55\nerror: x", b"error: no\n"] {
            assert_eq!(judge(Shape::OneShot, bytes), Verdict::Pass, "{}", quoted(bytes));
        }
        for bytes in [&b"556765"[..], b"5", b"6765\n", b"-1\n", b"102334155\n"] {
            assert_eq!(judge(Shape::OneShot, bytes), Verdict::Fail, "{}", quoted(bytes));
        }
        assert_eq!(judge(Shape::OneShot, b""), Verdict::Weak);
        assert_eq!(judge(Shape::Persistent, b"55\n"), Verdict::Fail);
        assert_eq!(judge(Shape::Persistent, b"55\n6765\n"), Verdict::Pass);
    }
}

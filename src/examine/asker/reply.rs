//! What a client is answered, and what it has to print then.

use regex::bytes::Regex;

use super::run::Run;
use crate::examine::protocol::{Mistake, expression};
use crate::report::unescape;

/// An answer, in the lengths that the checks need.
#[derive(Debug, Clone)]
pub struct Reply {
    /// One that comes in pieces.
    pub short: Vec<u8>,
    /// One that comes whole.
    pub long: Vec<u8>,
    /// One that says something else.
    pub strange: Vec<u8>,
    /// What the client has to print when it has its answer; `None`: the answer itself.
    expect: Option<Regex>,
    /// Whether it is the user's: a client of that may print something else than what it is answered.
    is_own: bool,
}

impl Reply {
    /// The lecture's, over TCP: fib(20), and fib(50), which has eleven digits.
    pub fn fibonacci() -> Self {
        Self::usual(b"6765\n", b"12586269025\n", b"4181\n")
    }

    /// The lecture's, over UDP: the time in words.
    pub fn time() -> Self {
        let time = b"Fri Feb 23 14:15:00 2018";
        Self::usual(time, time, b"Mon Jan 19 03:14:07 2038")
    }

    fn usual(short: &[u8], long: &[u8], strange: &[u8]) -> Self {
        let [short, long, strange] = [short, long, strange].map(<[u8]>::to_vec);
        Self { short, long, strange, expect: None, is_own: false }
    }

    /// An answer of the user's own, with C's escapes, and a regular expression for what the client prints then.
    ///
    /// # Errors
    ///
    /// What is wrong with the escapes or the expression, in words.
    pub fn own(answer: &str, expect: Option<&str>) -> Result<Self, Mistake> {
        let bytes = unescape(answer).map_err(|what| format!("--answer {answer}: {what}"))?;
        if bytes.is_empty() {
            return Err(String::from("--answer: an answer of no bytes is none"));
        }
        let strange = bytes.iter().copied().map(next).collect();
        let expect = expect.map(expression).transpose()?;
        Ok(Self { short: bytes.clone(), long: bytes, strange, expect, is_own: true })
    }

    /// Whether a client has shown this answer; `None` if that can't be known.
    pub(super) fn is_shown(&self, answer: &[u8], run: &Run) -> Option<bool> {
        if let Some(expect) = &self.expect {
            return Some(run.outputs().any(|output| expect.is_match(output)));
        }
        let text = trimmed(answer);
        // Headers are not printed, the page is.
        let last = text.rsplit(|byte| *byte == b'\n').next().unwrap_or(text);
        let is_in = |text: &[u8]| run.outputs().any(|output| contains(output, text));
        if is_in(text) || self.is_own && !last.is_empty() && is_in(last) {
            return Some(true);
        }
        (!self.is_own).then_some(false)
    }

    /// Whether a client has shown an answer that is none of its server's.
    pub(super) fn is_strange_shown(&self, run: &Run) -> bool {
        run.outputs().any(|output| contains(output, trimmed(&self.strange)))
    }

    /// How many bytes of an answer a client has printed, from its beginning; what it says of errors may have digits.
    pub(super) fn part_shown(&self, answer: &[u8], run: &Run) -> usize {
        let text = trimmed(answer);
        let is_shown = |part: &usize| contains(&run.stdout, &text[..*part]);
        (1..=text.len()).rev().find(is_shown).unwrap_or(0)
    }
}

/// Without the line's end, which a client may print in another way.
fn trimmed(answer: &[u8]) -> &[u8] {
    let is_end = |byte: &u8| matches!(byte, b'\n' | b'\r' | 0);
    let length = answer.iter().rposition(|byte| !is_end(byte)).map_or(0, |at| at + 1);
    &answer[..length]
}

fn contains(output: &[u8], text: &[u8]) -> bool {
    !text.is_empty() && output.windows(text.len()).any(|window| window == text)
}

/// The letter or digit after this one; other bytes stay, so that a message keeps its form.
const fn next(byte: u8) -> u8 {
    match byte {
        b'z' => b'a',
        b'Z' => b'A',
        b'9' => b'0',
        b'a'..=b'y' | b'A'..=b'Y' | b'0'..=b'8' => byte + 1,
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(stdout: &str) -> Run {
        Run { stdout: stdout.as_bytes().to_vec(), ..Run::default() }
    }

    #[test]
    fn shown_or_not() {
        let lecture = Reply::fibonacci();
        let is_shown = |stdout| lecture.is_shown(&lecture.long, &printed(stdout));
        assert_eq!(is_shown("fib(50)=12586269025 (0.1s)\n"), Some(true));
        assert_eq!(is_shown("fib(50)=1258626902\n"), Some(false));
        let cut = printed("fib(50)=1258626902\n");
        assert_eq!(lecture.part_shown(&lecture.long, &cut), 10);
        assert_eq!(lecture.part_shown(&lecture.long, &printed("")), 0);
    }

    #[test]
    fn of_ones_own() {
        let page = Reply::own(r"HTTP/1.0 200 OK\r\n\r\nhello\n", None).unwrap();
        assert_eq!(page.is_shown(&page.long, &printed("hello\n")), Some(true));
        assert_eq!(page.is_shown(&page.long, &printed("")), None);
        let pong = Reply::own(r"+PONG\r\n", Some("^PONG$")).unwrap();
        assert_eq!(pong.strange, b"+QPOH\r\n");
        assert_eq!(pong.is_shown(&pong.long, &printed("PONG")), Some(true));
        assert_eq!(pong.is_shown(&pong.long, &printed("PING")), Some(false));
        for wrong in ["", r"\q"] {
            assert!(Reply::own(wrong, None).is_err(), "{wrong:?}");
        }
        assert!(Reply::own("x", Some("(")).is_err());
    }
}

//! What is said to a server, and what it has to answer.

use regex::bytes::{Regex, RegexBuilder};

use crate::report::unescape;

/// A request, and what an answer to it looks like.
#[derive(Debug, Clone)]
pub struct Protocol {
    /// What a good client sends.
    pub request: Vec<u8>,
    /// What it gets.
    pub expect: Regex,
    /// A request that costs the server much; `None` if the protocol has none, or nobody has told of it.
    pub heavy: Option<Heavy>,
    /// Whether a connection can carry several requests; `None` if that is to be found out.
    pub shape: Option<Shape>,
    /// Whether it is the lecture's: a number in decimal, the Fibonacci number back.
    pub is_fibonacci: bool,
}

/// A request that costs much.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heavy {
    /// These bytes.
    Bytes(Vec<u8>),
    /// A Fibonacci number so large that it takes about a second, which is found out.
    Fibonacci,
}

/// How many requests a connection carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// One; then the server closes it.
    OneShot,
    /// Several.
    Persistent,
}

/// Why a protocol can't be had from what was given.
pub type Mistake = String;

impl Protocol {
    /// The lecture's: `10\n` and `55\n`.
    pub fn fibonacci() -> Self {
        Self {
            request: b"10\n".to_vec(),
            expect: exactly(b"55"),
            heavy: Some(Heavy::Fibonacci),
            shape: None,
            is_fibonacci: true,
        }
    }

    /// The lecture's time service over UDP: any word, and an answer that says something.
    pub fn time() -> Self {
        Self {
            request: b"time".to_vec(),
            expect: anything(),
            heavy: None,
            shape: None,
            is_fibonacci: false,
        }
    }

    /// A protocol of the user's own: a request and a regular expression, both with C's escapes.
    ///
    /// # Errors
    ///
    /// What is wrong with the escapes or the expression, in words.
    pub fn own(send: &str, expect: &str, heavy: Option<&str>) -> Result<Self, Mistake> {
        let expect = expression(expect)?;
        let request = unescape(send).map_err(|what| format!("--send {send}: {what}"))?;
        let heavy = heavy
            .map(|bytes| unescape(bytes).map_err(|what| format!("--heavy {bytes}: {what}")))
            .transpose()?;
        Ok(Self {
            request,
            expect,
            heavy: heavy.map(Heavy::Bytes),
            shape: None,
            is_fibonacci: false,
        })
    }

    /// Whether an answer is right, as far as it has come.
    pub fn is_right(&self, answer: &[u8]) -> bool {
        self.expect.is_match(answer)
    }

    /// Whether an answer to this request is right: of the lecture's service that is known of each, of another one
    /// it says something.
    pub fn is_answer_to(&self, request: &[u8], answer: &[u8]) -> bool {
        let number = std::str::from_utf8(request).ok().and_then(|text| text.trim().parse().ok());
        match number {
            Some(n) if self.is_fibonacci => exactly(fib(n).to_string().as_bytes()).is_match(answer),
            _ => !answer.is_empty(),
        }
    }
}

/// What `--expect` says: a regular expression on bytes.
pub(super) fn expression(expect: &str) -> Result<Regex, Mistake> {
    let built = RegexBuilder::new(expect).unicode(false).build();
    built.map_err(|error| format!("--expect {expect}: {error}"))
}

fn fib(n: u32) -> u128 {
    (0..n).fold((0, 1), |(a, b): (u128, u128), _| (b, a.saturating_add(b))).0
}

/// A line that says this and nothing else, however it ends.
pub fn exactly(word: &[u8]) -> Regex {
    let word = regex::escape(&String::from_utf8_lossy(word));
    built(&format!(r"\A{word}\r?\n?\x00?\z"))
}

fn anything() -> Regex {
    built(r"(?s-u).")
}

/// Expressions of our own are right; none would match nothing.
fn built(expression: &str) -> Regex {
    RegexBuilder::new(expression).unicode(false).build().unwrap_or_else(|_| anything())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers() {
        let fibonacci = Protocol::fibonacci();
        for right in ["55", "55\n", "55\r\n", "55\0"] {
            assert!(fibonacci.is_right(right.as_bytes()), "{right:?}");
        }
        for wrong in ["", "5", "555", "55\nx", "x55", "error: 55"] {
            assert!(!fibonacci.is_right(wrong.as_bytes()), "{wrong:?}");
        }
        assert!(fibonacci.is_answer_to(b"10\n", b"55\n") && fibonacci.is_answer_to(b"0\n", b"0"));
        assert!(fibonacci.is_answer_to(b"93\n", b"12200160415121876738"));
        assert!(!fibonacci.is_answer_to(b"11\n", b"55\n") && !fibonacci.is_answer_to(b"10\n", b""));
        assert!(
            Protocol::time().is_answer_to(b"10\n", b"1")
                && !Protocol::time().is_answer_to(b"10\n", b"")
        );
        assert!(Protocol::time().is_right(b"\0") && Protocol::time().is_right(b"\n"));
        assert!(!Protocol::time().is_right(b""));
        assert!(Protocol::own("x", "(", None).is_err());
    }
}

//! The Fibonacci service over TCP: one request per connection.
//!
//! A request is a decimal integer, ended by a newline or a NUL (a carriage return before it is
//! dropped) or, after a digit, by the end of file. The answer is the Fibonacci number in decimal
//! with nothing after it, or one line that begins with `error: `; then the server closes.

use std::io::Write;
use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering;

use super::STOPPING;
use crate::posix::error::{EAGAIN, EINTR, EWOULDBLOCK};
use crate::posix::sys_socket::{SHUT_WR, recv, send, shutdown};

/// The longest request, in bytes, without what ends it.
pub const REQUEST_MAX: usize = 32;
/// What one `recv` asks for, in bytes: the longest request, and some of what follows it.
pub const RECEIVE_MAX: usize = 2 * REQUEST_MAX;
/// The largest n whose Fibonacci number fits 64 bits.
pub const LARGEST_N: u64 = 93;
/// The largest n that is computed unless the server is told otherwise: a few seconds of one CPU.
pub const DEFAULT_MAX_N: u64 = 45;

/// Room for any answer: 20 digits, or an error's line.
const ANSWER_MAX: usize = 80;

/// The nth Fibonacci number by the naive recursion: the load that the lecture is about, one call
/// for each node of the tree.
///
/// The lecture's phrasing, on an unsigned 64-bit integer, and never inlined, in both languages. Left
/// to inline it, a compiler computes something else: gcc -O2 unrolls the recursion eight levels deep
/// into loops and LLVM may merge equal subtrees, so neither time would say what a call costs.
#[inline(never)]
pub fn fib(n: u64) -> u64 {
    if n == 0 {
        0
    } else if n == 1 {
        1
    } else {
        fib(n - 1) + fib(n - 2)
    }
}

/// Serves one client on a blocking socket, from its request to its answer. Whatever goes wrong with
/// a connected socket is that client's trouble alone, so nothing is returned.
// Inlined, with all that it calls, as far as each design's loop: to call them costs a third as much
// as what they do.
#[inline(always)]
pub fn handle_request(connfd: &OwnedFd, max_n: u64) {
    let mut exchange = Exchange::new(max_n);
    loop {
        match exchange.advance(connfd) {
            Progress::More => {}
            // Only a time limit (SO_RCVTIMEO, SO_SNDTIMEO) makes a blocking socket say EAGAIN.
            Progress::Blocked => return exchange.time_out(connfd),
            Progress::Done => return,
        }
    }
}

/// How far [`Exchange::advance`] has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Some bytes came or went, and more have to.
    More,
    /// The call would have blocked: `EAGAIN`, `EWOULDBLOCK`.
    Blocked,
    /// Answered, or nothing to answer, or the client is lost: time to close.
    Done,
}

/// One request and its answer, as far as they have come: what a server has to remember of a client,
/// below 100 bytes.
pub struct Exchange {
    max_n: u8,
    /// How many bytes of the request's line have come, and how many of them are no digits.
    received: u8,
    others: u8,
    /// What the digits say, at most one more than the largest.
    number: u8,
    /// Its last byte, and whether its first is a minus.
    last: u8,
    is_negative: bool,
    is_requested: bool,
    has_more: bool,
    /// How many bytes of the answer are still to be sent: the last ones of its room.
    unsent: u8,
    answer: [u8; ANSWER_MAX],
}

impl Exchange {
    /// Nothing received, nothing sent; requests up to `max_n`, which is at most [`LARGEST_N`].
    pub const fn new(max_n: u64) -> Self {
        Self {
            max_n: max_n as u8,
            received: 0,
            others: 0,
            number: 0,
            last: 0,
            is_negative: false,
            is_requested: false,
            has_more: false,
            unsent: 0,
            answer: [0; ANSWER_MAX],
        }
    }

    /// Whether it is the answer's turn, so that the socket has to be writable, not readable.
    pub const fn is_answering(&self) -> bool {
        self.unsent > 0
    }

    /// Whether more may have come than the request: closed with something unread, a connection is reset,
    /// and the end of file has to go first.
    pub const fn has_more(&self) -> bool {
        self.has_more
    }

    /// At most one `recv`, the computation, and one `send`, on a blocking or a non-blocking socket.
    #[inline(always)]
    pub fn advance(&mut self, connfd: &OwnedFd) -> Progress {
        if !self.is_answering() {
            match self.receive(connfd) {
                Progress::More => {}
                other => return other,
            }
            match self.requested() {
                Some(n) => self.answer(fib(n)),
                None if !self.is_answering() => return Progress::More,
                None => {}
            }
        }
        self.transmit(connfd)
    }

    /// One `recv`. Afterwards there may be a number to compute, or an error to answer with.
    #[inline(always)]
    pub fn receive(&mut self, connfd: &OwnedFd) -> Progress {
        let mut buf = [0; RECEIVE_MAX];
        match recv(connfd, &mut buf, 0) {
            Ok(n) => self.take(&buf[..n]),
            Err(error) => after(error.errno()),
        }
    }

    /// One `send` of what is left of the answer.
    #[inline(always)]
    pub fn transmit(&mut self, connfd: &OwnedFd) -> Progress {
        match send(connfd, self.unsent(), 0) {
            Ok(n) => self.unsent -= n as u8,
            Err(error) => return after(error.errno()),
        }
        if self.unsent > 0 {
            return Progress::More;
        }
        if self.has_more {
            // Closed with something unread, the connection is reset. The end of file goes first.
            let _ = shutdown(connfd, SHUT_WR);
        }
        Progress::Done
    }

    /// What is left of the answer.
    pub fn unsent(&self) -> &[u8] {
        &self.answer[ANSWER_MAX - usize::from(self.unsent)..]
    }

    /// The number of a whole request, until it is answered.
    pub const fn requested(&self) -> Option<u64> {
        if self.is_requested { Some(self.number as u64) } else { None }
    }

    /// Answers with a number. Digit by digit: the formatter would cost more than the rest of a short
    /// request.
    #[inline(always)]
    pub fn answer(&mut self, mut number: u64) {
        let mut length = 0;
        for digit in self.answer.iter_mut().rev() {
            length += 1;
            if number < 10 {
                *digit = b'0' + number as u8;
                break;
            }
            *digit = b'0' + (number % 10) as u8;
            number /= 10;
        }
        self.unsent = length;
        self.is_requested = false;
    }

    /// Answers with an error's line.
    #[cold]
    pub fn refuse(&mut self, what: &str) {
        let max_n = self.max_n;
        self.error(format_args!("{what}; send a decimal integer from 0 to {max_n}"));
    }

    /// Answers with an error's line about the server: the request may come again.
    #[cold]
    pub fn refuse_for_now(&mut self, what: &str) {
        self.error(format_args!("{what}; try again later"));
    }

    fn error(&mut self, what: std::fmt::Arguments<'_>) {
        let mut room = &mut self.answer[..];
        // The longest text fits, so this can't fail; a test holds it.
        let _ = writeln!(room, "error: {what}");
        let left = room.len();
        self.answer.rotate_right(left);
        self.unsent = (ANSWER_MAX - left) as u8;
        self.is_requested = false;
    }

    /// Tells a client that its time is over.
    pub fn time_out(&mut self, connfd: &OwnedFd) {
        if !self.is_answering() {
            self.refuse("no complete request in time");
            // The client may be gone, or not reading; it is not asked twice.
            let _ = send(connfd, self.unsent(), 0);
        }
    }

    /// Takes what one `recv` of at most [`RECEIVE_MAX`] bytes has brought, nothing being the end of
    /// file.
    #[inline(always)]
    pub fn take(&mut self, bytes: &[u8]) -> Progress {
        self.has_more = bytes.len() == RECEIVE_MAX;
        let mut is_whole = false;
        if bytes.is_empty() {
            if self.received == 0 || STOPPING.load(Ordering::SeqCst) {
                return Progress::Done;
            }
            is_whole = true;
        }
        for &byte in bytes {
            match byte {
                b'0'..=b'9' => {
                    let number = u64::from(self.number) * 10 + u64::from(byte - b'0');
                    self.number = number.min(LARGEST_N + 1) as u8;
                }
                b'\n' | b'\0' => {
                    is_whole = true;
                    break;
                }
                _ => {
                    self.is_negative |= byte == b'-' && self.received == 0;
                    self.others += 1;
                }
            }
            self.last = byte;
            self.received += 1;
        }
        if usize::from(self.received) > REQUEST_MAX {
            self.refuse("longer than 32 bytes");
        } else if is_whole {
            self.end_of_line();
        }
        Progress::More
    }

    /// The line is whole: a number is requested, or something is wrong with it.
    #[inline(always)]
    fn end_of_line(&mut self) {
        if self.others > 0 && self.last == b'\r' {
            self.received -= 1;
            self.others -= 1;
        }
        if self.received == 0 {
            self.refuse("empty request");
        } else if self.others > 0 {
            let is_number = self.is_negative && self.others == 1 && self.received > 1;
            self.refuse(if is_number { "negative" } else { "not a decimal integer" });
        } else if self.number > self.max_n {
            self.refuse("too large");
        } else {
            self.is_requested = true;
        }
    }
}

const fn after(errno: i32) -> Progress {
    match errno {
        EINTR => Progress::More,
        EAGAIN => Progress::Blocked,
        // A reset, a broken pipe, no memory: nothing more can be said to this client.
        _ => Progress::Done,
    }
}

const _: () = assert!(EAGAIN == EWOULDBLOCK);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn answer_to(bytes: &[u8], max_n: u64) -> String {
        let mut exchange = Exchange::new(max_n);
        if exchange.take(bytes) == Progress::Done {
            return String::from("closed");
        }
        if exchange.requested().is_none() && !exchange.is_answering() {
            exchange.take(b"");
        }
        answered(&mut exchange)
    }

    fn answered(exchange: &mut Exchange) -> String {
        if let Some(n) = exchange.requested() {
            exchange.answer(fib(n));
        }
        String::from_utf8(exchange.unsent().to_vec()).unwrap()
    }

    #[test]
    fn requests_and_their_answers() {
        let error = |what: &str| format!("error: {what}; send a decimal integer from 0 to 45\n");
        for (request, answer) in [
            ("0\n", "0".to_owned()),
            ("1\n", "1".to_owned()),
            ("10\n", "55".to_owned()),
            ("10\r\n", "55".to_owned()),
            ("10\0", "55".to_owned()),
            ("10", "55".to_owned()),
            ("10\r", "55".to_owned()),
            ("10\nextra", "55".to_owned()),
            ("00000000000000000000000000000010\n", "55".to_owned()),
            ("", "closed".to_owned()),
            ("\n", error("empty request")),
            ("\r\n", error("empty request")),
            ("\0", error("empty request")),
            ("abc\n", error("not a decimal integer")),
            ("1e1\n", error("not a decimal integer")),
            ("+1\n", error("not a decimal integer")),
            (" 1\n", error("not a decimal integer")),
            ("1\r1\n", error("not a decimal integer")),
            ("-\n", error("not a decimal integer")),
            ("-a\n", error("not a decimal integer")),
            ("-5\n", error("negative")),
            ("46\n", error("too large")),
            ("99999999999999999999999999999999\n", error("too large")),
            ("000000000000000000000000000000010\n", error("longer than 32 bytes")),
        ] {
            assert_eq!(answer_to(request.as_bytes(), 45), answer, "request {request:?}");
        }
    }

    #[test]
    fn fibonacci_numbers() {
        assert_eq!([0, 1, 2, 3, 10, 30].map(fib), [0, 1, 1, 2, 55, 832_040]);
    }

    #[test]
    fn the_longest_answers_fit() {
        for max_n in [0, 45, LARGEST_N] {
            let mut exchange = Exchange::new(max_n);
            exchange.refuse("no complete request in time");
            assert!(exchange.unsent().ends_with(format!(" {max_n}\n").as_bytes()));
            exchange.answer(u64::MAX);
            assert_eq!(exchange.unsent(), u64::MAX.to_string().as_bytes());
            exchange.refuse_for_now("busy: too many costly requests wait");
            assert!(exchange.unsent().ends_with(b"; try again later\n"));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_in_any_pieces_get_the_same_answer(
            bytes in proptest::collection::vec(any::<u8>(), 0..80),
            digits in "[0-9]{0,40}[\n\0]?",
            cut in any::<prop::sample::Index>(),
        ) {
            for request in [&bytes[..], digits.as_bytes()] {
                let cut = cut.index(request.len() + 1);
                let mut exchange = Exchange::new(20);
                for piece in [&request[..cut], &request[cut..]] {
                    let whole = exchange.is_answering() || exchange.requested().is_some();
                    if !piece.is_empty() && !whole {
                        prop_assert_eq!(exchange.take(piece), Progress::More);
                    }
                }
                let mut pieces = "closed".to_owned();
                let whole = exchange.is_answering() || exchange.requested().is_some();
                if whole || exchange.take(b"") == Progress::More {
                    pieces = answered(&mut exchange);
                }
                prop_assert_eq!(&pieces, &answer_to(request, 20));
                prop_assert!(pieces == "closed"
                    || pieces.bytes().all(|byte| byte.is_ascii_digit())
                    || (pieces.starts_with("error: ") && pieces.ends_with(" 20\n")
                        && pieces.lines().count() == 1));
            }
        }
    }
}

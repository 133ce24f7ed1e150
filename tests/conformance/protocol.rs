//! What is said on the wire: requests good and bad, in one piece and in many, and their answers.

use socklab::server::Design;
use socklab::service::fibonacci::{DEFAULT_MAX_N, LARGEST_N, REQUEST_MAX};

use crate::cases::{Seeded, each, is_tcp, part};
use crate::support::Server;
use crate::watch::{computing, rest, until, until_rest};
use crate::wire::{Client, End, ask, assert_serves};

fn speaks_fibonacci(design: &Design) -> bool {
    is_tcp(design) && design.service == socklab::server::Service::Fibonacci
}

fn error(what: &str, max_n: u64) -> String {
    format!("error: {what}; send a decimal integer from 0 to {max_n}\n")
}

/// The nth Fibonacci number, by adding.
fn fib(n: u64) -> String {
    let (mut a, mut b) = (0u64, 1);
    for _ in 0..n {
        (a, b) = (b, a.wrapping_add(b));
    }
    a.to_string()
}

/// Requests that end by themselves, and what is answered.
fn whole() -> Vec<(&'static [u8], String)> {
    let error = |what| error(what, DEFAULT_MAX_N);
    vec![
        (b"0\n", fib(0)),
        (b"1\n", fib(1)),
        (b"2\n", fib(2)),
        (b"10\n", fib(10)),
        (b"20\n", fib(20)),
        (b"10\r\n", fib(10)),
        (b"10\0", fib(10)),
        (b"10\r\0", fib(10)),
        (b"10\nextra", fib(10)),
        (b"10\n20\n", fib(10)),
        (b"10\0\0\0", fib(10)),
        (b"00000000000000000000000000000010\n", fib(10)),
        (b"\n", error("empty request")),
        (b"\r\n", error("empty request")),
        (b"\0", error("empty request")),
        (b"abc\n", error("not a decimal integer")),
        (b"1e1\n", error("not a decimal integer")),
        (b"0x10\n", error("not a decimal integer")),
        (b"+1\n", error("not a decimal integer")),
        (b" 1\n", error("not a decimal integer")),
        (b"1 \n", error("not a decimal integer")),
        (b"1\r1\n", error("not a decimal integer")),
        (b"10\r\r\n", error("not a decimal integer")),
        (b"-\n", error("not a decimal integer")),
        (b"--1\n", error("not a decimal integer")),
        (b"-a\n", error("not a decimal integer")),
        (b"1.5\n", error("not a decimal integer")),
        (b"\xff\xfe\n", error("not a decimal integer")),
        ("\u{661}\n".as_bytes(), error("not a decimal integer")),
        (b"-5\n", error("negative")),
        (b"-0\n", error("negative")),
        (b"-99999999999999999999\n", error("negative")),
        (b"46\n", error("too large")),
        (b"4294967296\n", error("too large")),
        (b"18446744073709551626\n", error("too large")),
        (b"99999999999999999999999999999999\n", error("too large")),
        (b"000000000000000000000000000000010\n", error("longer than 32 bytes")),
        (b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", error("longer than 32 bytes")),
    ]
}

/// Requests that the end of the file ends.
fn unfinished() -> Vec<(&'static [u8], String)> {
    let error = |what| error(what, DEFAULT_MAX_N);
    vec![
        (b"10", fib(10)),
        (b"10\r", fib(10)),
        (b"7", fib(7)),
        (b"\r", error("empty request")),
        (b"-", error("not a decimal integer")),
        (b"x", error("not a decimal integer")),
        (b"-3", error("negative")),
        (b"46", error("too large")),
        (b"00000000000000000000000000000010", fib(10)),
    ]
}

/// An error is one line that begins with `error: ` and names the range.
fn assert_well_formed(answer: &str, max_n: u64) {
    if !answer.bytes().all(|byte| byte.is_ascii_digit()) {
        assert!(answer.starts_with("error: "), "{answer:?}");
        assert!(answer.ends_with(&format!("from 0 to {max_n}\n")), "{answer:?}");
        assert_eq!(answer.matches('\n').count(), 1, "{answer:?}");
    }
}

#[test]
fn requests_and_their_answers() {
    each(speaks_fibonacci, |case| {
        let server = case.start();
        let before = rest(&server);
        for (request, answer) in whole() {
            part(&format!("request {:?}", request.escape_ascii().to_string()), || {
                assert_well_formed(&answer, DEFAULT_MAX_N);
                assert_eq!(ask(&server, request), answer);
                // A half-close after the request takes nothing away.
                let client = Client::connect(&server);
                client.send(request);
                // The server may have closed already.
                let _ = client.stream.shutdown(std::net::Shutdown::Write);
                client.expect(&answer);
                assert_serves(&server);
            });
        }
        for (request, answer) in unfinished() {
            part(&format!("request {:?} and the end", request.escape_ascii().to_string()), || {
                let client = Client::connect(&server);
                client.send(request);
                client.until_consumed();
                assert!(!client.has_answer(), "an answer before the end of the request");
                client.finish();
                client.expect(&answer);
                assert_serves(&server);
            });
        }
        until_rest(&server, &before);
        case.stop(server).assert_clean();
    });
}

#[test]
fn requests_in_pieces() {
    each(speaks_fibonacci, |case| {
        let server = case.start();
        // Each byte is read before the next one is sent.
        for (request, answer) in [
            (&b"10\n"[..], fib(10)),
            (b"10\r\n", fib(10)),
            (b"10\0", fib(10)),
            (b"-7\n", error("negative", DEFAULT_MAX_N)),
            (b"1x2\n", error("not a decimal integer", DEFAULT_MAX_N)),
            (b"000000000000000000000000000000000", error("longer than 32 bytes", DEFAULT_MAX_N)),
        ] {
            part(&format!("{:?} byte by byte", request.escape_ascii().to_string()), || {
                let client = Client::connect(&server);
                let (last, first) = request.split_last().expect("not empty");
                for byte in first {
                    client.send(&[*byte]);
                    client.until_consumed();
                    assert!(!client.has_answer(), "an answer to a part of a request");
                }
                client.send(&[*last]);
                client.expect(&answer);
            });
        }
        // Two pieces, cut everywhere, as fast as they go.
        for cut in 1..4 {
            let client = Client::connect(&server);
            client.send(&b"010\n"[..cut]);
            client.send(&b"010\n"[cut..]);
            client.expect(&fib(10));
        }
        // What follows the request in a segment of its own may find the server gone.
        part("10, then extra", || {
            let client = Client::connect(&server);
            client.send(b"10\n");
            let _ = std::io::Write::write_all(&mut &client.stream, b"extra");
            let (answer, _) = client.read();
            assert_eq!(answer, fib(10));
        });
        assert_serves(&server);
        case.stop(server).assert_clean();
    });
}

#[test]
fn an_empty_connection_is_closed_without_a_word() {
    each(speaks_fibonacci, |case| {
        let server = case.start();
        let before = rest(&server);
        for _ in 0..3 {
            let client = Client::connect(&server);
            client.finish();
            client.expect("");
            assert_serves(&server);
        }
        until_rest(&server, &before);
        case.stop(server).assert_clean();
    });
}

#[test]
fn a_hundred_thousand_bytes_without_a_newline_are_refused() {
    each(speaks_fibonacci, |case| {
        let server = case.start();
        let before = rest(&server);
        for byte in [b'1', b'a', b' ', 0xff] {
            let client = Client::connect(&server);
            // The server may reset the connection before all is sent.
            let _ = std::io::Write::write_all(&mut &client.stream, &[byte; 100_000]);
            let (answer, _) = client.read();
            assert_eq!(answer, error("longer than 32 bytes", DEFAULT_MAX_N), "{byte:#x}");
            assert_serves(&server);
        }
        until_rest(&server, &before);
        case.stop(server).assert_clean();
    });
}

/// What the protocol says of these bytes followed by the end of the file.
fn oracle(bytes: &[u8], max_n: u64) -> String {
    if bytes.is_empty() {
        return String::new();
    }
    let end = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\0'));
    let mut line = &bytes[..end.unwrap_or(bytes.len())];
    if line.len() > REQUEST_MAX {
        return error("longer than 32 bytes", max_n);
    }
    if let Some(shorter) = line.strip_suffix(b"\r") {
        line = shorter;
    }
    let Ok(text) = std::str::from_utf8(line) else {
        return error("not a decimal integer", max_n);
    };
    if text.is_empty() {
        return error("empty request", max_n);
    }
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.chars().all(|c| c.is_ascii_digit()) {
        return error("not a decimal integer", max_n);
    }
    if digits.len() < text.len() {
        return error("negative", max_n);
    }
    match digits.parse::<u128>() {
        Ok(n) if n <= u128::from(max_n) => fib(n as u64),
        _ => error("too large", max_n),
    }
}

#[test]
fn random_bytes() {
    const MAX_N: u64 = 20;
    each(speaks_fibonacci, |case| {
        let server = case.start_with(&["--max-n", "20"]);
        let before = rest(&server);
        let mut seeded = Seeded(0x50c6);
        for round in 0..60 {
            // Half of them nearly requests, half of them anything; all in one segment.
            let alphabet: &[u8] = b"0123456789012345678901\r\n\0-+ a";
            let length = seeded.below(if round % 2 == 0 { 5 } else { 2 * REQUEST_MAX as u64 });
            let bytes: Vec<u8> = (0..length)
                .map(|_| {
                    let next = seeded.next();
                    if round % 4 == 3 {
                        next as u8
                    } else {
                        alphabet[(next % alphabet.len() as u64) as usize]
                    }
                })
                .collect();
            part(&format!("bytes {:?}", bytes.escape_ascii().to_string()), || {
                let client = Client::connect(&server);
                client.send(&bytes);
                // The server may have closed already.
                let _ = client.stream.shutdown(std::net::Shutdown::Write);
                let answer = oracle(&bytes, MAX_N);
                assert_well_formed(&answer, MAX_N);
                client.expect(&answer);
            });
        }
        assert_serves(&server);
        until_rest(&server, &before);
        case.stop(server).assert_clean();
    });
}

#[test]
fn every_n_up_to_the_limit() {
    each(speaks_fibonacci, |case| {
        for max_n in [0, 1, 24] {
            let server = case.start_with(&["--max-n", &max_n.to_string()]);
            for n in 0..=max_n {
                assert_eq!(ask(&server, format!("{n}\n").as_bytes()), fib(n), "n {n}");
            }
            for n in [max_n + 1, max_n + 2, 45, LARGEST_N, LARGEST_N + 1, u64::MAX] {
                assert_eq!(ask(&server, format!("{n}\n").as_bytes()), error("too large", max_n));
            }
            case.stop(server).assert_clean();
        }
    });
}

/// A request for the largest n is taken: the server computes; the next larger one is refused.
fn takes_up_to(server: &Server, max_n: u64) {
    assert_eq!(ask(server, format!("{}\n", max_n + 1).as_bytes()), error("too large", max_n));
    let before = rest(server);
    let client = Client::connect(server);
    client.send(format!("{max_n}\n").as_bytes());
    client.until_consumed();
    until("the server computes", || computing(server).is_some());
    assert!(!client.has_answer(), "an answer, so soon");
    drop(before);
    // Nobody waits for the answer: the server is killed when the test is over.
}

#[test]
fn the_default_and_the_largest_limit() {
    each(speaks_fibonacci, |case| {
        takes_up_to(&case.start(), DEFAULT_MAX_N);
        takes_up_to(&case.start_with(&["--max-n", &LARGEST_N.to_string()]), LARGEST_N);
    });
}

#[test]
fn the_answer_ends_the_connection() {
    each(speaks_fibonacci, |case| {
        let server = case.start();
        for request in ["30\n", "99\n"] {
            let client = Client::connect(&server);
            client.send(request.as_bytes());
            // The client neither closes nor half-closes, and the end of the file comes.
            let (answer, end) = client.read();
            assert!(!answer.is_empty());
            assert_eq!(end, End::Closed);
        }
        case.stop(server).assert_clean();
    });
}

//! `socklab client`: the lecture's clients.

use std::io::{self, Write};
use std::time::Instant;

use clap::{Args, Subcommand};

use super::{Failure, port, printable, seconds};
use crate::client::nonblocking::Event;
use crate::client::{fibonacci, nonblocking, time};
use crate::posix::Error;
use crate::posix::error::{EAGAIN, EINPROGRESS};
use crate::posix::sys_socket::timeval;
use crate::service::time::{EPOCHS_APART, Format, tell};

#[derive(Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    client: Client,
}

#[derive(Subcommand)]
enum Client {
    /// Ask a Fibonacci server, over TCP
    #[command(
        alias = "fibonacci",
        after_help = "\
Examples:
  socklab client fib                    ask localhost, port 9000, for the 37th
  socklab client fib 127.0.0.1 7000 -n 30
  socklab client fib -n 45 --timeout 2  give up when it takes longer"
    )]
    Fib {
        #[command(flatten)]
        server: Server,
        /// Which Fibonacci number
        #[arg(short, value_name = "N", default_value = "37", allow_negative_numbers = true,
              value_parser = number)]
        n: i64,
    },
    /// Ask a time server, over UDP
    #[command(after_help = "\
Examples:
  socklab client time                   ask localhost, port 9000
  socklab client time ::1 7000

The empty datagram may be lost, so up to three are sent.")]
    Time {
        #[command(flatten)]
        server: Server,
    },
    /// Connect, then poll a non-blocking socket by hand until a line comes
    #[command(after_help = "\
Examples:
  socklab client nonblocking mail.example.org 25
  socklab client nonblocking localhost 9000 --timeout 1")]
    Nonblocking {
        /// The server's name or address
        host: String,
        /// Its port
        #[arg(value_parser = port)]
        port: u16,
        /// Give up after so many seconds [default: never]
        #[arg(long, allow_hyphen_values = true, value_name = "S", value_parser = seconds)]
        timeout: Option<timeval>,
    },
}

#[derive(Args)]
struct Server {
    /// The server's name or address; each of its addresses is tried
    #[arg(default_value = "localhost")]
    host: String,
    /// Its port
    #[arg(default_value = "9000", value_parser = port)]
    port: u16,
    /// Give up a connect, a send or a recv after so many seconds [default: never; 1 over UDP]
    #[arg(long, allow_hyphen_values = true, value_name = "S", value_parser = seconds)]
    timeout: Option<timeval>,
}

const NEVER: timeval = timeval { tv_sec: 0, tv_usec: 0 };

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    match &arguments.client {
        Client::Fib { server, n } => fib(server, *n),
        Client::Time { server } => ask_time(server),
        Client::Nonblocking { host, port, timeout } => watch(host, *port, timeout.unwrap_or(NEVER)),
    }
}

fn fib(server: &Server, n: i64) -> Result<(), Failure> {
    let start = Instant::now();
    let answer = fibonacci::ask(&server.host, server.port, n, &server.timeout.unwrap_or(NEVER))
        .map_err(|error| failure(error, &server.host, server.port))?;
    let seconds = start.elapsed().as_secs_f64();
    if answer.is_empty() {
        return Err(Failure::new("error: the server closed the connection without an answer"));
    }
    if answer.len() == fibonacci::ANSWER_MAX {
        return Err(Failure::new("error: the server's answer does not end"));
    }
    let text = printable(&answer);
    // One line of it, whatever it is.
    let line = text.lines().next().unwrap_or_default();
    if text.starts_with("error: ") {
        return Err(Failure::new(line));
    }
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Failure::new(format!("error: the server's answer is not a number: {line}")));
    }
    Ok(writeln!(io::stdout(), "fib({n})={text} ({seconds:.3}s calc time)")?)
}

fn ask_time(server: &Server) -> Result<(), Failure> {
    let timeout = server.timeout.unwrap_or(timeval { tv_sec: 1, tv_usec: 0 });
    let answer = time::ask(&server.host, server.port, &timeout)
        .map_err(|error| failure(error, &server.host, server.port))?;
    // RFC 868: seconds since 1900 in four bytes; the other formats are longer.
    if let Ok(seconds) = <[u8; 4]>::try_from(answer.as_slice()) {
        let now = i64::from(u32::from_be_bytes(seconds)) - EPOCHS_APART;
        let told = tell(now, Format::Human);
        let text = told.as_ref().map_or_else(String::new, |told| printable(told.bytes()));
        return Ok(writeln!(io::stdout(), "{text}")?);
    }
    Ok(writeln!(io::stdout(), "{}", printable(&answer))?)
}

fn watch(host: &str, port: u16, timeout: timeval) -> Result<(), Failure> {
    let mut written = Ok(());
    let mut tell = |event: Event<'_>| {
        if written.is_ok() {
            written = match event {
                Event::Connecting => writeln!(io::stdout(), "connecting!"),
                Event::Connected => writeln!(io::stdout(), "connected!"),
                Event::WouldBlock => writeln!(io::stdout(), "EAGAIN\nEWOULDBLOCK"),
                Event::Received(data) => {
                    writeln!(io::stdout(), "received: {}", printable(data))
                }
            };
        }
        written.is_ok()
    };
    let received = nonblocking::watch(host, port, &timeout, &mut tell);
    written?;
    match received {
        Ok(true) => Ok(()),
        Ok(false) => Err(Failure::new("error: the server closed the connection without a word")),
        Err(error) => Err(failure(error, host, port)),
    }
}

/// A client's error, with whom it was about.
fn failure(error: Error, host: &str, port: u16) -> Failure {
    let why = match error.errno() {
        EAGAIN => "; no answer in time",
        EINPROGRESS => "; no connection in time",
        _ => "",
    };
    Failure::new(format!("{error} ({host} port {port}{why})"))
}

/// `-n`
fn number(text: &str) -> Result<i64, String> {
    text.parse().map_err(|_| String::from("n is a decimal integer of at most 64 bits"))
}

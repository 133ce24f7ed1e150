//! The command line: parsing and printing only.

#![forbid(unsafe_code)]

mod client;
mod compare;
mod designs;
mod examine;
mod experiment;
mod file;
mod knock;
mod nc;
mod netstat;
mod readiness;
mod resolve;
mod serve;
mod sockopt;
mod table;
mod trace;
mod traceroute;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{ArgMatches, Args, FromArgMatches, Parser, Subcommand};

use crate::posix::Error;
use crate::posix::error::EIO;
use crate::posix::sys_socket::timeval;

/// POSIX sockets to work with: a lecture's servers and clients, straight on the C socket API.
#[derive(Parser)]
#[command(
    version,
    max_term_width = 100,
    after_help = "\
Examples:
  socklab designs             the servers, and what breaks them
  socklab serve forked        one of them, until Ctrl-C
  socklab client fib -n 30    in another terminal
  socklab experiment herd     what the kernel does
  socklab knock localhost 80  what comes back from a port"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a server design until SIGINT (Ctrl-C) or SIGTERM; what is being computed is still answered.
    Serve(Later<serve::Arguments>),
    /// Run one of the lecture's clients.
    Client(Later<client::Arguments>),
    /// List the server designs: the slide of each, what it changes, what breaks it.
    Designs(Later<designs::Arguments>),
    /// Examine any server: which design it is, what it survives, what stalls it.
    Examine(Box<Later<examine::Arguments>>),
    /// Compare two servers, system call by system call
    Compare(Later<compare::Arguments>),
    /// Trace one server, call by call, with a clause of plain words for each
    Trace(Later<trace::Arguments>),
    /// See what the kernel does: whom it wakes for a connection, who gets it, how many wait.
    Experiment(Later<experiment::Arguments>),
    #[command(flatten)]
    Resolve(resolve::Function),
    /// Return to sender: say what comes back from a port, and from whom.
    Knock(Later<knock::Arguments>),
    /// Show the routers on the way to a host, without privilege.
    Traceroute(Later<traceroute::Arguments>),
    /// Socket options: list them, read and set one, see what it does.
    Sockopt(Later<sockopt::Arguments>),
    /// See which sockets are ready for what: the lecture's lists, live, by select, poll and epoll.
    Readiness(Later<readiness::Arguments>),
    /// netcat: standard input to a socket, and the socket to standard output, as OpenBSD's nc.
    ///
    /// At the end of standard input the connection is half-closed, and the answer is printed to its end. A
    /// reset, a write that fails and a full disk end it with status 1. With -l it listens on 0.0.0.0, so that
    /// every network of this machine can reach it, unless an address is named (-l 127.0.0.1 9000).
    Nc(Box<Later<nc::Arguments>>),
    /// See who listens and who is connected: netstat, with what it hides.
    Netstat(Later<netstat::Arguments>),
}

/// The arguments of a command, which clap hears of only where that command is asked for. All of them together
/// take longer than many a command itself. What the list of commands needs stands in [`Command`].
struct Later<T>(T);

impl<T: Args> Args for Later<T> {
    fn augment_args(command: clap::Command) -> clap::Command {
        command.defer(T::augment_args)
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        command.defer(T::augment_args_for_update)
    }
}

impl<T: FromArgMatches> FromArgMatches for Later<T> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        T::from_arg_matches(matches).map(Self)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.0.update_from_arg_matches(matches)
    }
}

/// What ends a command without success: a line for standard error and an exit status.
struct Failure {
    line: String,
    status: u8,
}

impl Failure {
    fn new(line: impl Into<String>) -> Self {
        Self { line: line.into(), status: 1 }
    }

    fn usage(line: impl Into<String>) -> Self {
        Self { line: line.into(), status: 2 }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        // Nobody reads any more: nothing to say, and nobody to say it to.
        let line = if error.kind() == io::ErrorKind::BrokenPipe {
            String::new()
        } else {
            Error::new("write", error.raw_os_error().unwrap_or(EIO)).to_string()
        };
        Self { line, status: 1 }
    }
}

/// Runs the program and returns its exit status: 0, or 1 for a failure, or 2 for a mistake on the
/// command line; either of these with one line on standard error.
pub fn main() -> ExitCode {
    let done = match Cli::try_parse() {
        Ok(cli) => match cli.command {
            Command::Serve(arguments) => serve::run(&arguments.0),
            Command::Client(arguments) => client::run(&arguments.0),
            Command::Designs(arguments) => designs::run(&arguments.0),
            Command::Examine(arguments) => examine::run(&arguments.0),
            Command::Compare(arguments) => compare::run(&arguments.0),
            Command::Trace(arguments) => trace::run(&arguments.0),
            Command::Experiment(arguments) => experiment::run(&arguments.0),
            Command::Resolve(function) => resolve::run(&function),
            Command::Knock(arguments) => knock::run(&arguments.0),
            Command::Traceroute(arguments) => traceroute::run(&arguments.0),
            Command::Sockopt(arguments) => sockopt::run(&arguments.0),
            Command::Readiness(arguments) => readiness::run(&arguments.0),
            Command::Nc(arguments) => nc::run(&arguments.0),
            Command::Netstat(arguments) => netstat::run(&arguments.0),
        },
        Err(error) => mistake(&error),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !failure.line.is_empty() {
                // One write(). There is nowhere to report that reporting failed.
                let _ = io::stderr().write_all((failure.line + "\n").as_bytes());
            }
            ExitCode::from(failure.status)
        }
    }
}

/// Help goes to standard output; a mistake is one line on standard error.
fn mistake(error: &clap::Error) -> Result<(), Failure> {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Ok(error.print()?),
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            Err(Failure::usage(error.render().to_string().trim_end()))
        }
        _ => {
            let text = error.render().to_string();
            let first = text.split("\n\n").next().unwrap_or_default();
            let words: Vec<&str> = first.split_whitespace().collect();
            Err(Failure { line: words.join(" "), status: usage_status() })
        }
    }
}

/// The tools whose mistakes on the command line have a status of their own, as their peers' have.
const USAGE: &[(&str, u8)] = &[
    ("gethostbyname", 1),
    ("gethostbyaddr", 1),
    ("getservbyname", 1),
    ("getservbyport", 1),
    ("getprotobyname", 1),
    ("getprotobynumber", 1),
    ("getaddrinfo", 1),
    ("getnameinfo", 1),
    ("knock", knock::NOT_ASKED),
    ("nc", 1),
    ("netstat", 3),
];

/// The exit status of a mistake on the command line.
fn usage_status() -> u8 {
    let command = std::env::args_os().nth(1).unwrap_or_default();
    USAGE.iter().find(|(name, _)| command == *name).map_or(2, |(_, status)| *status)
}

/// `--port`
fn port(text: &str) -> Result<u16, String> {
    whole_number(text)
        .and_then(|port| u16::try_from(port).ok())
        .ok_or_else(|| String::from("a port is a number from 0 to 65535"))
}

/// Decimal digits and nothing else.
fn whole_number(text: &str) -> Option<u64> {
    text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()))
}

/// `--timeout`: seconds, as C's timeval.
fn seconds(text: &str) -> Result<timeval, String> {
    let microseconds = text.parse::<f64>().unwrap_or(f64::NAN) * 1e6;
    if !(1.0..=1e15).contains(&microseconds) {
        return Err(String::from("a time is a number of seconds greater than 0, such as 0.5"));
    }
    let microseconds = microseconds as i64;
    Ok(timeval { tv_sec: microseconds / 1_000_000, tv_usec: microseconds % 1_000_000 })
}

/// What somebody else said, without its last line's end, and with nothing that a terminal would obey: a
/// question mark for each control character, U+FFFD for what is not UTF-8.
fn printable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim_end_matches(['\r', '\n']).replace("\r\n", "\n");
    text.chars().map(|c| if c.is_control() && c != '\n' { '?' } else { c }).collect()
}

/// What somebody else has chosen, as a part of a line.
fn one_line(text: &str) -> String {
    printable(text.as_bytes()).replace('\n', "?")
}

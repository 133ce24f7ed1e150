//! `socklab serve`: run a server design.

use std::ffi::c_int;

use clap::Args;

use super::{Failure, port, seconds, whole_number};
use crate::posix::sys_socket::timeval;
use crate::server::{
    self, DEFAULT_WORKERS, DESIGNS, LONGEST_DEFERRAL, Limits, MOST_WORKERS, Options, Pool, Refusal,
    Service, Silent,
};
use crate::service::fibonacci::{DEFAULT_MAX_N, LARGEST_N};
use crate::service::time::Format;

#[derive(Args)]
#[command(
    args_override_self = true,
    after_help = "\
Examples:
  socklab serve forked                        on 127.0.0.1, port 9000
  socklab serve select --bind :: --port 0     on every address, a free port
  socklab serve udp_iterative --format iso8601

`socklab designs` says what each design does and what breaks it."
)]
pub(super) struct Arguments {
    /// The design: one of those that `socklab designs` lists
    design: String,
    /// The address to listen on: a host name, an IPv4 or an IPv6 address; 0.0.0.0 or :: for all,
    /// which opens the service to the network
    #[arg(long, allow_hyphen_values = true, value_name = "ADDR", default_value = "127.0.0.1")]
    bind: String,
    /// The port, 0 to 65535; 0 takes a free one, which the first line of output names
    #[arg(long, allow_hyphen_values = true, value_name = "N", default_value = "9000", value_parser = port)]
    port: u16,
    /// The largest n that is computed, at most 93 [default: 45]. Each one more costs 1.6 times the
    /// time: 45 takes seconds, 60 an hour, 93 centuries
    #[arg(long, allow_hyphen_values = true, value_name = "N", value_parser = max_n)]
    max_n: Option<u64>,
    /// How many seconds one recv or send may take, such as 0.5 [default: 5] (design timeout)
    #[arg(long, allow_hyphen_values = true, value_name = "S", value_parser = seconds)]
    timeout: Option<timeval>,
    /// How the time is told: human, iso8601, daytime (RFC 867) or time (RFC 868) [default: human]
    /// (designs on UDP)
    #[arg(long, allow_hyphen_values = true, value_name = "F", value_parser = format)]
    format: Option<Format>,
    /// How many worker processes or threads wait for clients [default: 4] (designs with a pool)
    #[arg(long, allow_hyphen_values = true, value_name = "N", value_parser = workers)]
    workers: Option<usize>,
    /// For how many seconds the kernel keeps a client that says nothing to itself
    /// (TCP_DEFER_ACCEPT; designs that a silent client stalls)
    #[arg(long, allow_hyphen_values = true, value_name = "S", value_parser = whole_seconds)]
    defer_accept: Option<c_int>,
    /// How many clients may be connected, as far as the limit of open files can be raised for them
    /// [default: 10000] (this and what follows: design hybrid)
    #[arg(long, allow_hyphen_values = true, value_name = "N", value_parser = limit)]
    max_clients: Option<usize>,
    /// How many clients of one address may be connected; an IPv6 address counts with all that have its
    /// first 64 bits [default: 2500]
    #[arg(long, allow_hyphen_values = true, value_name = "N", value_parser = limit)]
    max_per_address: Option<usize>,
    /// How many costly requests may wait for a thread; 0: none [default: 1000]
    #[arg(long, allow_hyphen_values = true, value_name = "N", value_parser = queue)]
    max_queue: Option<usize>,
    /// How many seconds a request may take to arrive and its answer to be taken; those in which it waits
    /// for a thread or is computed do not count [default: 60]
    #[arg(long, allow_hyphen_values = true, value_name = "S", value_parser = seconds)]
    deadline: Option<timeval>,
    /// How many seconds what has been asked for may take once the server is to stop [default: 5]
    #[arg(long, allow_hyphen_values = true, value_name = "S", value_parser = seconds)]
    drain: Option<timeval>,
    /// Gives up, once it listens, all that it does not need: files, further sockets, further programs
    /// (Landlock, seccomp)
    #[arg(long)]
    sandbox: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let Some(design) = server::find(&arguments.design) else {
        let names: Vec<&str> = DESIGNS.iter().map(|design| design.name).collect();
        return Err(Failure::usage(format!(
            "error: no design '{}': there are {}",
            arguments.design,
            names.join(", ")
        )));
    };
    let fibonacci = design.service == Service::Fibonacci;
    let times_out = design.promises.silent == Silent::StallsUntilTimeout;
    let limited = design.promises.has_limits();
    for (option, given, meant) in [
        ("--max-n", arguments.max_n.is_some(), fibonacci),
        ("--timeout", arguments.timeout.is_some(), times_out),
        ("--format", arguments.format.is_some(), !fibonacci),
        ("--workers", arguments.workers.is_some(), design.promises.pool != Pool::None),
        ("--defer-accept", arguments.defer_accept.is_some(), design.promises.deferred.is_some()),
        ("--max-clients", arguments.max_clients.is_some(), limited),
        ("--max-per-address", arguments.max_per_address.is_some(), limited),
        ("--max-queue", arguments.max_queue.is_some(), limited),
        ("--deadline", arguments.deadline.is_some(), limited),
        ("--drain", arguments.drain.is_some(), limited),
        ("--sandbox", arguments.sandbox, limited),
    ] {
        if given && !meant {
            return Err(Failure::usage(format!(
                "error: '{option}' does nothing in the design {}",
                design.name
            )));
        }
    }
    let servaddr = Options::resolve(&arguments.bind, arguments.port, design.transport)
        .map_err(|error| Failure::new(format!("{error} ({})", arguments.bind)))?;
    let usual = Limits::default();
    let limits = Limits {
        clients: arguments.max_clients.unwrap_or(usual.clients),
        per_address: arguments.max_per_address.unwrap_or(usual.per_address),
        queue: arguments.max_queue.unwrap_or(usual.queue),
        deadline: arguments.deadline.unwrap_or(usual.deadline),
        drain: arguments.drain.unwrap_or(usual.drain),
    };
    let options = Options {
        servaddr,
        max_n: arguments.max_n.unwrap_or(DEFAULT_MAX_N),
        timeout: arguments.timeout.unwrap_or(timeval { tv_sec: 5, tv_usec: 0 }),
        format: arguments.format.unwrap_or_default(),
        workers: arguments.workers.unwrap_or(DEFAULT_WORKERS),
        defer_accept: arguments.defer_accept,
        limits,
        sandbox: arguments.sandbox,
    };
    (design.serve)(&options)
        .map_err(|error| Failure::new(Refusal { error: &error, servaddr: &servaddr }.to_string()))
}

fn max_n(text: &str) -> Result<u64, String> {
    match whole_number(text) {
        Some(n) if n <= LARGEST_N => Ok(n),
        _ => Err(format!("the largest n is a number from 0 to {LARGEST_N}")),
    }
}

fn workers(text: &str) -> Result<usize, String> {
    match whole_number(text).map(usize::try_from) {
        Some(Ok(n)) if (1..=MOST_WORKERS).contains(&n) => Ok(n),
        _ => Err(format!("a number of workers is from 1 to {MOST_WORKERS}")),
    }
}

/// Larger limits than this are none.
const LARGEST_LIMIT: usize = 1_000_000;

fn limit(text: &str) -> Result<usize, String> {
    match queue(text) {
        Ok(n @ 1..) => Ok(n),
        _ => Err(format!("a number of clients is from 1 to {LARGEST_LIMIT}")),
    }
}

fn queue(text: &str) -> Result<usize, String> {
    match whole_number(text).map(usize::try_from) {
        Some(Ok(n @ ..=LARGEST_LIMIT)) => Ok(n),
        _ => Err(format!("a number of requests is from 0 to {LARGEST_LIMIT}")),
    }
}

fn whole_seconds(text: &str) -> Result<c_int, String> {
    match whole_number(text).map(c_int::try_from) {
        Some(Ok(n)) if (1..=LONGEST_DEFERRAL).contains(&n) => Ok(n),
        _ => Err(format!("a number of seconds is from 1 to {LONGEST_DEFERRAL}")),
    }
}

fn format(text: &str) -> Result<Format, String> {
    match text {
        "human" => Ok(Format::Human),
        "iso8601" => Ok(Format::Iso8601),
        "daytime" => Ok(Format::Daytime),
        "time" => Ok(Format::Time),
        _ => Err(String::from("a format is human, iso8601, daytime or time")),
    }
}

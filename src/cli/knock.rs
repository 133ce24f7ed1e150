//! `socklab knock`: what comes back from a port, and from whom.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::Duration;

use clap::Args;
use serde::Serialize;

use super::{Failure, one_line, seconds, whole_number};
use crate::net;
use crate::posix::sys_socket::{AF_INET, AF_INET6, AF_UNSPEC, timeval};
use crate::tool::knock::{Answer, Plan, Verdict, knock, status};

#[derive(Args)]
#[command(after_help = "\
Examples:
  socklab knock localhost 9000       one port over TCP, at each address of the host
  socklab knock 192.0.2.1 20-25 http
  socklab knock 192.0.2.1 53 -u      over UDP: silence is open or filtered
  socklab knock localhost 1-1024 --json

Exit status: 0 something is open; 1 nothing is, and what came back says so;
2 nothing came back; 3 a mistake, an unknown host, or nowhere to write to.")]
pub(super) struct Arguments {
    /// The host's name or address; each of its addresses is tried
    host: String,
    /// Ports: numbers, ranges such as 20-25, names of services
    #[arg(required = true, value_name = "PORT")]
    ports: Vec<String>,
    /// Over UDP instead of TCP
    #[arg(short, long)]
    udp: bool,
    /// Only the host's IPv4 addresses
    #[arg(short = '4', conflicts_with = "ipv6")]
    ipv4: bool,
    /// Only the host's IPv6 addresses
    #[arg(short = '6')]
    ipv6: bool,
    /// How many seconds an answer is waited for
    #[arg(short, long, allow_hyphen_values = true, value_name = "S", default_value = "3",
          value_parser = seconds)]
    wait: timeval,
    /// How many datagrams a silent port is sent in that time
    #[arg(long, allow_hyphen_values = true, value_name = "N", default_value = "3",
          value_parser = tries)]
    tries: u32,
    /// How many ports are asked at the same time
    #[arg(long, allow_hyphen_values = true, value_name = "N", default_value = "256",
          value_parser = at_once)]
    at_once: usize,
    /// Print everything as one line of JSON
    #[arg(long)]
    json: bool,
}

/// The status of what is no verdict.
pub(super) const NOT_ASKED: u8 = 3;

#[derive(Serialize)]
struct Knocked<'a> {
    host: &'a str,
    wait: f64,
    answers: &'a [Answer],
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    match asked(arguments) {
        Ok(0) => Ok(()),
        // The verdicts have said why.
        Ok(status) => Err(Failure { line: String::new(), status }),
        Err(failure) => Err(Failure { status: NOT_ASKED, ..failure }),
    }
}

fn asked(arguments: &Arguments) -> Result<u8, Failure> {
    let Arguments { host, udp, wait, tries, at_once, json, .. } = arguments;
    let family = match (arguments.ipv4, arguments.ipv6) {
        (true, _) => AF_INET,
        (_, true) => AF_INET6,
        _ => AF_UNSPEC,
    };
    let ports = ports(&arguments.ports, if *udp { "udp" } else { "tcp" })?;
    let addresses = net::resolve(host, 0, family, 0)
        .map_err(|error| Failure::new(format!("{error} ({})", one_line(host))))?;
    let wait = Duration::new(wait.tv_sec as u64, wait.tv_usec as u32 * 1000);
    let (tries, at_once) = (*tries, *at_once);
    let plan = Plan { addresses, ports, udp: *udp, wait, tries, at_once };
    let mut answers = Vec::new();
    let mut verdicts = Verdicts::default();
    let mut written = Ok(());
    let done = knock(&plan, &mut |answer| {
        verdicts.add(&answer);
        if *json {
            answers.push(answer);
        } else {
            written = writeln!(io::stdout(), "{}", line(&answer));
        }
        written.is_ok()
    });
    written?;
    done.map_err(|error| {
        let room = "this host has no more room: fewer --at-once, or a larger ulimit -n";
        Failure::new(format!("{error} ({}: {room})", one_line(host)))
    })?;
    if *json {
        let knocked = Knocked { host, wait: wait.as_secs_f64(), answers: &answers };
        let line = serde_json::to_string(&knocked).map_err(io::Error::from)?;
        writeln!(io::stdout(), "{line}")?;
    }
    if *udp {
        verdicts.warn();
    }
    Ok(verdicts.status)
}

/// `127.0.0.1 9000/tcp closed: answered with RST, 0.051 ms`
fn line(answer: &Answer) -> String {
    let Answer { address, port, protocol, verdict, evidence, .. } = answer;
    let time = answer.milliseconds.map_or_else(String::new, |time| format!(", {time:.3} ms"));
    format!("{address} {port}/{protocol} {}: {evidence}{time}", verdict.word())
}

/// What all of them say together.
struct Verdicts {
    status: u8,
    /// How many ports of an address were refused, and how many silent.
    counts: BTreeMap<String, (usize, usize)>,
}

impl Default for Verdicts {
    fn default() -> Self {
        Self { status: status([]), counts: BTreeMap::new() }
    }
}

impl Verdicts {
    fn add(&mut self, answer: &Answer) {
        self.status = self.status.min(status([answer.verdict]));
        let (refused, silent) = match answer.verdict {
            Verdict::Refused => (1, 0),
            Verdict::Silent => (0, 1),
            _ => return,
        };
        let counts = self.counts.entry(answer.address.clone()).or_default();
        *counts = (counts.0 + refused, counts.1 + silent);
    }

    /// A host that counts its ICMP errors looks as if its other ports were open.
    fn warn(&self) {
        for (address, (refused, silent)) in &self.counts {
            if *refused > 0 && *silent > 0 {
                // There is nowhere to report that reporting failed.
                let _ = writeln!(
                    io::stderr(),
                    "note: {address} refused {refused} and left {silent} without an answer; most hosts \
                     send few ICMP errors a second, so ask the silent ones again, one by one"
                );
            }
        }
    }
}

/// The ports that the words mean, each once, in their order.
fn ports(words: &[String], protocol: &str) -> Result<Vec<u16>, Failure> {
    let mut known = vec![false; 1 << 16];
    let mut ports = Vec::new();
    for word in words {
        let range = net::ports(word, protocol, 1)
            .map_err(|wrong| Failure::new(format!("error: {}", one_line(&wrong))))?;
        for port in range {
            if !std::mem::replace(&mut known[usize::from(port)], true) {
                ports.push(port);
            }
        }
    }
    Ok(ports)
}

/// `--tries`
fn tries(text: &str) -> Result<u32, String> {
    let number = whole_number(text).filter(|number| (1..=100).contains(number));
    number
        .map(|number| number as u32)
        .ok_or_else(|| String::from("the number of datagrams for a port is one from 1 to 100"))
}

/// `--at-once`
fn at_once(text: &str) -> Result<usize, String> {
    let number = whole_number(text).filter(|number| (1..=10_000).contains(number));
    number
        .map(|number| number as usize)
        .ok_or_else(|| String::from("the number of ports at the same time is one from 1 to 10000"))
}

//! `socklab traceroute`: the routers on the way to a host.

use std::collections::HashMap;
use std::io::{self, Write};
use std::net::IpAddr;
use std::sync::mpsc;
use std::time::Duration;

use clap::Args;
use serde::Serialize;

use super::{Failure, one_line, seconds, whole_number};
use crate::net;
use crate::posix::error::{EACCES, EINVAL, EMFILE, ENETUNREACH, ENFILE, EPERM};
use crate::posix::sys_socket::{AF_INET, AF_INET6, AF_UNSPEC, timeval};
use crate::tool::icmp::unmapped;
use crate::tool::traceroute::{Hop, Plan, Probe, Reply, trace};

#[derive(Args)]
#[command(after_help = "\
Examples:
  socklab traceroute www.example.org
  socklab traceroute -T -p 443 -n www.example.org
  socklab traceroute -6 -q 1 --json www.example.org

Notes: !N !H !P network, host, protocol unreachable; !X prohibited; !F-N packets of at most N
bytes; !S !V !C source route, precedence; !<CODE> or !<TYPE-CODE> any other. * is no answer.

Exit status: 0 the host was reached; 1 it was not; 2 a mistake or an unknown host.")]
pub(super) struct Arguments {
    /// The host's name or address
    host: String,
    /// Probe with connections, to port 80 unless -p says otherwise
    #[arg(short = 'T', long, conflicts_with = "udp")]
    tcp: bool,
    /// Probe with datagrams to one port, 53 unless -p says otherwise [default: datagrams to port 33434
    /// and, for each further probe, the next]
    #[arg(short = 'U', long)]
    udp: bool,
    /// The port, or the first one; a number, or the name of a service
    #[arg(short, long, value_name = "PORT")]
    port: Option<String>,
    /// How many probes each hop gets, 1 to 10
    #[arg(short, long, allow_hyphen_values = true, value_name = "N", default_value = "3",
          value_parser = queries)]
    queries: usize,
    /// How many hops are tried, 1 to 255
    #[arg(short, long, allow_hyphen_values = true, value_name = "TTL", default_value = "30",
          value_parser = max_hops)]
    max_hops: u8,
    /// How many seconds an answer is waited for
    #[arg(short, long, allow_hyphen_values = true, value_name = "S", default_value = "5",
          value_parser = seconds)]
    wait: timeval,
    /// Addresses only, no names
    #[arg(short, long)]
    numeric: bool,
    /// The host's IPv4 address
    #[arg(short = '4', conflicts_with = "ipv6")]
    ipv4: bool,
    /// The host's IPv6 address
    #[arg(short = '6')]
    ipv6: bool,
    /// Print everything as one line of JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Traced<'a> {
    host: &'a str,
    address: &'a str,
    reached: bool,
    hops: &'a [Hop],
    /// The names of the addresses that have one.
    names: HashMap<IpAddr, String>,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let Arguments { host, max_hops, numeric, json, .. } = arguments;
    let plan = plan(arguments)?;
    let address = net::numeric(&plan.target);
    if !json {
        let bytes = if plan.target.is_ipv6() { 80 } else { 60 };
        let host = one_line(host);
        writeln!(
            io::stdout(),
            "traceroute to {host} ({address}), {max_hops} hops max, {bytes} byte packets"
        )?;
    }
    // Names are asked for beside the probes: a slow answer must not make the way look slow.
    let (sender, receiver) = mpsc::channel();
    std::thread::scope(|scope| {
        let tracing = scope.spawn(|| {
            let sender = sender;
            trace(&plan, io::stdout(), &mut |hop| sender.send(hop).is_ok())
        });
        let mut names = Names { numeric: *numeric, known: HashMap::new() };
        let mut hops = Vec::new();
        for hop in receiver {
            hop.replies.iter().flatten().for_each(|reply| names.learn(reply.from));
            if !json {
                writeln!(io::stdout(), "{}", line(&hop, &names))?;
            }
            hops.push(hop);
        }
        match tracing.join() {
            Ok(Err(error)) => return Err(failed(error, &address)),
            Ok(Ok(false)) => return Err(io::Error::from(io::ErrorKind::BrokenPipe).into()),
            _ => {}
        }
        let replies = || hops.iter().flat_map(|hop| hop.replies.iter().flatten());
        let reached = replies().any(|reply| reply.reached);
        if *json {
            let known = names.known.into_iter();
            let names = known.filter_map(|(ip, name)| Some((ip, name?))).collect();
            let traced = Traced { host, address: &address, reached, hops: &hops, names };
            let line = serde_json::to_string(&traced).map_err(io::Error::from)?;
            writeln!(io::stdout(), "{line}")?;
        }
        if reached { Ok(()) } else { Err(Failure::new(not_reached(&address, replies().last()))) }
    })
}

fn plan(arguments: &Arguments) -> Result<Plan, Failure> {
    let Arguments { host, tcp, udp, port, queries, max_hops, wait, .. } = arguments;
    let (probe, protocol, default) = match (tcp, udp) {
        (true, _) => (Probe::Tcp, "tcp", 80),
        (_, true) => (Probe::Udp, "udp", 53),
        _ => (Probe::UdpRising, "udp", 33434),
    };
    let mistake = |wrong: &str| Failure::usage(format!("error: {}", one_line(wrong)));
    let port = match port {
        None => default,
        Some(word) => {
            let range = net::ports(word, protocol, 1).map_err(|wrong| mistake(&wrong))?;
            if range.start() != range.end() {
                return Err(mistake(&format!("-p takes one port, not {word}")));
            }
            *range.start()
        }
    };
    let rising = usize::from(*max_hops) * queries - 1;
    if probe == Probe::UdpRising && usize::from(port) + rising > usize::from(u16::MAX) {
        return Err(mistake(&format!(
            "{} probes need as many ports from {port} on, and the last is 65535: a lower -p, or -U",
            rising + 1
        )));
    }
    let family = match (arguments.ipv4, arguments.ipv6) {
        (true, _) => AF_INET,
        (_, true) => AF_INET6,
        _ => AF_UNSPEC,
    };
    let addresses = net::resolve(host, port, family, 0)
        .map_err(|error| Failure::usage(format!("{error} ({})", one_line(host))))?;
    let Some(&target) = addresses.first() else {
        return Err(mistake(&format!("{host} has no address")));
    };
    let target = unmapped(target);
    let wait = Duration::new(wait.tv_sec as u64, wait.tv_usec as u32 * 1000);
    Ok(Plan { target, probe, hops: *max_hops, queries: *queries, wait })
}

/// The names of addresses, each asked for once.
struct Names {
    numeric: bool,
    known: HashMap<IpAddr, Option<String>>,
}

impl Names {
    fn learn(&mut self, ip: IpAddr) {
        if !self.numeric {
            let name = || net::name_of(ip).map(|name| one_line(&name));
            self.known.entry(ip).or_insert_with(name);
        }
    }

    /// ` router (10.0.1.1)`, or the address alone.
    fn of(&self, ip: IpAddr) -> String {
        match self.known.get(&ip) {
            None => format!(" {ip}"),
            Some(name) => format!(" {} ({ip})", name.as_deref().unwrap_or(&ip.to_string())),
        }
    }
}

/// ` 1  router (10.0.1.1)  0.051 ms  0.020 ms *`, as traceroute(8) has it: an address only where it is
/// not that of the reply before.
fn line(hop: &Hop, names: &Names) -> String {
    let mut line = format!("{:2} ", hop.ttl);
    let mut before = None;
    for reply in &hop.replies {
        let Some(Reply { from, milliseconds, note, .. }) = reply else {
            line.push_str(" *");
            continue;
        };
        if before != Some(*from) {
            line.push_str(&names.of(*from));
        }
        before = Some(*from);
        line.push_str(&format!("  {milliseconds:.3} ms"));
        if let Some(note) = note {
            line.push_str(&format!(" {note}"));
        }
    }
    line
}

fn not_reached(address: &str, last: Option<&Reply>) -> String {
    let error = format!("error: {address} was not reached");
    match last {
        None => format!("{error}: nothing came back"),
        Some(Reply { icmp: Some(icmp), .. }) => format!("{error}: the last answer is {icmp}"),
        Some(Reply { from, .. }) => format!("{error}: the last answer is from {from}"),
    }
}

/// A probe that could not be sent.
fn failed(error: crate::posix::Error, address: &str) -> Failure {
    let why = match error.errno() {
        ENETUNREACH => ": this host has no route to it",
        EPERM => ": a rule of this host forbids it",
        EACCES => ": a rule of this host forbids it, or it is a broadcast address",
        EINVAL => ": an address of a link needs its interface, such as fe80::1%eth0",
        EMFILE | ENFILE => ": no more descriptors, a larger ulimit -n would do",
        _ => "",
    };
    Failure::new(format!("{error} ({address}{why})"))
}

/// `-q`
fn queries(text: &str) -> Result<usize, String> {
    let number = whole_number(text).filter(|number| (1..=10).contains(number));
    let number = number.map(|number| number as usize);
    number.ok_or_else(|| String::from("the number of probes for a hop is one from 1 to 10"))
}

/// `-m`
fn max_hops(text: &str) -> Result<u8, String> {
    let number = whole_number(text).and_then(|number| u8::try_from(number).ok());
    number
        .filter(|number| *number > 0)
        .ok_or_else(|| String::from("the number of hops is one from 1 to 255"))
}

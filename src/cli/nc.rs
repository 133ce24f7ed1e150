//! `socklab nc`: netcat.

use std::io::{self, Write};
use std::time::Duration;

use clap::Args;

use super::{Failure, printable};
use crate::net;
use crate::posix::sys_socket::{AF_INET, AF_INET6, AF_UNSPEC};
use crate::tool::nc::listen::Where;
use crate::tool::nc::transfer::{Rules, Transfer};
use crate::tool::nc::{self, Attempt, Event, Options, connect, listen, scan};

#[derive(Args)]
#[command(after_help = "\
Examples:
  socklab nc localhost 9000         connect, and talk
  socklab nc -zv localhost 20-25    which of these ports are open
  socklab nc -l 127.0.0.1 9000      wait for one client from this machine
  socklab nc -klv 9000              for one after the other, from anywhere
  socklab nc -u localhost 9000      datagrams
  socklab nc -U /tmp/socket         the Unix domain

Exit status: 0; 1 if no port was open, the connection failed, or the command line is wrong.")]
pub(super) struct Arguments {
    /// Host and port; further ports; ranges (20-25); names of services. With -l: a port, or a
    /// host and a port. With -U: a path, or @NAME in the abstract namespace
    #[arg(value_name = "WORD")]
    words: Vec<String>,
    /// IPv4 only
    #[arg(short = '4', overrides_with = "six")]
    four: bool,
    /// IPv6 only
    #[arg(short = '6', overrides_with = "four")]
    six: bool,
    /// UDP, or with -U datagrams
    #[arg(short)]
    udp: bool,
    /// The Unix domain: a path in place of host and port
    #[arg(short = 'U')]
    unix: bool,
    /// Listen; without a host on 0.0.0.0 (with -6 on ::): reachable from every network
    #[arg(short)]
    listen: bool,
    /// Listen on after a client has gone; with -u print the datagrams of all
    #[arg(short)]
    keep: bool,
    /// Addresses and ports in digits: look up no names
    #[arg(short)]
    numeric: bool,
    /// Say on standard error what happens
    #[arg(short, action = clap::ArgAction::Count)]
    verbose: u8,
    /// Only see which ports are open; with -u a byte is sent, and silence is no success
    #[arg(short = 'z')]
    zero: bool,
    /// Give up a connection after so long, and end a transfer after so long without a byte
    #[arg(short, value_name = "SECONDS", allow_hyphen_values = true, value_parser = seconds)]
    wait: Option<Duration>,
    /// Quit so long after the end of standard input, or earlier if the peer ends; negative: never
    #[arg(short, value_name = "SECONDS", allow_hyphen_values = true, value_parser = quit)]
    quit: Option<Quit>,
    /// Half-close at the end of standard input: the default, but if a listener's input was empty
    #[arg(short = 'N')]
    half_close: bool,
    /// Do not half-close at the end of standard input
    #[arg(long, conflicts_with = "half_close")]
    no_shutdown: bool,
    /// Do not read standard input
    #[arg(short)]
    detach: bool,
    /// The local port
    #[arg(short, value_name = "PORT")]
    port: Option<String>,
    /// The local address; with -uU the local path
    #[arg(short, value_name = "ADDRESS")]
    source: Option<String>,
    /// Wait so long after each line, and between two ports
    #[arg(short, value_name = "SECONDS", allow_hyphen_values = true, value_parser = seconds)]
    interval: Option<Duration>,
    /// The size of the receive buffer, SO_RCVBUF
    #[arg(short = 'I', value_name = "BYTES", value_parser = size)]
    receive_buffer: Option<i32>,
    /// The size of the send buffer, SO_SNDBUF
    #[arg(short = 'O', value_name = "BYTES", value_parser = size)]
    send_buffer: Option<i32>,
    /// Allow broadcasts
    #[arg(short)]
    broadcast: bool,
    /// Set SO_DEBUG
    #[arg(short = 'D')]
    debug: bool,
    /// The type of service: a number, or lowdelay, throughput, reliability, af11, cs1, ef and so on
    #[arg(short = 'T', value_name = "TOS", value_parser = tos)]
    tos: Option<i32>,
    /// The TTL, or hop limit, of what is sent
    #[arg(short = 'M', value_name = "TTL", value_parser = ttl)]
    ttl: Option<i32>,
    /// The least TTL, or hop limit, of what is received
    #[arg(short = 'm', value_name = "TTL", value_parser = ttl)]
    min_ttl: Option<i32>,
    /// End after so many packets have been received
    #[arg(short = 'W', value_name = "N", value_parser = packets)]
    receive: Option<u64>,
    /// End each line that is sent with CR LF
    #[arg(short = 'C')]
    crlf: bool,
}

/// `-q`
#[derive(Clone, Copy)]
enum Quit {
    Never,
    After(Duration),
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let options = arguments.options()?;
    let rules = arguments.rules();
    let verbose = arguments.verbose > 0;
    // A connection that fails is told without -v too, once, unless the ports are only looked at.
    let mut last = None;
    let mut report = |event: Event| {
        let line = told(&event);
        let lost = matches!(event, Event::Lost(_));
        if verbose || lost {
            // One write(). There is nowhere to report that reporting failed.
            let _ = io::stderr().write_all((line + "\n").as_bytes());
        } else if matches!(event, Event::Failed(..) | Event::TimedOut(_) | Event::NoAnswer(_)) {
            last = Some(line);
        }
    };
    let done = if arguments.listen {
        arguments.serve(&options, rules, &mut report)
    } else {
        arguments.call(&options, rules, &mut report)
    };
    done.map_err(|failure| match failure {
        Ended::Usage(line) => mistake(&line),
        Ended::Nc(nc::Failure::Line(line) | nc::Failure::Local(line)) => {
            Failure::new(format!("nc: {}", printable(line.as_bytes())))
        }
        Ended::Nc(nc::Failure::Closed) => Failure::new(""),
        Ended::Nc(nc::Failure::Told) => {
            Failure::new(last.filter(|_| !arguments.zero).unwrap_or_default())
        }
    })
}

/// A mistake on the command line, of which the line may quote a part.
fn mistake(line: &str) -> Failure {
    Failure { line: format!("error: {}", printable(line.as_bytes())), status: 1 }
}

enum Ended {
    Usage(String),
    Nc(nc::Failure),
}

impl From<nc::Failure> for Ended {
    fn from(failure: nc::Failure) -> Self {
        Self::Nc(failure)
    }
}

fn usage<T>(line: &str) -> Result<T, Ended> {
    Err(Ended::Usage(String::from(line)))
}

impl Arguments {
    fn protocol(&self) -> &'static str {
        if self.udp { "udp" } else { "tcp" }
    }

    fn ports(&self, word: &str, least: u16) -> Result<std::ops::RangeInclusive<u16>, String> {
        // OpenBSD's nc takes a range from either end.
        let swapped = word.split_once('-').and_then(|(low, high)| {
            let (first, second) = (low.parse::<u16>().ok()?, high.parse::<u16>().ok()?);
            (first > second).then(|| format!("{high}-{low}"))
        });
        net::ports(swapped.as_deref().unwrap_or(word), self.protocol(), least)
    }

    fn single_port(&self, word: &str) -> Result<u16, String> {
        let range = self.ports(word, 0)?;
        if range.start() == range.end() {
            Ok(*range.start())
        } else {
            Err(format!("ports {word}: only one can be the local one"))
        }
    }

    fn options(&self) -> Result<Options, Failure> {
        let family = match (self.four, self.six) {
            (true, _) => AF_INET,
            (_, true) => AF_INET6,
            _ => AF_UNSPEC,
        };
        let port = self.port.as_deref().map(|word| self.single_port(word));
        Ok(Options {
            family,
            datagrams: self.udp,
            numeric: self.numeric,
            source: self.source.clone(),
            source_port: port.transpose().map_err(|line| mistake(&line))?,
            timeout: self.wait,
            interval: self.interval,
            receive_buffer: self.receive_buffer,
            send_buffer: self.send_buffer,
            broadcast: self.broadcast,
            debug: self.debug,
            tos: self.tos,
            ttl: self.ttl,
            min_ttl: self.min_ttl,
        })
    }

    fn rules(&self) -> Rules {
        Rules {
            datagrams: self.udp,
            no_input: self.detach,
            half_close: !self.no_shutdown,
            empty_is_no_end: self.listen && !self.half_close,
            crlf: self.crlf,
            interval: self.interval.filter(|time| !time.is_zero()),
            idle: self.wait,
            quit: match self.quit {
                Some(Quit::After(time)) => Some(time),
                _ => None,
            },
            receive: self.receive,
        }
    }

    fn serve(&self, options: &Options, rules: Rules, report: nc::Report<'_>) -> Result<(), Ended> {
        if self.zero {
            return usage("-z looks at ports and -l waits for clients: choose one");
        }
        let (source, port) = (self.source.as_deref(), self.port.as_deref());
        let words: Vec<&str> = self.words.iter().map(String::as_str).collect();
        let place = match (self.unix, &words[..]) {
            (true, [path]) => Where::Path(String::from(*path)),
            (true, _) => return usage("-lU takes one path"),
            (false, &[]) if port.is_none() => return usage("-l needs a port"),
            (false, words) => {
                let (host, word) = match (words, port) {
                    ([], Some(port)) => (source, port),
                    ([word], None) => (source, *word),
                    ([host, word], None) if source.is_none() => (Some(*host), *word),
                    _ => return usage("-l takes [HOST] PORT, or -s HOST and -p PORT"),
                };
                let port = self.single_port(word).map_err(Ended::Usage)?;
                Where::Port(host.map(String::from), port)
            }
        };
        let mut transfer = Transfer::new(rules)?;
        Ok(listen::serve(&place, self.keep, options, &mut transfer, report)?)
    }

    fn call(&self, options: &Options, rules: Rules, report: nc::Report<'_>) -> Result<(), Ended> {
        if self.keep {
            return usage("-k goes on listening: it needs -l");
        }
        if self.unix {
            let [path] = &self.words[..] else { return usage("-U takes one path") };
            let (sockfd, _file) = connect::to_path(path, options, report)?;
            if self.zero {
                return Ok(());
            }
            return Ok(Transfer::new(rules)?.run(&sockfd, path)?);
        }
        let [host, words @ ..] = &self.words[..] else {
            return usage("a host and a port are needed; socklab nc --help shows examples");
        };
        if words.is_empty() {
            return usage("a port is needed behind the host");
        }
        let ranges: Result<Vec<_>, _> = words.iter().map(|word| self.ports(word, 1)).collect();
        let ports = ranges.map_err(Ended::Usage)?.into_iter().flatten();
        let mut transfer = if self.zero { None } else { Some(Transfer::new(rules)?) };
        let mut done = Err(nc::Failure::Told);
        for (at, port) in ports.enumerate() {
            if let Some(interval) = options.interval.filter(|_| at > 0) {
                std::thread::sleep(interval);
            }
            let one = match &mut transfer {
                None => scan::port(host, port, options, report),
                Some(transfer) => connect::to_host(host, port, options, report)
                    .and_then(|sockfd| transfer.run(&sockfd, &format!("{host} port {port}"))),
            };
            match one {
                Ok(()) => done = Ok(()),
                Err(nc::Failure::Told) => {}
                failed => return Ok(failed?),
            }
        }
        Ok(done?)
    }
}

/// An event in the words of OpenBSD's nc.
fn told(event: &Event) -> String {
    let line = match event {
        Event::Bound(place) => format!("Bound on {place}"),
        Event::Listening(place) => format!("Listening on {place}"),
        Event::Received(place) => format!("Connection received on {place}"),
        Event::Connected(attempt) => {
            let service = attempt.service.as_deref().unwrap_or("*");
            let Attempt { port, protocol, .. } = attempt;
            let host = host(attempt);
            format!("Connection to {host} {port} port [{protocol}/{service}] succeeded!")
        }
        Event::Failed(attempt, why) => format!("nc: {} failed: {why}", connecting(attempt)),
        Event::TimedOut(attempt) => {
            format!("nc: {} timed out: Operation now in progress", connecting(attempt))
        }
        Event::NoAnswer(attempt) => {
            format!("nc: {}: no answer: open, or filtered", connecting(attempt))
        }
        Event::Lost(line) => format!("nc: {line}"),
    };
    printable(line.as_bytes())
}

fn connecting(attempt: &Attempt) -> String {
    format!("connect to {} port {} ({})", host(attempt), attempt.port, attempt.protocol)
}

fn host(attempt: &Attempt) -> String {
    let (host, ip) = (&attempt.host, attempt.ip.to_string());
    if *host == ip { ip } else { format!("{host} ({ip})") }
}

/// `-w`, `-i`
fn seconds(text: &str) -> Result<Duration, String> {
    text.parse::<f64>()
        .ok()
        .filter(|seconds| *seconds <= f64::from(i32::MAX))
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| String::from("a time is a number of seconds from 0 to 2147483647"))
}

/// `-q`
fn quit(text: &str) -> Result<Quit, String> {
    match text.strip_prefix('-') {
        Some(positive) => seconds(positive).map(|_| Quit::Never),
        None => seconds(text).map(Quit::After),
    }
}

/// `-I`, `-O`
fn size(text: &str) -> Result<i32, String> {
    number(text, i64::from(i32::MAX))
        .ok_or_else(|| String::from("a buffer's size is a number of bytes from 1 to 2147483647"))
        .map(|size| size as i32)
}

/// `-W`
fn packets(text: &str) -> Result<u64, String> {
    number(text, i64::from(i32::MAX))
        .ok_or_else(|| String::from("the number of packets is one from 1 to 2147483647"))
        .map(|packets| packets as u64)
}

fn number(text: &str, most: i64) -> Option<i64> {
    let number = super::whole_number(text).and_then(|number| i64::try_from(number).ok());
    number.filter(|number| (1..=most).contains(number))
}

/// `-M`, `-m`
fn ttl(text: &str) -> Result<i32, String> {
    text.parse::<u8>().map(i32::from).map_err(|_| String::from("a TTL is a number from 0 to 255"))
}

/// The names of `-T`, in OpenBSD's nc: those of RFC 1349 and of the DiffServ code points.
const TOS: &[(&str, i32)] = &[
    ("critical", 0xa0),
    ("inetcontrol", 0xc0),
    ("lowcost", 0x02),
    ("lowdelay", 0x10),
    ("netcontrol", 0xe0),
    ("reliability", 0x04),
    ("throughput", 0x08),
    ("ef", 0xb8),
];

/// `-T`
fn tos(text: &str) -> Result<i32, String> {
    let digit = |at: usize, most: i32| {
        let digit = i32::from(*text.as_bytes().get(at)?) - i32::from(b'0');
        (0..=most).contains(&digit).then_some(digit)
    };
    let named = TOS.iter().find(|(name, _)| *name == text).map(|(_, value)| *value);
    let found = if named.is_some() {
        named
    } else if text.starts_with("af") && text.len() == 4 {
        let (class, drop) = (digit(2, 4).unwrap_or(0), digit(3, 3).unwrap_or(0));
        (class > 0 && drop > 0).then_some(class << 5 | drop << 3)
    } else if text.starts_with("cs") && text.len() == 3 {
        digit(2, 7).map(|class| class << 5)
    } else if let Some(hex) = text.strip_prefix("0x") {
        u8::from_str_radix(hex, 16).ok().map(i32::from)
    } else {
        text.parse::<u8>().ok().map(i32::from)
    };
    found.ok_or_else(|| {
        String::from(
            "a type of service is a number from 0 to 255 (0x for hexadecimal), one of af11 to af43 and \
             cs0 to cs7, ef, critical, inetcontrol, lowcost, lowdelay, netcontrol, reliability or \
             throughput",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_of_service() {
        for (word, value) in [
            ("lowdelay", 0x10),
            ("af11", 0x28),
            ("af43", 0x98),
            ("cs0", 0),
            ("cs7", 0xe0),
            ("ef", 0xb8),
        ] {
            assert_eq!(tos(word), Ok(value), "{word}");
        }
        assert_eq!((tos("0xff"), tos("0"), tos("255")), (Ok(255), Ok(0), Ok(255)));
        for wrong in
            ["", "256", "-1", "0x", "0x100", "af00", "af44", "af50", "cs8", "EF", "af\u{e9}"]
        {
            assert!(tos(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn times() {
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        assert!(matches!(quit("-1"), Ok(Quit::Never)));
        for wrong in ["", "x", "-1", "inf", "NaN", "1e99", "--1"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
        assert!(quit("--1").is_err() && quit("-x").is_err());
    }

    #[test]
    fn no_word_is_too_much() {
        for word in
            ["", "-", "0x", "af", "cs", "\u{0}", "99999999999999999999", "1e999", "\u{1f980}", "+1"]
        {
            let _ = (tos(word), seconds(word), quit(word).is_ok(), ttl(word), size(word));
            let _ = packets(word);
        }
    }
}

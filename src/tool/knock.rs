//! Return to sender: what comes back from a port, and from whom.
//!
//! All that is used is open to everybody: a `connect()` or a datagram, and the socket's error queue. Many
//! ports are asked at once, and answered for in their order.

use std::collections::BTreeMap;
use std::ffi::c_short;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::icmp::{self, Entry, Icmp, Meaning};
use crate::net::{self, Deadline};
use crate::posix::error::*;
use crate::posix::poll::{POLLIN, POLLOUT, pollfd};
use crate::posix::sys_socket::*;
use crate::posix::{Error, Result};

/// Whom to ask, and how.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The host's addresses.
    pub addresses: Vec<SocketAddr>,
    /// The ports, each of which is asked of each address.
    pub ports: Vec<u16>,
    /// By datagrams, not by connections.
    pub udp: bool,
    /// How long an answer is waited for.
    pub wait: Duration,
    /// How many datagrams are sent to a port that is silent, in that time.
    pub tries: u32,
    /// How many ports are asked at the same time, at most.
    pub at_once: usize,
}

/// What is known of a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Somebody is there.
    Open,
    /// Answered with RST, by the host or in its name.
    Closed,
    /// ICMP: no such port, or a rule against it.
    Refused,
    /// No way to the host, or nobody there.
    Unreachable,
    /// This host itself has not let it out.
    Blocked,
    /// Nothing came back.
    #[serde(rename = "no answer")]
    Silent,
}

impl Verdict {
    /// In a word or two.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::Blocked => "blocked",
            Self::Silent => "no answer",
        }
    }
}

/// What came back from one port of one address.
#[derive(Debug, Clone, Serialize)]
pub struct Answer {
    /// The address, with its interface where it is one of a link.
    pub address: String,
    /// The port.
    pub port: u16,
    /// `tcp` or `udp`.
    pub protocol: &'static str,
    /// What is known.
    pub verdict: Verdict,
    /// What was seen, in words.
    pub evidence: String,
    /// The ICMP error, if that is what came.
    pub icmp: Option<Icmp>,
    /// The call that failed, if it failed here.
    pub error: Option<String>,
    /// From the first datagram or segment until the answer; none where nothing was answered.
    pub milliseconds: Option<f64>,
    /// How many datagrams were sent, or how many SYN segments.
    pub sent: u32,
}

/// How many ports are asked before the next look at what has come back, so that no answer lies about.
const BETWEEN_LOOKS: usize = 16;

/// Asks every port of every address, and tells each answer, in their order; as long as `tell` says true.
///
/// # Errors
///
/// Where this host has no more sockets, or no more memory for them: nothing is known then.
pub fn knock(plan: &Plan, tell: &mut dyn FnMut(Answer) -> bool) -> Result<()> {
    let total = plan.addresses.len() * plan.ports.len();
    let mut asked: Vec<Asked> = Vec::new();
    let mut answers: BTreeMap<usize, Answer> = BTreeMap::new();
    let (mut next, mut told, mut at_once) = (0, 0, plan.at_once.max(1));
    while told < total {
        let mut launched = 0;
        while next < total && asked.len() < at_once && launched < BETWEEN_LOOKS {
            match Asked::start(plan, next) {
                Ok(Started::Asked(one)) => asked.push(one),
                Ok(Started::Answer(answer)) => drop(answers.insert(next, answer)),
                Err(error) if matches!(error.errno(), EMFILE | ENFILE) && !asked.is_empty() => {
                    at_once = asked.len();
                    break;
                }
                Err(error) => return Err(error),
            }
            (next, launched) = (next + 1, launched + 1);
        }
        while let Some(answer) = answers.remove(&told) {
            told += 1;
            if !tell(answer) {
                return Ok(());
            }
        }
        let mut fds: Vec<pollfd> = asked.iter().map(Asked::waits_for).collect();
        let wakes = asked.iter().filter_map(Asked::wakes).min();
        if fds.is_empty() {
            continue;
        }
        let more = launched == BETWEEN_LOOKS;
        let deadline = if more { Some(Instant::now()) } else { wakes };
        net::wait(&mut fds, deadline.map_or(Deadline::NEVER, until))?;
        let mut silent = Vec::with_capacity(asked.len());
        for (mut one, fd) in asked.drain(..).zip(&fds) {
            match one.look(plan, fd.revents())? {
                Some(found) => drop(answers.insert(one.number, one.answer(plan, found))),
                None => silent.push(one),
            }
        }
        asked = silent;
    }
    Ok(())
}

fn until(moment: Instant) -> Deadline {
    Deadline::after(moment.saturating_duration_since(Instant::now()))
}

/// The status of a process that has seen these: 0 where something is open, otherwise 1 where anything
/// came back, otherwise 2.
pub fn status(verdicts: impl IntoIterator<Item = Verdict>) -> u8 {
    let status = |verdict| match verdict {
        Verdict::Open => 0,
        Verdict::Silent => 2,
        _ => 1,
    };
    verdicts.into_iter().map(status).min().unwrap_or(2)
}

/// A port that was asked and has not answered yet.
struct Asked {
    /// Its place among all that are asked.
    number: usize,
    addr: SocketAddr,
    udp: bool,
    fd: OwnedFd,
    start: Instant,
    /// When the next datagram is due.
    again: Option<Instant>,
    /// When nothing is waited for any more.
    end: Option<Instant>,
    sent: u32,
}

enum Started {
    Asked(Asked),
    Answer(Answer),
}

/// What was seen.
enum Found {
    Connected,
    /// The connection was there, and then reset.
    Reset,
    /// The kernel has given the socket the very port that it asks.
    Itself,
    Rst,
    Datagram(usize),
    Icmp(Icmp),
    Failed(Error),
    Nothing,
}

impl Asked {
    fn start(plan: &Plan, number: usize) -> Result<Started> {
        let mut addr = icmp::unmapped(plan.addresses[number / plan.ports.len()]);
        addr.set_port(plan.ports[number % plan.ports.len()]);
        let start = Instant::now();
        let failed = |error: Error| match error.errno() {
            EMFILE | ENFILE | ENOBUFS | ENOMEM | EAGAIN => Err(error),
            _ => Ok(Started::Answer(Answer::new(plan, &addr, Found::Failed(error), None, 0))),
        };
        let r#type = if plan.udp { SOCK_DGRAM } else { SOCK_STREAM };
        let fd = match socket(net::family(&addr), r#type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0) {
            Ok(fd) => fd,
            Err(error) => return failed(error),
        };
        icmp::ask(&fd, net::family(&addr))?;
        let end = start.checked_add(plan.wait);
        let mut one = Self { number, addr, udp: plan.udp, fd, start, again: None, end, sent: 0 };
        match connect(&one.fd, &net::to_c(&addr)) {
            // poll() says how it went.
            Ok(()) => {}
            Err(error) if matches!(error.errno(), EINPROGRESS | EINTR) => {}
            Err(error) => return failed(error),
        }
        if plan.udp {
            // It would answer itself.
            let found = if one.is_its_own_peer()? { Some(Found::Itself) } else { one.send(plan)? };
            if let Some(found) = found {
                return Ok(Started::Answer(one.answer(plan, found)));
            }
        }
        Ok(Started::Asked(one))
    }

    /// Another datagram. It is empty: enough for a port that is closed, and for a server that answers
    /// anything.
    fn send(&mut self, plan: &Plan) -> Result<Option<Found>> {
        self.sent += 1;
        let apart = plan.wait / plan.tries.max(1);
        self.again = (self.sent < plan.tries).then(|| Instant::now().checked_add(apart)).flatten();
        match send(&self.fd, &[], 0) {
            // A queue that is full, or a signal, loses a datagram like any router.
            Err(error) if !matches!(error.errno(), EAGAIN | EINTR | ENOBUFS) => {
                Ok(Some(self.returned()?.unwrap_or(Found::Failed(error))))
            }
            _ => Ok(None),
        }
    }

    /// When there is something to do, even if nothing comes.
    fn wakes(&self) -> Option<Instant> {
        self.again.into_iter().chain(self.end).min()
    }

    fn waits_for(&self) -> pollfd {
        pollfd::new(&self.fd, if self.udp { POLLIN } else { POLLOUT })
    }

    /// What has come by now.
    fn look(&mut self, plan: &Plan, revents: c_short) -> Result<Option<Found>> {
        if revents != 0
            && let Some(found) = if self.udp { self.datagram()? } else { self.connection()? }
        {
            return Ok(Some(found));
        }
        let now = Instant::now();
        if self.end.is_some_and(|end| end <= now) {
            return Ok(Some(Found::Nothing));
        }
        if self.again.is_some_and(|again| again <= now) { self.send(plan) } else { Ok(None) }
    }

    /// What has come back by ICMP.
    fn returned(&self) -> Result<Option<Found>> {
        while let Some(entry) = icmp::take(&self.fd)? {
            match entry {
                // TCP gives a connection up for any of them.
                Entry::Icmp(icmp) if !self.udp || icmp.meaning() != Meaning::Other => {
                    return Ok(Some(Found::Icmp(icmp)));
                }
                Entry::Icmp(_) => {}
                Entry::Local(number) => {
                    return Ok(Some(Found::Failed(Error::new("send", number))));
                }
            }
        }
        Ok(None)
    }

    fn connection(&self) -> Result<Option<Found>> {
        // The queue first: whoever takes an entry takes the pending error with it.
        if let Some(found) = self.returned()? {
            return Ok(Some(found));
        }
        if let Some(error) = icmp::pending(&self.fd, "connect")? {
            return Ok(Some(match error.errno() {
                ECONNREFUSED => Found::Rst,
                ECONNRESET | EPIPE => Found::Reset,
                _ => Found::Failed(error),
            }));
        }
        Ok(Some(match self.is_its_own_peer() {
            Ok(true) => Found::Itself,
            Ok(false) => Found::Connected,
            Err(error) => Found::Failed(error),
        }))
    }

    fn is_its_own_peer(&self) -> Result<bool> {
        let peer = getpeername(&self.fd)?;
        Ok(net::from_c(&peer) == net::from_c(&getsockname(&self.fd)?))
    }

    fn datagram(&self) -> Result<Option<Found>> {
        loop {
            if let Some(found) = self.returned()? {
                return Ok(Some(found));
            }
            match recv(&self.fd, &mut [0], MSG_DONTWAIT | MSG_TRUNC) {
                Ok(bytes) => return Ok(Some(Found::Datagram(bytes))),
                Err(error) if error.errno() == EAGAIN => return Ok(None),
                Err(error) if error.errno() == EINTR => {}
                // Its entry has come since.
                Err(error) => {
                    return Ok(Some(self.returned()?.unwrap_or(Found::Failed(error))));
                }
            }
        }
    }

    fn answer(&self, plan: &Plan, found: Found) -> Answer {
        let time = (!matches!(found, Found::Nothing | Found::Failed(_)))
            .then(|| self.start.elapsed().as_secs_f64() * 1e3);
        let sent = if self.udp { self.sent } else { icmp::segments(&self.fd).unwrap_or(1) };
        let mut answer = Answer::new(plan, &self.addr, found, time, sent);
        let own = getsockname(&self.fd).ok().and_then(|own| net::from_c(&own)).map(|own| own.ip());
        let from = answer.icmp.and_then(|icmp| icmp.from);
        if from.is_some() && from == own && own != Some(self.addr.ip()) {
            answer.evidence.push_str(", which is this host");
            if answer.verdict == Verdict::Refused {
                answer.verdict = Verdict::Blocked;
            }
        }
        answer
    }
}

impl Answer {
    fn new(plan: &Plan, addr: &SocketAddr, found: Found, time: Option<f64>, sent: u32) -> Self {
        let wait = plan.wait.as_secs_f64();
        let (mut icmp, mut error) = (None, None);
        let what = if plan.udp { "datagram" } else { "segment" };
        let what = format!("{sent} {what}{}", if sent == 1 { "" } else { "s" });
        let again = sent > 1 && !matches!(found, Found::Nothing);
        let (verdict, mut evidence) = match found {
            Found::Connected => (Verdict::Open, String::from("connected")),
            Found::Reset => (Verdict::Open, String::from("connected, and reset at once")),
            Found::Itself => (
                Verdict::Closed,
                String::from("nobody has the port: the kernel gave it to the socket that asked"),
            ),
            Found::Rst => (Verdict::Closed, String::from("answered with RST")),
            Found::Datagram(bytes) => {
                (Verdict::Open, format!("answered with a datagram of {bytes} bytes"))
            }
            Found::Icmp(found) => {
                icmp = Some(found);
                let refused = found.meaning() == Meaning::Refused;
                let verdict = if refused { Verdict::Refused } else { Verdict::Unreachable };
                (verdict, found.to_string())
            }
            Found::Failed(found) => {
                error = Some(found.to_string());
                let (verdict, why) = local(found.errno());
                (verdict, format!("{found}{why}"))
            }
            Found::Nothing => {
                let may_be =
                    if plan.udp { "open or filtered" } else { "filtered, or nobody there" };
                (Verdict::Silent, format!("nothing in {wait} s for {what}: {may_be}"))
            }
        };
        if again {
            evidence.push_str(&format!(" (after {what})"));
        }
        Self {
            address: name(addr),
            port: addr.port(),
            protocol: if plan.udp { "udp" } else { "tcp" },
            verdict,
            evidence,
            icmp,
            error,
            milliseconds: time,
            sent,
        }
    }
}

/// What the kernel here means by it.
fn local(errno: i32) -> (Verdict, &'static str) {
    match errno {
        EPERM => (Verdict::Blocked, " (a rule of this host)"),
        EACCES => (Verdict::Blocked, " (a rule of this host, or a broadcast address)"),
        ECONNREFUSED => (Verdict::Refused, ""),
        ETIMEDOUT => (Verdict::Silent, " (TCP has given up)"),
        ENETUNREACH => (Verdict::Unreachable, " (this host has no route to it)"),
        EAFNOSUPPORT | EADDRNOTAVAIL => (
            Verdict::Unreachable,
            " (this host has no such protocol, or no address of its own for it)",
        ),
        EINVAL => {
            (Verdict::Unreachable, " (an address of a link needs its interface: fe80::1%eth0)")
        }
        _ => (Verdict::Unreachable, ""),
    }
}

/// An address without its port, but with its interface.
pub fn name(addr: &SocketAddr) -> String {
    match addr {
        SocketAddr::V6(addr) if addr.scope_id() != 0 => {
            format!("{}%{}", addr.ip(), addr.scope_id())
        }
        _ => addr.ip().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_answer_is_the_status() {
        use Verdict::*;
        for (verdicts, expected) in [
            (&[Open][..], 0),
            (&[Silent, Closed, Open], 0),
            (&[Silent, Refused], 1),
            (&[Closed], 1),
            (&[Unreachable], 1),
            (&[Blocked], 1),
            (&[Silent, Silent], 2),
        ] {
            assert_eq!(status(verdicts.iter().copied()), expected, "{verdicts:?}");
        }
    }
}

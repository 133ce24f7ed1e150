//! What IP_TTL is for: the routers on the way to a host.
//!
//! Without privilege: a probe is a datagram or a `connect()` with a small TTL, and the router that has
//! counted it down to 0 is named in the socket's error queue. Each probe has a socket of its own, many
//! are on their way at the same time, and hops are told in their order.

use std::ffi::c_int;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::icmp::{self, Entry, Icmp, Meaning};
use crate::net::{self, Deadline};
use crate::posix::error::*;
use crate::posix::netinet_in::{IP_TTL, IPPROTO_IP, IPPROTO_IPV6, IPV6_UNICAST_HOPS};
use crate::posix::poll::{POLLIN, POLLOUT, pollfd};
use crate::posix::sys_socket::*;
use crate::posix::{Error, Result};

/// What a probe is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probe {
    /// A datagram, each to another port: most likely nobody's.
    UdpRising,
    /// A datagram to one port.
    Udp,
    /// A connection to one port.
    Tcp,
}

/// Where to, and how.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The host, with the first port.
    pub target: SocketAddr,
    /// What a probe is.
    pub probe: Probe,
    /// The largest TTL.
    pub hops: u8,
    /// How many probes each TTL gets.
    pub queries: usize,
    /// How long an answer is waited for.
    pub wait: Duration,
}

/// All probes of one TTL.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Hop {
    /// The TTL.
    pub ttl: u8,
    /// One for each probe; none where nothing came back.
    pub replies: Vec<Option<Reply>>,
}

/// What came back for a probe.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Reply {
    /// Who has sent it.
    pub from: IpAddr,
    /// From the probe until then.
    pub milliseconds: f64,
    /// `!H` and so on: why the way ends here, where that is not the target itself.
    pub note: Option<String>,
    /// How many SYN segments were sent until then; always one datagram.
    pub sent: u32,
    /// Whether it is the target's own.
    pub reached: bool,
    /// Whether the way ends here.
    pub last: bool,
    /// The ICMP error, if it was one: TCP and an open port of UDP have answers of their own.
    pub icmp: Option<Icmp>,
}

/// How many probes are on their way at the same time, so that a host that counts its ICMP errors
/// answers the first of them.
const AT_ONCE: usize = 16;

/// After so long without an answer another probe may go, though this one is still waited for.
const PATIENCE: Duration = Duration::from_millis(500);

/// How many sockets, at most.
const OPEN: usize = 128;

/// What a datagram carries: with its headers 60 bytes, over IPv6 80.
const PAYLOAD: &[u8; 32] = b"@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_";

/// Sends probes and tells each hop, in their order, until one is the last. Returns false where nobody wants to know the
/// rest: `tell` says so, or nobody is left at the other end of `output`, which is seen while answers are waited for.
///
/// # Errors
///
/// Where a probe can't be sent: this host has no route to the target, or a rule against it.
pub fn trace(plan: &Plan, output: impl AsFd, tell: &mut dyn FnMut(Hop) -> bool) -> Result<bool> {
    let total = usize::from(plan.hops) * plan.queries;
    let mut probes: Vec<State> = Vec::with_capacity(total);
    // So many are needed, as far as is known.
    let mut needed = total;
    for ttl in 1..=plan.hops {
        let (first, end) = (usize::from(ttl - 1) * plan.queries, usize::from(ttl) * plan.queries);
        while probes.len() < end || probes[first..end].iter().any(|probe| probe.is_open()) {
            let launched = launch(plan, &mut probes, needed)?;
            if !listen(plan, &mut probes, launched, needed, output.as_fd())? {
                return Ok(false);
            }
            let ends = |probe: &State| probe.reply().is_some_and(|reply| reply.last);
            if let Some(last) = probes.iter().position(ends) {
                needed = needed.min((last / plan.queries + 1) * plan.queries);
            }
        }
        let replies: Vec<_> = probes[first..end].iter_mut().map(State::take).collect();
        if !tell(Hop { ttl, replies }) {
            return Ok(false);
        }
        if end >= needed {
            break;
        }
    }
    Ok(true)
}

enum State {
    Open { fd: OwnedFd, start: Instant },
    Done(Option<Reply>),
}

impl State {
    fn is_open(&self) -> bool {
        matches!(self, Self::Open { .. })
    }

    fn reply(&self) -> Option<&Reply> {
        if let Self::Done(Some(reply)) = self { Some(reply) } else { None }
    }

    fn take(&mut self) -> Option<Reply> {
        if let Self::Done(reply) = self { reply.take() } else { None }
    }
}

/// Sends a probe if another may be on its way, and says whether it was sent.
fn launch(plan: &Plan, probes: &mut Vec<State>, needed: usize) -> Result<bool> {
    let (mut open, mut fresh) = (0, 0);
    for probe in probes.iter() {
        if let State::Open { start, .. } = probe {
            open += 1;
            fresh += usize::from(start.elapsed() < PATIENCE);
        }
    }
    if probes.len() >= needed || fresh >= AT_ONCE || open >= OPEN {
        return Ok(false);
    }
    match send_probe(plan, probes.len()) {
        Ok(probe) => probes.push(probe),
        // Those that are on their way will give theirs back.
        Err(error) if matches!(error.errno(), EMFILE | ENFILE) && open > 0 => return Ok(false),
        Err(error) => return Err(error),
    }
    Ok(true)
}

fn send_probe(plan: &Plan, number: usize) -> Result<State> {
    let (mut target, family) = (plan.target, net::family(&plan.target));
    let rising = if plan.probe == Probe::UdpRising { number } else { 0 };
    target.set_port(target.port().saturating_add(u16::try_from(rising).unwrap_or(u16::MAX)));
    let tcp = plan.probe == Probe::Tcp;
    let r#type = if tcp { SOCK_STREAM } else { SOCK_DGRAM };
    let fd = socket(family, r#type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)?;
    icmp::ask(&fd, family)?;
    let (level, option) =
        if family == AF_INET6 { (IPPROTO_IPV6, IPV6_UNICAST_HOPS) } else { (IPPROTO_IP, IP_TTL) };
    setsockopt(&fd, level, option, &((number / plan.queries + 1) as c_int))?;
    let mut start = Instant::now();
    match connect(&fd, &net::to_c(&target)) {
        Ok(()) => {}
        Err(error) if matches!(error.errno(), EINPROGRESS | EINTR) => {}
        Err(error) => return Err(error),
    }
    if !tcp {
        start = Instant::now();
        match send(&fd, PAYLOAD, 0) {
            // A queue that is full, or a signal, loses a datagram like any router.
            Err(error) if !matches!(error.errno(), EAGAIN | EINTR | ENOBUFS) => return Err(error),
            _ => {}
        }
    }
    Ok(State::Open { fd, start })
}

/// Waits until something comes, or another probe may go, or one has been waited for long enough. Where one
/// was just launched it only looks: the next may follow, and no answer is to lie about. Returns false where
/// nobody is left at the other end of `output`.
fn listen(
    plan: &Plan,
    probes: &mut [State],
    launched: bool,
    needed: usize,
    output: BorrowedFd<'_>,
) -> Result<bool> {
    let more = probes.len() < needed;
    let events = if plan.probe == Probe::Tcp { POLLOUT } else { POLLIN };
    let (mut fds, mut numbers, mut until) = (Vec::new(), Vec::new(), None);
    for (number, probe) in probes.iter().enumerate() {
        if let State::Open { fd, start } = probe {
            fds.push(pollfd::new(fd, events));
            numbers.push(number);
            let end = start.checked_add(plan.wait);
            let impatient = start.checked_add(PATIENCE);
            let impatient = impatient.filter(|at| more && *at > Instant::now());
            until = [until, end, impatient].into_iter().flatten().min();
        }
    }
    // No event is asked for: what there is to hear of is its end.
    fds.push(pollfd::new(output, 0));
    let left = until.map(|until: Instant| until.saturating_duration_since(Instant::now()));
    let left = if launched { Some(Duration::ZERO) } else { left };
    net::wait(&mut fds, left.map_or(Deadline::NEVER, Deadline::after))?;
    if fds.pop().is_some_and(|output| output.revents() != 0) {
        return Ok(false);
    }
    let now = Instant::now();
    for (fd, number) in fds.iter().zip(numbers) {
        let State::Open { fd: socket, start } = &probes[number] else { continue };
        let time = now.duration_since(*start);
        let reply = if fd.revents() == 0 { None } else { look(plan, socket, time)? };
        // A connection has one event.
        let over = fd.revents() != 0 && plan.probe == Probe::Tcp;
        if reply.is_some() || over || time >= plan.wait {
            probes[number] = State::Done(reply);
        }
    }
    Ok(true)
}

/// What has come back for a probe.
fn look(plan: &Plan, fd: &OwnedFd, time: Duration) -> Result<Option<Reply>> {
    let target = plan.target.ip();
    let milliseconds = time.as_secs_f64() * 1e3;
    let sent = if plan.probe == Probe::Tcp { icmp::segments(fd)? } else { 1 };
    match icmp::take(fd)? {
        Some(Entry::Icmp(icmp)) => {
            let last = icmp.meaning() != Meaning::Expired;
            let from = icmp.from.unwrap_or(target);
            let reached = last && from == target;
            let note = note(&icmp);
            let icmp = Some(icmp);
            return Ok(Some(Reply { from, milliseconds, note, sent, reached, last, icmp }));
        }
        Some(Entry::Local(number)) => return Err(Error::new("send", number)),
        None => {}
    }
    let answered = if plan.probe == Probe::Tcp {
        match icmp::pending(fd, "connect")? {
            // RST is an answer too. An end so soon after the beginning is one after it.
            Some(error) if matches!(error.errno(), ECONNREFUSED | ECONNRESET | EPIPE) => true,
            Some(error) if error.errno() == ETIMEDOUT => false,
            Some(error) => return Err(error),
            None => getpeername(fd).is_ok(),
        }
    } else {
        recv(fd, &mut [0], MSG_DONTWAIT).is_ok()
    };
    let (note, icmp) = (None, None);
    let (reached, last) = (true, true);
    let reply = Reply { from: target, milliseconds, note, sent, reached, last, icmp };
    Ok(answered.then_some(reply))
}

/// In the letters of traceroute(8). What a router says of the TTL, and the target of its port, needs none.
fn note(icmp: &Icmp) -> Option<String> {
    let letters = match (icmp.version, icmp.kind, icmp.code) {
        (4, 11, 0) | (4, 3, 3) | (6, 3, 0) | (6, 1, 4) => return None,
        (4, 3, 0 | 6 | 8 | 11) | (6, 1, 0) => "!N",
        (4, 3, 1 | 7 | 12) | (6, 1, 2 | 3) => "!H",
        (4, 3, 2) => "!P",
        (4, 3, 5) => "!S",
        (4, 3, 9 | 10 | 13) | (6, 1, 1) => "!X",
        (4, 3, 14) => "!V",
        (4, 3, 15) => "!C",
        (4, 3, 4) | (6, 2, _) => return Some(format!("!F-{}", icmp.mtu.unwrap_or_default())),
        (4, 3, code) | (6, 1, code) => return Some(format!("!<{code}>")),
        (_, kind, code) => return Some(format!("!<{kind}-{code}>")),
    };
    Some(String::from(letters))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_traceroutes() {
        for (version, kind, code, expected) in [
            (4, 11, 0, None),
            (4, 3, 3, None),
            (4, 3, 0, Some("!N")),
            (4, 3, 1, Some("!H")),
            (4, 3, 2, Some("!P")),
            (4, 3, 4, Some("!F-1400")),
            (4, 3, 13, Some("!X")),
            (4, 3, 16, Some("!<16>")),
            (4, 11, 1, Some("!<11-1>")),
            (6, 3, 0, None),
            (6, 1, 0, Some("!N")),
            (6, 1, 1, Some("!X")),
            (6, 1, 3, Some("!H")),
            (6, 1, 4, None),
            (6, 1, 6, Some("!<6>")),
            (6, 2, 0, Some("!F-1400")),
            (6, 4, 1, Some("!<4-1>")),
        ] {
            let icmp = Icmp { version, kind, code, name: None, from: None, mtu: Some(1400) };
            assert_eq!(note(&icmp).as_deref(), expected, "{version} {kind}/{code}");
        }
    }
}

//! A port that was asked: what is sent, and what comes.

use std::ffi::c_short;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::Instant;

use super::Plan;
use super::answer::{Answer, Found, Verdict};
use crate::net;
use crate::posix::error::*;
use crate::posix::poll::{POLLIN, POLLOUT, pollfd};
use crate::posix::sys_socket::*;
use crate::posix::{Error, Result};
use crate::tool::icmp::{self, Entry, Meaning};

/// A port that was asked and has not answered yet.
pub(super) struct Asked {
    /// Its place among all that are asked.
    pub(super) number: usize,
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

pub(super) enum Started {
    Asked(Asked),
    Answer(Answer),
}

impl Asked {
    pub(super) fn start(plan: &Plan, number: usize) -> Result<Started> {
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
    pub(super) fn wakes(&self) -> Option<Instant> {
        self.again.into_iter().chain(self.end).min()
    }

    pub(super) fn waits_for(&self) -> pollfd {
        pollfd::new(&self.fd, if self.udp { POLLIN } else { POLLOUT })
    }

    /// What has come by now.
    pub(super) fn look(&mut self, plan: &Plan, revents: c_short) -> Result<Option<Found>> {
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

    pub(super) fn answer(&self, plan: &Plan, found: Found) -> Answer {
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

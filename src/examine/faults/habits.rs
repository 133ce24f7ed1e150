//! Which calls a server makes for one good client, as the gate shows them.

use std::ffi::c_int;

use crate::examine::design::Kind;
use crate::examine::server::{Probe, Server};
use crate::examine::{Exam, Trouble};
use crate::posix::sys_socket::MSG_NOSIGNAL;
pub(in crate::examine) use crate::subject::gate::{CLOSE, RECEIVE, SEND};
use crate::subject::gate::{Call, Sysno, Tap};

/// Calls that take a client in.
pub(in crate::examine) const ACCEPT: &[&str] = &["accept", "accept4"];
/// Calls that wait until somebody is ready.
pub(super) const WAIT: &[&str] =
    &["select", "pselect6", "poll", "ppoll", "epoll_wait", "epoll_pwait", "epoll_pwait2"];
/// Calls that make a process or a thread.
pub(in crate::examine) const MAKE: &[&str] = &["fork", "vfork", "clone", "clone3"];
/// Further calls on a client's socket, and on who has it.
const OTHER: &[&str] = &[
    "shutdown",
    "setsockopt",
    "getsockopt",
    "getsockname",
    "getpeername",
    "epoll_ctl",
    "wait4",
    "waitid",
];

/// A server behind a gate for these calls, which has served one client and waits for the next. No other call is
/// delayed, or interrupted by a signal where it never is: a shell's fork() for instance.
///
/// # Errors
///
/// [`Trouble::Broken`] if it has not; those of starting.
pub(super) fn behind(exam: &Exam, calls: &[&str]) -> Result<(Server, Tap), Trouble> {
    let (server, tap) = exam.start_gated(calls)?;
    warmed(&server)?;
    Ok((server, tap))
}

/// Has a server serve one client, and wait for the next: what a server does only once is done then.
///
/// # Errors
///
/// [`Trouble::Broken`] if it does not.
pub(in crate::examine) fn warmed(server: &Server) -> Result<(), Trouble> {
    is_served(&server.probe()?)?;
    server.settles()
}

fn is_served(probe: &Probe) -> Result<(), Trouble> {
    if *probe == Probe::Right {
        return Ok(());
    }
    let who = "before anything has failed, a good client behind the gate is";
    Err(Trouble::Broken(format!("{who} {}", probe.words())))
}

/// The calls of one client.
#[derive(Debug)]
pub(in crate::examine) struct Habits {
    /// In the order in which they were made, those that are none of its business left out.
    calls: Vec<Call>,
}

impl Habits {
    /// Watches a fresh server serve its second client: what is done only once is done by then.
    ///
    /// # Errors
    ///
    /// [`Trouble::Broken`] if it does not serve it; those of starting.
    pub(in crate::examine) fn of(exam: &Exam) -> Result<Self, Trouble> {
        let (server, tap) =
            behind(exam, &[ACCEPT, RECEIVE, SEND, CLOSE, WAIT, MAKE, OTHER].concat())?;
        let of_client = super::of_client(&server);
        tap.start_counting();
        let mut client = server.connect_accepted()?;
        client.send(&server.protocol.request)?;
        is_served(&server.outcome(&mut client)?)?;
        client.close();
        server.settles()?;
        tap.stop_counting();
        let mut calls = tap.log(0).calls;
        // What goes to a log, or to another task, is not the client's.
        calls.retain(|call| {
            let is_io = [RECEIVE, SEND, CLOSE].concat().contains(&call.sysno.name());
            !is_io || of_client.holds(call)
        });
        Ok(Self { calls })
    }

    /// Those of these names, each once.
    pub(super) fn among(&self, names: &[&str]) -> Vec<Sysno> {
        let mut found: Vec<Sysno> = Vec::new();
        for call in &self.calls {
            if names.contains(&call.sysno.name()) && !found.contains(&call.sysno) {
                found.push(call.sysno);
            }
        }
        found
    }

    /// Whether whatever is sent to the client says `MSG_NOSIGNAL`; `None` if nothing was seen to be sent.
    pub(in crate::examine) fn sends_without_signal(&self) -> Option<bool> {
        let is_quiet = |call: &Call| match call.sysno.name() {
            "sendto" => call.args[3] as c_int & MSG_NOSIGNAL != 0,
            "sendmsg" => call.args[2] as c_int & MSG_NOSIGNAL != 0,
            _ => false,
        };
        let sends = self.calls.iter().filter(|call| SEND.contains(&call.sysno.name()));
        sends.map(is_quiet).reduce(|all, one| all && one)
    }

    /// Which design makes such calls, if they say so, and what says it.
    pub(in crate::examine) fn design(&self) -> Option<(Kind, String)> {
        for (kind, thread) in [(Kind::Forked, false), (Kind::Threaded, true)] {
            if let Some(call) = self.making(thread).first() {
                return Some((kind, format!("it calls {call} for each client")));
            }
        }
        None
    }

    /// Those that made a thread, or those that made a process, each once.
    pub(super) fn making(&self, thread: bool) -> Vec<Sysno> {
        let mut found: Vec<Sysno> = Vec::new();
        for call in self.calls.iter().filter(|call| call.is_thread() == Some(thread)) {
            if !found.contains(&call.sysno) {
                found.push(call.sysno);
            }
        }
        found
    }
}

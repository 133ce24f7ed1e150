//! What goes through a gate, and what is to fail.

#![forbid(unsafe_code)]

use std::ffi::{c_int, c_long};
use std::fmt;

use crate::linux::sched::CLONE_THREAD;
use crate::linux::sys_syscall;
use crate::posix::unistd::STDERR_FILENO;

/// A system call of [`sys_syscall::CALLS`], as this architecture numbers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sysno(pub(super) c_long);

impl Sysno {
    /// The call of this name, if there is one here.
    pub fn named(name: &str) -> Option<Self> {
        sys_syscall::number(name).map(Self)
    }

    /// Those of these calls that there are here: no `fork` on aarch64.
    pub fn all(names: &[&str]) -> Vec<Self> {
        names.iter().filter_map(|name| Self::named(name)).collect()
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        sys_syscall::name(self.0).unwrap_or("?")
    }
}

impl fmt::Display for Sysno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Calls that read what a client has sent.
pub const RECEIVE: &[&str] = &["read", "readv", "recvfrom", "recvmsg"];
/// Calls that send it something.
pub const SEND: &[&str] = &["write", "writev", "sendto", "sendmsg"];
/// What ends its connection.
pub const CLOSE: &[&str] = &["close"];

/// What a descriptor is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Open {
    /// A socket.
    Socket {
        /// Its number, as /proc and sock_diag have it.
        inode: u32,
        /// Its own port, if it is of a connection of TCP.
        port: Option<u16>,
    },
    /// Something else, or nothing.
    Other,
    /// The system hides it.
    Hidden,
}

/// A call that has been answered. One that a signal interrupts and the kernel makes anew (accept() after
/// a handler with `SA_RESTART`, any clone()) comes anew, as it does in strace's output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// Who made it: the thread, as this process sees its id; 0 if it does not see it.
    pub tid: u32,
    /// Which.
    pub sysno: Sysno,
    /// With what, as it was in the registers.
    pub args: [u64; 6],
    /// What its descriptor is of, for one that receives, sends or closes.
    pub on: Open,
    /// What the new task was to share, for a call that makes one; `None` where clone3's own structure
    /// could not be read, and for other calls.
    pub flags: Option<u64>,
    /// What it failed with; 0 if it was made.
    pub errno: c_int,
}

impl Call {
    /// Whether it makes a thread, or else a process; `None` if neither, or if that can't be known.
    pub fn is_thread(&self) -> Option<bool> {
        self.flags.map(|flags| flags & CLONE_THREAD as u64 != 0)
    }
}

/// Which calls are meant: all that is said must be so, and nothing said means every one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Only {
    /// Those of one thread.
    pub tid: Option<u32>,
    /// Those that receive on, send on or close a connection whose own port this is; where the system hides
    /// what a descriptor is of, any but the standard ones.
    pub port: Option<u16>,
    /// Those that make a thread, or those that make a process.
    pub thread: Option<bool>,
}

impl Only {
    /// Whether this call is meant.
    pub fn holds(&self, call: &Call) -> bool {
        let is_of = |wanted: u16| match call.on {
            Open::Socket { port, .. } => port == Some(wanted),
            Open::Other => false,
            Open::Hidden => call.args[0] as c_int > STDERR_FILENO,
        };
        self.tid.is_none_or(|tid| tid == call.tid)
            && self.port.is_none_or(is_of)
            && self.thread.is_none_or(|thread| call.is_thread() == Some(thread))
    }
}

/// What is to fail, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// One of these calls,
    pub calls: Vec<Sysno>,
    /// restricted to these.
    pub only: Only,
    /// The first that fails, counted from 1 when the fault is armed, over all threads together.
    pub nth: u64,
    /// How many fail in a row.
    pub times: u64,
    /// With what.
    pub errno: c_int,
}

impl Fault {
    /// The next of these calls fails, once.
    pub fn next(calls: &[Sysno], errno: c_int) -> Self {
        Self { calls: calls.to_vec(), only: Only::default(), nth: 1, times: 1, errno }
    }

    pub(super) fn is_for(&self, call: &Call) -> bool {
        self.calls.contains(&call.sysno) && self.only.holds(call)
    }
}

/// The calls from a number on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// The number of the first: more than what was asked for if those before it are forgotten.
    pub first: u64,
    /// The calls, in the order in which they were answered.
    pub calls: Vec<Call>,
}

impl Log {
    /// The number of the call after these.
    pub fn next(&self) -> u64 {
        self.first + self.calls.len() as u64
    }
}

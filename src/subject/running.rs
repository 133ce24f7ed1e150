//! A server that runs already and isn't ours: looked at, and never touched. It gets no signal, no limit and no gate, and
//! stays as it is when its [`Running`] is gone.

#![forbid(unsafe_code)]

use std::fmt;
use std::fs;
use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::time::Duration;

use super::{Door, Ending, Reached, doors, tree, watch};
use crate::linux::pidfd::pidfd_open;
use crate::net::{Deadline, family, wait};
use crate::posix::Error;
use crate::posix::error::{EINVAL, ENOENT, ESRCH};
use crate::posix::poll::{POLLIN, pollfd};

/// A process that runs, and all its descendants.
#[derive(Debug)]
pub struct Running {
    /// Its process id.
    pub pid: u32,
    /// Where it is reached.
    pub reached: Reached,
    /// The words that it was started with, as it has them now.
    pub command: Vec<String>,
    /// Whether its descriptors may be looked at; if not, that the socket is its own was only said.
    pub is_open: bool,
    /// Whichever process has its number later, this one is meant.
    pidfd: OwnedFd,
}

/// Why a process can't be examined.
#[derive(Debug)]
pub enum Refusal {
    /// There is none.
    Nobody(u32),
    /// It is there, and /proc does not show it.
    Unseen(u32),
    /// It is a thread of that process.
    Thread(u32, u32),
    /// It is the kernel's own.
    Kernel(Who),
    /// It has ended.
    Zombie(Who),
    /// A signal has stopped it, or one of its descendants.
    Stopped(Who),
    /// A debugger has.
    Traced(Who),
    /// It is this process.
    Own(u32),
    /// This process is below it.
    Above(Who),
    /// It is in another network; in another user namespace too, if so.
    Elsewhere(Who, bool),
    /// Its descriptors are hidden, and no port was told.
    Hidden(Who),
    /// Nobody can ask it.
    Unreachable(Who),
    /// It is not at the port that was told, but at these, if at any.
    NotThere(Who, u16, Vec<Reached>),
    /// It can be asked at several ports, and none was told.
    Several(Who, Vec<Reached>),
    /// Its descriptors are hidden, and several sockets have the port that was told.
    Unsure(Who, u16, Vec<Reached>),
    /// A call of ours failed.
    Call(Error),
}

/// A process as a person knows it: its number and its name.
#[derive(Debug)]
pub struct Who(u32, String);

impl Who {
    fn of(pid: u32) -> Self {
        let name = watch::status(pid, "Name").unwrap_or_default();
        Self(pid, name.replace(char::is_control, "?"))
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {} ({})", self.0, self.1)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nobody(pid) => write!(f, "there is no process {pid}"),
            Self::Unseen(pid) => write!(f, "process {pid} is not to be seen in /proc (hidepid)"),
            Self::Thread(tid, pid) => {
                write!(f, "{tid} is a thread of process {pid}: attach to that one")
            }
            Self::Kernel(who) => write!(f, "{who} is a thread of the kernel's, and no server"),
            Self::Zombie(who) => {
                write!(f, "{who} has ended, and its parent has not waited for it yet")
            }
            Self::Stopped(who) => write!(
                f,
                "{who} is stopped (state T in /proc/{0}/stat) and serves nobody: let it go on with `kill -CONT {0}`",
                who.0
            ),
            Self::Traced(who) => write!(
                f,
                "{who} is stopped by a debugger (state t in /proc/{0}/stat) and serves nobody: let it go on there",
                who.0
            ),
            Self::Own(pid) => write!(f, "process {pid} is this examiner itself"),
            Self::Above(who) => {
                write!(f, "{who} has this examiner below it: name the server's own process")
            }
            Self::Elsewhere(who, is_user) => {
                let user = if *is_user { " -U --preserve-credentials" } else { "" };
                write!(
                    f,
                    "{who} is in another network namespace: examine it from there, with \
                     `nsenter -t {0}{user} -n socklab examine --attach {0}`",
                    who.0
                )
            }
            Self::Hidden(who) => write!(
                f,
                "the descriptors of {who} may not be looked at: --port says where it listens, or examine it as its \
                 own user"
            ),
            Self::Unreachable(who) => write!(
                f,
                "{who} has no socket that clients can reach: none that listens over TCP, none with a port of UDP"
            ),
            Self::NotThere(who, port, found) if found.is_empty() => {
                write!(f, "no socket on port {port} is seen to be one of {who}")
            }
            Self::NotThere(who, port, found) => {
                write!(f, "{who} has no socket on port {port}, but on {}", list(found))
            }
            Self::Several(who, found) => {
                write!(f, "{who} can be asked at {}: --port says at which", list(found))
            }
            Self::Unsure(who, port, found) => write!(
                f,
                "the descriptors of {who} may not be looked at, and several sockets have port {port}: {}; examine it as \
                 its own user",
                list(found)
            ),
            Self::Call(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Refusal {}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Call(error)
    }
}

fn list(found: &[Reached]) -> String {
    let word = |reached: &Reached| {
        format!("{} ({})", reached.addr, if reached.is_tcp { "TCP" } else { "UDP" })
    };
    found.iter().map(word).collect::<Vec<_>>().join(", ")
}

impl Running {
    /// Finds a process, and where it is asked: at `port`, or at the one that it has.
    ///
    /// # Errors
    ///
    /// Why it can't be examined.
    pub fn find(pid: u32, port: Option<u16>) -> Result<Self, Refusal> {
        if pid == std::process::id() {
            return Err(Refusal::Own(pid));
        }
        let pidfd = pidfd_open(pid as i32, 0).map_err(|error| match error.errno() {
            ESRCH => Refusal::Nobody(pid),
            // Which of the two depends on the kernel.
            EINVAL | ENOENT => {
                leader(pid).map_or(Refusal::Nobody(pid), |of| Refusal::Thread(pid, of))
            }
            _ => error.into(),
        })?;
        match watch::state(pid) {
            None => return Err(Refusal::Unseen(pid)),
            Some('Z' | 'X') => return Err(Refusal::Zombie(Who::of(pid))),
            Some(_) if watch::is_kernels(pid) => return Err(Refusal::Kernel(Who::of(pid))),
            Some(_) => {}
        }
        let processes = tree(pid);
        if processes.contains(&std::process::id()) {
            return Err(Refusal::Above(Who::of(pid)));
        }
        let is_elsewhere = |kind: &str| {
            let namespace = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/{kind}")).ok();
            // Where it is hidden, the socket will show.
            namespace(&pid.to_string()).is_some_and(|theirs| namespace("self") != Some(theirs))
        };
        if is_elsewhere("net") {
            return Err(Refusal::Elsewhere(Who::of(pid), is_elsewhere("user")));
        }
        let (reached, is_open) = door(pid, &processes, port)?;
        for &pid in &processes {
            match watch::state(pid) {
                Some('T') => return Err(Refusal::Stopped(Who::of(pid))),
                Some('t') => return Err(Refusal::Traced(Who::of(pid))),
                _ => {}
            }
        }
        let running = Self { pid, reached, command: command(pid), is_open, pidfd };
        // What was read may have been another's with its number by then.
        if running.ended().is_some() { Err(Refusal::Nobody(pid)) } else { Ok(running) }
    }

    /// Every process of it that is there, its own first; none once it has ended.
    pub fn processes(&self) -> Vec<u32> {
        let tree = tree(self.pid);
        // As long as it is there, nobody else has its number.
        if self.ended().is_some() { Vec::new() } else { tree }
    }

    /// That it has ended, once it has.
    pub fn ended(&self) -> Option<Ending> {
        let mut fds = [pollfd::new(&self.pidfd, POLLIN)];
        let has_ended = wait(&mut fds, Deadline::after(Duration::ZERO)) == Ok(true);
        has_ended.then_some(Ending::Untold)
    }
}

/// The process that a thread belongs to.
fn leader(tid: u32) -> Option<u32> {
    watch::status(tid, "Tgid")?.parse().ok()
}

/// The words of a process's command; its name where it has none.
fn command(pid: u32) -> Vec<String> {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words =
        bytes.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned());
    let mut words: Vec<String> = words.collect();
    // Behind the last word too there is a zero.
    while words.last().is_some_and(String::is_empty) {
        words.pop();
    }
    if words.is_empty() { vec![Who::of(pid).1] } else { words }
}

/// Where some processes are asked, and whether their descriptors say so.
fn door(pid: u32, processes: &[u32], port: Option<u16>) -> Result<(Reached, bool), Refusal> {
    let is_hidden = |pid: &u32| {
        let listed = fs::read_dir(format!("/proc/{pid}/fd"));
        listed.is_err_and(|error| error.kind() == ErrorKind::PermissionDenied)
    };
    let inodes = watch::sockets(processes);
    let is_open = !inodes.is_empty() || !processes.iter().any(is_hidden);
    // A socket is whose it was made as, and who made it as the superuser need not be it any more.
    let users: Vec<u32> = processes.iter().flat_map(|&pid| watch::users(pid)).chain([0]).collect();
    let is_own = |door: &&Door| {
        if is_open {
            inodes.contains(&door.row.idiag_inode)
        } else {
            users.contains(&door.row.idiag_uid)
        }
    };
    let all = doors()?;
    let own: Vec<Reached> = all.iter().filter(is_own).map(Door::reached).collect();
    if let Some(port) = port {
        let (there, others): (Vec<_>, Vec<_>) =
            own.into_iter().partition(|reached| reached.addr.port() == port);
        return match there[..] {
            [] => Err(Refusal::NotThere(Who::of(pid), port, if is_open { others } else { there })),
            // IPv4 and IPv6 are rather one server's.
            [first, ..] if is_open || there.iter().all(|other| !is_beside(&first, other)) => {
                Ok((first, is_open))
            }
            _ => Err(Refusal::Unsure(Who::of(pid), port, there)),
        };
    }
    if !is_open {
        return Err(Refusal::Hidden(Who::of(pid)));
    }
    // Besides those of TCP, a socket of UDP is rather a client's.
    let over_tcp: Vec<Reached> = own.iter().filter(|reached| reached.is_tcp).copied().collect();
    let offered = if over_tcp.is_empty() { own } else { over_tcp };
    match offered.first() {
        None => Err(Refusal::Unreachable(Who::of(pid))),
        Some(first) if offered.iter().all(|other| other.addr.port() == first.addr.port()) => {
            Ok((*first, is_open))
        }
        Some(_) => Err(Refusal::Several(Who::of(pid), offered)),
    }
}

/// Whether two sockets with one port are at different addresses of one kind.
fn is_beside(one: &Reached, other: &Reached) -> bool {
    one.is_tcp == other.is_tcp && family(&one.addr) == family(&other.addr) && one.addr != other.addr
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_no_server() {
        let own = std::process::id();
        assert!(matches!(Running::find(own, None), Err(Refusal::Own(_))));
        let above = std::os::unix::process::parent_id();
        assert!(matches!(Running::find(above, None), Err(Refusal::Above(_))));
        assert!(matches!(Running::find(i32::MAX as u32, None), Err(Refusal::Nobody(_))));
    }
}

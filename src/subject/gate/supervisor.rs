//! Who answers at a gate.

#![forbid(unsafe_code)]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::{c_int, c_long};
use std::io::{ErrorKind, IoSliceMut};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use super::{CLOSE, Call, Open, RECEIVE, SEND, Shared, Sysno, signal};
use crate::linux::pidfd::{pidfd_getfd, pidfd_open};
use crate::linux::seccomp_notify::*;
use crate::linux::sys_uio::process_vm_readv;
use crate::net::{Deadline, from_c, wait};
use crate::posix::error::{EINTR, EMFILE, ENOENT, EPERM, Error, Result};
use crate::posix::netinet_in::IPPROTO_TCP;
use crate::posix::poll::{POLLHUP, POLLIN, pollfd};
use crate::posix::sys_socket::{
    CMSG_SPACE, MSG_CMSG_CLOEXEC, SO_ACCEPTCONN, SO_PROTOCOL, SOL_SOCKET, getsockname, getsockopt,
    recvmsg,
};
use crate::subject::watch::{self, Task};

/// Who answers, in a thread of its own that ends with the last process behind the gate.
pub(super) struct Supervisor {
    pub(super) shared: Arc<Shared>,
    /// Where listeners come in; gone when nobody can send one any more.
    pub(super) door: Option<OwnedFd>,
    /// One for each time that the gate was set up.
    pub(super) listeners: Vec<OwnedFd>,
    /// What stands in the place of a descriptor that a call has closed and failed all the same.
    pub(super) nothing: OwnedFd,
    /// The ports of the connections that were seen.
    pub(super) ports: RefCell<BTreeMap<u32, u16>>,
}

impl Supervisor {
    pub(super) fn run(mut self) {
        self.shared.supervisor.get_or_init(Task::mine);
        while self.door.is_some() || !self.listeners.is_empty() {
            let both = self.listeners.iter().chain(&self.door);
            let mut fds: Vec<pollfd> = both.map(|fd| pollfd::new(fd, POLLIN)).collect();
            // As long as the set stays the same.
            while self.turn(&mut fds) {}
        }
        let mut state = self.shared.state();
        state.over = true;
        signal(&self.shared.settled);
        signal(&self.shared.fired);
    }

    /// Waits for what comes next and answers it; false when a listener or the door has come or gone.
    fn turn(&mut self, fds: &mut [pollfd]) -> bool {
        if wait(fds, Deadline::NEVER).is_err() {
            // Only a lack of memory, which passes.
            return true;
        }
        let mut gone = Vec::new();
        for (at, listener) in self.listeners.iter().enumerate() {
            let found = fds[at].revents();
            if found & POLLIN != 0 {
                if let Err(error) = self.answer(listener) {
                    // From here on the listed calls do not exist: better than to wait for ever.
                    self.shared.state().refused = Some(error);
                    gone.push(at);
                }
            } else if found & POLLHUP != 0 {
                gone.push(at);
            }
        }
        let knocked = fds.get(self.listeners.len()).is_some_and(|door| door.revents() != 0);
        for &at in gone.iter().rev() {
            self.listeners.remove(at);
        }
        if knocked {
            self.open();
        }
        gone.is_empty() && !knocked
    }

    /// Takes a listener in, or the news that there is none, or that there is nobody left.
    fn open(&mut self) {
        const INT: usize = size_of::<c_int>();
        let Some(door) = &self.door else { return };
        let (mut said, mut control) = ([0; INT], [0; CMSG_SPACE(INT)]);
        let iov = &mut [IoSliceMut::new(&mut said)];
        let message = match recvmsg(door, iov, &mut control, MSG_CMSG_CLOEXEC) {
            Ok((INT, mut message)) => Some(message.msg_rights.pop()),
            Err(error) if error.errno() == EINTR => return,
            Ok(_) | Err(_) => None,
        };
        let mut state = self.shared.state();
        match message {
            Some(Some(listener)) => {
                // A kernel before 6.6 does not know it, and is only slower.
                let _ = seccomp_notif_set_flags(&listener, SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP);
                state.installed = true;
                self.listeners.push(listener);
            }
            Some(None) => {
                state.refused = Some(match c_int::from_ne_bytes(said) {
                    // There was one, for which this process has no room.
                    0 => Error::new("recvmsg", EMFILE),
                    errno => Error::new("seccomp", errno),
                });
            }
            None => self.door = None,
        }
        // When the door has closed, there is a listener or an end.
        if state.installed || state.refused.is_some() {
            signal(&self.shared.settled);
        }
    }

    /// Answers one call.
    ///
    /// # Errors
    ///
    /// What the kernel takes no answer with: `EINVAL` before Linux 5.5, where no call can be let through.
    fn answer(&self, listener: &OwnedFd) -> Result<()> {
        let asked = match seccomp_notif_recv(listener) {
            Ok(asked) => asked,
            Err(error) if matches!(error.errno(), EINTR | ENOENT) => return Ok(()),
            Err(error) => return Err(error),
        };
        // Held until the answer is given: what was armed or disarmed holds for this call too, or not.
        let mut state = self.shared.state();
        let is_watched = state.counting || state.fault.is_some();
        let mut call = is_watched.then(|| self.call(listener, &asked));
        if let Some(call) = &mut call {
            call.errno = state.verdict(call);
        }
        let errno = call.map_or(0, |call| call.errno);
        if errno != 0 && call.is_some_and(|call| call.sysno.name() == "close") {
            // Whatever close() fails with, what the descriptor was of is closed: so it is on Linux. A kernel before 5.9 can't
            // be told to.
            let closed = asked.data.args[0] as u32;
            let _ = seccomp_notif_setfd(listener, asked.id, &self.nothing, closed);
        }
        let go_on = if errno == 0 { SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32 } else { 0 };
        let resp = seccomp_notif_resp { id: asked.id, val: 0, error: -errno, flags: go_on };
        match seccomp_notif_send(listener, &resp) {
            Ok(()) => {}
            // Given up because of a signal: it will be made again, or never was.
            Err(error) if error.errno() == ENOENT => return Ok(()),
            Err(error) => return Err(error),
        }
        if let Some(call) = call {
            state.answered(call);
        }
        if errno != 0 {
            signal(&self.shared.fired);
        }
        Ok(())
    }

    /// What is asked about, with what its pointer points to.
    fn call(&self, listener: &OwnedFd, asked: &seccomp_notif) -> Call {
        let (tid, args) = (asked.pid, asked.data.args);
        let sysno = Sysno(c_long::from(asked.data.nr));
        let flags = match sysno.name() {
            "clone" => Some(args[0]),
            "fork" | "vfork" => Some(0),
            "clone3" => clone3_flags(listener, asked),
            _ => None,
        };
        let is_on_one = [RECEIVE, SEND, CLOSE].iter().any(|names| names.contains(&sysno.name()));
        let on = if is_on_one { self.descriptor(listener, asked) } else { Open::Other };
        Call { tid, sysno, args, on, flags, errno: 0 }
    }

    /// What the descriptor is of that is a call's first argument.
    fn descriptor(&self, listener: &OwnedFd, asked: &seccomp_notif) -> Open {
        let (tid, fd) = (asked.pid, asked.data.args[0] as c_int);
        let on = match watch::link(tid, fd) {
            Ok(link) => {
                watch::socket_in(&link).map_or(Open::Other, |inode| self.socket(tid, fd, inode))
            }
            Err(error) if error.kind() == ErrorKind::PermissionDenied => Open::Hidden,
            Err(_) => Open::Other,
        };
        // Only as long as it waits, the id is its own.
        seccomp_notif_id_valid(listener, asked.id).map_or(Open::Other, |()| on)
    }

    /// A socket, and its port, which stays what it is: it is asked once.
    fn socket(&self, tid: u32, fd: c_int, inode: u32) -> Open {
        let mut ports = self.ports.borrow_mut();
        if let Some(&port) = ports.get(&inode) {
            return Open::Socket { inode, port: Some(port) };
        }
        match port(tid, fd) {
            Ok(port) => {
                ports.extend(port.map(|port| (inode, port)));
                Open::Socket { inode, port }
            }
            Err(error) if error.errno() == EPERM => Open::Hidden,
            Err(_) => Open::Other,
        }
    }
}

/// The own port of a connection of TCP that a task has, which a socket that has been reset keeps; in the kernel's tables it is
/// not, and these are long.
fn port(tid: u32, fd: c_int) -> Result<Option<u16>> {
    // A thread has no pidfd before Linux 6.9.
    let pid = watch::status(tid, "Tgid").and_then(|pid| pid.parse().ok()).unwrap_or(tid as c_int);
    let socket = pidfd_getfd(&pidfd_open(pid, 0)?, fd, 0)?;
    let option = |name| getsockopt::<c_int>(&socket, SOL_SOCKET, name);
    if option(SO_PROTOCOL)? != IPPROTO_TCP || option(SO_ACCEPTCONN)? != 0 {
        return Ok(None);
    }
    Ok(from_c(&getsockname(&socket)?).map(|own| own.port()))
}

/// The first eight bytes of a `struct clone_args`.
fn clone3_flags(listener: &OwnedFd, asked: &seccomp_notif) -> Option<u64> {
    let mut bytes = [0; 8];
    let count = process_vm_readv(asked.pid as c_int, &mut bytes, asked.data.args[0]).ok()?;
    // Only as long as it waits, the id is its own.
    seccomp_notif_id_valid(listener, asked.id).ok()?;
    (count == bytes.len()).then_some(u64::from_ne_bytes(bytes))
}

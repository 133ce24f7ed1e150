//! The super-server of the examiner's own, above a command that is started for clients. `nowait`: it listens, accepts,
//! forks, and has the connection as the descriptors 0, 1 and 2 of whom it forks. `wait`: it waits until its socket has
//! something, forks, has the socket itself as these descriptors, and looks at it again when that one has ended. It is
//! small, and nothing ends it but a signal, or a command that takes nothing however often it is started.

#![expect(unsafe_code, reason = "what must happen between fork and exec")]

use std::ffi::{OsStr, OsString};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::sys::prctl;
use nix::unistd::{AccessFlags, access, setsid};

use super::ends::tell;
use super::queued::Queued;
use crate::linux::close_range::close_range;
use crate::net::{Deadline, to_c, wait};
use crate::posix::error::{EINTR, ENOENT, Error, Result};
use crate::posix::poll::{POLLIN, poll, pollfd};
use crate::posix::signal::{SIG_DFL, SIG_IGN, SIGCHLD, signal};
use crate::posix::sys_socket::{
    AF_INET, SO_REUSEADDR, SOCK_CLOEXEC, SOCK_DGRAM, SOCK_STREAM, SOL_SOCKET, SOMAXCONN, accept,
    bind, listen, setsockopt, socket,
};
use crate::posix::sys_wait::waitpid;
use crate::posix::unistd::{_exit, STDERR_FILENO, STDIN_FILENO, STDOUT_FILENO, dup2, fork};

/// How a command is started for clients, as inetd.conf has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inetd {
    /// For each connection, which it has.
    Nowait,
    /// When somebody is there and it does not run, with the socket.
    Wait {
        /// A listening socket of TCP, or else a socket of UDP.
        is_tcp: bool,
    },
}

/// So often in a row a command may end without having taken what it was started for.
pub const IN_VAIN: u32 = 20;

/// So long it pauses, in milliseconds, where no descriptor or no process can be had.
const PAUSE: i32 = 10;

/// Between fork and exec: this process becomes the super-server, and does not come back. Whoever comes back is the
/// child of a connection, or has the socket, and goes on to exec. To `teller` each end is told of whom it waits for.
///
/// # Errors
///
/// Those of `socket`, `bind` and `listen`, in the one; none in the others.
///
/// # Safety
///
/// Only in the child of a fork that has nothing to do but exec: every descriptor but 0, 1 and 2 is closed.
pub(super) unsafe fn serve(port: u16, style: Inetd, teller: Option<&OwnedFd>) -> io::Result<()> {
    let raw = |error: Error| io::Error::from_raw_os_error(error.errno());
    let socket = bound(port, style != Inetd::Wait { is_tcp: false }).map_err(raw)?;
    // Does not fail, with this argument.
    let _ = prctl::set_name(c"socklab-inetd");
    // SAFETY: the caller's contract: nobody uses what is closed.
    unsafe { close_others(&socket, teller) };
    match (style, teller) {
        (Inetd::Wait { is_tcp }, Some(teller)) => {
            // SAFETY: of the calls that follow in either process none takes a lock or allocates.
            unsafe { hand_over(&socket, is_tcp, port, teller) }.map_err(raw)
        }
        // SAFETY: as above.
        _ => unsafe { accept_for(&socket) }.map_err(raw),
    }
}

/// `nowait`.
///
/// # Safety
///
/// As [`serve`].
unsafe fn accept_for(listenfd: &OwnedFd) -> Result<()> {
    // It has no children to wait for: they are gone when they end.
    signal(SIGCHLD, SIG_IGN)?;
    loop {
        let Ok((connfd, _)) = accept(listenfd) else {
            // The client may be gone already, or there is no descriptor.
            let _ = poll(&mut [], PAUSE);
            continue;
        };
        // SAFETY: the caller's contract.
        if let Ok(0) = unsafe { fork() } {
            return become_the_service(&connfd);
        }
    }
}

/// `wait`.
///
/// # Safety
///
/// As [`serve`].
unsafe fn hand_over(socket: &OwnedFd, is_tcp: bool, port: u16, teller: &OwnedFd) -> Result<()> {
    let mut in_vain = 0;
    loop {
        if wait(&mut [pollfd::new(socket, POLLIN)], Deadline::NEVER) != Ok(true) {
            continue;
        }
        let before = Queued::at(socket, is_tcp, port);
        // SAFETY: the caller's contract.
        match unsafe { fork() } {
            Ok(0) => {
                // A group of its own: what a signal to it ends is not the super-server. A child leads none yet.
                let _ = setsid();
                return become_the_service(socket);
            }
            Ok(child) => {
                let wstatus = status_of(child);
                let is_still = before.is_still(Queued::at(socket, is_tcp, port));
                in_vain = if is_still { in_vain + 1 } else { 0 };
                tell(teller, wstatus, in_vain);
                if in_vain == IN_VAIN {
                    _exit(1)
                }
            }
            Err(_) => drop(poll(&mut [], PAUSE)),
        }
    }
}

/// Waits until a child has ended.
fn status_of(child: i32) -> i32 {
    loop {
        match waitpid(child, 0) {
            Err(error) if error.errno() == EINTR => {}
            ended => return ended.map_or(0, |(_, wstatus)| wstatus),
        }
    }
}

fn bound(port: u16, is_tcp: bool) -> Result<OwnedFd> {
    let kind = if is_tcp { SOCK_STREAM } else { SOCK_DGRAM };
    // 0, 1 and 2 are open: it is none of these, and no connection is.
    let sockfd = socket(AF_INET, kind | SOCK_CLOEXEC, 0)?;
    if is_tcp {
        setsockopt(&sockfd, SOL_SOCKET, SO_REUSEADDR, &1)?;
    }
    bind(&sockfd, &to_c(&SocketAddr::from((Ipv4Addr::LOCALHOST, port))))?;
    if is_tcp {
        listen(&sockfd, SOMAXCONN)?;
    }
    Ok(sockfd)
}

/// Closes all but 0, 1, 2 and these.
///
/// # Safety
///
/// As [`serve`].
unsafe fn close_others(socket: &OwnedFd, teller: Option<&OwnedFd>) {
    let number = |fd: &OwnedFd| fd.as_raw_fd().cast_unsigned();
    let (one, other) = (number(socket), teller.map_or(number(socket), number));
    let mut first = 3;
    for kept in [one.min(other), one.max(other)] {
        if first < kept {
            // SAFETY: the caller's contract: nobody uses these.
            let _ = unsafe { close_range(first, kept - 1) };
        }
        first = kept + 1;
    }
    // SAFETY: as above.
    let _ = unsafe { close_range(first, u32::MAX) };
}

/// The connection, or the socket, is what it reads from, writes to and complains to.
fn become_the_service(connfd: &OwnedFd) -> Result<()> {
    signal(SIGCHLD, SIG_DFL)?;
    for standard in [STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO] {
        // SAFETY: open, and used by nobody in this process.
        dup2(connfd, unsafe { BorrowedFd::borrow_raw(standard) })?;
    }
    Ok(())
}

/// The file of a program, as a shell finds it: what is missing is to be known before a client comes.
///
/// # Errors
///
/// `ENOENT`, or why it can't be executed.
pub(super) fn executable(program: &OsStr, path: Option<&OsStr>) -> io::Result<PathBuf> {
    let own = |file: &Path| access(file, AccessFlags::X_OK).map_err(io::Error::from);
    if program.as_bytes().contains(&b'/') {
        return own(Path::new(program)).map(|()| PathBuf::from(program));
    }
    let folders = path.map_or_else(|| OsString::from("/usr/bin:/bin"), OsStr::to_owned);
    let files = std::env::split_paths(&folders).map(|folder| folder.join(program));
    let found = files.into_iter().find(|file| file.is_file() && own(file).is_ok());
    found.ok_or_else(|| io::Error::from_raw_os_error(ENOENT))
}

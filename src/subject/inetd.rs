//! The super-server of the examiner's own, above a command that is started for each connection: it listens, accepts, forks,
//! and has the connection as the descriptors 0, 1 and 2 of whom it forks. It is small, and nothing ends it but a signal.

#![expect(unsafe_code, reason = "what must happen between fork and exec")]

use std::ffi::{OsStr, OsString};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::sys::prctl;
use nix::unistd::{AccessFlags, access};

use crate::linux::close_range::close_range;
use crate::net::to_c;
use crate::posix::error::{ENOENT, Error, Result};
use crate::posix::poll::poll;
use crate::posix::signal::{SIG_DFL, SIG_IGN, SIGCHLD, signal};
use crate::posix::sys_socket::{
    AF_INET, SO_REUSEADDR, SOCK_CLOEXEC, SOCK_STREAM, SOL_SOCKET, SOMAXCONN, accept, bind, listen,
    setsockopt, socket,
};
use crate::posix::unistd::{STDERR_FILENO, STDIN_FILENO, STDOUT_FILENO, dup2, fork};

/// So long it pauses, in milliseconds, where no descriptor or no process can be had.
const PAUSE: i32 = 10;

/// Between fork and exec: this process becomes the super-server, and does not come back. Whoever comes back is the
/// child of a connection, which goes on to exec.
///
/// # Errors
///
/// Those of `socket`, `bind` and `listen`, in the one; none in the others.
///
/// # Safety
///
/// Only in the child of a fork that has nothing to do but exec: every descriptor but 0, 1 and 2 is closed.
pub(super) unsafe fn serve(port: u16) -> io::Result<()> {
    let raw = |error: Error| io::Error::from_raw_os_error(error.errno());
    let listenfd = listening(port).map_err(raw)?;
    // It has no children to wait for: they are gone when they end.
    signal(SIGCHLD, SIG_IGN).map_err(raw)?;
    // Does not fail, with this argument.
    let _ = prctl::set_name(c"socklab-inetd");
    let kept = listenfd.as_raw_fd().cast_unsigned();
    // SAFETY: the caller's contract: nobody uses these.
    let _ = unsafe { close_range(3, kept - 1) };
    // SAFETY: as above.
    let _ = unsafe { close_range(kept + 1, u32::MAX) };
    loop {
        let Ok((connfd, _)) = accept(&listenfd) else {
            // The client may be gone already, or there is no descriptor.
            let _ = poll(&mut [], PAUSE);
            continue;
        };
        // SAFETY: of the calls that follow in either process none takes a lock or allocates.
        if let Ok(0) = unsafe { fork() } {
            return become_the_service(&connfd).map_err(raw);
        }
    }
}

fn listening(port: u16) -> Result<OwnedFd> {
    // 0, 1 and 2 are open: it is none of these, and no connection is.
    let listenfd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)?;
    setsockopt(&listenfd, SOL_SOCKET, SO_REUSEADDR, &1)?;
    bind(&listenfd, &to_c(&SocketAddr::from((Ipv4Addr::LOCALHOST, port))))?;
    listen(&listenfd, SOMAXCONN)?;
    Ok(listenfd)
}

/// The connection is what it reads from, writes to and complains to.
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

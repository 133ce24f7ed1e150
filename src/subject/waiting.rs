//! Waiting, until the user wants an end.

#![forbid(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::OnceLock;
use std::time::Duration;

use crate::linux::signalfd::{SFD_CLOEXEC, signalfd};
use crate::net::{Deadline, wait};
use crate::posix::Error;
use crate::posix::error::EINTR;
use crate::posix::poll::{POLLIN, pollfd};
use crate::posix::signal::{
    SIG_BLOCK, SIG_DFL, SIG_IGN, SIGHUP, SIGINT, SIGQUIT, SIGTERM, sigaddset, sigemptyset, signal,
    sigprocmask,
};

static INTERRUPTS: OnceLock<OwnedFd> = OnceLock::new();
static INPUT: OnceLock<OwnedFd> = OnceLock::new();

/// From here on SIGINT, SIGTERM, SIGQUIT and SIGHUP end every wait for a subject with `EINTR`, so that nothing of
/// it is left. Under nohup SIGHUP stays ignored.
///
/// # Errors
///
/// Those of `sigprocmask` and `signalfd`.
pub fn heed_interrupts() -> crate::posix::Result<()> {
    let mut set = sigemptyset();
    if signal(SIGHUP, SIG_DFL)? == SIG_IGN {
        signal(SIGHUP, SIG_IGN)?;
    } else {
        sigaddset(&mut set, SIGHUP)?;
    }
    for signum in [SIGINT, SIGTERM, SIGQUIT] {
        sigaddset(&mut set, signum)?;
        // Ignored (a shell does that to what it starts in the background), no server would heed it either.
        signal(signum, SIG_DFL)?;
    }
    sigprocmask(SIG_BLOCK, Some(&set))?;
    let fd = signalfd(&set, SFD_CLOEXEC)?;
    INTERRUPTS.get_or_init(|| fd);
    Ok(())
}

/// From here on so does the end of standard input, a pipe whose other end somebody has who is not to be survived. The
/// kernel closes it with that process, whatever ends it: no signal can come too late, or be lost.
///
/// # Errors
///
/// Those of `dup`.
pub fn heed_end_of_input() -> io::Result<()> {
    let fd = io::stdin().as_fd().try_clone_to_owned()?;
    INPUT.get_or_init(|| fd);
    Ok(())
}

/// Waits until a descriptor is ready; false once the deadline is over.
///
/// # Errors
///
/// Those of `poll`; `EINTR` if the user wants an end.
pub fn wait_for(fds: &mut Vec<pollfd>, deadline: Deadline) -> crate::posix::Result<bool> {
    let asked = fds.len();
    fds.extend(INTERRUPTS.get().map(|interrupts| pollfd::new(interrupts, POLLIN)));
    // Its end is told unasked; what may be read there is nobody's.
    fds.extend(INPUT.get().map(|input| pollfd::new(input, 0)));
    let is_ready = wait(fds, deadline);
    let is_over = fds[asked..].iter().any(|fd| fd.revents() != 0);
    fds.truncate(asked);
    if is_over { Err(Error::new("poll", EINTR)) } else { is_ready }
}

/// Between two looks at what can't be waited for.
pub(super) const LOOK: Duration = Duration::from_millis(1);

/// Looks again and again until something is there; `None` once the time is over.
pub fn until<T>(
    patience: Duration,
    mut look: impl FnMut() -> crate::posix::Result<Option<T>>,
) -> crate::posix::Result<Option<T>> {
    let end = Deadline::after(patience);
    loop {
        if let Some(found) = look()? {
            return Ok(Some(found));
        }
        if end.is_over() {
            return Ok(None);
        }
        wait_for(&mut Vec::new(), Deadline::after(LOOK))?;
    }
}

//! Non-Blocking: Example. Connects, makes the socket non-blocking and asks it again and again, until
//! a line has come: TCP may bring it in pieces.

use crate::client::connect_to;
use crate::posix::Result;
use crate::posix::error::{EAGAIN, EINTR};
use crate::posix::fcntl::*;
use crate::posix::sys_socket::*;
use crate::posix::time::*;
use crate::posix::unistd::*;

const ROUND: timespec = timespec { tv_sec: 0, tv_nsec: 10_000_000 };

/// What the client has to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event<'a> {
    /// connect() is about to be called.
    Connecting,
    /// It has returned.
    Connected,
    /// recv() would have blocked: EAGAIN, which is EWOULDBLOCK.
    WouldBlock,
    /// A line came, or several.
    Received(&'a [u8]),
}

/// Tells what happens, as long as `tell` returns true, until what has come ends a line, or the file (returns true), or
/// the file ends before anything has come (false). A `timeout` other than zero limits connecting, and then waiting, which ends with EAGAIN.
pub fn watch(
    host: &str,
    port: u16,
    timeout: &timeval,
    tell: &mut dyn FnMut(Event<'_>) -> bool,
) -> Result<bool> {
    tell(Event::Connecting);
    let sockfd = connect_to(host, port, SOCK_STREAM, timeout)?;
    tell(Event::Connected);
    fcntl(&sockfd, F_SETFL, O_NONBLOCK)?;
    let limited = timeout.tv_sec > 0 || timeout.tv_usec > 0;
    let start = clock_gettime(CLOCK_MONOTONIC)?;
    let mut buf = [0; 1024];
    let mut received = 0;
    while received < buf.len() && !buf[..received].ends_with(b"\n") {
        match recv(&sockfd, &mut buf[received..], 0) {
            Ok(0) => break,
            Ok(count) => received += count,
            Err(error) if error.errno() == EINTR => {}
            Err(error) if error.errno() == EAGAIN => {
                if !tell(Event::WouldBlock) {
                    return Ok(false);
                }
                if limited && elapsed(&start)? >= microseconds(timeout) {
                    return Err(error);
                }
                // A signal may end it early.
                let _ = nanosleep(&ROUND);
            }
            Err(error) => return Err(error),
        }
    }
    if received > 0 {
        tell(Event::Received(&buf[..received]));
    }
    close(sockfd)?;
    Ok(received > 0)
}

fn elapsed(start: &timespec) -> Result<i64> {
    let now = clock_gettime(CLOCK_MONOTONIC)?;
    Ok((now.tv_sec - start.tv_sec) * 1_000_000 + (now.tv_nsec - start.tv_nsec) / 1000)
}

fn microseconds(timeout: &timeval) -> i64 {
    timeout.tv_sec * 1_000_000 + timeout.tv_usec
}

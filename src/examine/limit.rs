//! For how long a task that waits will wait: what its call was given, and what its socket has been set to.

use std::time::Duration;

use crate::linux::pidfd::{pidfd_getfd, pidfd_open};
use crate::linux::sys_uio::process_vm_readv;
use crate::posix::sys_socket::{SO_RCVTIMEO, SOL_SOCKET, getsockopt, timeval};
use crate::subject::watch::{Call, Doing, Task};

/// The limit of the call in which a task is blocked, and its name; nothing if it has none, or nobody may know.
pub(in crate::examine) fn limit(task: &Task) -> Option<(Duration, &'static str)> {
    let Doing::Blocked(call) = task.doing() else { return None };
    let name = call.name()?;
    let limit = match name {
        "poll" => milliseconds(call.args[2]),
        "epoll_wait" | "epoll_pwait" => milliseconds(call.args[3]),
        "select" => pair(task, call.args[4], 1000),
        "pselect6" => pair(task, call.args[4], 1),
        "ppoll" => pair(task, call.args[2], 1),
        "read" | "readv" | "recvfrom" | "recvmsg" => {
            return receive(task, &call).map(|limit| (limit, "SO_RCVTIMEO"));
        }
        _ => None,
    };
    limit.map(|limit| (limit, name))
}

/// What poll() takes: a negative number is no limit.
fn milliseconds(arg: u64) -> Option<Duration> {
    u64::try_from(arg as i32).ok().map(Duration::from_millis)
}

/// A `struct timespec`, or a `struct timeval` with a unit of 1000 ns, at an address of the task; NULL is no limit.
fn pair(task: &Task, address: u64, unit: u64) -> Option<Duration> {
    let mut bytes = [0; 16];
    if address == 0 || process_vm_readv(task.pid as i32, &mut bytes, address) != Ok(bytes.len()) {
        return None;
    }
    let (seconds, part) = bytes.split_first_chunk::<8>()?;
    let seconds = u64::try_from(i64::from_ne_bytes(*seconds)).ok()?;
    let part = u64::try_from(i64::from_ne_bytes(*part.first_chunk()?)).ok()?;
    Some(Duration::from_secs(seconds) + Duration::from_nanos(part.saturating_mul(unit)))
}

fn receive(task: &Task, call: &Call) -> Option<Duration> {
    let socket = pidfd_getfd(pidfd_open(task.pid as i32, 0).ok()?, call.fd(), 0).ok()?;
    let limit = getsockopt::<timeval>(&socket, SOL_SOCKET, SO_RCVTIMEO).ok()?;
    let micros = limit.tv_sec.checked_mul(1_000_000)?.checked_add(limit.tv_usec)?;
    // 0 is none.
    u64::try_from(micros).ok().filter(|&micros| micros > 0).map(Duration::from_micros)
}

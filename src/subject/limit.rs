//! For how long a task that waits will wait: what its call was given, and what its socket has been set to.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::time::Duration;

use super::watch::{self, Call, Doing, Task};
use crate::linux::pidfd::{pidfd_getfd, pidfd_open};
use crate::linux::sys_uio::process_vm_readv;
use crate::posix::sys_socket::{SO_RCVTIMEO, SOL_SOCKET, getsockopt, timeval};
use crate::posix::time::clock_gettime;

/// For how long a call waits at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// For ever.
    Never,
    /// So long, and what says so.
    After(Duration, &'static str),
    /// Its limit lies in memory, or belongs to a socket, that may not be looked at.
    Unseen(&'static str),
}

impl Limit {
    fn of(time: Option<Duration>, name: &'static str) -> Self {
        time.map_or(Self::Never, |time| Self::After(time, name))
    }

    /// The time, if there is one that can be seen, and what says so.
    pub const fn seen(self) -> Option<(Duration, &'static str)> {
        match self {
            Self::After(time, name) => Some((time, name)),
            Self::Never | Self::Unseen(_) => None,
        }
    }
}

/// The limit that the call in which a task is blocked was given; nothing if it is in none that takes one.
pub fn limit(task: &Task) -> Option<Limit> {
    let Doing::Blocked(call) = task.doing() else { return None };
    limit_of(task, &call)
}

/// The one descriptor that a task waits to hear something from, in the call for that or in poll().
pub fn awaited(task: &Task) -> Option<i32> {
    let Doing::Blocked(call) = task.doing() else { return None };
    match call.name()? {
        "read" | "readv" | "recvfrom" | "recvmsg" => Some(call.fd()),
        // A `struct pollfd` begins with it.
        "poll" | "ppoll" if call.args[1] == 1 => {
            let mut fd = [0; 4];
            let read = process_vm_readv(task.pid as i32, &mut fd, call.args[0]);
            (read == Ok(fd.len())).then(|| i32::from_ne_bytes(fd))
        }
        _ => None,
    }
}

fn limit_of(task: &Task, call: &Call) -> Option<Limit> {
    let name = call.name()?;
    let args = call.args;
    Some(match name {
        "poll" => Limit::of(milliseconds(args[2]), name),
        "epoll_wait" | "epoll_pwait" => Limit::of(milliseconds(args[3]), name),
        "select" => pair(task, args[4], 1000, name),
        "pselect6" => pair(task, args[4], 1, name),
        "ppoll" => pair(task, args[2], 1, name),
        "epoll_pwait2" => pair(task, args[3], 1, name),
        "nanosleep" => pair(task, args[0], 1, name),
        "clock_nanosleep" => match pair(task, args[2], 1, name) {
            Limit::After(until, _) if args[1] & TIMER_ABSTIME != 0 => {
                Limit::of(left(args[0] as i32, until), name)
            }
            limit => limit,
        },
        "read" | "readv" | "recvfrom" | "recvmsg" => receive(task, call),
        _ => return None,
    })
}

/// `clock_nanosleep`'s flag: it was given a moment, and not how long.
const TIMER_ABSTIME: u64 = 1;

fn left(clock: i32, until: Duration) -> Option<Duration> {
    let now = clock_gettime(clock).ok()?;
    let now = Duration::new(u64::try_from(now.tv_sec).ok()?, u32::try_from(now.tv_nsec).ok()?);
    Some(until.saturating_sub(now))
}

/// What poll() takes: a negative number is no limit.
fn milliseconds(arg: u64) -> Option<Duration> {
    u64::try_from(arg as i32).ok().map(Duration::from_millis)
}

/// A `struct timespec`, or a `struct timeval` with a unit of 1000 ns, at an address of the task; NULL is no limit.
fn pair(task: &Task, address: u64, unit: u64, name: &'static str) -> Limit {
    let mut bytes = [0; 16];
    if address == 0 {
        return Limit::Never;
    }
    if process_vm_readv(task.pid as i32, &mut bytes, address) != Ok(bytes.len()) {
        return Limit::Unseen(name);
    }
    let word = |half: &[u8]| {
        half.first_chunk().and_then(|word| u64::try_from(i64::from_ne_bytes(*word)).ok())
    };
    let (seconds, part) = bytes.split_at(8);
    let time = word(seconds).zip(word(part)).map(|(seconds, part)| {
        Duration::from_secs(seconds) + Duration::from_nanos(part.saturating_mul(unit))
    });
    Limit::of(time, name)
}

fn receive(task: &Task, call: &Call) -> Limit {
    const NAME: &str = "SO_RCVTIMEO";
    let socket =
        pidfd_open(task.pid as i32, 0).and_then(|process| pidfd_getfd(process, call.fd(), 0));
    let Ok(socket) = socket else { return Limit::Unseen(NAME) };
    // What is no socket has none.
    let Ok(limit) = getsockopt::<timeval>(&socket, SOL_SOCKET, SO_RCVTIMEO) else {
        return Limit::Never;
    };
    let micros = limit.tv_sec.checked_mul(1_000_000).and_then(|all| all.checked_add(limit.tv_usec));
    // 0 is none.
    let micros = micros.and_then(|micros| u64::try_from(micros).ok()).filter(|&micros| micros > 0);
    Limit::of(micros.map(Duration::from_micros), NAME)
}

/// The tasks that wait for nothing but time, sleep() and its like, each with how often it had gone to sleep when it
/// was first seen there. It goes on by itself, whatever its clients do: until it has, nothing is over.
#[derive(Debug, Default)]
pub struct Naps(BTreeMap<u32, u64>);

impl Naps {
    /// Whether each of these tasks that waits for nothing but time has gone on since it was first seen; whoever does
    /// not within `patience` is not waited for.
    pub fn are_over(&mut self, tasks: &[Task], patience: Duration) -> bool {
        let mut are_over = true;
        for task in tasks {
            let Doing::Blocked(call) = task.doing() else { continue };
            if !call.is_nap() || !ends_within(limit_of(task, &call), patience) {
                continue;
            }
            let count = watch::naps_of(task).unwrap_or(0);
            are_over &= *self.0.entry(task.tid).or_insert(count) != count;
        }
        are_over
    }
}

fn ends_within(limit: Option<Limit>, patience: Duration) -> bool {
    match limit {
        Some(Limit::After(time, _)) => time <= patience,
        Some(Limit::Unseen(_)) => true,
        Some(Limit::Never) | None => false,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;
    use crate::subject::until;

    #[test]
    fn a_nap_is_over_when_its_task_has_gone_on() {
        let (told, tid) = channel();
        let (wake, woken) = channel::<()>();
        let sleeper = std::thread::spawn(move || {
            told.send(nix::unistd::gettid().as_raw() as u32).expect("somebody waits");
            while woken.try_recv().is_err() {
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        let task = Task { pid: std::process::id(), tid: tid.recv().expect("a thread") };
        let (mut naps, long) = (Naps::default(), Duration::from_secs(1000));
        for is_over in [false, true] {
            let mut look = || Ok((naps.are_over(&[task], long) == is_over).then_some(()));
            assert!(until(long, &mut look).expect("no interrupt").is_some());
        }
        assert!(Naps::default().are_over(&[task], Duration::ZERO));
        wake.send(()).expect("it runs");
        sleeper.join().expect("no panic");
    }
}

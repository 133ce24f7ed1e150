//! Where a strange command runs: in namespaces of its own where the system allows that, under limits, below
//! a process of ours that holds its whole tree together and ends with us.

#![expect(unsafe_code, reason = "what must happen between fork and exec")]

use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::mpsc::{Sender, channel};

use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::prctl;
use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit, setrlimit};
use nix::sys::signal::Signal;
use nix::unistd::{getegid, geteuid, setsid};

use crate::linux::close_range::close_range;
use crate::linux::net_if::{IFF_UP, siocsifflags};
use crate::posix::error::{EAGAIN, EINTR, Error};
use crate::posix::sys_socket::{AF_INET, SOCK_CLOEXEC, SOCK_DGRAM, socket};
use crate::posix::sys_wait::waitpid;
use crate::posix::unistd::{_exit, fork, write};

/// In what a command runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Isolation {
    /// In a network of its own, below a process 1 of its own.
    Namespaces,
    /// Beside everybody else, because the system refuses namespaces: why.
    Beside(String),
}

impl Isolation {
    /// In words.
    pub fn words(&self) -> String {
        match self {
            Self::Namespaces => String::from("namespaces of its own (network, processes)"),
            Self::Beside(why) => format!("the machine's own network ({why})"),
        }
    }
}

/// Puts this process into a network namespace of its own; without privilege into a user namespace as well. To
/// be called while it has one thread: the kernel gives no other a user namespace.
pub fn enter() -> Isolation {
    let (uid, gid) = (geteuid(), getegid());
    let mut entered =
        if uid.is_root() { unshare(CloneFlags::CLONE_NEWNET) } else { Err(nix::Error::EPERM) };
    if entered.is_err() {
        entered = unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET);
        let maps = [
            ("setgroups", String::from("deny")),
            ("uid_map", format!("{uid} {uid} 1")),
            ("gid_map", format!("{gid} {gid} 1")),
        ];
        for (file, line) in maps {
            if entered.is_ok()
                && let Err(error) = fs::write(format!("/proc/self/{file}"), line)
            {
                return Isolation::Beside(format!("/proc/self/{file}: {error}"));
            }
        }
    }
    if let Err(errno) = entered {
        return Isolation::Beside(Error::new("unshare", errno as i32).to_string());
    }
    match loopback_up() {
        Ok(()) => Isolation::Namespaces,
        Err(error) => Isolation::Beside(error.to_string()),
    }
}

/// Puts what is started, and opened, from here on into a new network, in which nothing has happened yet.
///
/// # Errors
///
/// Those of `unshare`, and of `ioctl` for the loopback interface.
pub fn renew_network() -> crate::posix::Result<()> {
    unshare(CloneFlags::CLONE_NEWNET).map_err(|errno| Error::new("unshare", errno as i32))?;
    loopback_up()
}

/// Does something that may renew the network, and comes back to the one there is now.
///
/// # Errors
///
/// Those of `open` and `setns`.
pub fn come_back_after<T>(body: impl FnOnce() -> T) -> crate::posix::Result<T> {
    let here = fs::File::open("/proc/thread-self/ns/net")
        .map_err(|error| Error::new("open", error.raw_os_error().unwrap_or(0)))?;
    let done = body();
    setns(here.as_fd(), CloneFlags::CLONE_NEWNET)
        .map_err(|errno| Error::new("setns", errno as i32))?;
    Ok(done)
}

fn loopback_up() -> crate::posix::Result<()> {
    let sockfd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)?;
    siocsifflags(&sockfd, c"lo", IFF_UP as i16)
}

/// What a command may use, each of its processes by itself unless it says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Tasks of the user in the namespace, all together; the superuser has no such limit.
    pub tasks: u64,
    /// Private memory, in bytes, a thread's reserved stack included.
    pub memory: u64,
    /// Seconds of CPU time.
    pub cpu: u64,
    /// The largest file, in bytes.
    pub file: u64,
    /// Descriptors that are open at once; `None` leaves what there is.
    pub descriptors: Option<u64>,
}

impl Limits {
    /// Those of an examination: far above what a sound server needs.
    pub const USUAL: Self =
        Self { tasks: 8192, memory: 64 << 30, cpu: 120, file: 64 << 20, descriptors: None };

    /// Sets them for this process. Allocates nothing.
    fn set(&self) -> nix::Result<()> {
        let lower = |resource: Resource, limit: u64| {
            let (_, hard) = getrlimit(resource)?;
            let limit = if hard == RLIM_INFINITY { limit } else { limit.min(hard) };
            setrlimit(resource, limit, limit)
        };
        lower(Resource::RLIMIT_NPROC, self.tasks)?;
        lower(Resource::RLIMIT_DATA, self.memory)?;
        lower(Resource::RLIMIT_CPU, self.cpu)?;
        lower(Resource::RLIMIT_FSIZE, self.file)?;
        lower(Resource::RLIMIT_CORE, 0)?;
        if let Some(descriptors) = self.descriptors {
            let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
            setrlimit(Resource::RLIMIT_NOFILE, descriptors.min(hard), hard)?;
        }
        Ok(())
    }
}

/// What a process of a namespace of its own needs to live: the signal that it asks for at its parent's end comes
/// with the end of the thread that has started it.
pub(super) type Stay = Option<Sender<()>>;

/// While `body` starts a process, that one is process 1 of a namespace of its own, and is so until what is
/// returned beside is dropped. A thread of its own does that: to take it back, as [`come_back_after`] does with
/// a network, would need a privilege.
pub(super) fn as_process_1<T: Send + 'static>(
    isolation: &Isolation,
    body: impl FnOnce() -> T + Send + 'static,
) -> crate::posix::Result<(T, Stay)> {
    if *isolation != Isolation::Namespaces {
        return Ok((body(), None));
    }
    let (stay, until) = channel();
    let (tell, told) = channel();
    let start = move || {
        let entered =
            unshare(CloneFlags::CLONE_NEWPID).map_err(|errno| Error::new("unshare", errno as i32));
        let started = entered.map(|()| body());
        // Nobody may be there to hear it; and what is waited for is that the other end is gone.
        let _ = tell.send(started);
        let _ = until.recv();
    };
    let failed = |errno: Option<i32>| Error::new("pthread_create", errno.unwrap_or(EAGAIN));
    std::thread::Builder::new()
        .name("cell".into())
        .spawn(start)
        .map_err(|error| failed(error.raw_os_error()))?;
    let started = told.recv().map_err(|_| failed(None))??;
    Ok((started, Some(stay)))
}

/// Between fork and exec: the process forks once more. The child is the one that goes on to exec; the parent
/// stays, adopts whom the tree leaves behind, writes the child's status into the pipe, and ends with the last
/// of them, or with us.
///
/// # Errors
///
/// Those of `fork`, `setsid` and `setrlimit`.
///
/// # Safety
///
/// Only in the child of a fork that has nothing to do but exec: in the parent of the two every descriptor but
/// the pipe is closed.
pub(super) unsafe fn split(status: &OwnedFd, limits: &Limits) -> io::Result<()> {
    let raw = |error: Error| io::Error::from_raw_os_error(error.errno());
    // SAFETY: of the calls that follow in either process none takes a lock or allocates.
    match unsafe { fork() }.map_err(raw)? {
        0 => {
            setsid()?;
            Ok(limits.set()?)
        }
        child => {
            // SAFETY: this process does nothing but what `keep` does, which uses the pipe alone.
            unsafe { keep(status, child) }
        }
    }
}

/// # Safety
///
/// As [`split`].
unsafe fn keep(status: &OwnedFd, child: i32) -> ! {
    let kept = status.as_raw_fd().cast_unsigned();
    if kept > 0 {
        // SAFETY: the caller's contract: nobody uses these.
        let _ = unsafe { close_range(0, kept - 1) };
    }
    // SAFETY: as above.
    let _ = unsafe { close_range(kept + 1, u32::MAX) };
    // Neither fails, with these arguments.
    let _ = prctl::set_pdeathsig(Signal::SIGKILL);
    let _ = prctl::set_child_subreaper(true);
    let _ = prctl::set_name(c"socklab-cell");
    loop {
        match waitpid(-1, 0) {
            Ok((pid, wstatus)) if pid == child => {
                // Nobody may be there to read it.
                let _ = write(status, &wstatus.to_ne_bytes());
            }
            Ok(_orphan) => {}
            Err(error) if error.errno() == EINTR => {}
            // Nobody is left.
            Err(_) => _exit(0),
        }
    }
}

//! Where a strange command runs: in namespaces of its own where the system allows that, under limits, below
//! a process of ours that holds its whole tree together and ends with us.

#![expect(unsafe_code, reason = "what must happen between fork and exec")]

use std::ffi::CStr;
use std::fs;
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::fcntl::{OFlag, open};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::prctl;
use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit, setrlimit};
use nix::sys::stat::Mode;
use nix::unistd::{getegid, geteuid, setsid};

use crate::linux::close_range::close_range;
use crate::linux::net_if::{IFF_UP, siocsifflags};
use crate::linux::signalfd::{SFD_CLOEXEC, SFD_NONBLOCK, signalfd};
use crate::posix::error::{EINTR, Error};
use crate::posix::poll::{POLLIN, poll, pollfd};
use crate::posix::signal::{
    SIG_BLOCK, SIGCHLD, SIGHUP, SIGINT, SIGKILL, SIGPIPE, SIGQUIT, SIGTERM, kill, sigaddset,
    sigemptyset, sigprocmask,
};
use crate::posix::sys_socket::{AF_INET, SOCK_CLOEXEC, SOCK_DGRAM, socket};
use crate::posix::sys_wait::{WEXITSTATUS, WIFEXITED, WNOHANG, waitpid};
use crate::posix::unistd::{_exit, fork, read, write};

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

/// Whether [`enter`] would come to namespaces: tried by a process of its own. To be called while there is one thread.
pub fn has_namespaces() -> bool {
    // SAFETY: no other thread has a lock that the child could wait for.
    match unsafe { fork() } {
        Ok(0) => _exit(i32::from(enter() != Isolation::Namespaces)),
        Ok(pid) => {
            waitpid(pid, 0).is_ok_and(|(_, status)| WIFEXITED(status) && WEXITSTATUS(status) == 0)
        }
        Err(_) => false,
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
    /// Tasks of the user in the namespace, all together; where the superuser is not bound by that, of the namespace
    /// (Linux 6.14 and later).
    pub tasks: u64,
    /// Private memory, in bytes, a thread's reserved stack included. Whoever is limited is the first to go when the
    /// machine has none left.
    pub memory: u64,
    /// Seconds of CPU time.
    pub cpu: u64,
    /// The largest file, in bytes.
    pub file: u64,
    /// Descriptors that are open at once; `None` leaves what there is.
    pub descriptors: Option<u64>,
}

impl Limits {
    /// Those of an examination: far above what a sound server needs, as the stacks of five hundred threads twice.
    pub const USUAL: Self =
        Self { tasks: 8192, memory: 8 << 30, cpu: 120, file: 64 << 20, descriptors: None };

    /// Those that the user has.
    pub const INHERITED: Self = Self {
        tasks: RLIM_INFINITY,
        memory: RLIM_INFINITY,
        cpu: RLIM_INFINITY,
        file: RLIM_INFINITY,
        descriptors: None,
    };

    /// Sets them for this process. Allocates nothing.
    fn set(&self) -> nix::Result<()> {
        let lower = |resource: Resource, limit: u64| {
            let (soft, hard) = getrlimit(resource)?;
            setrlimit(resource, limit.min(soft), limit.min(hard))
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
        if self.memory != RLIM_INFINITY {
            // Where there is no such file, the machine chooses as it always does.
            let _ = write_into(c"/proc/self/oom_score_adj", b"1000");
        }
        Ok(())
    }

    /// Lets the namespace of this process, its process 1, have no more tasks than that. Allocates nothing.
    fn set_within(&self) {
        // Before that the limit was the whole machine's.
        const OF_A_NAMESPACE: (u32, u32) = (6, 14);
        if self.tasks != RLIM_INFINITY && release().is_some_and(|release| release >= OF_A_NAMESPACE)
        {
            let mut text = io::Cursor::new([0; 20]);
            if write!(text, "{}", self.tasks).is_ok() {
                let length = text.position() as usize;
                let _ = write_into(c"/proc/sys/kernel/pid_max", &text.get_ref()[..length]);
            }
        }
    }
}

/// Writes a file of the kernel's. Allocates nothing.
fn write_into(path: &CStr, bytes: &[u8]) -> Option<usize> {
    let file = open(path, OFlag::O_WRONLY | OFlag::O_CLOEXEC, Mode::empty()).ok()?;
    write(&file, bytes).ok()
}

/// The kernel's release: of 6.18.2 the first two numbers. Allocates nothing.
fn release() -> Option<(u32, u32)> {
    let mut text = [0; 64];
    let path = c"/proc/sys/kernel/osrelease";
    let file = open(path, OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty()).ok()?;
    let length = read(&file, &mut text).ok()?;
    let mut numbers = std::str::from_utf8(text.get(..length)?).ok()?.split(['.', '-', '\n']);
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// How many processes of ours stay above a command that is in such a cell: see [`split`].
pub(super) fn above(isolation: &Isolation) -> usize {
    if *isolation == Isolation::Namespaces { 2 } else { 1 }
}

/// Between fork and exec: the process forks once more. The child is the one that goes on to exec; the parent
/// stays, adopts whom the tree leaves behind, writes the child's status into the pipe, and ends with the last
/// of them, or with us. With namespaces that parent is process 1 of one of its own, below one more of ours:
/// without privilege nobody comes back who has made such a namespace.
///
/// # Errors
///
/// Those of `unshare`, `fork`, `setsid` and `setrlimit`.
///
/// # Safety
///
/// Only in the child of a fork that has nothing to do but exec: in the parent of the two every descriptor but
/// the pipe is closed.
pub(super) unsafe fn split(
    status: &OwnedFd,
    limits: &Limits,
    isolation: &Isolation,
) -> io::Result<()> {
    let raw = |error: Error| io::Error::from_raw_os_error(error.errno());
    if *isolation == Isolation::Namespaces {
        unshare(CloneFlags::CLONE_NEWPID)?;
        // SAFETY: of the calls that follow in either process none takes a lock or allocates.
        if unsafe { fork() }.map_err(raw)? != 0 {
            // SAFETY: this process does nothing but wait.
            unsafe { wait_outside() }
        }
        limits.set_within();
    }
    // SAFETY: of the calls that follow in either process none takes a lock or allocates.
    match unsafe { fork() }.map_err(raw)? {
        0 => {
            setsid()?;
            Ok(limits.set()?)
        }
        child => {
            // SAFETY: this process does nothing but what `keep` does, which uses the pipe alone.
            unsafe { keep(status, child, isolation) }
        }
    }
}

/// # Safety
///
/// As [`split`]; of this process no descriptor is left.
unsafe fn wait_outside() -> ! {
    // SAFETY: the caller's contract: nobody uses these.
    let _ = unsafe { close_range(0, u32::MAX) };
    // Does not fail, with this argument.
    let _ = prctl::set_name(c"socklab-cell");
    // Until nobody is left: the process that keeps the cell ends with us.
    while !matches!(waitpid(-1, 0), Err(error) if error.errno() != EINTR) {}
    _exit(0)
}

/// That we are gone is told by the pipe: its reader is, whatever has ended us, and the kernel says so to `poll()`. A signal
/// at the parent's death (`PR_SET_PDEATHSIG`) would come with the end of the one thread that has started the command, and
/// not at all if that was over before it was asked for.
///
/// # Safety
///
/// As [`split`].
unsafe fn keep(status: &OwnedFd, child: i32, isolation: &Isolation) -> ! {
    let kept = status.as_raw_fd().cast_unsigned();
    if kept > 0 {
        // SAFETY: the caller's contract: nobody uses these.
        let _ = unsafe { close_range(0, kept - 1) };
    }
    // SAFETY: as above.
    let _ = unsafe { close_range(kept + 1, u32::MAX) };
    // Neither fails, with these arguments.
    let _ = prctl::set_child_subreaper(true);
    let _ = prctl::set_name(c"socklab-cell");
    let Ok(news) = hold_signals() else { end_all(isolation) };
    loop {
        match waitpid(-1, WNOHANG) {
            Ok((0, _)) => {
                let mut fds = [pollfd::new(&news, POLLIN), pollfd::new(status, 0)];
                let _ = poll(&mut fds, -1);
                if fds[1].revents() != 0 {
                    end_all(isolation);
                }
                let _ = read(&news, &mut [0; 1024]);
            }
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

/// Holds back the signals that would end this process, and returns a descriptor that tells of ended children.
fn hold_signals() -> crate::posix::Result<OwnedFd> {
    let mut held = sigemptyset();
    for signum in [SIGCHLD, SIGPIPE, SIGHUP, SIGINT, SIGQUIT, SIGTERM] {
        sigaddset(&mut held, signum)?;
    }
    sigprocmask(SIG_BLOCK, Some(&held))?;
    let mut told = sigemptyset();
    sigaddset(&mut told, SIGCHLD)?;
    signalfd(&told, SFD_CLOEXEC | SFD_NONBLOCK)
}

/// Ends all that is below this process, and then itself. With process 1 its whole namespace ends; else whoever loses its
/// parent comes to light in the next look. Allocates nothing and takes no lock.
fn end_all(isolation: &Isolation) -> ! {
    if *isolation == Isolation::Namespaces {
        _exit(0);
    }
    loop {
        let mut text = [0; 4096];
        let children = open(c"/proc/thread-self/children", OFlag::O_RDONLY, Mode::empty());
        let length = children.ok().and_then(|file| read(file, &mut text).ok()).unwrap_or(0);
        let mut pid = 0;
        // A number that is cut is in the next look.
        for byte in &text[..length] {
            if byte.is_ascii_digit() {
                pid = pid * 10 + i32::from(byte - b'0');
            } else if pid > 0 {
                let _ = kill(pid, SIGKILL);
                pid = 0;
            }
        }
        if matches!(waitpid(-1, 0), Err(error) if error.errno() != EINTR) {
            _exit(0);
        }
    }
}

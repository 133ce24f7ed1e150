//! What can be seen of running processes from outside, in /proc: tasks, what each is doing, descriptors, signals,
//! CPU time, memory.

#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::time::Duration;

use crate::linux::sys_syscall;

use super::tids;

/// A thread of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Task {
    /// Its process.
    pub pid: u32,
    /// Itself; the first thread's number is the process's.
    pub tid: u32,
}

/// What a task is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Doing {
    /// It has a CPU or waits for one.
    Running,
    /// It is blocked in this system call, with these arguments.
    Blocked(Call),
    /// It is blocked outside of any call: stopped, or ending.
    Elsewhere,
    /// It has ended.
    Ended,
    /// The system does not say: the process is somebody else's.
    Hidden,
}

/// A system call that is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// Its number.
    pub number: i64,
    /// What it was given.
    pub args: [u64; 6],
}

impl Call {
    /// Its name; nothing for one that no server is expected to wait in.
    pub fn name(&self) -> Option<&'static str> {
        sys_syscall::name(self.number)
    }

    /// Whether it is one of these.
    pub fn is(&self, names: &[&str]) -> bool {
        self.name().is_some_and(|name| names.contains(&name))
    }

    /// Whether it waits for nothing but time: sleep(), or select() and poll() without a descriptor.
    pub fn is_nap(&self) -> bool {
        match self.name() {
            Some("nanosleep" | "clock_nanosleep") => true,
            Some("select" | "pselect6") => self.args[0] == 0,
            Some("poll" | "ppoll") => self.args[1] == 0,
            _ => false,
        }
    }

    /// The descriptor that its first argument is.
    pub const fn fd(&self) -> i32 {
        self.args[0] as i32
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(name) = self.name() else { return write!(f, "system call {}", self.number) };
        match name {
            "poll" | "ppoll" => write!(f, "{name}(nfds={})", self.args[1]),
            "select" | "pselect6" => write!(f, "{name}(nfds={})", self.args[0]),
            "futex" | "clock_nanosleep" | "nanosleep" | "wait4" | "waitid" | "restart_syscall" => {
                write!(f, "{name}()")
            }
            _ => write!(f, "{name}({})", self.fd()),
        }
    }
}

impl Task {
    /// The thread that asks.
    pub fn mine() -> Self {
        Self { pid: std::process::id(), tid: nix::unistd::gettid().as_raw().cast_unsigned() }
    }

    /// What it is doing at this moment.
    pub fn doing(&self) -> Doing {
        let text = match fs::read_to_string(format!("{}/syscall", self.path())) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                return Doing::Hidden;
            }
            Err(_) => return Doing::Ended,
        };
        if text.starts_with("running") {
            return Doing::Running;
        }
        let mut words = text.split_whitespace();
        let number = words.next().and_then(|word| word.parse().ok()).unwrap_or(-1);
        if number == -1 {
            return match state(self.tid) {
                None | Some('Z' | 'X') => Doing::Ended,
                Some(_) => Doing::Elsewhere,
            };
        }
        let mut args = [0; 6];
        for (arg, word) in args.iter_mut().zip(words) {
            *arg = u64::from_str_radix(word.trim_start_matches("0x"), 16).unwrap_or(0);
        }
        Doing::Blocked(Call { number, args })
    }

    /// Whether it sleeps, in a call or stopped by a signal, or has ended; not while a tracer holds it.
    pub fn sleeps(&self) -> bool {
        matches!(self.state(), None | Some('S' | 'Z' | 'X' | 'T'))
    }

    /// Whether it is there, and no zombie.
    pub fn lives(&self) -> bool {
        !matches!(self.state(), None | Some('Z' | 'X'))
    }

    /// Its letter in /proc/PID/stat, seen also where its calls are hidden; `None` if it is gone.
    pub fn state(&self) -> Option<char> {
        let stat = fs::read_to_string(format!("{}/stat", self.path())).unwrap_or_default();
        state_in(&stat)
    }

    /// Whether it waits at a [gate](super::gate) for the answer whether its call may be made: not asleep, but
    /// stopped on its way.
    pub fn is_held(&self) -> bool {
        let place = fs::read_to_string(format!("{}/wchan", self.path())).unwrap_or_default();
        place.starts_with("seccomp_")
    }

    fn path(&self) -> String {
        format!("/proc/{}/task/{}", self.pid, self.tid)
    }
}

/// Every task of some processes.
pub fn tasks(processes: &[u32]) -> Vec<Task> {
    processes
        .iter()
        .flat_map(|&pid| tids(pid).into_iter().map(move |tid| Task { pid, tid }))
        .collect()
}

fn state_in(stat: &str) -> Option<char> {
    stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next())
}

/// A process's or a thread's state: `R`, `S`, `T` and so on; nothing once it is gone.
pub fn state(pid: u32) -> Option<char> {
    state_in(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// Whether a process is a thread of the kernel's (`PF_KTHREAD` among the flags of /proc/PID/stat).
pub fn is_kernels(pid: u32) -> bool {
    has_flag(pid, 0x0020_0000)
}

/// Whether a process is about to end (`PF_EXITING` there).
pub fn is_ending(pid: u32) -> bool {
    has_flag(pid, 0x0000_0004)
}

fn has_flag(pid: u32, flag: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let flags = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(6)?.parse().ok());
    flags.is_some_and(|flags: u32| flags & flag != 0)
}

/// The users that a process is: real, effective, saved, and of the file system.
pub fn users(pid: u32) -> Vec<u32> {
    let line = status(pid, "Uid").unwrap_or_default();
    line.split_whitespace().filter_map(|uid| uid.parse().ok()).collect()
}

/// The process group of a process.
pub fn group(pid: u32) -> Option<i32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(") ")?;
    // The state and the parent come before it.
    rest.split(' ').nth(2)?.parse().ok()
}

/// The descriptors of a process and what each is; nothing where the system hides them.
pub fn descriptors(pid: u32) -> Vec<(i32, String)> {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/fd")) else { return Vec::new() };
    let mut found: Vec<(i32, String)> = entries
        .flatten()
        .filter_map(|entry| {
            let fd = entry.file_name().to_str()?.parse().ok()?;
            Some((fd, fs::read_link(entry.path()).ok()?.to_string_lossy().into_owned()))
        })
        .collect();
    found.sort_unstable();
    found
}

/// What a descriptor of a process is.
///
/// # Errors
///
/// Those of `readlink`: `EACCES` where the system hides it.
pub fn link(pid: u32, fd: i32) -> std::io::Result<String> {
    Ok(fs::read_link(format!("/proc/{pid}/fd/{fd}"))?.to_string_lossy().into_owned())
}

/// Whether the system hides which descriptors a process has.
pub fn hides_descriptors(pid: u32) -> bool {
    let is_denied = |error: std::io::Error| error.kind() == std::io::ErrorKind::PermissionDenied;
    match fs::read_dir(format!("/proc/{pid}/fd")) {
        Err(error) => is_denied(error),
        // Whose numbers are shown, what they are need not be.
        Ok(mut entries) => {
            let first = entries.find_map(Result::ok);
            first.is_some_and(|first| fs::read_link(first.path()).is_err_and(is_denied))
        }
    }
}

/// How many descriptors a process has; 0 where the system hides them.
pub fn descriptor_count(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count)
}

/// The number of the socket that a link of /proc/PID/fd names.
pub fn socket_in(link: &str) -> Option<u32> {
    link.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

/// The sockets that some processes have open, as the kernel numbers them.
pub fn sockets(processes: &[u32]) -> BTreeSet<u32> {
    let links = processes.iter().flat_map(|&pid| descriptors(pid));
    links.filter_map(|(_, link)| socket_in(&link)).collect()
}

/// What /proc/PID/fdinfo/FD says.
pub fn fdinfo(pid: u32, fd: i32) -> Option<String> {
    fs::read_to_string(format!("/proc/{pid}/fdinfo/{fd}")).ok()
}

/// The flags of an open descriptor, such as `O_NONBLOCK`, as /proc/PID/fdinfo/FD has them.
pub fn flags(pid: u32, fd: i32) -> Option<u32> {
    let info = fdinfo(pid, fd)?;
    let octal = info.lines().find_map(|line| line.strip_prefix("flags:"))?;
    u32::from_str_radix(octal.trim(), 8).ok()
}

/// A line of /proc/PID/status, by the word before its colon.
pub fn status(pid: u32, field: &str) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
    Some(line.trim().to_owned())
}

/// A size of /proc/PID/status, such as `VmRSS`, in bytes.
pub fn size(pid: u32, field: &str) -> Option<u64> {
    let kilobytes: u64 = status(pid, field)?.split_whitespace().next()?.parse().ok()?;
    Some(kilobytes << 10)
}

/// Whether a mask of /proc/PID/status, such as `SigIgn`, has a signal.
pub fn has_signal(pid: u32, mask: &str, signal: i32) -> Option<bool> {
    let bits = u64::from_str_radix(&status(pid, mask)?, 16).ok()?;
    Some(bits & (1 << (signal - 1)) != 0)
}

/// What some tasks have had of the CPU until now, to see what is spent after that.
pub struct Meter(BTreeMap<u32, Duration>);

impl Meter {
    /// From now on, with the tasks that some processes have now.
    pub fn of(processes: &[u32]) -> Self {
        Self(tasks(processes).into_iter().map(|task| (task.tid, cpu_of(task))).collect())
    }

    /// The CPU time that the tasks of some processes have had since: of those that are still there, and of new ones.
    pub fn spent(&self, processes: &[u32]) -> Duration {
        let before = |tid: u32| self.0.get(&tid).copied().unwrap_or_default();
        let spent = |task: Task| cpu_of(task).saturating_sub(before(task.tid));
        tasks(processes).into_iter().map(spent).sum()
    }
}

/// What the kernel has accounted of a task until now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Scheduled {
    /// Spent on a CPU.
    pub cpu: Duration,
    /// Spent waiting for one; no time where the kernel does not tell.
    pub waited: Duration,
    /// How often it got one.
    pub turns: u64,
}

/// The three figures of /proc/PID/schedstat. A kernel may be built without: then it is the CPU time alone, which is less
/// exact.
pub fn scheduled(task: Task) -> Scheduled {
    let text = fs::read_to_string(format!("{}/schedstat", task.path())).unwrap_or_default();
    let mut figures = text.split_whitespace().map_while(|word| word.parse().ok());
    match (figures.next(), figures.next(), figures.next()) {
        (Some(cpu), Some(waited), Some(turns)) => {
            let (cpu, waited) = (Duration::from_nanos(cpu), Duration::from_nanos(waited));
            Scheduled { cpu, waited, turns }
        }
        _ => Scheduled { cpu: ticks_of(task), ..Scheduled::default() },
    }
}

/// The CPU time of a task until now.
pub fn cpu_of(task: Task) -> Duration {
    scheduled(task).cpu
}

/// For how long a task has waited for a CPU until now; no time where the kernel does not tell.
pub fn starved(task: Task) -> Duration {
    scheduled(task).waited
}

/// The CPU time of a task by the clock's ticks, a hundredth of a second each.
fn ticks_of(task: Task) -> Duration {
    let stat = fs::read_to_string(format!("{}/stat", task.path())).unwrap_or_default();
    let rest = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    // utime and stime, the fields 14 and 15 of all, of which two are left out here.
    let ticks: u64 =
        rest.split(' ').skip(11).take(2).filter_map(|word| word.parse::<u64>().ok()).sum();
    Duration::from_millis(10).saturating_mul(u32::try_from(ticks).unwrap_or(u32::MAX))
}

/// How often the tasks of some processes have gone to sleep.
pub fn naps(processes: &[u32]) -> u64 {
    tasks(processes).iter().filter_map(naps_of).sum()
}

/// How often a task has gone to sleep.
pub fn naps_of(task: &Task) -> Option<u64> {
    let text = fs::read_to_string(format!("{}/status", task.path())).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?;
    line.trim().parse().ok()
}

/// What a process was told when its program was started, its addresses among that: the same in all that fork()
/// made of it, another after exec(). Nothing where the system hides it.
pub fn image(pid: u32) -> Option<Vec<u8>> {
    fs::read(format!("/proc/{pid}/auxv")).ok()
}

/// What a program was started with, the words that its command had; another program has others.
pub fn arguments(pid: u32) -> Option<Vec<u8>> {
    fs::read(format!("/proc/{pid}/cmdline")).ok()
}

/// How many areas of memory a process has mapped; nothing where the system hides them.
pub fn areas(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/maps")).ok()?;
    Some(text.lines().count() as u64)
}

/// The seconds of CPU time after which a process is told to end, if there is such a limit.
pub fn cpu_limit(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/limits")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Max cpu time"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// The children of some processes that have ended and are not reaped.
pub fn zombies(processes: &[u32]) -> Vec<u32> {
    processes.iter().copied().filter(|&pid| state(pid) == Some('Z')).collect()
}

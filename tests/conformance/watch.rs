//! A server seen from outside: its tasks, the calls that they are blocked in, its descriptors.

use std::fs;
use std::io;
use std::thread::yield_now;
use std::time::{Duration, Instant};

use nix::libc;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

pub(crate) use crate::support::tree;
use crate::support::{Server, tids};

/// How long a wait may take before it counts as one that never ends: not a criterion of anything.
const NEVER: Duration = Duration::from_secs(60);

/// Waits until something is so.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < NEVER, "never happened: {what}");
        yield_now();
    }
}

/// Waits until there is something, and returns it.
pub(crate) fn until_some<T>(what: &str, mut get: impl FnMut() -> Option<T>) -> T {
    let mut found = None;
    until(what, || {
        found = get();
        found.is_some()
    });
    found.expect("just found")
}

/// A call that has a time limit is not resumed by the kernel when something interrupts it.
pub(crate) fn resumed<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

/// A thread of a process of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Task {
    pub(crate) pid: i32,
    pub(crate) tid: i32,
}

/// What a task is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doing {
    /// It has a CPU or waits for one.
    Running,
    /// It is blocked in this system call with these arguments.
    Blocked(i64, [u64; 6]),
    /// It has ended.
    Ended,
}

impl Task {
    pub(crate) fn doing(&self) -> Doing {
        let Ok(text) = fs::read_to_string(format!("{}/syscall", self.path())) else {
            return Doing::Ended;
        };
        if text.starts_with("running") {
            return Doing::Running;
        }
        let mut words = text.split_whitespace();
        let number = words.next().and_then(|word| word.parse().ok()).unwrap_or(-1);
        let mut args = [0; 6];
        for (arg, word) in args.iter_mut().zip(words) {
            *arg = u64::from_str_radix(word.trim_start_matches("0x"), 16).unwrap_or(0);
        }
        Doing::Blocked(number, args)
    }

    fn path(&self) -> String {
        format!("/proc/{}/task/{}", self.pid, self.tid)
    }

    /// A number from its status, such as `voluntary_ctxt_switches`.
    pub(crate) fn status(&self, field: &str) -> Option<u64> {
        status(&self.path(), field)?.parse().ok()
    }
}

fn status(path: &str, field: &str) -> Option<String> {
    let text = fs::read_to_string(format!("{path}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
    line.split_whitespace().next().map(str::to_owned)
}

/// Whether a call can only end when a client or a signal ends it: none of the kind that asks again
/// after a while.
pub(crate) fn sleeps(doing: Doing) -> bool {
    match doing {
        Doing::Blocked(number, args) => match number {
            libc::SYS_accept
            | libc::SYS_accept4
            | libc::SYS_recvfrom
            | libc::SYS_recvmsg
            | libc::SYS_read => true,
            // With a time limit it has an extended argument, which this flag announces.
            libc::SYS_io_uring_enter => args[3] & (1 << 3) == 0,
            // No time limit is given.
            libc::SYS_pselect6 => args[4] == 0,
            // After a stop poll() goes on under this number.
            libc::SYS_poll | libc::SYS_restart_syscall => args[2] as i32 == -1,
            libc::SYS_epoll_wait | libc::SYS_epoll_pwait => args[3] as i32 == -1,
            libc::SYS_futex => args[3] == 0,
            libc::SYS_recvmmsg => args[4] == 0,
            libc::SYS_rt_sigtimedwait => args[2] == 0,
            libc::SYS_fcntl => true,
            _ => false,
        },
        Doing::Running | Doing::Ended => false,
    }
}

/// Whether it waits for clients as long as their time lasts, and until then for nothing else.
pub(crate) fn waits(doing: Doing) -> bool {
    matches!(doing, Doing::Blocked(libc::SYS_epoll_wait | libc::SYS_epoll_pwait, _))
}

/// Whether it is blocked in a call that time alone ends.
pub(crate) fn polls(doing: Doing) -> bool {
    matches!(doing, Doing::Blocked(libc::SYS_clock_nanosleep | libc::SYS_nanosleep, _))
}

/// The thread sanitizer has a thread of its own, which wakes now and then.
pub(crate) fn is_sanitizer(task: Task) -> bool {
    task.tid != task.pid && polls(task.doing())
}

/// Every task of a server, its children's included.
pub(crate) fn tasks(server: &Server) -> Vec<Task> {
    let mut tasks = Vec::new();
    for pid in tree(server.pid()) {
        tasks.extend(tids(pid).into_iter().map(|tid| Task { pid, tid }));
    }
    tasks.sort_unstable();
    tasks
}

/// The task that serves, or the first of them: a pool's first process or thread only waits for
/// signals, once the server is at rest.
pub(crate) fn serving_task(server: &Server) -> Task {
    let waits_for_signals =
        |task: &Task| matches!(task.doing(), Doing::Blocked(libc::SYS_rt_sigtimedwait, _));
    let serves = |task: &Task| !waits_for_signals(task) && !is_sanitizer(*task);
    tasks(server).into_iter().find(serves).expect("somebody serves")
}

/// The descriptors of a process and what they are, in order.
pub(crate) fn descriptors(pid: i32) -> Vec<(i32, String)> {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/fd")) else { return Vec::new() };
    let mut found: Vec<(i32, String)> = entries
        .flatten()
        .filter_map(|entry| {
            let fd = entry.file_name().to_str()?.parse().ok()?;
            Some((fd, fs::read_link(entry.path()).ok()?.to_str()?.to_owned()))
        })
        .collect();
    found.sort_unstable();
    found
}

/// A server at rest: nobody is connected and nothing is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Rest {
    tasks: Vec<Task>,
    descriptors: Vec<(i32, String)>,
}

impl Rest {
    /// How many descriptors the first process has.
    pub(crate) fn descriptors(&self) -> usize {
        self.descriptors.len()
    }
}

/// Waits until each task of a server is blocked in a call, and at least one of them waits for
/// clients; a task that spins never is.
fn at_rest(server: &Server) -> Option<Rest> {
    let mut rest = Rest { tasks: Vec::new(), descriptors: Vec::new() };
    let all = tasks(server);
    for &task in &all {
        let doing = task.doing();
        // It comes late.
        if is_sanitizer(task) {
            continue;
        }
        // The first thread may wait for a semaphore (FUTEX_WAIT_BITSET), but at a lock (FUTEX_WAIT)
        // only while the thread sanitizer makes another one for it.
        let at_a_lock = |args: [u64; 6]| args[1] as i32 & libc::FUTEX_CMD_MASK == libc::FUTEX_WAIT;
        let makes_threads = task.tid == server.pid()
            && matches!(doing, Doing::Blocked(libc::SYS_futex, args) if at_a_lock(args));
        if makes_threads || !(sleeps(doing) || polls(doing)) {
            return None;
        }
        rest.tasks.push(task);
    }
    rest.descriptors = descriptors(server.pid());
    // A pool's parent may have made another worker between the two looks.
    (!rest.tasks.is_empty() && tasks(server) == all).then_some(rest)
}

/// Waits until a new server is at rest, and returns what that looks like.
pub(crate) fn rest(server: &Server) -> Rest {
    until_some("the server is at rest", || at_rest(server))
}

/// Waits until a server is as it was at rest: the same tasks, the same descriptors, nobody running.
/// So it leaks nothing and does not spin.
pub(crate) fn until_rest(server: &Server, before: &Rest) {
    let mut last = None;
    let start = Instant::now();
    loop {
        let now = at_rest(server);
        if now.as_ref() == Some(before) {
            return;
        }
        if now.is_some() {
            last = now;
        }
        assert!(
            start.elapsed() < NEVER,
            "the server never came to rest: {:?}, it was {before:?}, last {last:?}",
            tasks(server).iter().map(|task| (*task, task.doing())).collect::<Vec<_>>(),
        );
        yield_now();
    }
}

/// Whether some task of the server has the CPU or waits for it.
pub(crate) fn computing(server: &Server) -> Option<Task> {
    tasks(server).into_iter().find(|task| task.doing() == Doing::Running)
}

/// User and system time of a whole server, in clock ticks.
pub(crate) fn ticks(server: &Server) -> u64 {
    tasks(server)
        .iter()
        .filter_map(|task| fs::read_to_string(format!("{}/stat", task.path())).ok())
        .map(|stat| {
            let after = stat.rsplit_once(')').map_or("", |(_, after)| after);
            let numbers: Vec<&str> = after.split_whitespace().collect();
            let tick = |at: usize| numbers.get(at).and_then(|n| n.parse::<u64>().ok()).unwrap_or(0);
            tick(11) + tick(12)
        })
        .sum()
}

/// Whether a process ignores a signal.
pub(crate) fn ignores(pid: i32, signal: i32) -> bool {
    let mask = status(&format!("/proc/{pid}"), "SigIgn").expect("the process is there");
    u64::from_str_radix(&mask, 16).expect("a mask") & (1 << (signal - 1)) != 0
}

/// How often a task has gone to sleep.
pub(crate) fn naps_of(tid: i32) -> u64 {
    Task { pid: tid, tid }.status("voluntary_ctxt_switches").expect("it lives")
}

/// Who traces a task; 0 is nobody.
pub(crate) fn tracer(pid: i32) -> u64 {
    Task { pid, tid: pid }.status("TracerPid").unwrap_or(0)
}

/// The state of a process: `T` is stopped.
pub(crate) fn state(pid: i32) -> Option<String> {
    status(&format!("/proc/{pid}"), "State")
}

/// Stops a server's processes for as long as `body` takes: nothing is accepted meanwhile.
pub(crate) fn stopped<R>(server: &Server, body: impl FnOnce() -> R) -> R {
    let pids = tree(server.pid());
    let signal = |signal| {
        for &pid in &pids {
            // A child may have ended.
            let _ = kill(Pid::from_raw(pid), signal);
        }
    };
    signal(Signal::SIGSTOP);
    // Each thread by itself: one may accept a last client while another has stopped.
    // Under a tracer it says "t".
    let is_stopped = |tid: i32| state(tid).is_none_or(|state| ["T", "t"].contains(&&*state));
    until("the server is stopped", || pids.iter().flat_map(|&pid| tids(pid)).all(is_stopped));
    let result = body();
    signal(Signal::SIGCONT);
    result
}

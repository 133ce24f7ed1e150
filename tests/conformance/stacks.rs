//! The small stacks of threads that serve: the deepest recursion has room on them, and a stop
//! signal's handler on top of it.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;

use nix::libc;
use nix::sys::signal::Signal::{SIGCONT, SIGINT, SIGSTOP, SIGTERM};

use crate::cases::{all, has_threads, run};
use crate::support::{Language, Server};
use crate::watch::{Doing, Task, computing, sleeps, state, tasks, until, until_some};
use crate::wire::Client;
use socklab::service::fibonacci::LARGEST_N;

/// What is left of a stack at the least, in bytes.
const MARGIN: u64 = 4096;

/// Where a thread's stack is, and that nothing below it may be touched.
struct Stack {
    start: u64,
    end: u64,
}

impl Stack {
    /// The mapping in which a blocked thread's stack pointer is.
    fn of(task: Task) -> Self {
        let call = fs::read_to_string(format!("/proc/{}/task/{}/syscall", task.pid, task.tid));
        let call = call.expect("the thread is there");
        let word = call.split_whitespace().nth_back(1).and_then(|word| word.strip_prefix("0x"));
        let pointer = word.and_then(|word| u64::from_str_radix(word, 16).ok()).expect("blocked");
        let maps = fs::read_to_string(format!("/proc/{}/maps", task.pid)).expect("its mappings");
        let mappings: Vec<(u64, u64, &str)> = maps
            .lines()
            .map(|line| {
                let mut words = line.split([' ', '-']);
                let mut address = || u64::from_str_radix(words.next().expect("a word"), 16);
                let (start, end) = (address().expect("hex"), address().expect("hex"));
                let permissions = line.split(' ').nth(1).expect("permissions");
                (start, end, permissions)
            })
            .collect();
        let at = mappings.iter().position(|(start, end, _)| (*start..*end).contains(&pointer));
        let at = at.expect("the stack is mapped");
        let ((start, end, _), (_, below, permissions)) = (mappings[at], mappings[at - 1]);
        assert!(below == start && permissions == "---p", "a guard below the stack: {maps}");
        Self { start, end }
    }

    const fn size(&self) -> u64 {
        self.end - self.start
    }

    /// How much of it was ever used: memory is zero until then.
    fn used(&self, memory: &File) -> u64 {
        let mut bytes = vec![0; self.size() as usize];
        memory.read_exact_at(&mut bytes, self.start).expect("the stack can be read");
        let untouched = bytes.iter().take_while(|byte| **byte == 0).count();
        self.size() - untouched as u64
    }
}

/// Waits until a thread has computed for another hundredth of a second: whatever it was about to do
/// first, it has done, and it was as deep as it can be many times.
fn until_it_has_computed(task: Task) {
    let path = format!("/proc/{}/task/{}/schedstat", task.pid, task.tid);
    let computed = || -> u64 {
        let stat = fs::read_to_string(&path).expect("the thread is there");
        stat.split(' ').next().and_then(|word| word.parse().ok()).expect("nanoseconds")
    };
    let before = computed();
    until("the thread computes", || computed() >= before + 10_000_000);
}

fn mask(task: Task, field: &str) -> u64 {
    let path = format!("/proc/{}/task/{}/status", task.pid, task.tid);
    let status = fs::read_to_string(path).expect("the thread is there");
    let mask = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(":\t"));
    u64::from_str_radix(mask.expect("a mask"), 16).expect("hex")
}

const fn bit(signal: nix::sys::signal::Signal) -> u64 {
    1 << (signal as i32 - 1)
}

/// Both stop signals come to this very thread at the same moment; their handlers take turns. Returns
/// false where it does not take them.
fn interrupt(server: &Server, task: Task) -> bool {
    let both = bit(SIGINT) | bit(SIGTERM);
    if mask(task, "SigBlk") & both == both {
        return false;
    }
    server.signal(SIGSTOP);
    until("the thread is stopped", || state(task.tid).as_deref() == Some("T"));
    for signal in [SIGINT, SIGTERM] {
        // SAFETY: takes integers; the server is our child, so the ids are not another's.
        let sent = unsafe { libc::syscall(libc::SYS_tgkill, task.pid, task.tid, signal as i32) };
        assert_eq!(sent, 0, "tgkill");
    }
    server.signal(SIGCONT);
    until("both signals are handled", || mask(task, "SigPnd") & both == 0);
    true
}

fn is_worker(task: &Task) -> bool {
    task.tid != task.pid
}

#[test]
fn the_deepest_recursion_has_room() {
    let mut cases = all(has_threads);
    // A sanitizer's frames are its own, and so are the stacks that the C twins then take.
    cases.retain(|case| matches!(case.language, Language::Rust | Language::C));
    run(
        &cases,
        |case| case.to_string(),
        |case| {
            let mut server = case.start_with(&["--max-n", &LARGEST_N.to_string()]);
            let client = Client::connect(&server);
            client.until_accepted();
            let waiting = until_some("every thread waits", || {
                let tasks: Vec<Task> = tasks(&server).into_iter().filter(is_worker).collect();
                let all_wait = tasks.iter().all(|task| sleeps(task.doing()));
                (all_wait && !tasks.is_empty()).then_some(tasks)
            });
            let stacks: Vec<(Task, Stack)> =
                waiting.into_iter().map(|task| (task, Stack::of(task))).collect();
            client.send(format!("{LARGEST_N}\n").as_bytes());
            let task = until_some("a thread computes", || computing(&server).filter(is_worker));
            let (_, stack) = stacks.iter().find(|found| found.0 == task).expect("it waited");
            let memory = File::open(format!("/proc/{}/mem", task.pid)).expect("its memory");
            until_it_has_computed(task);
            let deepest = stack.used(&memory);
            let interrupted = interrupt(&server, task);
            until_it_has_computed(task);
            let used = stack.used(&memory);
            assert!(server.is_alive() && task.doing() == Doing::Running && !client.has_answer());
            let figures = format!(
                "{case}: of {} bytes, {deepest} at depth {LARGEST_N}, {used} after two signals at \
                 once ({interrupted})",
                stack.size()
            );
            println!("{figures}");
            assert!(deepest > LARGEST_N * 16, "not even return addresses and frames: {figures}");
            assert!(if interrupted { deepest < used } else { deepest <= used }, "{figures}");
            assert!(used + MARGIN <= stack.size(), "{figures}");
        },
    );
}

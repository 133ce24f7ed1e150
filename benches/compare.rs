//! How long it takes to put two recordings side by side: parse, normalise, align, in one thread.
//!
//! The recordings are made up: servers whose every connection costs a few lines, one process for all of
//! them or one for each, equal, a little different, altogether different. `make bench-compare`

use std::fmt::Write;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use nix::time::{ClockId, clock_gettime};
use socklab::compare::align::{Accepted, Comparison, accepted, align};
use socklab::compare::normalise::{Recorded, Trace, normalise};
use socklab::compare::parse::parse;

/// How fast are two recordings compared?
#[derive(Parser)]
#[command(name = "bench-compare")]
struct Options {
    /// How many lines each of the two has
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    lines: usize,
    /// How many rounds
    #[arg(long, value_name = "N", default_value_t = 5)]
    rounds: usize,
    /// What `cargo bench` says and `cargo test` does not
    #[arg(long, hide = true)]
    bench: bool,
}

/// The goal, for both recordings together.
const GOAL: Duration = Duration::from_secs(2);

/// The process that is started.
const ROOT: u32 = 1000;

/// One task's file of strace: its id and its lines.
type File = (u32, String);

const START: &str = "\
100.000001 execve(\"./server\", [\"./server\"], 0x7ffd2c9a0b18 /* 40 vars */) = 0 <0.000300>
100.000002 socket(AF_INET, SOCK_STREAM, IPPROTO_IP) = 3<TCP:[4711]> <0.000020>
100.000003 bind(3<TCP:[4711]>, {sa_family=AF_INET, sin_port=htons(9000), sin_addr=inet_addr(\"127.0.0.1\")}, 16) = 0 <0.000010>
100.000004 listen(3<TCP:[127.0.0.1:9000]>, 5) = 0 <0.000010>
";

/// A recording that is made up line by line.
struct Recording {
    files: Vec<File>,
    lines: usize,
    now: u64,
}

impl Recording {
    fn new() -> Self {
        Self { files: vec![(ROOT, String::from(START))], lines: 4, now: 100_000_100 }
    }

    fn say(&mut self, file: usize, line: std::fmt::Arguments<'_>) {
        self.now += 17;
        self.lines += 1;
        let (seconds, fraction) = (self.now / 1_000_000, self.now % 1_000_000);
        let text = &mut self.files[file].1;
        writeln!(text, "{seconds}.{fraction:06} {line} <0.000012>").expect("memory");
    }
}

fn accept(recording: &mut Recording, port: u16) {
    recording.say(0, format_args!(
        "accept(3<TCP:[127.0.0.1:9000]>, {{sa_family=AF_INET, sin_port=htons({port}), sin_addr=inet_addr(\
         \"127.0.0.1\")}}, [128 => 16]) = 4<TCP:[127.0.0.1:9000->127.0.0.1:{port}]>"
    ));
}

fn answer(recording: &mut Recording, file: usize, port: u16, connection: usize) {
    let connfd = format!("4<TCP:[127.0.0.1:9000->127.0.0.1:{port}]>");
    let n = connection % 37;
    let bytes = 1 + n.to_string().len();
    recording
        .say(file, format_args!("recvfrom({connfd}, \"{n}\\n\", 64, 0, NULL, NULL) = {bytes}"));
    recording.say(file, format_args!("sendto({connfd}, \"{n}\", 1, MSG_NOSIGNAL, NULL, 0) = 1"));
}

/// Each client after the other; some of the servers say good-bye.
fn iterative(lines: usize, shuts_down: bool) -> Vec<File> {
    let mut recording = Recording::new();
    for connection in 0.. {
        if recording.lines >= lines {
            break;
        }
        let port = 20_000 + (connection % 40_000) as u16;
        let connfd = format!("4<TCP:[127.0.0.1:9000->127.0.0.1:{port}]>");
        accept(&mut recording, port);
        answer(&mut recording, 0, port, connection);
        if shuts_down {
            recording.say(0, format_args!("shutdown({connfd}, SHUT_WR) = 0"));
        }
        recording.say(0, format_args!("close({connfd}) = 0"));
    }
    recording.files
}

/// A process for each client.
fn forked(lines: usize) -> Vec<File> {
    let mut recording = Recording::new();
    for connection in 0.. {
        if recording.lines >= lines {
            break;
        }
        let port = 20_000 + (connection % 40_000) as u16;
        let pid = ROOT + 1 + connection as u32;
        let connfd = format!("4<TCP:[127.0.0.1:9000->127.0.0.1:{port}]>");
        accept(&mut recording, port);
        recording.say(
            0,
            format_args!("clone(child_stack=NULL, flags=CLONE_CHILD_SETTID|SIGCHLD) = {pid}"),
        );
        recording.say(0, format_args!("close({connfd}) = 0"));
        recording.files.push((pid, String::new()));
        let file = recording.files.len() - 1;
        recording.say(file, format_args!("close(3<TCP:[127.0.0.1:9000]>) = 0"));
        answer(&mut recording, file, port, connection);
        recording.say(file, format_args!("close({connfd}) = 0"));
        recording.say(file, format_args!("exit_group(0) = ?"));
        recording.files[file].1 += "200.000000 +++ exited with 0 +++\n";
        recording.lines += 1;
    }
    recording.files
}

/// A loop with epoll: hardly a line is the same.
fn events(lines: usize) -> Vec<File> {
    let mut recording = Recording::new();
    for connection in 0.. {
        if recording.lines >= lines {
            break;
        }
        let port = 20_000 + (connection % 40_000) as u16;
        let connfd = format!("4<TCP:[127.0.0.1:9000->127.0.0.1:{port}]>");
        let epfd = "5<anon_inode:[eventpoll]>";
        let ready = format!("[{{events=EPOLLIN, data={{u32={port}, u64={port}}}}}]");
        recording.say(0, format_args!("epoll_wait({epfd}, {ready}, 64, -1) = 1"));
        recording.say(
            0,
            format_args!("accept4(3<TCP:[127.0.0.1:9000]>, NULL, NULL, SOCK_NONBLOCK) = {connfd}"),
        );
        recording.say(
            0,
            format_args!("epoll_ctl({epfd}, EPOLL_CTL_ADD, {connfd}, {{events=EPOLLIN}}) = 0"),
        );
        recording.say(0, format_args!("read({connfd}, \"{connection}\\n\", 64) = 4"));
        recording.say(0, format_args!("write({connfd}, \"{connection}\", 3) = 3"));
        recording.say(0, format_args!("close({connfd}) = 0"));
    }
    recording.files
}

/// The time that this thread has had a processor: what else the machine does is left out.
fn now() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("a clock").into()
}

/// What each step took, and what came of it.
fn compare(left: &[File], right: &[File], known: &[Accepted]) -> ([Duration; 3], Comparison) {
    let mut spent = [Duration::ZERO; 3];
    let mut traces: Vec<Trace> = Vec::new();
    for files in [left, right] {
        let begin = now();
        let parsed = files.iter().map(|(pid, text)| {
            let lines = parse(text).unwrap_or_else(|nonsense| panic!("{nonsense}"));
            Recorded { pid: *pid, lines }
        });
        let recorded: Vec<Recorded> = parsed.collect();
        spent[0] += now() - begin;
        let begin = now();
        traces.push(normalise(&recorded, ROOT));
        spent[1] += now() - begin;
    }
    let begin = now();
    let comparison = align(&traces[0], &traces[1], known);
    spent[2] = now() - begin;
    (spent, comparison)
}

fn main() -> ExitCode {
    let mut options = Options::parse();
    if !options.bench {
        (options.lines, options.rounds) = (2_000, 1);
    }
    let lines = options.lines;
    println!(
        "two recordings of {lines} lines each, medians of {} rounds, in ms of the processor",
        options.rounds
    );
    println!("{:24} {:>8} {:>10} {:>8} {:>8}", "", "parse", "normalise", "align", "in all");
    let known = accepted(include_str!("../c-compat/README.md"), &["servers", "all"]);
    let mut is_good = true;
    for (name, left, right, is_equal) in [
        ("equal", iterative(lines, false), iterative(lines, false), true),
        ("a process for each", forked(lines), forked(lines), true),
        ("a call more for each", iterative(lines, false), iterative(lines, true), false),
        ("hardly a line equal", iterative(lines, false), events(lines), false),
    ] {
        let mut rounds: Vec<[Duration; 3]> = Vec::new();
        for _ in 0..options.rounds {
            let (spent, comparison) = compare(&left, &right, &known);
            assert_eq!(comparison.is_equal(), is_equal, "{name}");
            rounds.push(spent);
        }
        rounds.sort_by_key(|spent| spent.iter().sum::<Duration>());
        let [parse, normalise, align] = rounds[rounds.len() / 2];
        let all = parse + normalise + align;
        let [parse, normalise, align, total] =
            [parse, normalise, align, all].map(|spent| spent.as_millis());
        println!("{name:24} {parse:>8} {normalise:>10} {align:>8} {total:>8}");
        is_good &= all <= GOAL;
    }
    if is_good {
        return ExitCode::SUCCESS;
    }
    eprintln!("slower than the goal: {} s for both recordings", GOAL.as_secs());
    ExitCode::FAILURE
}

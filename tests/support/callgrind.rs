//! User-mode instructions of a server's connection, counted by callgrind: the difference of two runs
//! of different lengths, so that the start and the end cancel.

#![allow(dead_code, unreachable_pub, reason = "each test crate uses its own part")]

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use socklab::server::{Design, Idle, PerClient, Serves, Transport};

use super::support::{Language, Server, command, defer_accept};

/// The bounds that are held: a design, its instructions per connection in Rust and in C, with one
/// client.
pub const BOUNDS: &[(&str, f64, f64)] = &[
    ("iterative", 200.0, 220.0),
    ("select", 300.0, 305.0),
    ("poll", 240.0, 240.0),
    ("epoll", 250.0, 270.0),
    ("threaded", 1800.0, 1800.0),
];

/// How many connections the two runs serve.
const RUNS: [u32; 2] = [100, 600];

/// Why a design that serves TCP for ever can't be counted.
pub fn obstacle(design: &Design) -> Option<&'static str> {
    if design.promises.per_client == PerClient::Process {
        Some("in callgrind a child's count begins with its parent's")
    } else if design.promises.idle == Idle::Polls {
        Some("how often it asks in vain depends on time")
    } else if design.name.contains("uring") {
        Some("valgrind does not know io_uring")
    } else {
        None
    }
}

/// Whether a design serves TCP for ever.
pub fn is_candidate(design: &Design) -> bool {
    design.transport == Transport::Tcp && design.promises.serves == Serves::Forever
}

/// Instructions per connection of all the server's processes and threads, one client after the
/// other. Where threads meet they differ by a few from run to run, so the median of three is taken.
pub fn per_connection(language: Language, design: &Design) -> f64 {
    let repetitions = if design.promises.per_client == PerClient::Thread { 3 } else { 1 };
    let mut counts: Vec<f64> = (0..repetitions)
        .map(|_| {
            let [short, long] = RUNS.map(|connections| count(language, design, connections));
            (long - short) / f64::from(RUNS[1] - RUNS[0])
        })
        .collect();
    counts.sort_by(f64::total_cmp);
    counts[counts.len() / 2]
}

/// The instructions of a server from its start to its end, with so many connections.
fn count(language: Language, design: &Design, connections: u32) -> f64 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("socklab-callgrind-{}-{}", std::process::id(), NEXT.fetch_add(1, Relaxed));
    let folder = std::env::temp_dir().join(name);
    std::fs::create_dir(&folder).expect("a folder");
    let program = command(language, design);
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["-q", "--tool=callgrind"]);
    // A file for each process.
    valgrind.arg(format!("--callgrind-out-file={}/%p", folder.display()));
    valgrind.arg(program.get_program()).args(program.get_args()).args(["--port", "0"]);
    let server = Server::spawn(valgrind);
    defer_accept(&server);
    for _ in 0..connections {
        assert_eq!(server.ask(b"1\n"), "1", "{}", design.name);
        // The thread's end, so that the next one finds its stack.
        while design.promises.per_client == PerClient::Thread && threads(&server) > 1 {
            std::thread::yield_now();
        }
    }
    server.stop().assert_clean();
    let files = std::fs::read_dir(&folder).expect("our folder");
    let total = files.map(|file| summary(&file.expect("a file").path())).sum();
    std::fs::remove_dir_all(&folder).expect("our folder");
    total
}

fn threads(server: &Server) -> usize {
    std::fs::read_dir(format!("/proc/{}/task", server.pid())).expect("the server runs").count()
}

fn summary(file: &std::path::Path) -> f64 {
    let text = std::fs::read_to_string(file).expect("callgrind's file");
    let line = text.lines().find_map(|line| line.strip_prefix("summary: "));
    line.and_then(|count| count.trim().parse().ok())
        .unwrap_or_else(|| panic!("no summary:\n{text}"))
}

//! What can be counted exactly: the system calls of one connection, one datagram, at one client.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::UdpSocket;
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use socklab::server::{DEFAULT_WORKERS, DESIGNS, Design, Pool, Transport};

#[path = "support/mod.rs"]
mod support;

use support::{Language, Server, defer_accept, tids, tree};

/// How many connections are counted: a multiple of 64, since the forked server looks through its list
/// of children, one call each, whenever that has grown by so many.
const CONNECTIONS: usize = 128;
/// Served before, so that stacks, arenas and the like have been made.
const WARM_UP: usize = 5;

/// Name and count of the calls, by strace, of all the server's processes and threads, from the
/// first client or datagram to the last that is looked at: the server is at rest whenever one comes,
/// and what its processes do afterwards for an answer that is out is counted with that. exit() and exit_group() are left out: they never return;
/// futex() is: how often threads meet at a lock is a matter of scheduling.
fn count(language: Language, design: &Design) -> BTreeMap<String, usize> {
    let server = Server::start(language, design);
    let at_rest = match design.promises.pool {
        Pool::None => 1,
        _ => 1 + DEFAULT_WORKERS,
    };
    while tasks(&server) < at_rest {
        std::thread::yield_now();
    }
    for _ in 0..WARM_UP {
        one_request(&server, design, at_rest);
    }
    let log =
        std::env::temp_dir().join(format!("socklab-costs-{}-{}", std::process::id(), server.pid()));
    if design.transport == Transport::Tcp {
        defer_accept(&server);
    }
    let pids = tree(server.pid());
    let mut strace = Command::new("strace")
        .args(["-f", "-qqq", "-s", "0"])
        .args(pids.iter().flat_map(|pid| [String::from("-p"), pid.to_string()]))
        .arg("-o")
        .arg(&log)
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("strace, which `make tools` installs");
    // Attached once the kernel names a tracer.
    while !pids.iter().flat_map(|&pid| tids(pid)).all(is_traced) {
        assert!(
            strace.try_wait().expect("our child").is_none(),
            "strace: {:?}",
            BufReader::new(strace.stderr.take().unwrap()).lines().next()
        );
        std::thread::yield_now();
    }
    // One more than is looked at: a client has its last answer before strace has written that down.
    for _ in 0..CONNECTIONS + 2 {
        one_request(&server, design, at_rest);
    }
    kill(Pid::from_raw(strace.id().try_into().unwrap()), Signal::SIGINT).expect("strace runs");
    strace.wait().expect("our child");
    let text = std::fs::read_to_string(&log).expect("strace's output");
    std::fs::remove_file(&log).expect("our file");
    server.stop().assert_clean();

    let mut calls = BTreeMap::new();
    let comes = |name: &str, line: &str| match design.transport {
        // A send and a close, handed over together, are the end of a client that came before.
        Transport::Tcp if name == "io_uring_enter" => {
            line.starts_with("io_uring_enter(") && submits_two(line)
        }
        Transport::Tcp => name.starts_with("accept") && !line.contains("= -1 "),
        Transport::Udp => name == "recvfrom" || name == "recvmmsg",
    };
    let mut clients = 0;
    for line in text.lines() {
        let line = line.split_once(' ').map_or("", |(_pid, line)| line.trim_start());
        let name = if let Some(resumed) = line.strip_prefix("<... ") {
            resumed.split(' ').next()
        } else if line.ends_with("<unfinished ...>") || line.ends_with("<detached ...>") {
            None
        } else {
            line.split_once('(').map(|(name, _)| name)
        };
        let beside = |name: &str| name.starts_with("exit") || name == "futex";
        let Some(name) = name.filter(|name| !beside(name)) else { continue };
        if (1..=CONNECTIONS).contains(&clients) {
            *calls.entry(name.to_owned()).or_insert(0) += 1;
        }
        if comes(name, line) {
            clients += 1;
        }
    }
    assert!(clients > CONNECTIONS, "{text}");
    calls
}

/// Whether `io_uring_enter(FD, 2, ...`.
fn submits_two(line: &str) -> bool {
    line.split(", ").nth(1) == Some("2")
}

fn is_traced(pid: i32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let tracer = status.lines().find_map(|line| line.strip_prefix("TracerPid:"));
    tracer.is_some_and(|tracer| tracer.trim() != "0")
}

/// One request, and the server back where it was: as many processes and threads as at rest, and all of
/// them asleep. Whoever came while the last worker is still awake would wake another one, and two
/// workers at one socket call accept() for one client.
fn one_request(server: &Server, design: &Design, at_rest: usize) {
    match design.transport {
        Transport::Tcp => assert_eq!(server.ask(b"10\n"), "55"),
        Transport::Udp => {
            let client = UdpSocket::bind("127.0.0.1:0").unwrap();
            client.connect(server.addr).unwrap();
            client.send(b"").unwrap();
            assert!(client.recv(&mut [0; 64]).unwrap() > 0);
        }
    }
    // Twice in a row: one that was seen asleep may have woken one that was seen before.
    let mut looks = 0;
    while looks < 2 {
        let is_at_rest = tasks(server) == at_rest && all_asleep(server);
        looks = if is_at_rest { looks + 1 } else { 0 };
        std::thread::yield_now();
    }
}

fn all_asleep(server: &Server) -> bool {
    let asleep = |pid: i32, tid: i32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/task/{tid}/stat"));
        let stat = stat.unwrap_or_default();
        stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('S'))
    };
    tree(server.pid()).into_iter().all(|pid| tids(pid).into_iter().all(|tid| asleep(pid, tid)))
}

fn tasks(server: &Server) -> usize {
    tree(server.pid()).into_iter().map(|pid| tids(pid).len()).sum()
}

#[test]
fn system_calls_per_connection_are_as_promised_and_equal_to_the_twins() {
    let mut failures = Vec::new();
    for design in DESIGNS {
        let (Some(promised), true) = (design.promises.calls, serves_forever(design)) else {
            continue;
        };
        if let Some(why) = support::refused(design) {
            eprintln!("skipped: {}: {why}", design.name);
            continue;
        }
        let rust = count(Language::Rust, design);
        let c = count(Language::C, design);
        if rust != c {
            failures.push(format!("{}: Rust {rust:?}\n  C {c:?}", design.name));
        }
        let total: usize = rust.values().sum();
        if rust.values().any(|count| count % CONNECTIONS != 0)
            || total != promised as usize * CONNECTIONS
        {
            failures.push(format!(
                "{}: {} calls a connection, promised {promised}: {rust:?}",
                design.name,
                total as f64 / CONNECTIONS as f64
            ));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn serves_forever(design: &Design) -> bool {
    design.promises.serves == socklab::server::Serves::Forever
}

/// The bounds that the designs are known for in the field.
#[test]
fn promises_are_within_the_fields_bounds() {
    for (name, most) in [
        ("udp_iterative", 2),
        ("udp_batch", 2),
        ("iterative", 4),
        ("timeout", 6),
        ("forked", 8),
        ("threaded", 11),
        ("select", 6),
        ("preforked", 4),
        ("preforked_fcntl", 6),
        ("preforked_mutex", 4),
        ("preforked_passing", 11),
        ("prethreaded", 4),
        ("prethreaded_queue", 4),
        ("poll", 6),
        ("epoll", 6),
        ("uring", 2),
        ("epoll_edge", 7),
        ("reuseport", 5),
        ("hybrid", 6),
    ] {
        let design = socklab::server::find(name).expect("a design");
        assert!(design.promises.calls.is_some_and(|calls| calls <= most), "{name}");
    }
}

//! Servers as others write them: what `socklab examine` is not to say of them.

use std::path::Path;
use std::process::Command;

use crate::all;
use crate::examined::{alone, c, verdicts};

/// A program of `tests/strangers` or of `c-compat`, what `examine` is told about it, and each check with what it may come to.
type Case =
    (&'static str, &'static [&'static str], &'static [(&'static str, &'static [&'static str])]);

const ECHO: &[&str] = &[r"--send=hello\n", r"--expect=^hello\n", "--persistent"];

const CASES: &[Case] = &[
    // It is on the loopback address, whatever that is called.
    ("mapped.py", &[], &[("A2", &["pass"])]),
    // Who pauses after a shortage is not stuck.
    ("pausing.py", &[], &[("F1", &["pass", "blocked"])]),
    // Each piece is answered, which is no fault of an echo, and no end of its connection.
    ("echo.py", ECHO, &[("D4", &["pass"]), ("D5", &["pass"]), ("D10", &["pass"])]),
    // A child is made while another is waited for: as many as before, and yet one more. The superuser has no limit.
    ("forking.py", &[], &[("F8", &["pass", "blocked"])]),
    ("quiet.py", &[], &[("A5", &["pass"]), ("D12", &["pass"])]),
    ("loops.py", &["--claims=epoll"], &[("C10", &["pass"]), ("E4", &["pass"])]),
    // Who asks from where decides; the catalogue's group of reach has no other server that fails.
    (
        "picky.py",
        &[],
        &[("I1", &["fail"]), ("I2", &["fail"]), ("I3", &["fail"]), ("I4", &["fail"])],
    ),
    // A listening socket that blocks stalls the loop if the client has gone before accept().
    ("../lecture/select_server.py", &[], &[("C4", &["weak"])]),
    // Threads that wait for the next client are no thread that could not be made. The superuser has no limit of tasks.
    (
        "cached.py",
        &["--claims=threaded"],
        &[("C10", &["pass"]), ("F8", &["pass", "blocked"]), ("F12", &["pass"])],
    ),
    (
        "fifty.py",
        &["--claims=prethreaded"],
        &[("C5", &["info"]), ("C10", &["pass"]), ("D1", &["by-design"]), ("D15", &["by-design"])],
    ),
    (
        "executor.py",
        &["--claims=prethreaded_queue"],
        &[("C1", &["info"]), ("C10", &["pass"]), ("F12", &["n/a"])],
    ),
    (
        "sharing.py",
        &["--claims=preforked"],
        &[("C1", &["info"]), ("C10", &["pass"]), ("D1", &["by-design"]), ("D15", &["by-design"])],
    ),
    ("addresses.py", &["--claims=epoll"], &[("C6", &["info"]), ("C10", &["pass"])]),
    // A NUL behind the newline is the next request, where there can be one.
    ("broken/sound_persistent", &[], &[("B3", &["pass"])]),
];

fn python(name: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/strangers").join(name);
    ["python3", "-B", &path.display().to_string(), "{port}"].map(String::from).to_vec()
}

#[test]
fn strangers_are_not_misjudged() {
    if !alone() {
        return;
    }
    all(
        CASES,
        |(name, ..)| (*name).to_owned(),
        |(name, options, expected)| {
            let command = if name.ends_with(".py") { python(name) } else { c(name) };
            let ids: Vec<String> = expected.iter().map(|(id, _)| (*id).to_owned()).collect();
            let found = verdicts(&ids, options, &command);
            assert_eq!(found.len(), expected.len(), "{found:?}");
            for (id, verdict, why) in found {
                let (_, may) =
                    expected.iter().find(|(expected, _)| *expected == id).expect("asked");
                assert!(may.contains(&verdict.as_str()), "{id} is {verdict}: {why}");
            }
        },
    );
}

/// How many workers there are, however many that is, and whoever gives them their clients.
#[test]
fn workers_are_counted() {
    if !alone() {
        return;
    }
    let cases = [
        ("fifty.py", "a pool of 50 threads"),
        ("executor.py", "a pool of 50 threads, which take their clients from a queue"),
        ("sharing.py", "a pool of 4 processes, 4 listening sockets"),
    ];
    all(
        &cases,
        |(name, _)| (*name).to_owned(),
        |(name, design)| {
            let found = verdicts(&["C10".to_owned()], &[], &python(name));
            assert!(found[0].2.contains(design), "{found:?}");
        },
    );
}

/// What is near to a claim is not what is claimed; what adds something to it is.
#[test]
fn near_claims_are_told_apart() {
    if !alone() {
        return;
    }
    let cases = [
        ("iterative", "timeout", "fail"),
        ("timeout", "timeout", "pass"),
        ("timeout", "iterative", "pass"),
        ("epoll", "reuseport", "fail"),
        ("epoll", "epoll_shared", "fail"),
        ("epoll", "epoll_edge", "fail"),
        ("epoll_edge", "epoll", "pass"),
        ("preforked", "preforked_fcntl", "fail"),
        ("preforked", "preforked_mutex", "fail"),
        ("preforked", "preforked_passing", "fail"),
        ("preforked_fcntl", "preforked_mutex", "fail"),
        ("preforked_mutex", "preforked_fcntl", "fail"),
        ("preforked_passing", "preforked_fcntl", "fail"),
        ("prethreaded", "prethreaded_queue", "fail"),
        ("inetd", "forked", "fail"),
    ];
    // On one CPU one loop is as many as there are to be.
    let is_small = std::thread::available_parallelism().is_ok_and(|cpus| cpus.get() == 1);
    all(
        &cases,
        |case| format!("{case:?}"),
        |&(name, claim, expected)| {
            let may_be = is_small && ["reuseport", "epoll_shared"].contains(&claim);
            let claims = format!("--claims={claim}");
            let (_, verdict, why) = &verdicts(&["C10".to_owned()], &[&claims], &c(name))[0];
            assert!(verdict == expected || may_be, "{verdict}: {why}");
        },
    );
}

/// On one CPU a server with a loop for each has one.
#[test]
fn one_cpu_has_one_loop() {
    if !alone() {
        return;
    }
    let claim = ["taskset", "-c", "0", env!("CARGO_BIN_EXE_socklab"), "examine", "--json"];
    let mut examiner = Command::new(claim[0]);
    examiner.args(&claim[1..]).args(["--only=C10", "--claims=reuseport", "--"]).args(c("epoll"));
    let output = examiner.output().expect("taskset runs");
    let found = String::from_utf8_lossy(&output.stdout);
    assert!(found.contains("\"pass\"") && found.contains("there is one CPU"), "{found}");
}

/// A loop that has no clients is none of the server's.
#[test]
fn loops_without_clients_are_not_counted() {
    if !alone() {
        return;
    }
    let found = verdicts(&["C10".to_owned()], &["--claims=reuseport"], &python("loops.py"));
    let (_, _, why) = &found[0];
    assert!(!why.contains("loops"), "{why}");
}

/// A shell that waits for the server is no process of its design.
#[test]
fn a_shell_around_a_server() {
    if !alone() {
        return;
    }
    for (name, design) in [("forked", "--claims=forked"), ("iterative", "--claims=iterative")] {
        let line = format!("{} --port $PORT; true", c(name)[0]);
        let command = ["sh", "-c", &line].map(String::from);
        let ids = ["C10", "H7"].map(String::from);
        for (id, verdict, why) in verdicts(&ids, &[design], &command) {
            assert_eq!(verdict, "pass", "{name}: {id}: {why}");
        }
    }
}

/// The address that a datagram has come to is not the one that its answer leaves from.
#[test]
fn an_answer_from_another_address() {
    if !alone() {
        return;
    }
    let mut command = c("udp_iterative");
    command.extend(["--bind", "0.0.0.0"].map(String::from));
    let found = verdicts(&["I3".to_owned()], &[], &command);
    let (_, verdict, why) = &found[0];
    assert_eq!(verdict, "weak", "{why}");
}

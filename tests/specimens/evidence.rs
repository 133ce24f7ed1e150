//! What a verdict of `socklab examine` stands on is said with it.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::all;
use crate::examined::{alone, c, server, verdicts};

/// A program of `tests/strangers` or of `c-compat`, what `examine` is told about it, a check, what it comes to, and words
/// that are said of it or are not.
struct Case {
    server: &'static str,
    options: &'static [&'static str],
    check: &'static str,
    verdict: &'static str,
    says: &'static [&'static str],
}

const fn case(
    server: &'static str,
    options: &'static [&'static str],
    check: &'static str,
    verdict: &'static str,
    says: &'static [&'static str],
) -> Case {
    Case { server, options, check, verdict, says }
}

const ECHO: &[&str] = &[r"--send=hello\n", r"--expect=^hello\n"];
const ONE_ANSWER: &[&str] = &[r"--send=hello\n", r"--expect=^hello\n$", "--persistent"];
const ONE_BYTE: &[&str] = &["--send=x", "--expect=^x"];
const DAYTIME: &[&str] = &["--send=", "--expect=2038", "--claims=threaded"];
const GREETING: &[&str] = &[r"--send=10\n", "--expect=55"];

const CASES: &[Case] = &[
    // Who speaks first waits for nobody, and can't be made to.
    case("daytime.py", DAYTIME, "C1", "n/a", &["speaks first"]),
    case("daytime.py", DAYTIME, "C10", "pass", &["for each client"]),
    case("daytime.py", DAYTIME, "D1", "n/a", &["speaks first"]),
    case("daytime.py", DAYTIME, "D2", "n/a", &[]),
    case("daytime.py", DAYTIME, "D5", "n/a", &["speaks first"]),
    case("daytime.py", DAYTIME, "D10", "n/a", &["speaks first"]),
    case("daytime.py", DAYTIME, "D11", "pass", &[]),
    case("daytime.py", DAYTIME, "D12", "n/a", &["speaks first"]),
    case("daytime.py", DAYTIME, "D17", "n/a", &["speaks first"]),
    case("daytime.py", DAYTIME, "F11", "n/a", &["speaks first"]),
    case("daytime.py", DAYTIME, "H7", "n/a", &["speaks first"]),
    // A greeting is no end: it waits all the same.
    case(
        "polite.py",
        GREETING,
        "D1",
        "by-design",
        &["one client at a time", "blocked in recvfrom"],
    ),
    // Where a silent client is cut, the other has waited for that.
    case("impatient.py", &[], "D1", "pass", &["is cut", "cut within"]),
    case("timeout", &[], "D1", "by-design", &["waits for 5.0 s at most (SO_RCVTIMEO)"]),
    case("iterative", &[], "D1", "by-design", &["one client at a time", "no time limit is seen"]),
    case("iterative", &[], "D15", "by-design", &["one client at a time"]),
    case("select", &[], "D15", "by-design", &["a loop of events computes"]),
    case("nonblocking", &[], "A6", "by-design", &["asks all clients in turn"]),
    // What the command line says of the protocol is looked at, too.
    case("echo.py", &[], "A1", "fail", &["--send and --expect say what is spoken"]),
    case("iterative", &[r"--send=1\060\n", "--expect=^55"], "A1", "pass", &[]),
    case("iterative", &["--persistent"], "B4", "fail", &["--persistent says", "1 answered"]),
    case(
        "broken/sound_persistent",
        &["--one-shot"],
        "B4",
        "fail",
        &["--one-shot says", "3 answered"],
    ),
    case("broken/sound_persistent", &[], "B4", "info", &["3 answered"]),
    // What is not done does not count.
    case("echo.py", ECHO, "D10", "pass", &["2 of 2", "not done while the answer is computed"]),
    case("echo.py", ONE_BYTE, "D10", "pass", &["1 of 1", "not done in mid-request"]),
    // What was seen is not taken back by what could not be done any more.
    case("fragile.py", &[], "D10", "fail", &["after a reset at once the server ended"]),
    case("fragile.py", &[], "F11", "fail", &["the server ended"]),
    // Two answers are two, though one of them is all that --expect allows.
    case("echo.py", ONE_ANSWER, "D5", "pass", &["both are answered"]),
    case("reuseport", &[], "A3", "info", &["not filled"]),
    case("echo.py", ECHO, "A3", "info", &["ListenOverflows"]),
    // Where it can't be found any more, it is not back.
    case("wandering.py", &[], "A4", "fail", &["the second start", "listens on port"]),
    // The figures.
    case("forked", &[], "C1", "info", &["with 1 client:", "with 8 clients", "with 40 clients"]),
    case("prethreaded", &[], "C1", "info", &["with 1 client:", "with 4 clients"]),
    case("forked", &[], "C2", "info", &["20 processes and 0 threads"]),
    case("threaded", &[], "C2", "info", &["0 processes and 20 threads"]),
    case("prethreaded", &[], "C5", "info", &["4 workers"]),
    case("forked", &[], "C5", "n/a", &["no pool"]),
    case("epoll", &[], "C6", "info", &["one socket"]),
    case("forked", &[], "C7", "info", &["without exec()"]),
    case("inetd", &[], "C7", "info", &["exec()"]),
    case("epoll", &[], "C8", "info", &["one after the other"]),
    case("forked", &[], "C8", "info", &["one fib(", "2 of fib(", "4 of fib(", "CPU time"]),
    case("forked", &[], "D6", "pass", &["VmRSS"]),
    case("forked", &[], "D7", "pass", &["an empty line", "then end of file"]),
    case("forked", &[], "D8", "pass", &["0.0 ms of CPU time", "1 socket listens"]),
    case("forked", &[], "F4", "pass", &["failed with EAGAIN (task", "ENOMEM (task"]),
    case(
        "iterative",
        &[],
        "F7",
        "pass",
        &["with no descriptor left: 1 task, asleep", "1 socket listens"],
    ),
    case("udp_iterative", &[], "J8", "pass", &["by its socket"]),
];

/// It is judged whatever else is asked for, but not if it is to be left out.
#[test]
fn a_claim_is_never_ignored() {
    if !alone() {
        return;
    }
    let found = |options: &[&str]| -> Vec<(String, String)> {
        let options = [&["--claims=forked"], options].concat();
        let found = verdicts(&["A1".to_owned()], &options, &c("iterative"));
        found.into_iter().map(|(id, verdict, _)| (id, verdict)).collect()
    };
    let [ready, claim] =
        [("A1", "pass"), ("C10", "fail")].map(|(id, verdict)| (id.to_owned(), verdict.to_owned()));
    assert_eq!(found(&[]), [ready.clone(), claim]);
    assert_eq!(found(&["--skip=C10"]), [ready]);
}

#[test]
fn what_is_concluded_is_shown() {
    if !alone() {
        return;
    }
    all(
        CASES,
        |case| format!("{} {}", case.server, case.check),
        |case| {
            let found = verdicts(&[case.check.to_owned()], case.options, &server(case.server));
            // A claim has its own check made, too.
            let mut own = found.iter().filter(|(id, ..)| id == case.check);
            let (Some((id, verdict, why)), None) = (own.next(), own.next()) else {
                panic!("{found:?}")
            };
            assert_eq!(verdict, case.verdict, "{id}: {why}");
            for words in case.says {
                assert!(why.contains(words), "{id} does not say {words:?}: {why}");
            }
        },
    );
}

/// A server by which io_uring waits: for the listening socket at least.
#[test]
fn the_operations_of_a_ring_are_shown() {
    let is_there = socklab::server::find("uring")
        .is_some_and(|uring| crate::support::refused(uring).is_none());
    if !is_there || !alone() {
        return;
    }
    let found = verdicts(&["C4".to_owned()], &[], &c("uring"));
    assert!(found[0].2.contains("op="), "{found:?}");
}

/// A program that is gone when it is to be started again says nothing of the server's socket.
#[test]
fn a_start_that_we_could_not_make_is_no_fault_of_the_server() {
    if !alone() {
        return;
    }
    let path = std::env::temp_dir().join(format!("vanishing-{}", std::process::id()));
    let server = &c("iterative")[0];
    let script = format!(
        "#!/bin/sh\ntrap 'rm -f \"$0\"; kill $child' TERM\n{server} --port \"$1\" & child=$!\nwait\nwait\n"
    );
    fs::write(&path, script).expect("a file");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("it is ours");
    let command = [path.display().to_string(), "{port}".into()];
    let found = verdicts(&["A4".to_owned()], &[], &command);
    assert!(!path.exists(), "it has not been stopped: {found:?}");
    assert_eq!(found[0].1, "broken", "{found:?}");
}

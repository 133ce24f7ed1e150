//! Servers as others write them: what `socklab examine` is not to say of them.

use std::path::Path;

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
    // What it keeps for ever is told, and nothing else is blamed on it.
    (
        "keeping.py",
        ECHO,
        &[
            ("D19", &["pass"]),
            ("E1", &["pass"]),
            ("E2", &["fail"]),
            ("E3", &["fail"]),
            ("E5", &["fail"]),
            ("E6", &["pass"]),
        ],
    ),
    // Who serves the next client while a child of its own has the connection is not waited for.
    ("keeping_forked.py", ECHO, &[("A4", &["n/a"]), ("E1", &["pass"]), ("E6", &["fail"])]),
    ("quiet.py", &[], &[("A5", &["pass"]), ("D12", &["pass"])]),
    ("loops.py", &["--claims=epoll"], &[("C10", &["pass"]), ("E4", &["pass"])]),
    // A NUL behind the newline is the next request, where there can be one.
    ("broken/sound_persistent", &[], &[("B3", &["pass"])]),
];

#[test]
fn strangers_are_not_misjudged() {
    if !alone() {
        return;
    }
    all(
        CASES,
        |(name, ..)| (*name).to_owned(),
        |(name, options, expected)| {
            let command = if name.ends_with(".py") {
                let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/strangers").join(name);
                ["python3", "-B", &path.display().to_string(), "{port}"].map(String::from).to_vec()
            } else {
                c(name)
            };
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

/// A loop that has no clients is none of the server's.
#[test]
fn loops_without_clients_are_not_counted() {
    if !alone() {
        return;
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/strangers/loops.py");
    let command = ["python3", "-B", &path.display().to_string(), "{port}"].map(String::from);
    let found = verdicts(&["C10".to_owned()], &["--claims=reuseport"], &command);
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

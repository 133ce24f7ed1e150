//! What `socklab examine --client` says of the clients among the specimens, of their sound twins, and of the lecture's.

use std::process::{Output, Stdio};

use serde_json::Value;

use crate::examined::{alone, examine, verdicts};
use crate::support::{self, c_program, socklab};
use crate::{all, lecture, table};

/// How many checks there are, each of which has a verdict: N/A, if it is of the other transport.
const CHECKS: usize = 8;

fn c(name: &str) -> Vec<String> {
    [&c_program(name).display().to_string(), "{host}", "{port}"].map(String::from).to_vec()
}

fn with(command: &[String], more: &[&str]) -> Vec<String> {
    command.iter().cloned().chain(more.iter().map(|word| (*word).to_owned())).collect()
}

/// Each is named by its checks, and by no others than what follows from them.
#[test]
fn each_specimen_and_every_check() {
    if !alone() {
        return;
    }
    let rows: Vec<table::Row> =
        table::rows().into_iter().filter(|row| row.specimen.starts_with("client/")).collect();
    assert_eq!(rows.len(), CHECKS, "one for each check");
    all(
        &rows,
        |row| row.specimen.clone(),
        |row| {
            let found = verdicts(&[], &["--client"], &c(&format!("broken/{}", row.specimen)));
            assert_eq!(found.len(), CHECKS, "{found:?}");
            for (id, verdict, why) in found {
                let is_right = if row.names.contains(&id) {
                    verdict == "fail"
                } else {
                    row.follows.contains(&id) || ["pass", "n/a"].contains(&verdict.as_str())
                };
                assert!(is_right, "{id} is {verdict}: {why}");
            }
        },
    );
}

/// In Rust and in C.
#[test]
fn each_sound_client_passes() {
    if !alone() {
        return;
    }
    let mut commands = Vec::new();
    for (rust, name) in [("fib", "fibonacci"), ("time", "time"), ("nonblocking", "nonblocking")] {
        let program = socklab().get_program().display().to_string();
        let own = [&program, "client", rust, "{host}", "{port}"].map(String::from).to_vec();
        commands.extend([own, c(&format!("client/{name}"))]);
    }
    all(
        &commands,
        |command| command.join(" "),
        |command| {
            // They wait for as long as they are told to; the time client three times.
            let limit = if command.iter().any(|word| word.ends_with("time")) { "1" } else { "2" };
            let command = with(command, &["--timeout", limit]);
            let mut passed = 0;
            for (id, verdict, why) in verdicts(&[], &["--client"], &command) {
                assert!(["pass", "n/a"].contains(&verdict.as_str()), "{id} is {verdict}: {why}");
                passed += usize::from(verdict == "pass");
            }
            assert!(passed == 6 || passed == 4, "{passed} checks passed");
        },
    );
}

#[test]
fn the_lectures_clients_and_their_faults() {
    if !alone() {
        return;
    }
    let rows: Vec<_> =
        lecture::rows().into_iter().filter(|row| row.listing.starts_with("client_")).collect();
    assert_eq!(rows.len(), 3);
    all(
        &rows,
        |row| row.listing.clone(),
        |row| {
            let path = lecture::folder().join(&row.listing).display().to_string();
            let command = [support::python(), "-B", &path, "{port}"].map(String::from);
            for (id, verdict, why) in verdicts(&[], &["--client"], &command) {
                let is_right = if row.faults.contains(&id) {
                    verdict == "fail"
                } else {
                    // A traceback is not a fault, but no good answer to a user.
                    ["pass", "weak", "n/a"].contains(&verdict.as_str())
                };
                assert!(is_right, "{id} is {verdict}: {why}");
            }
        },
    );
}

/// What a client is, by the kernel's word.
#[test]
fn kinds() {
    if !alone() {
        return;
    }
    for (client, kind) in [
        ("client/fibonacci", "TCP client, blocking"),
        ("client/nonblocking", "TCP client, non-blocking"),
        ("client/time", "UDP client, connected socket, blocking"),
        ("broken/client/time_unconnected", "UDP client, unconnected socket, blocking"),
    ] {
        let output = examine(&["K7".to_owned()], &["--client"], &c(client));
        let found: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!(found["identity"]["design"], kind, "{client}: {found}");
        assert_eq!(found["role"], "client");
    }
}

/// A program that sends a word to $HOST and $PORT, and prints what it makes of the answer.
fn python(body: &str) -> Vec<String> {
    let program =
        format!("import os, socket\nto = os.environ['HOST'], int(os.environ['PORT'])\n{body}\n");
    [support::python(), "-c", &program].map(String::from).to_vec()
}

#[test]
fn other_protocols() {
    if !alone() {
        return;
    }
    let ping = python(
        "s = socket.create_connection(to)\ns.sendall(b'PING\\r\\n')\nprint(s.makefile().readline()[1:-1])",
    );
    let only = ["K3", "K7"].map(String::from);
    let told = |options: &[&str], command: &[String]| {
        let found = verdicts(&only, &[&["--client"], options].concat(), command);
        found.into_iter().map(|(_, verdict, _)| verdict).collect::<Vec<_>>()
    };
    assert_eq!(told(&["--answer", r"+PONG\r\n", "--expect", "^PONG"], &ping), ["pass", "pass"]);
    assert_eq!(told(&["--answer", r"+PONG\r\n", "--expect", "^PANG"], &ping), ["fail", "fail"]);
    // What is printed is not what is answered, and nobody has said what it is to be.
    assert_eq!(told(&["--answer", r"+PONG\r\n"], &ping), ["n/a", "n/a"]);
    // One that asks over UDP, and one that is greeted.
    let udp = python(
        "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\ns.connect(to)\ns.send(b'')\nprint(s.recv(99))",
    );
    assert_eq!(told(&["--answer", "hello"], &udp), ["n/a", "pass"]);
    let greeted = python("print(socket.create_connection(to).makefile().read())");
    assert_eq!(told(&["--answer", r"220 hello\n"], &greeted), ["pass", "pass"]);
}

/// A limit that is longer than --wait is no fault; the kernel tells of it.
#[test]
fn a_longer_limit() {
    if !alone() {
        return;
    }
    let sound = with(&c("client/fibonacci"), &["--timeout", "60"]);
    let polls = "s = socket.create_connection(to, 30)\ns.sendall(b'x')\ns.recv(9)";
    let selects = "import select\ns = socket.create_connection(to)\ns.sendall(b'x')\nselect.select([s], [], [], 20)";
    let cases = [
        (sound, "up to 60 s (SO_RCVTIMEO): --wait 62"),
        (python(polls), "up to 30 s (p"),
        (python(selects), "up to 20 s ("),
    ];
    all(
        &cases,
        |(_, said)| (*said).to_owned(),
        |(command, said)| {
            let found = verdicts(&["K5".to_owned()], &["--client"], command);
            assert_eq!(found[0].1, "info", "{found:?}");
            assert!(found[0].2.contains(said), "{found:?}");
        },
    );
}

/// The examiner's line, and that it is one: status 2, and nothing left of the command.
fn trouble(command: &[&str]) -> String {
    let command: Vec<String> = command.iter().map(|word| (*word).to_owned()).collect();
    let output = examine(&[], &["--client", "--wait=1"], &command);
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stdout));
    let found: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(found["findings"], serde_json::json!([]));
    let trouble = found["trouble"].as_str().expect("trouble").to_owned();
    assert_eq!(trouble.lines().count(), 1, "{trouble}");
    trouble
}

#[test]
fn clients_that_cannot_be_examined() {
    if !alone() {
        return;
    }
    assert!(trouble(&["/nowhere/at/all"]).starts_with("/nowhere/at/all: No such file"));
    let ended = trouble(&["true"]);
    assert!(ended.starts_with("the client ended (exit status: 0) and did not ask 127.0.0.1:"));
    assert!(ended.contains("{host} and {port}"), "{ended}");
    let sleeps = trouble(&["sleep", "1000"]);
    assert!(sleeps.contains("did not ask 127.0.0.1:9000 within 1 s"), "{sleeps}");
    assert!(sleeps.contains("is blocked in clock_nanosleep()"), "{sleeps}");
    let fibonacci = c_program("client/fibonacci").display().to_string();
    let elsewhere = trouble(&[&fibonacci, "127.0.0.1", "7777"]);
    assert!(elsewhere.contains("it connected elsewhere (Tcp ActiveOpens: 1)"), "{elsewhere}");
    assert!(
        elsewhere.ends_with("connect: Connection refused (127.0.0.1 port 7777)"),
        "{elsewhere}"
    );
}

/// One that floods its output, and one that heeds no signal, are ended, and what they have started.
#[test]
fn clients_that_do_not_end() {
    if !alone() {
        return;
    }
    let mark = format!("socklab-test-{}", std::process::id());
    for body in ["while :; do yes; done", "sleep 1000 & while :; do sleep 1; done"] {
        let script = format!(": {mark}; trap '' TERM INT HUP; {body}");
        let line = trouble(&["sh", "-c", &script]);
        assert!(line.starts_with("the client did not ask "), "{line}");
    }
    for entry in std::fs::read_dir("/proc").expect("it is there").flatten() {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line);
        assert!(!line.starts_with("sh\0-c\0") || !line.contains(&mark), "{line} is left");
    }
}

/// What an answer is shown in may be much: the beginning and the end are looked at.
#[test]
fn a_flood_around_the_answer() {
    if !alone() {
        return;
    }
    let flood = python(
        "s = socket.create_connection(to)\ns.sendall(b'x')\nprint('x' * 10000000)\nprint(s.makefile().read())",
    );
    let found = verdicts(&["K7".to_owned()], &["--client"], &flood);
    assert_eq!(found[0].1, "pass", "{found:?}");
}

fn suite(text: &str, options: &[&str]) -> Output {
    let name = format!("socklab-clients-{}.txt", std::process::id());
    let file = std::env::temp_dir().join(name);
    std::fs::write(&file, text).expect("written");
    let mut examiner = socklab();
    examiner.args(["examine", "--client", "--only=K6,K7", "--suite"]).arg(&file).args(options);
    let output = examiner.stdin(Stdio::null()).output().expect("socklab runs");
    std::fs::remove_file(file).expect("it is there");
    output
}

#[test]
fn several_clients() {
    if !alone() {
        return;
    }
    let lines = ["fibonacci", "takes_nothing_for_zero"].map(|name| {
        let folder = if name == "fibonacci" { "client" } else { "broken/client" };
        format!("{name}: {} {{host}} {{port}}\n", c_program(&format!("{folder}/{name}")).display())
    });
    let text = format!("{}nothing: /nowhere/at/all\n", lines.concat());
    let output = suite(&text, &[]);
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("3 clients, 2 checks"), "{said}");
    assert!(said.contains("1 without FAIL, 1 with FAIL, 1 not examined"), "{said}");
    let output = suite(&text, &["--json"]);
    let found: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    for one in found["examinations"].as_array().expect("three") {
        assert_eq!(one["role"], "client", "{one}");
    }
}

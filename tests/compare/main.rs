//! `socklab compare`: what is equal, what differs, and what can't be compared.

#[path = "../support/mod.rs"]
mod support;

mod broken;
mod left;
mod parser;
mod table;
mod trace;

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use socklab::server::DESIGNS;

use support::python;

/// strace, or why there is none.
fn has_strace() -> bool {
    let found =
        Command::new("strace").arg("--version").output().is_ok_and(|out| out.status.success());
    if !found {
        eprintln!("skipped: strace is not installed");
    }
    found
}

fn compare(args: &[&str]) -> Output {
    let mut command = support::socklab();
    command.arg("compare").args(args).stdin(Stdio::null());
    command.output().expect("socklab runs")
}

fn said(output: &Output) -> String {
    let (out, err) = (&output.stdout, &output.stderr);
    let out = String::from_utf8_lossy(&out[out.len().saturating_sub(4000)..]).into_owned();
    format!("{:?}\n{out}{}", output.status, String::from_utf8_lossy(err))
}

/// A file with a text, in the folder for what tests write.
fn file(name: &str, text: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, text).expect("written");
    path
}

/// How a Python server serves its clients, in place of the loop of the one below.
const THREADED: &str = r#"
    while True:
        threading.Thread(target=serve, args=(s.accept()[0],)).start()
"#;
const FORKED: &str = r#"
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        client, peer = s.accept()
        if os.fork() == 0:
            s.close()
            serve(client)
            os._exit(0)
        client.close()
"#;
const SELECTORS: &str = r#"
    events = selectors.DefaultSelector()
    s.setblocking(False)
    events.register(s, selectors.EVENT_READ)
    while True:
        for key, _ in events.select():
            if key.fileobj is s:
                events.register(s.accept()[0], selectors.EVENT_READ)
            else:
                events.unregister(key.fileobj)
                serve(key.fileobj)
"#;
const SINGLE: &str = r#"
    while True:
        serve(s.accept()[0])
"#;

const AROUND: &str = r#"
import os, selectors, signal, socket, sys, threading
def serve(client):
    try:
        client.sendall(answers.get(client.recv(64), b"error"))
    except OSError:
        pass
    client.close()
s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("127.0.0.1", int(sys.argv[1])))
s.listen(5)
answers = {b"10\n": b"55", b"20\n": b"6765", b"1\n": b"1"}
try:
LOOP
except KeyboardInterrupt:
    s.close()
"#;

/// The iterative server of the slide, in Python, mended; its port is the first argument.
const PYTHON: &str = r#"
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("127.0.0.1", int(sys.argv[1])))
s.listen(BACKLOG)
answers = {b"10\n": b"55", b"20\n": b"6765", b"1\n": b"1"}
try:
    while True:
        client, peer = s.accept()
        try:
            client.sendall(answers.get(client.recv(64), b"error"))
        except OSError:
            pass
        client.close()
except KeyboardInterrupt:
    s.close()
"#;

fn foreign(backlog: &str) -> [String; 3] {
    let path = file(&format!("server-{backlog}.py"), &PYTHON.replace("BACKLOG", backlog));
    [python().into(), path.display().to_string(), "{port}".into()]
}

fn two(one: &[String], other: &[String], options: &[&str]) -> Output {
    let mut args: Vec<&str> = options.to_vec();
    args.push("--");
    args.extend(one.iter().map(String::as_str));
    args.push("--");
    args.extend(other.iter().map(String::as_str));
    compare(&args)
}

#[test]
fn the_designs_and_their_twins_are_equal() {
    if !has_strace() {
        return;
    }
    for design in DESIGNS {
        if let Some(why) = support::refused(design) {
            eprintln!("skipped: {}: {why}", design.name);
            continue;
        }
        let output = compare(&[design.name]);
        assert!(output.status.success(), "{}: {}", design.name, said(&output));
        assert!(said(&output).ends_with("equal\n"), "{}: {}", design.name, said(&output));
    }
}

#[test]
fn a_foreign_server_equals_itself_and_differs_by_its_backlog() {
    if !has_strace() {
        return;
    }
    let same = two(&foreign("5"), &foreign("5"), &["--json"]);
    assert!(same.status.success(), "{}", said(&same));
    let comparison: Value = serde_json::from_slice(&same.stdout).expect("JSON");
    assert_eq!(comparison["tasks"][0]["role"], "parent");
    let rows = comparison["tasks"][0]["rows"].as_array().expect("rows");
    let listens =
        |row: &&Value| row["left"].as_str().is_some_and(|left| left.starts_with("listen("));
    let listen = rows.iter().find(listens).expect("it listens");
    assert_eq!(listen["left"], "listen(listenfd, 5) = 0");
    assert_eq!(listen["verdict"], "equal");

    let other = two(&foreign("5"), &foreign("6"), &[]);
    assert_eq!(other.status.code(), Some(1), "{}", said(&other));
    let text = String::from_utf8(other.stdout).expect("UTF-8");
    let row = text.lines().find(|line| line.contains(" ! ")).expect("a difference");
    assert!(
        row.starts_with("listen(listenfd, 5) = 0 ") && row.ends_with("listen(listenfd, 6) = 0")
    );
    assert!(text.ends_with("different\n"), "{text}");
}

/// Every way to serve, in Python: each is equal to itself, and no two are equal.
#[test]
fn foreign_servers_of_every_kind() {
    if !has_strace() {
        return;
    }
    let kinds = [
        ("threaded", THREADED, "thread 6"),
        ("forked", FORKED, "child 6"),
        ("selectors", SELECTORS, "parent"),
        ("single", SINGLE, "parent"),
    ];
    let servers = kinds.map(|(name, serve, last)| {
        let path = file(&format!("server-{name}.py"), &AROUND.replace("LOOP", serve));
        ([python().into(), path.display().to_string(), "{port}".into()], last)
    });
    for (server, last) in &servers {
        let same = two(server, server, &["--json"]);
        assert!(same.status.success(), "{server:?}: {}", said(&same));
        let comparison: Value = serde_json::from_slice(&same.stdout).expect("JSON");
        let tasks = comparison["tasks"].as_array().expect("tasks");
        assert_eq!(tasks.last().expect("a task")["role"], *last, "{server:?}");
    }
    for (at, (server, _)) in servers.iter().enumerate() {
        let (other, _) = &servers[(at + 1) % servers.len()];
        let differs = two(server, other, &[]);
        assert_eq!(differs.status.code(), Some(1), "{server:?} {other:?}: {}", said(&differs));
    }
}

/// What stands for an interpreter on many machines: a script that starts much else, asks who the user is,
/// and becomes the interpreter in the end. Some of what it has started is still there then.
const SHIM: &str = r#"#!/bin/sh
for word in one two three; do
    where=$(getent passwd "$(id -u)" | cut -d : -f 6 | tr -d '\n')
    echo "$word $where" | (read -r first rest; getent hosts localhost) >/dev/null &
done
(sleep 0.0$(($$ % 10)); exit 3) &
(sleep 0.2; getent passwd root >/dev/null) &
exec python3 "$@"
"#;

/// However its start goes: with a name lookup before the server's first socket, with processes that end
/// before it, and with some that end while it serves.
#[test]
fn a_start_through_a_script_is_not_compared() {
    if !has_strace() {
        return;
    }
    let shim = file("shim.sh", SHIM).display().to_string();
    let [_, server, port] = foreign("5");
    let through = ["sh".to_owned(), shim, server, port];
    let same = two(&through, &through, &["--all"]);
    assert!(same.status.success(), "{}", said(&same));
    let text = String::from_utf8(same.stdout).expect("UTF-8");
    let headings: Vec<&str> = text.lines().filter(|line| line.ends_with(" equal")).collect();
    assert!(matches!(headings[..], [only] if only.starts_with("parent: ")), "{text}");
    let start = text.lines().find(|line| line.starts_with("(start: ")).expect("a start");
    assert_eq!(start.matches(" processes)").count(), 2, "{text}");
    let called = |name: &str| text.lines().any(|line| line.starts_with(name));
    assert!(called("socket(AF_INET") && !called("socket(AF_UNIX") && !called("--- SIGCHLD"));

    // And it is what the interpreter does by itself.
    let other = two(&through, &foreign("5"), &[]);
    assert!(other.status.success(), "{}", said(&other));
}

#[test]
fn two_designs_differ() {
    if !has_strace() {
        return;
    }
    let program = env!("CARGO_BIN_EXE_socklab");
    let serve = |design: &str| [program, "serve", design, "--port", "0"].map(String::from).to_vec();
    let output = two(&serve("iterative"), &serve("forked"), &[]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(text.contains("! clone(") && text.contains("\nchild 1: 0 of "), "{text}");
}

/// What a server writes down of itself and of its clients, and where, is another number in each run.
const TALKATIVE: &str = r#"
    while True:
        client, peer = s.accept()
        print(os.getpid(), os.getppid(), os.getpgrp(), os.getsid(0), peer, file=sys.stderr, flush=True)
        path = "/tmp/socklab-compare." + str(os.getpid())
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
        os.unlink(path)
        os.sched_getaffinity(os.getpid())
        os.kill(os.getppid(), 0)
        serve(client)
"#;

#[test]
fn a_server_that_writes_its_numbers_down_equals_itself() {
    if !has_strace() {
        return;
    }
    let path = file("server-talkative.py", &AROUND.replace("LOOP", TALKATIVE));
    let server = [python().into(), path.display().to_string(), "{port}".into()];
    let same = two(&server, &server, &["--all"]);
    assert!(same.status.success(), "{}", said(&same));
    let text = String::from_utf8(same.stdout).expect("UTF-8");
    assert!(text.contains("getppid() = OUTSIDE") && text.contains("/tmp/socklab-compare.parent"));
}

/// However late data differ, the difference is found and seen, in as many columns as there are.
#[test]
fn what_differs_late_is_seen() {
    if !has_strace() {
        return;
    }
    let server = |letter: &str| {
        let answer = format!("b\"a\" * 20000 + b\"{letter}\" + b\"a\" * 3000");
        let text = PYTHON.replace("BACKLOG", "5").replace("b\"error\"", &answer);
        let path = file(&format!("server-late-{letter}.py"), &text);
        [python().into(), path.display().to_string(), "{port}".into()]
    };
    let script = file("late.txt", "a connect\na send 5\\n\na expect\na close\n");
    let script = script.to_str().expect("UTF-8");
    for columns in ["40", "80"] {
        let (one, other): ([String; 3], [String; 3]) = (server("y"), server("z"));
        let mut command = support::socklab();
        command
            .args(["compare", "--all", "--script", script, "--"])
            .args(&one)
            .arg("--")
            .args(&other);
        let output = command.env("COLUMNS", columns).output().expect("socklab runs");
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        let row = text.lines().find(|line| line.contains(" ! ")).expect("a difference");
        let (left, right) = row.split_once(" ! ").expect("two sides");
        assert!(left.contains("aya") && right.contains("aza"), "{row}");
        let width = columns.parse().expect("a number");
        assert!(text.lines().all(|line| line.chars().count() <= width), "{text}");
    }
}

/// A design beside somebody's own program: here, the program that is its twin.
#[test]
fn a_design_and_a_twin_of_ones_own() {
    if !has_strace() {
        return;
    }
    let program = PathBuf::from(env!("CARGO_BIN_EXE_socklab"));
    let twin =
        program.parent().and_then(|folder| folder.parent()).expect("target").join("c/forked");
    let twin = twin.to_str().expect("UTF-8");
    let same = compare(&["forked", "--", twin, "--port", "{port}"]);
    // The port is taken, and not chosen by the kernel.
    let text = String::from_utf8_lossy(&same.stdout).into_owned();
    let differing: Vec<&str> = text.lines().filter(|line| line.contains(" ! ")).collect();
    assert!(matches!(differing[..], [only] if only.contains("bind(")), "{}", said(&same));
    assert!(text.contains("posix::sigaction() returns the former action"));
    assert!(compare(&["forked", "--", twin, "--port", "0"]).status.success());
}

#[test]
fn a_script_of_ones_own() {
    if !has_strace() {
        return;
    }
    let script = file("script.txt", "# one client\na connect\na send 10\\n\na expect 55\na end\n");
    let script = script.to_str().expect("UTF-8");
    let output = compare(&["--script", script, "--json", "iterative"]);
    assert!(output.status.success(), "{}", said(&output));
    let comparison: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let calls = comparison["calls"].as_array().expect("calls");
    let made = |name: &str| {
        calls.iter().find(|count| count["call"] == name).map(|count| count["made"].clone())
    };
    assert_eq!(made("sendto"), Some(serde_json::json!([1, 1])));

    let wrong = file("wrong.txt", "a connect\na send 10\\n\na expect 56\n");
    let output = compare(&["--script", wrong.to_str().expect("UTF-8"), "iterative"]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(said(&output).contains("client a: answered \"55\", not \"56\""), "{}", said(&output));
}

#[test]
fn what_can_not_be_compared() {
    let script = file("nonsense.txt", "a jump\n");
    let script = script.to_str().expect("UTF-8");
    for (args, words) in [
        (&["nosuch"][..], "no design 'nosuch'"),
        (&[], "required"),
        (&["--", "true"], "two commands are compared"),
        (&["forked", "--", "true", "--", "true"], "not both"),
        (&["--script", script, "forked"], "line 1: no action \"jump\""),
        (&["--script", "/nonexistent", "forked"], "No such file"),
        (&["--script", "/dev/zero", "forked"], "no longer than 1 MiB"),
        (&["--", "", "--", "true"], "first word is its program, and that is empty"),
        (&["--html", "/nonexistent/a.html", "forked"], "--html /nonexistent/a.html: No such file"),
        (&["--svg", "/", "forked"], "--svg /: Is a directory"),
        (&["--svg", "./a", "--html", "a", "forked"], "--svg and --html both name ./a"),
        (&["--send", "\\q", "forked"], "--send \\q: \\q is no escape"),
        (&["--send", "1", "--expect", "(", "forked"], "--expect (: "),
    ] {
        let output = compare(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", said(&output));
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(stderr.contains(words) && stderr.lines().count() == 1, "{args:?}: {stderr}");
        assert!(output.stdout.is_empty(), "{args:?}");
    }
    if !has_strace() {
        return;
    }
    for (args, words) in [
        (&["--", "true", "--", "true"][..], "ended before it listened"),
        (&["--wait", "1", "--", "sleep", "60", "--", "true"], "did not listen on a port"),
        (&["--", "/nonexistent", "--", "true"], "No such file"),
    ] {
        let output = compare(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", said(&output));
        assert!(said(&output).contains(words), "{args:?}: {}", said(&output));
    }
}

/// Without strace, one line with what to do.
#[test]
fn without_strace() {
    let mut command = support::socklab();
    let output = command.args(["compare", "iterative"]).env("PATH", "/nonexistent").output();
    let output = output.expect("socklab runs");
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("apt-get install strace"), "{}", said(&output));
}

//! `socklab trace`: what it says of servers, and when it can't.

use std::process::Stdio;

use serde_json::Value;

use super::{PYTHON, file, has_strace, said, support};

fn trace(args: &[&str]) -> std::process::Output {
    let mut command = support::socklab();
    command.arg("trace").args(args).stdin(Stdio::null());
    command.output().expect("socklab runs")
}

#[test]
fn each_process_tells_what_it_does() {
    if !has_strace() {
        return;
    }
    let output = trace(&["forked"]);
    assert!(output.status.success(), "{}", said(&output));
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let (parent, child) = text.split_once("\nchild 1: ").expect("a child");
    let in_order = |told: &str, clauses: &[&str]| {
        let mut from = 0;
        for clause in clauses {
            let at = told[from..].find(clause).unwrap_or_else(|| panic!("{clause}: {told}"));
            from += at + clause.len();
        }
    };
    in_order(
        parent,
        &[
            "(start: ",
            "0.000 socket(AF_INET, SOCK_STREAM",
            "takes an address and any free port",
            "5 may wait to be accepted",
            "accepts a client: connection 1",
            "makes child 1, which has a copy of every descriptor",
            "the parent gives up its copy of connection 1",
            "accepts a client: connection 2",
            "is asked to stop, as by Ctrl-C",
            "the process ends",
        ],
    );
    in_order(
        child,
        &[
            "the child gives up its copy of the listening socket",
            "reads what has come on connection 1",
            "answers on connection 1",
            "the process ends",
            "\nchild 2: ",
        ],
    );
}

/// A descriptor that is handed to another process has its name there too.
#[test]
fn a_connection_that_is_handed_over() {
    if !has_strace() {
        return;
    }
    let output = trace(&["--json", "preforked_passing"]);
    assert!(output.status.success(), "{}", said(&output));
    let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let steps = |task: usize| told["tasks"][task]["steps"].as_array().expect("steps").clone();
    let says = |task: usize, words: &str| steps(task).iter().any(|step| step["words"] == words);
    assert_eq!(told["tasks"][1]["role"], "child 1");
    assert!(says(0, "hands a descriptor over") && says(1, "is handed a descriptor"));
    for connection in 1..=6 {
        assert!(says(0, &format!("the parent gives up its copy of connection {connection}")));
        assert!(says(1, &format!("the child ends connection {connection}")));
    }
}

/// A descriptor that has become standard input and output is the connection still.
#[test]
fn a_connection_that_is_standard_input() {
    if !has_strace() {
        return;
    }
    let mut command = support::socklab();
    let output = command.args(["trace", "inetd"]).env("COLUMNS", "60").output().expect("it runs");
    assert!(output.status.success(), "{}", said(&output));
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(text.lines().all(|line| line.chars().count() <= 60), "{text}");
    let child = text.split_once("\nchild 1: ").map_or("", |(_, child)| child);
    let mut rest = child.split_once("\nchild 2: ").map_or("", |(child, _)| child);
    for clause in [
        "has connection 1 as standard input too",
        "has connection 1 as standard output too",
        "the child still has connection 1 under another",
        "becomes another program",
        "reads what has come on connection 1",
        "answers on connection 1",
        "the process ends, and connection 1 with it",
    ] {
        rest = rest.split_once(clause).unwrap_or_else(|| panic!("{clause}: {child}")).1;
    }
    let told: Value =
        serde_json::from_slice(&trace(&["--json", "iterative"]).stdout).expect("JSON");
    assert_eq!(told["tasks"][0]["steps"][0]["at"], 0.0);
}

#[test]
fn any_command_and_ones_own_script() {
    if !has_strace() {
        return;
    }
    let server = file("server-trace.py", &PYTHON.replace("BACKLOG", "7"));
    let script = file("trace.txt", "a connect\na send 10\\n\na expect 55\na end\n");
    let [server, script] = [&server, &script].map(|path| path.to_str().expect("UTF-8"));
    let output = trace(&["--script", script, "--", "python3", server, "{port}"]);
    assert!(output.status.success(), "{}", said(&output));
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(
        text.contains("7 may wait to be accepted") && text.contains("the parent ends connection 1")
    );
    assert!(!text.contains("connection 2"), "{text}");
}

#[test]
fn what_can_not_be_traced() {
    for (args, words) in [
        (&["nosuch"][..], "no design 'nosuch'"),
        (&[], "required"),
        (&["forked", "--", "true"], "cannot be used with"),
        (&["--script", "/nonexistent", "forked"], "No such file"),
    ] {
        let output = trace(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", said(&output));
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(stderr.contains(words) && stderr.lines().count() == 1, "{args:?}: {stderr}");
    }
    if has_strace() {
        let output = trace(&["--", "true"]);
        assert_eq!(output.status.code(), Some(2), "{}", said(&output));
        assert!(said(&output).contains("ended before it listened"), "{}", said(&output));
    }
}

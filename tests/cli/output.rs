//! Where the output goes: terminals, files, closed pipes, full disks.

use std::process::{Command, Output, Stdio};

use crate::support;

const TABLES: &[&[&str]] = &[
    &["designs"],
    &["designs", "--markdown"],
    &["--help"],
    &["experiment", "backlog"],
    &["experiment", "backlog", "--json"],
    &["sockopt", "list"],
    &["sockopt", "get", "SO_TYPE"],
    &["sockopt", "set", "SO_RCVBUF=1", "--json"],
    &["sockopt", "show", "IP_PKTINFO"],
    &["readiness"],
    &["netstat", "-tuln"],
    &["netstat", "-tuln", "--json"],
    &["netstat", "-tuln", "--watch", "1000"],
];

fn assert_failed(output: &Output, line: &str) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), stderr.as_ref()), (Some(1), line));
}

#[test]
fn nobody_reads_any_more() {
    for &args in TABLES {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let output = support::socklab().args(args).stdout(writer).stderr(Stdio::piped()).output();
        assert_failed(&output.expect("the program runs"), "");
    }
}

#[test]
fn a_full_disk() {
    for &args in TABLES {
        let full = std::fs::File::options().write(true).open("/dev/full").expect("/dev/full");
        let output = support::socklab().args(args).stdout(full).stderr(Stdio::piped()).output();
        assert_failed(&output.expect("the program runs"), "write: No space left on device\n");
    }
    // A server that can't say where it listens is of no use.
    let full = std::fs::File::options().write(true).open("/dev/full").expect("/dev/full");
    let mut server = support::socklab();
    server.args(["serve", "forked", "--port", "0"]).stdout(full).stderr(Stdio::piped());
    let output = server.output().expect("the program runs");
    assert_failed(&output, "write: No space left on device\n");
}

#[test]
fn no_escapes_except_for_a_terminal() {
    for args in [
        &["designs"][..],
        &["--help"],
        &["serve", "--help"],
        &["experiment", "backlog"],
        &["netstat", "-tan"],
        &["nosuch"],
        &[],
    ] {
        for environment in [&[][..], &[("NO_COLOR", "1")], &[("TERM", "xterm-256color")]] {
            let mut command = support::socklab();
            command.args(args).env_remove("NO_COLOR").envs(environment.iter().copied());
            let output = command.output().expect("the program runs");
            assert!(!output.stdout.contains(&0x1b) && !output.stderr.contains(&0x1b), "{args:?}");
        }
    }
}

/// Runs a command on a terminal of that many columns and returns what it shows.
fn on_a_terminal(columns: u16, args: &str, no_color: bool) -> Option<String> {
    let socklab = env!("CARGO_BIN_EXE_socklab");
    let line = format!("stty cols {columns} rows 40 && exec '{socklab}' {args}");
    let mut command = Command::new("script");
    command.args(["-qec", &line, "/dev/null"]).stdin(Stdio::null()).stderr(Stdio::null());
    command.env("TERM", "xterm-256color").env_remove("NO_COLOR").env_remove("COLUMNS");
    if no_color {
        command.env("NO_COLOR", "1");
    }
    let Ok(output) = command.output() else {
        eprintln!("skipped: there is no `script` here");
        return None;
    };
    assert!(output.status.success(), "{output:?}");
    Some(String::from_utf8(output.stdout).expect("UTF-8"))
}

#[test]
fn the_table_is_as_wide_as_the_terminal() {
    for columns in [80, 132] {
        let Some(text) = on_a_terminal(columns, "designs", false) else { return };
        let widest = text.lines().map(|line| line.trim_end().chars().count()).max();
        assert!(widest.is_some_and(|widest| widest <= usize::from(columns)), "{widest:?}\n{text}");
        assert!(text.contains("udp_single") && text.contains("forked"), "{text}");
    }
}

#[test]
fn no_color_is_respected_on_a_terminal() {
    for args in ["designs", "--help"] {
        let Some(text) = on_a_terminal(80, args, true) else { return };
        assert!(!text.contains("\u{1b}[3") && !text.contains("\u{1b}[9"), "{args}: {text:?}");
    }
}

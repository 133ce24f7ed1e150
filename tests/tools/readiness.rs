//! `socklab readiness`: its rows against a table of what Linux says, which stands here once more.

use std::process::{Output, Stdio};

use serde_json::Value;

use crate::support;

fn readiness(args: &[&str]) -> Output {
    let mut command = support::socklab();
    command.arg("readiness").args(args).stdin(Stdio::null());
    command.output().expect("the program runs")
}

fn text(output: &Output) -> &str {
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    std::str::from_utf8(&output.stdout).expect("UTF-8")
}

/// select's three sets, and poll's events.
const TABLE: &[(&str, &str, &str)] = &[
    ("TCP: a fresh socket", "110", "OUT HUP"),
    ("UDP: a fresh socket", "010", "OUT"),
    ("listening, nobody is there", "000", ""),
    ("listening, a client waits", "100", "IN"),
    ("listening, a client waited and has sent a RST", "100", "IN"),
    ("what accept returns then", "110", "IN OUT ERR HUP RDHUP"),
    ("TCP: five bytes have come", "110", "IN OUT"),
    ("TCP: nothing has come", "010", "OUT"),
    ("TCP: five bytes, SO_RCVLOWAT is 10", "010", "OUT"),
    ("UDP: a datagram of five bytes has come", "110", "IN OUT"),
    ("UDP: an empty datagram has come", "110", "IN OUT"),
    ("the peer has closed", "110", "IN OUT RDHUP"),
    ("the peer has shut down its writing", "110", "IN OUT RDHUP"),
    ("both have shut down their writing", "110", "IN OUT HUP RDHUP"),
    ("own shutdown(SHUT_WR)", "010", "OUT"),
    ("own shutdown(SHUT_RD)", "110", "IN OUT RDHUP"),
    ("own shutdown(SHUT_RD), then five bytes have come", "110", "IN OUT RDHUP"),
    ("the peer has sent a RST", "110", "IN OUT ERR HUP RDHUP"),
    ("the peer has sent five bytes, then a RST", "110", "IN OUT ERR HUP RDHUP"),
    ("the send buffer is empty", "010", "OUT"),
    ("less than a third of the send buffer is free", "000", ""),
    ("the send buffer is full", "000", ""),
    ("connect is under way: no answer to the SYN", "000", ""),
    ("connect has succeeded", "010", "OUT"),
    ("connect has failed: the port is closed", "110", "IN OUT ERR HUP RDHUP"),
    ("UDP, connected: the port was closed", "110", "OUT ERR"),
    ("an urgent byte has come", "011", "OUT PRI"),
    ("two bytes and then an urgent one have come", "111", "IN OUT PRI"),
];

#[test]
fn the_rows_are_linuxs_table() {
    let output = readiness(&["--json"]);
    let table: Value = serde_json::from_str(text(&output)).expect("JSON");
    let rows = table["rows"].as_array().expect("rows");
    for (situation, select, events) in TABLE {
        let mut found = rows.iter().filter(|row| row["situation"] == *situation).peekable();
        assert!(found.peek().is_some(), "no row for {situation}");
        for row in found {
            let bits = ["readable", "writable", "exception"];
            let bits = bits.map(|set| if row["select"][set] == true { '1' } else { '0' });
            assert_eq!(bits.iter().collect::<String>(), *select, "{situation}: select");
            for who in ["poll", "epoll"] {
                let names = row[who].as_array().expect("events").iter();
                let names: Vec<&str> = names.filter_map(Value::as_str).collect();
                assert_eq!(names.join(" "), *events, "{situation}: {who}");
            }
        }
    }
    for row in rows {
        assert!(TABLE.iter().any(|known| row["situation"] == known.0), "{row}");
        assert!(row.get("wrong").is_none(), "{row}");
    }
}

#[test]
fn the_table_fits_and_says_what_differs() {
    let output = readiness(&[]);
    let text = text(&output);
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    assert!(text.contains("! ") && text.contains(" rows are what Linux must say"), "{text}");
    assert!(!text.contains("WRONG"), "{text}");
}

/// On a terminal of 80 columns.
#[test]
fn the_tables_fit_a_narrow_terminal() {
    let program = support::socklab().get_program().to_owned();
    for tool in ["readiness", "sockopt list"] {
        let line = format!("stty cols 80; exec {} {tool}", program.display());
        let output = std::process::Command::new("script")
            .args(["-qec", &line, "/dev/null"])
            .stdin(Stdio::null())
            .output()
            .expect("script");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.lines().count() > 50, "{tool}: {text}");
        for line in text.lines() {
            let line = line.trim_end_matches('\r');
            assert!(line.chars().count() <= 80 && !line.contains('\u{1b}'), "{tool}: {line:?}");
        }
    }
}

#[test]
fn it_can_be_run_again_and_again_side_by_side() {
    let children = (0..4).map(|_| {
        let mut command = support::socklab();
        command.arg("readiness").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("the program runs")
    });
    for child in children.collect::<Vec<_>>() {
        text(&child.wait_with_output().expect("it ends"));
    }
}

#[test]
fn without_privilege_it_says_the_same() {
    match crate::without_privilege(&["readiness"]) {
        Ok(output) => assert!(!text(&output).is_empty()),
        Err(why) => eprintln!("skipped: without privilege: {why}"),
    }
}

/// In a network whose loopback interface is down, nothing can be made.
#[test]
fn what_can_not_be_made_is_an_error_with_a_remedy() {
    let program = support::socklab().get_program().to_owned();
    let inside = |args: &[&str]| {
        let mut command = std::process::Command::new("unshare");
        command.arg("-Urn").arg(&program).args(args);
        command.output().expect("unshare")
    };
    for (args, name) in
        [(&["readiness"][..], "readiness"), (&["sockopt", "show", "SO_LINGER"], "SO_LINGER")]
    {
        let output = inside(args);
        let line = String::from_utf8_lossy(&output.stderr);
        if line.starts_with("unshare: ") {
            return eprintln!("skipped: a network that is down: {line}");
        }
        let expected = format!(
            "{name}: connect: ENETUNREACH (Network is unreachable): 127.0.0.1 can't be reached: \
             `ip link set lo up`\n"
        );
        assert_eq!((output.status.code(), line.as_ref()), (Some(1), expected.as_str()));
    }
}

#[test]
fn mistakes_are_one_line_and_status_2() {
    for args in [&["more"][..], &["--nosuch"], &["--json=x"]] {
        let output = readiness(args);
        let line = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), line.lines().count()), (Some(2), 1), "{line}");
    }
}

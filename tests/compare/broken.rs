//! Runs that break off, and what there is to see of them.

use std::process::{Output, Stdio};

use super::{compare, file, foreign, has_strace, said, support, two};

fn trace(args: &[&str]) -> Output {
    let mut command = support::socklab();
    command.arg("trace").args(args).stdin(Stdio::null());
    command.output().expect("socklab runs")
}

/// Serves with what is said in place of SERVE, after ADMIN.
const SERVER: &str = r#"
import os, signal, socket, sys
def listening(port):
    s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("127.0.0.1", port))
    s.listen(BACKLOG)
    return s
ADMIN
s = listening(int(sys.argv[1]))
signal.signal(signal.SIGINT, signal.SIG_DFL)
while True:
    SERVE
"#;

fn server(name: &str, backlog: &str, admin: &str, serve: &str) -> String {
    let text = SERVER.replace("BACKLOG", backlog).replace("ADMIN", admin);
    file(name, &text.replace("SERVE", serve)).display().to_string()
}

/// Those who stay to the end leave in order, each when the server has seen the one before.
#[test]
fn clients_that_stay_leave_in_order() {
    if !has_strace() {
        return;
    }
    let names = ["e", "d", "c", "b", "a"];
    let script: String = names.map(|name| format!("{name} connect\n")).concat();
    let script = file("staying.txt", &script);
    for _ in 0..3 {
        let output = trace(&["--script", script.to_str().expect("UTF-8"), "threaded"]);
        assert!(output.status.success(), "{}", said(&output));
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        // Each thread's time of the end of its connection.
        let ends: Vec<f64> = text
            .lines()
            .filter(|line| line.contains("the other end says no more"))
            .filter_map(|line| line.split_whitespace().next()?.parse().ok())
            .collect();
        assert_eq!(ends.len(), 5, "{text}");
        assert!(ends.is_sorted(), "{text}");
    }
}

/// A server that is killed says so, with all that came before, and so does one that answers wrongly.
#[test]
fn what_was_recorded_is_shown() {
    if !has_strace() {
        return;
    }
    let serve = "c = s.accept()[0]; c.recv(64); os.kill(os.getpid(), signal.SIGSEGV)";
    let path = server("killed.py", "5", "", serve);
    let killed = trace(&["--", "python3", &path, "{port}"]);
    assert_eq!(killed.status.code(), Some(2), "{}", said(&killed));
    let text = String::from_utf8_lossy(&killed.stdout);
    assert!(text.contains("accepts a client: connection 1"), "{text}");
    let line = "client good: no answer: the connection ";
    assert!(said(&killed).contains(line), "{}", said(&killed));
    assert!(said(&killed).contains("; the server was killed by SIGSEGV"), "{}", said(&killed));

    let path = server("wrong.py", "5", "", r#"c = s.accept()[0]; c.send(b"10"); c.close()"#);
    let wrong = ["python3", &path, "{port}"];
    let output = trace(&[&["--"][..], &wrong].concat());
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    let text = said(&output);
    assert!(text.contains("client good: answered \"10\", not \"55\"; these clients ask"), "{text}");
    assert!(text.contains("answers on connection 1") && text.contains("--send and --expect"));

    // Compared as far as it came.
    let output = two(&foreign("5"), &wrong.map(String::from), &[]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(said(&output).contains("\ndifferent\n"), "{}", said(&output));
}

#[test]
fn a_request_of_ones_own() {
    if !has_strace() {
        return;
    }
    let serve = "c = s.accept()[0]; b = c.recv(64); c.send(b\"you said \" + b); c.close()";
    let path = server("echo.py", "5", "", serve);
    let echo = |expect: &str| {
        trace(&["--send", "PING\\n", "--expect", expect, "--", "python3", &path, "{port}"])
    };
    let output = echo("^you .* PING$");
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    let output = echo("^you .* PING\n$");
    assert!(output.status.success(), "{}", said(&output));
    assert!(said(&output).contains("PING"), "{}", said(&output));
}

#[test]
fn a_connection_that_never_comes_is_an_error() {
    if !has_strace() {
        return;
    }
    let path = server("full.py", "0", "", "signal.pause()");
    let script = file("full.txt", "a connect\nb connect\nc connect\nd connect\n");
    let script = script.to_str().expect("UTF-8");
    let output = trace(&["--wait", "5", "--script", script, "--", "python3", &path, "{port}"]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(
        said(&output).contains(": not connected within 5 s: as many wait"),
        "{}",
        said(&output)
    );
}

/// The port that was given is the one to ask at, whatever else is open.
#[test]
fn the_port_that_is_given() {
    if !has_strace() {
        return;
    }
    let serve = "c = s.accept()[0]; c.recv(64); c.send(b\"yes\"); c.close()";
    let path = server("admin.py", "5", "k = listening(0); import json, http.server", serve);
    let output = trace(&["--send", "1", "--", "python3", &path, "{port}"]);
    assert!(output.status.success(), "{}", said(&output));
    let output = trace(&["--send", "1", "--", "sh", "-c", &format!("exec python3 {path} $PORT")]);
    assert!(output.status.success(), "{}", said(&output));

    let line = format!("exec {} serve iterative --port 0", env!("CARGO_BIN_EXE_socklab"));
    let output = trace(&["--wait", "5", "--", "sh", "-c", &line, "{port}"]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(said(&output).contains("which {port} stands for"), "{}", said(&output));
}

/// Whoever never rests is recorded in bounds.
#[test]
fn a_server_that_spins() {
    if !has_strace() {
        return;
    }
    let serve = "s.setblocking(False)\n    try: s.accept()\n    except OSError: pass";
    let path = server("spins.py", "5", "", serve);
    let output = trace(&["--wait", "5", "--send", "1", "--", "python3", &path, "{port}"]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(output.stdout.len() < 64 << 20, "{}", output.stdout.len());
}

/// strace that can't be started is not always one that is missing.
#[test]
fn limits_and_rights_are_named() {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("no-right");
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join("strace"), "").expect("written");
    let mut command = support::socklab();
    let output = command.args(["trace", "forked"]).env("PATH", &folder).output().expect("it runs");
    assert_eq!(output.status.code(), Some(2));
    assert!(
        said(&output).contains("strace can't be started: Permission denied"),
        "{}",
        said(&output)
    );

    if !has_strace() {
        return;
    }
    let many: String = (0..100).map(|number| format!("c{number} connect\n")).collect();
    let script = file("many.txt", &many).display().to_string();
    let line = format!("ulimit -n 64; exec {} \"$@\"", env!("CARGO_BIN_EXE_socklab"));
    let mut command = std::process::Command::new("sh");
    command.args(["-c", &line, "sh", "trace", "--script", &script, "forked"]);
    let output = command.output().expect("sh runs");
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(said(&output).contains("raise it: ulimit -n "), "{}", said(&output));
}

/// What can't be written is known before, and what was found is printed all the same.
#[test]
fn a_picture_that_can_not_be_written() {
    if !has_strace() {
        return;
    }
    let output = compare(&["--svg", "/dev/full", "udp_iterative"]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(said(&output).contains("\nequal\n"), "{}", said(&output));
}

//! Nothing is left: of an end by a signal, of socklab's own death, of a server that hides.

use std::fs;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{file, has_strace, said, support};

/// Waits until a process has ended, or another one has its number.
fn until_gone(pid: i32, began: Option<String>) {
    while began.is_some() && start_of(pid) == began {
        std::thread::yield_now();
    }
}

/// When a process began, unless it has ended.
fn start_of(pid: i32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
    (fields[0] != "Z").then(|| fields[19].to_owned())
}

/// Starts socklab on a command that runs for an hour, and returns it and all that is below it.
fn started(subcommand: &[&str]) -> (Child, Vec<(i32, Option<String>)>) {
    let mut command = support::socklab();
    command.args(subcommand).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let child = command.spawn().expect("it runs");
    let below = loop {
        let tree = support::tree(child.id() as i32);
        let is_sleep = |pid: &i32| {
            fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|comm| comm == "sleep\n")
        };
        if tree.iter().any(is_sleep) {
            break tree[1..].iter().map(|&pid| (pid, start_of(pid))).collect();
        }
        std::thread::yield_now();
    };
    (child, below)
}

/// Whether it is ignored here, and so by whatever is started here.
fn is_ignored(signal: Signal) -> bool {
    let status = fs::read_to_string("/proc/self/status").expect("/proc");
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).expect("a mask");
    let mask = u64::from_str_radix(mask.trim(), 16).expect("hexadecimal");
    mask & 1 << (signal as i32 - 1) != 0
}

#[test]
fn a_signal_leaves_nothing() {
    if !has_strace() {
        return;
    }
    let compare = &["compare", "--", "sleep", "3600", "--", "true"][..];
    let trace = &["trace", "--", "sleep", "3600"][..];
    let examine = &["examine", "--", "sleep", "3600"][..];
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT] {
        if is_ignored(signal) {
            eprintln!("skipped: {signal}, which is ignored here, as nohup has it");
            continue;
        }
        for subcommand in [compare, trace, examine] {
            let (mut child, below) = started(subcommand);
            kill(Pid::from_raw(child.id() as i32), signal).expect("it runs");
            let status = child.wait().expect("our child");
            assert_eq!(status.code(), Some(130), "{signal} {subcommand:?}");
            for (pid, began) in below {
                until_gone(pid, began);
            }
        }
    }
}

/// Nor does a death of which it hears nothing.
#[test]
fn a_kill_leaves_nothing() {
    if !has_strace() {
        return;
    }
    // A process that has left its parent, its group and its session.
    let hidden = ["sh", "-c", "setsid sh -c 'setsid sleep 3600 & exit' & exec sleep 3600"];
    for subcommand in ["trace", "examine"] {
        let (mut child, below) = started(&[&[subcommand, "--"][..], &hidden].concat());
        kill(Pid::from_raw(child.id() as i32), Signal::SIGKILL).expect("it runs");
        child.wait().expect("our child");
        for (pid, began) in below {
            until_gone(pid, began);
        }
        let name = format!("socklab-trace-{}-", child.id());
        let left = fs::read_dir(std::env::temp_dir()).expect("a folder").flatten();
        let left: Vec<_> = left.map(|entry| entry.file_name()).collect();
        assert!(!left.iter().any(|left| left.to_string_lossy().starts_with(&name)), "{left:?}");
    }
}

/// Makes itself a daemon, and then listens.
const DAEMON: &str = r#"
import os, socket, sys
if os.fork():
    os._exit(0)
os.setsid()
s = socket.socket()
s.bind(("127.0.0.1", int(sys.argv[1])))
s.listen()
open(sys.argv[2], "w").write(str(os.getpid()) + "\n")
s.accept()
"#;

#[test]
fn a_daemon_is_named_and_killed() {
    if !has_strace() {
        return;
    }
    let server = file("daemon.py", DAEMON).display().to_string();
    let told = file("daemon.pid", "").display().to_string();
    let mut command = support::socklab();
    command.args(["trace", "--", "python3", &server, "{port}", &told]).stdin(Stdio::null());
    let output = command.output().expect("socklab runs");
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(said(&output).contains("has made itself a daemon"), "{}", said(&output));
    // It may not have come to that.
    if let Ok(pid) = fs::read_to_string(told).expect("the file").trim().parse::<i32>() {
        let command = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        assert!(!command.contains("daemon.py"), "{pid} is still there");
    }
}

/// Ends with the group, as by Ctrl-C at a terminal, though nobody tells the others.
#[test]
fn all_of_the_group_are_asked_to_stop() {
    if !has_strace() {
        return;
    }
    let server = file("server-left.py", &super::PYTHON.replace("BACKLOG", "5"));
    let line = format!("python3 {} $PORT; exit 0", server.display());
    let mut command = support::socklab();
    command.args(["trace", "--", "sh", "-c", &line]).stdin(Stdio::null());
    let output = command.output().expect("socklab runs");
    assert!(output.status.success(), "{}", said(&output));
}

/// The table of make says what fails.
#[test]
fn make_compare_fails_with_a_design() {
    let mut make = Command::new("make");
    make.args(["-s", "-o", "false", "compare", "C=", "DESIGNS=nosuch", "SOCKLAB=false"]);
    make.current_dir(env!("CARGO_MANIFEST_DIR"));
    let output = make.output().expect("make runs");
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
}

//! Whatever becomes of an examiner, nothing of what it has started is left: SIGKILL gives it no time for anything.

use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::time::Duration;

use socklab::linux::pidfd::pidfd_open;
use socklab::net::{Deadline, wait};
use socklab::posix::poll::{POLLIN, pollfd};

use crate::examined::alone;
use crate::support::{socklab, tree};
use crate::watch::until;

/// Long before an examiner would give up by itself, which it does after this many seconds.
const WAIT: &str = "--wait=600";
const NEVER: Duration = Duration::from_secs(60);

fn name(pid: i32) -> String {
    std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim_end().to_owned()
}

/// Starts an examiner, waits until so many processes of this name run below it, kills it alone, and sees everybody end who was
/// there: the examiners, the cells, the subjects.
fn everybody_ends(mut examiner: Command, subject: &str, subjects: usize) {
    examiner.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut examiner = examiner.spawn().expect("it starts");
    let all = || tree(examiner.id() as i32);
    until("the subjects run", || {
        all().into_iter().filter(|&pid| name(pid) == subject).count() == subjects
    });
    let watched: Vec<(i32, String, OwnedFd)> = all()
        .into_iter()
        .map(|pid| (pid, name(pid), pidfd_open(pid, 0).expect("it runs")))
        .collect();
    examiner.kill().expect("it runs");
    examiner.wait().expect("our child");
    for (pid, name, pidfd) in watched {
        let ended = wait(&mut [pollfd::new(&pidfd, POLLIN)], Deadline::after(NEVER));
        assert_eq!(ended, Ok(true), "{pid} ({name}) is left");
    }
}

#[test]
fn a_suite() {
    if !alone() {
        return;
    }
    let file = std::env::temp_dir().join(format!("socklab-killed-{}.txt", std::process::id()));
    let lines = "a: sleep infinity\nb: sleep infinity\n\
                 c: sh -c 'setsid sleep infinity & exec sleep infinity'\nd: sleep infinity\n";
    std::fs::write(&file, lines).expect("written");
    let mut examiner = socklab();
    examiner.args(["examine", WAIT, "--jobs=4", "--suite"]).arg(&file);
    everybody_ends(examiner, "sleep", 5);
    std::fs::remove_file(file).expect("it is there");
}

#[test]
fn one_server() {
    if !alone() {
        return;
    }
    let mut examiner = socklab();
    examiner.args(["examine", WAIT, "--", "sh", "-c", "setsid sleep infinity & sleep infinity"]);
    everybody_ends(examiner, "sleep", 2);
}

#[test]
fn one_without_namespaces() {
    if !alone() {
        return;
    }
    let mut examiner = Command::new("unshare");
    let refused = "echo 0 > /proc/sys/user/max_net_namespaces && exec \"$0\" \"$@\"";
    examiner.args(["--user", "--map-root-user", "sh", "-c", refused]);
    examiner.arg(socklab().get_program()).args(["examine", WAIT, "--"]);
    examiner.args(["sh", "-c", "setsid sleep infinity & sleep infinity"]);
    everybody_ends(examiner, "sleep", 2);
}

#[test]
fn a_super_server() {
    if !alone() {
        return;
    }
    let mut examiner = socklab();
    examiner.args(["examine", WAIT, "--inetd", "--send=x", "--expect=x", "--"]);
    examiner.args(["sh", "-c", "exec yes > /dev/null"]);
    everybody_ends(examiner, "yes", 1);
}

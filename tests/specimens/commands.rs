//! Commands that can't be examined: what each of them does.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::look::{has_ended, is_listening, serves};
use crate::support::Server;
use crate::watch::{state, until};
use crate::{diag, program, start, start_at, table};

#[test]
fn each_is_shown() {
    let shown = [
        "unready",
        "other_port",
        "exits_at_once",
        "forks_away",
        "escapes",
        "floods_output",
        "holds_terminal",
    ];
    let listed: Vec<String> =
        table::rows().into_iter().filter(|row| row.is_command).map(|row| row.specimen).collect();
    assert_eq!(listed, shown);
}

#[test]
fn unready() {
    let server = start("broken/unready");
    assert!(!is_listening(&server));
    assert!(TcpStream::connect(server.addr).is_err());
    server.stop().assert_clean();
}

#[test]
fn other_port() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a socket");
    let port = taken.local_addr().expect("an address").port();
    // It would fail, did it want this port.
    let server = start_at("broken/other_port", port);
    assert_ne!(server.addr.port(), port);
    assert!(serves(&server));
    server.stop().assert_clean();
}

#[test]
fn exits_at_once() {
    let mut command = program("broken/exits_at_once");
    let output = command.args(["--port", "0"]).current_dir("/").output().expect("it runs");
    assert_eq!((output.status.code(), &*output.stdout), (Some(1), &b""[..]));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(stderr, "open exits_at_once.conf: No such file or directory\n");
}

#[test]
fn forks_away() {
    let server = start("broken/forks_away");
    until("what was started ends", || has_ended(&server));
    assert!(server.ask(b"10\n") == "55" && is_listening(&server));
    // The child is in the group still, which is killed.
    let ended = server.wait();
    assert!(ended.status.success() && ended.left, "{ended:?}");
}

/// A process outside any group of ours, ended with the test.
struct Escaped(i32);

impl Drop for Escaped {
    fn drop(&mut self) {
        let _ = kill(Pid::from_raw(self.0), Signal::SIGKILL);
        until("it is gone", || state(self.0).is_none_or(|state| state == "Z"));
    }
}

/// Who has the socket that listens at a server's address.
fn owner(server: &Server) -> Option<i32> {
    let inode = diag::listening(server.addr)?.inode;
    let socket = format!("socket:[{inode}]");
    fs::read_dir("/proc").ok()?.flatten().find_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        let has_it = crate::watch::descriptors(pid).iter().any(|(_, what)| *what == socket);
        has_it.then_some(pid)
    })
}

#[test]
fn escapes() {
    let server = start("broken/escapes");
    let escaped = Escaped(owner(&server).expect("somebody listens"));
    until("what was started ends", || has_ended(&server));
    assert_eq!(server.ask(b"10\n"), "55");
    let group = nix::unistd::getpgid(Some(Pid::from_raw(escaped.0))).expect("it lives");
    assert_ne!(group.as_raw(), server.pid());
    kill(Pid::from_raw(escaped.0), Signal::SIGTERM).expect("it lives");
    until("it ends", || !is_listening(&server));
    let ended = server.wait();
    assert!(ended.status.success() && !ended.left, "{ended:?}");
}

/// A process of no group of its own, ended with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Already gone, in the good case.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts it, reads what it says until it listens, is served, and stops it; returns how many bytes it said.
fn is_sound(mut command: Command) -> usize {
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut running = Running(command.spawn().expect("it starts"));
    let mut stdout = BufReader::new(running.0.stdout.take().expect("piped"));
    let mut said = 0;
    let addr = loop {
        let mut line = String::new();
        let length = stdout.read_line(&mut line).expect("a line");
        assert_ne!(length, 0, "it never listens");
        said += length;
        if let Some((_, addr)) = line.split_once(": listening on ") {
            break addr.trim_end().to_owned();
        }
    };
    let mut client = TcpStream::connect(addr).expect("it listens");
    client.write_all(b"10\n").expect("sent");
    let mut answer = String::new();
    client.read_to_string(&mut answer).expect("an answer");
    assert_eq!(answer, "55");
    kill(Pid::from_raw(running.0.id() as i32), Signal::SIGTERM).expect("it lives");
    assert!(running.0.wait().expect("our child").success());
    said
}

#[test]
fn floods_output() {
    let mut command = program("broken/floods_output");
    command.args(["--port", "0"]);
    assert!(is_sound(command) > 64 * 1024 * 1024);
}

/// Without a terminal it is sound; with one it waits for a line.
#[test]
fn holds_terminal() {
    let mut command = Command::new("setsid");
    command.arg(crate::support::c_program("broken/holds_terminal")).args(["--port", "0"]);
    is_sound(command);

    let script = "\
import os, pty, signal, sys
pid, terminal = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], [sys.argv[1], '--port', '0'])
said = b''
while not said.endswith(b'press Enter to listen: '):
    said += os.read(terminal, 1)
os.write(terminal, b'\\n')
while b'listening on' not in said:
    said += os.read(terminal, 100)
os.kill(pid, signal.SIGTERM)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
";
    let output = Command::new("python3")
        .args(["-c", script])
        .arg(crate::support::c_program("broken/holds_terminal"))
        .output()
        .expect("python3 runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

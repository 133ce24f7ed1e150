//! Server programs as the tests' subjects: started as child processes, ready when they say so,
//! stopped by their id, and gone when the test is over, whatever became of it.

#![allow(dead_code, unreachable_pub, reason = "each test crate uses its own part")]

use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::thread::JoinHandle;

use nix::libc;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use socklab::linux::io_uring::{
    IORING_SETUP_DEFER_TASKRUN, IORING_SETUP_SINGLE_ISSUER, io_uring_queue_init,
};
use socklab::posix::netinet_in::IPPROTO_TCP;
use socklab::posix::netinet_tcp::TCP_DEFER_ACCEPT;
use socklab::posix::sys_socket::setsockopt;
use socklab::server::Design;

/// Which of a design's programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// `socklab serve DESIGN`
    Rust,
    /// `target/c/DESIGN`
    C,
    /// The same under gcc's address and undefined-behaviour sanitizers.
    Sanitized,
    /// The same under gcc's thread sanitizer.
    ThreadSanitized,
}

/// The program and its first arguments.
pub fn command(language: Language, design: &Design) -> Command {
    match language {
        Language::Rust => {
            let mut command = socklab();
            command.args(["serve", design.name]);
            command
        }
        Language::C => Command::new(c_program(design.name)),
        Language::Sanitized => Command::new(c_program(&format!("sanitized/{}", design.name))),
        Language::ThreadSanitized => {
            Command::new(c_program(&format!("thread-sanitized/{}", design.name)))
        }
    }
}

/// Why a design can't run here, where the kernel or a sandbox refuses what it is made of.
pub fn refused(design: &Design) -> Option<String> {
    if !design.slide.ends_with("io_uring") {
        return None;
    }
    let flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;
    io_uring_queue_init(8, flags).err().map(|error| error.to_string())
}

/// The Rust program.
pub fn socklab() -> Command {
    Command::new(env!("CARGO_BIN_EXE_socklab"))
}

/// A C program that make has built.
pub fn c_program(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/c").join(name);
    assert!(path.exists(), "{} is missing: run `make test`, which builds it", path.display());
    path
}

/// The interpreter of Python itself: where `python3` is a script, that starts several processes before it.
pub fn python() -> &'static str {
    static PYTHON: OnceLock<String> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let told =
            Command::new("python3").args(["-c", "import sys; print(sys.executable)"]).output();
        String::from_utf8(told.expect("python3 runs").stdout).expect("UTF-8").trim().to_owned()
    })
}

/// A running server, in a process group of its own.
pub struct Server {
    child: Child,
    /// Where it said that it listens.
    pub addr: SocketAddr,
    /// The line in which it said so.
    pub line: String,
    stderr: Option<JoinHandle<String>>,
}

/// How a server ended.
#[derive(Debug)]
pub struct Ended {
    /// Its exit status.
    pub status: ExitStatus,
    /// All that it wrote to standard error.
    pub stderr: String,
    /// Whether a process of its group was still there, a zombie included.
    pub left: bool,
}

impl Server {
    /// Starts a design on a free port of 127.0.0.1.
    pub fn start(language: Language, design: &Design) -> Self {
        Self::start_with(language, design, &[])
    }

    /// The same with further arguments, which may name another address.
    pub fn start_with(language: Language, design: &Design, args: &[&str]) -> Self {
        let mut command = command(language, design);
        if !args.contains(&"--port") {
            command.args(["--port", "0"]);
        }
        command.args(args);
        Self::spawn(command)
    }

    /// Starts a command and waits for its line.
    pub fn spawn(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let mut stderr = child.stderr.take().expect("piped");
        let stderr = std::thread::spawn(move || {
            let mut text = String::new();
            // A server's last words may be cut.
            let _ = stderr.read_to_string(&mut text);
            text
        });
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
        let addr = line.rsplit(' ').next().and_then(|addr| addr.trim_end().parse().ok());
        let Some(addr) = addr else {
            let status = child.wait();
            panic!("{command:?} said {line:?}, then {:?} ({status:?})", stderr.join());
        };
        Self { child, addr, line, stderr: Some(stderr) }
    }

    /// Its process id.
    pub fn pid(&self) -> i32 {
        self.child.id().try_into().expect("a pid")
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid()), signal).expect("the server runs");
    }

    /// Waits for its end.
    pub fn wait(mut self) -> Ended {
        let status = self.child.wait().expect("our child");
        let group = Pid::from_raw(self.pid());
        // Whoever is left would keep standard error open.
        let left = killpg(group, Signal::SIGKILL).is_ok();
        Ended { status, stderr: self.stderr.take().expect("once").join().expect("a reader"), left }
    }

    /// Stops it with SIGTERM and waits.
    pub fn stop(self) -> Ended {
        self.signal(Signal::SIGTERM);
        self.wait()
    }

    /// Whether it still runs.
    pub fn is_alive(&mut self) -> bool {
        self.child.try_wait().expect("our child").is_none()
    }

    /// The processes that it has made and that still exist, zombies included.
    pub fn children(&self) -> Vec<i32> {
        children(self.pid())
    }

    /// A new connection.
    pub fn connect(&self) -> TcpStream {
        TcpStream::connect(self.addr).expect("the server listens")
    }

    /// One request, whole, and everything that is answered until the end of file.
    pub fn ask(&self, request: &[u8]) -> String {
        use std::io::Write;
        let mut client = self.connect();
        client.write_all(request).expect("the request is sent");
        let mut answer = String::new();
        client.read_to_string(&mut answer).expect("an answer and an end of file");
        answer
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Already gone, in the good case.
        let _ = killpg(Pid::from_raw(self.pid()), Signal::SIGKILL);
        let _ = self.child.wait();
    }
}

impl Ended {
    /// Status 0, nothing on standard error, and no process left.
    pub fn assert_clean(&self) {
        assert!(
            self.status.success() && self.stderr.is_empty() && !self.left,
            "ended with {:?} (signal {:?}), processes left: {}, and said {:?}",
            self.status.code(),
            self.status.signal(),
            self.left,
            self.stderr
        );
    }
}

/// The children of a process, zombies included.
pub fn children(pid: i32) -> Vec<i32> {
    std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))
        .unwrap_or_default()
        .split_whitespace()
        .filter_map(|child| child.parse().ok())
        .collect()
}

/// A process and all its descendants.
pub fn tree(pid: i32) -> Vec<i32> {
    let mut pids = vec![pid];
    let mut at = 0;
    while at < pids.len() {
        for tid in tids(pids[at]) {
            let children =
                std::fs::read_to_string(format!("/proc/{}/task/{tid}/children", pids[at]))
                    .unwrap_or_default();
            pids.extend(children.split_whitespace().filter_map(|child| child.parse::<i32>().ok()));
        }
        at += 1;
    }
    pids
}

/// The threads of a process.
pub fn tids(pid: i32) -> Vec<i32> {
    let Ok(entries) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// A descriptor of another process, as one of ours.
pub fn descriptor(pid: i32, fd: i32) -> OwnedFd {
    // SAFETY: takes integers, returns a descriptor that is ours or -1.
    let pidfd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    assert!(pidfd >= 0, "pidfd_open: {}", std::io::Error::last_os_error());
    // SAFETY: just made, and nobody else's.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd as i32) };
    // SAFETY: as above; the pidfd is open.
    let copy = unsafe { libc::syscall(libc::SYS_pidfd_getfd, pidfd.as_raw_fd(), fd, 0) };
    assert!(copy >= 0, "pidfd_getfd: {}", std::io::Error::last_os_error());
    // SAFETY: just made, and nobody else's.
    unsafe { OwnedFd::from_raw_fd(copy as i32) }
}

/// Client and request come together, as they mostly do: a loop that looks for the request as soon as it
/// has accepted finds it. The listening socket is asked to wait for it, from outside.
pub fn defer_accept(server: &Server) {
    for pid in tree(server.pid()) {
        for entry in std::fs::read_dir(format!("/proc/{pid}/fd")).expect("the server runs") {
            let fd = entry.unwrap().file_name().to_str().unwrap().parse().unwrap();
            let copy = descriptor(pid, fd);
            // Only a listening TCP socket has it.
            let _ = setsockopt(&copy, IPPROTO_TCP, TCP_DEFER_ACCEPT, &60);
        }
    }
}

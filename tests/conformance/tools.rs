//! What the tests borrow: limits of a running server, a descriptor of its, strace, other users.

use std::fs;
use std::io::Read;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{getsockopt, sockopt};
use nix::unistd::{Pid, geteuid};

use crate::support::{Server, descriptor, tids};
use crate::watch::{naps_of, state, tracer, tree, until};

/// Sets a soft limit of a running process, such as `nofile` or `nproc`, as the user whose it is; the
/// hard limit stays.
pub(crate) fn limit(pid: i32, uid: Option<u32>, what: &str, soft: &str) {
    let mut prlimit = Command::new("prlimit");
    prlimit.args([format!("--pid={pid}"), format!("--{what}={soft}:")]);
    if let Some(uid) = uid {
        prlimit = as_user(uid, &prlimit);
    }
    let done = prlimit.output().expect("prlimit and setpriv, of util-linux, run");
    assert!(done.status.success(), "prlimit: {}", String::from_utf8_lossy(&done.stderr));
}

fn as_user(uid: u32, command: &Command) -> Command {
    let mut setpriv = Command::new("setpriv");
    setpriv.args([format!("--reuid={uid}"), format!("--regid={uid}")]);
    setpriv.args(["--clear-groups", "--"]);
    setpriv.arg(command.get_program()).args(command.get_args());
    setpriv
}

/// SO_RCVTIMEO of a socket of another process; zero is none.
pub(crate) fn receive_timeout(pid: i32, fd: i32) -> Duration {
    let copy = descriptor(pid, fd);
    let limit = getsockopt(&copy, sockopt::ReceiveTimeout).expect("SO_RCVTIMEO");
    Duration::from_micros(limit.tv_sec() as u64 * 1_000_000 + limit.tv_usec() as u64)
}

/// strace, attached to a server, forging errors of its calls.
pub(crate) struct Forger {
    strace: Child,
    log: PathBuf,
}

impl Forger {
    /// Attaches to a server that is at rest; `inject` is strace's own expression. `Err` is why
    /// strace can't.
    pub(crate) fn attach(server: &Server, calls: &str, inject: &str) -> Result<Self, String> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("socklab-{}-{}", std::process::id(), NUMBER.fetch_add(1, SeqCst));
        let log = std::env::temp_dir().join(name);
        let pids = tree(server.pid());
        let tids = pids.iter().flat_map(|&pid| tids(pid));
        let naps: Vec<(i32, u64)> = tids.map(|tid| (tid, naps_of(tid))).collect();
        let mut strace = Command::new("strace")
            .args(["-f", "-qq", "-e", &format!("trace={calls}"), "-e", "signal=none"])
            .args(["-e", &format!("inject={inject}")])
            .args(pids.iter().flat_map(|pid| [String::from("-p"), pid.to_string()]))
            .arg("-o")
            .arg(&log)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("strace: {error}"))?;
        let id = u64::from(strace.id());
        let mut ended = false;
        until("strace is attached", || {
            ended = strace.try_wait().expect("our child").is_some();
            // Stopped once and let go again: from then on strace sees each call from its start.
            let is_traced = |&(tid, before)| {
                tracer(tid) == id && naps_of(tid) > before && state(tid).as_deref() != Some("t")
            };
            ended || naps.iter().all(is_traced)
        });
        if ended {
            let mut why = String::new();
            let _ = strace.stderr.take().expect("piped").read_to_string(&mut why);
            let _ = fs::remove_file(&log);
            return Err(why.trim_end().to_owned());
        }
        Ok(Self { strace, log })
    }

    /// What it has seen so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// How many calls have been forged.
    pub(crate) fn forged(&self) -> usize {
        self.log().matches("(INJECTED)").count()
    }

    /// Waits until a call has been forged.
    pub(crate) fn until_forged(&self) {
        until("an error is forged", || self.forged() > 0);
    }
}

impl Drop for Forger {
    /// Detaches.
    fn drop(&mut self) {
        let _ = kill(Pid::from_raw(self.strace.id() as i32), Signal::SIGINT);
        let _ = self.strace.wait();
        let _ = fs::remove_file(&self.log);
    }
}

/// A command as somebody runs it who has no privilege: as we are, or as a user, who is named then and
/// has no other processes.
pub(crate) fn unprivileged(command: Command) -> Result<(Command, Option<u32>), String> {
    if !geteuid().is_root() {
        return Ok((command, None));
    }
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let uid = 100_000 + std::process::id() % 10_000 * 100 + NUMBER.fetch_add(1, SeqCst) % 100;
    let mut probe = Command::new("test");
    probe.arg("-x").arg(command.get_program());
    let done = as_user(uid, &probe).output().map_err(|error| format!("setpriv: {error}"))?;
    if !done.status.success() {
        let why = String::from_utf8_lossy(&done.stderr);
        let program = command.get_program().display();
        return Err(format!("another user can't run {program} {}", why.trim_end()));
    }
    Ok((as_user(uid, &command), Some(uid)))
}

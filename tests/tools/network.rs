//! A network of the tests' own, without privilege: client - router1 - router2 - router3 - server, in
//! namespaces that `network.sh` makes. Tests that run at the same time share it; the last one takes it down.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::support;

pub(crate) struct Network {
    /// `unshare`, whose only child is the first process of the namespaces.
    holder: Child,
    first: i32,
}

/// Who runs a program.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rights {
    /// Without any capability, and without a way to get one.
    None,
    /// All that there are in the namespace.
    All,
}

/// The network that the tests share, or why there is none.
pub(crate) fn shared() -> Result<Arc<Network>, String> {
    static NETWORK: Mutex<Weak<Network>> = Mutex::new(Weak::new());
    let mut shared = NETWORK.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(network) = shared.upgrade() {
        return Ok(network);
    }
    let network = Arc::new(Network::start()?);
    *shared = Arc::downgrade(&network);
    Ok(network)
}

impl Network {
    fn start() -> Result<Self, String> {
        let mut holder = Command::new("unshare")
            .args(["-Urnmpf", "--map-root-user", "--kill-child", "sh", "-c"])
            .arg(include_str!("network.sh"))
            .env("SOCKLAB", env!("CARGO_BIN_EXE_socklab"))
            .env("PATH", path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("unshare: {error}"))?;
        let mut line = String::new();
        let stdout = holder.stdout.as_mut().expect("piped");
        BufReader::new(stdout).read_line(&mut line).expect("text");
        if line != "ready\n" {
            drop(holder.stdin.take());
            let mut why = String::new();
            holder.stderr.take().expect("piped").read_to_string(&mut why).expect("text");
            holder.wait().expect("our child");
            return Err(format!("no network of namespaces can be had here: {}", why.trim()));
        }
        let pid = i32::try_from(holder.id()).expect("a pid");
        let first = support::children(pid)[0];
        Ok(Self { holder, first })
    }

    /// A program in one of the namespaces: `client`, `r1`, `r2`, `r3`, `server`.
    pub(crate) fn command(&self, namespace: &str, rights: Rights, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.first.to_string()]);
        command.args(["--user", "--mount", "--preserve-credentials"]);
        command.args(["ip", "netns", "exec", namespace]);
        if rights == Rights::None {
            command.args(["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"]);
        }
        command.arg(program).env("PATH", path()).env("LC_ALL", "C").stdin(Stdio::null());
        command
    }

    /// socklab at the client, without any capability.
    pub(crate) fn socklab(&self, args: &str) -> Output {
        let mut command = self.command("client", Rights::None, env!("CARGO_BIN_EXE_socklab"));
        command.args(args.split_whitespace()).output().expect("it runs")
    }
}

/// `nft` lies where PATH leads only root.
fn path() -> String {
    format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default())
}

impl Drop for Network {
    fn drop(&mut self) {
        drop(self.holder.stdin.take());
        // With the first process all others of the namespaces end.
        let _ = self.holder.wait();
    }
}

/// The network, or a line that says why the test is skipped, and its end.
macro_rules! network {
    () => {
        match $crate::network::shared() {
            Ok(network) => network,
            Err(reason) => return eprintln!("skipped: {reason}"),
        }
    };
}
pub(crate) use network;

/// What the program said, whatever its status.
pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

/// What it complained of.
pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

#[test]
fn nobody_in_it_has_a_capability() {
    let network = network!();
    let mut command = network.command("client", Rights::None, "grep");
    let output = command.args(["^Cap", "/proc/self/status"]).output().expect("it runs");
    let text = stdout(&output);
    assert_eq!(text.lines().count(), 5, "{text}");
    assert!(text.lines().all(|line| line.ends_with("\t0000000000000000")), "{text}");
}

#[test]
fn it_leaves_nothing_behind() {
    let network = match Network::start() {
        Ok(network) => network,
        Err(reason) => return eprintln!("skipped: {reason}"),
    };
    let mut processes = support::tree(network.first);
    processes.push(i32::try_from(network.holder.id()).expect("a pid"));
    assert!(processes.len() >= 4, "a shell, two servers, unshare: {processes:?}");
    drop(network);
    for pid in processes {
        assert!(!Path::new(&format!("/proc/{pid}")).exists(), "{pid} is still there");
    }
}

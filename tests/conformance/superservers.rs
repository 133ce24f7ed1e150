//! Programs that wait for clients on behalf of another: whatever convention they have, the program that
//! they start finds its socket, serves, and leaves the rest to them.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering::SeqCst};

use nix::libc;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use socklab::server::Design;

use crate::cases::{Case, all, part, run, skip};
use crate::diag;
use crate::support::{self, Language, children};
use crate::watch::{Doing, Task, until, until_some};
use crate::wire::{Client, End};

/// The program that is started for a connection, or for all of them.
fn is_started_by_others(design: &Design) -> bool {
    design.name == "inetd"
}

/// A super-server, in a process group of its own.
struct SuperServer {
    child: Child,
    addr: SocketAddr,
}

/// A command, and what it listens at: an address that nobody else here binds.
type Start = fn(&str, &str, &[String]) -> Command;

impl SuperServer {
    /// `None` where the super-server is not installed.
    fn start(case: &Case, start: Start) -> Option<Self> {
        static NUMBER: AtomicU8 = AtomicU8::new(1);
        let [.., high, low] = std::process::id().to_be_bytes();
        let addr = SocketAddr::from((
            Ipv4Addr::new(127, high | 64, low, NUMBER.fetch_add(1, SeqCst)),
            9000,
        ));
        let program = support::command(case.language, case.design);
        let words = std::iter::once(program.get_program()).chain(program.get_args());
        let words: Vec<String> = words.map(|word| word.to_str().expect("UTF-8").into()).collect();
        let mut command = start(&addr.ip().to_string(), &addr.port().to_string(), &words);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let name = command.get_program().to_owned();
        let child = match std::os::unix::process::CommandExt::process_group(&mut command, 0).spawn()
        {
            Ok(child) => child,
            Err(error) => {
                skip(format_args!("{case} under {}", name.display()), error);
                return None;
            }
        };
        let mut server = Self { child, addr };
        until("the super-server listens", || {
            let ended = server.child.try_wait().expect("our child");
            assert!(ended.is_none(), "{command:?}: {ended:?}");
            diag::listening(addr).is_some()
        });
        Some(server)
    }

    fn pid(&self) -> i32 {
        self.child.id().try_into().expect("a pid")
    }

    fn connect(&self) -> Client {
        Client::connect_at_once(self.addr).expect("the super-server listens")
    }

    fn ask(&self, request: &str, answer: &str) {
        let client = self.connect();
        client.send(request.as_bytes());
        client.expect(answer);
    }
}

impl Drop for SuperServer {
    fn drop(&mut self) {
        // Whoever it has started is in its group, unless it has left it.
        let _ = killpg(Pid::from_raw(self.pid()), Signal::SIGKILL);
        let _ = self.child.wait();
    }
}

fn tcpserver(host: &str, port: &str, words: &[String]) -> Command {
    let mut command = Command::new("tcpserver");
    command.args(["-H", "-R", "-l0", host, port]).args(words);
    command
}

fn socat_exec(host: &str, port: &str, exec: String) -> Command {
    let mut command = Command::new("socat");
    command.arg(format!("TCP-LISTEN:{port},bind={host},reuseaddr,fork")).arg(exec);
    command
}

/// It keeps the connection and passes on what is said: the program has a pair of local sockets.
fn socat(host: &str, port: &str, words: &[String]) -> Command {
    socat_exec(host, port, format!("EXEC:{}", words.join(" ")))
}

fn socat_nofork(host: &str, port: &str, words: &[String]) -> Command {
    socat_exec(host, port, format!("EXEC:{},nofork", words.join(" ")))
}

fn systemd(host: &str, port: &str, flags: &[&str], words: &[String]) -> Command {
    let mut command = Command::new("systemd-socket-activate");
    command.arg("-l").arg(format!("{host}:{port}")).args(flags).args(words);
    command
}

fn systemd_accept_inetd(host: &str, port: &str, words: &[String]) -> Command {
    systemd(host, port, &["--accept", "--inetd"], words)
}

fn systemd_accept(host: &str, port: &str, words: &[String]) -> Command {
    systemd(host, port, &["--accept"], words)
}

fn systemd_inetd(host: &str, port: &str, words: &[String]) -> Command {
    systemd(host, port, &["--inetd"], words)
}

fn systemd_listen_fds(host: &str, port: &str, words: &[String]) -> Command {
    systemd(host, port, &[], words)
}

/// inetd, from a file of one line.
fn inetd(host: &str, port: &str, wait: &str, words: &[String]) -> Command {
    let uid = nix::unistd::getuid();
    let user =
        nix::unistd::User::from_uid(uid).ok().flatten().map_or("root".into(), |user| user.name);
    let (program, line) = (&words[0], words.join(" "));
    let text = format!("{host}:{port} stream tcp {wait} {user} {program} {line}\n");
    let path = format!("{}/inetd-{host}-{wait}.conf", env!("CARGO_TARGET_TMPDIR"));
    std::fs::write(&path, text).expect("written");
    let mut command = Command::new("inetd");
    // It lies where PATH often does not lead.
    command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").args(["-E", "-i", &path]);
    command
}

fn inetd_nowait(host: &str, port: &str, words: &[String]) -> Command {
    // Without a limit of starts in a minute.
    inetd(host, port, "nowait.0", words)
}

fn inetd_wait(host: &str, port: &str, words: &[String]) -> Command {
    inetd(host, port, "wait", words)
}

fn each_language(body: impl Fn(&Case) + Sync) {
    run(&all(is_started_by_others), Case::to_string, body);
}

/// A process for each connection, which is its standard input and output, or LISTEN_FDS's.
#[test]
fn one_connection_for_each_process() {
    let starts: &[(&str, Start)] = &[
        ("tcpserver", tcpserver),
        ("socat", socat),
        ("socat nofork", socat_nofork),
        ("systemd --accept --inetd", systemd_accept_inetd),
        ("systemd --accept", systemd_accept),
        ("inetd nowait", inetd_nowait),
    ];
    each_language(|case| {
        for &(name, start) in starts {
            part(name, || {
                let Some(server) = SuperServer::start(case, start) else { return };
                // Silent while the others are served.
                let silent = server.connect();
                for _ in 0..5 {
                    server.ask("10\n", "55");
                }
                server.ask(
                    "ten\n",
                    "error: not a decimal integer; send a decimal integer from 0 to 45\n",
                );
                let half = server.connect();
                half.send(b"1");
                drop(half);
                silent.send(b"20");
                silent.finish();
                silent.expect("6765");
                until("the processes of all clients are gone", || {
                    children(server.pid()).into_iter().all(is_zombie)
                });
            });
        }
    });
}

/// A zombie is its parent's to wait for: some do so when the next client comes.
fn is_zombie(pid: i32) -> bool {
    crate::watch::state(pid).is_none_or(|state| state == "Z")
}

/// One process for all connections, with the listening socket, which stays the super-server's.
#[test]
fn one_process_for_all_connections() {
    let starts: &[(&str, Start)] = &[
        ("systemd", systemd_listen_fds),
        ("systemd --inetd", systemd_inetd),
        ("inetd wait", inetd_wait),
    ];
    each_language(|case| {
        for &(name, start) in starts {
            part(name, || {
                let Some(server) = SuperServer::start(case, start) else { return };
                for _ in 0..3 {
                    server.ask("10\n", "55");
                }
                // systemd-socket-activate has become the server; inetd has started it.
                let serving = || children(server.pid()).first().copied().unwrap_or(server.pid());
                let first = serving();
                let task = Task { pid: first, tid: first };
                let waits = || matches!(task.doing(), Doing::Blocked(libc::SYS_pselect6, _));
                until("it waits for clients", waits);
                // A client that is being served when the signal comes is let go.
                let silent = server.connect();
                silent.until_accepted();
                kill(Pid::from_raw(first), Signal::SIGTERM).expect("it runs");
                assert_eq!(silent.read(), (String::new(), End::Closed));
                if first != server.pid() {
                    // The listening socket is as it was: the next client starts another one.
                    server.ask("20\n", "6765");
                    let second = until_some("another one", || {
                        children(server.pid()).into_iter().find(|&pid| pid != first)
                    });
                    let task = Task { pid: second, tid: second };
                    until("it waits for clients", || {
                        matches!(task.doing(), Doing::Blocked(libc::SYS_pselect6, _))
                    });
                    kill(Pid::from_raw(second), Signal::SIGTERM).expect("it runs");
                    until("it has ended", || is_zombie(second));
                    return;
                }
                let mut server = server;
                let status = server.child.wait().expect("our child");
                assert!(status.success() || case.language == Language::Sanitized, "{status:?}");
            });
        }
    });
}

/// What the environment says for another process is not for this one.
#[test]
fn a_socket_of_somebody_else() {
    each_language(|case| {
        for (pid, fds) in [("1", "1"), ("", "1"), ("$$", "0")] {
            let server = support::Server::spawn(handed(case, pid, fds));
            assert_eq!(server.ask(b"10\n"), "55");
            case.stop(server).assert_clean();
        }
    });
}

/// At all but one of them a client would wait for ever.
#[test]
fn several_sockets_are_refused() {
    each_language(|case| {
        let output = handed(case, "$$", "2").output().expect("sh runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), &*said), (Some(1), "LISTEN_FDS: Invalid argument\n"));
        assert!(output.stdout.is_empty());
    });
}

/// The program as systemd would start it; the process id of a shell (`$$`) is that of the program that it
/// becomes.
fn handed(case: &Case, pid: &str, fds: &str) -> Command {
    let program = support::command(case.language, case.design);
    let mut shell = Command::new("sh");
    let script =
        format!("LISTEN_PID={pid} LISTEN_FDS={fds}; export LISTEN_PID LISTEN_FDS; exec \"$@\"");
    shell.args(["-c", &script, "sh"]).arg(program.get_program()).args(program.get_args());
    shell.args(["--port", "0"]);
    shell
}

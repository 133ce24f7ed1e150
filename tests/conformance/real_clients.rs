//! Clients that people have: netcat, a Python program, rdate, and the lecture's own in Rust and C.

use std::io::Write;
use std::net::UdpSocket;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use socklab::posix::time::time;

use crate::cases::{Case, all, each, is_tcp, is_udp, part, skip};
use crate::support::{Language, Server, c_program, command, socklab};
use crate::udp::calendar::{ZONES, assert_tells};
use crate::udp::senders::in_own_network;
use crate::udp::serves_once;
use crate::watch::resumed;

/// A wait for a client that is longer than this never ends: not a criterion of anything.
const NEVER: Duration = Duration::from_secs(10);

/// What a client with this input prints; it succeeds and does not complain.
fn printed(mut command: Command, input: &[u8]) -> String {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut client = command.env("TZ", ZONES[0].0).spawn().expect("a client");
    client.stdin.take().expect("piped").write_all(input).expect("its input");
    let done = client.wait_with_output().expect("a client");
    let complaint = String::from_utf8_lossy(&done.stderr);
    assert!(
        done.status.success() && complaint.is_empty(),
        "{command:?}: {:?}, {complaint:?}",
        done.status
    );
    String::from_utf8(done.stdout).expect("text")
}

fn has(tool: &str) -> bool {
    let found = Command::new("sh").args(["-c", "command -v \"$0\"", tool]).output();
    found.is_ok_and(|found| found.status.success())
}

/// A client's arguments: a server on this machine.
fn at(mut command: Command, server: &Server) -> Command {
    command.args(["localhost", &server.addr.port().to_string()]);
    command
}

/// `fib(10)=55 (0.001s calc time)`, as the lecture's client prints it.
fn assert_lecture_line(line: &str, n: u32, answer: &str) {
    let rest =
        line.strip_prefix(&format!("fib({n})={answer} (")).unwrap_or_else(|| panic!("{line:?}"));
    let seconds = rest.strip_suffix("s calc time)\n").unwrap_or_else(|| panic!("{line:?}"));
    let seconds: f64 = seconds.parse().unwrap_or_else(|_| panic!("{line:?}"));
    assert!((0.0..NEVER.as_secs_f64()).contains(&seconds), "{line:?}");
}

/// A server whose local time is known.
fn start(case: &Case, args: &[&str]) -> Server {
    let mut command = command(case.language, case.design);
    if !args.contains(&"--port") {
        command.args(["--port", "0"]);
    }
    command.args(args).env("TZ", ZONES[0].0);
    Server::spawn(command)
}

/// A client program of ours.
#[derive(Debug, Clone, Copy)]
enum Ours {
    Rust,
    C,
    Sanitized,
    Python,
}

impl Ours {
    /// Those that a server is asked by. The sanitized client is for the sanitized servers: it starts
    /// slowly, and the others' answers are no different.
    fn of(case: &Case) -> Vec<Self> {
        let mut clients = vec![Self::Rust, Self::C];
        if case.language == Language::Sanitized {
            clients.push(Self::Sanitized);
        }
        if python().is_some() {
            clients.push(Self::Python);
        }
        clients
    }

    fn command(self, what: &str) -> Command {
        let c = |folder: &str| {
            let name = if what == "fib" { "fibonacci" } else { what };
            Command::new(c_program(&format!("{folder}{name}")))
        };
        match self {
            Self::Rust => {
                let mut command = socklab();
                command.args(["client", what]);
                command
            }
            Self::C => c("client/"),
            Self::Sanitized => c("sanitized/client/"),
            Self::Python => {
                let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/conformance/client.py");
                let mut command = Command::new(python().expect("python3"));
                // Without the user's packages it starts faster.
                command.args(["-I", "-S", script, what]);
                command
            }
        }
    }

    /// How it is told which number to ask for.
    fn fib(self, server: &Server, n: &str) -> Command {
        let mut command = at(self.command("fib"), server);
        if !matches!(self, Self::Python) {
            command.arg("-n");
        }
        command.arg(n);
        command
    }
}

/// The interpreter itself: the name may be that of a script which looks for it.
fn python() -> Option<&'static PathBuf> {
    static FOUND: OnceLock<Option<PathBuf>> = OnceLock::new();
    let find = || {
        let mut python = Command::new("python3");
        let said = python.args(["-I", "-c", "import sys; print(sys.executable)"]).output().ok()?;
        let path = String::from_utf8(said.stdout).ok()?;
        said.status.success().then(|| PathBuf::from(path.trim_end()))
    };
    FOUND.get_or_init(find).as_ref()
}

// ---- over TCP ----

const NOT_A_NUMBER: &str = "error: not a decimal integer; send a decimal integer from 0 to 45\n";

/// `nc localhost PORT`: a person who types. It ends when the server closes.
#[test]
fn netcat_over_tcp() {
    if !has("nc") {
        return skip("netcat_over_tcp", "nc is not installed");
    }
    let help = Command::new("nc").arg("-h").output().expect("nc");
    let half_closes = String::from_utf8_lossy(&help.stderr).contains("\t-N");
    if !half_closes {
        skip("nc -N", "this netcat has no such option");
    }
    each(is_tcp, |case| {
        let server = start(case, &[]);
        let ask = |options: &[&str], input: &str| {
            let mut nc = Command::new("nc");
            nc.args(options);
            printed(at(nc, &server), input.as_bytes())
        };
        for (input, answer) in [("10\n", "55"), ("20\r\n", "6765"), ("x\n", NOT_A_NUMBER)] {
            part("nc", || assert_eq!(ask(&[], input), answer, "to {input:?}"));
            if half_closes {
                part("nc -N", || assert_eq!(ask(&["-N"], input), answer, "to {input:?}"));
            }
        }
        if half_closes {
            // With -N the end of its input is the end of the request.
            part("nc -N", || assert_eq!(ask(&["-N"], "10"), "55", "to a line without an end"));
            part("nc -N", || assert_eq!(ask(&["-N"], ""), "", "to nothing"));
        }
        case.stop(server).assert_clean();
    });
}

#[test]
fn fibonacci_clients() {
    if python().is_none() {
        skip("client.py", "python3 is not installed");
    }
    each(is_tcp, |case| {
        let server = start(case, &[]);
        for client in Ours::of(case) {
            part(&format!("{client:?} client"), || {
                let line = printed(client.fib(&server, "25"), b"");
                assert_lecture_line(&line, 25, "75025");
                if matches!(client, Ours::Python) {
                    return;
                }
                for (n, error) in [("46", "too large"), ("-1", "negative")] {
                    let done = client.fib(&server, n).output().expect("a client");
                    let error = format!("error: {error}; send a decimal integer from 0 to 45\n");
                    assert_eq!(
                        (done.status.code(), &*done.stdout, String::from_utf8_lossy(&done.stderr)),
                        (Some(1), &b""[..], error.into())
                    );
                }
            });
        }
        case.stop(server).assert_clean();
    });
}

// ---- over UDP ----

#[test]
fn time_clients() {
    if python().is_none() {
        skip("client.py", "python3 is not installed");
    }
    each(is_udp, |case| {
        for (format, shown) in
            [("human", "human"), ("iso8601", "iso8601"), ("daytime", "daytime"), ("time", "human")]
        {
            let mut server = start(case, &["--format", format]);
            for client in Ours::of(case) {
                part(&format!("{client:?} client, {format}"), || {
                    let before = time();
                    let line = printed(at(client.command("time"), &server), b"");
                    // The client has the line's end for itself.
                    let end = if shown == "daytime" { "\r\n" } else { "\n" };
                    let answer = format!("{}{end}", line.trim_end_matches('\n'));
                    assert_tells(answer.as_bytes(), shown, before, &ZONES[0]);
                });
                if serves_once(case) {
                    let next = start(case, &["--format", format]);
                    std::mem::replace(&mut server, next).wait().assert_clean();
                }
            }
            case.stop(server).assert_clean();
        }
    });
}

/// `nc -u`, which ends when nothing has come for a second.
#[test]
fn netcat_over_udp() {
    if !has("nc") {
        return skip("netcat_over_udp", "nc is not installed");
    }
    each(is_udp, |case| {
        let server = start(case, &[]);
        let before = time();
        let mut nc = Command::new("nc");
        nc.args(["-u", "-w1"]);
        let line = printed(at(nc, &server), b"what time is it?\n");
        assert_tells(line.as_bytes(), "human", before, &ZONES[0]);
        if serves_once(case) {
            server.wait().assert_clean();
        } else {
            case.stop(server).assert_clean();
        }
    });
}

/// `rdate -u` against RFC 868, on its own port where that may be bound.
#[test]
fn rdate() {
    if !has("rdate") {
        return skip("rdate", "it is not installed");
    }
    let each_case = |own_port: bool| {
        for case in all(is_udp) {
            part(&case.to_string(), || {
                let port = if own_port { "37" } else { "0" };
                let server = start(&case, &["--format", "time", "--port", port]);
                let mut rdate = Command::new("rdate");
                rdate.args(["-u", "-p"]);
                if !own_port {
                    rdate.args(["-o", &server.addr.port().to_string()]);
                }
                rdate.arg("127.0.0.1");
                let before = time();
                let line = printed(rdate, b"");
                assert_tells(line.as_bytes(), "rdate", before, &ZONES[0]);
                if serves_once(&case) {
                    server.wait().assert_clean();
                } else {
                    case.stop(server).assert_clean();
                }
            });
        }
    };
    if !in_own_network("real_clients::rdate", || each_case(true)) {
        each_case(false);
    }
}

/// It asks from a port that is answered, with an empty datagram, and prints what it is told.
#[test]
fn what_rdate_asks() {
    if !has("rdate") {
        return skip("what_rdate_asks", "rdate is not installed");
    }
    let server = UdpSocket::bind("127.0.0.1:0").expect("a port");
    server.set_read_timeout(Some(NEVER)).expect("SO_RCVTIMEO");
    let mut rdate = Command::new("rdate");
    let port = server.local_addr().expect("an address").port().to_string();
    rdate.args(["-u", "-p", "-o", &port, "127.0.0.1"]);
    let client = std::thread::spawn(|| printed(rdate, b""));
    let (length, sender) = resumed(|| server.recv_from(&mut [0; 512])).expect("a request");
    assert!(length == 0 && sender.port() >= 1024, "{length} bytes from {sender}");
    // RFC 868's own example.
    server.send_to(&2_629_584_000_u32.to_be_bytes(), sender).expect("sent");
    assert_eq!(client.join().expect("rdate"), "Sun May  1 00:00:00 UTC 1983\n");
}

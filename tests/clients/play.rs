//! The three programs of a client, and what one of them said.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::{Command, Output, Stdio};
use std::thread::JoinHandle;

use socklab::posix::sys_socket::{SO_LINGER, SOL_SOCKET, linger, setsockopt};

use crate::support;

/// One of the lecture's clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Client {
    Fib,
    Time,
    Nonblocking,
}

/// How many programs each client has: Rust's, C's, and C's under the sanitizers.
pub(crate) const PROGRAMS: usize = 3;

/// The program, before its arguments.
pub(crate) fn command(client: Client, program: usize) -> Command {
    let (rust, c) = match client {
        Client::Fib => ("fib", "fibonacci"),
        Client::Time => ("time", "time"),
        Client::Nonblocking => ("nonblocking", "nonblocking"),
    };
    let mut command = match program {
        0 => {
            let mut command = support::socklab();
            command.args(["client", rust]);
            command
        }
        1 => Command::new(support::c_program(&format!("client/{c}"))),
        _ => Command::new(support::c_program(&format!("sanitized/client/{c}"))),
    };
    command.stdin(Stdio::null()).env("TZ", "UTC").env_remove("NO_COLOR");
    command
}

/// What a client said, without its times, its unsuccessful calls and the server's port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) status: Option<i32>,
}

impl Said {
    pub(crate) fn new(output: &Output, port: u16) -> Self {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
        Self {
            stdout: elapsed_masked(&text(&output.stdout).replace(WOULD_BLOCK, "")),
            stderr: text(&output.stderr).replace(&format!(" port {port}"), " port PORT"),
            status: output.status.code(),
        }
    }

    /// Success, with this on standard output.
    pub(crate) fn assert_success(&self, stdout: &str) {
        let expected = Self { stdout: stdout.into(), stderr: String::new(), status: Some(0) };
        assert_eq!(self, &expected);
    }

    /// Status 1, with this line on standard error and that on standard output.
    pub(crate) fn assert_failure(&self, stderr: &str, stdout: &str) {
        let stderr = if stderr.is_empty() { String::new() } else { format!("{stderr}\n") };
        assert_eq!(self, &Self { stdout: stdout.into(), stderr, status: Some(1) });
    }
}

/// `(0.123s calc time)`, three digits after the point, becomes `(TIME)`.
fn elapsed_masked(text: &str) -> String {
    let Some((before, after)) = text.split_once(" (") else { return text.to_owned() };
    let Some((time, rest)) = after.split_once("s calc time)") else { return text.to_owned() };
    let (whole, part) = time.split_once('.').expect("a decimal point");
    assert!(whole.bytes().all(|byte| byte.is_ascii_digit()) && !whole.is_empty(), "{text:?}");
    assert!(part.bytes().all(|byte| byte.is_ascii_digit()) && part.len() == 3, "{text:?}");
    format!("{before} (TIME){rest}")
}

/// The lines of an unsuccessful recv(): how many there are is a matter of time.
pub(crate) const WOULD_BLOCK: &str = "EAGAIN\nEWOULDBLOCK\n";

/// Runs each program of the client against a TCP server that `serve` plays to its first
/// connection; all of them say the same, and that is returned.
pub(crate) fn tcp(client: Client, args: &[&str], serve: fn(TcpStream)) -> Said {
    alike(|program| {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let addr = listener.local_addr().expect("bound");
        let server = std::thread::spawn(move || serve(listener.accept().expect("a client").0));
        let output = ask(client, program, addr, args);
        end_tcp(server, addr, &output);
        Said::new(&output, addr.port())
    })
}

/// The same over UDP.
pub(crate) fn udp(client: Client, args: &[&str], serve: fn(&UdpSocket)) -> Said {
    alike(|program| {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let addr = socket.local_addr().expect("bound");
        let server = std::thread::spawn(move || serve(&socket));
        let output = ask(client, program, addr, args);
        end_udp(server, addr, &output);
        Said::new(&output, addr.port())
    })
}

/// Ends the server's part after its client: one that has waited in vain gets a client that says
/// nothing, so that it fails and does not wait for ever.
pub(crate) fn end_tcp(server: JoinHandle<()>, addr: SocketAddr, output: &Output) {
    drop(TcpStream::connect(addr));
    server.join().unwrap_or_else(|_| panic!("the server's part, after {output:?}"));
}

/// The same over UDP: as many datagrams as a client sends at most.
pub(crate) fn end_udp(server: JoinHandle<()>, addr: SocketAddr, output: &Output) {
    let any = if addr.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" };
    let socket = UdpSocket::bind(any).expect("a port");
    for _ in 0..3 {
        // Nobody is there any more, in the good case.
        let _ = socket.send_to(b"", addr);
    }
    server.join().unwrap_or_else(|_| panic!("the server's part, after {output:?}"));
}

/// Runs a client of that server to its end.
pub(crate) fn ask(client: Client, program: usize, addr: SocketAddr, args: &[&str]) -> Output {
    let mut command = command(client, program);
    command.args([&addr.ip().to_string(), &addr.port().to_string()]).args(args);
    command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

/// What all programs say.
pub(crate) fn alike(say: impl Fn(usize) -> Said) -> Said {
    let said = say(0);
    for program in 1..PROGRAMS {
        assert_eq!(say(program), said, "C (left, program {program}) and Rust (right)");
    }
    said
}

/// Reads up to the newline and holds it against what a client of this service sends.
pub(crate) fn expect_request(client: &mut TcpStream, request: &str) {
    let mut received = Vec::new();
    let mut byte = [0];
    while byte[0] != b'\n' && client.read(&mut byte).expect("the client sends") == 1 {
        received.push(byte[0]);
    }
    assert_eq!(String::from_utf8_lossy(&received), request);
}

/// Sends, and ends the connection when the client has: closed with bytes unread, it would be reset.
pub(crate) fn answer(mut client: TcpStream, text: &[u8]) {
    client.write_all(text).expect("the client reads");
    client.shutdown(Shutdown::Write).expect("half-closed");
    silence(client);
}

/// Closes with a reset.
pub(crate) fn reset(client: TcpStream) {
    setsockopt(&client, SOL_SOCKET, SO_LINGER, &linger { l_onoff: 1, l_linger: 0 })
        .expect("SO_LINGER");
}

/// Says nothing until the client has gone.
pub(crate) fn silence(mut client: TcpStream) {
    let mut rest = Vec::new();
    // A client that gives up with bytes unread resets the connection.
    let _ = client.read_to_end(&mut rest);
}

//! The lecture's listings in `tests/lecture`: the table and the files agree, each serves, and their faults are
//! there.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use nix::libc;
use nix::sys::signal::Signal;

use crate::diag::{CLOSE_WAIT, listening};
use crate::look::{Rest, answer, ask, has_ended, serves, settled};
use crate::support::{Server, python};
use crate::table::following;
use crate::watch::{Doing, Task, state, stopped, until};
use crate::wire::Client;

pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lecture")
}

pub(crate) struct Row {
    pub(crate) listing: String,
    /// The checks that name its faults.
    pub(crate) faults: Vec<String>,
    /// Those that find none, where another listing has one.
    pub(crate) harmless: Vec<String>,
}

pub(crate) fn rows() -> Vec<Row> {
    let text = fs::read_to_string(folder().join("README.md")).unwrap();
    let table = text.split("<!-- listings -->").nth(1).expect("the table begins");
    let table = table.split("<!-- end of listings -->").next().expect("the table ends");
    let lines = table.lines().filter(|line| !line.is_empty()).skip(2);
    lines
        .map(|line| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            let ["", listing, _, _, faults, harmless, ""] = cells[..] else {
                panic!("not five cells: {line}");
            };
            let (faults, harmless) = (following(faults), following(harmless));
            assert!(!faults.is_empty(), "{listing} has no fault");
            assert!(!harmless.iter().any(|check| faults.contains(check)), "{line}");
            Row { listing: listing.trim_matches('`').to_owned(), faults, harmless }
        })
        .collect()
}

#[test]
fn table_and_files_agree() {
    let listed: BTreeSet<String> = rows().into_iter().map(|row| row.listing).collect();
    let mut files = BTreeSet::new();
    for entry in fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "py") {
            files.insert(path.file_name().unwrap().to_str().unwrap().to_owned());
        }
    }
    assert!(files.remove("fibonacci.py"), "what the servers have in common");
    assert_eq!(listed, files, "the table (left) and the files (right)");
}

/// Runs a listing on a port of the kernel's choice, and says which one as our servers do.
const RUN: &str = "\
import runpy, signal, socket, sys
# Whoever runs the tests in the background may have it ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
def say(s):
    print('lecture: listening on 127.0.0.1:%d' % s.getsockname()[1], flush=True)
def listen(self, backlog, real=socket.socket.listen):
    real(self, backlog)
    say(self)
def bind(self, addr, real=socket.socket.bind):
    real(self, addr)
    if self.type == socket.SOCK_DGRAM:
        say(self)
socket.socket.listen, socket.socket.bind = listen, bind
script = sys.argv[1]
sys.argv = [script, '0']
sys.path.insert(0, script.rpartition('/')[0])
sys.dont_write_bytecode = True
runpy.run_path(script, run_name='__main__')
";

fn start(listing: &str) -> Server {
    let mut command = Command::new(python());
    command.args(["-B", "-c", RUN]).arg(folder().join(listing));
    Server::spawn(command)
}

/// What becomes of a server after a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Dies,
    Spins,
    /// A child or a thread of its spins, and it serves.
    SpinsBeside,
    Serves,
}

fn fate(server: &Server) -> Fate {
    match settled(server) {
        Rest::Ended => Fate::Dies,
        Rest::Spins if serves(server) => Fate::SpinsBeside,
        Rest::Spins => Fate::Spins,
        Rest::Waits => {
            assert!(serves(server), "it stalls");
            Fate::Serves
        }
    }
}

fn send(server: &Server, bytes: &[u8]) -> Client {
    let client = Client::connect(server);
    // It may be gone before all is sent.
    let _ = (&client.stream).write_all(bytes);
    client
}

type Behaviour = (&'static str, fn(&Server));

/// Eight clients that end the iterative listing.
const DEADLY: &[Behaviour] = &[
    ("empty line", |server| send(server, b"\n").until_consumed()),
    ("garbage", |server| send(server, b"abc\n").until_consumed()),
    ("negative", |server| send(server, b"-5\n").until_consumed()),
    ("1000 digits", |server| send(server, &[&[b'7'; 1000][..], b"\n"].concat()).until_consumed()),
    ("not UTF-8", |server| send(server, b"\xff\xfe\n").until_consumed()),
    ("reset at once", |server| stopped(server, || Client::connect(server).reset())),
    ("reset mid request", |server| {
        let client = send(server, b"1");
        client.until_consumed();
        client.reset();
    }),
    ("reset while waiting", |server| {
        let client = Client::connect(server);
        client.until_accepted();
        client.reset();
    }),
];

/// And its four that leave it spinning.
const SPINNING: &[Behaviour] = &[
    ("empty connect", |server| drop(Client::connect(server))),
    ("close mid-request", |server| {
        let client = send(server, b"1");
        client.until_consumed();
    }),
    ("half-close without newline", |server| {
        let client = send(server, b"10");
        client.finish();
        client.until_consumed();
    }),
    ("100 kB without newline", |server| {
        let client = send(server, &[b'7'; 100_000]);
        client.until_consumed();
    }),
];

/// What becomes of each listing after a deadly client, and after one that leaves spinning. A thread's
/// exception, and a child's, is that client's trouble alone.
const FATES: &[(&str, Fate, Fate)] = &[
    ("iterative.py", Fate::Dies, Fate::Spins),
    ("forked.py", Fate::Serves, Fate::SpinsBeside),
    ("threaded.py", Fate::Serves, Fate::SpinsBeside),
    ("timeout.py", Fate::Dies, Fate::Spins),
    ("select_server.py", Fate::Dies, Fate::SpinsBeside),
];

#[test]
fn fates() {
    let mut cases = Vec::new();
    for &(listing, deadly, spinning) in FATES {
        // All twelve of the lecture's own, and one of each kind of the others.
        let all = listing == "iterative.py";
        let many = |behaviours: &'static [Behaviour]| {
            &behaviours[..if all { behaviours.len() } else { 2 }]
        };
        cases.extend(many(DEADLY).iter().map(|behaviour| (listing, behaviour, deadly)));
        if !all {
            cases.push((listing, &DEADLY[6], deadly));
        }
        cases.extend(many(SPINNING).iter().map(|behaviour| (listing, behaviour, spinning)));
    }
    crate::all(
        &cases,
        |(listing, (name, _), _)| format!("{listing}: {name}"),
        |(listing, (_, behave), expected)| {
            let server = start(listing);
            assert_eq!(ask(&server, b"10\n"), answer("55"));
            behave(&server);
            assert_eq!(fate(&server), *expected);
        },
    );
}

/// The one that looks at all its clients in each round.
#[test]
fn nonblocking() {
    let server = start("nonblocking.py");
    let gone = Client::connect(&server);
    gone.finish();
    for _ in 0..3 {
        assert_eq!(server.ask(b"10\n"), "55");
    }
    let row = gone.server_end().expect("it is connected");
    assert_eq!((row.state, gone.has_answer()), (CLOSE_WAIT, false));
    drop(gone);
    assert_eq!(server.ask(b"20\n"), "6765");
    send(&server, b"abc\n").until_consumed();
    until("it dies", || has_ended(&server));
}

/// SIGINT ends all of them with status 0, SIGTERM none; a silent client's child lives on and listens, its
/// thread keeps the server from ending.
#[test]
fn stops() {
    for row in rows().iter().filter(|row| !row.listing.starts_with("client_")) {
        let listing = row.listing.as_str();
        if listing == "time_single.py" {
            continue;
        }
        let server = start(listing);
        // From then on it is where it handles a KeyboardInterrupt.
        if listing.starts_with("time_") {
            time(&server, b"time");
        } else {
            assert_eq!(server.ask(b"10\n"), "55", "{listing}");
        }
        if listing != "nonblocking.py" {
            settled(&server);
        }
        server.signal(Signal::SIGINT);
        let ended = server.wait();
        assert!(ended.status.success(), "{listing}: {ended:?}");
        let server = start(listing);
        assert_eq!(server.stop().status.code(), None, "{listing}: ended by SIGTERM");
    }
    let server = start("forked.py");
    let _silent = Client::connect(&server);
    until("a child serves it", || server.children().len() == 1);
    settled(&server);
    server.signal(Signal::SIGINT);
    until("it ends", || has_ended(&server));
    // All of them bind the wildcard address.
    let any = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), server.addr.port());
    assert!(listening(any).is_some(), "the child does not listen");

    let server = start("threaded.py");
    let silent = Client::connect(&server);
    silent.until_accepted();
    settled(&server);
    server.signal(Signal::SIGINT);
    assert_eq!(settled(&server), Rest::Waits);
    silent.send(b"10\n");
    silent.expect("55");
    assert!(server.wait().status.success());
}

/// What a new client is told for a datagram.
fn time(server: &Server, datagram: &[u8]) -> String {
    let client = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    client.send_to(datagram, server.addr).expect("sent");
    let mut buf = [0; 512];
    let length = client.recv(&mut buf).expect("an answer");
    String::from_utf8_lossy(&buf[..length]).into_owned()
}

#[test]
fn time_servers() {
    let server = start("time_single.py");
    assert!(time(&server, b"time").contains(':'));
    assert!(server.wait().status.success());

    let server = start("time_iterative.py");
    let told = time(&server, b"");
    // Its own answer is a request.
    assert!(time(&server, told.as_bytes()).contains(':'));
}

fn client(listing: &str, port: u16, args: &[&str]) -> Child {
    let mut command = Command::new(python());
    command.args(["-B", "-u"]).arg(folder().join(listing)).arg(port.to_string()).args(args);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("python3 runs")
}

/// What the client of the Fibonacci service says when this is done with its connection.
fn answered(n: &str, play: fn(TcpStream)) -> Output {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a socket");
    let child = client("client_fibonacci.py", listener.local_addr().unwrap().port(), &[n]);
    let (mut server, _) = listener.accept().expect("a client");
    server.read_exact(&mut [0; 3]).expect("a request");
    play(server);
    child.wait_with_output().expect("it ends")
}

#[test]
fn clients() {
    let said = |output: Output| String::from_utf8_lossy(&output.stdout).into_owned();
    let whole = answered("10", |mut server| server.write_all(b"55").expect("sent"));
    assert!(said(whole).starts_with("fib(10)=55 ("));
    let cut = answered("50", |mut server| server.write_all(b"12586269025").expect("sent"));
    assert!(said(cut).starts_with("fib(50)=1258626902 ("));
    let nothing = answered("10", drop);
    assert!(!nothing.status.success() && said(nothing).is_empty());

    // Nobody listens, which an unconnected socket is not told.
    let port =
        UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).unwrap().port();
    let mut child = client("client_time.py", port, &[]);
    let pid = child.id() as i32;
    let waits = || matches!(Task { pid, tid: pid }.doing(), Doing::Blocked(libc::SYS_recvfrom, _));
    let ended = || state(pid).is_none_or(|state| state == "Z");
    until("it waits, or has ended", || waits() || ended());
    assert!(waits());
    child.kill().expect("our child");
    child.wait().expect("our child");

    let listener = TcpListener::bind("127.0.0.1:0").expect("a socket");
    let mut child = client("client_nonblocking.py", listener.local_addr().unwrap().port(), &[]);
    let (mut server, _) = listener.accept().expect("a client");
    server.write_all(b"220 hello").expect("sent");
    drop(server);
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let mut next = || lines.next().expect("it goes on").expect("a line");
    while next() != "received: 220 hello" {}
    // The end of the file, again and again.
    assert!((0..50).all(|_| next() == "received: "));
    child.kill().expect("our child");
    child.wait().expect("our child");
}

//! The time service over UDP: what is told, what is a request, whom it does not answer.
//!
//! That something is *not* answered is shown by order: a request follows from the same socket, and
//! its answer is the only one when the server has read all and waits again.

pub(crate) mod calendar;
pub(crate) mod senders;

use std::fs;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use socklab::posix::time::time;
use socklab::server::Serves;

use crate::cases::{Case, Seeded, each, is_udp, part, skip};
use crate::support::{Server, command};
use crate::watch::{resumed, serving_task, sleeps, until};

use calendar::{ZONES, assert_tells, told};

/// A wait for an answer that is longer than this never ends: not a criterion of anything.
const NEVER: Duration = Duration::from_secs(10);

pub(crate) const FORMATS: [&str; 4] = ["human", "iso8601", "daytime", "time"];

/// The longest request.
const SHORT: usize = 64;
/// The most that a datagram can carry over IPv4.
const LARGEST: usize = 65_507;

// ---- clients ----

/// A socket that is connected to a server.
struct Asker(UdpSocket);

impl Asker {
    fn new(server: &Server) -> Self {
        let any: IpAddr = match server.addr {
            SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        };
        Self::from(server, SocketAddr::new(any, 0))
    }

    fn from(server: &Server, addr: SocketAddr) -> Self {
        let socket = UdpSocket::bind(addr).unwrap_or_else(|error| panic!("bind {addr}: {error}"));
        socket.connect(server.addr).expect("connected");
        socket.set_read_timeout(Some(NEVER)).expect("SO_RCVTIMEO");
        Self(socket)
    }

    fn send(&self, datagram: &[u8]) {
        assert_eq!(self.0.send(datagram).expect("sent"), datagram.len());
    }

    fn answer(&self) -> Vec<u8> {
        let mut bytes = [0; 512];
        let length = resumed(|| self.0.recv(&mut bytes)).expect("an answer");
        bytes[..length].to_vec()
    }

    fn assert_empty(&self) {
        self.0.set_nonblocking(true).expect("O_NONBLOCK");
        let mut bytes = [0; 512];
        match self.0.recv(&mut bytes) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            other => panic!("after all answers: {other:?}, {:?}", &bytes[..32]),
        }
        self.0.set_nonblocking(false).expect("O_NONBLOCK");
    }

    /// A request's answer, which is the only one that has come.
    fn only_answer(&self, server: Server) -> Vec<u8> {
        self.send(b"\n");
        let answer = self.answer();
        server.wait().assert_clean();
        self.assert_empty();
        answer
    }

    /// The same when the server goes on.
    fn next_answer(&self, server: &Server) -> Vec<u8> {
        self.send(b"\n");
        let answer = self.answer();
        until_quiet(server);
        self.assert_empty();
        answer
    }
}

/// How much waits to be read by the socket that is bound to this address. The table is read in
/// pieces, and when sockets come and go between two of them, a row may be missing: then it is unknown.
fn unread(addr: SocketAddr) -> Option<u64> {
    let words = |octets: &[u8]| -> String {
        let words = octets.chunks(4).map(|word| u32::from_ne_bytes(word.try_into().unwrap()));
        words.map(|word| format!("{word:08X}")).collect()
    };
    let (table, host) = match addr.ip() {
        IpAddr::V4(ip) => ("/proc/net/udp", words(&ip.octets())),
        IpAddr::V6(ip) => ("/proc/net/udp6", words(&ip.octets())),
    };
    let local = format!("{host}:{:04X}", addr.port());
    let table = fs::read_to_string(table).expect("the kernel's table");
    let row: Vec<&str> = table
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .find(|row| row.get(1) == Some(&local.as_str()))?;
    let (_, unread) = row[4].split_once(':').expect("two queues");
    Some(u64::from_str_radix(unread, 16).expect("a number"))
}

/// Waits until a server has dealt with every datagram and waits for another.
fn until_quiet(server: &Server) {
    until("the server has read all datagrams", || unread(server.addr) == Some(0));
    until("the server waits for a datagram", || sleeps(serving_task(server).doing()));
}

fn has_ipv6() -> bool {
    UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).is_ok()
}

pub(crate) fn serves_once(case: &Case) -> bool {
    case.design.promises.serves == Serves::Once
}

// ---- what is told ----

#[test]
fn every_format_tells_the_time() {
    each(is_udp, |case| {
        for format in FORMATS {
            for zone in &ZONES {
                let mut program = command(case.language, case.design);
                program.args(["--port", "0", "--format", format]).env("TZ", zone.0);
                let server = Server::spawn(program);
                let asker = Asker::new(&server);
                let before = time();
                if serves_once(case) {
                    assert_tells(&asker.only_answer(server), format, before, zone);
                    continue;
                }
                for _ in 0..3 {
                    assert_tells(&asker.next_answer(&server), format, before, zone);
                }
                case.stop(server).assert_clean();
            }
        }
    });
}

// ---- what is a request ----

/// The rule in other words: a byte that a request may have.
fn asks(byte: u8) -> bool {
    b"\t\r\n".contains(&byte) || (byte == b' ' || byte.is_ascii_graphic()) && !byte.is_ascii_digit()
}

fn requests() -> Vec<Vec<u8>> {
    let words: [&[u8]; 8] =
        [b"", b"\n", b"\r\n", b"\t", b"hello\n", b"time", b"what time is it?\n", b"!~ /:"];
    let mut requests: Vec<Vec<u8>> = words.iter().map(|word| word.to_vec()).collect();
    requests.push(vec![b'a'; SHORT]);
    requests
}

fn other_datagrams() -> Vec<Vec<u8>> {
    let words: [&[u8]; 8] =
        [b"0", b"12:00\n", b"time 1", b"\0", b"time\0", b"\x7f", "caf\u{e9}".as_bytes(), b"\x1b[m"];
    let mut others: Vec<Vec<u8>> = words.iter().map(|word| word.to_vec()).collect();
    // Too long by one, by two, and by all that is possible.
    others.extend([SHORT + 1, SHORT + 2, LARGEST].map(|length| vec![b'a'; length]));
    others.extend([vec![b'\n'; LARGEST], vec![0; LARGEST], vec![b'7'; SHORT]]);
    // What another server says.
    others.extend(FORMATS.map(|format| told(format, time(), &ZONES[0])));
    others
}

fn show(datagram: &[u8]) -> String {
    let start = &datagram[..datagram.len().min(20)];
    format!("{} bytes {:?}", datagram.len(), String::from_utf8_lossy(start))
}

#[test]
fn requests_and_other_datagrams() {
    each(is_udp, |case| {
        for host in ["127.0.0.1", "::1"] {
            if host == "::1" && !has_ipv6() {
                skip(format_args!("{case} on ::1"), "there is no IPv6 here");
                continue;
            }
            part(host, || answers_requests_only(case, host));
        }
    });
}

fn answers_requests_only(case: &Case, host: &str) {
    let start = || case.start_with(&["--bind", host, "--format", "iso8601"]);
    let zone = &ZONES[0];
    if serves_once(case) {
        for request in requests() {
            part(&show(&request), || {
                let server = start();
                let asker = Asker::new(&server);
                let before = time();
                asker.send(&request);
                assert_tells(&asker.answer(), "iso8601", before, zone);
                server.wait().assert_clean();
                asker.assert_empty();
            });
        }
        let server = start();
        let asker = Asker::new(&server);
        for other in other_datagrams() {
            asker.send(&other);
            part(&show(&other), || until_quiet(&server));
        }
        let before = time();
        assert_tells(&asker.only_answer(server), "iso8601", before, zone);
        return;
    }
    let server = start();
    let asker = Asker::new(&server);
    for request in requests() {
        part(&show(&request), || {
            let before = time();
            asker.send(&request);
            assert_tells(&asker.answer(), "iso8601", before, zone);
            until_quiet(&server);
            asker.assert_empty();
        });
    }
    for other in other_datagrams() {
        part(&show(&other), || {
            let before = time();
            asker.send(&other);
            assert_tells(&asker.next_answer(&server), "iso8601", before, zone);
        });
    }
    case.stop(server).assert_clean();
}

/// Every byte alone, then datagrams of random bytes: each is followed by a request.
#[test]
fn garbage() {
    each(is_udp, |case| {
        let mut random = Seeded(20_180_223);
        let mut datagrams: Vec<Vec<u8>> = (0..=255).map(|byte| vec![byte]).collect();
        for i in 0..300 {
            let length = random.below(if i % 10 == 0 { 2000 } else { 70 }) as usize;
            let letters = i % 3 == 0;
            let byte = |random: &mut Seeded| match random.next() as u8 {
                byte if letters => b"abc xyz\n?"[usize::from(byte) % 9],
                byte => byte,
            };
            datagrams.push((0..length).map(|_| byte(&mut random)).collect());
        }
        let is_request =
            |datagram: &Vec<u8>| datagram.len() <= SHORT && datagram.iter().all(|&byte| asks(byte));
        let expected = datagrams.iter().filter(|&datagram| is_request(datagram)).count();
        assert!((150..400).contains(&expected), "{expected} requests: not a mixture");

        let server = case.start();
        let asker = Asker::new(&server);
        if serves_once(case) {
            for other in datagrams.iter().filter(|&datagram| !is_request(datagram)) {
                asker.send(other);
                // Its queue has no room for all of them.
                until_quiet(&server);
            }
            asker.only_answer(server);
            return;
        }
        for datagram in &datagrams {
            asker.send(datagram);
            asker.send(b"\n");
            for _ in 0..1 + usize::from(is_request(datagram)) {
                part(&show(datagram), || asker.answer());
            }
        }
        until_quiet(&server);
        asker.assert_empty();
        case.stop(server).assert_clean();
    });
}

// ---- a single-use server ----

#[test]
fn a_single_use_server_serves_once() {
    let once = |design: &socklab::server::Design| design.promises.serves == Serves::Once;
    each(once, |case| {
        // An address that nobody else uses, so that nobody else takes the port.
        let mut server = case.start_with(&["--bind", "127.0.0.57"]);
        let asker = Asker::new(&server);
        asker.send(b"not a request: 1\n");
        until_quiet(&server);
        assert!(server.is_alive(), "not used up");
        asker.send(b"\n");
        asker.answer();
        server.wait().assert_clean();
        asker.assert_empty();
        asker.send(b"\n");
        let gone = resumed(|| asker.0.recv(&mut [0; 64])).map_err(|error| error.kind());
        assert_eq!(gone, Err(ErrorKind::ConnectionRefused), "its socket is gone");
    });
}

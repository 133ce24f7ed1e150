//! The time service: what is told, what is a request, and that two servers can't talk to each other.

use std::net::{SocketAddr, UdpSocket};
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::sys::signal::Signal::{SIGCONT, SIGSTOP};
use socklab::server::Serves;

use crate::cases::{Case, Seeded, each, is_udp, part, skip};
use crate::support::{Server, command};
use crate::watch::{main_task, rest, state, until, until_rest};

const FORMATS: [&str; 4] = ["human", "iso8601", "daytime", "time"];

/// Starts a server in the time zone UTC.
fn start(case: &Case, args: &[&str]) -> Server {
    let mut command = command(case.language, case.design);
    command.env("TZ", "UTC0").env("LC_ALL", "C").args(["--port", "0"]).args(args);
    Server::spawn(command)
}

/// A client whose wait for an answer ends some day.
fn client(server: &Server) -> UdpSocket {
    let any = if server.addr.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" };
    let client = UdpSocket::bind(any).expect("a socket");
    client.set_read_timeout(Some(Duration::from_secs(60))).expect("a limit");
    client
}

fn receive(client: &UdpSocket, server: &Server) -> Vec<u8> {
    let mut answer = vec![0; 70_000];
    let (length, from) = client.recv_from(&mut answer).expect("an answer");
    assert_eq!(from, server.addr, "answered by somebody else");
    assert!(length <= 64, "an answer of {length} bytes");
    answer.truncate(length);
    answer
}

fn ask(server: &Server) -> Vec<u8> {
    let client = client(server);
    client.send_to(b"", server.addr).expect("sent");
    receive(&client, server)
}

/// Stops a server that serves for ever; one that serves once has to have ended by itself.
fn end(case: &Case, server: Server) {
    let ended = match case.design.promises.serves {
        Serves::Once => server.wait(),
        Serves::Forever => case.stop(server),
    };
    ended.assert_clean();
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

/// The time in words, by the calendar and not by the C library.
fn told(seconds: u64, format: &str) -> Vec<u8> {
    const DAYS: [&str; 7] =
        ["Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday"];
    const MONTHS: [(&str, u64); 12] = [
        ("January", 31),
        ("February", 28),
        ("March", 31),
        ("April", 30),
        ("May", 31),
        ("June", 30),
        ("July", 31),
        ("August", 31),
        ("September", 30),
        ("October", 31),
        ("November", 30),
        ("December", 31),
    ];
    let day_name = DAYS[(seconds / 86_400 % 7) as usize];
    let (mut day, mut year, mut month) = (seconds / 86_400, 1970, 0);
    let leap = |year: u64| u64::from(year % 4 == 0 && (year % 100 != 0 || year % 400 == 0));
    while day >= 365 + leap(year) {
        day -= 365 + leap(year);
        year += 1;
    }
    let days_in = |month: usize| MONTHS[month].1 + if month == 1 { leap(year) } else { 0 };
    while day >= days_in(month) {
        day -= days_in(month);
        month += 1;
    }
    day += 1;
    let name = MONTHS[month].0;
    let (h, m, s) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    match format {
        "human" => {
            format!("{} {} {day:>2} {h:02}:{m:02}:{s:02} {year}\n", &day_name[..3], &name[..3])
                .into_bytes()
        }
        "iso8601" => {
            format!("{year}-{:02}-{day:02}T{h:02}:{m:02}:{s:02}Z\n", month + 1).into_bytes()
        }
        "daytime" => {
            format!("{day_name}, {name} {day:02}, {year} {h:02}:{m:02}:{s:02}-UTC\r\n").into_bytes()
        }
        "time" => ((seconds + 2_208_988_800) as u32).to_be_bytes().to_vec(),
        _ => unreachable!("four formats"),
    }
}

#[test]
fn every_format() {
    assert_eq!(told(1_519_391_700, "human"), b"Fri Feb 23 13:15:00 2018\n");
    each(is_udp, |case| {
        for format in FORMATS {
            part(format, || {
                let server = start(case, &["--format", format]);
                let before = now();
                let answer = ask(&server);
                let after = now();
                assert!(
                    (before..=after).any(|second| told(second, format) == answer),
                    "{:?} at {before}",
                    answer.escape_ascii().to_string()
                );
                end(case, server);
            });
        }
        // Without a word it is the human one.
        let server = start(case, &[]);
        let before = now();
        let answer = ask(&server);
        assert!((before..=now()).any(|second| told(second, "human") == answer));
        end(case, server);
    });
}

#[test]
fn requests_are_answered() {
    let long = [b'a'; 64];
    each(is_udp, |case| {
        let mut server = start(case, &[]);
        for request in
            [&b""[..], b"\n", b"\r\n", b"hello\n", b"time", b"what time is it?\n", b"\t ~/:", &long]
        {
            part(&format!("request {:?}", request.escape_ascii().to_string()), || {
                let client = client(&server);
                client.send_to(request, server.addr).expect("sent");
                assert!(receive(&client, &server).ends_with(b"\n"));
                // Exactly one.
                if case.design.promises.serves == Serves::Forever {
                    rest(&server);
                }
                client.set_nonblocking(true).expect("O_NONBLOCK");
                assert!(client.recv(&mut [0; 64]).is_err(), "a second answer");
            });
            if case.design.promises.serves == Serves::Once {
                end(case, server);
                server = start(case, &[]);
            }
        }
        case.stop(server).assert_clean();
    });
}

/// Whatever these are, they are not answered, and use no server up: a request that follows them is
/// the first to be answered.
#[test]
fn anything_else_is_not() {
    let long = [b'a'; 65];
    let longest = [b'a'; 65_507];
    let garbage = [0xff; 65_507];
    let mut others: Vec<Vec<u8>> = vec![
        b"12:00\n".to_vec(),
        b"0".to_vec(),
        b"\0".to_vec(),
        b"time\0".to_vec(),
        b"\x7f".to_vec(),
        b"\x1b[2J".to_vec(),
        "caf\u{e9}".as_bytes().to_vec(),
        long.to_vec(),
        longest.to_vec(),
        garbage.to_vec(),
    ];
    for format in FORMATS {
        others.push(told(now(), format));
    }
    let mut seeded = Seeded(0x7d_1e);
    for _ in 0..100 {
        let length = 1 + seeded.below(100);
        let mut bytes: Vec<u8> = (0..length).map(|_| seeded.next() as u8).collect();
        bytes[0] |= 0x80;
        others.push(bytes);
    }
    each(is_udp, |case| {
        let server = start(case, &["--format", "iso8601"]);
        let before = rest(&server);
        let client = client(&server);
        client.set_nonblocking(true).expect("O_NONBLOCK");
        for other in &others {
            client.send_to(other, server.addr).expect("sent");
            until_rest(&server, &before);
            assert!(
                client.recv(&mut [0; 64]).is_err(),
                "{:?} is answered",
                other.escape_ascii().to_string()
            );
        }
        client.set_nonblocking(false).expect("blocking");
        client.send_to(b"time", server.addr).expect("sent");
        assert!(receive(&client, &server).ends_with(b"Z\n"));
        end(case, server);
    });
}

#[test]
fn a_client_that_is_gone() {
    each(
        |design| is_udp(design) && design.promises.serves == Serves::Forever,
        |case| {
            let server = start(case, &[]);
            let before = rest(&server);
            for _ in 0..20 {
                // Its port answers with an ICMP error.
                let client = client(&server);
                client.send_to(b"time", server.addr).expect("sent");
                drop(client);
                ask(&server);
            }
            until_rest(&server, &before);
            case.stop(server).assert_clean();
        },
    );
}

#[test]
fn over_ipv6() {
    if UdpSocket::bind("[::1]:0").is_err() {
        return skip("the time service over IPv6", "no ::1 here");
    }
    each(is_udp, |case| {
        let server = start(case, &["--bind", "::1", "--format", "iso8601"]);
        let client = client(&server);
        client.send_to(b"12:00\n", server.addr).expect("sent");
        client.send_to(b"time\n", server.addr).expect("sent");
        assert!(receive(&client, &server).ends_with(b"Z\n"));
        end(case, server);
    });
}

#[test]
fn the_well_known_ports_are_not_answered() {
    each(is_udp, |case| {
        let server = start(case, &[]);
        let before = rest(&server);
        let bound = (600..1024).rev().find_map(|port| UdpSocket::bind(("127.0.0.1", port)).ok());
        let Some(reserved) = bound else {
            return skip(
                format_args!("a reserved source port, {case}"),
                "no privilege to bind one",
            );
        };
        reserved.set_nonblocking(true).expect("O_NONBLOCK");
        for request in [&b""[..], b"time"] {
            reserved.send_to(request, server.addr).expect("sent");
            until_rest(&server, &before);
            assert!(reserved.recv(&mut [0; 64]).is_err(), "answered");
        }
        ask(&server);
        end(case, server);
    });
}

#[test]
fn single_use() {
    each(
        |design| is_udp(design) && design.promises.serves == Serves::Once,
        |case| {
            let server = start(case, &[]);
            let addr = server.addr;
            let client = client(&server);
            client.connect(addr).expect("connected");
            client.send(b"12:00\n").expect("sent");
            client.send(b"time\n").expect("sent");
            let answer = receive(&client, &server);
            assert!(answer.ends_with(b"\n"));
            server.wait().assert_clean();
            // Nobody is there any more, which ICMP tells.
            client.send(b"time\n").expect("sent");
            let error = client.recv(&mut [0; 64]).expect_err("nobody is there");
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
        },
    );
}

/// One server's answer is sent to another one: to a port from which a client asked, and where the
/// other server is when the answer comes.
#[test]
fn two_servers_do_not_answer_each_other() {
    each(is_udp, |case| {
        for format in FORMATS {
            part(format, || {
                let a = start(case, &["--format", format]);
                rest(&a);
                a.signal(SIGSTOP);
                until("the first server is stopped", || state(a.pid()).as_deref() == Some("T"));
                let forged = client(&a);
                forged.send_to(b"time", a.addr).expect("sent");
                let port = forged.local_addr().expect("an address").port();
                drop(forged);
                let port = port.to_string();
                let mut b = command(case.language, case.design);
                b.args(["--port", &port, "--format", format]);
                let mut b = Server::spawn(b);
                let before = rest(&b);
                let naps = || main_task(&b).status("voluntary_ctxt_switches").expect("it lives");
                let slept = naps();
                a.signal(SIGCONT);
                until("the answer wakes the other server", || naps() > slept);
                until_rest(&b, &before);
                assert_eq!(naps(), slept + 1, "woken by more than one datagram");
                match case.design.promises.serves {
                    Serves::Once => a.wait().assert_clean(),
                    Serves::Forever => {
                        rest(&a);
                        for _ in 0..20 {
                            ask(&a);
                            ask(&b);
                        }
                        until_rest(&b, &before);
                        let naps = main_task(&b).status("voluntary_ctxt_switches");
                        assert!(naps.expect("it lives") <= slept + 1 + 20, "more than was asked");
                        case.stop(a).assert_clean();
                    }
                }
                // An answer is no request: it did not use the other one up.
                assert!(b.is_alive());
                ask(&b);
                end(case, b);
            });
        }
    });
}

#[test]
fn rdate() {
    let Ok(there) = Command::new("rdate").arg("-p").output() else {
        return skip("rdate", "not installed");
    };
    if !String::from_utf8_lossy(&there.stderr).contains("-o port") {
        return skip("rdate", "this one knows no option -o for the port");
    }
    each(is_udp, |case| {
        let server = start(case, &["--format", "time"]);
        let SocketAddr::V4(addr) = server.addr else { panic!("127.0.0.1") };
        let before = now();
        let done = Command::new("rdate")
            .env("TZ", "UTC0")
            .env("LC_ALL", "C")
            .args(["-4", "-u", "-p", "-o", &addr.port().to_string(), &addr.ip().to_string()])
            .output()
            .expect("rdate runs");
        let said = String::from_utf8_lossy(&done.stdout).into_owned();
        assert!(done.status.success(), "{done:?}");
        let after = now();
        let year = String::from_utf8(told(before, "iso8601")).expect("text")[..4].to_owned();
        assert!(
            said.contains(&year)
                && (before..=after).any(|second| {
                    let human = String::from_utf8(told(second, "human")).expect("text");
                    said.contains(&human[11..19])
                }),
            "{said:?}"
        );
        end(case, server);
    });
}

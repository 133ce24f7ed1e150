//! Where a server listens and what it says of it; what it says when it can't start. Whatever is
//! said is the same in every language, to the letter.

use std::fs;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::process::{Command, Stdio};
use std::time::Duration;

use socklab::server::{DESIGNS, Design, Pool, Serves, Service, Silent};

use crate::cases::{Case, all, each, is_tcp, part, run, skip};
use crate::support::{Language, Server, command};
use crate::watch::resumed;
use crate::wire::Client;

/// A wait for an answer that is longer than this never ends: not a criterion of anything.
const NEVER: Duration = Duration::from_secs(10);

fn has_ipv6() -> bool {
    UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).is_ok()
}

/// Whether a socket that is bound to `::` is also reached over IPv4.
fn is_dual() -> bool {
    fs::read_to_string("/proc/sys/net/ipv6/bindv6only").is_ok_and(|only| only.trim() == "0")
}

// ---- where it listens ----

/// Asserts that a server is reached at an address.
fn assert_answers(design: &Design, addr: SocketAddr) {
    if is_tcp(design) {
        let client =
            Client::connect_at_once(addr).unwrap_or_else(|error| panic!("{addr}: {error}"));
        client.send(b"10\n");
        client.expect("55");
        return;
    }
    let any: IpAddr = match addr {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).expect("a port");
    socket.set_read_timeout(Some(NEVER)).expect("SO_RCVTIMEO");
    socket.connect(addr).expect("connected");
    socket.send(b"\n").expect("sent");
    let length =
        resumed(|| socket.recv(&mut [0; 64])).unwrap_or_else(|error| panic!("{addr}: {error}"));
    assert!(length > 0, "{addr}: an empty answer");
}

#[test]
fn it_says_where_it_listens_and_is_reached_there() {
    let loopback4 = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let loopback6 = IpAddr::V6(Ipv6Addr::LOCALHOST);
    let mut binds = vec![("127.0.0.1", vec![loopback4]), ("0.0.0.0", vec![loopback4])];
    // Another address of this machine's, which the wildcard is reached at too.
    binds.push(("127.0.0.3", vec![Ipv4Addr::new(127, 0, 0, 3).into()]));
    if has_ipv6() {
        binds.push(("::1", vec![loopback6]));
        if is_dual() {
            binds.push(("::", vec![loopback6, loopback4]));
        } else {
            skip(":: over IPv4", "net.ipv6.bindv6only is set");
            binds.push(("::", vec![loopback6]));
        }
    } else {
        skip("::1 and ::", "there is no IPv6 here");
    }
    each(
        |_| true,
        |case| {
            for (host, reached) in &binds {
                part(host, || {
                    let server = case.start_with(&["--bind", host]);
                    assert_listens(case, &server, host);
                    served(case, server, reached);
                });
            }
            part("localhost", || {
                let server = case.start_with(&["--bind", "localhost"]);
                assert!(server.addr.ip().is_loopback(), "{}", server.line);
                assert_listens(case, &server, &server.addr.ip().to_string());
                let reached = server.addr.ip();
                served(case, server, &[reached]);
            });
        },
    );
}

/// The line is `DESIGN: listening on ADDRESS:PORT`, an IPv6 address in brackets.
fn assert_listens(case: &Case, server: &Server, host: &str) {
    let port = server.addr.port();
    assert_ne!(port, 0, "--port 0 takes a free one");
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    assert_eq!(server.line, format!("{}: listening on {host}:{port}\n", case.design.name));
}

/// The server answers at these addresses, as many as it promises to serve, and ends well.
fn served(case: &Case, server: Server, reached: &[IpAddr]) {
    let port = server.addr.port();
    if case.design.promises.serves == Serves::Once {
        assert_answers(case.design, SocketAddr::new(reached[0], port));
        return server.wait().assert_clean();
    }
    for &ip in reached {
        assert_answers(case.design, SocketAddr::new(ip, port));
    }
    case.stop(server).assert_clean();
}

/// A port that is asked for by its number: the server gets it, or says why not.
#[test]
fn a_port_by_its_number() {
    each(
        |_| true,
        |case| {
            // An address that nobody else here binds, so that nobody takes the port meanwhile.
            let server = case.start_with(&["--bind", "127.0.0.4"]);
            let port = server.addr.port().to_string();
            let name = server.addr.to_string();
            let mut second = command(case.language, case.design);
            second.args(["--bind", "127.0.0.4", "--port", &port]);
            // On TCP, SO_REUSEADDR does not help against one that listens.
            let refused = start_fails(second);
            assert_eq!(
                refused,
                (
                    1,
                    format!(
                        "bind: Address already in use ({name}; another socket has this port: \
                         stop its owner or take another --port)\n"
                    )
                )
            );
            if case.design.promises.serves == Serves::Once {
                return served(case, server, &[Ipv4Addr::new(127, 0, 0, 4).into()]);
            }
            // What it has served keeps it from nothing: it starts again at once.
            served(case, server, &[Ipv4Addr::new(127, 0, 0, 4).into()]);
            let again = case.start_with(&["--bind", "127.0.0.4", "--port", &port]);
            assert_eq!(again.addr.to_string(), name);
            served(case, again, &[Ipv4Addr::new(127, 0, 0, 4).into()]);
        },
    );
}

// ---- when it can't start ----

/// The status and the one line on standard error of a server that does not start.
fn start_fails(mut command: Command) -> (i32, String) {
    let done = command.stdin(Stdio::null()).output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let stdout = String::from_utf8_lossy(&done.stdout);
    let stderr = String::from_utf8_lossy(&done.stderr).into_owned();
    let status = done.status.code().unwrap_or_else(|| panic!("{command:?}: {}", done.status));
    assert!(stdout.is_empty(), "{command:?} said {stdout:?}");
    assert!(
        stderr.ends_with('\n') && stderr.lines().count() == 1 && stderr.trim() != "",
        "{command:?}: not one line: {stderr:?}"
    );
    (status, stderr)
}

/// Starts that have to fail: arguments, the status, and how the line has to begin.
type Mistake = (&'static [&'static str], i32, &'static str);

const ANY: &[Mistake] = &[
    (
        &["--bind", "192.0.2.1", "--port", "0"],
        1,
        "bind: Cannot assign requested address (192.0.2.1:0",
    ),
    (&["--bind", "no.such.host.invalid", "--port", "0"], 1, "getaddrinfo: "),
    // No name server is asked for these two.
    (&["--bind", "not a host", "--port", "0"], 1, "getaddrinfo: "),
    (&["--bind", "", "--port", "0"], 1, "getaddrinfo: "),
    (&["--bind", "--port", "--port", "0"], 1, "getaddrinfo: "),
    (&["--port", "70000"], 2, "error: invalid value '70000' for '--port <N>'"),
    (&["--port", "65536"], 2, "error: invalid value '65536' for '--port <N>'"),
    (&["--port", "99999999999999999999"], 2, "error: invalid value '9999"),
    (&["--port", "x"], 2, "error: invalid value 'x' for '--port <N>'"),
    (&["--port", "-1"], 2, "error: invalid value '-1' for '--port <N>'"),
    (&["--port", "+1"], 2, "error: invalid value '+1' for '--port <N>'"),
    (&["--port", " 1"], 2, "error: invalid value ' 1' for '--port <N>'"),
    (&["--port", "1 "], 2, "error: invalid value '1 ' for '--port <N>'"),
    (&["--port", "0x1"], 2, "error: invalid value '0x1' for '--port <N>'"),
    (&["--port", "--bind"], 2, "error: invalid value '--bind' for '--port <N>'"),
    (&["--port", ""], 2, "error: invalid value '' for '--port <N>'"),
    (&["--port="], 2, "error: invalid value '' for '--port <N>'"),
    (&["--port=x"], 2, "error: invalid value 'x' for '--port <N>'"),
    (&["--port", "0", "--port", "x"], 2, "error: invalid value 'x' for '--port <N>'"),
    (&["--port"], 2, "error: a value is required for '--port <N>'"),
    (&["--bind"], 2, "error: a value is required for '--bind <ADDR>'"),
    (&["--nonsense"], 2, "error: unexpected argument '--nonsense' found"),
    (&["--por", "0"], 2, "error: unexpected argument '--por' found"),
    (&["-x"], 2, "error: unexpected argument '-x' found"),
    (&["9000"], 2, "error: unexpected argument '9000' found"),
];

/// The options that not every design has: how each can be mistaken.
const MAX_N: &[Mistake] = &[
    (&["--max-n", "94"], 2, "error: invalid value '94' for '--max-n <N>'"),
    (&["--max-n", "-1"], 2, "error: invalid value '-1' for '--max-n <N>'"),
    (&["--max-n", "+1"], 2, "error: invalid value '+1' for '--max-n <N>'"),
    (&["--max-n", "x"], 2, "error: invalid value 'x' for '--max-n <N>'"),
    (&["--max-n"], 2, "error: a value is required for '--max-n <N>'"),
];
const TIMEOUT: &[Mistake] = &[
    (&["--timeout", "0"], 2, "error: invalid value '0' for '--timeout <S>'"),
    (&["--timeout", "-1"], 2, "error: invalid value '-1' for '--timeout <S>'"),
    (&["--timeout", "x"], 2, "error: invalid value 'x' for '--timeout <S>'"),
    (&["--timeout", "nan"], 2, "error: invalid value 'nan' for '--timeout <S>'"),
    (&["--timeout", "inf"], 2, "error: invalid value 'inf' for '--timeout <S>'"),
    (&["--timeout", "0x10"], 2, "error: invalid value '0x10' for '--timeout <S>'"),
    (&["--timeout", " 1"], 2, "error: invalid value ' 1' for '--timeout <S>'"),
    (&["--timeout", "1s"], 2, "error: invalid value '1s' for '--timeout <S>'"),
    (&["--timeout", "1e-9"], 2, "error: invalid value '1e-9' for '--timeout <S>'"),
    (&["--timeout", "1e300"], 2, "error: invalid value '1e300' for '--timeout <S>'"),
    (&["--timeout"], 2, "error: a value is required for '--timeout <S>'"),
];
const FORMAT: &[Mistake] = &[
    (&["--format", "x"], 2, "error: invalid value 'x' for '--format <F>'"),
    (&["--format", "Human"], 2, "error: invalid value 'Human' for '--format <F>'"),
    (&["--format", ""], 2, "error: invalid value '' for '--format <F>'"),
    (&["--format"], 2, "error: a value is required for '--format <F>'"),
];

const WORKERS: &[Mistake] = &[
    (&["--workers", "0"], 2, "error: invalid value '0' for '--workers <N>'"),
    (&["--workers=1001"], 2, "error: invalid value '1001' for '--workers <N>'"),
    (&["--workers", "-1"], 2, "error: invalid value '-1' for '--workers <N>'"),
    (&["--workers"], 2, "error: a value is required for '--workers <N>'"),
];
const DEFER_ACCEPT: &[Mistake] = &[
    (&["--defer-accept", "0"], 2, "error: invalid value '0' for '--defer-accept <S>'"),
    (&["--defer-accept", "1.5"], 2, "error: invalid value '1.5' for '--defer-accept <S>'"),
    (&["--defer-accept=3601"], 2, "error: invalid value '3601' for '--defer-accept <S>'"),
    (&["--defer-accept"], 2, "error: a value is required for '--defer-accept <S>'"),
];

/// The mistakes that can be made with a design.
fn mistakes(design: &Design) -> Vec<Mistake> {
    let fibonacci = design.service == Service::Fibonacci;
    let times_out = design.promises.silent == Silent::StallsUntilTimeout;
    let mut mistakes = ANY.to_vec();
    // A value that is wrong is wrong in every design; one that is right may do nothing.
    mistakes.extend([MAX_N, TIMEOUT, FORMAT, WORKERS, DEFER_ACCEPT].concat());
    let has_pool = design.promises.pool != Pool::None;
    let defers = design.promises.deferred.is_some();
    let does_nothing: [(bool, Mistake); 5] = [
        (fibonacci, (&["--max-n", "5"], 2, "error: '--max-n' does nothing in the design ")),
        (times_out, (&["--timeout", "5"], 2, "error: '--timeout' does nothing in the design ")),
        (!fibonacci, (&["--format", "human"], 2, "error: '--format' does nothing in the design ")),
        (has_pool, (&["--workers", "5"], 2, "error: '--workers' does nothing in the design ")),
        (
            defers,
            (&["--defer-accept", "5"], 2, "error: '--defer-accept' does nothing in the design "),
        ),
    ];
    mistakes
        .extend(does_nothing.into_iter().filter(|(meant, _)| !meant).map(|(_, mistake)| mistake));
    mistakes
}

/// Every language of a design.
fn languages(design: &Design) -> Vec<Case> {
    all(|other| other.name == design.name)
}

/// Asserts that a start fails alike in every language, and how.
fn assert_fails_alike(cases: &[Case], args: &[&str], status: i32, line: &str, run_as: &[&str]) {
    let mut first: Option<(i32, String)> = None;
    for case in cases {
        part(&format!("{case} {args:?}"), || {
            let program = command(case.language, case.design);
            let mut command = match run_as {
                [] => program,
                [wrapper, rest @ ..] => {
                    let mut wrapped = Command::new(wrapper);
                    wrapped.args(rest).arg(program.get_program()).args(program.get_args());
                    wrapped
                }
            };
            command.args(args);
            let failed = start_fails(command);
            assert!(
                failed.0 == status && failed.1.starts_with(line),
                "{failed:?} instead of {status}, {line:?}"
            );
            let first = first.get_or_insert_with(|| failed.clone());
            assert_eq!(&failed, first, "and {:?}", Language::Rust);
        });
    }
}

#[test]
fn mistakes_are_one_line_and_the_same_in_every_language() {
    let mut starts = Vec::new();
    for (d, design) in DESIGNS.iter().enumerate() {
        for (m, mistake) in mistakes(design).into_iter().enumerate() {
            let mut cases = languages(design);
            // The sanitized programs start slowly and share what finds a mistake: each mistake is
            // made in one of them, and in each of them one mistake in so many.
            if m % DESIGNS.len() != d {
                cases.retain(|case| matches!(case.language, Language::Rust | Language::C));
            }
            starts.push((cases, mistake));
        }
    }
    run(
        &starts,
        |(cases, (args, ..))| format!("{} {args:?}", cases[0].design.name),
        |(cases, (args, status, line))| assert_fails_alike(cases, args, *status, line, &[]),
    );
}

/// Somebody else has the port: any program.
#[test]
fn a_port_in_use() {
    for design in DESIGNS {
        let (tcp, udp);
        let taken = if is_tcp(design) {
            tcp = TcpListener::bind("127.0.0.1:0").expect("a port");
            tcp.local_addr()
        } else {
            udp = UdpSocket::bind("127.0.0.1:0").expect("a port");
            udp.local_addr()
        };
        let taken = taken.expect("an address");
        let line = format!(
            "bind: Address already in use ({taken}; another socket has this port: stop its owner or \
             take another --port)\n"
        );
        assert_fails_alike(
            &languages(design),
            &["--port", &taken.port().to_string()],
            1,
            &line,
            &[],
        );
    }
}

const UNPRIVILEGED: &[&str] = &["setpriv", "--reuid", "65534", "--clear-groups"];

/// A port below 1024, for somebody who may not have it.
#[test]
fn a_privileged_port() {
    const WHAT: &str = "a_privileged_port";
    let start = fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start");
    if start.is_ok_and(|start| start.trim().parse().is_ok_and(|start: u16| start <= 80)) {
        return skip(WHAT, "net.ipv4.ip_unprivileged_port_start lets anybody have port 80");
    }
    let refused = |error: std::io::Error| error.kind() == ErrorKind::PermissionDenied;
    // An address where nobody has this port.
    let run_as =
        if UdpSocket::bind("127.0.0.5:80").is_err_and(refused) { &[] } else { UNPRIVILEGED };
    if let [wrapper, rest @ ..] = run_as {
        for case in all(|_| true) {
            let program = command(case.language, case.design);
            let mut probe = Command::new(wrapper);
            let probe = probe.args(rest).arg(program.get_program()).arg("--help").output();
            let ran = probe.is_ok_and(|probe| probe.status.success());
            if !ran {
                return skip(WHAT, format_args!("{wrapper} can't run {:?}", program.get_program()));
            }
        }
    }
    let line = "bind: Permission denied (127.0.0.5:80; a port below 1024 needs privilege: take a \
                --port from 1024 on)\n";
    for design in DESIGNS {
        assert_fails_alike(
            &languages(design),
            &["--bind", "127.0.0.5", "--port", "80"],
            1,
            line,
            run_as,
        );
    }
}

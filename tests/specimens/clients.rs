//! The clients: the test plays the server.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::{Child, Command, Output, Stdio};

use nix::libc;
use nix::sys::socket::{setsockopt, sockopt};

use crate::watch::{Doing, Task, descriptors, state, until};
use crate::{all, program, table};

type Shows = fn(Command) -> bool;

const FAULTS: &[(&str, Shows)] = &[
    ("client/knocks_for_ever", |client| {
        let addr = closed();
        let mut child = spawn(client, addr);
        // It pauses between two attempts: more of these than addresses.
        let mut pauses = 0;
        let mut is_pausing = false;
        until("it gives up, or tries for the fifth time", || {
            let doing = Task { pid: pid(&child), tid: pid(&child) }.doing();
            let pausing = matches!(doing, Doing::Blocked(libc::SYS_poll, _));
            pauses += u32::from(pausing && !is_pausing);
            is_pausing = pausing;
            has_ended(&child) || pauses == 5
        });
        let knocks = !has_ended(&child);
        child.kill().expect("our child");
        child.wait().expect("our child");
        knocks
    }),
    ("client/time_unconnected", |client| {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let addr = socket.local_addr().expect("an address");
        drop(socket);
        let output = run(client, addr);
        assert_eq!(output.status.code(), Some(1));
        !String::from_utf8_lossy(&output.stderr).contains("Connection refused")
    }),
    ("client/reads_once", |client| {
        let said = answered(client, |mut server| {
            server.write_all(b"5").expect("sent");
            let read = || unread_at_the_other_end(&server) == Some(0);
            until("the first piece is read", read);
            // It may be gone.
            let _ = server.write_all(b"5");
        });
        said != Some("fib(10)=55".into())
    }),
    ("client/ignores_reset", |client| {
        let said = answered(client, |mut server| {
            server.write_all(b"5").expect("sent");
            until("the first piece is read", || unread_at_the_other_end(&server) == Some(0));
            let linger = libc::linger { l_onoff: 1, l_linger: 0 };
            setsockopt(&server, sockopt::Linger, &linger).expect("SO_LINGER");
        });
        said == Some("fib(10)=5".into())
    }),
    ("client/no_time_limit", |client| {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a socket");
        let mut child = spawn(client, listener.local_addr().expect("an address"));
        let (mut server, _) = listener.accept().expect("a client");
        server.read_exact(&mut [0; 3]).expect("a request");
        // A socket's time limit can be read from outside.
        let waits = || {
            matches!(
                Task { pid: pid(&child), tid: pid(&child) }.doing(),
                Doing::Blocked(libc::SYS_recvfrom, _)
            )
        };
        until("it waits, or has given up", || waits() || has_ended(&child));
        let is_socket = |(fd, what): (i32, String)| what.starts_with("socket:").then_some(fd);
        let fd = descriptors(pid(&child)).into_iter().find_map(is_socket);
        let limit = fd.map(|fd| crate::tools::receive_timeout(pid(&child), fd));
        let waits_for_ever = limit.is_some_and(|limit| limit.is_zero());
        child.kill().expect("our child");
        child.wait().expect("our child");
        waits_for_ever
    }),
    ("client/takes_nothing_for_zero", |client| answered(client, drop) == Some("fib(10)=0".into())),
    ("client/reads_ten_bytes", |client| {
        let said = answered(client, |mut server| server.write_all(b"12586269025").expect("sent"));
        said == Some("fib(10)=1258626902".into())
    }),
    ("client/hears_anybody", |client| {
        let [server, stranger] = [0; 2].map(|_| UdpSocket::bind("127.0.0.1:0").expect("a socket"));
        let child = spawn(client, server.local_addr().expect("an address"));
        let (_, asker) = server.recv_from(&mut [0; 16]).expect("a request");
        // The kernel keeps them in this order, if it takes the first at all.
        stranger.send_to(b"from a stranger", asker).expect("sent");
        // Whoever has taken that one may be gone.
        let _ = server.send_to(b"from the server", asker);
        let output = child.wait_with_output().expect("it ends");
        String::from_utf8_lossy(&output.stdout) == "from a stranger\n"
    }),
];

fn pid(child: &Child) -> i32 {
    child.id().try_into().expect("a pid")
}

fn has_ended(child: &Child) -> bool {
    state(pid(child)).is_none_or(|state| state == "Z")
}

/// Where nobody listens.
fn closed() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a socket");
    listener.local_addr().expect("an address")
}

fn spawn(mut client: Command, addr: SocketAddr) -> Child {
    client.args(["127.0.0.1", &addr.port().to_string()]);
    client.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    client.spawn().expect("it starts")
}

fn run(client: Command, addr: SocketAddr) -> Output {
    spawn(client, addr).wait_with_output().expect("it ends")
}

/// What a client of fib(10) prints, if it ends well, once this has been done with its connection.
fn answered(mut client: Command, play: fn(TcpStream)) -> Option<String> {
    client.args(["-n", "10"]);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a socket");
    let child = spawn(client, listener.local_addr().expect("an address"));
    let (mut server, _) = listener.accept().expect("a client");
    server.read_exact(&mut [0; 3]).expect("a request");
    play(server);
    let output = child.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stdout).trim_end().to_owned();
    // The sound client says how long it took.
    let said = said.split(" (").next().unwrap_or_default().to_owned();
    output.status.success().then_some(said)
}

/// What the client has not read yet; nothing, once it is gone.
fn unread_at_the_other_end(server: &TcpStream) -> Option<u32> {
    let here = server.local_addr().expect("an address");
    let gone = matches!(
        (server.set_nonblocking(true), server.peek(&mut [0]), server.set_nonblocking(false)),
        (_, Ok(_), _)
    );
    let peer = match server.peer_addr() {
        Ok(peer) => peer,
        Err(error) if error.kind() == ErrorKind::NotConnected => return Some(0),
        Err(error) => panic!("{error}"),
    };
    let row = crate::diag::connected(peer, here);
    if gone { Some(0) } else { row.map(|row| row.unread) }
}

#[test]
fn faults() {
    let rows: Vec<table::Row> =
        table::rows().into_iter().filter(|row| row.specimen.starts_with("client/")).collect();
    assert_eq!(rows.len(), FAULTS.len());
    all(
        &rows,
        |row| row.specimen.clone(),
        |row| {
            let (_, shows) =
                FAULTS.iter().find(|(name, _)| *name == row.specimen).expect("it is shown");
            let specimen = program(&format!("broken/{}", row.specimen));
            assert!(shows(specimen), "{} has no fault", row.specimen);
            let mut twin = program(&row.design);
            if row.specimen == "client/no_time_limit" {
                twin.args(["--timeout", "60"]);
            }
            assert!(!shows(twin), "{} has the fault of {}", row.design, row.specimen);
        },
    );
}

/// Each prints the answer of a server that behaves.
#[test]
fn otherwise_sound() {
    let server = crate::start("iterative");
    for (name, _) in FAULTS {
        if ["client/time_unconnected", "client/hears_anybody"].contains(name) {
            let server = crate::start("udp_iterative");
            let output = run(program(&format!("broken/{name}")), server.addr);
            assert!(output.status.success() && output.stdout.len() > 20, "{name}: {output:?}");
            continue;
        }
        let mut client = program(&format!("broken/{name}"));
        client.args(["-n", "10"]);
        let output = run(client, server.addr);
        assert_eq!(String::from_utf8_lossy(&output.stdout), "fib(10)=55\n", "{name}: {output:?}");
        let mut client = program(&format!("broken/{name}"));
        client.args(["-n", "90"]);
        let output = run(client, server.addr);
        assert_eq!(output.status.code(), Some(1), "{name}: a refusal is no answer");
    }
}

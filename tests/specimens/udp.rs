//! The servers over UDP.

use std::net::{SocketAddr, UdpSocket};

use crate::look::{Rest, has_ended, settled_or};
use crate::support::Server;
use crate::watch::stopped;
use crate::{all, start, table};

/// Whether a server has the fault.
type Shows = fn(&Server) -> bool;

const FAULTS: &[(&str, Shows)] = &[
    ("udp_answers_elsewhere", |server| answer(server, b"time", true).is_none()),
    ("udp_single_use", |server| {
        assert!(serves(server));
        !serves(server)
    }),
    ("udp_dies_of_empty_datagram", |server| {
        answer(server, b"", false);
        ends(server)
    }),
    ("udp_dies_of_large_datagram", |server| {
        answer(server, &[b'x'; 65507], false);
        ends(server)
    }),
    ("udp_dies_of_refused", |server| {
        stopped(server, || {
            let client = UdpSocket::bind("127.0.0.1:0").expect("a socket");
            client.send_to(b"time", server.addr).expect("sent");
        });
        ends(server)
    }),
    ("udp_loops", |server| answer(server, b"Thu Jan  1 00:00:00 1970\n", false).is_some()),
    ("udp_amplifies", |server| {
        answer(server, b"time", false).expect("an answer").len() >= 10 * "time".len()
    }),
    ("udp_dies_of_garbage", |server| {
        answer(server, &[0xff, 0], false);
        ends(server)
    }),
];

/// What a new client gets for a datagram; nothing, if the server has settled without an answer.
fn answer(server: &Server, datagram: &[u8], is_connected: bool) -> Option<Vec<u8>> {
    let client = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    client.set_nonblocking(true).expect("O_NONBLOCK");
    if is_connected {
        client.connect(server.addr).expect("connected");
    }
    let sent =
        if is_connected { client.send(datagram) } else { client.send_to(datagram, server.addr) };
    assert_eq!(sent.expect("sent"), datagram.len());
    let mut buf = [0; 2048];
    let mut got: Option<(usize, SocketAddr)> = None;
    settled_or(server, || {
        got = client.recv_from(&mut buf).ok();
        got.is_some()
    });
    // It may have come with the last look.
    let got = got.or_else(|| client.recv_from(&mut buf).ok());
    got.map(|(length, _)| buf[..length].to_vec())
}

fn serves(server: &Server) -> bool {
    answer(server, b"time", false).is_some()
}

fn ends(server: &Server) -> bool {
    let is_served = serves(server);
    assert_ne!(is_served, settled_or(server, || false) == Some(Rest::Ended));
    !is_served && has_ended(server)
}

#[test]
fn faults() {
    let rows: Vec<table::Row> =
        table::rows().into_iter().filter(|row| row.specimen.starts_with("udp_")).collect();
    assert_eq!(rows.len(), FAULTS.len());
    all(
        &rows,
        |row| row.specimen.clone(),
        |row| {
            let (_, shows) =
                FAULTS.iter().find(|(name, _)| *name == row.specimen).expect("it is shown");
            let specimen = start(&format!("broken/{}", row.specimen));
            assert!(shows(&specimen), "{} has no fault", row.specimen);
            assert!(
                !shows(&start(&row.design)),
                "{} has the fault of {}",
                row.design,
                row.specimen
            );
        },
    );
}

/// A good request is answered, and SIGTERM is obeyed.
#[test]
fn otherwise_sound() {
    for (name, _) in FAULTS {
        let server = start(&format!("broken/{name}"));
        assert!(serves(&server), "{name}");
        if *name == "udp_single_use" {
            assert!(server.wait().status.success());
        } else {
            server.stop().assert_clean();
        }
    }
}

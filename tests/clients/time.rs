//! `socklab client time` and `c-compat/client/time.c`.

use std::net::UdpSocket;

use socklab::server;

use crate::play::{Client::Time, Said, alike, ask, udp};
use crate::support::{Language, Server};

fn answer(socket: &UdpSocket, text: &[u8]) {
    let mut request = [0; 16];
    let (length, client) = socket.recv_from(&mut request).expect("a datagram");
    assert_eq!(length, 0, "a request is empty");
    socket.send_to(text, client).expect("sent");
}

#[test]
fn the_four_formats() {
    udp(Time, &[], |socket| answer(socket, b"Fri Feb 23 14:15:00 2018\n"))
        .assert_success("Fri Feb 23 14:15:00 2018\n");
    udp(Time, &[], |socket| answer(socket, b"2018-02-23T13:15:00Z\n"))
        .assert_success("2018-02-23T13:15:00Z\n");
    udp(Time, &[], |socket| answer(socket, b"Friday, February 23, 2018 14:15:00-CET\r\n"))
        .assert_success("Friday, February 23, 2018 14:15:00-CET\n");
    // RFC 868, as told by a clock in UTC.
    udp(Time, &[], |socket| answer(socket, &3_728_380_500_u32.to_be_bytes()))
        .assert_success("Fri Feb 23 13:15:00 2018\n");
}

#[test]
fn every_client_understands_every_server() {
    let design = server::find("udp_iterative").expect("a design");
    for language in [Language::Rust, Language::C] {
        for format in ["human", "iso8601", "daytime", "time"] {
            let server = Server::start_with(language, design, &["--format", format]);
            for program in 0..crate::play::PROGRAMS {
                let said = Said::new(&ask(Time, program, server.addr, &[]), server.addr.port());
                assert!(
                    said.status == Some(0)
                        && said.stderr.is_empty()
                        && said.stdout.contains(" 20") != (format == "iso8601")
                        && said.stdout.lines().count() == 1,
                    "{said:?}"
                );
            }
            server.stop().assert_clean();
        }
    }
}

#[test]
fn a_closed_port() {
    let said = alike(|program| {
        // A socket that is connected elsewhere takes no other's datagrams, and its port is taken.
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
        socket.connect("127.0.0.1:9").expect("connected");
        let addr = socket.local_addr().expect("bound");
        Said::new(&ask(Time, program, addr, &[]), addr.port())
    });
    said.assert_failure("recv: Connection refused (127.0.0.1 port PORT)", "");
}

#[test]
fn a_lost_datagram() {
    let said = udp(Time, &["--timeout", "0.1"], |socket| {
        socket.recv_from(&mut [0; 16]).expect("a datagram, which is lost");
        answer(socket, b"Fri Feb 23 14:15:00 2018\n");
    });
    said.assert_success("Fri Feb 23 14:15:00 2018\n");
}

#[test]
fn all_datagrams_lost() {
    let said = udp(Time, &["--timeout", "0.1"], |socket| {
        for _ in 0..3 {
            socket.recv_from(&mut [0; 16]).expect("a datagram, which is lost");
        }
    });
    said.assert_failure(
        "recv: Resource temporarily unavailable (127.0.0.1 port PORT; no answer in time)",
        "",
    );
}

#[test]
fn hostile_answers() {
    udp(Time, &[], |socket| {
        answer(socket, b"\x1b]0;owned\x07 \x9b \0 \xed\xa0\x80 \xf0\x9f\x95\x90");
    })
    .assert_success("?]0;owned? \u{fffd} ? \u{fffd}\u{fffd}\u{fffd} \u{1f550}\n");
    udp(Time, &[], |socket| answer(socket, b"")).assert_success("\n");
    udp(Time, &[], |socket| answer(socket, b"a\r\nb\rc\n\n")).assert_success("a\nb?c\n");
}

#[test]
fn any_bytes_are_shown_alike() {
    // A fixed sequence that covers every pair of classes of bytes that UTF-8 knows.
    udp(Time, &[], |socket| {
        let classes = [0x00, 0x41, 0x7f, 0x80, 0x9b, 0xa0, 0xc0, 0xc2, 0xdf, 0xe0, 0xe1, 0xed];
        let more = [0xef, 0xf0, 0xf1, 0xf4, 0xf5, 0xff];
        let classes: Vec<u8> = classes.into_iter().chain(more).collect();
        let pairs = classes.iter().flat_map(|a| classes.iter().flat_map(|b| [*a, *b]));
        answer(socket, &pairs.take(512).collect::<Vec<u8>>());
    });
    udp(Time, &[], |socket| {
        let tails: &[&[u8]] = &[
            b"\xe0\x80\x80",
            b"\xe0\xa0",
            b"\xed\x9f\xbf",
            b"\xee\x80\x80",
            b"\xf0\x80\x80\x80",
            b"\xf0\x90\x80",
            b"\xf4\x8f\xbf\xbf",
            b"\xf4\x90\x80\x80",
            b"\xe2\x82\x41",
            b"\xf1\x80\xc2\x80",
        ];
        answer(socket, &tails.concat());
    });
}

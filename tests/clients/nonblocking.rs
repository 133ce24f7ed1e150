//! `socklab client nonblocking` and `c-compat/client/nonblocking.c`.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::Stdio;

use crate::play::{
    Client::Nonblocking, PROGRAMS, Said, WOULD_BLOCK, alike, answer, command, silence, tcp,
};

#[test]
fn a_mail_server_whose_greeting_is_late() {
    let said = alike(|program| {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let mut client = command(Nonblocking, program)
            .args(["127.0.0.1", &port.to_string()])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the client runs");
        let mut server = listener.accept().expect("a client").0;
        let mut reader = BufReader::new(client.stdout.take().expect("piped"));
        let mut stdout = String::new();
        // Only now, when the client has asked in vain.
        while !stdout.ends_with("EWOULDBLOCK\n") {
            assert!(reader.read_line(&mut stdout).expect("a line") > 0, "{stdout:?}");
        }
        server.write_all(b"220 mail.example ESMTP ready\r\n").expect("the client reads");
        reader.read_to_string(&mut stdout).expect("the rest");
        assert!(
            stdout.starts_with(&format!("connecting!\nconnected!\n{WOULD_BLOCK}")),
            "{stdout:?}"
        );
        let mut output = client.wait_with_output().expect("our child");
        output.stdout = stdout.into_bytes();
        Said::new(&output, port)
    });
    said.assert_success("connecting!\nconnected!\nreceived: 220 mail.example ESMTP ready\n");
}

#[test]
fn a_greeting_of_two_lines_and_one_that_is_hostile() {
    for (serve, shown) in [
        ((|client| answer(client, b"220-a\r\n220 b\r\n")) as fn(_), "220-a\n220 b"),
        (|client| answer(client, b"\x1b[2J220 b\0\xff\r\n"), "?[2J220 b?\u{fffd}"),
    ] {
        let said = tcp(Nonblocking, &[], serve);
        let shown = format!("connecting!\nconnected!\nreceived: {shown}\n");
        said.assert_success(&shown);
    }
}

#[test]
fn no_word() {
    tcp(Nonblocking, &[], drop).assert_failure(
        "error: the server closed the connection without a word",
        "connecting!\nconnected!\n",
    );
}

#[test]
fn silence_and_a_time_limit() {
    tcp(Nonblocking, &["--timeout", "0.1"], silence).assert_failure(
        "recv: Resource temporarily unavailable (127.0.0.1 port PORT; no answer in time)",
        "connecting!\nconnected!\n",
    );
}

#[test]
fn nobody_reads_what_the_client_says() {
    for program in 0..PROGRAMS {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let mut client = command(Nonblocking, program)
            .args(["127.0.0.1", &port.to_string()])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the client runs");
        let server = listener.accept().expect("a client").0;
        // Two lines of it, and no more.
        let mut reader = BufReader::with_capacity(1, client.stdout.take().expect("piped"));
        let mut line = String::new();
        while !line.ends_with("connected!\n") {
            assert!(reader.read_line(&mut line).expect("a line") > 0, "{line:?}");
        }
        drop(reader);
        let output = client.wait_with_output().expect("our child");
        Said::new(&output, port).assert_failure("", "");
        drop(server);
    }
}

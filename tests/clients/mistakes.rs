//! What all three clients have in common: connecting, and the command line.

use std::net::{SocketAddr, TcpStream};

use socklab::posix::arpa_inet::ntohs;
use socklab::posix::netinet_in::as_sockaddr_in;
use socklab::posix::sys_socket::{SOCK_STREAM, bind, getsockname, listen, socket};
use socklab::server::{Options, Transport};

use crate::play::{Client, Client::*, Said, alike, ask, command};

const CLIENTS: [Client; 3] = [Fib, Time, Nonblocking];

/// A TCP socket with a port of its own, which listens with the given backlog or not at all.
fn bound(backlog: Option<i32>) -> (std::os::fd::OwnedFd, SocketAddr) {
    let servaddr = Options::resolve("127.0.0.1", 0, Transport::Tcp).expect("an address");
    let sockfd = socket(servaddr.ss_family.into(), SOCK_STREAM, 0).expect("a socket");
    bind(&sockfd, &servaddr).expect("a port");
    if let Some(backlog) = backlog {
        listen(&sockfd, backlog).expect("listening");
    }
    let name = getsockname(&sockfd).expect("bound");
    let port = ntohs(as_sockaddr_in(&name).expect("IPv4").sin_port);
    (sockfd, SocketAddr::from(([127, 0, 0, 1], port)))
}

#[test]
fn a_closed_port() {
    for (client, stdout) in [(Fib, ""), (Nonblocking, "connecting!\n")] {
        let (_sockfd, addr) = bound(None);
        alike(|program| Said::new(&ask(client, program, addr, &[]), addr.port()))
            .assert_failure("connect: Connection refused (127.0.0.1 port PORT)", stdout);
    }
}

#[test]
fn no_connection_in_time() {
    // Its queue holds one connection; what comes after that is not answered.
    let (_sockfd, addr) = bound(Some(0));
    let _queued = TcpStream::connect(addr).expect("queued");
    for (client, stdout) in [(Fib, ""), (Nonblocking, "connecting!\n")] {
        let args = ["--timeout", "0.2"];
        alike(|program| Said::new(&ask(client, program, addr, &args), addr.port())).assert_failure(
            "connect: Operation now in progress (127.0.0.1 port PORT; no connection in time)",
            stdout,
        );
    }
}

#[test]
fn an_unknown_host() {
    for client in CLIENTS {
        let said = alike(|program| {
            // No name has an empty part, so no name server is asked.
            let output = command(client, program).args(["no..host", "9000"]).output();
            Said::new(&output.expect("the client runs"), 9000)
        });
        let stdout = if client == Nonblocking { "connecting!\n" } else { "" };
        assert!(said.stderr.starts_with("getaddrinfo: "), "{said:?}");
        assert!(said.stderr.ends_with(" (no..host port PORT)\n"), "{said:?}");
        said.assert_failure(said.stderr.trim_end(), stdout);
    }
}

#[test]
fn mistakes_on_the_command_line() {
    for client in CLIENTS {
        for (args, line) in [
            (&["localhost", "70000"][..], "a port is a number from 0 to 65535"),
            (&["localhost", "http"], "a port is a number from 0 to 65535"),
            (
                &["localhost", "9000", "--timeout", "0"],
                "a time is a number of seconds greater than 0, such as 0.5",
            ),
            (&["localhost", "9000", "--timeout"], "a value is required for '--timeout <S>'"),
            (&["localhost", "9000", "more"], "unexpected argument 'more' found"),
            (&["localhost", "9000", "--nosuch"], "unexpected argument '--nosuch' found"),
        ] {
            let said = alike(|program| {
                let output = command(client, program).args(args).output();
                let mut said = Said::new(&output.expect("the client runs"), 0);
                // Rust calls the port of the third client required, so it has other brackets.
                said.stderr = said.stderr.replace("[PORT]", "<PORT>");
                said
            });
            assert_eq!((said.status, said.stdout.as_str()), (Some(2), ""), "{said:?}");
            assert!(said.stderr.starts_with("error: ") && said.stderr.contains(line), "{said:?}");
            assert_eq!(said.stderr.lines().count(), 1, "{said:?}");
        }
    }
    for n in ["abc", "", "1.5", " 1", "9223372036854775808", "-9223372036854775809"] {
        let said = alike(|program| {
            let output = command(Fib, program).args(["-n", n]).output();
            Said::new(&output.expect("the client runs"), 0)
        });
        let line = format!(
            "error: invalid value '{n}' for '-n <N>': n is a decimal integer of at most 64 bits\n"
        );
        let expected = Said { stdout: String::new(), stderr: line, status: Some(2) };
        assert_eq!(said, expected);
    }
}

#[test]
fn the_second_client_needs_a_server() {
    let said = alike(|program| {
        Said::new(&command(Nonblocking, program).output().expect("the client runs"), 0)
    });
    assert_eq!(said.status, Some(2));
    assert_eq!(
        said.stderr,
        "error: the following required arguments were not provided: <HOST> <PORT>\n"
    );
}

//! A host with several addresses, of which one has no server.

use std::net::{TcpListener, UdpSocket};
use std::path::PathBuf;
use std::process::Command;

use crate::play::{
    Client, Client::Fib, Client::Time, Said, alike, answer, command, expect_request,
};

/// The client of the host "several", which is ::1 and 127.0.0.1, by a file over /etc/hosts in a
/// mount namespace of its own; `None` where that is not permitted.
fn ask_several(client: Client, program: usize, port: u16) -> Option<Command> {
    let hosts = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("several.hosts");
    std::fs::write(&hosts, "::1 several\n127.0.0.1 several\n").expect("written");
    let with_hosts = |inner: &Command| {
        let mut command = Command::new("unshare");
        command.args(["-Urm", "sh", "-c", "mount --bind \"$0\" /etc/hosts && exec \"$@\""]);
        command.arg(&hosts).arg(inner.get_program()).args(inner.get_args()).env("TZ", "UTC");
        command
    };
    let tried = with_hosts(&Command::new("true")).output();
    if !tried.as_ref().is_ok_and(|tried| tried.status.success()) {
        eprintln!("skipped: no file can be mounted over /etc/hosts here: {tried:?}");
        return None;
    }
    let mut inner = command(client, program);
    inner.args(["several", &port.to_string()]);
    Some(with_hosts(&inner))
}

const ADDRESSES: [&str; 2] = ["127.0.0.1:0", "[::1]:0"];

fn unavailable(addr: &str) -> Said {
    eprintln!("skipped: {addr} can't be bound here");
    Said { stdout: String::new(), stderr: String::new(), status: None }
}

#[test]
fn over_tcp_the_next_one_is_connected() {
    for addr in ADDRESSES {
        let said = alike(|program| {
            let Ok(listener) = TcpListener::bind(addr) else { return unavailable(addr) };
            let port = listener.local_addr().expect("bound").port();
            let Some(mut command) = ask_several(Fib, program, port) else {
                return unavailable(addr);
            };
            let server = std::thread::spawn(move || {
                let mut client = listener.accept().expect("a client").0;
                expect_request(&mut client, "37\n");
                answer(client, b"24157817");
            });
            let output = command.output().expect("the client runs");
            server.join().expect("the server's part");
            Said::new(&output, port)
        });
        if said.status.is_some() {
            said.assert_success("fib(37)=24157817 (TIME)\n");
        }
    }
}

#[test]
fn over_udp_the_next_one_is_asked() {
    for addr in ADDRESSES {
        let said = alike(|program| {
            let Ok(socket) = UdpSocket::bind(addr) else { return unavailable(addr) };
            let port = socket.local_addr().expect("bound").port();
            let Some(mut command) = ask_several(Time, program, port) else {
                return unavailable(addr);
            };
            let server = std::thread::spawn(move || {
                let (_, client) = socket.recv_from(&mut [0; 16]).expect("a datagram");
                socket.send_to(b"2018-02-23T13:15:00Z\n", client).expect("sent");
            });
            let output = command.output().expect("the client runs");
            server.join().expect("the server's part");
            Said::new(&output, port)
        });
        if said.status.is_some() {
            said.assert_success("2018-02-23T13:15:00Z\n");
        }
    }
}

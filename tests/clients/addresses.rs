//! A host with several addresses, of which one has no server.

use std::net::{TcpListener, UdpSocket};
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use crate::play::{
    Client, Client::Fib, Client::Time, Said, alike, answer, command, end_tcp, end_udp,
    expect_request,
};

/// The client of the host "several", which is ::1 and 127.0.0.1, by a file over /etc/hosts in a
/// mount namespace of its own; `None` where that is not permitted.
fn ask_several(client: Client, program: usize, port: u16) -> Option<Command> {
    static HOSTS: OnceLock<PathBuf> = OnceLock::new();
    let hosts = HOSTS.get_or_init(|| {
        let hosts = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("several.hosts");
        // Renamed into place: another run of the tests may be using it.
        let new = hosts.with_extension(std::process::id().to_string());
        std::fs::write(&new, "::1 several\n127.0.0.1 several\n").expect("written");
        std::fs::rename(&new, &hosts).expect("renamed");
        hosts
    });
    let with_hosts = |inner: &Command| {
        let mut command = Command::new("unshare");
        command.args(["-Urm", "sh", "-c", "mount --bind \"$0\" /etc/hosts && exec \"$@\""]);
        command.arg(hosts).arg(inner.get_program()).args(inner.get_args()).env("TZ", "UTC");
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

fn unavailable(at: &str) -> Said {
    eprintln!("skipped: {at} can't be bound here");
    Said { stdout: String::new(), stderr: String::new(), status: None }
}

#[test]
fn over_tcp_the_next_one_is_connected() {
    for at in ADDRESSES {
        let said = alike(|program| {
            let Ok(listener) = TcpListener::bind(at) else { return unavailable(at) };
            let addr = listener.local_addr().expect("bound");
            let Some(mut command) = ask_several(Fib, program, addr.port()) else {
                return unavailable(at);
            };
            let server = std::thread::spawn(move || {
                let mut client = listener.accept().expect("a client").0;
                expect_request(&mut client, "37\n");
                answer(client, b"24157817");
            });
            let output = command.output().expect("the client runs");
            end_tcp(server, addr, &output);
            Said::new(&output, addr.port())
        });
        if said.status.is_some() {
            said.assert_success("fib(37)=24157817 (TIME)\n");
        }
    }
}

#[test]
fn over_udp_the_next_one_is_asked() {
    for at in ADDRESSES {
        let said = alike(|program| {
            let Ok(socket) = UdpSocket::bind(at) else { return unavailable(at) };
            let addr = socket.local_addr().expect("bound");
            let Some(mut command) = ask_several(Time, program, addr.port()) else {
                return unavailable(at);
            };
            let server = std::thread::spawn(move || {
                let (_, client) = socket.recv_from(&mut [0; 16]).expect("a datagram");
                socket.send_to(b"2018-02-23T13:15:00Z\n", client).expect("sent");
            });
            let output = command.output().expect("the client runs");
            end_udp(server, addr, &output);
            Said::new(&output, addr.port())
        });
        if said.status.is_some() {
            said.assert_success("2018-02-23T13:15:00Z\n");
        }
    }
}

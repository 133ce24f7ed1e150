//! Errors that real clients hardly ever cause, forged by strace in a running server.

use nix::libc;
use socklab::server::{Design, Serves, Transport};

use crate::cases::{Case, each, is_tcp, is_udp, part, skip};
use crate::support::Server;
use crate::tools::Forger;
use crate::watch::{Doing, Rest, Task, rest, serving_task, state, stopped, until, until_rest};
use crate::wire::{Client, End, assert_serves};

/// Attaches, or says why not.
fn attach(case: &Case, server: &Server, calls: &str, inject: &str) -> Option<Forger> {
    match Forger::attach(server, calls, inject) {
        Ok(forger) => Some(forger),
        Err(why) => {
            skip(format_args!("forged errors of {case}"), why);
            None
        }
    }
}

/// Whether it makes the calls whose errors are to be forged, and does not hand them to a ring, where
/// strace does not see them.
fn calls_for_itself(case: &Case, server: &Server) -> bool {
    let ring = waits_in(server, &[libc::SYS_io_uring_enter]);
    if ring {
        skip(format_args!("forged errors of {case}"), "it calls io_uring_enter() and no other");
    }
    !ring
}

/// A signal, a client that is gone already, an error of the network on the new socket, a shortage.
const ACCEPT: &[&str] = &[
    "EINTR",
    "ECONNABORTED",
    "EPROTO",
    "EPERM",
    "ENETDOWN",
    "EHOSTUNREACH",
    "ENOSR",
    "EMFILE",
    "ENFILE",
    "ENOBUFS",
    "ENOMEM",
];

/// Standard error has a line for what may last, at most one in a second, and nothing else.
fn assert_ended(case: &Case, server: Server, reports: &[&str]) {
    let ended = case.stop(server);
    assert!(ended.status.success() && !ended.left, "{ended:?}");
    for line in ended.stderr.lines() {
        assert!(reports.iter().any(|report| line.ends_with(report)), "{:?}", ended.stderr);
    }
    assert_eq!(ended.stderr.is_empty(), reports.is_empty(), "{:?}", ended.stderr);
}

const LASTING: &[&str] = &[
    ": Operation not permitted",
    ": Network is down",
    ": No route to host",
    ": Out of streams resources",
    ": Too many open files",
    ": Too many open files in system",
    ": No buffer space available",
    ": Cannot allocate memory",
];

#[test]
fn errors_of_accept() {
    each(is_tcp, |case| {
        let server = case.start_single();
        let before = rest(&server);
        if !calls_for_itself(case, &server) {
            return;
        }
        for error in ACCEPT {
            part(error, || {
                let inject = format!("accept,accept4:error={error}:when=1");
                let Some(forger) = attach(case, &server, "accept,accept4", &inject) else { return };
                // A server that is asleep in select() asks only when there is somebody.
                let client = Client::connect(&server);
                client.send(b"10\n");
                forger.until_forged();
                client.expect("55");
                drop(forger);
                assert_serves(&server);
                until_rest(&server, &before);
            });
        }
        assert_ended(case, server, LASTING);
    });
}

/// Several errors in a row: as many clients are served as came.
#[test]
fn errors_of_accept_in_a_row() {
    each(is_tcp, |case| {
        let server = case.start_single();
        let before = rest(&server);
        if !calls_for_itself(case, &server) {
            return;
        }
        let inject = "accept,accept4:error=ECONNABORTED:when=1..5";
        let Some(forger) = attach(case, &server, "accept,accept4", inject) else { return };
        let clients: Vec<Client> = (0..2)
            .map(|_| {
                let client = Client::connect(&server);
                client.send(b"10\n");
                client
            })
            .collect();
        for client in clients {
            client.expect("55");
        }
        assert_eq!(forger.forged(), 5, "{}", forger.log());
        drop(forger);
        until_rest(&server, &before);
        assert_ended(case, server, &[]);
    });
}

/// What an error of recv() or send() does to the client that it hits: it is still answered, or it is
/// closed without a word; nobody else notices.
const TALKING: &[(&str, &str, bool)] = &[
    ("recvfrom", "EINTR", true),
    ("recvfrom", "ECONNRESET", false),
    ("recvfrom", "ETIMEDOUT", false),
    ("recvfrom", "ENOBUFS", false),
    ("sendto", "EINTR", true),
    ("sendto", "ECONNRESET", false),
    ("sendto", "EPIPE", false),
];

#[test]
fn errors_of_recv_and_send() {
    each(is_tcp, |case| {
        let server = case.start_single();
        let before = rest(&server);
        if !calls_for_itself(case, &server) {
            return;
        }
        for (call, error, answered) in TALKING {
            part(&format!("{call} {error}"), || {
                let inject = format!("{call}:error={error}:when=1");
                let Some(forger) = attach(case, &server, call, &inject) else { return };
                let client = Client::connect(&server);
                client.send(b"10\n");
                let (answer, end) = client.read();
                forger.until_forged();
                drop(forger);
                if *answered {
                    assert_eq!((answer.as_str(), end), ("55", End::Closed));
                } else {
                    assert_eq!(answer, "");
                }
                assert_serves(&server);
                until_rest(&server, &before);
            });
        }
        assert_ended(case, server, &[]);
    });
}

/// Whether the main thread waits in a call that signals interrupt though a handler restarts others.
fn waits_in(server: &Server, calls: &[i64]) -> bool {
    matches!(serving_task(server).doing(), Doing::Blocked(call, _) if calls.contains(&call))
}

#[test]
fn an_interrupted_wait() {
    use libc::{
        SYS_clock_nanosleep, SYS_epoll_wait, SYS_io_uring_enter, SYS_poll, SYS_pselect6,
        SYS_recvfrom, SYS_recvmmsg,
    };
    each(
        |_| true,
        |case| {
            let server = case.start_single();
            let before: Rest = rest(&server);
            let name = if waits_in(&server, &[SYS_pselect6]) {
                "pselect6"
            } else if waits_in(&server, &[SYS_poll]) {
                // The call goes on under this name once strace has come.
                "poll,restart_syscall"
            } else if waits_in(&server, &[SYS_epoll_wait]) {
                "epoll_wait"
            } else if waits_in(&server, &[SYS_recvfrom]) {
                "recvfrom"
            } else if waits_in(&server, &[SYS_recvmmsg]) {
                "recvmmsg"
            } else if waits_in(&server, &[SYS_clock_nanosleep]) {
                "clock_nanosleep"
            } else if waits_in(&server, &[SYS_io_uring_enter]) {
                "io_uring_enter"
            } else {
                // accept() is another test's.
                return;
            };
            let inject = format!("{name}:error=EINTR:when=1");
            let Some(forger) = attach(case, &server, name, &inject) else { return };
            // The call that it is blocked in is begun anew when strace comes.
            forger.until_forged();
            // A call that has just begun would fail with ENOSYS if strace left now.
            let Task { tid, .. } = serving_task(&server);
            until("it waits again", || state(tid).as_deref() == Some("S"));
            drop(forger);
            if case.design.transport == Transport::Tcp {
                assert_serves(&server);
            }
            until_rest(&server, &before);
            assert_ended(case, server, &[]);
        },
    );
}

/// A client who has asked.
fn asker(server: &Server) -> std::net::UdpSocket {
    let client = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
    client.set_nonblocking(true).expect("O_NONBLOCK");
    client.send_to(b"time", server.addr).expect("sent");
    client
}

fn is_answered(client: &std::net::UdpSocket) -> bool {
    client.recv(&mut [0; 512]).is_ok()
}

/// With which calls it receives and sends.
fn calls_of(server: &Server) -> (&'static str, &'static str) {
    use nix::libc::SYS_recvmmsg;
    let batches = waits_in(server, &[SYS_recvmmsg]);
    if batches { ("recvmmsg", "sendmmsg") } else { ("recvfrom", "sendto") }
}

#[test]
fn errors_of_datagrams() {
    each(is_udp, |case| {
        let server = case.start_single();
        let before = rest(&server);
        let (receive, send) = calls_of(&server);
        for error in ["EINTR", "ECONNREFUSED", "EHOSTUNREACH", "ENOMEM", "ENOBUFS"] {
            part(&format!("{receive} {error}"), || {
                let inject = format!("{receive}:error={error}:when=1");
                let Some(forger) = attach(case, &server, receive, &inject) else { return };
                forger.until_forged();
                drop(forger);
                until_rest(&server, &before);
            });
        }
        // What can't be sent uses no server up.
        for error in ["EPERM", "ECONNREFUSED", "ENOBUFS", "EINTR"] {
            part(&format!("{send} {error}"), || {
                let inject = format!("{send}:error={error}:when=1");
                let Some(forger) = attach(case, &server, send, &inject) else { return };
                let client = asker(&server);
                forger.until_forged();
                drop(forger);
                until_rest(&server, &before);
                assert!(!is_answered(&client), "an answer that was not sent");
            });
        }
        let client = asker(&server);
        until("an answer: the server goes on", || is_answered(&client));
        let ended = match case.design.promises.serves {
            Serves::Once => server.wait(),
            Serves::Forever => case.stop(server),
        };
        assert!(ended.status.success() && !ended.left, "{ended:?}");
        for line in ended.stderr.lines() {
            assert!(LASTING.iter().any(|report| line.ends_with(report)), "{:?}", ended.stderr);
        }
    });
}

/// Three requests wait; what can't be sent to one of the clients costs the others nothing.
#[test]
fn a_client_that_can_not_be_answered_costs_the_others_nothing() {
    let goes_on = |design: &Design| is_udp(design) && design.promises.serves == Serves::Forever;
    each(goes_on, |case| {
        let server = case.start_single();
        let before = rest(&server);
        let (_, send) = calls_of(&server);
        let inject = format!("{send}:error=EPERM:when=1");
        let Some(forger) = attach(case, &server, send, &inject) else { return };
        let clients = stopped(&server, || [(); 3].map(|()| asker(&server)));
        forger.until_forged();
        for client in &clients[1..] {
            until("an answer", || is_answered(client));
        }
        drop(forger);
        until_rest(&server, &before);
        assert!(!is_answered(&clients[0]), "an answer that was not sent");
        case.stop(server).assert_clean();
    });
}

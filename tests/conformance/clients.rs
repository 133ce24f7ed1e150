//! Badly behaved clients: after each of them the server lives, serves, and is as it was at rest.

use nix::libc::SIGPIPE;

use crate::cases::{Case, each, is_tcp, part};
use crate::diag::{self, CLOSE_WAIT, ESTABLISHED};
use crate::support::Server;
use crate::watch::{Task, computing, ignores, rest, stopped, until, until_rest, until_some};
use crate::wire::{Client, ask, assert_serves};

/// The first n whose computing may be watched from outside.
const HEAVY: u64 = 31;
/// So large that computing it would have to be seen.
const TOO_HEAVY: u64 = 45;

/// Finds an n that is computed for long enough that something happens meanwhile: `attempt` says
/// whether it did.
pub(crate) fn while_computing(mut attempt: impl FnMut(u64) -> bool) {
    let mut n = HEAVY;
    while !attempt(n) {
        n += 2;
        assert!(n < TOO_HEAVY, "the server was never seen computing");
    }
}

/// The task that computes for a client whose request has been read.
pub(crate) fn computing_for(server: &Server, client: &Client) -> Option<Task> {
    client.until_consumed();
    let mut found = None;
    until("the server computes or has answered", || {
        found = computing(server);
        found.is_some() || client.has_answer()
    });
    found
}

fn reset_at_once(server: &Server) {
    Client::connect(server).reset();
}

fn reset_when_accepted(server: &Server) {
    let client = Client::connect(server);
    client.until_accepted();
    client.reset();
}

fn reset_mid_request(server: &Server) {
    let client = Client::connect(server);
    client.send(b"1");
    client.until_consumed();
    client.reset();
}

fn reset_with_the_request(server: &Server) {
    let client = Client::connect(server);
    client.send(b"10\n");
    client.reset();
}

fn reset_while_computing(server: &Server) {
    while_computing(|n| {
        let client = Client::connect(server);
        client.send(format!("{n}\n").as_bytes());
        let Some(task) = computing_for(server, &client) else { return false };
        client.reset();
        // Still: so the answer is sent to a connection that is no more.
        task.doing() == crate::watch::Doing::Running
    });
}

/// Its first send gets EPIPE, and SIGPIPE with it: the end of the file has come before the reset.
fn reset_after_a_half_close_while_computing(server: &Server) {
    while_computing(|n| {
        let client = Client::connect(server);
        client.send(format!("{n}\n").as_bytes());
        client.finish();
        let Some(task) = computing_for(server, &client) else { return false };
        let half_closed = client.server_end().is_some_and(|row| row.state == CLOSE_WAIT);
        assert!(ignores(task.pid, SIGPIPE), "SIGPIPE would end {task:?}");
        client.reset();
        half_closed && task.doing() == crate::watch::Doing::Running
    });
}

/// A connection that is reset while it waits to be accepted, with a request or without.
fn reset_before_accept(server: &Server) {
    for request in [&b""[..], b"1", b"10\n"] {
        stopped(server, || {
            let client = Client::connect(server);
            client.send(request);
            let row = client.server_end().expect("connected");
            assert_eq!((row.state, row.inode), (ESTABLISHED, 0), "not yet accepted");
            client.reset();
            let queued = diag::listening(server.addr).map(|row| row.unread);
            assert_eq!(queued, Some(1), "the dead connection is still queued");
        });
        until("the dead connection is accepted", || {
            diag::listening(server.addr).is_some_and(|row| row.unread == 0)
        });
    }
}

fn vanish_before_the_answer(server: &Server) {
    while_computing(|n| {
        let client = Client::connect(server);
        client.send(format!("{n}\n").as_bytes());
        let Some(task) = computing_for(server, &client) else { return false };
        drop(client);
        task.doing() == crate::watch::Doing::Running
    });
}

fn half_close_after_the_request(server: &Server) {
    while_computing(|n| {
        let client = Client::connect(server);
        client.send(format!("{n}\n").as_bytes());
        client.finish();
        let Some(_) = computing_for(server, &client) else { return false };
        let half_closed = client.server_end().is_some_and(|row| row.state == CLOSE_WAIT);
        let (answer, _) = client.read();
        assert!(answer.len() > 6 && answer.bytes().all(|byte| byte.is_ascii_digit()), "{answer:?}");
        half_closed
    });
}

fn silent_for_a_while(server: &Server) {
    let client = Client::connect(server);
    client.until_accepted();
    client.finish();
    client.expect("");
}

fn close_mid_request(server: &Server) {
    let client = Client::connect(server);
    client.send(b"12");
    client.until_consumed();
    drop(client);
}

fn urgent_byte(server: &Server) {
    let client = Client::connect(server);
    client.send_urgent(b'!');
    client.until_accepted();
    client.send(b"10\n");
    // The urgent byte is not one of the request's.
    client.expect("55");
    let client = Client::connect(server);
    client.send(b"1");
    client.until_consumed();
    client.send_urgent(b'!');
    client.send(b"0\n");
    client.expect("55");
    // Nothing but urgent data.
    let client = Client::connect(server);
    client.send_urgent(b'!');
    client.until_accepted();
    client.reset();
}

fn five_hundred_connect_and_close(server: &Server) {
    for _ in 0..500 {
        drop(Client::connect(server));
    }
}

/// A name and what the client does.
type Behaviour = (&'static str, fn(&Server));

const BEHAVIOURS: &[Behaviour] = &[
    ("reset at once", reset_at_once),
    ("reset when accepted", reset_when_accepted),
    ("reset mid-request", reset_mid_request),
    ("reset with the request", reset_with_the_request),
    ("reset while computing", reset_while_computing),
    ("SIGPIPE", reset_after_a_half_close_while_computing),
    ("reset before accept", reset_before_accept),
    ("vanish before the answer", vanish_before_the_answer),
    ("half-close after the request", half_close_after_the_request),
    ("silent for a while", silent_for_a_while),
    ("close mid-request", close_mid_request),
    ("urgent byte", urgent_byte),
    ("500 connect and close", five_hundred_connect_and_close),
];

fn survives(case: &Case, behaviours: &[Behaviour]) {
    let mut server = case.start();
    let before = rest(&server);
    for (name, behave) in behaviours {
        part(name, || {
            behave(&server);
            assert_serves(&server);
            until_rest(&server, &before);
            assert!(server.is_alive());
        });
    }
    case.stop(server).assert_clean();
}

#[test]
fn badly_behaved_clients() {
    each(is_tcp, |case| survives(case, BEHAVIOURS));
}

/// All of them at once, beside good clients: every good client gets its answer.
#[test]
fn badly_behaved_clients_at_once() {
    each(is_tcp, |case| {
        let server = case.start();
        let before = rest(&server);
        std::thread::scope(|scope| {
            for (i, behave) in
                [reset_at_once, reset_with_the_request, close_mid_request, reset_mid_request]
                    .into_iter()
                    .enumerate()
            {
                let server = &server;
                scope.spawn(move || {
                    for _ in 0..10 {
                        behave(server);
                        assert_eq!(ask(server, b"20\n"), "6765", "beside bad client {i}");
                    }
                });
            }
        });
        until_rest(&server, &before);
        case.stop(server).assert_clean();
    });
}

/// A client that sends one byte and stops, for each design that serves others meanwhile.
#[test]
fn silent_clients_cost_the_others_nothing() {
    each(
        |design| is_tcp(design) && design.promises.silent == socklab::server::Silent::Harmless,
        |case| {
            let server = case.start();
            let before = rest(&server);
            let held: Vec<Client> = (0..20)
                .map(|i| {
                    let client = Client::connect(&server);
                    client.until_accepted();
                    if i % 2 == 0 {
                        client.send(b"1");
                        client.until_consumed();
                    }
                    client
                })
                .collect();
            for _ in 0..20 {
                assert_serves(&server);
            }
            for (i, client) in held.iter().enumerate() {
                assert!(!client.has_answer(), "client {i} is answered");
                client.send(b"0\n");
            }
            for (i, client) in held.iter().enumerate() {
                client.expect(if i % 2 == 0 { "55" } else { "0" });
            }
            until_rest(&server, &before);
            case.stop(server).assert_clean();
        },
    );
}

/// The task that serves is found by what it does, so this has to be able to fail.
#[test]
fn nobody_computes_in_a_server_at_rest() {
    each(is_tcp, |case| {
        let server = case.start();
        let before = rest(&server);
        let task = until_some("a computing task", || {
            let client = Client::connect(&server);
            client.send(format!("{HEAVY}\n").as_bytes());
            let found = computing_for(&server, &client);
            let _ = client.read();
            found
        });
        assert!(crate::watch::tree(server.pid()).contains(&server.pid()), "{task:?}");
        until_rest(&server, &before);
        assert_eq!(computing(&server), None);
    });
}

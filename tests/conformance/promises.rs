//! Every promise is measured, good and bad alike: what is found has to be what is promised.

use std::net::UdpSocket;

use nix::libc;
use socklab::server::{Heavy, Idle, PerClient, Serves, Service, Silent, Transport};

use crate::cases::{Case, all, each, is_tcp, run};
use crate::support::{Language, Server};
use crate::watch::{
    Doing, Task, computing, descriptors, main_task, polls, rest, sleeps, tasks, tree, until,
    until_rest, until_some,
};
use crate::wire::{Client, assert_serves};

/// A request that takes long, in a server that is killed when enough is known.
const HEAVY: &[u8] = b"39\n";

/// One request, and whether it is answered: `None` if the server has ended instead.
fn serves_one(case: &Case, server: &mut Server) -> Option<()> {
    match case.design.transport {
        Transport::Tcp => {
            let client = Client::connect_at_once(server.addr).ok()?;
            client.send(b"10\n");
            (client.read().0 == "55").then_some(())
        }
        Transport::Udp => {
            let client = UdpSocket::bind("127.0.0.1:0").expect("a socket");
            client.set_nonblocking(true).expect("O_NONBLOCK");
            client.connect(server.addr).expect("connected");
            // The server's port may be closed by now.
            client.send(b"time").ok()?;
            let mut answered = false;
            until("an answer or the server's end", || {
                answered = answered || client.recv(&mut [0; 512]).is_ok();
                answered || !server.is_alive()
            });
            answered.then_some(())
        }
    }
}

#[test]
fn how_often_it_serves() {
    each(
        |_| true,
        |case| {
            let mut server = case.start();
            assert!(serves_one(case, &mut server).is_some(), "not even once");
            let found = match serves_one(case, &mut server) {
                None => Serves::Once,
                Some(()) => {
                    for _ in 0..20 {
                        assert!(serves_one(case, &mut server).is_some());
                    }
                    Serves::Forever
                }
            };
            assert_eq!(found, case.design.promises.serves);
            let ended = match found {
                Serves::Once => server.wait(),
                Serves::Forever => case.stop(server),
            };
            ended.assert_clean();
        },
    );
}

/// The one task of a server, blocked in recv() on a client's socket: nobody else can be served.
fn is_stuck_with(server: &Server, client: &Client) -> bool {
    let Some(row) = client.server_end().filter(|row| row.inode != 0) else { return false };
    let tasks = tasks(server);
    let [task] = tasks[..] else { return false };
    let Doing::Blocked(libc::SYS_recvfrom, args) = task.doing() else { return false };
    let socket = format!("socket:[{}]", row.inode);
    descriptors(task.pid).contains(&(args[0] as i32, socket))
}

/// A silent client is held, and another one asks.
fn silent(server: &Server) -> Silent {
    let silent = Client::connect(server);
    silent.until_accepted();
    let probe = Client::connect(server);
    probe.send(b"10\n");
    let mut stuck = false;
    until("the probe is answered, or the server is stuck", || {
        stuck = is_stuck_with(server, &silent);
        stuck || probe.has_answer()
    });
    if !stuck {
        probe.expect("55");
        assert!(!silent.has_answer(), "the silent client is told something");
        return Silent::Harmless;
    }
    assert!(!probe.has_answer(), "answered by a server that is stuck");
    let row = probe.server_end().expect("connected");
    assert_eq!((row.inode, row.unread), (0, 3), "the probe is not accepted, its request not read");
    if waits_without_limit(server) {
        assert!(is_stuck_with(server, &silent) && !probe.has_answer());
        drop(silent);
        probe.expect("55");
        return Silent::Stalls;
    }
    // The silent client says nothing still, and is sent away.
    let (answer, _) = silent.read();
    assert_eq!(answer, "error: no complete request in time; send a decimal integer from 0 to 45\n");
    probe.expect("55");
    Silent::StallsUntilTimeout
}

/// Whether the recv() that a stuck server is blocked in can go on for ever. A task that waits with a
/// time limit has a timer of the kernel's, which is not to be seen; but the socket says whether it
/// has SO_RCVTIMEO, to whoever has a descriptor of it.
fn waits_without_limit(server: &Server) -> bool {
    let Doing::Blocked(libc::SYS_recvfrom, args) = main_task(server).doing() else { return false };
    crate::tools::receive_timeout(server.pid(), args[0] as i32) == std::time::Duration::ZERO
}

#[test]
fn a_silent_client() {
    each(is_tcp, |case| {
        let promised = case.design.promises.silent;
        // Its time, if it has one, is cut short.
        let args: &[&str] =
            if promised == Silent::StallsUntilTimeout { &["--timeout", "0.2"] } else { &[] };
        let server = case.start_with(args);
        let before = rest(&server);
        for _ in 0..2 {
            assert_eq!(silent(&server), promised);
        }
        until_rest(&server, &before);
        case.stop(server).assert_clean();
    });
}

/// The limit is each call's: one byte in time, and then one more, is never cut.
#[test]
fn a_slow_client_outlives_the_timeout() {
    each(
        |design| design.promises.silent == Silent::StallsUntilTimeout,
        |case| {
            let server = case.start_with(&["--timeout", "4"]);
            // Silent clients of another server are the clock: each is sent away after its time.
            let clock = case.start_with(&["--timeout", "0.3"]);
            let slow = Client::connect(&server);
            for sent in 1..16 {
                slow.send(b"0");
                slow.until_consumed();
                let (gone, _) = Client::connect(&clock).read();
                assert!(gone.starts_with("error: no complete request in time"), "{gone:?}");
                assert!(!slow.has_answer(), "cut after {sent} bytes");
            }
            slow.send(b"10\n");
            slow.expect("55");
            case.stop(server).assert_clean();
        },
    );
}

/// A costly request is being computed, and another one asks.
fn heavy(server: &Server) -> Heavy {
    let heavy = Client::connect(server);
    heavy.send(HEAVY);
    heavy.until_consumed();
    until("the server computes", || computing(server).is_some());
    let probe = Client::connect(server);
    probe.send(b"10\n");
    assert!(computing(server).is_some() && !heavy.has_answer(), "it is computing still");
    let mut looks = 0;
    loop {
        // In this order: whoever sees the probe answered and then the heavy one not knows which of
        // them came first.
        let probe_answered = probe.has_answer();
        let heavy_answered = heavy.has_answer();
        if probe_answered && !heavy_answered {
            probe.expect("55");
            return Heavy::Harmless;
        }
        if heavy_answered {
            assert!(looks > 10, "nobody looked while it was computed");
            heavy.expect("63245986");
            probe.expect("55");
            return Heavy::Stalls;
        }
        looks += 1;
        std::thread::yield_now();
    }
}

#[test]
fn a_heavy_request() {
    each(
        |_| true,
        |case| {
            let found = match case.design.service {
                Service::Fibonacci => heavy(&case.start()),
                // No request costs more than another.
                Service::Time => Heavy::Harmless,
            };
            assert_eq!(found, case.design.promises.heavy);
        },
    );
}

/// Answers in the reverse order of the requests: only who serves them at once can do that.
#[test]
fn answers_in_reverse_order() {
    each(
        |design| is_tcp(design) && design.promises.heavy == Heavy::Harmless,
        |case| {
            let server = case.start_with(&["--max-n", "93"]);
            let ask = |request: &[u8]| {
                let client = Client::connect(&server);
                client.send(request);
                client.until_consumed();
                client
            };
            let first = ask(b"93\n");
            let second = ask(b"35\n");
            let third = ask(b"10\n");
            third.expect("55");
            second.expect("9227465");
            assert!(!first.has_answer(), "in no time");
        },
    );
}

/// Threads and processes beyond the first.
fn counts(server: &Server) -> (usize, usize) {
    let processes = tree(server.pid());
    // The thread sanitizer's own thread sleeps on its own account.
    let threads =
        tasks(server).iter().filter(|task| task.tid == task.pid || !polls(task.doing())).count();
    (processes.len() - 1, threads - processes.len())
}

#[test]
fn what_a_client_costs() {
    const K: usize = 8;
    each(
        |_| true,
        |case| {
            let server = case.start();
            let before = rest(&server);
            assert_eq!(counts(&server), (0, 0), "before there are any clients");
            let mut clients = Vec::new();
            if is_tcp(case.design) {
                // A server that a silent client stalls has one client and a queue.
                let held = if case.is_concurrent() { K } else { 1 };
                for _ in 0..held {
                    let client = Client::connect(&server);
                    client.until_accepted();
                    clients.push(client);
                }
            } else {
                for _ in 0..K {
                    // Not a request: it uses no server up.
                    let client = UdpSocket::bind("127.0.0.1:0").expect("a socket");
                    client.send_to(b"12:00\n", server.addr).expect("sent");
                }
            }
            until("the server has nothing to do", || {
                tasks(&server).iter().all(|task| {
                    let doing = task.doing();
                    sleeps(doing) || polls(doing)
                })
            });
            let found = match counts(&server) {
                (0, 0) => PerClient::Descriptor,
                (K, 0) => PerClient::Process,
                (0, K) => PerClient::Thread,
                other => panic!("processes and threads for {K} clients: {other:?}"),
            };
            let sockets = descriptors(server.pid()).len() - before.descriptors();
            let expected = if found == PerClient::Process { 0 } else { clients.len() };
            assert_eq!(sockets, expected, "descriptors of the first process");
            assert_eq!(found, case.design.promises.per_client);
            drop(clients);
            until_rest(&server, &before);
            case.stop(server).assert_clean();
        },
    );
}

/// How often a task has gone to sleep.
fn naps(task: Task) -> u64 {
    task.status("voluntary_ctxt_switches").expect("a status")
}

#[test]
fn what_an_idle_server_does() {
    // Another server's requests are the clock.
    let clock = all(|design| is_tcp(design) && design.promises.idle == Idle::Sleeps)
        .into_iter()
        .find(|case| case.language == Language::Rust)
        .expect("a server that sleeps");
    let cases = all(|_| true);
    run(
        &cases,
        |case| case.to_string(),
        |case| {
            let server = case.start();
            rest(&server);
            let task = main_task(&server);
            let doing = until_some("it waits", || {
                let doing = task.doing();
                (sleeps(doing) || polls(doing)).then_some(doing)
            });
            let found = if sleeps(doing) {
                // In a call that has no time limit; and it stays there.
                let before = (naps(task), doing);
                let clock = clock.start();
                for _ in 0..200 {
                    assert_serves(&clock);
                }
                assert_eq!((naps(task), task.doing()), before, "it woke up, without a client");
                Idle::Sleeps
            } else {
                let before = naps(task);
                until("it wakes up ten times", || naps(task) >= before + 10);
                Idle::Polls
            };
            assert_eq!(found, case.design.promises.idle);
            case.stop(server).assert_clean();
        },
    );
}

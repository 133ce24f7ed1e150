//! Every promise is measured, good and bad alike: what is found has to be what is promised.

use std::net::UdpSocket;

use nix::libc;
use socklab::server::{Heavy, Idle, PerClient, Pool, Serves, Service, Silent, Transport};

use crate::cases::{Case, POOL, all, each, is_tcp, run};
use crate::support::{Language, Server};
use crate::watch::{
    Doing, Task, descriptors, is_sanitizer, polls, rest, serving_task, sleeps, tasks, tree, until,
    until_rest, until_some, waits,
};
use crate::wire::{Client, assert_serves};

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
            let answered = || client.recv(&mut [0; 512]).is_ok();
            let mut seen = false;
            until("an answer or the server's end", || {
                seen = answered();
                seen || !server.is_alive()
            });
            // It may have answered and ended between the two looks.
            (seen || answered()).then_some(())
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

/// The task that is blocked in recv() on a client's socket.
fn held_by(server: &Server, client: &Client) -> Option<(Task, i32)> {
    let row = client.server_end().filter(|row| row.inode != 0)?;
    let socket = format!("socket:[{}]", row.inode);
    tasks(server).into_iter().find_map(|task| {
        let Doing::Blocked(libc::SYS_recvfrom, args) = task.doing() else { return None };
        let fd = args[0] as i32;
        descriptors(task.pid).contains(&(fd, socket.clone())).then_some((task, fd))
    })
}

/// How often in a row a server has to look stuck: one that hands a client over may sleep at a lock on the way.
const LOOKS: usize = 40;

/// What a client is told whose time is over.
const OUT_OF_TIME: &str =
    "error: no complete request in time; send a decimal integer from 0 to 45\n";

/// The probe's request has come, so that whoever can serve it is awake; every task is asleep, one for each
/// silent client; and the request is still not read.
fn is_stuck_with(server: &Server, silent: &[Client], probe: &Client) -> bool {
    let is_unread = || probe.server_end().is_some_and(|row| row.unread == 3);
    is_unread()
        && silent.iter().all(|client| held_by(server, client).is_some())
        && tasks(server).iter().all(|task| sleeps(task.doing()) || is_sanitizer(*task))
        && is_unread()
}

/// So many silent clients are held, and another one asks. Are the others stuck until the silent ones
/// do something?
fn silent(server: &Server, count: usize) -> Silent {
    let silent: Vec<Client> = (0..count)
        .map(|_| {
            let client = Client::connect(server);
            client.until_accepted();
            client
        })
        .collect();
    let probe = Client::connect(server);
    probe.send(b"10\n");
    let (mut looks, mut stuck) = (0, false);
    until("the probe is answered, or the server is stuck", || {
        looks = if is_stuck_with(server, &silent, &probe) { looks + 1 } else { 0 };
        stuck = looks == LOOKS;
        stuck || probe.has_answer()
    });
    if !stuck {
        // Looked at before the probe's answer is read: who is served beside a silent client has it first.
        if !silent.iter().any(Client::has_answer) {
            probe.expect("55");
            return Silent::Harmless;
        }
        // Its time was over before the server had been seen stuck often enough.
        assert_eq!(silent[0].read().0, OUT_OF_TIME);
        probe.expect("55");
        return Silent::StallsUntilTimeout;
    }
    assert!(!probe.has_answer(), "answered by a server that is stuck");
    let (task, fd) = held_by(server, &silent[0]).expect("stuck with it");
    // Whether that recv() can go on for ever: a task that waits with a time limit has a timer of the
    // kernel's, which is not to be seen; but the socket says whether it has SO_RCVTIMEO, to whoever
    // has a descriptor of it.
    if crate::tools::receive_timeout(task.pid, fd) == std::time::Duration::ZERO {
        // A sanitizer's own thread wakes now and then.
        until("the server is stuck still", || is_stuck_with(server, &silent, &probe));
        assert!(!probe.has_answer());
        drop(silent);
        probe.expect("55");
        return Silent::Stalls;
    }
    // The silent client says nothing still, and is sent away.
    assert_eq!(silent[0].read().0, OUT_OF_TIME);
    probe.expect("55");
    Silent::StallsUntilTimeout
}

/// What one silent client does, and if that is nothing, what as many do as a pool has workers.
fn silent_one_or_pool(server: &Server, case: &Case) -> Silent {
    match silent(server, 1) {
        Silent::Harmless if case.design.promises.pool != Pool::None => match silent(server, POOL) {
            Silent::Stalls => Silent::StallsPool,
            other => other,
        },
        other => other,
    }
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
            assert_eq!(silent_one_or_pool(&server, case), promised);
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

/// As many costly requests as `count` are being computed, without an end, and others ask: how many of
/// those are answered?
fn answered_beside_heavy(server: &Server, count: usize, probes: usize) -> usize {
    let running = || tasks(server).iter().filter(|task| task.doing() == Doing::Running).count();
    let mut heavy = Vec::new();
    while heavy.len() < count {
        let client = Client::connect(server);
        client.send(b"93\n");
        client.until_consumed();
        heavy.push(client);
        until("the server computes", || running() == heavy.len());
    }
    let answered = |_: &usize| {
        let probe = Client::connect(server);
        probe.send(b"10\n");
        let (mut looks, mut stuck) = (0, false);
        until("the probe is answered, or nobody is left to answer it", || {
            // The request has come, so that whoever can serve it is awake; nobody but those who compute
            // is; and it is still not read.
            let is_unread = || probe.server_end().is_some_and(|row| row.unread == 3);
            let is_stuck = is_unread()
                && running() == count
                && tasks(server).iter().all(|task| {
                    let doing = task.doing();
                    doing == Doing::Running || sleeps(doing) || is_sanitizer(*task)
                })
                && is_unread();
            looks = if is_stuck { looks + 1 } else { 0 };
            stuck = looks == LOOKS;
            stuck || probe.has_answer()
        });
        if !stuck {
            probe.expect("55");
        }
        !stuck
    };
    let answered = (0..probes).filter(answered).count();
    assert!(!heavy.iter().any(Client::has_answer), "in no time");
    answered
}

/// So many that the kernel gives some of them to each worker, if it is the kernel that shares out.
const PROBES: usize = 16;

fn heavy(case: &Case) -> Heavy {
    let answered = |count, probes| {
        let server = case.start_with(&["--max-n", "93"]);
        rest(&server);
        answered_beside_heavy(&server, count, probes)
    };
    if case.design.promises.pool == Pool::None {
        return if answered(1, 1) == 0 { Heavy::Stalls } else { Heavy::Harmless };
    }
    match answered(1, PROBES) {
        0 => Heavy::Stalls,
        PROBES if answered(POOL, PROBES) == 0 => Heavy::StallsPool,
        PROBES => Heavy::Harmless,
        _ => Heavy::StallsShare,
    }
}

#[test]
fn a_heavy_request() {
    each(
        |_| true,
        |case| {
            let found = match case.design.service {
                Service::Fibonacci => heavy(case),
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
    let threads = tasks(server).iter().filter(|task| !is_sanitizer(**task)).count();
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
            let workers = match case.design.promises.pool {
                Pool::None => (0, 0),
                Pool::Processes => (POOL, 0),
                Pool::Threads => (0, POOL),
            };
            assert_eq!(counts(&server), workers, "before there are any clients");
            let sockets = || -> usize {
                tree(server.pid()).into_iter().map(|pid| descriptors(pid).len()).sum()
            };
            let sockets_before = sockets();
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
                    sleeps(doing) || polls(doing) || waits(doing)
                })
            });
            let (processes, threads) = counts(&server);
            let found = match (processes - workers.0, threads - workers.1) {
                (0, 0) => PerClient::Descriptor,
                (K, 0) => PerClient::Process,
                (0, K) => PerClient::Thread,
                other => panic!("processes and threads for {K} clients: {other:?}"),
            };
            if found != PerClient::Process {
                assert_eq!(sockets() - sockets_before, clients.len(), "a descriptor for each");
            }
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

/// The tasks of a server that are asleep, as all are but for the thread sanitizer's own, with what
/// they wait for and how often each has gone to sleep.
fn asleep(server: &Server) -> Vec<(Task, Doing, u64)> {
    let tasks = tasks(server).into_iter().filter(|task| sleeps(task.doing()));
    tasks.map(|task| (task, task.doing(), naps(task))).collect()
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
            let task = serving_task(&server);
            let doing = until_some("it waits", || {
                let doing = task.doing();
                (sleeps(doing) || polls(doing)).then_some(doing)
            });
            let found = if sleeps(doing) {
                // In a call that has no time limit; and it stays there.
                let before = asleep(&server);
                let clock = clock.start();
                for _ in 0..200 {
                    assert_serves(&clock);
                }
                assert_eq!(asleep(&server), before, "it woke up, without a client");
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

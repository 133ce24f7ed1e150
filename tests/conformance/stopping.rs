//! SIGINT and SIGTERM: status 0, nothing on standard error, nobody left, the port free at once.

use std::hint::spin_loop;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::unix::process::CommandExt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::thread;

use nix::sys::signal::Signal::{self, SIGINT, SIGTERM};
use nix::sys::signal::{SigSet, kill};
use nix::unistd::Pid;
use socklab::server::{Design, PerClient, Serves, Silent};

use crate::cases::{Case, POOL, Seeded, all, each, is_tcp, is_udp, part, run, skip};
use crate::clients::{computing_for, while_computing};
use crate::diag::{self, TIME_WAIT};
use crate::support::{Ended, Language, Server, command};
use crate::watch::{Doing, rest, until, until_some};
use crate::wire::{Client, End, assert_serves};

const SIGNALS: [Signal; 2] = [SIGINT, SIGTERM];

/// Sends the signal and waits for the end.
fn stop(case: &Case, server: Server, signal: Signal) -> Ended {
    server.signal(signal);
    case.heed(&server);
    server.wait()
}

fn assert_no_listener(addr: SocketAddr) {
    assert!(diag::listening(addr).is_none(), "somebody still listens at {addr}");
}

/// Starts the same server on the port that another has just left, and stops it again.
fn restart(case: &Case, addr: SocketAddr) {
    let server = case.start_with(&["--port", &addr.port().to_string()]);
    assert_eq!(server.addr, addr);
    if is_tcp(case.design) {
        assert_serves(&server);
    }
    case.stop(server).assert_clean();
}

/// Every case whose sanitizer, if it has one, lets signals in. The thread sanitizer holds them back
/// while a thread is in accept() or recv(), and no client can be relied on to wake the right one.
fn each_that_heeds(meant: impl Fn(&Design) -> bool, body: impl Fn(&Case) + Sync) {
    let mut cases = all(meant);
    if cases.iter().any(|case| case.language == Language::ThreadSanitized) {
        skip("stopping thread-sanitized servers with clients", "the sanitizer holds signals back");
        cases.retain(|case| case.language != Language::ThreadSanitized);
    }
    run(&cases, Case::to_string, body);
}

#[test]
fn an_idle_server() {
    each(
        |_| true,
        |case| {
            for signal in SIGNALS {
                part(signal.as_str(), || {
                    let server = case.start();
                    let addr = server.addr;
                    rest(&server);
                    stop(case, server, signal).assert_clean();
                    assert_no_listener(addr);
                    restart(case, addr);
                });
            }
        },
    );
}

#[test]
fn right_after_it_has_served() {
    each(is_tcp, |case| {
        for signal in SIGNALS {
            part(signal.as_str(), || {
                let server = case.start();
                let addr = server.addr;
                let client = Client::connect(&server);
                client.send(b"10\n");
                client.expect("55");
                let peer = client.addr();
                drop(client);
                until("the server's end waits in TIME_WAIT", || {
                    diag::connected(addr, peer).is_some_and(|row| row.state == TIME_WAIT)
                });
                stop(case, server, signal).assert_clean();
                let row = diag::connected(addr, peer);
                assert!(row.is_some_and(|row| row.state == TIME_WAIT), "{row:?}");
                restart(case, addr);
            });
        }
    });
}

#[test]
fn after_a_datagram() {
    each(is_udp, |case| {
        for signal in SIGNALS {
            part(signal.as_str(), || {
                let server = case.start();
                let addr = server.addr;
                let client = UdpSocket::bind("127.0.0.1:0").expect("a socket");
                // Not a request: it uses no server up.
                client.send_to(b"12:00\n", addr).expect("sent");
                rest(&server);
                stop(case, server, signal).assert_clean();
                restart(case, addr);
            });
        }
    });
}

/// Silent clients, and one with a part of a request, which the end that the stopping server makes
/// must not turn into a whole one.
#[test]
fn clients_that_have_not_asked() {
    each_that_heeds(is_tcp, |case| {
        for signal in SIGNALS {
            part(signal.as_str(), || {
                let server = case.start();
                let addr = server.addr;
                let mut clients = Vec::new();
                for _ in 0..if case.is_concurrent() { 4 } else { 1 } {
                    let partial = Client::connect(&server);
                    partial.send(b"12");
                    partial.until_consumed();
                    clients.push(partial);
                    if case.is_concurrent() {
                        let silent = Client::connect(&server);
                        silent.until_accepted();
                        clients.push(silent);
                    }
                }
                for client in &clients {
                    assert!(client.is_accepted() && !client.has_answer());
                }
                stop(case, server, signal).assert_clean();
                for client in &clients {
                    assert_eq!(client.read(), (String::new(), End::Closed));
                }
                assert_no_listener(addr);
                restart(case, addr);
            });
        }
    });
}

/// A silent client is served first, so the others are still in the listening socket's queue.
#[test]
fn clients_behind_a_silent_one() {
    each_that_heeds(is_tcp, |case| {
        let server = case.start();
        let addr = server.addr;
        let silent = Client::connect(&server);
        silent.until_accepted();
        let queued = Client::connect(&server);
        if case.is_concurrent() {
            queued.until_accepted();
        }
        case.stop(server).assert_clean();
        assert_eq!(silent.read(), (String::new(), End::Closed));
        // Whoever was never accepted is reset.
        assert_eq!(queued.read().0, "");
        assert_no_listener(addr);
        restart(case, addr);
    });
}

/// Silent clients hold all workers, and so many come after them that whatever stands between them and
/// the workers is full. Some of those in between have asked.
#[test]
fn a_crowd_behind_silent_ones() {
    const CROWD: usize = 60;
    let stalls = |design: &Design| design.promises.silent == Silent::StallsPool;
    each_that_heeds(stalls, |case| {
        for signal in SIGNALS {
            part(signal.as_str(), || {
                let server = case.start();
                let addr = server.addr;
                let connect = || Client::connect(&server);
                let silent: Vec<Client> = (0..POOL).map(|_| connect()).collect();
                silent.iter().for_each(Client::until_accepted);
                let crowd: Vec<Client> = (0..CROWD).map(|_| connect()).collect();
                for client in crowd.iter().step_by(2) {
                    client.send(b"10\n");
                }
                rest(&server);
                stop(case, server, signal).assert_clean();
                for client in &silent {
                    assert_eq!(client.read(), (String::new(), End::Closed));
                }
                for client in &crowd {
                    // Closed, answered and closed, or never accepted and reset.
                    let (answer, end) = client.read();
                    assert!(["", "55"].contains(&answer.as_str()), "{answer:?}");
                    assert!(answer.is_empty() || end == End::Closed, "{end:?}");
                }
                assert_no_listener(addr);
                restart(case, addr);
            });
        }
    });
}

#[test]
fn what_is_being_computed_is_answered() {
    each_that_heeds(is_tcp, |case| {
        for signal in SIGNALS {
            part(signal.as_str(), || {
                while_computing(|n| {
                    let server = case.start();
                    let addr = server.addr;
                    let client = Client::connect(&server);
                    client.send(format!("{n}\n").as_bytes());
                    let Some(task) = computing_for(&server, &client) else { return false };
                    server.signal(signal);
                    case.heed(&server);
                    let still = task.doing() == Doing::Running && !client.has_answer();
                    let (answer, end) = client.read();
                    assert!(!answer.is_empty() && answer.bytes().all(|byte| byte.is_ascii_digit()));
                    assert_eq!(end, End::Closed, "{answer:?}");
                    server.wait().assert_clean();
                    if still {
                        assert_no_listener(addr);
                        restart(case, addr);
                    }
                    still
                });
            });
        }
    });
}

#[test]
fn two_signals_in_a_row() {
    each_that_heeds(
        |_| true,
        |case| {
            for (first, second) in [(SIGINT, SIGTERM), (SIGTERM, SIGTERM), (SIGINT, SIGINT)] {
                let server = case.start();
                let client = is_tcp(case.design).then(|| {
                    let client = Client::connect(&server);
                    client.until_accepted();
                    client
                });
                server.signal(first);
                // A zombie takes signals as well.
                server.signal(second);
                case.heed(&server);
                server.wait().assert_clean();
                if let Some(client) = client {
                    assert_eq!(client.read().0, "");
                }
            }
        },
    );
}

/// As from a terminal: every process of the server's group gets the signal.
#[test]
fn a_signal_to_the_whole_group() {
    each_that_heeds(is_tcp, |case| {
        while_computing(|n| {
            let server = case.start();
            let silent = case.is_concurrent().then(|| {
                let client = Client::connect(&server);
                client.until_accepted();
                client
            });
            let client = Client::connect(&server);
            client.send(format!("{n}\n").as_bytes());
            let Some(task) = computing_for(&server, &client) else { return false };
            let group = Pid::from_raw(server.pid());
            nix::sys::signal::killpg(group, SIGINT).expect("the group is there");
            case.heed(&server);
            let still = task.doing() == Doing::Running && !client.has_answer();
            let (answer, _) = client.read();
            assert!(!answer.is_empty() && answer.bytes().all(|byte| byte.is_ascii_digit()));
            server.wait().assert_clean();
            if let Some(silent) = silent {
                assert_eq!(silent.read(), (String::new(), End::Closed));
            }
            still
        });
    });
}

/// Clients that ask, hang up and reset as fast as they can, until nobody listens any more.
fn hammer(addr: SocketAddr, served: &AtomicU64, over: &AtomicBool) {
    let mut round = 0;
    while !over.load(SeqCst) {
        round += 1;
        // Two such clients at a time never fill the queue, so no SYN is lost and sent again.
        while diag::listening(addr).is_some_and(|row| row.unread >= row.unsent) {
            thread::yield_now();
        }
        let Ok(client) = Client::connect_at_once(addr) else { return };
        let request: &[u8] = match round % 5 {
            0 => b"",
            1 => b"1",
            _ => b"12\n",
        };
        if io::Write::write_all(&mut &client.stream, request).is_err() {
            continue;
        }
        match round % 5 {
            0 | 1 => drop(client),
            _ => {
                let mut answer = Vec::new();
                let _ = io::Read::read_to_end(&mut &client.stream, &mut answer);
                assert!(answer.is_empty() || answer == b"144", "{answer:?}");
                if !answer.is_empty() {
                    served.fetch_add(1, SeqCst);
                }
            }
        }
    }
}

/// The server may be anywhere when the signal comes: at accept, between two calls, in a new child.
#[test]
fn two_hundred_random_moments() {
    let mut cases = all(is_tcp);
    if cases.iter().any(|case| case.language == Language::ThreadSanitized) {
        skip("random moments of thread-sanitized servers", "the sanitizer holds signals back");
        cases.retain(|case| case.language != Language::ThreadSanitized);
    }
    let mut seeded = Seeded(0x51_6e_a1);
    let moments: Vec<(usize, Case, u64, u64, Signal)> = (0..200)
        .map(|i| {
            let signal = SIGNALS[(seeded.next() % 2) as usize];
            (i, cases[i % cases.len()], seeded.below(30), seeded.below(30_000), signal)
        })
        .collect();
    run(
        &moments,
        |(i, case, ..)| format!("moment {i} of {case}"),
        |&(_, case, answers, spins, signal)| {
            let server = case.start();
            let addr = server.addr;
            let (served, over) = (AtomicU64::new(0), AtomicBool::new(false));
            thread::scope(|scope| {
                for _ in 0..2 {
                    scope.spawn(|| hammer(addr, &served, &over));
                }
                until("so many are served", || served.load(SeqCst) >= answers);
                for _ in 0..spins {
                    spin_loop();
                }
                server.signal(signal);
                let ended = server.wait();
                over.store(true, SeqCst);
                ended.assert_clean();
            });
            assert_no_listener(addr);
        },
    );
}

/// The children that a stopped server had are gone with it, not only on their way.
#[test]
fn no_process_is_left() {
    each_that_heeds(
        |design| design.promises.per_client == PerClient::Process,
        |case| {
            let server = case.start();
            let clients: Vec<Client> = (0..8)
                .map(|_| {
                    let client = Client::connect(&server);
                    client.until_accepted();
                    client
                })
                .collect();
            let children = until_some("8 children", || {
                let children = server.children();
                (children.len() == 8).then_some(children)
            });
            case.stop(server).assert_clean();
            for child in children {
                assert!(crate::watch::state(child).is_none(), "child {child} is left");
            }
            drop(clients);
        },
    );
}

/// Whoever signals a child, at whatever moment of its life, ends that child and nobody else: what it
/// shares with its parent is not its own to shut down.
#[test]
fn a_signal_to_a_child_is_for_that_child() {
    each(
        |design| design.promises.per_client == PerClient::Process,
        |case| {
            let server = case.start();
            let mut signalled = 0;
            while signalled < 100 {
                let client = Client::connect(&server);
                client.send(b"1\n");
                until("a child is there to be signalled, or its client is served", || {
                    for child in server.children() {
                        // It may have ended by itself.
                        signalled += usize::from(kill(Pid::from_raw(child), SIGTERM).is_ok());
                    }
                    client.has_answer()
                });
            }
            assert_serves(&server);
            case.stop(server).assert_clean();
        },
    );
}

/// A server that is started with its stop signals held back lets them in.
#[test]
fn signals_that_were_held_back() {
    each_that_heeds(
        |design| design.promises.serves == Serves::Forever,
        |case| {
            for signal in SIGNALS {
                let mut server = command(case.language, case.design);
                server.args(["--port", "0"]);
                let hold_back = || {
                    let stops: SigSet = SIGNALS.into_iter().collect();
                    stops.thread_block().map_err(io::Error::from)
                };
                // SAFETY: makes one system call and allocates nothing.
                unsafe { server.pre_exec(hold_back) };
                stop(case, Server::spawn(server), signal).assert_clean();
            }
        },
    );
}

//! Pools of processes: a worker that dies is replaced, one that can't be is tried again, and none
//! outlives its server.

use std::collections::BTreeSet;

use nix::libc::{SYS_accept, SYS_fcntl, SYS_futex, SYS_recvmsg};
use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use socklab::server::{Design, Pool, Silent};

use crate::cases::{POOL, all, each, run};
use crate::shortage::{assert_reported, start_unprivileged};
use crate::support::Server;
use crate::tools::limit;
use crate::watch::{Doing, Task, descriptors, rest, state, until, until_rest};
use crate::wire::{Client, End, assert_serves};

fn has_processes(design: &Design) -> bool {
    design.promises.pool == Pool::Processes
}

fn signal(pid: i32, signal: Signal) {
    kill(Pid::from_raw(pid), signal).expect("a worker is there");
}

fn workers(server: &Server) -> BTreeSet<i32> {
    server.children().into_iter().collect()
}

fn has_not_ended(pid: i32) -> bool {
    state(pid).is_some_and(|state| state != "Z")
}

#[test]
fn a_worker_that_dies_is_replaced() {
    each(has_processes, |case| {
        let server = case.start();
        for end in [Signal::SIGKILL, Signal::SIGTERM, Signal::SIGUSR1] {
            rest(&server);
            let held = Client::connect(&server);
            held.until_accepted();
            let before = workers(&server);
            assert_eq!(before.len(), POOL);
            // The other one has had its turn, and waits for clients.
            rest(&server);
            for &worker in &before {
                signal(worker, end);
            }
            until("every worker is another", || {
                let now = workers(&server);
                now.len() == POOL && now.is_disjoint(&before)
            });
            // Its client went with the worker; nobody else's did.
            assert_eq!(held.read(), (String::new(), End::Closed), "{end}");
            for _ in 0..2 * POOL {
                assert_serves(&server);
            }
            rest(&server);
            // Nothing is left of those that died: the workers have what they always had.
            for worker in workers(&server) {
                let sockets = |(_, what): &(i32, String)| what.starts_with("socket:");
                let before = descriptors(server.pid()).iter().filter(|fd| sockets(fd)).count();
                let now = descriptors(worker).iter().filter(|fd| sockets(fd)).count();
                assert!(now <= before.max(1), "worker {worker} has {now} sockets");
            }
        }
        case.stop(server).assert_clean();
    });
}

/// A worker that has been stopped hears of the end all the same, whoever's turn it was.
#[test]
fn a_stopped_worker_ends_with_the_others() {
    each(has_processes, |case| {
        let server = case.start();
        rest(&server);
        for &worker in &workers(&server) {
            signal(worker, Signal::SIGSTOP);
            until("the worker is stopped", || state(worker).as_deref() == Some("T"));
        }
        case.stop(server).assert_clean();
    });
}

/// One of two dies while the other is held by a silent client: who asks is served all the same.
#[test]
fn a_dead_worker_keeps_nobody_waiting() {
    each(has_processes, |case| {
        let server = case.start();
        rest(&server);
        let before = workers(&server);
        let held = Client::connect(&server);
        held.until_accepted();
        let row = held.server_end().expect("connected");
        let socket = format!("socket:[{}]", row.inode);
        let has = |pid: i32| descriptors(pid).iter().any(|(_, what)| *what == socket);
        // It may be on its way from the process that has accepted it.
        until("a worker has it", || before.iter().any(|&pid| has(pid)));
        let idle = before.iter().copied().find(|&pid| !has(pid)).expect("one is free");
        signal(idle, Signal::SIGKILL);
        until("it is gone", || !has_not_ended(idle));
        assert_serves(&server);
        until("the pool is full again", || {
            let now = workers(&server);
            now.len() == POOL && !now.contains(&idle)
        });
        assert!(!held.has_answer(), "the other's client noticed");
        held.send(b"10\n");
        held.expect("55");
        case.stop(server).assert_clean();
    });
}

/// The workers that are blocked in this call.
fn blocked_in(server: &Server, calls: &[i64]) -> Vec<i32> {
    let is_blocked = |&pid: &i32| matches!(Task { pid, tid: pid }.doing(), Doing::Blocked(call, _) if calls.contains(&call));
    workers(server).into_iter().filter(is_blocked).collect()
}

/// Where they take turns at accept(), one is there and has the lock, and the others wait for that.
#[test]
fn a_worker_that_dies_in_accept_takes_the_turn_with_it() {
    each(has_processes, |case| {
        let server = case.start();
        for _ in 0..5 {
            rest(&server);
            let accepting = blocked_in(&server, &[SYS_accept]);
            let Some(&holder) = accepting.first() else { return };
            // Nobody replaces it meanwhile.
            server.signal(Signal::SIGSTOP);
            until("the first process is stopped", || state(server.pid()).as_deref() == Some("T"));
            signal(holder, Signal::SIGKILL);
            until("it is gone", || !has_not_ended(holder));
            for _ in 0..3 {
                assert_serves(&server);
            }
            assert_eq!(workers(&server).len(), POOL, "the dead one is a zombie");
            server.signal(Signal::SIGCONT);
            until("the pool is full again", || {
                let now = workers(&server);
                now.len() == POOL && !now.contains(&holder)
            });
        }
        case.stop(server).assert_clean();
    });
}

/// One that waits for its turn is asked to stop: it does so at once, or when its turn comes.
#[test]
fn a_worker_that_waits_for_its_turn_stops() {
    each(has_processes, |case| {
        let server = case.start();
        rest(&server);
        let in_turn = blocked_in(&server, &[SYS_futex]);
        let waiting = blocked_in(&server, &[SYS_fcntl, SYS_futex]);
        let Some(&waiting) = waiting.first() else { return };
        signal(waiting, Signal::SIGTERM);
        let silent = in_turn.contains(&waiting).then(|| {
            let client = Client::connect(&server);
            client.until_accepted();
            client
        });
        until("another one has its place", || {
            let now = workers(&server);
            now.len() == POOL && !now.contains(&waiting)
        });
        drop(silent);
        for _ in 0..2 * POOL {
            assert_serves(&server);
        }
        case.stop(server).assert_clean();
    });
}

/// While every worker has a client, the next one stays in the queue.
#[test]
fn a_full_pool_accepts_nobody() {
    let fills =
        |design: &Design| has_processes(design) && design.promises.silent == Silent::StallsPool;
    each(fills, |case| {
        let server = case.start();
        let before = rest(&server);
        let hold = || {
            let client = Client::connect(&server);
            client.until_accepted();
            client
        };
        let held: Vec<Client> = (0..POOL).map(|_| hold()).collect();
        let next = Client::connect(&server);
        next.send(b"10\n");
        rest(&server);
        assert!(!next.is_accepted() && !next.has_answer());
        drop(held);
        next.expect("55");
        until_rest(&server, &before);
        case.stop(server).assert_clean();
    });
}

/// A descriptor that its receiver has no room for is lost, and its client with it; nothing else is.
#[test]
fn no_room_for_a_descriptor_that_is_handed_over() {
    let (soft, _) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
    each(has_processes, |case| {
        let server = case.start_single();
        let before = rest(&server);
        let Some(&worker) = blocked_in(&server, &[SYS_recvmsg]).first() else { return };
        let open = descriptors(worker);
        let free = (0..).find(|&fd| open.iter().all(|&(open, _)| open != fd)).expect("one");
        limit(worker, None, "nofile", &free.to_string());
        for _ in 0..3 {
            let client = Client::connect(&server);
            client.send(b"10\n");
            assert_eq!(client.read().0, "");
            until_rest(&server, &before);
            assert_eq!(descriptors(worker), open);
        }
        limit(worker, None, "nofile", &soft.to_string());
        assert_serves(&server);
        until_rest(&server, &before);
        assert_reported(&case.stop(server), "recvmsg: Too many open files");
    });
}

#[test]
fn no_process_for_a_replacement() {
    let (soft, _) = getrlimit(Resource::RLIMIT_NPROC).expect("a limit");
    let soft = if soft == RLIM_INFINITY { String::from("unlimited") } else { soft.to_string() };
    each(has_processes, |case| {
        let Some((mut server, uid)) = start_unprivileged(case) else { return };
        rest(&server);
        let before = workers(&server);
        limit(server.pid(), uid, "nproc", "1");
        for &worker in &before {
            signal(worker, Signal::SIGKILL);
        }
        until("nobody serves", || server.children().is_empty());
        let waiting = Client::connect(&server);
        waiting.send(b"10\n");
        // It goes on trying, in its sleep.
        let slept = || crate::watch::naps_of(server.pid());
        let before = slept();
        until("it has tried four times", || slept() >= before + 4);
        assert!(!waiting.has_answer());
        limit(server.pid(), uid, "nproc", &soft);
        waiting.expect("55");
        assert!(server.is_alive());
        assert_reported(&case.stop(server), ": Resource temporarily unavailable");
    });
}

/// A server that is killed, and can't stop its workers.
#[test]
fn no_worker_outlives_its_server() {
    let cases = all(has_processes);
    run(
        &cases,
        |case| case.to_string(),
        |case| {
            let server = case.start();
            rest(&server);
            let held = Client::connect(&server);
            held.until_accepted();
            let workers = workers(&server);
            server.signal(Signal::SIGKILL);
            until("the workers end", || !workers.iter().copied().any(has_not_ended));
            assert_eq!(held.read(), (String::new(), End::Closed));
            until("nobody listens", || crate::diag::listening(server.addr).is_none());
        },
    );
}

//! Real shortages: no descriptor, no process, no thread to be had. The server waits, without
//! spinning, and goes on when there are some again.

use std::process::Command;

use nix::libc;
use nix::sys::resource::{Resource, getrlimit};
use socklab::server::{PerClient, Pool};

use crate::cases::{Case, POOL, each, is_tcp, skip};
use crate::support::{Ended, Server, command};
use crate::tools::{limit, unprivileged};
use crate::watch::{
    Doing, Task, descriptors, naps_of, polls, rest, serving_task, ticks, until, until_rest,
};
use crate::wire::{Client, assert_serves};

/// Status 0, and on standard error nothing but this line, at most once in a second.
pub(crate) fn assert_reported(ended: &Ended, end: &str) {
    assert!(ended.status.success() && !ended.left, "{ended:?}");
    assert!(!ended.stderr.is_empty(), "it said nothing");
    for line in ended.stderr.lines() {
        assert!(line.ends_with(end), "{:?}", ended.stderr);
    }
    assert!(ended.stderr.lines().count() < 30, "{:?}", ended.stderr);
}

/// A server that may open the descriptors below a limit.
fn start_with_limit(case: &Case, limit: i32) -> Server {
    let program = command(case.language, case.design);
    let mut prlimit = Command::new("prlimit");
    prlimit.arg(format!("--nofile={limit}:")).arg(program.get_program()).args(program.get_args());
    prlimit.args(["--port", "0"]);
    Server::spawn(prlimit)
}

#[test]
fn no_descriptor() {
    let (soft, _) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
    each(is_tcp, |case| {
        let mut server = case.start_single();
        let mut before = rest(&server);
        let Task { mut pid, mut tid } = serving_task(&server);
        // A client that is being served when the shortage comes.
        let hold = |server: &Server| {
            case.is_concurrent().then(|| {
                let client = Client::connect(server);
                client.until_accepted();
                client
            })
        };
        let mut held = hold(&server);
        until("the client has its own task", || crate::watch::computing(&server).is_none());
        let open = descriptors(pid);
        let free = (0..).find(|&fd| open.iter().all(|&(open, _)| open != fd)).expect("one");
        if matches!(Task { pid, tid }.doing(), Doing::Blocked(libc::SYS_io_uring_enter, _)) {
            // The kernel accepts by the limit that there was when it was told to accept.
            server = start_with_limit(case, free);
            before = rest(&server);
            Task { pid, tid } = serving_task(&server);
            held = hold(&server);
        }
        limit(pid, None, "nofile", &free.to_string());
        let ask = || {
            let client = Client::connect(&server);
            client.send(b"10\n");
            client
        };
        // A server that is blocked in accept() has reserved the next one's descriptor.
        let first = ask();
        let slept = naps_of(tid);
        until("it is answered, or not accepted again and again", || {
            first.has_answer() || (naps_of(tid) >= slept + 4 && !first.is_accepted())
        });
        let clients = [first, ask()];
        // It looks again and again, and sleeps in between: one that spins never goes to sleep.
        let (used, slept) = (ticks(&server), naps_of(tid));
        until("it has tried four times", || naps_of(tid) >= slept + 4);
        // What ended meanwhile is not counted any more.
        let used = ticks(&server).saturating_sub(used);
        let [first, second] = &clients;
        assert!(!second.is_accepted() && !second.has_answer(), "accepted, without a descriptor");
        assert!(first.has_answer() || !first.is_accepted(), "accepted and not answered");
        // A sleep of 100 ms, or of 10, is followed by some microseconds of work.
        assert!(used <= 4, "{used} ticks of CPU time for four attempts");
        if let Some(held) = held {
            held.send(b"20\n");
            held.expect("6765");
        }
        limit(pid, None, "nofile", &soft.to_string());
        for client in clients {
            client.expect("55");
        }
        assert_serves(&server);
        until_rest(&server, &before);
        assert_reported(&case.stop(server), ": Too many open files");
    });
}

/// A server of somebody who may have no further process or thread.
pub(crate) fn start_unprivileged(case: &Case) -> Option<(Server, Option<u32>)> {
    let mut program = command(case.language, case.design);
    program.args(["--port", "0"]);
    if case.design.promises.pool != Pool::None {
        program.args(["--workers", &POOL.to_string()]);
    }
    match unprivileged(program) {
        Ok((program, uid)) => Some((Server::spawn(program), uid)),
        Err(why) => {
            skip(format_args!("no process or thread for {case}"), why);
            None
        }
    }
}

#[test]
fn no_process_and_no_thread() {
    let (soft, _) = getrlimit(Resource::RLIMIT_NPROC).expect("a limit");
    let soft = if soft == nix::sys::resource::RLIM_INFINITY {
        String::from("unlimited")
    } else {
        soft.to_string()
    };
    each(
        |design| is_tcp(design) && design.promises.per_client != PerClient::Descriptor,
        |case| {
            let Some((server, uid)) = start_unprivileged(case) else { return };
            // The sanitizer's own thread comes with the first one of the program's.
            assert_serves(&server);
            let before = rest(&server);
            let held = Client::connect(&server);
            held.until_accepted();
            until("the client has its own task", || {
                let tasks = crate::watch::tasks(&server);
                tasks.iter().filter(|task| !polls(task.doing())).count() == 2
                    && crate::watch::computing(&server).is_none()
            });
            limit(server.pid(), uid, "nproc", "1");
            for _ in 0..3 {
                let client = Client::connect(&server);
                // Closed without a word; it has sent nothing, so without a reset.
                client.expect("");
            }
            assert!(!held.has_answer());
            held.send(b"20\n");
            held.expect("6765");
            limit(server.pid(), uid, "nproc", &soft);
            assert_serves(&server);
            until_rest(&server, &before);
            let ended = case.stop(server);
            assert_reported(&ended, ": Resource temporarily unavailable");
        },
    );
}

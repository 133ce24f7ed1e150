//! Ten thousand requests: a server then has what it had after a hundred, to the page.
//!
//! Equal are its tasks (so no process and no thread more or less, the same ones even, and no zombie,
//! since a zombie is never at rest), its descriptors with what they are, its address space (VmSize)
//! and its anonymous memory. There is no slack. The last is taken from smaps_rollup, which counts the
//! pages: RssAnon in status is the sum of counters that some kernels keep for each CPU and read
//! without adding them up.
//!
//! The first hundred come ten at a time where the design serves them at a time, so that whatever
//! is kept for the next client (a stack, room in a table) is there for as many as ever are served at
//! once afterwards: a thread that has answered may still be ending when the next one starts. Of a pool
//! every worker serves among the first, though the kernel may prefer one to the others.

use std::collections::VecDeque;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::time::Duration;

use nix::libc::linger;
use nix::sys::socket::{setsockopt, sockopt};
use socklab::server::{Design, Idle, PerClient, Pool, Serves};

use crate::cases::{self, Case, POOL, is_udp, run};
use crate::support::{Language, Server};
use crate::watch::{Doing, Rest, descriptors, rest, resumed, tasks, tree, until};
use crate::wire::Client;

/// A wait for an answer that is longer than this never ends: not a criterion of anything.
const NEVER: Duration = Duration::from_secs(10);

const FIRST: usize = 100;
const ALL: usize = 10_000;
const AT_ONCE: usize = 10;

/// For a server that sleeps for 10 ms whenever nothing waits: as many as its backlog of 5 lets in
/// meanwhile are asked in each of its rounds, and no more than is done in a few seconds.
const POLLED: usize = 2_000;
const WINDOW: usize = 6;

/// Where a client costs a process.
const DEAR: usize = 3_000;

/// What a server at rest has.
#[derive(Debug, PartialEq, Eq)]
struct Holdings {
    rest: Rest,
    processes: Vec<Process>,
}

#[derive(Debug, PartialEq, Eq)]
struct Process {
    descriptors: usize,
    vm_size: String,
    anonymous: String,
}

fn holdings(server: &Server) -> Holdings {
    let line = |pid: i32, file: &str, field: &str| {
        let text = fs::read_to_string(format!("/proc/{pid}/{file}")).expect(file);
        let line = text.lines().find_map(|line| line.strip_prefix(field)).expect(field);
        line.trim_start().to_owned()
    };
    let process = |pid| Process {
        descriptors: descriptors(pid).len(),
        vm_size: line(pid, "status", "VmSize:"),
        anonymous: line(pid, "smaps_rollup", "Anonymous:"),
    };
    let rest = rest(server);
    Holdings { rest, processes: tree(server.pid()).into_iter().map(process).collect() }
}

/// So costly that workers who are given one each are seen computing at a time.
const COSTLY: &[u8] = b"30\n";

/// Every worker of a pool serves: none is left to take a costly request but who has none.
fn every_worker_serves(server: &Server) {
    until("all workers compute at a time", || {
        let clients: Vec<Client> = (0..POOL).map(|_| Client::connect(server)).collect();
        clients.iter().for_each(|client| client.send(COSTLY));
        let mut all = false;
        until("they all compute, or one has answered", || {
            let computing = tasks(server).into_iter().filter(|task| task.doing() == Doing::Running);
            all = computing.count() == POOL;
            all || clients.iter().any(Client::has_answer)
        });
        clients.iter().for_each(|client| client.expect("832040"));
        all
    });
}

/// The first requests.
fn warm_up(case: &Case, server: &Server) {
    if case.design.promises.pool != Pool::None {
        rest(server);
        every_worker_serves(server);
    }
    if is_udp(case.design) {
        return ask_over_udp(server, FIRST);
    }
    if !case.is_concurrent() {
        return ask_over_tcp(server, FIRST, 1);
    }
    for _ in 0..FIRST / AT_ONCE {
        let clients: Vec<Client> = (0..AT_ONCE)
            .map(|_| {
                let client = Client::connect(server);
                client.until_accepted();
                client
            })
            .collect();
        for client in &clients {
            client.send(b"1\n");
        }
        for client in &clients {
            client.expect("1");
        }
    }
}

/// Asks so often, with so many connections open at a time.
fn ask_over_tcp(server: &Server, requests: usize, window: usize) {
    let mut open = VecDeque::new();
    let mut answer = String::new();
    for asked in 0..requests + window {
        if open.len() == window || asked >= requests {
            let Some(mut stream): Option<TcpStream> = open.pop_front() else { break };
            answer.clear();
            stream.read_to_string(&mut answer).expect("an answer");
            assert_eq!(answer, "1", "request {asked}");
            // Ended by a reset: so many connections in TIME_WAIT would fill the kernel's table, and
            // whoever looks for one of his own there would not find it.
            setsockopt(&stream, sockopt::Linger, &linger { l_onoff: 1, l_linger: 0 })
                .expect("SO_LINGER");
        }
        if asked < requests {
            let mut stream = TcpStream::connect(server.addr).expect("the server listens");
            stream.set_read_timeout(Some(NEVER)).expect("SO_RCVTIMEO");
            stream.write_all(b"1\n").expect("sent");
            open.push_back(stream);
        }
    }
    assert!(open.is_empty(), "all are answered");
}

fn ask_over_udp(server: &Server, requests: usize) {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    socket.connect(server.addr).expect("connected");
    socket.set_read_timeout(Some(NEVER)).expect("SO_RCVTIMEO");
    for _ in 0..requests {
        socket.send(b"\n").expect("sent");
        assert!(resumed(|| socket.recv(&mut [0; 64])).expect("an answer") > 0);
    }
}

#[test]
fn ten_thousand_requests_leave_nothing_behind() {
    let serves_forever = |design: &Design| design.promises.serves == Serves::Forever;
    let mut cases = cases::all(serves_forever);
    // The sanitizers keep what was freed, so that their memory must grow.
    cases.retain(|case| matches!(case.language, Language::Rust | Language::C));
    run(&cases, Case::to_string, |case| {
        let server = case.start();
        warm_up(case, &server);
        let before = holdings(&server);
        let all = match (case.design.promises.idle, case.design.promises.per_client) {
            (Idle::Polls, _) => POLLED,
            (Idle::Sleeps, PerClient::Process) => DEAR,
            (Idle::Sleeps, _) => ALL,
        };
        if is_udp(case.design) {
            ask_over_udp(&server, all - FIRST);
        } else {
            ask_over_tcp(&server, all - FIRST, if all == POLLED { WINDOW } else { 1 });
        }
        assert_eq!(holdings(&server), before, "after {all} requests and after {FIRST}");
        case.stop(server).assert_clean();
    });
}

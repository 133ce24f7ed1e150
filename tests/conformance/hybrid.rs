//! What only the design with limits has: each limit, the deadline, the drain, the counters, the sandbox.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use nix::libc::SIGUSR1 as USR1;
use nix::sys::signal::Signal::{SIGINT, SIGTERM, SIGUSR1};
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrIn, bind, connect, setsockopt, socket, sockopt,
};
use socklab::server::Promises;

use crate::cases::{Case, all, each, run, skip};
use crate::clients::while_computing;
use crate::support::{Ended, Language, Server, command};
use crate::tools::Forger;
use crate::watch::{
    Doing, Task, descriptors, naps_of, rest, stopped, tasks, until, until_rest, waits,
};
use crate::wire::{Client, End, ask, assert_serves};

/// The limits themselves are Rust's only.
fn limited(body: impl Fn(&Case) + Sync) {
    let mut cases = all(|design| Promises::has_limits(&design.promises));
    cases.retain(|case| case.language == Language::Rust);
    run(&cases, Case::to_string, body);
}

/// The loop and the threads are in both languages.
fn in_all(body: impl Fn(&Case) + Sync) {
    each(|design| Promises::has_limits(&design.promises), body);
}

fn silent(server: &Server) -> Client {
    let client = Client::connect(server);
    client.until_accepted();
    client
}

fn asking(server: &Server, request: &[u8]) -> Client {
    let client = Client::connect(server);
    client.send(request);
    client.until_consumed();
    client
}

/// Status 0, nobody left, and each line on standard error one of these.
fn assert_said(ended: &Ended, lines: &[&str]) {
    assert!(ended.status.success() && !ended.left, "{ended:?}");
    for line in ended.stderr.lines() {
        assert!(lines.contains(&line), "{:?}", ended.stderr);
    }
    assert_eq!(ended.stderr.is_empty(), lines.is_empty(), "{:?}", ended.stderr);
}

#[test]
fn too_many_clients() {
    limited(|case| {
        let server = case.start_with(&["--max-clients", "2"]);
        let before = rest(&server);
        let held = [silent(&server), silent(&server)];
        let line = "error: no room: 2 clients are connected; try again later\n";
        Client::connect(&server).expect(line);
        // One who has asked already reads the line as well, whatever follows it.
        let client = Client::connect(&server);
        let _ = std::io::Write::write_all(&mut &client.stream, b"10\n");
        assert_eq!(client.read().0, line);
        let [first, second] = held;
        first.send(b"10\n");
        first.expect("55");
        until("there is room for one more", || ask(&server, b"10\n") == "55");
        assert!(!second.has_answer());
        drop(second);
        until_rest(&server, &before);
        let said = "hybrid: a client refused: 2 clients are connected";
        assert_said(&case.stop(server), &[said]);
    });
}

/// A client with an address of its own, 127.0.0.`last`.
fn from(server: &Server, last: u8) -> Client {
    let socket =
        socket(AddressFamily::Inet, SockType::Stream, SockFlag::empty(), None).expect("a socket");
    setsockopt(&socket, sockopt::ReuseAddr, &true).expect("SO_REUSEADDR");
    let fd = std::os::fd::AsRawFd::as_raw_fd(&socket);
    bind(fd, &SockaddrIn::new(127, 0, 0, last, 0)).expect("bound");
    connect(fd, &SockaddrIn::new(127, 0, 0, 1, server.addr.port())).expect("connected");
    Client { stream: std::net::TcpStream::from(socket), server: server.addr }
}

#[test]
fn too_many_clients_of_one_address() {
    limited(|case| {
        let server = case.start_with(&["--max-per-address", "1"]);
        let before = rest(&server);
        let held = from(&server, 1);
        held.until_accepted();
        from(&server, 1).expect("error: no room: 1 clients of your address; try again later\n");
        let other = from(&server, 2);
        other.until_accepted();
        let third = from(&server, 3);
        third.send(b"20\n");
        third.expect("6765");
        from(&server, 2).expect("error: no room: 1 clients of your address; try again later\n");
        for client in [held, other] {
            client.send(b"10\n");
            client.expect("55");
        }
        assert_serves(&server);
        until_rest(&server, &before);
        let said = "hybrid: a client refused: 1 clients of your address";
        assert_said(&case.stop(server), &[said]);
    });
}

const LATE: &str = "error: no complete request in time; send a decimal integer from 0 to 45\n";

#[test]
fn no_byte_puts_the_deadline_off() {
    limited(|case| {
        let time = Duration::from_millis(700);
        let server = case.start_with(&["--deadline", "0.7"]);
        let before = rest(&server);
        // Silent clients of another server are the clock: each is sent away after its time.
        let clock = case.start_with(&["--deadline", "0.05"]);
        let start = Instant::now();
        let slow = Client::connect(&server);
        let mute = silent(&server);
        let mut sent = 0;
        while !slow.has_answer() {
            // The server may have closed by now.
            if std::io::Write::write_all(&mut &slow.stream, b"0").is_ok() {
                sent += 1;
            }
            Client::connect(&clock).expect(LATE);
            assert_serves(&server);
        }
        assert!(start.elapsed() >= time, "cut after {:?}", start.elapsed());
        // The last byte may have met a closed socket.
        assert_eq!(slow.read().0, LATE, "after {sent} bytes");
        mute.expect(LATE);
        until_rest(&server, &before);
        case.stop(server).assert_clean();
        case.stop(clock).assert_clean();
    });
}

/// Whoever waits longest is sent away first, and whoever asks in time is served.
#[test]
fn deadlines_come_in_order() {
    limited(|case| {
        let server = case.start_with(&["--deadline", "1"]);
        let before = rest(&server);
        let clients: Vec<Client> = (0..20).map(|_| silent(&server)).collect();
        for client in clients.iter().step_by(3) {
            client.send(b"10\n");
            client.expect("55");
        }
        let late: Vec<&Client> = clients
            .iter()
            .enumerate()
            .filter(|(i, _)| i % 3 != 0)
            .map(|(_, client)| client)
            .collect();
        late.last().expect("some").expect(LATE);
        assert!(late.iter().rev().skip(1).all(|client| client.has_answer()), "out of order");
        for client in late.iter().rev().skip(1) {
            client.expect(LATE);
        }
        until_rest(&server, &before);
        case.stop(server).assert_clean();
    });
}

#[test]
fn an_answer_that_is_not_taken() {
    limited(|case| {
        let server = case.start_with(&["--deadline", "0.3"]);
        let before = rest(&server);
        // No client has so little room that an answer does not fit, so its lack is forged.
        let forger = match Forger::attach(&server, "sendto", "sendto:error=EAGAIN") {
            Ok(forger) => forger,
            Err(why) => return skip(format_args!("an answer that is not taken, {case}"), why),
        };
        let cheap = Client::connect(&server);
        cheap.send(b"10\n");
        let costly = Client::connect(&server);
        costly.send(b"25\n");
        assert_eq!((cheap.read().0, costly.read().0), (String::new(), String::new()));
        forger.until_forged();
        drop(forger);
        assert_serves(&server);
        until_rest(&server, &before);
        let counters = counters(case, server, SIGTERM);
        assert_eq!((counters["timed out"], counters["served"]), (2, 1));
    });
}

/// Asks a server for its counters, stops it, and returns them.
fn counters(case: &Case, server: Server, stop: nix::sys::signal::Signal) -> BTreeMap<String, u64> {
    server.signal(SIGUSR1);
    until("the signal is read", || !is_pending(server.pid()));
    server.signal(stop);
    case.heed(&server);
    let ended = server.wait();
    assert!(ended.status.success() && !ended.left, "{ended:?}");
    let line = ended.stderr.lines().find_map(|line| line.strip_prefix("hybrid: accepted "));
    let line = format!("accepted {}", line.expect("a line"));
    let words = line.split([',', ';', '(', ')']).map(str::trim).filter(|word| !word.is_empty());
    words
        .map(|word| word.rsplit_once(' ').expect("a name and a number"))
        .map(|(name, number)| (name.to_owned(), number.parse().expect("a number")))
        .collect()
}

fn is_pending(pid: i32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it lives");
    let mask = status.lines().find_map(|line| line.strip_prefix("ShdPnd:")).expect("a mask");
    u64::from_str_radix(mask.trim(), 16).expect("hexadecimal") & (1 << (USR1 - 1)) != 0
}

const BUSY: &str = "error: busy: too many costly requests wait; try again later\n";

#[test]
fn a_full_queue() {
    limited(|case| {
        let server = case.start_with(&[
            "--workers",
            "1",
            "--max-queue",
            "1",
            "--max-n",
            "93",
            "--drain",
            "0.1",
        ]);
        let computing = asking(&server, b"93\n");
        let queued = asking(&server, b"92\n");
        for _ in 0..3 {
            let client = Client::connect(&server);
            client.send(b"91\n");
            client.expect(BUSY);
            assert_serves(&server);
        }
        assert!(!computing.has_answer() && !queued.has_answer());
        let counters = counters(case, server, SIGTERM);
        let expected = [
            ("accepted", 8),
            ("served", 3),
            ("refused", 3),
            ("clients", 0),
            ("address", 0),
            ("queue", 3),
            ("timed out", 0),
            ("gone", 0),
            ("clients now", 2),
            ("queued now", 1),
            ("computing now", 1),
        ];
        let expected = expected.map(|(name, count)| (name.to_owned(), count));
        assert_eq!(counters, BTreeMap::from(expected));
        for client in [computing, queued] {
            assert_eq!(client.read().0, "");
        }
    });
}

/// Whoever resets the connection while the number is queued leaves the queue; one whose number is being
/// computed is told of once, and the loop sleeps.
#[test]
fn whoever_is_lost_leaves_the_queue() {
    in_all(|case| {
        let mut args = vec!["--workers", "1", "--max-n", "93"];
        if case.language == Language::Rust {
            args.extend(["--max-queue", "1"]);
        }
        let server = case.start_with(&args);
        let at_rest = rest(&server).descriptors();
        let has = |clients: usize| {
            until("the lost ones are closed", || {
                descriptors(server.pid()).len() == at_rest + clients
            });
        };
        let computing = asking(&server, b"93\n");
        for request in [&b"92\n"[..], b"91\n"] {
            // There is room for one, and there is again.
            let queued = asking(&server, request);
            assert!(!queued.has_answer());
            has(2);
            queued.reset();
            has(1);
        }
        let queued = asking(&server, b"90\n");
        computing.reset();
        let sleeps = |task: &Task| task.tid != server.pid() || waits(task.doing());
        until("the loop sleeps", || tasks(&server).iter().all(sleeps));
        let before = naps_of(server.pid());
        assert_serves(&server);
        until("the loop sleeps", || tasks(&server).iter().all(sleeps));
        assert!(naps_of(server.pid()) < before + 20, "it is told again and again");
        assert!(!queued.has_answer());
        server.signal(SIGTERM);
        server.signal(SIGINT);
        case.heed(&server);
        assert!(server.wait().status.success());
    });
}

/// Who has connected and asked, but is not yet accepted when the server is asked to stop, is answered.
#[test]
fn the_listen_queue_is_heard_at_the_end() {
    in_all(|case| {
        let server = case.start();
        rest(&server);
        let clients = stopped(&server, || {
            let clients: Vec<Client> = (0..20).map(|_| Client::connect(&server)).collect();
            for client in &clients {
                client.send(b"10\n");
            }
            server.signal(SIGTERM);
            clients
        });
        case.heed(&server);
        for client in clients {
            client.expect("55");
        }
        server.wait().assert_clean();
    });
}

/// The limit of open files is raised as far as may be, and what then fits is what is let in.
#[test]
fn as_many_as_open_files_allow() {
    limited(|case| {
        let start = |files: &str| {
            let program = command(case.language, case.design);
            let mut prlimit = std::process::Command::new("prlimit");
            prlimit.arg(format!("--nofile={files}")).arg(program.get_program());
            prlimit.args(program.get_args()).args(["--port", "0", "--workers", "1"]);
            Server::spawn(prlimit)
        };
        let server = start("30:100");
        let limits = fs::read_to_string(format!("/proc/{}/limits", server.pid())).expect("it runs");
        let files = limits.lines().find(|line| line.starts_with("Max open files")).expect("a row");
        assert_eq!(files.split_whitespace().nth(3), Some("100"), "{files}");
        case.stop(server).assert_clean();

        let server = start("30:30");
        let before = rest(&server);
        let held: Vec<Client> = (0..5).map(|_| silent(&server)).collect();
        let line = "error: no room: 5 clients are connected; try again later\n";
        Client::connect(&server).expect(line);
        drop(held);
        until_rest(&server, &before);
        assert_serves(&server);
        let said = "hybrid: a client refused: 5 clients are connected";
        assert_said(&case.stop(server), &[said]);
    });
}

#[test]
fn counters_tell_the_truth() {
    limited(|case| {
        let server = case.start_with(&["--max-per-address", "3", "--deadline", "0.5"]);
        let before = rest(&server);
        for request in [&b"10\n"[..], b"25\n", b"x\n", b"99\n"] {
            let _ = ask(&server, request);
        }
        until_rest(&server, &before);
        let held: Vec<Client> = (0..3).map(|_| silent(&server)).collect();
        assert_eq!(Client::connect(&server).read().1, End::Closed);
        for client in &held {
            client.expect(LATE);
        }
        drop(silent(&server));
        until_rest(&server, &before);
        let counters = counters(case, server, SIGTERM);
        let expected =
            [("accepted", 9), ("served", 4), ("address", 1), ("timed out", 3), ("gone", 1)];
        for (name, count) in expected {
            assert_eq!(counters[name], count, "{name}: {counters:?}");
        }
        for name in ["clients now", "queued now", "computing now", "queue", "clients"] {
            assert_eq!(counters[name], 0, "{name}: {counters:?}");
        }
    });
}

/// Asked to stop: what is computed and what is queued is answered, the others are closed meanwhile.
#[test]
fn what_has_been_asked_for_is_answered() {
    in_all(|case| {
        while_computing(|n| {
            let mut args = vec!["--workers", "1"];
            if case.language == Language::Rust {
                args.extend(["--drain", "1000"]);
            }
            let server = case.start_with(&args);
            let addr = server.addr;
            let idle = [silent(&server), asking(&server, b"1")];
            let computing = asking(&server, format!("{n}\n").as_bytes());
            let queued = asking(&server, format!("{n}\n").as_bytes());
            server.signal(SIGTERM);
            case.heed(&server);
            for client in idle {
                client.expect("");
            }
            let still = !computing.has_answer();
            assert!(!still || Client::connect_at_once(addr).is_err(), "it still listens");
            let (first, second) = (computing.read(), queued.read());
            assert!(first.0.len() > 5 && first.0.bytes().all(|byte| byte.is_ascii_digit()));
            assert_eq!(first, second);
            assert_eq!(first.1, End::Closed);
            server.wait().assert_clean();
            still
        });
    });
}

/// An end there is, whatever is being computed.
#[test]
fn the_drain_has_an_end() {
    limited(|case| {
        let server = case.start_with(&["--workers", "1", "--max-n", "93", "--drain", "0.3"]);
        let clients = [asking(&server, b"93\n"), asking(&server, b"93\n")];
        let start = Instant::now();
        let ended = case.stop(server);
        assert!(start.elapsed() >= Duration::from_millis(300), "after {:?}", start.elapsed());
        assert_said(&ended, &["hybrid: stopped, 2 requests unanswered"]);
        for client in clients {
            client.expect("");
        }
    });
}

#[test]
fn a_second_signal_ends_it_at_once() {
    in_all(|case| {
        let server = case.start_with(&["--max-n", "93"]);
        let idle = silent(&server);
        let heavy = asking(&server, b"93\n");
        server.signal(SIGTERM);
        idle.expect("");
        server.signal(SIGTERM);
        assert_said(&server.wait(), &["hybrid: stopped, 1 requests unanswered"]);
        heavy.expect("");
    });
}

/// Signals that ask for nothing to be stopped stop nothing.
#[test]
fn a_hundred_questions() {
    in_all(|case| {
        let server = case.start();
        let before = rest(&server);
        let heavy = asking(&server, b"30\n");
        for _ in 0..100 {
            server.signal(SIGUSR1);
            assert_serves(&server);
        }
        heavy.expect("832040");
        until_rest(&server, &before);
        let ended = case.stop(server);
        assert!(ended.status.success() && !ended.left, "{ended:?}");
        let lines = ended.stderr.lines().filter(|line| line.starts_with("hybrid: accepted "));
        assert_eq!(lines.count(), ended.stderr.lines().count(), "{:?}", ended.stderr);
        assert_eq!(ended.stderr.is_empty(), case.language != Language::Rust);
    });
}

/// The policy of a task: 5 is SCHED_IDLE.
fn policy(task: &Task) -> u32 {
    let stat = fs::read_to_string(format!("/proc/{}/task/{}/stat", task.pid, task.tid));
    let stat = stat.expect("it lives");
    let numbers = stat.rsplit_once(") ").expect("numbers").1;
    numbers.split(' ').nth(38).expect("a policy").parse().expect("a number")
}

#[test]
fn whoever_computes_has_idle_priority() {
    in_all(|case| {
        let server = case.start_with(&["--max-n", "93"]);
        rest(&server);
        let _heavy = [asking(&server, b"93\n"), asking(&server, b"93\n")];
        until("two threads compute", || {
            let computing: Vec<Task> =
                tasks(&server).into_iter().filter(|task| task.doing() == Doing::Running).collect();
            computing.len() == 2 && computing.iter().all(|task| policy(task) == 5)
        });
        let main = Task { pid: server.pid(), tid: server.pid() };
        assert_eq!(policy(&main), 0);
    });
}

#[test]
fn a_sandbox() {
    limited(|case| {
        let args = ["--sandbox", "--deadline", "1", "--max-n", "45", "--max-queue", "200"];
        let server = case.start_with(&args);
        let before = rest(&server);
        for task in tasks(&server) {
            assert_eq!(task.status("Seccomp"), Some(2), "{task:?}");
            assert_eq!(task.status("NoNewPrivs"), Some(1), "{task:?}");
        }
        // All that it can do, it does: grow, compute, refuse, wait, close, count, run short, stop.
        let held: Vec<Client> = (0..300).map(|_| silent(&server)).collect();
        let heavy: Vec<Client> = (0..50).map(|_| asking(&server, b"22\n")).collect();
        assert_eq!(ask(&server, b"x\n").lines().count(), 1);
        for client in &heavy {
            client.expect("17711");
        }
        asking(&server, b"25\n").expect("75025");
        held[0].expect(LATE);
        Client::connect(&server).reset();
        drop((held, heavy));
        until_rest(&server, &before);
        crate::tools::limit(server.pid(), None, "nofile", &before.descriptors().to_string());
        let waiting = Client::connect(&server);
        waiting.send(b"10\n");
        until("it has noticed", || {
            tasks(&server)[0].status("voluntary_ctxt_switches").is_some_and(|naps| naps > 4)
                && !waiting.is_accepted()
        });
        crate::tools::limit(server.pid(), None, "nofile", "1000");
        waiting.expect("55");
        until_rest(&server, &before);
        let counters = counters(case, server, SIGTERM);
        assert!(counters["served"] >= 53, "{counters:?}");
    });
}

/// A kernel that refuses is named, with what can be done.
#[test]
fn a_sandbox_that_can_not_be_had() {
    limited(|case| {
        // strace forges a kernel without Landlock, and one without seccomp.
        for (call, name) in
            [("landlock_create_ruleset", "landlock_restrict_self"), ("seccomp", "seccomp")]
        {
            let mut strace = std::process::Command::new("strace");
            let server = command(case.language, case.design);
            strace.args(["-f", "-qqq", "-o", "/dev/null", "-e", &format!("trace={call}")]);
            strace.args(["-e", &format!("inject={call}:error=ENOSYS")]);
            strace.arg(server.get_program()).args(server.get_args());
            let output = strace.args(["--port", "0", "--sandbox"]).output().expect("strace runs");
            let said = String::from_utf8_lossy(&output.stderr);
            if said.starts_with("strace: ") {
                return skip(format_args!("a kernel that refuses {case}"), said);
            }
            assert_eq!(output.status.code(), Some(1), "{output:?}");
            assert!(output.stdout.is_empty(), "it never listens: {output:?}");
            assert!(said.starts_with(&format!("{name}: ")) && said.lines().count() == 1, "{said}");
            assert!(said.ends_with(" (this kernel can't do it: leave --sandbox away)\n"), "{said}");
        }
    });
}

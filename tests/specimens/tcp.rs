//! The servers over TCP: each fault, and that a sound server has not got it.

use std::collections::HashMap;
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::process::{Command, Stdio};

use nix::libc::{self, SIGINT, SIGPIPE, SIGTERM};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{setsockopt, sockopt};
use nix::unistd::Pid;

use crate::diag::{self, CLOSE_WAIT, TIME_WAIT};
use crate::look::{
    Got, Rest, answer, ask, breathe, got, has_ended, is_listening, serves, settled, settled_or,
    while_computing,
};
use crate::support::{Server, tids};
use crate::tools::{Forger, limit};
use crate::watch::{Doing, computing, descriptors, ignores, naps_of, state, stopped, tasks, until};
use crate::wire::{Client, End};
use crate::{all, program, start, start_at, table};

/// Whether a server has the fault.
type Shows = fn(Server) -> bool;

/// Each specimen and how its fault is seen. Its twin is the table's.
const FAULTS: &[(&str, Shows)] = &[
    ("wildcard", |server| server.addr.ip().is_unspecified()),
    ("no_reuseaddr", can_not_be_started_again),
    ("spins_idle", |server| settled(&server) == Rest::Spins),
    ("wrong_answer", |server| ask(&server, b"0\n") != answer("0")),
    ("overflows", |server| {
        let Got::End(text, End::Closed) = ask(&server, b"50\n") else { return true };
        text.bytes().all(|byte| byte.is_ascii_digit()) && text != "12586269025"
    }),
    ("no_eof", |server| {
        let client = Client::connect(&server);
        client.send(b"10\n");
        (&client.stream).read_exact(&mut [0; 2]).expect("an answer");
        settled_or(&server, || client.has_answer()) == Some(Rest::Waits)
    }),
    ("chokes_on_crlf", |server| ask(&server, b"10\r\n") != answer("55")),
    ("waits_for_child", stalls_behind_a_silent_client),
    ("joins_at_once", stalls_behind_a_silent_client),
    ("blocks_on_partial_line", |server| {
        let silent = Client::connect(&server);
        let before = serves(&server);
        silent.send(b"1");
        silent.until_consumed();
        assert!(before, "a silent client is harmless");
        matches!(ask(&server, b"10\n"), Got::Nothing(Rest::Waits))
    }),
    ("blocked_by_slow_reader", stalls_behind_a_slow_reader),
    ("drops_unsent", answers_a_slow_reader_in_part),
    ("one_recv_one_request", |server| {
        let client = Client::connect(&server);
        client.send(b"1");
        client.until_consumed();
        settled_or(&server, || client.has_answer()).is_none()
    }),
    ("answers_run_together", |server| ask(&server, b"10\n20\n") != answer("55")),
    ("drops_pipelined", |server| {
        let client = Client::connect(&server);
        client.send(b"10\n20\n");
        let mut bytes = [0; 3];
        (&client.stream).read_exact(&mut bytes).expect("an answer");
        assert_eq!(&bytes, b"55\n");
        settled_or(&server, || client.has_answer()) == Some(Rest::Waits)
    }),
    ("unlimited_line", |server| {
        let client = Client::connect(&server);
        // One who has refused the line may be gone.
        let _ = (&client.stream).write_all(&[b'7'; 100_000]);
        matches!(got(&server, &client), Got::Nothing(Rest::Waits))
    }),
    ("dies_of_garbage", |server| {
        ask(&server, b"abc\n");
        dies(server)
    }),
    ("recurses_on_negative", |server| {
        ask(&server, b"-5\n");
        dies(server)
    }),
    ("spins_on_empty", |server| {
        drop(Client::connect(&server));
        assert!(serves(&server));
        settled(&server) == Rest::Spins
    }),
    ("spins_on_close", |server| {
        let client = Client::connect(&server);
        client.send(b"1");
        client.until_consumed();
        drop(client);
        settled(&server) == Rest::Spins
    }),
    ("dies_of_reset", |server| {
        let client = Client::connect(&server);
        client.send(b"1");
        client.until_consumed();
        client.reset();
        dies(server)
    }),
    ("dies_of_early_reset", |server| {
        stopped(&server, || Client::connect(&server).reset());
        dies(server)
    }),
    ("dies_of_sigpipe", |server| {
        let is_deadly = !ignores(server.pid(), SIGPIPE);
        lose_after_a_half_close(&server);
        dies(server) && is_deadly
    }),
    ("ignores_half_close", |server| {
        let client = stopped(&server, || {
            let client = Client::connect(&server);
            client.send(b"10\n");
            client.finish();
            client
        });
        got(&server, &client) != answer("55")
    }),
    ("unread_input_reset", |server| {
        ask(&server, b"10\nextra") == Got::End("55".into(), End::Reset)
    }),
    ("one_lock", |server| {
        let heavy = Client::connect(&server);
        heavy.send(b"45\n");
        heavy.until_consumed();
        until("it computes", || computing(&server).is_some());
        let client = Client::connect(&server);
        client.send(b"10\n");
        client.until_consumed();
        let at_the_lock = || {
            let at_a_futex =
                |doing| matches!(doing, Doing::Blocked(libc::SYS_futex, args) if args[3] == 0);
            tasks(&server).iter().any(|task| at_a_futex(task.doing()))
        };
        until("it is answered, or waits for the lock", || client.has_answer() || at_the_lock());
        at_the_lock() && !client.has_answer() && !heavy.has_answer()
    }),
    ("no_limit", |server| matches!(ask(&server, b"90\n"), Got::Nothing(Rest::Spins))),
    ("dies_of_oob", |server| {
        let client = Client::connect(&server);
        client.until_accepted();
        client.send_urgent(b'!');
        settled(&server);
        dies(server)
    }),
    ("recv_without_readiness", asks_who_is_not_ready),
    ("zombies", |server| {
        assert!((0..3).all(|_| serves(&server)));
        let zombie = |pid: &i32| state(*pid).as_deref() == Some("Z");
        until("the children have ended", || server.children().iter().all(zombie));
        !server.children().is_empty()
    }),
    ("leaks_descriptors", |server| {
        let before = descriptors(server.pid()).len();
        assert!((0..3).all(|_| serves(&server)));
        settled(&server);
        descriptors(server.pid()).len() == before + 3
    }),
    ("leaks_on_reset", |server| {
        let before = descriptors(server.pid()).len();
        for _ in 0..3 {
            let client = Client::connect(&server);
            client.send(b"1");
            client.until_consumed();
            client.reset();
            assert!(serves(&server));
        }
        settled(&server);
        descriptors(server.pid()).len() == before + 3
    }),
    ("threads_never_end", |server| {
        assert!((0..3).all(|_| serves(&server)));
        settled(&server);
        tids(server.pid()).len() > 1
    }),
    ("threads_not_joined", |server| {
        assert!(serves(&server));
        settled(&server);
        let before = virtual_memory(&server);
        assert!((0..20).all(|_| serves(&server)));
        settled(&server);
        assert_eq!(tids(server.pid()).len(), 1);
        virtual_memory(&server) >= before + 16 * 1024
    }),
    ("close_wait", |server| {
        let client = Client::connect(&server);
        client.finish();
        settled_or(&server, || client.has_answer()) == Some(Rest::Waits)
            && client.server_end().is_some_and(|row| row.state == CLOSE_WAIT)
            && serves(&server)
    }),
    ("children_never_end", |server| {
        assert!((0..3).all(|_| serves(&server)));
        settled(&server);
        server.children().len() == 3
    }),
    ("children_keep_listener", |server| {
        let client = Client::connect(&server);
        client.until_accepted();
        settled(&server);
        let inode = diag::listening(server.addr).expect("it listens").inode;
        let children = server.children();
        assert_eq!(children.len(), 1);
        let listener = format!("socket:[{inode}]");
        descriptors(children[0]).iter().any(|(_, what)| *what == listener)
    }),
    ("exits_on_emfile", |server| {
        without_descriptors(&server);
        has_ended(&server)
    }),
    ("spins_on_emfile", |server| without_descriptors(&server) >= SPINNING),
    ("exits_on_econnaborted", |server| ends_of(server, "accept,accept4", "ECONNABORTED")),
    ("exits_on_eintr", |server| ends_of(server, "accept,accept4", "EINTR")),
    ("exits_on_fork_failure", |server| ends_of(server, "clone,clone3,fork,vfork", "EAGAIN")),
    ("exits_on_thread_failure", |server| ends_of(server, "clone,clone3,fork,vfork", "EAGAIN")),
    ("exits_on_send_error", |server| {
        lose_after_a_half_close(&server);
        dies(server)
    }),
    ("dies_of_signal_storm", |server| {
        settled(&server);
        stopped(&server, || ());
        settled(&server);
        dies(server)
    }),
    ("dies_of_its_children", |server| {
        let client = Client::connect(&server);
        client.until_accepted();
        // It waits for the next client when the child ends.
        settled(&server);
        client.send(b"10\n");
        until("the child has ended", || server.children().is_empty() || has_ended(&server));
        settled(&server);
        dies(server)
    }),
    ("select_beyond_fdsetsize", |server| {
        let clients = beyond_fd_setsize(&server);
        assert!(!has_ended(&server));
        let last = clients.last().expect("some");
        settled_or(&server, || last.has_answer()) == Some(Rest::Waits)
    }),
    ("exits_beyond_fdsetsize", |server| {
        let _clients = beyond_fd_setsize(&server);
        settled(&server) == Rest::Ended
    }),
    ("ignores_sigint", |server| goes_on_after(server, Signal::SIGINT)),
    ("ignores_sigterm", |server| goes_on_after(server, Signal::SIGTERM)),
    ("ignores_all_signals", |server| {
        ignores(server.pid(), SIGINT)
            && ignores(server.pid(), SIGTERM)
            && ignores(server.pid(), libc::SIGHUP)
            && goes_on_after(server, Signal::SIGQUIT)
    }),
    ("dies_of_sigterm", |server| {
        use std::os::unix::process::ExitStatusExt;
        server.stop().status.signal() == Some(SIGTERM)
    }),
    ("no_stop_status", |server| server.stop().status.code() == Some(1)),
    ("accepts_one_per_edge", |server| {
        settled(&server);
        let [first, second] = stopped(&server, || {
            [(); 2].map(|()| {
                let client = Client::connect(&server);
                client.send(b"10\n");
                client
            })
        });
        first.expect("55");
        settled_or(&server, || second.has_answer()) == Some(Rest::Waits)
    }),
    ("forgets_signal", |server| {
        let client = Client::connect(&server);
        client.until_accepted();
        settled(&server);
        server.signal(Signal::SIGTERM);
        drop(client);
        settled(&server) == Rest::Waits && serves(&server)
    }),
    ("hangs_on_stop", |server| {
        let client = Client::connect(&server);
        client.until_accepted();
        server.signal(Signal::SIGTERM);
        settled(&server) == Rest::Waits
    }),
    ("orphans", |server| {
        let client = Client::connect(&server);
        client.until_accepted();
        settled(&server);
        let ended = server.stop();
        assert!(ended.status.success());
        ended.left
    }),
    ("orphans_keep_listening", |server| {
        settled(&server);
        server.signal(Signal::SIGTERM);
        until("it ends", || has_ended(&server));
        is_listening(&server)
    }),
    ("no_replacement", |server| {
        settled(&server);
        let workers = server.children();
        assert_eq!(workers.len(), 4);
        kill(Pid::from_raw(workers[0]), Signal::SIGKILL).expect("it is there");
        until("the worker is gone", || !server.children().contains(&workers[0]));
        settled(&server);
        server.children().len() == 3
    }),
];

/// Whether it has ended, whatever a good client says. One that is about to end answers nobody any more.
fn dies(server: Server) -> bool {
    let is_served = serves(&server);
    if is_served {
        return false;
    }
    let ended = server.wait();
    assert!(!ended.status.success() && !ended.left, "{ended:?}");
    true
}

/// A server that has closed a connection itself, which so is in TIME_WAIT, is stopped and started again.
fn can_not_be_started_again(server: Server) -> bool {
    let name = fs::read_link(format!("/proc/{}/exe", server.pid())).expect("it runs");
    let client = Client::connect(&server);
    client.send(b"10\n");
    client.expect("55");
    let (addr, peer) = (server.addr, client.addr());
    drop(client);
    let is_waiting = || diag::connected(addr, peer).is_some_and(|row| row.state == TIME_WAIT);
    until("its connection is in TIME_WAIT", is_waiting);
    server.stop().assert_clean();
    let mut again = Command::new(name);
    again.args(["--port", &addr.port().to_string()]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = again.spawn().expect("it starts");
    let mut said = String::new();
    let mut stdout = std::io::BufReader::new(child.stdout.take().expect("piped"));
    std::io::BufRead::read_line(&mut stdout, &mut said).expect("a line, or none");
    // It runs, or it has ended.
    let _ = child.kill();
    let output = child.wait_with_output().expect("our child");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(said.is_empty(), stderr.contains("Address already in use"), "{said:?} {stderr:?}");
    said.is_empty()
}

fn stalls_behind_a_silent_client(server: Server) -> bool {
    let silent = Client::connect(&server);
    silent.until_accepted();
    matches!(ask(&server, b"10\n"), Got::Nothing(Rest::Waits))
}

/// Asks as long as there is room, and reads nothing; how many bytes are sent.
fn ask_and_ask(server: &Server, slow: &Client, most: usize) -> usize {
    slow.stream.set_nonblocking(true).expect("O_NONBLOCK");
    let requests = "?\n".repeat(32 * 1024);
    let mut sent = 0;
    let mut rest = None;
    while rest.is_none() && sent < most {
        match (&slow.stream).write(&requests.as_bytes()[sent % 2..]) {
            Ok(count) => sent += count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                let has_room = || {
                    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
                    use std::os::fd::AsFd;
                    let mut fds = [PollFd::new(slow.stream.as_fd(), PollFlags::POLLOUT)];
                    poll(&mut fds, PollTimeout::ZERO) == Ok(1)
                };
                // It computes for this client as long as it may, which is no spinning.
                rest = settled_or(server, has_room).filter(|rest| *rest == Rest::Waits);
            }
            Err(error) => panic!("{error}"),
        }
        breathe();
    }
    sent
}

fn stalls_behind_a_slow_reader(server: Server) -> bool {
    let slow = Client::connect(&server);
    setsockopt(&slow.stream, sockopt::RcvBuf, &4096).expect("SO_RCVBUF");
    ask_and_ask(&server, &slow, usize::MAX);
    let client = Client::connect(&server);
    client.send(b"10\n");
    settled_or(&server, || client.has_answer()) == Some(Rest::Waits)
}

/// Whether one who asks first and reads then gets fewer lines than it has sent.
fn answers_a_slow_reader_in_part(server: Server) -> bool {
    let slow = Client::connect(&server);
    // Each request is answered with many more bytes; no buffer has room for so many.
    let sent = ask_and_ask(&server, &slow, 1 << 19);
    until("it waits", || settled(&server) == Rest::Waits);
    let (mut lines, mut buf) = (0, [0; 65536]);
    // TCP pauses while it asks whether there is room again.
    let is_over = || {
        let ends = [slow.server_end(), diag::connected(slow.addr(), server.addr)];
        ends.iter().all(|row| row.is_some_and(|row| (row.unread, row.unsent) == (0, 0)))
    };
    loop {
        slow.stream.set_nonblocking(true).expect("O_NONBLOCK");
        match (&slow.stream).read(&mut buf) {
            Ok(count) => lines += buf[..count].iter().filter(|byte| **byte == b'\n').count(),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                let rest = settled_or(&server, || slow.has_answer());
                if rest == Some(Rest::Waits) && is_over() {
                    return lines < sent / 2;
                }
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// A client whose end of file has come, and then a reset, while its answer is computed: its first
/// send() gets EPIPE.
fn lose_after_a_half_close(server: &Server) {
    while_computing(server, b"", |client, _| {
        stopped(server, || {
            let half_closed = client.server_end().is_some_and(|row| row.state == CLOSE_WAIT);
            let is_in_time = half_closed && !client.has_answer();
            client.reset();
            is_in_time
        })
    });
}

/// Whether recv() is called, while a client is served, on the socket of another one who says nothing.
fn asks_who_is_not_ready(server: Server) -> bool {
    settled(&server);
    // It forges nothing: so many calls are not made.
    let forger = Forger::attach(&server, "recvfrom", "recvfrom:error=EINTR:when=60000");
    let Ok(forger) = forger else {
        eprintln!("skipped: what is received in vain: {}", forger.err().unwrap_or_default());
        return !is_twin(&server);
    };
    let silent = Client::connect(&server);
    silent.until_accepted();
    settled(&server);
    let vain = |log: String| log.matches("EAGAIN").count();
    let before = vain(forger.log());
    let client = stopped(&server, || {
        let client = Client::connect(&server);
        client.send(b"10\n");
        client
    });
    client.expect("55");
    settled(&server);
    vain(forger.log()) > before
}

/// Where it can't be looked at, the specimen passes, and so does its twin.
fn is_twin(server: &Server) -> bool {
    let exe = fs::read_link(format!("/proc/{}/exe", server.pid())).unwrap_or_default();
    !exe.parent().is_some_and(|folder| folder.ends_with("broken"))
}

/// Whether an error of a call, forged by strace, ends it.
fn ends_of(server: Server, calls: &str, error: &str) -> bool {
    settled(&server);
    let inject = format!("{calls}:error={error}:when=1");
    let forger = match Forger::attach(&server, calls, &inject) {
        Ok(forger) => forger,
        // The call that it is blocked in is begun anew when strace comes.
        Err(_) if has_ended(&server) => return dies(server),
        Err(why) => {
            eprintln!("skipped: a forged {error}: {why}");
            return !is_twin(&server);
        }
    };
    // The one who comes is all that these calls wait for.
    if let Ok(_client) = Client::connect_at_once(server.addr) {
        forger.until_forged();
    }
    drop(forger);
    settled(&server);
    dies(server)
}

/// As many ticks as only one who spins uses.
const SPINNING: u64 = 30;

/// Leaves it no descriptor until it has ended, has slept four times over that, or spins; returns the ticks
/// that it has used for it.
fn without_descriptors(server: &Server) -> u64 {
    settled(server);
    let open = descriptors(server.pid());
    let free = (0..).find(|&fd| open.iter().all(|&(open, _)| open != fd)).expect("one");
    limit(server.pid(), None, "nofile", &free.to_string());
    // A server that is blocked in accept() has reserved the next one's descriptor.
    let clients = [Client::connect(server), Client::connect(server)];
    for client in &clients {
        let _ = (&client.stream).write_all(b"10\n");
    }
    let before = (crate::watch::ticks(server), naps(server));
    let used = || crate::watch::ticks(server).saturating_sub(before.0);
    let mut last = 0;
    until("it ends, sleeps or spins", || {
        last = used().max(last);
        has_ended(server) || naps(server) >= before.1 + 6 || last >= SPINNING
    });
    if !has_ended(server) {
        let (soft, _) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
        limit(server.pid(), None, "nofile", &soft.to_string());
        for client in clients {
            client.expect("55");
        }
    }
    last
}

fn naps(server: &Server) -> u64 {
    if has_ended(server) { 0 } else { naps_of(server.pid()) }
}

/// In kilobytes.
fn virtual_memory(server: &Server) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.pid())).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmSize:")).expect("VmSize");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// More clients than select() has room for, each with a request that lacks its end; the last one's is whole.
fn beyond_fd_setsize(server: &Server) -> Vec<Client> {
    const CLIENTS: usize = 1030;
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
    let enough = 4096.min(hard);
    assert!(enough > 2 * CLIENTS as u64, "no more than {hard} open files");
    if soft < enough {
        setrlimit(Resource::RLIMIT_NOFILE, enough, hard).expect("raised");
    }
    limit(server.pid(), None, "nofile", &enough.to_string());
    let mut clients = Vec::new();
    while clients.len() < CLIENTS {
        // It may have ended.
        let Ok(client) = Client::connect_at_once(server.addr) else { return clients };
        until("the client is accepted, or lost", || {
            client.is_accepted() || client.has_answer() || has_ended(server)
        });
        clients.push(client);
    }
    let last = clients.last().expect("some");
    let _ = (&last.stream).write_all(b"10\n");
    clients
}

/// Whether it serves on after a signal.
fn goes_on_after(server: Server, signal: Signal) -> bool {
    let is_ignored = ignores(server.pid(), signal as i32);
    server.signal(signal);
    let goes_on = settled(&server) == Rest::Waits && serves(&server);
    assert_eq!(is_ignored, goes_on);
    goes_on
}

/// Each specimen has its fault, and its sound twin has not.
#[test]
fn faults() {
    let rows: HashMap<String, table::Row> =
        table::rows().into_iter().map(|row| (row.specimen.clone(), row)).collect();
    let is_one = |row: &&table::Row| {
        !row.is_command
            && row.fault != "none"
            && !row.specimen.starts_with("udp_")
            && !row.specimen.contains('/')
    };
    for row in rows.values().filter(is_one) {
        let is_shown = FAULTS.iter().any(|(name, _)| *name == row.specimen);
        assert!(is_shown, "nobody shows the fault of {}", row.specimen);
    }
    all(
        FAULTS,
        |(name, _)| (*name).to_owned(),
        |(name, shows)| {
            let row = &rows[*name];
            assert!(shows(start(&format!("broken/{name}"))), "{name} has no fault");
            assert!(!shows(start(&twin(row))), "{} has the fault of {name}", row.design);
        },
    );
}

/// A row's sound program.
fn twin(row: &table::Row) -> String {
    if row.design.starts_with("sound_") {
        format!("broken/{}", row.design)
    } else {
        row.design.clone()
    }
}

/// What all have in common: a good client's answer, a refusal, and an end with status 0, unless that is the fault.
#[test]
fn otherwise_sound() {
    let names: Vec<&str> = FAULTS.iter().map(|(name, _)| *name).collect();
    all(
        &names,
        |name| (*name).to_owned(),
        |name| {
            let server = start(&format!("broken/{name}"));
            let is_persistent =
                ["blocked_by_slow_reader", "drops_pipelined", "drops_unsent"].contains(name);
            let client = Client::connect(&server);
            client.send(b"10\n");
            let mut answer = [0; 2];
            (&client.stream).read_exact(&mut answer).expect("an answer");
            assert_eq!(&answer, b"55");
            drop(client);
            if *name == "dies_of_its_children" {
                return;
            }
            if !is_persistent && *name != "no_eof" {
                assert!(serves(&server));
                if *name != "dies_of_garbage" {
                    let Got::End(refused, End::Closed) = ask(&server, b"?\n") else {
                        panic!("no refusal");
                    };
                    assert!(refused.starts_with("error: "), "{refused:?}");
                }
            }
            let stops = !matches!(
                *name,
                "ignores_sigterm"
                    | "ignores_all_signals"
                    | "dies_of_sigterm"
                    | "no_stop_status"
                    | "orphans"
                    | "orphans_keep_listening"
            );
            if stops {
                server.stop().assert_clean();
            }
        },
    );
}

/// The sound server that no twin is: one request after the other, and a refusal is an answer.
#[test]
fn persistent() {
    let server = start("broken/sound_persistent");
    let client = Client::connect(&server);
    for (request, answer) in
        [("10\n", "55\n"), ("x\n", "error: "), ("1\n2\n\r\n0\r\n", "1\n1\nerror: ")]
    {
        client.send(request.as_bytes());
        let mut said = vec![0; answer.len()];
        (&client.stream).read_exact(&mut said).expect("an answer");
        assert_eq!(String::from_utf8_lossy(&said), answer);
        if answer.ends_with("error: ") {
            let mut byte = [0];
            while byte != *b"\n" {
                (&client.stream).read_exact(&mut byte).expect("the end of the line");
            }
        }
    }
    let mut said = [0; 2];
    (&client.stream).read_exact(&mut said).expect("an answer");
    assert_eq!(&said, b"0\n");
    client.send(b"12");
    client.finish();
    client.expect("144\n");
    let long = Client::connect(&server);
    long.send(&[b'1'; 40]);
    let (answer, end) = long.read();
    assert_eq!((answer.starts_with("error: longer"), end), (true, End::Closed), "{answer:?}");
    let silent = Client::connect(&server);
    silent.send(b"1");
    silent.until_consumed();
    server.stop().assert_clean();
    assert_eq!(silent.read().0, "");
}

/// The port is taken anew: a specimen is told where to listen.
#[test]
fn the_port_is_the_one_that_was_asked_for() {
    let server = start("broken/wrong_answer");
    let addr = server.addr;
    server.stop().assert_clean();
    let server = start_at("broken/wrong_answer", addr.port());
    assert_eq!(server.addr, addr);
    let help = program("broken/wrong_answer").arg("--help").output().expect("it runs");
    assert!(help.status.success() && String::from_utf8_lossy(&help.stdout).contains("--port N"));
}

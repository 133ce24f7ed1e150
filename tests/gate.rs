//! The gate: what real servers do with calls that fail, and that nothing else is changed.

mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::libc;
use nix::sys::signal::Signal;
use socklab::net::Deadline;
use socklab::posix::error::{
    EAGAIN, EBUSY, ECONNABORTED, ECONNRESET, EINTR, EINVAL, EIO, EMFILE, ENOMEM, EPIPE,
};
use socklab::subject::gate::{Call, Fault, Gate, Only, Open, Sysno, Tap};
use support::Server;

const ACCEPT: &[&str] = &["accept", "accept4"];
const RECEIVE: &[&str] = &["read", "recvfrom", "recvmsg"];
const SEND: &[&str] = &["write", "sendto", "sendmsg"];
const MAKE: &[&str] = &["fork", "vfork", "clone", "clone3"];
const WAIT: &[&str] = &["select", "pselect6", "poll", "ppoll", "epoll_wait", "epoll_pwait"];

/// Everything, `close` and `execve` too, with which a gate must not be able to hold itself up.
fn everything() -> Vec<Sysno> {
    let rest = &["close", "execve", "exit_group", "wait4", "futex", "shutdown", "fcntl"];
    Sysno::all(&[ACCEPT, RECEIVE, SEND, MAKE, WAIT, rest].concat())
}

fn gated(command: &mut Command, calls: &[Sysno]) -> Tap {
    let (gate, tap) = Gate::new(calls).expect("a gate");
    // SAFETY: what it does is made for the time between fork and exec.
    unsafe { command.pre_exec(move || gate.install()) };
    tap
}

fn start(mut command: Command) -> (Server, Tap) {
    let tap = gated(&mut command, &everything());
    let server = Server::spawn(command);
    assert_eq!(tap.until_installed(Deadline::NEVER), Ok(true));
    (server, tap)
}

fn serve(design: &str) -> (Server, Tap) {
    let mut command = support::socklab();
    command.args(["serve", design, "--port", "0"]);
    start(command)
}

/// A program of the system's own Python, as whoever runs it.
fn python(program: &str) -> Command {
    let mut command = Command::new("python3");
    command.env("PATH", "/usr/bin:/bin:/usr/local/bin").args(["-c", program]);
    command
}

/// An iterative server. With "careless" as its argument, it does not look what accept() fails with.
const ITERATIVE: &str = r#"
import socket, sys
s = socket.create_server(("127.0.0.1", 0))
print("listening on 127.0.0.1:%d" % s.getsockname()[1], flush=True)
while True:
    try:
        client, peer = s.accept()
    except OSError:
        if "careless" in sys.argv: raise
        continue
    try:
        if client.recv(64): client.send(b"55")
    except OSError:
        pass
    client.close()
"#;

fn half_asked(addr: SocketAddr) -> TcpStream {
    let mut client = TcpStream::connect(addr).expect("the server listens");
    client.write_all(b"10\n").expect("sent");
    client
}

/// A client is there when the fault fires, whatever becomes of it; the next one is served.
#[track_caller]
fn survives(what: &str, (mut server, tap): (Server, Tap), fault: Fault) {
    assert_eq!(server.ask(b"10\n"), "55", "{what}: before");
    let errno = fault.errno;
    tap.arm(fault).expect("armed");
    let mut hurt = half_asked(server.addr);
    assert_eq!(tap.until_fired(Deadline::NEVER), Ok(true), "{what}");
    assert_eq!(server.ask(b"10\n"), "55", "{what}: after");
    assert!(server.is_alive(), "{what}");
    // What it gets is the server's to decide; but it is not left waiting.
    let _ = hurt.read(&mut [0; 8]);
    assert_eq!(tap.fired(), 1, "{what}");
    let failed: Vec<Call> = tap.log(0).calls.into_iter().filter(|c| c.errno != 0).collect();
    assert!(matches!(&failed[..], [call] if call.errno == errno), "{what}: {failed:?}");
    drop(tap);
    let ended = server.stop();
    assert!(!ended.left, "{what}: processes are left");
}

fn next(calls: &[&str], errno: i32) -> Fault {
    Fault::next(&Sysno::all(calls), errno)
}

const DESIGNS: [&str; 6] = ["iterative", "forked", "threaded", "select", "epoll", "preforked"];

#[test]
fn an_accept_that_fails() {
    for design in DESIGNS {
        for errno in [EMFILE, ECONNABORTED, EINTR, ENOMEM] {
            survives(&format!("{design}, accept: {errno}"), serve(design), next(ACCEPT, errno));
        }
    }
    survives("python, accept", start(python(ITERATIVE)), next(ACCEPT, EMFILE));
}

#[test]
fn a_recv_that_fails() {
    for design in ["iterative", "threaded", "select", "epoll", "forked"] {
        for errno in [EINTR, ECONNRESET] {
            let fault = next(&["recvfrom"], errno);
            survives(&format!("{design}, recv: {errno}"), serve(design), fault);
        }
    }
    survives("python, recv", start(python(ITERATIVE)), next(&["recvfrom"], ECONNRESET));
}

#[test]
fn a_send_that_fails() {
    for design in DESIGNS {
        survives(&format!("{design}, send"), serve(design), next(&["sendto"], EPIPE));
    }
    survives("python, send", start(python(ITERATIVE)), next(&["sendto"], EPIPE));
}

/// Whatever close() fails with, the connection is at its end.
#[test]
fn a_close_that_fails() {
    for design in DESIGNS {
        for errno in [EINTR, EIO] {
            let (server, tap) = serve(design);
            let only = Only { port: Some(server.addr.port()), ..Only::default() };
            tap.arm(Fault { only, ..next(&["close"], errno) }).expect("armed");
            let mut client = half_asked(server.addr);
            // It was not read to its end by some, who reset it.
            let mut answer = Vec::new();
            let _ = client.read_to_end(&mut answer);
            assert!(answer.starts_with(b"55"), "{design}: {answer:?}");
            assert_eq!(tap.until_fired(Deadline::NEVER), Ok(true), "{design}");
        }
    }
}

#[test]
fn a_process_or_a_thread_that_can_not_be_made() {
    for (design, thread) in [("forked", false), ("threaded", true)] {
        for errno in [EAGAIN, ENOMEM] {
            let only = Only { thread: Some(thread), ..Only::default() };
            let fault = Fault { only, ..next(MAKE, errno) };
            survives(&format!("{design}: {errno}"), serve(design), fault);
        }
    }
}

/// The second accept of a careless server, which dies of it, and of a careful one: strace says so too.
#[test]
fn strace_sees_the_same() {
    for (argument, survives) in [("careless", false), ("careful", true)] {
        let mut command = python(ITERATIVE);
        command.arg(argument);
        let tap = gated(&mut command, &everything());
        let fault = Fault { nth: 2, ..next(ACCEPT, EMFILE) };
        // No loader accepts anything: this one can be armed from the beginning.
        tap.arm(fault).expect("armed");
        let lives = asked_twice(Server::spawn(command));
        assert_eq!((lives, tap.fired()), (survives, 1), "{argument}");
        if !has_strace() {
            continue;
        }
        let mut traced = Command::new("strace");
        traced.args(["-f", "-qq", "-o/dev/null", "-einject=accept4:error=EMFILE:when=2"]);
        traced.args(["python3", "-c", ITERATIVE, argument]);
        traced.env("PATH", "/usr/bin:/bin:/usr/local/bin");
        assert_eq!(asked_twice(Server::spawn(traced)), survives, "{argument}, strace");
    }
}

fn has_strace() -> bool {
    let found = Command::new("strace").arg("-V").output().is_ok_and(|out| out.status.success());
    if !found {
        eprintln!("skipped: a second witness: strace is not installed");
    }
    found
}

/// Whether the second client is served; a server that has died of the first does not listen.
fn asked_twice(server: Server) -> bool {
    assert_eq!(server.ask(b"10\n"), "55");
    let mut answer = String::new();
    let Ok(mut client) = TcpStream::connect(server.addr) else { return false };
    let asked = client.write_all(b"10\n").and_then(|()| client.read_to_string(&mut answer));
    asked.is_ok() && answer == "55"
}

/// The same run, counted twice. No signal comes before its end, so that nothing is made anew.
#[test]
fn counts_are_exact() {
    if !has_strace() {
        return;
    }
    const CALLS: [&str; 5] = ["accept", "recvfrom", "sendto", "clone", "clone3"];
    let path = format!("{}/gate-trace", env!("CARGO_TARGET_TMPDIR"));
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-o", &path, &format!("-etrace={}", CALLS.join(","))]);
    command.arg(env!("CARGO_BIN_EXE_socklab")).args(["serve", "threaded", "--port", "0"]);
    let tap = gated(&mut command, &Sysno::all(&CALLS));
    tap.start_counting();
    let server = Server::spawn(command);
    for _ in 0..20 {
        assert_eq!(server.ask(b"10\n"), "55");
    }
    // It waits for the next one, and is not on its way there.
    while tap.total(&Sysno::all(&["accept"])) < 21 {
        std::thread::yield_now();
    }
    // strace holds SIGTERM back.
    let [traced] = server.children()[..] else { panic!("one child: {:?}", server.children()) };
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(traced), Signal::SIGTERM).expect("it runs");
    server.wait();
    let trace = std::fs::read_to_string(&path).expect("a trace");
    std::fs::remove_file(&path).expect("removed");
    for call in &CALLS[..3] {
        let made = |line: &&str| {
            line.split_whitespace().nth(1).is_some_and(|rest| rest.starts_with(&format!("{call}(")))
        };
        let traced = trace.lines().filter(made).count() as u64;
        let counted = tap.total(&Sysno::all(&[call]));
        assert!(traced >= 20 && traced == counted, "{call}: {traced} and {counted}\n{trace}");
    }
    // A thread for each client, and who made them.
    assert_eq!(trace.lines().filter(|line| line.contains("CLONE_THREAD")).count(), 20, "{trace}");
    let mut log = tap.log(0);
    assert_eq!(log.next(), log.calls.len() as u64);
    log.calls.retain(|call| call.tid == traced as u32 && call.is_thread() == Some(true));
    assert_eq!(log.calls.len(), 20);
    let sends = tap.counts().into_iter().filter(|((_, call), _)| call.name() == "sendto");
    assert_eq!(sends.map(|(_, count)| count).collect::<Vec<_>>(), [1; 20], "one in each thread");
}

#[test]
fn a_call_that_never_comes() {
    let (server, tap) = serve("iterative");
    tap.arm(next(&["sendmsg"], EPIPE)).expect("armed");
    assert_eq!(server.ask(b"10\n"), "55");
    assert_eq!(tap.until_fired(Deadline::after(Duration::from_millis(1))), Ok(false));
    // With the server's end nobody can make it any more: then the wait is over, whatever the deadline.
    server.stop().assert_clean();
    assert_eq!(tap.until_fired(Deadline::NEVER), Ok(false));
    assert!(tap.is_over());
    tap.arm(next(&["sendmsg"], EPIPE)).expect("armed");
    assert_eq!(tap.until_fired(Deadline::NEVER), Ok(false));
    assert_eq!(tap.fired(), 0);
}

#[test]
fn nothing_is_seen_before_it_is_asked_for_or_after() {
    let (server, tap) = serve("epoll");
    assert_eq!(server.ask(b"10\n"), "55");
    assert_eq!((tap.counts().len(), tap.log(0).calls.len()), (0, 0));
    tap.start_counting();
    assert_eq!(server.ask(b"10\n"), "55");
    tap.stop_counting();
    let (counted, sent) = (tap.counts(), tap.total(&Sysno::all(&["sendto"])));
    assert_eq!(sent, 1, "{counted:?}");
    assert_eq!(server.ask(b"10\n"), "55");
    assert_eq!(tap.counts(), counted);
    // Whoever watches can go: the server does not notice.
    drop(tap);
    assert_eq!(server.ask(b"10\n"), "55");
    server.stop().assert_clean();
}

#[test]
fn so_many_in_a_row_and_of_one_task() {
    let (server, tap) = start(python(ITERATIVE));
    let accept = Sysno::all(ACCEPT);
    let of = |call: &&Call| accept.contains(&call.sysno);
    let other = Only { tid: Some(std::process::id()), ..Only::default() };
    tap.arm(Fault { only: other, ..next(ACCEPT, EMFILE) }).expect("armed");
    assert_eq!(server.ask(b"10\n"), "55");
    assert_eq!(tap.fired(), 0);
    let only = Only { tid: Some(server.pid() as u32), ..Only::default() };
    tap.arm(Fault { only, nth: 2, times: 5, ..next(ACCEPT, EMFILE) }).expect("armed");
    let since = tap.log(0).next();
    for _ in 0..4 {
        assert_eq!(server.ask(b"10\n"), "55");
    }
    assert_eq!(tap.fired(), 5);
    let log = tap.log(since);
    let accepts: Vec<i32> = log.calls.iter().filter(of).map(|call| call.errno).collect();
    assert_eq!(accepts[..7], [0, EMFILE, EMFILE, EMFILE, EMFILE, EMFILE, 0]);
    tap.disarm();
    assert_eq!(server.ask(b"10\n"), "55");
}

/// A server that reads from a file, and asks another server, before it reads from its client.
const ASKING: &str = r#"
import os, socket
s, back = (socket.create_server(("127.0.0.1", 0)) for _ in range(2))
print("listening on 127.0.0.1:%d" % s.getsockname()[1], flush=True)
zero = os.open("/dev/zero", os.O_RDONLY)
while True:
    client = s.accept()[0]
    os.read(zero, 8)
    with socket.create_connection(back.getsockname()) as asking, back.accept()[0] as asked:
        os.write(asking.fileno(), b"8 bytes!")
        os.write(asked.fileno(), os.read(asked.fileno(), 8))
        os.read(asking.fileno(), 8)
    answer = 55
    try:
        os.read(client.fileno(), 64)
    except OSError as error:
        answer = error.errno
        client.recv(64)
    try:
        os.write(client.fileno(), b"%d" % answer)
    except OSError as error:
        client.send(b"%d" % error.errno)
    client.close()
"#;

/// Neither files nor the connections to others.
#[test]
fn of_clients_connections() {
    for calls in [&["read"], &["write"]] {
        let (server, tap) = start(python(ASKING));
        let only = Only { port: Some(server.addr.port()), ..Only::default() };
        tap.arm(Fault { only, ..next(calls, EIO) }).expect("armed");
        assert_eq!(server.ask(b"10\n"), EIO.to_string());
        assert_eq!(tap.fired(), 1);
        let log = tap.log(0).calls;
        let (failed, made): (Vec<Call>, Vec<Call>) =
            log.into_iter().partition(|call| call.errno != 0);
        let on = failed[0].on;
        assert!(matches!(on, Open::Socket { port, .. } if port == only.port), "{failed:?}");
        let others = made.iter().filter(|call| call.on != on && call.on != Open::Hidden);
        assert!(others.filter(|call| calls.contains(&call.sysno.name())).count() >= 2, "{made:?}");
        server.stop();
    }
}

#[test]
fn refused_faults() {
    let (_gate, tap) = Gate::new(&Sysno::all(&["accept4"])).expect("a gate");
    let fault = next(&["accept4"], EMFILE);
    assert_eq!(tap.arm(fault.clone()), Ok(()));
    for wrong in [
        next(&["recvfrom"], EMFILE),
        next(&[], EMFILE),
        next(&["accept4"], 0),
        next(&["accept4"], 4096),
        Fault { nth: 0, ..fault.clone() },
        Fault { times: 0, ..fault },
    ] {
        let refused = tap.arm(wrong.clone()).map_err(|error| error.errno());
        assert_eq!(refused, Err(EINVAL), "{wrong:?}");
    }
    assert_eq!(Sysno::named("no such call"), None);
    assert_eq!(Sysno::named("accept4").expect("a call").to_string(), "accept4");
}

/// Many clients at once, among signals that are handled, ignored, or stop everything for a moment: a call
/// that no signal can interrupt is made and counted once, however often it was held up on its way. A
/// clone() is interrupted by a signal, and made anew by the kernel.
#[test]
fn signals_lose_nothing() {
    for design in ["forked", "threaded", "iterative"] {
        let (server, tap) = serve(design);
        assert_eq!(server.ask(b"10\n"), "55");
        tap.start_counting();
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let storm = scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    for signal in [Signal::SIGCHLD, Signal::SIGSTOP, Signal::SIGCONT] {
                        server.signal(signal);
                    }
                }
            });
            let ask = || (0..25).for_each(|_| assert_eq!(server.ask(b"10\n"), "55"));
            let clients = [(); 4].map(|()| scope.spawn(ask));
            let served = clients.map(|client| client.join().is_ok());
            is_over.store(true, Ordering::Relaxed);
            storm.join().expect("the storm ends");
            assert_eq!(served, [true; 4], "{design}");
        });
        let sent = tap.total(&Sysno::all(&["sendto"]));
        let made = tap.log(0).calls.iter().filter(|call| call.flags.is_some()).count();
        assert_eq!(sent, 100, "{design}");
        assert!(if design == "iterative" { made == 0 } else { made >= 100 }, "{design}: {made}");
        server.stop().assert_clean();
    }
}

/// A server that gives up other system calls has its own filter in front of the gate.
#[test]
fn a_server_in_a_sandbox() {
    // SAFETY: with a null pointer and this flag it only returns a version.
    if unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, 0, 0, 1) } < 1 {
        eprintln!("skipped: a server in a sandbox: this kernel has no Landlock");
        return;
    }
    let mut command = support::socklab();
    command.args(["serve", "hybrid", "--port", "0", "--sandbox"]);
    let (server, tap) = start(command);
    tap.start_counting();
    for _ in 0..3 {
        assert_eq!(server.ask(b"10\n"), "55");
    }
    assert_eq!(tap.total(&Sysno::all(&["sendto"])), 3);
    server.stop().assert_clean();
}

/// A program that can't be executed: its child's last calls are asked about too.
#[test]
fn who_never_starts_holds_nobody_up() {
    let mut command = Command::new("/no/such/program");
    let tap = gated(&mut command, &everything());
    assert!(command.spawn().is_err());
    drop(command);
    assert_eq!(tap.until_installed(Deadline::NEVER), Ok(true));
    assert_eq!(tap.until_fired(Deadline::NEVER), Ok(false));
    // Before it comes as far as that.
    let (gate, tap) = Gate::new(&everything()).expect("a gate");
    drop(gate);
    assert_eq!(tap.until_installed(Deadline::NEVER), Ok(false));
}

/// There can be one gate and no second one behind it.
#[test]
fn a_gate_behind_a_gate() {
    let mut command = Command::new("true");
    let outer = gated(&mut command, &everything());
    let inner = gated(&mut command, &everything());
    let error = command.spawn().expect_err("refused");
    assert_eq!(error.raw_os_error(), Some(EBUSY));
    assert_eq!(outer.until_installed(Deadline::NEVER), Ok(true));
    let refused = inner.until_installed(Deadline::NEVER).map_err(|error| error.to_string());
    assert_eq!(refused, Err("seccomp: Device or resource busy".to_string()));
}

/// One process and thread more, and a connection of its own, in a network of its own.
const ALONE: &str = r#"
import fcntl, os, socket, struct, threading
control = socket.socket()
fcntl.ioctl(control, 0x8914, struct.pack("16sH22x", b"lo", 1)) if os.getpid() == 1 else None
s = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(s.getsockname())
for attempt in 1, 2:
    try:
        s.accept()[0].sendall(b"%d" % attempt)
        break
    except OSError as error:
        print(error.errno, flush=True)
thread = threading.Thread(target=lambda: print(client.recv(8).decode(), flush=True))
thread.start()
thread.join()
pid = os.fork()
if pid == 0: os._exit(7)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), os.getpid(), flush=True)
"#;

/// Who has no privilege, in namespaces of its own; and whose ids those are that are seen.
#[test]
fn without_privilege_and_in_namespaces() {
    let nobody = |mut command: Command| {
        if nix::unistd::geteuid().is_root() {
            command.uid(65534).gid(65534);
        }
        command.current_dir("/").env("PATH", "/usr/bin:/bin:/usr/local/bin");
        command
    };
    let unshared = |words: &[&str]| {
        let mut command = nobody(Command::new("unshare"));
        command.args(["--user", "--map-root-user", "--pid", "--net", "--fork"]).args(words);
        command
    };
    let mut commands = vec![("alone", nobody(python(ALONE)))];
    if unshared(&["true"]).output().is_ok_and(|out| out.status.success()) {
        commands.push(("unshared", unshared(&["python3", "-c", ALONE])));
    } else {
        eprintln!("skipped: a subject in namespaces: not permitted here");
    }
    for (name, mut command) in commands {
        let tap = gated(&mut command, &everything());
        tap.arm(next(ACCEPT, EMFILE)).expect("armed");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().expect("it starts");
        let pid = child.id();
        let Output { status, stdout, stderr } = child.wait_with_output().expect("its output");
        let said = String::from_utf8_lossy(&stdout).into_owned();
        let stderr = String::from_utf8_lossy(&stderr);
        assert!(status.success(), "{name}: {:?} {said}{stderr}", status.signal());
        let itself = if name == "unshared" { 1 } else { pid };
        assert_eq!(said, format!("{EMFILE}\n2\n7 {itself}\n"), "{name}: {stderr}");
        assert_eq!(tap.fired(), 1);
        let log = tap.log(0).calls;
        let failed = log.iter().find(|call| call.errno != 0).expect("it failed");
        // The ids are ours, not those in there.
        assert!(failed.tid >= pid && (name == "unshared") == (failed.tid != pid), "{failed:?}");
        let made = |thread| {
            let by = |call: &&Call| call.tid == failed.tid && call.is_thread() == Some(thread);
            log.iter().filter(by).count()
        };
        assert_eq!((made(true), made(false)), (1, 1), "{name}");
    }
}

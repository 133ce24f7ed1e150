//! A process for each test, rows of error tables, and the sockets that every test needs.

use std::any::type_name;
use std::ffi::{c_int, c_uint};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Command, Output};

use nix::sys::prctl::set_pdeathsig;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::Signal;
use nix::unistd::{Gid, Uid, geteuid, setresgid, setresuid};
use socklab::linux::close_range::close_range;
use socklab::posix::arpa_inet::{htonl, htons};
use socklab::posix::error::{EAGAIN, Errno, Result};
use socklab::posix::fcntl::{F_GETFL, F_SETFL, O_NONBLOCK, fcntl};
use socklab::posix::netinet_in::{
    INADDR_LOOPBACK, IPPROTO_TCP, as_sockaddr_in, sockaddr_in, sockaddr_in6,
};
use socklab::posix::poll::{poll, pollfd};
use socklab::posix::sys_socket::{
    AF_INET, AF_INET6, AF_UNIX, MSG_DONTWAIT, MSG_PEEK, SOCK_DGRAM, SOCK_STREAM, accept, bind,
    connect, getsockname, getsockopt, listen, recv, send, sockaddr_storage, socket, socketpair,
};
use socklab::posix::sys_wait::{WEXITSTATUS, WIFEXITED, waitpid};
use socklab::posix::unistd::{_exit, fork, getpid, getppid, pid_t};

const CASE: &str = "SOCKLAB_POSIX_CASE";

/// Runs the body of the calling test in a process of its own: this program again, with this test
/// alone and the three standard descriptors. There the test's thread runs `body`, and the only
/// other thread waits for it.
pub(crate) fn alone<F: FnOnce()>(body: F) {
    alone_with_output(body);
}

/// [`alone`], with the other process's output: `None` there, `Some` here.
pub(crate) fn alone_with_output<F: FnOnce()>(body: F) -> Option<Output> {
    let name = type_name::<F>();
    let name = name.split_once("::").map_or(name, |(_, path)| path);
    let name = name.trim_end_matches("::{{closure}}");
    if std::env::var(CASE).is_ok_and(|case| case == name) {
        // Sockets are made without SOCK_CLOEXEC, and those of the tests beside this one came along.
        // SAFETY: the only other thread waits for this one and has none but the standard three.
        unsafe { close_range(3, c_uint::MAX) }.expect("close_range");
        body();
        return None;
    }
    let program = std::env::current_exe().expect("the path of this program");
    let output = Command::new(program)
        .args(["--exact", name, "--nocapture"])
        .env(CASE, name)
        .output()
        .expect("this program runs again");
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    let passed = output.status.success() && stdout.contains("1 passed");
    assert!(passed, "{name} in its own process: {}\n{stdout}\n{stderr}", output.status);
    eprint!("{stderr}");
    Some(output)
}

/// Runs `body` in a child that was forked and not executed, which ends with the status returned,
/// or with its parent.
pub(crate) fn forked(body: impl FnOnce() -> c_int) -> pid_t {
    assert!(std::env::var(CASE).is_ok(), "fork only in a process of the test's own");
    let parent = getpid();
    // SAFETY: the only other thread waits for this one and holds no lock of the C library.
    match unsafe { fork() }.expect("fork") {
        0 => {
            let with_parent = set_pdeathsig(Signal::SIGKILL);
            if with_parent.is_err() || getppid() != parent {
                _exit(102);
            }
            _exit(catch_unwind(AssertUnwindSafe(body)).unwrap_or(101))
        }
        pid => pid,
    }
}

/// The status with which a child ends.
pub(crate) fn status(pid: pid_t) -> c_int {
    let (_, wstatus) = waitpid(pid, 0).expect("waitpid");
    assert!(WIFEXITED(wstatus), "the child was ended: status {wstatus:#x}");
    WEXITSTATUS(wstatus)
}

/// What a call returned, as the status of a process: 0, or its `errno`.
pub(crate) fn errno_of<T>(result: Result<T>) -> c_int {
    result.map_or_else(|error| error.errno(), |_| 0)
}

/// Looks again and again until it is so, giving the processor away in between.
#[track_caller]
pub(crate) fn until(mut condition: impl FnMut() -> bool) {
    // A wait that is longer than this never ends: not a criterion of anything.
    const NEVER: std::time::Duration = std::time::Duration::from_secs(60);
    let start = std::time::Instant::now();
    while !condition() {
        assert!(start.elapsed() < NEVER, "it never happened");
        std::thread::yield_now();
    }
}

/// Waits until a process sleeps in a call that a signal can interrupt.
pub(crate) fn until_blocked(pid: pid_t) {
    until(|| sleeps(&format!("/proc/{pid}/stat")));
}

/// Waits until a thread of this process sleeps in a call that a signal can interrupt.
pub(crate) fn until_thread_blocked(tid: pid_t) {
    until(|| sleeps(&format!("/proc/self/task/{tid}/stat")));
}

fn sleeps(stat: &str) -> bool {
    let stat = std::fs::read_to_string(stat).expect("it has not ended");
    stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('S'))
}

/// One row of an error table: `result` is the failure of `call` with the number `errno`.
#[track_caller]
pub(crate) fn row<T>(call: &str, what: &str, result: Result<T>, errno: c_int) {
    match result {
        Ok(_) => panic!("{call}, {what}: succeeded instead of `{}`", Errno(errno)),
        Err(error) => {
            assert_eq!(error.call, call, "{what}: the name of the call");
            let expected = Errno(errno);
            assert_eq!(error.errno(), errno, "{call}, {what}: `{error}` instead of `{expected}`");
        }
    }
}

/// Why a row is left out, where it can't be had.
pub(crate) fn skip(what: &str, why: &str) {
    eprintln!("skipped: {what}: {why}");
}

/// A descriptor that is not open: its number is beyond every limit.
pub(crate) fn not_open() -> BorrowedFd<'static> {
    // SAFETY: not -1; the calls under test only look the number up, and find nothing.
    unsafe { BorrowedFd::borrow_raw(c_int::MAX) }
}

/// Sets how many descriptors this process may open (the soft limit); returns the limit before.
pub(crate) fn limit_files(limit: u64) -> u64 {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("getrlimit");
    setrlimit(Resource::RLIMIT_NOFILE, limit.min(hard), hard).expect("setrlimit");
    soft
}

/// Gives root up, where the tests run as root; whether this process is now without privilege.
pub(crate) fn become_nobody() -> bool {
    let (uid, gid) = (Uid::from_raw(65534), Gid::from_raw(65534));
    !geteuid().is_root() || (setresgid(gid, gid, gid).is_ok() && setresuid(uid, uid, uid).is_ok())
}

/// A number under `/proc/sys`; of several, the one at `index`.
pub(crate) fn sysctl(name: &str, index: usize) -> c_int {
    let text = std::fs::read_to_string(format!("/proc/sys/{name}")).expect(name);
    text.split_whitespace().nth(index).and_then(|word| word.parse().ok()).expect(name)
}

pub(crate) fn tcp() -> OwnedFd {
    socket(AF_INET, SOCK_STREAM, 0).expect("socket")
}

pub(crate) fn tcp6() -> OwnedFd {
    socket(AF_INET6, SOCK_STREAM, 0).expect("socket")
}

pub(crate) fn udp() -> OwnedFd {
    socket(AF_INET, SOCK_DGRAM, 0).expect("socket")
}

pub(crate) fn unix() -> OwnedFd {
    socket(AF_UNIX, SOCK_STREAM, 0).expect("socket")
}

/// A connected pair of local sockets.
pub(crate) fn unix_pair() -> [OwnedFd; 2] {
    socketpair(AF_UNIX, SOCK_STREAM, 0).expect("socketpair")
}

/// An IPv4 address and a port, both in host byte order.
pub(crate) fn address(host: u32, port: u16) -> sockaddr_in {
    let mut addr = sockaddr_in();
    addr.sin_family = AF_INET as _;
    addr.sin_addr.s_addr = htonl(host);
    addr.sin_port = htons(port);
    addr
}

pub(crate) fn loopback(port: u16) -> sockaddr_in {
    address(INADDR_LOOPBACK, port)
}

/// `::1` and a port in host byte order.
pub(crate) fn loopback6(port: u16) -> sockaddr_in6 {
    let mut addr = sockaddr_in6();
    addr.sin6_family = AF_INET6 as _;
    addr.sin6_addr.s6_addr[15] = 1;
    addr.sin6_port = htons(port);
    addr
}

/// The local address of an IPv4 socket.
pub(crate) fn name(fd: impl AsFd) -> sockaddr_in {
    *as_sockaddr_in(&getsockname(fd).expect("getsockname")).expect("an IPv4 address")
}

/// Address and port of an IPv4 socket address, as they are in memory.
pub(crate) fn parts(addr: &sockaddr_storage) -> (u32, u16) {
    let addr = as_sockaddr_in(addr).expect("an IPv4 address");
    (addr.sin_addr.s_addr, addr.sin_port)
}

/// A socket bound to a port of 127.0.0.1 that nobody else has.
pub(crate) fn bound(fd: OwnedFd) -> (OwnedFd, sockaddr_in) {
    bind(&fd, &loopback(0)).expect("bind");
    let addr = name(&fd);
    (fd, addr)
}

pub(crate) fn listener() -> (OwnedFd, sockaddr_in) {
    let (fd, addr) = bound(tcp());
    listen(&fd, 5).expect("listen");
    (fd, addr)
}

/// A client connected to the listening socket, and the connected socket that was accepted.
pub(crate) fn connected_to(listenfd: &OwnedFd) -> (OwnedFd, OwnedFd) {
    let client = tcp();
    connect(&client, &name(listenfd)).expect("connect");
    let (server, _) = accept(listenfd).expect("accept");
    (client, server)
}

/// A TCP connection: the client's end and the server's.
pub(crate) fn connected() -> (OwnedFd, OwnedFd) {
    connected_to(&listener().0)
}

/// Two UDP sockets, each connected to the other.
pub(crate) fn udp_pair() -> (OwnedFd, OwnedFd) {
    let ((one, one_addr), (other, other_addr)) = (bound(udp()), bound(udp()));
    connect(&one, &other_addr).expect("connect");
    connect(&other, &one_addr).expect("connect");
    (one, other)
}

/// A TCP port at which nobody listens; it stays so while the socket lives, since that has it.
pub(crate) fn closed_tcp_port() -> (OwnedFd, sockaddr_in) {
    bound(tcp())
}

/// A UDP port that is closed to us: the socket that has it is connected to another.
pub(crate) fn closed_udp_port() -> (OwnedFd, sockaddr_in) {
    let (fd, addr) = bound(udp());
    connect(&fd, &addr).expect("connect");
    (fd, addr)
}

/// A listening socket whose queue is full, and the connection that fills it: the next one waits.
pub(crate) fn full_listener() -> (OwnedFd, sockaddr_in, OwnedFd) {
    let (fd, addr) = bound(tcp());
    listen(&fd, 0).expect("listen");
    let first = tcp();
    connect(&first, &addr).expect("connect");
    until(|| queued(&fd) == 1);
    (fd, addr, first)
}

pub(crate) fn set_nonblocking(fd: impl AsFd) {
    let fd = fd.as_fd();
    let flags = fcntl(fd, F_GETFL, 0).expect("fcntl");
    fcntl(fd, F_SETFL, flags | O_NONBLOCK).expect("fcntl");
}

/// Waits until poll reports all of `events`.
pub(crate) fn wait_for(fd: impl AsFd, events: i16) {
    until(|| {
        let mut fds = [pollfd::new(&fd, events)];
        poll(&mut fds, -1).expect("poll");
        fds[0].revents() & events == events
    });
}

/// Waits until so many bytes can be received, and takes none of them.
pub(crate) fn wait_for_bytes(fd: impl AsFd, count: usize) {
    let mut buf = vec![0; count];
    until(|| recv(&fd, &mut buf, MSG_PEEK | MSG_DONTWAIT).is_ok_and(|n| n == count));
}

/// Sends until nothing more fits; how many bytes did. TCP may have room again soon, when what it
/// has sent arrives; a local socket has none until its peer reads.
pub(crate) fn fill(fd: impl AsFd) -> usize {
    let mut total = 0;
    loop {
        match send(&fd, &[b'x'; 65536], MSG_DONTWAIT) {
            Ok(sent) => total += sent,
            full => {
                row("send", "full, MSG_DONTWAIT", full, EAGAIN);
                return total;
            }
        }
    }
}

/// Linux's `struct tcp_info`, as bytes.
pub(crate) fn tcp_info(fd: impl AsFd) -> [u8; 104] {
    const TCP_INFO: c_int = 11;
    getsockopt(fd, IPPROTO_TCP, TCP_INFO).expect("getsockopt")
}

/// How many connections wait in the queue of a listening socket (its `tcpi_unacked`).
pub(crate) fn queued(fd: impl AsFd) -> u8 {
    tcp_info(fd)[24]
}

/// The state of a TCP socket (`tcpi_state`).
pub(crate) fn tcp_state(fd: impl AsFd) -> u8 {
    tcp_info(fd)[0]
}

pub(crate) const FIN_WAIT1: u8 = 4;
pub(crate) const FIN_WAIT2: u8 = 5;
pub(crate) const TIME_WAIT: u8 = 6;
pub(crate) const CLOSE: u8 = 7;

/// The states of the connections between two local ports (as they are in memory), seen from the
/// first: also of those that no descriptor belongs to any more.
pub(crate) fn states_between(local: &sockaddr_in, remote: &sockaddr_in) -> Vec<u8> {
    let table = std::fs::read_to_string("/proc/net/tcp").expect("/proc/net/tcp");
    let wanted = |addr: &sockaddr_in| {
        let host = addr.sin_addr.s_addr;
        format!("{host:08X}:{:04X}", htons(addr.sin_port))
    };
    let (local, remote) = (wanted(local), wanted(remote));
    let states = table.lines().skip(1).filter_map(|line| {
        let mut words = line.split_whitespace().skip(1);
        let found = words.next()? == local && words.next()? == remote;
        u8::from_str_radix(words.next()?, 16).ok().filter(|_| found)
    });
    states.collect()
}

//! Sockets on 127.0.0.1 for the tools that show what the kernel does, and the ways to wait for it.

use std::ffi::c_int;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::thread::yield_now;
use std::time::{Duration, Instant};

use super::returned;
use crate::linux::socket_filter::{attach_filter, keep};
use crate::linux::tcp_info::{TCP_INFO, tcp_info};
use crate::net::{Deadline, from_c, to_c, wait};
use crate::posix::error::*;
use crate::posix::fcntl::{F_GETFL, F_SETFL, O_NONBLOCK, fcntl};
use crate::posix::netinet_in::IPPROTO_TCP;
use crate::posix::poll::pollfd;
use crate::posix::sys_socket::*;
use crate::posix::unistd::close;
use crate::posix::{Error, Result};

/// What has not happened after this time never will.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

pub(super) fn tcp() -> Result<OwnedFd> {
    socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)
}

pub(super) fn udp() -> Result<OwnedFd> {
    socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)
}

/// A port of 127.0.0.1, as C has it.
pub(super) fn loopback(port: u16) -> sockaddr_storage {
    to_c(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
}

/// The local address of a socket.
pub(super) fn name(sockfd: &OwnedFd) -> Result<SocketAddr> {
    from_c(&getsockname(sockfd)?).ok_or(Error::new("getsockname", EAFNOSUPPORT))
}

/// Binds it to a free port of 127.0.0.1.
pub(super) fn bound(sockfd: OwnedFd) -> Result<(OwnedFd, SocketAddr)> {
    bind(&sockfd, &loopback(0))?;
    let addr = name(&sockfd)?;
    Ok((sockfd, addr))
}

pub(super) fn listener() -> Result<(OwnedFd, SocketAddr)> {
    let (listenfd, addr) = bound(tcp()?)?;
    listen(&listenfd, 5)?;
    Ok((listenfd, addr))
}

/// A client, and the connected socket that the listening one has for it.
pub(super) fn connected_to(listenfd: &OwnedFd) -> Result<(OwnedFd, OwnedFd)> {
    let client = tcp()?;
    connect(&client, &to_c(&name(listenfd)?))?;
    let (server, _) = accept4(listenfd, SOCK_CLOEXEC)?;
    Ok((client, server))
}

/// A TCP connection: the client's end and the server's.
pub(super) fn connected() -> Result<(OwnedFd, OwnedFd)> {
    connected_to(&listener()?.0)
}

pub(super) fn set_nonblocking(sockfd: &OwnedFd) -> Result<()> {
    let flags = fcntl(sockfd, F_GETFL, 0)?;
    fcntl(sockfd, F_SETFL, flags | O_NONBLOCK).map(drop)
}

pub(super) fn set(sockfd: &OwnedFd, optname: c_int, value: c_int) -> Result<()> {
    setsockopt(sockfd, SOL_SOCKET, optname, &value)
}

pub(super) fn set_linger(sockfd: &OwnedFd, l_linger: c_int) -> Result<()> {
    setsockopt(sockfd, SOL_SOCKET, SO_LINGER, &linger { l_onoff: 1, l_linger })
}

/// Closes it with a RST.
pub(super) fn reset(sockfd: OwnedFd) -> Result<()> {
    set_linger(&sockfd, 0)?;
    close(sockfd)
}

/// Nothing that comes for this socket arrives any more, and nothing is acknowledged: as if its host
/// had lost its power.
pub(super) fn silence(sockfd: &OwnedFd) -> Result<()> {
    attach_filter(sockfd, &[keep(0)])
}

/// The state of a TCP socket.
pub(super) fn state(sockfd: &OwnedFd) -> Result<u8> {
    let info: tcp_info = getsockopt(sockfd, IPPROTO_TCP, TCP_INFO)?;
    Ok(info.tcpi_state)
}

/// The names of the states, from 1 on.
const STATES: [&str; 12] = [
    "ESTABLISHED",
    "SYN_SENT",
    "SYN_RECV",
    "FIN_WAIT1",
    "FIN_WAIT2",
    "TIME_WAIT",
    "CLOSE",
    "CLOSE_WAIT",
    "LAST_ACK",
    "LISTEN",
    "CLOSING",
    "NEW_SYN_RECV",
];

pub(super) fn state_name(state: u8) -> &'static str {
    let at = usize::from(state).checked_sub(1);
    at.and_then(|at| STATES.get(at)).copied().unwrap_or("none")
}

/// The state of the connection from one local address to another, also once no descriptor belongs to
/// it; "none" where there is no such connection.
pub(super) fn state_between(local: SocketAddr, remote: SocketAddr) -> &'static str {
    let table = fs::read_to_string("/proc/thread-self/net/tcp").unwrap_or_default();
    state_name(state_in(&table, local, remote).unwrap_or_default())
}

fn state_in(table: &str, local: SocketAddr, remote: SocketAddr) -> Option<u8> {
    let hexadecimal = |addr: SocketAddr| {
        let SocketAddr::V4(addr) = addr else { return String::new() };
        let host = u32::from_ne_bytes(addr.ip().octets());
        format!("{host:08X}:{:04X}", addr.port())
    };
    let (local, remote) = (hexadecimal(local), hexadecimal(remote));
    table.lines().skip(1).find_map(|line| {
        let mut words = line.split_whitespace().skip(1);
        let found = words.next()? == local && words.next()? == remote;
        words.next().filter(|_| found).and_then(|state| u8::from_str_radix(state, 16).ok())
    })
}

/// Looks again and again, giving the processor away in between, until it is so. False if it is not so
/// for [`PATIENCE`].
pub(super) fn until(mut condition: impl FnMut() -> Result<bool>) -> Result<bool> {
    let start = Instant::now();
    while !condition()? {
        if start.elapsed() > PATIENCE {
            return Ok(false);
        }
        yield_now();
    }
    Ok(true)
}

/// Waits until poll reports all of these events; false if it never does.
pub(super) fn wait_for(sockfd: &OwnedFd, events: i16) -> Result<bool> {
    let deadline = Deadline::after(PATIENCE);
    loop {
        let mut fds = [pollfd::new(sockfd, events)];
        if !wait(&mut fds, deadline)? {
            return Ok(false);
        }
        if fds[0].revents() & events == events {
            return Ok(true);
        }
        if deadline.is_over() {
            return Ok(false);
        }
        yield_now();
    }
}

/// Waits until so many bytes have arrived, whatever poll says, and takes none of them.
pub(super) fn wait_for_bytes(sockfd: &OwnedFd, count: usize) -> Result<bool> {
    let mut buf = vec![0; count];
    until(|| match recv(sockfd, &mut buf, MSG_PEEK | MSG_DONTWAIT) {
        Ok(arrived) => Ok(arrived == count),
        Err(error) if error.errno() == EAGAIN => Ok(false),
        Err(error) => Err(error),
    })
}

/// Sends until nothing more fits; how many bytes did.
pub(super) fn fill(sockfd: &OwnedFd) -> Result<usize> {
    let mut total = 0;
    loop {
        match send(sockfd, &[b'x'; 65_536], MSG_DONTWAIT | MSG_NOSIGNAL) {
            Ok(sent) => total += sent,
            Err(error) if error.errno() == EAGAIN => return Ok(total),
            Err(error) => return Err(error),
        }
    }
}

/// Sends until nothing more fits and nothing is under way that would make room; how many bytes did.
pub(super) fn fill_up(sockfd: &OwnedFd) -> Result<usize> {
    let mut total = 0;
    until(|| {
        // In this order: what was acknowledged before has made its room before.
        let acknowledged = nothing_under_way(sockfd)?;
        let more = fill(sockfd)?;
        total += more;
        Ok(more == 0 && acknowledged)
    })?;
    Ok(total)
}

/// Whether the peer has acknowledged all that was sent to it; what is queued may not have been.
pub(super) fn nothing_under_way(sockfd: &OwnedFd) -> Result<bool> {
    let info: tcp_info = getsockopt(sockfd, IPPROTO_TCP, TCP_INFO)?;
    Ok(info.tcpi_unacked == 0)
}

/// Receives up to the end of file or an error; how many bytes, and what came then.
pub(super) fn drain(sockfd: &OwnedFd) -> (usize, String) {
    let mut buf = vec![0; 1 << 20];
    let mut total = 0;
    loop {
        match recv(sockfd, &mut buf, 0) {
            Ok(0) => return (total, String::from("end of file")),
            Ok(count) => total += count,
            Err(error) => return (total, returned::name(error.errno())),
        }
    }
}

/// What a receiving call returned.
pub(super) fn received(result: Result<usize>) -> String {
    match result {
        Ok(0) => String::from("0, end of file"),
        Ok(count) => count.to_string(),
        Err(error) => returned::name(error.errno()),
    }
}

/// Why what was to be shown could not be made, with the remedy.
pub fn explained(error: &Error) -> String {
    let remedy = match error.errno() {
        ENETUNREACH | EADDRNOTAVAIL => "127.0.0.1 can't be reached: `ip link set lo up`",
        EMFILE | ENFILE => "too few descriptors: `ulimit -n 1024`",
        EADDRINUSE => "no port is free: `sysctl net.ipv4.ip_local_port_range` says which there are",
        EINVAL if error.call == "FD_SET" => "select() takes no descriptor from 1024 on: close some",
        ETIMEDOUT => "what was waited for has not happened: is this machine stopped, or filtered?",
        _ => "`strace` shows the call",
    };
    format!("{}: {}: {remedy}", error.call, returned::described(error))
}

/// A time, in seconds.
pub(super) fn seconds(time: Duration) -> String {
    format!("{:.2} s", time.as_secs_f64())
}

/// A number under /proc/sys; of several, the one at `index`. In a network namespace some are missing.
pub(super) fn sysctl(name: &str, index: usize) -> Option<i64> {
    let text = fs::read_to_string(format!("/proc/sys/{name}")).ok()?;
    text.split_whitespace().nth(index)?.parse().ok()
}

/// The release of the Linux kernel.
pub(super) fn kernel() -> String {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    String::from(release.trim_end())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TABLE: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when
   0: 0100007F:1F90 0100007F:D431 06 00000000:00000000 03:00000F9B 00000000     0        0 0 3";

    #[test]
    fn states_of_connections() {
        let (local, remote): (SocketAddr, SocketAddr) =
            (([127, 0, 0, 1], 8080).into(), ([127, 0, 0, 1], 54321).into());
        if cfg!(target_endian = "little") {
            assert_eq!(state_in(TABLE, local, remote), Some(6));
        }
        assert_eq!(state_in(TABLE, remote, local), None);
        assert_eq!([state_name(0), state_name(6), state_name(255)], ["none", "TIME_WAIT", "none"]);
    }

    proptest! {
        #[test]
        fn any_table_can_be_read(table in "(?s).*", port: u16) {
            let addr = SocketAddr::from(([127, 0, 0, 1], port));
            let _ = state_in(&table, addr, addr);
            let _ = state_in(&format!("{TABLE}\n{table}"), addr, addr);
        }
    }
}

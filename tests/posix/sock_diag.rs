//! Linux's sock_diag: the kernel's table of sockets, and what is made of answers that nobody would send.

use std::os::fd::{AsFd, AsRawFd};

use proptest::prelude::*;
use socklab::linux::sock_diag::{
    AF_NETLINK, ANSWER_MAX, Answer, BOUND_INACTIVE, EVERY_STATE, answers, destroy, dump, dump_by,
    inet_diag_msg, inet_diag_request, sock_diag, sockaddr_nl, state,
};
use socklab::linux::tcp_info::{TCP_CLOSE, TCP_ESTABLISHED, TCP_LISTEN};
use socklab::posix::Result;
use socklab::posix::error::{
    EBADF, ECONNABORTED, ECONNRESET, EINVAL, ENOENT, EOPNOTSUPP, EPERM, EPROTO, EPROTONOSUPPORT,
};
use socklab::posix::netinet_in::{
    IPPROTO_IPV6, IPPROTO_TCP, IPPROTO_UDP, IPV6_V6ONLY, sockaddr_in6,
};
use socklab::posix::sys_socket::{
    AF_INET, AF_INET6, AF_UNIX, SOCK_RAW, SockAddr as _, bind, connect, listen, send, setsockopt,
    socket,
};

use crate::support::{
    bound, connected_to, full_listener, listener, name, not_open, row, tcp6, udp, udp_pair,
};

/// The inode of a descriptor, as /proc has it.
fn inode(fd: &impl AsRawFd) -> u32 {
    let link = std::fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd())).expect("a link");
    let link = link.to_str().expect("UTF-8");
    let digits = link.strip_prefix("socket:[").and_then(|link| link.strip_suffix(']'));
    digits.expect("a socket").parse().expect("a number")
}

/// What a dump tells.
fn told(
    netlink: impl AsFd,
    family: std::ffi::c_int,
    protocol: std::ffi::c_int,
    states: u32,
) -> Result<Vec<inet_diag_msg>> {
    let mut table = Vec::new();
    dump(netlink, family, protocol, states, |row| table.push(*row))?;
    Ok(table)
}

/// The rows of a socket.
fn rows(
    fd: &impl AsRawFd,
    family: std::ffi::c_int,
    protocol: std::ffi::c_int,
    states: u32,
) -> Vec<inet_diag_msg> {
    let inode = inode(fd);
    let table = told(sock_diag().expect("sock_diag"), family, protocol, states).expect("dump");
    table.into_iter().filter(|row| row.idiag_inode == inode).collect()
}

#[test]
fn by_a_buffer_of_the_callers() {
    let (listenfd, _) = listener();
    let own = inode(&listenfd);
    let (mut buffer, mut found) = (vec![0; ANSWER_MAX], 0);
    let states = state(TCP_LISTEN);
    let each = |row: &inet_diag_msg| found += u32::from(row.idiag_inode == own);
    let kernel = sock_diag().expect("sock_diag");
    dump_by(kernel, AF_INET, IPPROTO_TCP, states, &mut buffer, each).expect("dump_by");
    assert_eq!(found, 1);
}

#[test]
fn a_listening_socket() {
    let (fd, addr, _first) = full_listener();
    let [row] = rows(&fd, AF_INET, IPPROTO_TCP, state(TCP_LISTEN))[..] else { panic!("one row") };
    assert_eq!((row.idiag_family, row.idiag_state), (AF_INET as u8, TCP_LISTEN));
    assert_eq!((row.idiag_sport, row.idiag_dport), (addr.sin_port, 0));
    assert_eq!(row.idiag_src[..4], addr.sin_addr.s_addr.to_ne_bytes());
    assert_eq!((row.idiag_rqueue, row.idiag_wqueue), (1, 0), "one waits; the backlog is 0");
    assert_eq!((row.idiag_uid, row.idiag_if), (nix::unistd::getuid().as_raw(), 0));
    assert!(rows(&fd, AF_INET, IPPROTO_TCP, EVERY_STATE & !state(TCP_LISTEN)).is_empty());
    assert!(rows(&fd, AF_INET6, IPPROTO_TCP, EVERY_STATE).is_empty());
    assert!(rows(&fd, AF_INET, IPPROTO_UDP, EVERY_STATE).is_empty());
}

#[test]
fn a_connection() {
    let (listenfd, _) = listener();
    let (client, server) = connected_to(&listenfd);
    send(&client, b"hello", 0).expect("send");
    crate::support::wait_for_bytes(&server, 5);
    for (fd, peer, unread) in [(&client, &server, 0), (&server, &client, 5)] {
        let [row] = rows(fd, AF_INET, IPPROTO_TCP, state(TCP_ESTABLISHED))[..] else {
            panic!("one row")
        };
        assert_eq!((row.idiag_sport, row.idiag_dport), (name(fd).sin_port, name(peer).sin_port));
        assert_eq!(row.idiag_dst[..4], name(peer).sin_addr.s_addr.to_ne_bytes());
        assert_eq!(row.idiag_rqueue, unread);
    }
}

/// In a network of its own, over which it has the right to.
#[test]
fn a_connection_that_is_destroyed() {
    use nix::sched::{CloneFlags, unshare};
    use socklab::linux::net_if::{IFF_UP, siocsifflags};
    use socklab::posix::sys_socket::{SOCK_DGRAM, recv};
    crate::support::alone(|| {
        let (client, server) = {
            let (listenfd, _) = listener();
            connected_to(&listenfd)
        };
        let [ours] = rows(&server, AF_INET, IPPROTO_TCP, state(TCP_ESTABLISHED))[..] else {
            panic!("one row")
        };
        drop(client);
        let elsewhere = unshare(CloneFlags::CLONE_NEWNET)
            .or_else(|_| unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET));
        if let Err(errno) = elsewhere {
            return crate::support::skip("destroy", &format!("no network of its own: {errno}"));
        }
        let control = socket(AF_INET, SOCK_DGRAM, 0).expect("socket");
        siocsifflags(&control, c"lo", IFF_UP as i16).expect("up");
        let kernel = sock_diag().expect("sock_diag");
        row("sock_diag", "another network's", destroy(&kernel, &ours), ENOENT);
        let (listenfd, _) = listener();
        let (client, server) = connected_to(&listenfd);
        let [found] = rows(&server, AF_INET, IPPROTO_TCP, state(TCP_ESTABLISHED))[..] else {
            panic!("one row")
        };
        match destroy(&kernel, &found) {
            Err(error) if error.errno() == EOPNOTSUPP => {
                return crate::support::skip("destroy", "this kernel can't do that");
            }
            destroyed => destroyed.expect("destroyed"),
        }
        let failed = |fd| recv(fd, &mut [0; 8], 0).expect_err("it is gone").errno();
        assert_eq!((failed(&server), failed(&client)), (ECONNABORTED, ECONNRESET));
        assert!(rows(&server, AF_INET, IPPROTO_TCP, EVERY_STATE).is_empty());
        if crate::support::become_nobody() {
            let (_client, server) = connected_to(&listenfd);
            let [found] = rows(&server, AF_INET, IPPROTO_TCP, state(TCP_ESTABLISHED))[..] else {
                panic!("one row")
            };
            let kernel = sock_diag().expect("sock_diag");
            row("sock_diag", "without privilege", destroy(&kernel, &found), EPERM);
        }
    });
}

#[test]
fn datagrams() {
    let (one, _other) = udp_pair();
    assert_eq!(rows(&one, AF_INET, IPPROTO_UDP, state(TCP_ESTABLISHED)).len(), 1);
    let (unconnected, _) = bound(udp());
    assert_eq!(rows(&unconnected, AF_INET, IPPROTO_UDP, state(TCP_CLOSE)).len(), 1);
    assert!(rows(&unconnected, AF_INET, IPPROTO_UDP, state(TCP_ESTABLISHED)).is_empty());
}

#[test]
fn whether_ipv4_is_refused() {
    for v6only in [0, 1] {
        let fd = tcp6();
        setsockopt(&fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only).expect("setsockopt");
        let mut any = sockaddr_in6();
        any.sin6_family = AF_INET6 as _;
        bind(&fd, &any).expect("bind");
        listen(&fd, 5).expect("listen");
        let [row] = rows(&fd, AF_INET6, IPPROTO_TCP, state(TCP_LISTEN))[..] else {
            panic!("one row")
        };
        assert_eq!((row.v6only, row.idiag_wqueue), (Some(v6only == 1), 5));
        assert_eq!(row.idiag_src, [0; 16]);
    }
}

#[test]
fn bound_and_nothing_else() {
    let (fd, addr) = bound(crate::support::tcp());
    assert!(rows(&fd, AF_INET, IPPROTO_TCP, EVERY_STATE).is_empty());
    let found = rows(&fd, AF_INET, IPPROTO_TCP, EVERY_STATE | BOUND_INACTIVE);
    if found.is_empty() {
        return crate::support::skip("a bound socket", "the kernel tells of none before Linux 6.8");
    }
    assert_eq!((found[0].idiag_state, found[0].idiag_sport), (TCP_CLOSE, addr.sin_port));
}

#[test]
fn a_table_of_many_answers() {
    // More than fit the kernel's largest answer.
    let sockets: Vec<_> = (0..600).map(|_| bound(udp()).0).collect();
    let table =
        told(sock_diag().expect("sock_diag"), AF_INET, IPPROTO_UDP, EVERY_STATE).expect("dump");
    let mut inodes: Vec<u32> = table.iter().map(|row| row.idiag_inode).collect();
    inodes.sort_unstable();
    for socket in &sockets {
        assert!(inodes.binary_search(&inode(socket)).is_ok());
    }
}

#[test]
fn only_the_kernel_can_answer() {
    let addr = sockaddr_nl();
    assert_eq!((i32::from(addr.nl_family), addr.nl_pid, addr.nl_groups), (AF_NETLINK, 0, 0));
    assert_eq!(addr.socklen(), 12);
    let netlink = sock_diag().expect("sock_diag");
    let again = connect(&netlink, &addr);
    assert_eq!(again, Ok(()), "to be said twice");
}

#[test]
fn errors() {
    let netlink = sock_diag().expect("sock_diag");
    row("sock_diag", "no such family", told(&netlink, 77, IPPROTO_TCP, EVERY_STATE), EINVAL);
    row("sock_diag", "no such protocol", told(&netlink, AF_INET, 254, EVERY_STATE), ENOENT);
    row("send", "not open", told(not_open(), AF_INET, IPPROTO_TCP, EVERY_STATE), EBADF);
    // Of two sockets that are no kernel, one sends the other nonsense.
    let [one, other] = crate::support::unix_pair();
    send(&other, b"nonsense", 0).expect("send");
    row("sock_diag", "nonsense", told(&one, AF_INET, IPPROTO_TCP, EVERY_STATE), EPROTO);
    row("socket", "no such netlink", socket(AF_NETLINK, SOCK_RAW, 31), EPROTONOSUPPORT);
    // It is told a family at a time, and that of no Internet protocol is another question.
    let _ = told(&netlink, AF_UNIX, 0, EVERY_STATE);
}

const REQUEST: inet_diag_request = inet_diag_request {
    sdiag_family: 2,
    sdiag_protocol: 6,
    idiag_ext: 1,
    idiag_states: 0x0403_0201,
    nlmsg_seq: 7,
};

#[test]
fn the_request_as_the_kernel_reads_it() {
    let bytes = REQUEST.bytes();
    assert_eq!(bytes[..4], 72_u32.to_ne_bytes());
    assert_eq!(
        (&bytes[4..6], &bytes[6..8]),
        (&20_u16.to_ne_bytes()[..], &0x301_u16.to_ne_bytes()[..])
    );
    assert_eq!(bytes[8..12], 7_u32.to_ne_bytes());
    assert_eq!(bytes[16..20], [2, 6, 1, 0]);
    assert_eq!(bytes[20..24], 0x0403_0201_u32.to_ne_bytes());
    assert!(bytes[24..].iter().all(|&byte| byte == 0));
}

/// A message of this kind.
fn message(kind: u16, seq: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend((16 + payload.len() as u32).to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(2_u16.to_ne_bytes());
    bytes.extend(seq.to_ne_bytes());
    bytes.extend(0_u32.to_ne_bytes());
    bytes.extend(payload);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// A socket with this inode, and an attribute of this kind and value behind it.
fn socket_message(seq: u32, inode: u32, kind: u16, value: &[u8]) -> Vec<u8> {
    let mut payload = vec![0; 72];
    payload[..2].copy_from_slice(&[10, 10]);
    payload[68..].copy_from_slice(&inode.to_ne_bytes());
    payload.extend((4 + value.len() as u16).to_ne_bytes());
    payload.extend(kind.to_ne_bytes());
    payload.extend(value);
    message(20, seq, &payload)
}

#[test]
fn kinds_of_answers() {
    const SKV6ONLY: u16 = 11;
    let mut bytes = socket_message(7, 42, SKV6ONLY, &[1]);
    bytes.extend(socket_message(8, 43, SKV6ONLY, &[1]));
    bytes.extend(message(1, 7, &[]));
    bytes.extend(socket_message(7, 44, 8, &[1]));
    bytes.extend(message(2, 7, &0_i32.to_ne_bytes()));
    bytes.extend(message(3, 7, &(-ENOENT).to_ne_bytes()));
    bytes.extend(message(3, 7, &0_i32.to_ne_bytes()));
    let found: Vec<_> = answers(&bytes, 7).collect();
    let [
        Some(Answer::Socket(first)),
        Some(Answer::Other),
        Some(Answer::Other),
        Some(Answer::Socket(second)),
        Some(Answer::Other),
        Some(Answer::Refused(ENOENT)),
        Some(Answer::Done),
    ] = found[..]
    else {
        panic!("{found:?}")
    };
    assert_eq!((first.idiag_inode, first.v6only), (42, Some(true)));
    assert_eq!((second.idiag_inode, second.v6only), (44, None));
    // A kind that is none of a dump's; a length below a header's; one that is more than there is.
    for nonsense in
        [message(99, 7, &[]), vec![0; 16], socket_message(7, 1, 11, &[1])[..60].to_vec()]
    {
        assert_eq!(answers(&nonsense, 7).collect::<Vec<_>>(), [None]);
    }
}

proptest! {
    #[test]
    fn no_answer_is_too_strange(bytes: Vec<u8>, seq: u32) {
        prop_assert!(answers(&bytes, seq).count() <= 1 + bytes.len() / 16);
    }

    #[test]
    fn nor_one_that_was_changed_on_its_way(
        changes in proptest::collection::vec((0..300_usize, any::<u8>()), 0..6),
        cut in 0..300_usize,
    ) {
        let mut bytes = socket_message(7, 42, 11, &[1]);
        bytes.extend(socket_message(7, 43, 7, &[0; 36]));
        bytes.extend(message(3, 7, &0_i32.to_ne_bytes()));
        for (at, byte) in changes {
            if let Some(there) = bytes.get_mut(at) {
                *there = byte;
            }
        }
        bytes.truncate(cut);
        let found: Vec<_> = answers(&bytes, 7).collect();
        let last = found.len().saturating_sub(1);
        prop_assert!(!found.iter().take(last).any(Option::is_none), "nothing follows nonsense");
    }
}

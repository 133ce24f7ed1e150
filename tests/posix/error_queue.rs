//! Linux's error queue: what came back, and from whom.

use std::ffi::c_int;
use std::io::IoSliceMut;
use std::os::fd::{AsFd, OwnedFd};

use proptest::prelude::*;
use socklab::linux::error_queue::*;
use socklab::posix::error::{EAGAIN, ECONNREFUSED};
use socklab::posix::netinet_in::{
    IN6ADDR_LOOPBACK_INIT, INADDR_LOOPBACK, IPPROTO_IP, IPPROTO_IPV6, as_sockaddr_in,
    as_sockaddr_in6, sockaddr_in6,
};
use socklab::posix::poll::{POLLERR, POLLOUT, poll, pollfd};
use socklab::posix::sys_socket::{
    AF_INET, AF_INET6, CMSG_DATA, CMSG_FIRSTHDR, MSG_DONTWAIT, SO_ERROR, SOCK_DGRAM, SOL_SOCKET,
    bind, connect, getsockname, getsockopt, recvmsg, sa_family_t, send, setsockopt, socket,
};

use crate::support::{loopback, name, row, skip, udp};

/// The first entry of the queue: its error, the payload, where that was sent to.
fn entry(fd: impl AsFd, level: c_int, kind: c_int) -> (sock_extended_err, Vec<u8>, Vec<u8>) {
    let (mut data, mut control) = ([0; 16], [0; 256]);
    let mut iov = [IoSliceMut::new(&mut data)];
    let flags = MSG_ERRQUEUE | MSG_DONTWAIT;
    let (count, received) = recvmsg(&fd, &mut iov, &mut control, flags).expect("an entry");
    assert_eq!(received.msg_flags & MSG_ERRQUEUE, MSG_ERRQUEUE);
    let header = CMSG_FIRSTHDR(received.msg_control).expect("a control message");
    assert_eq!((header.cmsg_level, header.cmsg_type), (level, kind));
    let of = CMSG_DATA(&header).to_vec();
    let error = as_sock_extended_err(&of).expect("a struct sock_extended_err");
    (error, of, data[..count].to_vec())
}

fn nothing_more(fd: &OwnedFd) {
    let flags = MSG_ERRQUEUE | MSG_DONTWAIT;
    row("recvmsg", "an empty queue", recvmsg(fd, &mut [], &mut [0; 64], flags).map(drop), EAGAIN);
    assert_eq!(getsockopt::<c_int>(fd, SOL_SOCKET, SO_ERROR), Ok(0), "the error went with it");
}

/// Waits for the error; with nothing to read and nothing but POLLERR to say so.
fn until_error(fd: &OwnedFd) {
    let mut fds = [pollfd::new(fd, POLLOUT)];
    while fds[0].revents() & POLLERR == 0 {
        poll(&mut fds, -1).expect("poll");
    }
}

#[test]
fn a_closed_port_and_who_says_so() {
    // Nobody else gets the port, and who is connected elsewhere hears nothing.
    let taken = udp();
    bind(&taken, &loopback(0)).expect("bind");
    connect(&taken, &loopback(1)).expect("connect");
    let port = name(&taken).sin_port;
    let fd = udp();
    setsockopt(&fd, IPPROTO_IP, IP_RECVERR, &1).expect("setsockopt");
    connect(&fd, &loopback(u16::from_be(port))).expect("connect");
    assert_eq!(send(&fd, b"knock", 0), Ok(5));
    until_error(&fd);
    let (error, data, payload) = entry(&fd, IPPROTO_IP, IP_RECVERR);
    assert_eq!(error.ee_errno, ECONNREFUSED as u32);
    assert_eq!(error.ee_origin, SO_EE_ORIGIN_ICMP);
    assert_eq!((error.ee_type, error.ee_code), (ICMP_DEST_UNREACH, ICMP_PORT_UNREACH));
    assert_eq!(payload, b"knock");
    let offender = SO_EE_OFFENDER(&data).expect("an offender");
    let offender = as_sockaddr_in(&offender).expect("an IPv4 address");
    assert_eq!(u32::from_be(offender.sin_addr.s_addr), INADDR_LOOPBACK);
    nothing_more(&fd);
}

#[test]
fn a_closed_port_over_ipv6() {
    let mut addr = sockaddr_in6();
    (addr.sin6_family, addr.sin6_addr) = (AF_INET6 as sa_family_t, IN6ADDR_LOOPBACK_INIT);
    let taken = socket(AF_INET6, SOCK_DGRAM, 0).expect("socket");
    if let Err(error) = bind(&taken, &addr) {
        return skip("error_queue over IPv6", &error.to_string());
    }
    let named = getsockname(&taken).expect("getsockname");
    addr.sin6_port = 1_u16.to_be();
    connect(&taken, &addr).expect("connect");
    let fd = socket(AF_INET6, SOCK_DGRAM, 0).expect("socket");
    setsockopt(&fd, IPPROTO_IPV6, IPV6_RECVERR, &1).expect("setsockopt");
    connect(&fd, &named).expect("connect");
    assert_eq!(send(&fd, b"", 0), Ok(0));
    until_error(&fd);
    let (error, data, payload) = entry(&fd, IPPROTO_IPV6, IPV6_RECVERR);
    assert_eq!((error.ee_errno, error.ee_origin), (ECONNREFUSED as u32, SO_EE_ORIGIN_ICMP6));
    assert_eq!((error.ee_type, error.ee_code), (ICMP6_DST_UNREACH, ICMP6_DST_UNREACH_NOPORT));
    assert!(payload.is_empty());
    let offender = SO_EE_OFFENDER(&data).expect("an offender");
    let offender = as_sockaddr_in6(&offender).expect("an IPv6 address");
    assert_eq!(offender.sin6_addr.s6_addr, IN6ADDR_LOOPBACK_INIT.s6_addr);
    nothing_more(&fd);
}

#[test]
fn errors_have_names() {
    for (origin, kind, code, words) in [
        (SO_EE_ORIGIN_ICMP, ICMP_DEST_UNREACH, ICMP_PORT_UNREACH, "port unreachable"),
        (SO_EE_ORIGIN_ICMP, ICMP_TIME_EXCEEDED, 0, "time to live exceeded in transit"),
        (SO_EE_ORIGIN_ICMP6, ICMP6_DST_UNREACH, ICMP6_DST_UNREACH_NOPORT, "port unreachable"),
        (SO_EE_ORIGIN_ICMP6, ICMP6_TIME_EXCEEDED, 0, "hop limit exceeded in transit"),
        (SO_EE_ORIGIN_ICMP6, ICMP6_PACKET_TOO_BIG, 0, "packet too big"),
    ] {
        assert_eq!(icmp_name(origin, kind, code), Some(words));
    }
    for origin in [SO_EE_ORIGIN_NONE, SO_EE_ORIGIN_LOCAL, SO_EE_ORIGIN_TIMESTAMPING] {
        assert_eq!(icmp_name(origin, 3, 3), None);
    }
}

/// The data of a control message as the kernel makes it.
fn data(head: [u8; 16], family: c_int, rest: &[u8]) -> Vec<u8> {
    [&head[..], &(family as sa_family_t).to_ne_bytes(), rest].concat()
}

proptest! {
    #[test]
    fn hostile_bytes_are_refused_or_read_as_they_are(bytes: Vec<u8>) {
        let error = as_sock_extended_err(&bytes);
        prop_assert_eq!(error.is_some(), bytes.len() >= 16);
        if let Some(error) = error {
            prop_assert_eq!(&error.ee_errno.to_ne_bytes()[..], &bytes[..4]);
            prop_assert_eq!([error.ee_origin, error.ee_type, error.ee_code], &bytes[4..7]);
            let _ = icmp_name(error.ee_origin, error.ee_type, error.ee_code);
        } else {
            prop_assert!(SO_EE_OFFENDER(&bytes).is_none());
        }
    }

    #[test]
    fn an_offender_needs_its_whole_address(
        head: [u8; 16], family in prop_oneof![Just(AF_INET), Just(AF_INET6), 0..0xffff_i32],
        rest in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let offender = SO_EE_OFFENDER(&data(head, family, &rest));
        match (family, offender) {
            (AF_INET, Some(offender)) => {
                let offender = as_sockaddr_in(&offender).expect("its family");
                prop_assert_eq!(&offender.sin_port.to_ne_bytes()[..], &rest[..2]);
                prop_assert_eq!(&offender.sin_addr.s_addr.to_ne_bytes()[..], &rest[2..6]);
            }
            (AF_INET6, Some(offender)) => {
                let offender = as_sockaddr_in6(&offender).expect("its family");
                prop_assert_eq!(&offender.sin6_addr.s6_addr[..], &rest[6..22]);
                prop_assert_eq!(&offender.sin6_scope_id.to_ne_bytes()[..], &rest[22..26]);
            }
            (AF_INET, None) => prop_assert!(rest.len() < 14),
            (AF_INET6, None) => prop_assert!(rest.len() < 26),
            (_, offender) => prop_assert!(offender.is_none()),
        }
    }
}

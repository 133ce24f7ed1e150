//! The kernel's table, by netlink.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::AsFd;

use super::{Backlog, Family, Kind, Protocol, Row, Selection, State};
use crate::linux::sock_diag::{self, BOUND_INACTIVE, EVERY_STATE, inet_diag_msg, state};
use crate::linux::tcp_info::{TCP_CLOSE, TCP_ESTABLISHED, TCP_LISTEN};
use crate::posix::Result;
use crate::posix::netinet_in::{IPPROTO_TCP, IPPROTO_UDP};
use crate::posix::sys_socket::{AF_INET, AF_INET6};

/// The sockets of one protocol and family.
pub(super) fn dump(
    netlink: impl AsFd,
    protocol: Protocol,
    family: Family,
    selection: &Selection,
    rows: &mut Vec<Row>,
) -> Result<()> {
    sock_diag::dump(
        netlink,
        match family {
            Family::IPv4 => AF_INET,
            Family::IPv6 => AF_INET6,
        },
        match protocol {
            Protocol::Tcp => IPPROTO_TCP,
            Protocol::Udp => IPPROTO_UDP,
        },
        states(protocol, selection),
        |socket| rows.push(row(protocol, family, socket)),
    )
}

fn states(protocol: Protocol, selection: &Selection) -> u32 {
    let listening = match protocol {
        Protocol::Tcp => state(TCP_LISTEN),
        Protocol::Udp => state(TCP_CLOSE),
    };
    let states = match (selection.kind, protocol) {
        (Kind::Listening, _) => listening,
        (Kind::Connected, Protocol::Tcp) => EVERY_STATE & !listening,
        (Kind::Connected, Protocol::Udp) => state(TCP_ESTABLISHED),
        (Kind::All, _) => EVERY_STATE,
    };
    states | if selection.bound && protocol == Protocol::Tcp { BOUND_INACTIVE } else { 0 }
}

fn row(protocol: Protocol, family: Family, socket: &inet_diag_msg) -> Row {
    let state = match (protocol, socket.idiag_state) {
        (Protocol::Udp, TCP_ESTABLISHED) => Some(State::Established),
        (Protocol::Udp, _) => None,
        // No other socket in this state has a place in the kernel's table.
        (Protocol::Tcp, TCP_CLOSE) => Some(State::Bound),
        (Protocol::Tcp, number) => Some(State::of(number)),
    };
    let listens = state == Some(State::Listen);
    Row {
        protocol,
        family,
        local: address(family, &socket.idiag_src, socket.idiag_sport),
        remote: address(family, &socket.idiag_dst, socket.idiag_dport),
        state,
        recv_q: socket.idiag_rqueue,
        send_q: if listens { 0 } else { socket.idiag_wqueue },
        backlog: listens
            .then_some(Backlog { waiting: socket.idiag_rqueue, limit: Some(socket.idiag_wqueue) }),
        v6only: socket.v6only,
        uid: socket.idiag_uid,
        inode: socket.idiag_inode,
        holders: None,
    }
}

fn address(family: Family, bytes: &[u8; 16], port: u16) -> SocketAddr {
    let port = u16::from_be(port);
    match (family, bytes) {
        (Family::IPv4, &[a, b, c, d, ..]) => {
            SocketAddrV4::new(Ipv4Addr::new(a, b, c, d), port).into()
        }
        (Family::IPv6, _) => SocketAddrV6::new(Ipv6Addr::from(*bytes), port, 0, 0).into(),
    }
}

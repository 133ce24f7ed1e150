//! Linux's `SO_ATTACH_FILTER`: how much of each packet a socket gets.

use socklab::linux::socket_filter::{SO_DETACH_FILTER, attach_filter, keep};
use socklab::posix::error::{EAGAIN, EINVAL, ENOTSOCK, EPERM};
use socklab::posix::netinet_in::IPPROTO_TCP;
use socklab::posix::netinet_tcp::TCP_USER_TIMEOUT;
use socklab::posix::poll::{POLLERR, POLLIN};
use socklab::posix::sys_socket::{MSG_DONTWAIT, SOL_SOCKET, recv, send, sendto, setsockopt};
use socklab::posix::unistd::pipe;

use crate::support::{bound, connected, row, skip, udp, wait_for, wait_for_bytes};

/// Of UDP's eight bytes of header the filter sees too.
const HEADER: u32 = 8;

#[test]
fn datagrams_are_dropped_or_cut() {
    let (receiver, addr) = bound(udp());
    let sender = udp();
    let mut buf = [0; 16];
    attach_filter(&receiver, &[keep(0)]).expect("setsockopt");
    assert_eq!(sendto(&sender, b"dropped", 0, &addr), Ok(7), "the sender is not told");
    attach_filter(&receiver, &[keep(HEADER + 3)]).expect("setsockopt");
    assert_eq!(sendto(&sender, b"cut", 0, &addr), Ok(3));
    assert_eq!(sendto(&sender, b"cut too", 0, &addr), Ok(7));
    wait_for(&receiver, POLLIN);
    assert_eq!((recv(&receiver, &mut buf, 0), &buf[..3]), (Ok(3), &b"cut"[..]));
    assert_eq!((recv(&receiver, &mut buf, 0), &buf[..3]), (Ok(3), &b"cut"[..]));
    setsockopt(&receiver, SOL_SOCKET, SO_DETACH_FILTER, &0).expect("setsockopt");
    assert_eq!(sendto(&sender, b"whole", 0, &addr), Ok(5));
    assert_eq!(recv(&receiver, &mut buf, 0), Ok(5));
}

/// Neither data nor an acknowledgement comes through. Some kernels ask for a privilege.
#[test]
fn a_tcp_socket_falls_silent() {
    let (client, server) = connected();
    if let Err(error) = attach_filter(&server, &[keep(0)]) {
        assert_eq!(error.errno(), EPERM);
        return skip("a filter on a TCP socket", "that takes root");
    }
    setsockopt(&client, IPPROTO_TCP, TCP_USER_TIMEOUT, &1).expect("setsockopt");
    assert_eq!(send(&client, b"x", 0), Ok(1));
    wait_for(&client, POLLERR);
    row("recv", "nothing came", recv(&server, &mut [0; 4], MSG_DONTWAIT), EAGAIN);

    let (client, server) = connected();
    attach_filter(&server, &[keep(0)]).expect("setsockopt");
    assert_eq!(send(&client, b"later", 0), Ok(5));
    setsockopt(&server, SOL_SOCKET, SO_DETACH_FILTER, &0).expect("setsockopt");
    wait_for_bytes(&server, 5);
}

#[test]
fn errors() {
    let (receiver, _) = bound(udp());
    row("setsockopt", "an empty program", attach_filter(&receiver, &[]), EINVAL);
    let long = vec![keep(0); 1 << 16];
    row("setsockopt", "a length that does not fit", attach_filter(&receiver, &long), EINVAL);
    row("setsockopt", "too many", attach_filter(&receiver, &long[..5000]), EINVAL);
    let mut endless = keep(0);
    endless.code = 0;
    row("setsockopt", "no return at its end", attach_filter(&receiver, &[endless]), EINVAL);
    let [reading, _writing] = pipe().expect("pipe");
    row("setsockopt", "a pipe", attach_filter(&reading, &[keep(0)]), ENOTSOCK);
}

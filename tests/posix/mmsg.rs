//! Linux's recvmmsg and sendmmsg.

use std::io::IoSlice;
use std::os::fd::OwnedFd;

use socklab::linux::mmsg::{MSG_WAITFORONE, VLEN_MAX, mmsghdr, recvmmsg, sendmmsg};
use socklab::posix::error::{EAGAIN, EBADF, ECONNREFUSED, EDESTADDRREQ, EMSGSIZE, ENOTSOCK};
use socklab::posix::netinet_in::sockaddr_in;
use socklab::posix::sys_socket::{
    MSG_DONTWAIT, MSG_TRUNC, connect, msghdr, recv, send, sockaddr_storage, storage,
};
use socklab::posix::time::timespec;
use socklab::posix::unistd::pipe;

use crate::support::{bound, closed_udp_port, not_open, parts, row, udp, udp_pair, unix_pair};

/// What arrives in a call with room for so many messages of four bytes each.
fn received(fd: &OwnedFd, room: usize, flags: i32) -> Vec<(Vec<u8>, i32, sockaddr_storage)> {
    let mut bufs = vec![[0; 4]; room];
    let mut msgvec: Vec<mmsghdr<'_>> = bufs.iter_mut().map(|buf| mmsghdr::new(buf)).collect();
    let count = recvmmsg(fd, &mut msgvec, flags, None).expect("recvmmsg");
    let taken = msgvec[..count].iter();
    taken.map(|message| (message.data().to_vec(), message.msg_flags, message.msg_name)).collect()
}

fn data(received: &[(Vec<u8>, i32, sockaddr_storage)]) -> Vec<&[u8]> {
    received.iter().map(|(data, ..)| &data[..]).collect()
}

#[test]
fn many_datagrams_in_two_calls() {
    let ((one, one_addr), (other, other_addr)) = (bound(udp()), bound(udp()));
    let to: sockaddr_storage = storage(&other_addr);
    let parts_of =
        [[IoSlice::new(b"a"), IoSlice::new(b"b")], [IoSlice::new(b"c"), IoSlice::new(b"")]];
    let mut msgvec: Vec<msghdr<'_>> = parts_of
        .iter()
        .map(|msg_iov| msghdr { msg_name: Some(&to), msg_iov, ..msghdr::default() })
        .collect();
    msgvec.push(msghdr { msg_name: Some(&to), ..msghdr::default() });
    assert_eq!(sendmmsg(&one, &msgvec, 0), Ok(3));
    // More room than there are: what has come is returned at once.
    let taken = received(&other, 10, MSG_WAITFORONE);
    assert_eq!(data(&taken), [&b"ab"[..], b"c", b""]);
    for (_, flags, from) in &taken {
        assert_eq!((*flags, parts(from)), (0, parts(&storage::<sockaddr_in>(&one_addr))));
    }
}

#[test]
fn a_datagram_that_is_too_long_is_cut() {
    let (one, other) = udp_pair();
    send(&one, b"12345", 0).expect("send");
    send(&one, b"1234", 0).expect("send");
    let taken = received(&other, 2, 0);
    assert_eq!(data(&taken), [b"1234", b"1234"]);
    assert_eq!((taken[0].1, taken[1].1), (MSG_TRUNC, 0));
    // Its whole length, if that is asked for; the data is what there was room for.
    send(&one, b"123456", 0).expect("send");
    let mut buf = [0; 2];
    let mut msgvec = [mmsghdr::new(&mut buf)];
    assert_eq!(recvmmsg(&other, &mut msgvec, MSG_TRUNC, None), Ok(1));
    assert_eq!((msgvec[0].msg_len, msgvec[0].data()), (6, &b"12"[..]));
}

/// A message's fields are those of the last call, whatever an earlier one has left in them.
#[test]
fn messages_are_used_again() {
    let (receiver, addr) = bound(udp());
    let senders = [bound(udp()), bound(udp())];
    let mut buf = [0; 4];
    let mut msgvec = [mmsghdr::new(&mut buf)];
    for (i, (sender, from)) in senders.iter().enumerate() {
        connect(sender, &addr).expect("connect");
        send(sender, &b"long"[..4 - i], 0).expect("send");
        assert_eq!(recvmmsg(&receiver, &mut msgvec, 0, None), Ok(1));
        assert_eq!(msgvec[0].data(), &b"long"[..4 - i]);
        assert_eq!(parts(&msgvec[0].msg_name), parts(&storage(from)));
    }
}

#[test]
fn at_most_so_many_at_once() {
    let (one, other) = udp_pair();
    let iov = [IoSlice::new(b"x")];
    let msgvec: Vec<msghdr<'_>> =
        (0..VLEN_MAX + 1).map(|_| msghdr { msg_iov: &iov, ..msghdr::default() }).collect();
    assert_eq!(sendmmsg(&one, &msgvec, 0), Ok(VLEN_MAX));
    assert_eq!(sendmmsg(&one, &msgvec[VLEN_MAX..], 0), Ok(1));
    assert_eq!(received(&other, VLEN_MAX + 1, 0).len(), VLEN_MAX);
    assert_eq!(received(&other, VLEN_MAX + 1, MSG_WAITFORONE).len(), 1);
    assert_eq!(sendmmsg(&one, &[], 0), Ok(0));
    assert_eq!(recvmmsg(&other, &mut [], MSG_DONTWAIT, None), Ok(0));
}

/// The first one's error is the call's, any other's only ends it.
#[test]
fn one_that_can_not_be_sent() {
    let (one, other) = udp_pair();
    let (small, large) = ([IoSlice::new(b"x")], vec![0; 70_000]);
    let large = [IoSlice::new(&large)];
    let message = |msg_iov| msghdr { msg_iov, ..msghdr::default() };
    let msgvec = [&small, &small, &large, &small].map(|iov| message(&iov[..]));
    assert_eq!(sendmmsg(&one, &msgvec, 0), Ok(2));
    row("sendmmsg", "too large", sendmmsg(&one, &msgvec[2..], 0), EMSGSIZE);
    assert_eq!(sendmmsg(&one, &msgvec[3..], 0), Ok(1));
    assert_eq!(data(&received(&other, 4, MSG_WAITFORONE)), [b"x", b"x", b"x"]);
    row("sendmmsg", "to nobody", sendmmsg(udp(), &msgvec, 0), EDESTADDRREQ);
}

#[test]
fn errors() {
    let (mut buf, iov) = ([0; 4], [IoSlice::new(b"x")]);
    let mut to = [mmsghdr::new(&mut buf)];
    let from = [msghdr { msg_iov: &iov, ..msghdr::default() }];
    row("recvmmsg", "not open", recvmmsg(not_open(), &mut to, 0, None), EBADF);
    row("sendmmsg", "not open", sendmmsg(not_open(), &from, 0), EBADF);
    let [reading, writing] = pipe().expect("pipe");
    row("recvmmsg", "a pipe", recvmmsg(&reading, &mut to, 0, None), ENOTSOCK);
    row("sendmmsg", "a pipe", sendmmsg(&writing, &from, 0), ENOTSOCK);
    let (_one, other) = udp_pair();
    row("recvmmsg", "nothing there", recvmmsg(&other, &mut to, MSG_DONTWAIT, None), EAGAIN);

    let (_has_port, closed) = closed_udp_port();
    let refused = udp();
    connect(&refused, &closed).expect("connect");
    send(&refused, b"x", 0).expect("send");
    row("sendmmsg", "nobody's port", sendmmsg(&refused, &from, 0), ECONNREFUSED);
    send(&refused, b"x", 0).expect("send");
    row("recvmmsg", "nobody's port", recvmmsg(&refused, &mut to, 0, None), ECONNREFUSED);
}

/// The time is up only after a message has come, and it is looked at between messages.
#[test]
fn a_time_limit() {
    let [one, other] = unix_pair();
    send(&one, b"x", 0).expect("send");
    let mut bufs = [[0; 4]; 2];
    let mut msgvec = bufs.each_mut().map(|buf| mmsghdr::new(buf));
    let mut timeout = timespec { tv_sec: 0, tv_nsec: 0 };
    assert_eq!(recvmmsg(&other, &mut msgvec, 0, Some(&mut timeout)), Ok(1));
    assert_eq!(recv(&other, &mut [0; 1], MSG_DONTWAIT).map_err(|e| e.errno()), Err(EAGAIN));
}

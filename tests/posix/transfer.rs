//! Sending and receiving.

use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use socklab::posix::error::{
    EACCES, EAFNOSUPPORT, EAGAIN, EBADF, ECONNREFUSED, ECONNRESET, EDESTADDRREQ, EINPROGRESS,
    EINVAL, EISCONN, EMSGSIZE, ENOTCONN, ENOTSOCK, EOPNOTSUPP, EPIPE,
};
use socklab::posix::poll::{POLLERR, POLLIN, POLLPRI, POLLRDHUP};
use socklab::posix::sys_socket::{
    AF_UNIX, AF_UNSPEC, CMSG_DATA, CMSG_FIRSTHDR, CMSG_LEN, CMSG_NXTHDR, CMSG_SPACE, MSG_CTRUNC,
    MSG_DONTWAIT, MSG_OOB, MSG_PEEK, MSG_TRUNC, MSG_WAITALL, SCM_RIGHTS, SHUT_WR, SO_BROADCAST,
    SO_LINGER, SO_OOBINLINE, SO_RCVTIMEO, SO_SNDTIMEO, SOCK_DGRAM, SOL_SOCKET, accept, cmsg,
    connect, getsockname, linger, msghdr, recv, recvfrom, recvmsg, send, sendmsg, sendto,
    setsockopt, shutdown, socketpair, storage, timeval,
};
use socklab::posix::unistd::{close, pipe, read, write};

use crate::support::{
    address, alone, bound, closed_udp_port, connected, fill, full_listener, limit_files, listener,
    loopback, loopback6, not_open, parts, row, set_nonblocking, tcp, udp, udp_pair, unix,
    unix_pair, wait_for, wait_for_bytes,
};

/// Ends a connection by a reset.
fn reset(fd: OwnedFd) {
    setsockopt(&fd, SOL_SOCKET, SO_LINGER, &linger { l_onoff: 1, l_linger: 0 }).expect("linger");
    close(fd).expect("close");
}

#[test]
fn streams_have_no_borders() {
    alone(|| {
        let (client, server) = connected();
        let mut buf = [0; 16];
        assert_eq!(send(&client, b"abc", 0), Ok(3));
        assert_eq!(send(&client, b"def", 0), Ok(3));
        assert_eq!(recv(&server, &mut buf[..6], MSG_WAITALL), Ok(6));
        assert_eq!(&buf[..6], b"abcdef");
        assert_eq!(send(&client, b"abcdef", 0), Ok(6));
        wait_for_bytes(&server, 6);
        assert_eq!(recv(&server, &mut buf[..4], 0), Ok(4), "a short read leaves the rest");
        assert_eq!(recv(&server, &mut buf[..2], MSG_PEEK), Ok(2), "a peek leaves all");
        assert_eq!(recv(&server, &mut buf, 0), Ok(2));
        assert_eq!(&buf[..2], b"ef");
        row("recv", "no room, no data", recv(&server, &mut [], MSG_DONTWAIT), EAGAIN);
        assert_eq!(send(&client, b"", 0), Ok(0), "nothing is sent, not even an end of file");
        assert_eq!(send(&client, b"x", 0), Ok(1));
        let (count, from) = recvfrom(&server, &mut buf, 0).expect("recvfrom");
        assert_eq!((count, i32::from(from.ss_family)), (1, AF_UNSPEC), "TCP names no sender");
        close(client).expect("close");
        assert_eq!(recv(&server, &mut buf, 0), Ok(0), "the end of file");
        assert_eq!(recv(&server, &mut buf, 0), Ok(0), "it stays");
    });
}

#[test]
fn datagrams_have_borders() {
    alone(|| {
        let ((one, one_addr), (other, other_addr)) = (bound(udp()), bound(udp()));
        let mut buf = [0; 16];
        assert_eq!(sendto(&one, b"abc", 0, &other_addr), Ok(3));
        assert_eq!(sendto(&one, b"", 0, &other_addr), Ok(0));
        assert_eq!(sendto(&one, b"defghi", 0, &other_addr), Ok(6));
        assert_eq!(sendto(&one, b"jkl", 0, &other_addr), Ok(3));
        let (count, from) = recvfrom(&other, &mut buf, 0).expect("recvfrom");
        assert_eq!((&buf[..count], parts(&from)), (&b"abc"[..], parts(&storage(&one_addr))));
        let (count, from) = recvfrom(&other, &mut buf, 0).expect("recvfrom");
        assert_eq!((count, parts(&from)), (0, parts(&storage(&one_addr))), "not an end of file");
        assert_eq!(recv(&other, &mut buf[..2], MSG_PEEK | MSG_TRUNC), Ok(6), "the true length");
        assert_eq!(recv(&other, &mut buf[..2], 0), Ok(2), "the rest of a datagram is lost");
        assert_eq!(recv(&other, &mut buf, 0), Ok(3));
        assert_eq!(&buf[..3], b"jkl");
        let longest = vec![b'x'; 65_507];
        assert_eq!(sendto(&one, &longest, 0, &other_addr), Ok(65_507), "the longest payload");
        assert_eq!(recv(&other, &mut vec![0; 70_000], 0), Ok(65_507));
        setsockopt(&one, SOL_SOCKET, SO_BROADCAST, &1).expect("setsockopt");
        let everybody = address(0x7fff_ffff, u16::from_be(other_addr.sin_port));
        assert_eq!(sendto(&one, b"all", 0, &everybody), Ok(3), "allowed by SO_BROADCAST");
    });
}

#[test]
fn errors_of_send() {
    alone(|| {
        fill(&connected().0);
        let [full, _peer] = unix_pair();
        fill(&full);
        row("send", "full, non-blocking", send(&full, b"x", MSG_DONTWAIT), EAGAIN);
        let time = timeval { tv_sec: 0, tv_usec: 1000 };
        setsockopt(&full, SOL_SOCKET, SO_SNDTIMEO, &time).expect("setsockopt");
        row("send", "full, SO_SNDTIMEO", send(&full, b"x", 0), EAGAIN);

        let (client, _server) = connected();
        shutdown(&client, SHUT_WR).expect("shutdown");
        row("send", "after shutdown", send(&client, b"x", 0), EPIPE);
        let (client, server) = connected();
        reset(server);
        wait_for(&client, POLLERR);
        row("send", "after a reset", send(&client, b"x", 0), ECONNRESET);
        row("send", "a second time", send(&client, b"x", 0), EPIPE);
        let (client, server) = connected();
        close(server).expect("close");
        wait_for(&client, POLLRDHUP);
        assert_eq!(send(&client, b"x", 0), Ok(1), "the peer has closed, which TCP can't know yet");
        wait_for(&client, POLLERR);
        row("send", "the peer has closed and said so", send(&client, b"x", 0), EPIPE);
        let [one, other] = unix_pair();
        close(other).expect("close");
        row("send", "a local peer has closed", send(&one, b"x", 0), EPIPE);

        let (_udp, addr) = bound(udp());
        let too_long = vec![0; 65_508];
        row("send", "TCP, not connected (POSIX: ENOTCONN)", send(tcp(), b"x", 0), EPIPE);
        row("send", "listening", send(listener().0, b"x", 0), EPIPE);
        row("send", "UDP, no peer", send(udp(), b"x", 0), EDESTADDRREQ);
        row("send", "UDP, urgent", send(udp_pair().0, b"x", MSG_OOB), EOPNOTSUPP);
        row("send", "65,508 bytes by UDP", send(udp_pair().0, &too_long, 0), EMSGSIZE);
        row("send", "a local socket without peer", send(unix(), b"x", 0), ENOTCONN);
        row("send", "a pipe", send(&pipe().expect("pipe")[1], b"x", 0), ENOTSOCK);
        row("send", "not open", send(not_open(), b"x", 0), EBADF);
        row("sendto", "65,508 bytes by UDP", sendto(udp(), &too_long, 0, &addr), EMSGSIZE);
        row("sendto", "to everybody", sendto(udp(), b"x", 0, &address(0x7fff_ffff, 9)), EACCES);
        row("sendto", "port 0", sendto(udp(), b"x", 0, &loopback(0)), EINVAL);
        row("sendto", "another family", sendto(udp(), b"x", 0, &loopback6(9)), EAFNOSUPPORT);
        row("sendto", "TCP, not connected", sendto(tcp(), b"x", 0, &addr), EPIPE);
        row("sendto", "a local stream", sendto(&unix_pair()[0], b"x", 0, &addr), EISCONN);
        row("sendto", "a pipe", sendto(&pipe().expect("pipe")[1], b"x", 0, &addr), ENOTSOCK);
        row("sendto", "not open", sendto(not_open(), b"x", 0, &addr), EBADF);

        let (_full, addr, _first) = full_listener();
        let fd = tcp();
        setsockopt(&fd, SOL_SOCKET, SO_SNDTIMEO, &time).expect("setsockopt");
        let timed_out = connect(&fd, &addr);
        row("connect", "SO_SNDTIMEO: not EAGAIN", timed_out, EINPROGRESS);
    });
}

#[test]
fn errors_of_recv() {
    alone(|| {
        let mut buf = [0; 16];
        let (client, server) = connected();
        row("recv", "nothing there", recv(&client, &mut buf, MSG_DONTWAIT), EAGAIN);
        row("recvfrom", "nothing there", recvfrom(&client, &mut buf, MSG_DONTWAIT), EAGAIN);
        set_nonblocking(&client);
        row("recv", "O_NONBLOCK", recv(&client, &mut buf, 0), EAGAIN);
        let time = timeval { tv_sec: 0, tv_usec: 1000 };
        for (what, fd) in [("TCP, SO_RCVTIMEO", &server), ("UDP, SO_RCVTIMEO", &udp())] {
            setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &time).expect("setsockopt");
            row("recv", what, recv(fd, &mut buf, 0), EAGAIN);
        }
        let (fd, _) = listener();
        setsockopt(&fd, SOL_SOCKET, SO_RCVTIMEO, &time).expect("setsockopt");
        row("accept", "SO_RCVTIMEO", accept(&fd), EAGAIN);

        assert_eq!(send(&server, b"last", 0), Ok(4));
        reset(server);
        wait_for(&client, POLLERR);
        assert_eq!(recv(&client, &mut buf, 0), Ok(4), "data that came before the reset");
        row("recv", "after a reset", recv(&client, &mut buf, 0), ECONNRESET);
        assert_eq!(recv(&client, &mut buf, 0), Ok(0), "reported once, then the end of file");
        let (client, server) = connected();
        assert_eq!(send(&client, b"unread", 0), Ok(6));
        wait_for(&server, POLLIN);
        close(server).expect("close");
        wait_for(&client, POLLERR);
        row("recv", "the peer closed with unread data", recv(&client, &mut buf, 0), ECONNRESET);

        let (_closed, closed) = closed_udp_port();
        let fd = udp();
        connect(&fd, &closed).expect("connect");
        assert_eq!(send(&fd, b"x", 0), Ok(1));
        wait_for(&fd, POLLERR);
        row("recv", "a closed UDP port", recv(&fd, &mut buf, 0), ECONNREFUSED);
        let once = recv(&fd, &mut buf, MSG_DONTWAIT);
        row("recv", "reported once", once, EAGAIN);
        assert_eq!(send(&fd, b"x", 0), Ok(1));
        wait_for(&fd, POLLERR);
        row("send", "a closed UDP port, the next time", send(&fd, b"x", 0), ECONNREFUSED);

        row("recv", "TCP, not connected", recv(tcp(), &mut buf, 0), ENOTCONN);
        row("recv", "listening", recv(listener().0, &mut buf, 0), ENOTCONN);
        row("recv", "a local stream", recv(unix(), &mut buf, 0), EINVAL);
        row("recv", "a pipe", recv(&pipe().expect("pipe")[0], &mut buf, 0), ENOTSOCK);
        row("recv", "not open", recv(not_open(), &mut buf, 0), EBADF);
        row("recvfrom", "TCP, not connected", recvfrom(tcp(), &mut buf, 0), ENOTCONN);
        row("recvfrom", "a pipe", recvfrom(&pipe().expect("pipe")[0], &mut buf, 0), ENOTSOCK);
        row("recvfrom", "not open", recvfrom(not_open(), &mut buf, 0), EBADF);
    });
}

#[test]
fn one_urgent_byte() {
    alone(|| {
        let (client, server) = connected();
        let mut buf = [0; 16];
        let urgent = |buf: &mut [u8]| recv(&server, buf, MSG_OOB);
        row("recv", "nothing urgent", urgent(&mut buf), EINVAL);
        assert_eq!(send(&client, b"abc", 0), Ok(3));
        assert_eq!(send(&client, b"XYZ", MSG_OOB), Ok(3));
        assert_eq!(send(&client, b"def", 0), Ok(3));
        wait_for(&server, POLLPRI);
        assert_eq!(recv(&server, &mut buf[..5], MSG_WAITALL), Ok(5), "up to the mark");
        assert_eq!(&buf[..5], b"abcXY");
        assert_eq!(urgent(&mut buf), Ok(1), "the last byte that was sent as urgent");
        assert_eq!(buf[0], b'Z');
        row("recv", "urgent, already read", urgent(&mut buf), EINVAL);
        assert_eq!(recv(&server, &mut buf[..3], MSG_WAITALL), Ok(3));
        assert_eq!(&buf[..3], b"def");

        setsockopt(&server, SOL_SOCKET, SO_OOBINLINE, &1).expect("setsockopt");
        assert_eq!(send(&client, b"ab", 0), Ok(2));
        assert_eq!(send(&client, b"Z", MSG_OOB), Ok(1));
        wait_for(&server, POLLPRI);
        row("recv", "urgent, but inline", urgent(&mut buf), EINVAL);
        wait_for_bytes(&server, 2);
        assert_eq!(recv(&server, &mut buf, 0), Ok(2), "stops before the mark");
        assert_eq!(recv(&server, &mut buf, 0), Ok(1));
        assert_eq!(buf[0], b'Z');
    });
}

#[test]
fn messages_are_gathered_and_scattered() {
    alone(|| {
        let ((one, one_addr), (other, other_addr)) = (bound(udp()), bound(udp()));
        let to = storage(&other_addr);
        let parts_of = [IoSlice::new(b"abc"), IoSlice::new(b""), IoSlice::new(b"defgh")];
        let msg = msghdr { msg_name: Some(&to), msg_iov: &parts_of, ..msghdr::default() };
        assert_eq!(sendmsg(&one, &msg, 0), Ok(8));
        let (mut first, mut second) = ([0; 2], [0; 16]);
        let mut iov = [IoSliceMut::new(&mut first), IoSliceMut::new(&mut second)];
        let (count, received) = recvmsg(&other, &mut iov, &mut [], 0).expect("recvmsg");
        assert_eq!((count, received.msg_flags, received.msg_control), (8, 0, &[][..]));
        assert_eq!(parts(&received.msg_name), parts(&storage(&one_addr)));
        assert_eq!((&first, &second[..6]), (b"ab", &b"cdefgh"[..]));

        assert_eq!(sendmsg(&one, &msg, 0), Ok(8));
        let mut iov = [IoSliceMut::new(&mut first)];
        let (count, received) = recvmsg(&other, &mut iov, &mut [], 0).expect("recvmsg");
        assert_eq!((count, received.msg_flags), (2, MSG_TRUNC), "the datagram was cut");

        let empty = msghdr::default();
        let no_peer = sendmsg(&one, &empty, 0);
        row("sendmsg", "UDP, no peer", no_peer, EDESTADDRREQ);
        let elsewhere = storage(&loopback6(9));
        let msg = msghdr { msg_name: Some(&elsewhere), ..msghdr::default() };
        row("sendmsg", "another family", sendmsg(&one, &msg, 0), EAFNOSUPPORT);
        row("sendmsg", "TCP, not connected", sendmsg(tcp(), &empty, 0), EPIPE);
        row("sendmsg", "a pipe", sendmsg(&pipe().expect("pipe")[1], &empty, 0), ENOTSOCK);
        row("sendmsg", "not open", sendmsg(not_open(), &empty, 0), EBADF);
        let many = vec![IoSlice::new(b""); 1025];
        let msg = msghdr { msg_name: Some(&to), msg_iov: &many, ..msghdr::default() };
        row("sendmsg", "more than UIO_MAXIOV slices", sendmsg(&one, &msg, 0), EMSGSIZE);
        let half = [1; 8];
        let msg = msghdr { msg_name: Some(&to), msg_control: &half, ..msghdr::default() };
        assert_eq!(sendmsg(&one, &msg, 0), Ok(0), "too short for a header: ignored");
        let short = [0; CMSG_LEN(0)];
        let msg = msghdr { msg_name: Some(&to), msg_control: &short, ..msghdr::default() };
        row("sendmsg", "a header shorter than itself", sendmsg(&one, &msg, 0), EINVAL);
        let nothing = recvmsg(tcp(), &mut [], &mut [], 0).map(drop);
        row("recvmsg", "TCP, not connected", nothing, ENOTCONN);
        let nothing = recvmsg(not_open(), &mut [], &mut [], 0).map(drop);
        row("recvmsg", "not open", nothing, EBADF);
        let nothing = recvmsg(udp_pair().0, &mut [], &mut [], MSG_DONTWAIT).map(drop);
        row("recvmsg", "nothing there", nothing, EAGAIN);
        let nothing = recvmsg(&pipe().expect("pipe")[0], &mut [], &mut [], 0).map(drop);
        row("recvmsg", "a pipe", nothing, ENOTSOCK);
    });
}

#[test]
fn descriptors_travel() {
    alone(|| {
        let [one, other] = socketpair(AF_UNIX, SOCK_DGRAM, 0).expect("socketpair");
        let [reading, writing] = pipe().expect("pipe");
        let send_it = |times: usize| {
            let rights = vec![writing.as_fd(); times];
            let iov = [IoSlice::new(b"take it")];
            let msg = msghdr { msg_iov: &iov, msg_rights: &rights, ..msghdr::default() };
            sendmsg(&one, &msg, 0)
        };
        let open = || std::fs::read_dir("/proc/self/fd").expect("/proc").count();
        let (mut text, mut control) = ([0; 16], [0; CMSG_SPACE(3 * size_of::<i32>())]);
        let mut receive = |room: usize, flags: i32| {
            let mut iov = [IoSliceMut::new(&mut text)];
            let (count, received) =
                recvmsg(&other, &mut iov, &mut control[..room], flags).expect("recvmsg");
            assert_eq!(count, 7);
            let first = CMSG_FIRSTHDR(received.msg_control).map(|first| {
                assert_eq!((first.cmsg_level, first.cmsg_type), (SOL_SOCKET, SCM_RIGHTS));
                assert!(CMSG_NXTHDR(&first).is_none());
                CMSG_DATA(&first).to_vec()
            });
            let owned: Vec<u8> =
                received.msg_rights.iter().flat_map(|fd| fd.as_raw_fd().to_ne_bytes()).collect();
            assert_eq!(first.unwrap_or_default(), owned, "each number has its owner");
            (received.msg_rights, received.msg_flags)
        };
        let before = open();
        let all = CMSG_SPACE(12);

        assert_eq!(send_it(1), Ok(7));
        let (rights, flags) = receive(all, 0);
        assert_eq!((rights.len(), flags, open()), (1, 0, before + 1));
        assert_eq!(write(&rights[0], b"hello"), Ok(5));
        assert_eq!(read(&reading, &mut [0; 16]), Ok(5), "it is the other end of our pipe");
        drop(rights);
        assert_eq!(open(), before, "closed with its owner");

        assert_eq!(send_it(3), Ok(7));
        let (peeked, flags) = receive(all, MSG_PEEK);
        assert_eq!((peeked.len(), flags), (3, 0), "a look gives copies");
        let (rights, flags) = receive(all, 0);
        assert_eq!((rights.len(), flags, open()), (3, 0, before + 6));
        drop((peeked, rights));
        assert_eq!(open(), before);

        // What there is no room for is closed by the kernel, and said so.
        for (room, fits) in [(0, 0), (CMSG_LEN(0), 0), (CMSG_LEN(4), 1), (CMSG_SPACE(4), 2)] {
            assert_eq!(send_it(3), Ok(7));
            let (rights, flags) = receive(room, 0);
            assert_eq!((rights.len(), flags, open()), (fits, MSG_CTRUNC, before + fits), "{room}");
        }
        let limit = limit_files(0);
        assert_eq!(send_it(3), Ok(7));
        let (rights, flags) = receive(all, 0);
        assert_eq!((rights.len(), flags), (0, MSG_CTRUNC), "no descriptor left");
        limit_files(limit);
        assert_eq!(open(), before);

        row("sendmsg", "more than 253 descriptors", send_it(254), EINVAL);
        let none = [not_open()];
        let msg = msghdr { msg_rights: &none, ..msghdr::default() };
        row("sendmsg", "a descriptor that is not open", sendmsg(&one, &msg, 0), EBADF);
        let bad = cmsg(SOL_SOCKET, 99, &[]);
        let msg = msghdr { msg_control: &bad, ..msghdr::default() };
        row("sendmsg", "no such control message", sendmsg(&one, &msg, 0), EINVAL);
        // By number anybody could hand over what is not his.
        let number = cmsg(SOL_SOCKET, SCM_RIGHTS, &writing.as_raw_fd().to_ne_bytes());
        let behind = [cmsg(0, 1, b"abc"), number.clone()].concat();
        for control in [&number[..], &number[..CMSG_LEN(4)], &behind] {
            let msg = msghdr { msg_control: control, ..msghdr::default() };
            row("sendmsg", "descriptors by number", sendmsg(&one, &msg, 0), EINVAL);
        }
        let nothing = recvmsg(&other, &mut [], &mut [], MSG_DONTWAIT).map(drop);
        row("recvmsg", "none of them was sent", nothing, EAGAIN);
        let name = getsockname(&one).expect("getsockname");
        assert_eq!(i32::from(name.ss_family), AF_UNIX);
    });
}

#[test]
fn a_descriptor_outlives_its_sender() {
    alone(|| {
        let [one, other] = unix_pair();
        let [reading, writing] = pipe().expect("pipe");
        let iov = [IoSlice::new(b"x")];
        let msg = msghdr { msg_iov: &iov, msg_rights: &[writing.as_fd()], ..msghdr::default() };
        assert_eq!(sendmsg(&one, &msg, 0), Ok(1));
        close(writing).expect("close");
        close(one).expect("close");
        let mut control = [0; CMSG_SPACE(size_of::<i32>())];
        let mut byte = [0];
        let mut iov = [IoSliceMut::new(&mut byte)];
        let (_, mut received) = recvmsg(&other, &mut iov, &mut control, 0).expect("recvmsg");
        let arrived = received.msg_rights.pop().expect("a descriptor");
        assert_eq!((write(&arrived, b"abc"), read(&reading, &mut [0; 4])), (Ok(3), Ok(3)));
        close(arrived).expect("close");
        assert_eq!(read(&reading, &mut [0; 4]), Ok(0), "the last one is closed");
    });
}

#[test]
fn control_messages_are_a_list() {
    assert_eq!((CMSG_LEN(0), CMSG_LEN(5)), (16, 21));
    assert_eq!([CMSG_SPACE(0), CMSG_SPACE(1), CMSG_SPACE(8), CMSG_SPACE(9)], [16, 24, 24, 32]);
    let list = [cmsg(1, 2, b"abc"), cmsg(3, 4, b""), cmsg(5, 6, b"12345678")].concat();
    assert_eq!(list.len(), CMSG_SPACE(3) + CMSG_SPACE(0) + CMSG_SPACE(8));
    let mut found = Vec::new();
    let mut next = CMSG_FIRSTHDR(&list);
    while let Some(header) = next {
        found.push((header.cmsg_level, header.cmsg_type, CMSG_DATA(&header)));
        next = CMSG_NXTHDR(&header);
    }
    assert_eq!(found, [(1, 2, &b"abc"[..]), (3, 4, &b""[..]), (5, 6, &b"12345678"[..])]);

    let with_length = |length: usize| {
        let mut bytes = cmsg(1, 2, b"abc");
        bytes[..8].copy_from_slice(&length.to_ne_bytes());
        bytes
    };
    for length in [0, 15, 25, usize::MAX - 7, usize::MAX] {
        assert!(CMSG_FIRSTHDR(&with_length(length)).is_none(), "cmsg_len {length}");
    }
    assert!(CMSG_FIRSTHDR(&[]).is_none());
    assert!(CMSG_FIRSTHDR(&list[..15]).is_none(), "half a header");
    let unpadded = &with_length(19)[..19];
    let only = CMSG_FIRSTHDR(unpadded).expect("the last one may lack its padding");
    assert_eq!(CMSG_DATA(&only), b"abc");
    assert!(CMSG_NXTHDR(&only).is_none());
}

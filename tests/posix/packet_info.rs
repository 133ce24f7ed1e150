//! Linux's `IP_PKTINFO`, which takes the place of BSD's `IP_RECVIF`.

use std::io::{IoSlice, IoSliceMut};

use socklab::linux::packet_info::{IP_PKTINFO, IP_RECVTTL, as_in_pktinfo};
use socklab::posix::error::EINVAL;
use socklab::posix::netinet_in::{INADDR_ANY, IP_TTL, IPPROTO_IP, as_sockaddr_in};
use socklab::posix::sys_socket::{
    CMSG_DATA, CMSG_FIRSTHDR, CMSG_NXTHDR, MSG_CTRUNC, bind, cmsg, msghdr, recvmsg, sendmsg,
    sendto, setsockopt, storage,
};

use crate::support::{address, alone, loopback, name, row, udp};

#[test]
fn where_a_datagram_arrived() {
    alone(|| {
        let lo = nix::net::if_::if_nametoindex("lo").expect("the loopback interface") as i32;
        let fd = udp();
        bind(&fd, &address(INADDR_ANY, 0)).expect("bind");
        let port = u16::from_be(name(&fd).sin_port);
        for option in [IP_PKTINFO, IP_RECVTTL] {
            setsockopt(&fd, IPPROTO_IP, option, &1).expect("setsockopt");
        }
        let sender = udp();
        setsockopt(&sender, IPPROTO_IP, IP_TTL, &42).expect("setsockopt");
        for host in [[127, 0, 0, 1], [127, 7, 8, 9]] {
            let to = address(u32::from_be_bytes(host), port);
            assert_eq!(sendto(&sender, b"hello", 0, &to), Ok(5));
            let (mut data, mut control) = ([0; 16], [0; 256]);
            let mut iov = [IoSliceMut::new(&mut data)];
            let (count, received) = recvmsg(&fd, &mut iov, &mut control, 0).expect("recvmsg");
            assert_eq!((count, received.msg_flags), (5, 0));
            let (mut info, mut ttl, mut messages) = (None, None, 0);
            let mut next = CMSG_FIRSTHDR(received.msg_control);
            while let Some(header) = next {
                messages += 1;
                match (header.cmsg_level, header.cmsg_type) {
                    (IPPROTO_IP, IP_PKTINFO) => info = as_in_pktinfo(CMSG_DATA(&header)),
                    (IPPROTO_IP, IP_TTL) => ttl = CMSG_DATA(&header).try_into().ok(),
                    other => panic!("nobody asked for {other:?}"),
                }
                next = CMSG_NXTHDR(&header);
            }
            let info = info.expect("a struct in_pktinfo");
            assert_eq!(messages, 2);
            assert_eq!(info.ipi_ifindex, lo, "the interface");
            assert_eq!(info.ipi_addr.s_addr.to_ne_bytes(), host, "the destination");
            assert_eq!(ttl.map(i32::from_ne_bytes), Some(42));
        }
        assert_eq!(sendto(&sender, b"hello", 0, &loopback(port)), Ok(5));
        let mut control = [0; 8];
        let (_, received) = recvmsg(&fd, &mut [], &mut control, 0).expect("recvmsg");
        assert_eq!(received.msg_flags & MSG_CTRUNC, MSG_CTRUNC, "no room for it");
        assert!(CMSG_FIRSTHDR(received.msg_control).is_none());
    });
}

#[test]
fn where_a_datagram_is_to_leave() {
    alone(|| {
        let receiver = udp();
        bind(&receiver, &loopback(0)).expect("bind");
        let to = storage(&name(&receiver));
        let mut info = [0; 12];
        info[4..8].copy_from_slice(&[127, 1, 2, 3]);
        let iov = [IoSlice::new(b"from 127.1.2.3")];
        let send = |msg_control: &[u8]| {
            let msg =
                msghdr { msg_name: Some(&to), msg_iov: &iov, msg_control, ..msghdr::default() };
            sendmsg(udp(), &msg, 0)
        };
        assert_eq!(send(&cmsg(IPPROTO_IP, IP_PKTINFO, &info)), Ok(14));
        let (_, received) = recvmsg(&receiver, &mut [], &mut [], 0).expect("recvmsg");
        let from = as_sockaddr_in(&received.msg_name).expect("an IPv4 address");
        assert_eq!(from.sin_addr.s_addr.to_ne_bytes(), [127, 1, 2, 3]);
        for ttl in [0, 256] {
            let control = cmsg(IPPROTO_IP, IP_TTL, &i32::to_ne_bytes(ttl));
            row("sendmsg", "a TTL out of its range", send(&control), EINVAL);
        }
        let short = send(&cmsg(IPPROTO_IP, IP_PKTINFO, &info[..8]));
        row("sendmsg", "half a struct in_pktinfo", short, EINVAL);
    });
}

#[test]
fn other_lengths_are_no_packet_info() {
    for length in [0, 1, 11, 13, 64] {
        assert!(as_in_pktinfo(&vec![0; length]).is_none(), "{length} bytes");
    }
    let bytes: Vec<u8> = (1..=12).collect();
    let info = as_in_pktinfo(&bytes).expect("twelve bytes");
    assert_eq!(info.ipi_ifindex.to_ne_bytes(), [1, 2, 3, 4]);
    assert_eq!(info.ipi_spec_dst.s_addr.to_ne_bytes(), [5, 6, 7, 8]);
    assert_eq!(info.ipi_addr.s_addr.to_ne_bytes(), [9, 10, 11, 12]);
}

//! `IP_PKTINFO`: where a datagram has arrived, which the slide has as `IP_RECVIF`.

use std::io::IoSliceMut;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;

use super::{Demonstration, Journal};
use crate::linux::packet_info::{IP_PKTINFO, as_in_pktinfo, in_pktinfo};
use crate::linux::socket_options::IP_RECVORIGDSTADDR;
use crate::net::{from_c, to_c};
use crate::posix::Result;
use crate::posix::netinet_in::{IPPROTO_IP, in_addr};
use crate::posix::poll::POLLIN;
use crate::posix::sys_socket::*;
use crate::tool::loopback::*;
use crate::tool::returned::done;

pub(super) const DEMONSTRATION: Demonstration = Demonstration {
    name: "IP_PKTINFO",
    shows: "at which interface and address a datagram has arrived",
    also: &["IP_RECVIF"],
    run,
    inside: run,
};

/// The number of the loopback interface, in every network namespace.
const LOOPBACK_IFINDEX: i32 = 1;

fn run(journal: &mut Journal<'_>) -> Result<()> {
    let receiver = udp()?;
    bind(&receiver, &to_c(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0))))?;
    let port = name(&receiver)?.port();
    let (sender, from) = bound(udp()?)?;

    journal.case("without it");
    sendto(&sender, b"12345", 0, &to_c(&SocketAddr::from(([127, 0, 0, 1], port))))?;
    let message = receive(&receiver, from)?;
    journal.is("recvmsg() tells", message.map_or("nothing", |_| "where it arrived"), "nothing");

    setsockopt(&receiver, IPPROTO_IP, IP_PKTINFO, &1)?;
    for host in [[127, 0, 0, 1], [127, 0, 0, 2]].map(Ipv4Addr::from) {
        journal.case(format!("IP_PKTINFO=1, the socket is bound to 0.0.0.0; to {host}"));
        sendto(&sender, b"12345", 0, &to_c(&SocketAddr::from((host, port))))?;
        let info = receive(&receiver, from)?.unwrap_or(NOTHING);
        let (header, local) = (address(info.ipi_addr.s_addr), address(info.ipi_spec_dst.s_addr));
        journal.is("arrived at interface", info.ipi_ifindex, LOOPBACK_IFINDEX);
        journal.is("with the destination in its header", header, host);
        journal.is("an answer would come from", local, host);
    }

    journal.case("BSD's IP_RECVIF");
    journal.is("its number, 20, is here IP_RECVORIGDSTADDR's", IP_RECVORIGDSTADDR, 20);
    let set = setsockopt(&receiver, IPPROTO_IP, 20, &1);
    journal.is("setsockopt() of it returns all the same", done(set), 0);

    journal.case("on a TCP socket");
    let set = setsockopt(tcp()?, IPPROTO_IP, IP_PKTINFO, &1);
    journal.is("setsockopt() returns", done(set), 0);
    Ok(())
}

const NOTHING: in_pktinfo = in_pktinfo {
    ipi_ifindex: 0,
    ipi_spec_dst: in_addr { s_addr: 0 },
    ipi_addr: in_addr { s_addr: 0 },
};

fn address(s_addr: u32) -> Ipv4Addr {
    u32::from_be(s_addr).into()
}

/// The packet's information, of the next datagram from this sender: anybody may send to 0.0.0.0.
fn receive(receiver: &OwnedFd, from: SocketAddr) -> Result<Option<in_pktinfo>> {
    let mut buf = [0; 16];
    while wait_for(receiver, POLLIN)? {
        let mut control = [0; 256];
        let (_, message) =
            recvmsg(receiver, &mut [IoSliceMut::new(&mut buf)], &mut control, MSG_DONTWAIT)?;
        if from_c(&message.msg_name) == Some(from) {
            let pieces = std::iter::successors(CMSG_FIRSTHDR(message.msg_control), CMSG_NXTHDR);
            let mut pieces = pieces
                .filter(|piece| piece.cmsg_level == IPPROTO_IP && piece.cmsg_type == IP_PKTINFO);
            return Ok(pieces.next().and_then(|piece| as_in_pktinfo(CMSG_DATA(&piece))));
        }
    }
    Ok(None)
}

//! `IP_TTL`: with how much life a packet sets out, and what is left of it.

use std::ffi::c_int;
use std::fs::File;
use std::io::IoSliceMut;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;

use super::{Demonstration, Journal};
use crate::linux::packet_info::IP_RECVTTL;
use crate::linux::sched::{CLONE_NEWNET, setns};
use crate::linux::socket_options::IP_RECVERR;
use crate::net::to_c;
use crate::posix::error::EIO;
use crate::posix::netinet_in::{IP_TTL, IPPROTO_IP, IPPROTO_IPV6, IPV6_UNICAST_HOPS};
use crate::posix::poll::{POLLERR, POLLIN};
use crate::posix::sys_socket::*;
use crate::posix::{Error, Result};
use crate::tool::loopback::*;
use crate::tool::returned::{done, said};

pub(super) const DEMONSTRATION: Demonstration = Demonstration {
    name: "IP_TTL",
    shows: "what arrives, what is refused, and what a router makes of it",
    also: &["IP_RECVTTL", "IPV6_UNICAST_HOPS"],
    run,
    inside,
};

fn run(journal: &mut Journal<'_>) -> Result<()> {
    let (receiver, addr) = bound(udp()?)?;
    setsockopt(&receiver, IPPROTO_IP, IP_RECVTTL, &1)?;
    let sender = udp()?;
    connect(&sender, &to_c(&addr))?;

    journal.case("to this host: what recvmsg() tells of it, by IP_RECVTTL");
    let default: c_int = getsockopt(&sender, IPPROTO_IP, IP_TTL)?;
    if let Some(expected) = sysctl("net/ipv4/ip_default_ttl", 0) {
        journal.is("by default, which is net.ipv4.ip_default_ttl", default, expected);
    }
    send(&sender, b"x", 0)?;
    journal.is("by default arrives", arriving(&receiver)?, default);
    for ttl in [1, 2, 255] {
        setsockopt(&sender, IPPROTO_IP, IP_TTL, &ttl)?;
        send(&sender, b"x", 0)?;
        journal.is(format!("IP_TTL={ttl}: arrives"), arriving(&receiver)?, ttl);
    }

    journal.case("values that are none, and one that is the default");
    for ttl in [0, 256, -2] {
        let set = setsockopt(&sender, IPPROTO_IP, IP_TTL, &ttl);
        journal.is(format!("setsockopt() to {ttl} returns"), done(set), "EINVAL");
    }
    journal.is("to -1", done(setsockopt(&sender, IPPROTO_IP, IP_TTL, &-1)), 0);
    let again: c_int = getsockopt(&sender, IPPROTO_IP, IP_TTL)?;
    journal.is("and then it is", again, default);

    journal.case("IPv6 has IPV6_UNICAST_HOPS for it");
    match socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0) {
        Ok(sockfd) => {
            for (hops, expected) in [(0, "0"), (255, "0"), (256, "EINVAL")] {
                let set = setsockopt(&sockfd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, &hops);
                journal.is(format!("setsockopt() to {hops} returns"), done(set), expected);
            }
        }
        Err(error) => journal.left_out(format!("IPv6: {error}")),
    }
    journal.namespaces("across a router, in namespaces", SCRIPT);
    Ok(())
}

/// The time to live that the next datagram has left, or -1 if none comes.
fn arriving(receiver: &OwnedFd) -> Result<c_int> {
    if !wait_for(receiver, POLLIN)? {
        return Ok(-1);
    }
    let (mut buf, mut control) = ([0; 16], [0; 64]);
    let (_, message) = recvmsg(receiver, &mut [IoSliceMut::new(&mut buf)], &mut control, 0)?;
    let mut pieces = std::iter::successors(CMSG_FIRSTHDR(message.msg_control), CMSG_NXTHDR);
    let ttl = pieces.find(|piece| piece.cmsg_level == IPPROTO_IP && piece.cmsg_type == IP_TTL);
    let data = ttl.and_then(|piece| CMSG_DATA(&piece).try_into().ok());
    Ok(data.map_or(-1, c_int::from_ne_bytes))
}

/// A client, a router and a server, each with a network of its own, that end with the script.
const SCRIPT: &str = "set -e
mount -t tmpfs tmpfs /run
mkdir /run/netns
ip netns add router
ip netns add server
ip link add near type veth peer name left netns router
ip -n router link add right type veth peer name far netns server
ip addr add 10.0.1.1/24 dev near
ip link set near up
ip -n router addr add 10.0.1.2/24 dev left
ip -n router addr add 10.0.2.2/24 dev right
ip -n router link set left up
ip -n router link set right up
ip -n server addr add 10.0.2.1/24 dev far
ip -n server link set far up
ip -n server route add default via 10.0.2.2
ip route add default via 10.0.1.2
ip netns exec router sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'
exec \"$0\" sockopt show IP_TTL --inside";

/// The server's address in [`SCRIPT`].
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 1);

/// What arrives at the server, behind one router, in the namespaces of [`SCRIPT`].
fn inside(journal: &mut Journal<'_>) -> Result<()> {
    let opened = |path: &str| {
        let number = |error: std::io::Error| error.raw_os_error().unwrap_or(EIO);
        File::open(path).map_err(|error| Error::new("open", number(error)))
    };
    let here = opened("/proc/thread-self/ns/net")?;
    setns(opened("/run/netns/server")?, CLONE_NEWNET)?;
    // A socket stays where it was made.
    let receiver = udp()?;
    setns(here, CLONE_NEWNET)?;
    bind(&receiver, &to_c(&SocketAddr::from((SERVER, 0))))?;
    setsockopt(&receiver, IPPROTO_IP, IP_RECVTTL, &1)?;
    let sender = udp()?;
    connect(&sender, &to_c(&name(&receiver)?))?;
    setsockopt(&sender, IPPROTO_IP, IP_RECVERR, &1)?;

    journal.case("across a router, in namespaces");
    for (ttl, left) in [(2, 1), (64, 63), (255, 254)] {
        setsockopt(&sender, IPPROTO_IP, IP_TTL, &ttl)?;
        send(&sender, b"x", 0)?;
        journal.is(format!("IP_TTL={ttl}: arrives"), arriving(&receiver)?, left);
    }
    setsockopt(&sender, IPPROTO_IP, IP_TTL, &1)?;
    send(&sender, b"x", 0)?;
    wait_for(&sender, POLLERR)?;
    let told = said(recv(&sender, &mut [0; 16], MSG_DONTWAIT));
    journal.is(
        "IP_TTL=1: the router sends it back, recv() with IP_RECVERR says",
        told,
        "EHOSTUNREACH",
    );
    let nothing = said(recv(&receiver, &mut [0; 16], MSG_DONTWAIT));
    journal.is("and recv() of the receiver", nothing, "EAGAIN");
    Ok(())
}

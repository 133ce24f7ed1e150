//! The registry: one line for each option, and below it what it takes and where Linux differs from the
//! lecture's slide. Left out are options whose value holds a pointer (`SO_ATTACH_FILTER`), is the
//! header of a packet (`IP_OPTIONS`), belongs to other families (`SO_PASSCRED`) or to a membership.

use std::ffi::c_int;

use serde::Serialize;

use super::value::Kind;
use crate::linux::packet_info::*;
use crate::linux::socket_options::*;
use crate::linux::tcp_info::{SO_MEMINFO, TCP_INFO};
use crate::posix::netinet_in::*;
use crate::posix::netinet_tcp::*;
use crate::posix::sys_socket::*;

/// The sockets that an option is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum On {
    /// All.
    Any,
    /// TCP's.
    Tcp,
    /// UDP's.
    Udp,
    /// Raw ones, which none of these tools makes.
    Raw,
}

/// An option of a socket.
#[derive(Debug)]
pub struct Opt {
    /// C's name for it.
    pub name: &'static str,
    /// The level: a protocol, or `SOL_SOCKET`.
    pub level: c_int,
    /// C's name for the level.
    pub level_name: &'static str,
    /// C's number for it.
    pub number: c_int,
    /// The number with which it is read: another one's where it can only be set.
    pub read_by: c_int,
    /// The type of its value.
    pub kind: Kind,
    /// On which sockets.
    pub on: On,
    /// Whether it can be set at all.
    pub settable: bool,
    /// What it is for.
    pub clause: &'static str,
    /// Which values it takes, and what becomes of them, where that is worth a word.
    pub values: &'static str,
    /// Where Linux differs from the lecture's slide.
    pub differs: &'static str,
}

/// `[LEVEL] NAME Kind On set "clause" [takes "values"] [differs "from the slide"] [read by NAME];`
macro_rules! options {
    ($([$level:ident] $($name:ident $kind:ident $on:ident $access:ident $clause:literal
        $(takes $values:literal)? $(differs $differs:literal)? $(read by $other:ident)?;)*)*) => {
        /// All options, level by level, in the order of their numbers.
        pub const OPTIONS: &[Opt] = &[$($(Opt {
            name: stringify!($name),
            level: $level,
            level_name: stringify!($level),
            number: $name,
            read_by: options!(@first $($other)? $name),
            kind: Kind::$kind,
            on: On::$on,
            settable: options!(@$access),
            clause: $clause,
            values: concat!($($values)?),
            differs: concat!($($differs)?),
        }),*),*];
    };
    (@first $name:ident $($rest:ident)?) => { $name };
    (@set) => { true };
    (@get) => { false };
}

options! {
    [SOL_SOCKET]
    SO_DEBUG Flag Any set "note what happens, for the kernel's developers";
    SO_REUSEADDR Flag Any set "bind although connections to the port exist"
        differs "the old socket must have had it as well; never beside one that listens";
    SO_TYPE Int Any get "1 is SOCK_STREAM, 2 is SOCK_DGRAM";
    SO_ERROR Int Any get "the pending error; reading it clears it";
    SO_DONTROUTE Flag Any set "only to hosts on the same network, past the routing table";
    SO_BROADCAST Flag Any set "may send to broadcast addresses";
    SO_SNDBUF Int Any set "size of the send buffer, in bytes"
        takes "any number, from 2304 to net.core.wmem_max, and doubles it"
        differs "slide: 4 kB or more; TCP's grows by itself once connected";
    SO_RCVBUF Int Any set "size of the receive buffer, in bytes"
        takes "any number, from 1152 to net.core.rmem_max, and doubles it"
        differs "slide: 4 kB or more; TCP's grows by itself once connected";
    SO_KEEPALIVE Flag Any set "probe a silent peer: TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT say when"
        takes "0 for off, and any other number for on, which is then read as 1";
    SO_OOBINLINE Flag Any set "urgent data stays among the rest";
    SO_NO_CHECK Flag Any set "UDP over IPv4: no checksum";
    SO_PRIORITY Int Any set "the queueing discipline's priority of what is sent"
        takes "0 to 6; more with CAP_NET_ADMIN";
    SO_LINGER Linger Any set "what close does with what is not sent: go on, wait, or reset"
        takes "off; on,0 to reset; on,SECONDS to wait"
        differs "after the wait close returns 0, and what is queued is still sent";
    SO_BSDCOMPAT Flag Any set "does nothing";
    SO_REUSEPORT Flag Any set "several sockets of one user share a port, and the load";
    SO_RCVLOWAT Int Any set "least number of bytes to receive"
        takes "at least 1; TCP cuts it to half of a SO_RCVBUF that was set"
        differs "UDP ignores it; a recv that does not wait takes less";
    SO_SNDLOWAT Int Any get "least number of bytes to send"
        differs "it is 1 and can't be set";
    SO_RCVTIMEO Time Any set "how long recv and accept wait, then EAGAIN; 0 is for ever"
        takes "seconds, and 0 to 999999 microseconds; rounded up to the kernel's clock";
    SO_SNDTIMEO Time Any set "how long send waits, then EAGAIN, and connect, then EINPROGRESS"
        takes "seconds, and 0 to 999999 microseconds; rounded up to the kernel's clock";
    SO_BINDTODEVICE Text Any set "only this interface"
        takes "the name of an interface, or nothing for all";
    SO_TIMESTAMP Flag Any set "recvmsg tells when it arrived, in microseconds";
    SO_ACCEPTCONN Flag Any get "whether it listens";
    SO_SNDBUFFORCE Int Any set "SO_SNDBUF beyond net.core.wmem_max, with CAP_NET_ADMIN"
        takes "any number; it is doubled" read by SO_SNDBUF;
    SO_RCVBUFFORCE Int Any set "SO_RCVBUF beyond net.core.rmem_max, with CAP_NET_ADMIN"
        takes "any number; it is doubled" read by SO_RCVBUF;
    SO_TIMESTAMPNS Flag Any set "recvmsg tells when it arrived, in nanoseconds";
    SO_MARK Unsigned Any set "a mark for firewall and routing; takes CAP_NET_ADMIN";
    SO_TIMESTAMPING Int Any set "times of sending and arriving, from the driver too";
    SO_PROTOCOL Int Any get "6 is IPPROTO_TCP, 17 is IPPROTO_UDP";
    SO_DOMAIN Int Any get "2 is AF_INET, 10 is AF_INET6";
    SO_RXQ_OVFL Flag Any set "recvmsg tells how many datagrams were dropped";
    SO_WIFI_STATUS Flag Any set "recvmsg tells whether the frame was acknowledged";
    SO_PEEK_OFF Int Any set "where MSG_PEEK begins; -1 is always at the front";
    SO_NOFCS Flag Any set "no checksum of the frame, where the driver can do without";
    SO_LOCK_FILTER Flag Any set "the filter can't be changed any more";
    SO_SELECT_ERR_QUEUE Flag Any set "select's third set tells of the error queue";
    SO_BUSY_POLL Int Any set "microseconds to poll the driver instead of sleeping";
    SO_MAX_PACING_RATE Long Any set "bytes a second at most"
        takes "a number, or unlimited";
    SO_BPF_EXTENSIONS Int Any get "how many extensions its packet filters know";
    SO_INCOMING_CPU Int Any set "which processor gets its packets";
    SO_MEMINFO Counts Any get "its memory: used, limits, queued; the last one is what was dropped";
    SO_INCOMING_NAPI_ID Int Any get "which queue of the driver its packets came from";
    SO_COOKIE Cookie Any get "a number that no other socket has";
    SO_ZEROCOPY Flag Any set "MSG_ZEROCOPY may be used";
    SO_TXTIME Pair Any set "datagrams are sent at a given time: clock, flags";
    SO_BINDTOIFINDEX Int Any set "only this interface, by its number";
    SO_PREFER_BUSY_POLL Flag Any set "poll the driver rather than wait for its interrupt";
    SO_NETNS_COOKIE Long Any get "a number that its network namespace has";
    SO_BUF_LOCK Int Any set "buffers that don't grow: 1 the send buffer, 2 the receive buffer"
        takes "0 to 3";
    SO_RESERVE_MEM Int Any set "memory that it keeps, where there are memory cgroups";
    SO_TXREHASH Flag Tcp set "another path through the network after a retransmission";
    SO_RCVMARK Flag Any set "recvmsg tells the mark of the packet";

    [IPPROTO_IP]
    IP_TOS Int Any set "the type of service, that is DSCP, of packets"
        takes "0 to 255; TCP keeps its own last two bits";
    IP_TTL Int Any set "the initial time to live of packets"
        takes "1 to 255, or -1 for net.ipv4.ip_default_ttl"
        differs "0 and 256 are refused; on IPv6 it is IPV6_UNICAST_HOPS";
    IP_HDRINCL Flag Raw set "the header comes with the data";
    IP_ROUTER_ALERT Flag Raw set "packets with the router alert option";
    IP_RECVOPTS Flag Any set "recvmsg tells the options of the header";
    IP_RETOPTS Flag Any set "the same, as an answer would have them";
    IP_PKTINFO Flag Any set "recvmsg tells interface and address at which it arrived"
        differs "stands in for IP_RECVIF";
    IP_MTU_DISCOVER Int Any set "whether packets may be cut: 0 yes, 1 by route, 2 no, 3 probe"
        takes "0 to 5";
    IP_RECVERR Flag Any set "ICMP errors in detail, by MSG_ERRQUEUE";
    IP_RECVTTL Flag Any set "recvmsg tells the time to live that was left";
    IP_RECVTOS Flag Any set "recvmsg tells the type of service";
    IP_MTU Int Any get "the path's largest packet, once connected";
    IP_FREEBIND Flag Any set "bind to an address that is not here (yet)";
    IP_PASSSEC Flag Any set "recvmsg tells the security label";
    IP_TRANSPARENT Flag Any set "accept for foreign addresses; takes CAP_NET_ADMIN or CAP_NET_RAW";
    IP_RECVORIGDSTADDR Flag Any set "recvmsg tells the address before the firewall changed it"
        differs "has the number, 20, that BSD's IP_RECVIF has there";
    IP_MINTTL Int Any set "packets with a lower time to live are dropped"
        takes "0 to 255";
    IP_NODEFRAG Flag Raw set "fragments are not put together";
    IP_CHECKSUM Flag Any set "recvmsg tells the checksum";
    IP_BIND_ADDRESS_NO_PORT Flag Any set "bind leaves the choice of the port to connect";
    IP_RECVFRAGSIZE Flag Udp set "recvmsg tells the size of the largest fragment";
    IP_RECVERR_RFC4884 Flag Any set "IP_RECVERR with what RFC 4884 adds";
    IP_MULTICAST_IF Address Udp set "from which address multicasts are sent";
    IP_MULTICAST_TTL Int Udp set "the time to live of multicasts"
        takes "0 to 255, or -1 for 1";
    IP_MULTICAST_LOOP Flag Udp set "the own host gets its multicasts too";
    IP_MULTICAST_ALL Flag Any set "multicasts of groups that other sockets have joined too";
    IP_UNICAST_IF Int Any set "through which interface to send, in network byte order";
    IP_LOCAL_PORT_RANGE Unsigned Any set "ports to choose from: the highest in the upper 16 bits, the lowest below";
    IP_PROTOCOL Int Raw get "the protocol of a raw socket";

    [IPPROTO_IPV6]
    IPV6_2292PKTINFO Flag Any set "obsolete: IPV6_RECVPKTINFO";
    IPV6_2292HOPOPTS Flag Any set "obsolete: IPV6_RECVHOPOPTS";
    IPV6_2292DSTOPTS Flag Any set "obsolete: IPV6_RECVDSTOPTS";
    IPV6_2292RTHDR Flag Any set "obsolete: IPV6_RECVRTHDR";
    IPV6_2292HOPLIMIT Flag Any set "obsolete: IPV6_RECVHOPLIMIT";
    IPV6_FLOWINFO Flag Any set "recvmsg tells the flow label";
    IPV6_UNICAST_HOPS Int Any set "the initial hop limit of packets, IPv6's IP_TTL"
        takes "0 to 255, or -1 for the interface's"
        differs "0 is allowed, unlike IP_TTL's";
    IPV6_MULTICAST_IF Int Udp set "through which interface multicasts are sent";
    IPV6_MULTICAST_HOPS Int Udp set "the hop limit of multicasts"
        takes "0 to 255, or -1 for 1";
    IPV6_MULTICAST_LOOP Flag Udp set "the own host gets its multicasts too";
    IPV6_ROUTER_ALERT Int Raw set "packets with the router alert option";
    IPV6_MTU_DISCOVER Int Any set "whether packets may be cut: 0 yes, 1 by route, 2 no, 3 probe"
        takes "0 to 5";
    IPV6_MTU Int Any set "the path's largest packet, once connected"
        takes "1280 or more";
    IPV6_RECVERR Flag Any set "ICMPv6 errors in detail, by MSG_ERRQUEUE";
    IPV6_V6ONLY Flag Any set "IPv6 only, no IPv4 through mapped addresses; before bind";
    IPV6_MULTICAST_ALL Flag Any set "multicasts of groups that other sockets have joined too";
    IPV6_ROUTER_ALERT_ISOLATE Flag Any set "router alerts of the own namespace only";
    IPV6_RECVERR_RFC4884 Flag Any set "IPV6_RECVERR with what RFC 4884 adds";
    IPV6_FLOWINFO_SEND Flag Any set "connect and sendto take the flow label of the address";
    IPV6_RECVPKTINFO Flag Any set "recvmsg tells interface and address at which it arrived";
    IPV6_RECVHOPLIMIT Flag Any set "recvmsg tells the hop limit that was left";
    IPV6_RECVHOPOPTS Flag Any set "recvmsg tells the hop-by-hop options";
    IPV6_RECVRTHDR Flag Any set "recvmsg tells the routing header";
    IPV6_RECVDSTOPTS Flag Any set "recvmsg tells the destination options";
    IPV6_RECVPATHMTU Flag Any set "recvmsg tells when the path's largest packet changes";
    IPV6_DONTFRAG Flag Any set "packets are not cut";
    IPV6_RECVTCLASS Flag Any set "recvmsg tells the traffic class";
    IPV6_TCLASS Int Any set "the traffic class, that is DSCP, of packets"
        takes "0 to 255, or -1 for 0";
    IPV6_AUTOFLOWLABEL Flag Any set "flow labels are made by the kernel";
    IPV6_ADDR_PREFERENCES Int Any set "which source address is preferred";
    IPV6_MINHOPCOUNT Int Any set "packets with a lower hop limit are dropped"
        takes "0 to 255";
    IPV6_RECVORIGDSTADDR Flag Any set "recvmsg tells the address before the firewall changed it";
    IPV6_TRANSPARENT Flag Any set "accept for foreign addresses; takes CAP_NET_ADMIN or CAP_NET_RAW";
    IPV6_UNICAST_IF Int Any set "through which interface to send, in network byte order";
    IPV6_RECVFRAGSIZE Flag Any set "recvmsg tells the size of the largest fragment";
    IPV6_FREEBIND Flag Any set "bind to an address that is not here (yet)";

    [IPPROTO_TCP]
    TCP_NODELAY Flag Tcp set "send small segments at once, without Nagle's algorithm";
    TCP_MAXSEG Int Tcp set "the largest segment"
        takes "88 to 32767, or 0 for the path's";
    TCP_CORK Flag Tcp set "hold back what does not fill a segment, at most 200 ms";
    TCP_KEEPIDLE Int Tcp set "seconds of silence before the first probe"
        takes "1 to 32767";
    TCP_KEEPINTVL Int Tcp set "seconds between probes"
        takes "1 to 32767";
    TCP_KEEPCNT Int Tcp set "probes without an answer, then ETIMEDOUT"
        takes "1 to 127";
    TCP_SYNCNT Int Tcp set "how often a SYN is sent again"
        takes "1 to 127";
    TCP_LINGER2 Int Tcp set "seconds that a closed socket waits in FIN_WAIT2"
        takes "seconds, at most 120; negative: none";
    TCP_DEFER_ACCEPT Int Tcp set "seconds that accept waits for the first data"
        takes "seconds; rounded up to a time after a retransmission";
    TCP_WINDOW_CLAMP Int Tcp set "the largest window that is offered";
    TCP_INFO State Tcp get "the state, and a hundred figures of the connection";
    TCP_QUICKACK Flag Tcp set "acknowledge at once; does not last";
    TCP_CONGESTION Text Tcp set "the congestion control"
        takes "a name of /proc/sys/net/ipv4/tcp_available_congestion_control";
    TCP_THIN_LINEAR_TIMEOUTS Flag Tcp set "thin streams: timeouts that don't double";
    TCP_THIN_DUPACK Flag Tcp set "does nothing any more";
    TCP_USER_TIMEOUT Int Tcp set "milliseconds without acknowledgement, then ETIMEDOUT"
        takes "0 or more; 0 is the default of some 15 minutes";
    TCP_REPAIR Flag Tcp set "read and write a connection's state; takes CAP_NET_ADMIN";
    TCP_REPAIR_QUEUE Int Tcp set "which queue is repaired; with TCP_REPAIR only";
    TCP_QUEUE_SEQ Unsigned Tcp set "the sequence number of that queue; with TCP_REPAIR only";
    TCP_FASTOPEN Int Tcp set "data with the SYN: how many may be pending";
    TCP_TIMESTAMP Clock Tcp set "the clock of its timestamps; set with TCP_REPAIR only";
    TCP_NOTSENT_LOWAT Unsigned Tcp set "writable only if less than this is not sent; 0 is no limit";
    TCP_SAVE_SYN Flag Tcp set "keep the SYN, for TCP_SAVED_SYN";
    TCP_FASTOPEN_CONNECT Flag Tcp set "connect sends the SYN with the first data";
    TCP_ULP Text Tcp set "a protocol on top, in the kernel: tls; once connected";
    TCP_FASTOPEN_NO_COOKIE Flag Tcp set "data with the SYN without a cookie";
    TCP_INQ Flag Tcp set "recvmsg tells how much is left to receive";
    TCP_TX_DELAY Int Tcp set "microseconds by which segments are delayed";

    [IPPROTO_UDP]
    UDP_CORK Flag Udp set "gather what is sent into one datagram, until it is off";
    UDP_ENCAP Int Udp set "a tunnel's protocol in the datagrams";
    UDP_NO_CHECK6_TX Flag Udp set "IPv6: send a checksum of zero";
    UDP_NO_CHECK6_RX Flag Udp set "IPv6: receive a checksum of zero";
    UDP_SEGMENT Int Udp set "cut what is sent into datagrams of this size";
    UDP_GRO Flag Udp set "receive several datagrams as one";
}

/// An option of the lecture that Linux does not have, and what stands in for it.
#[derive(Debug, Serialize)]
pub struct Absent {
    /// BSD's name for it.
    #[serde(rename = "option")]
    pub name: &'static str,
    /// What it is for.
    pub clause: &'static str,
    /// What Linux has instead.
    pub differs: &'static str,
}

/// On the lecture's slide, but not on Linux.
pub const ABSENT: Absent = Absent {
    name: "IP_RECVIF",
    clause: "on which interface it arrived",
    differs: "does not exist: IP_PKTINFO; BSD's number, 20, is IP_RECVORIGDSTADDR",
};

/// The option of this name, in whatever case it is written.
pub fn find(name: &str) -> Option<&'static Opt> {
    OPTIONS.iter().find(|option| option.name.eq_ignore_ascii_case(name))
}

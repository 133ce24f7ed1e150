//! `netstat`: which sockets there are, who holds them, and what netstat itself hides: the backlog and how
//! full it is, `::` with or without IPv4, ports that are bound but not listened on, every holder.

mod holders;
mod kernel;
pub mod names;
mod procfs;

use std::net::SocketAddr;

use serde::{Serialize, Serializer};

pub use self::holders::Holder;
use crate::linux::sock_diag::sock_diag;
use crate::posix::Error;

/// Which sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Selection {
    /// Those of TCP.
    pub tcp: bool,
    /// Those of UDP.
    pub udp: bool,
    /// Those of IPv4.
    pub ipv4: bool,
    /// Those of IPv6.
    pub ipv6: bool,
    /// Of these, which.
    pub kind: Kind,
    /// TCP sockets that are bound, but neither listen nor are connected, as well.
    pub bound: bool,
    /// Whether to look for the processes that hold them.
    pub holders: bool,
}

/// Servers, connections, or both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// TCP sockets that listen, UDP sockets that are not connected.
    Listening,
    /// All others.
    Connected,
    /// Both.
    All,
}

/// The transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// `tcp`
    Tcp,
    /// `udp`
    Udp,
}

/// The address family of a socket. One of IPv6 may have IPv4 peers: their addresses are `::ffff:a.b.c.d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Family {
    /// `AF_INET`
    IPv4,
    /// `AF_INET6`
    IPv6,
}

/// The state of a TCP socket, in the words of netstat; [`Bound`](Self::Bound) is one that it can't show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "RFC 9293 has them")]
pub enum State {
    Established,
    SynSent,
    SynRecv,
    #[serde(rename = "FIN_WAIT1")]
    FinWait1,
    #[serde(rename = "FIN_WAIT2")]
    FinWait2,
    TimeWait,
    Close,
    CloseWait,
    LastAck,
    Listen,
    Closing,
    /// It has a port, and does nothing with it yet.
    Bound,
    /// One that this program does not know.
    Unknown,
}

impl State {
    /// The kernel's number of a state.
    fn of(number: u8) -> Self {
        match number {
            1 => Self::Established,
            2 => Self::SynSent,
            // A request for a connection: for others the same state.
            3 | 12 => Self::SynRecv,
            4 => Self::FinWait1,
            5 => Self::FinWait2,
            6 => Self::TimeWait,
            7 => Self::Close,
            8 => Self::CloseWait,
            9 => Self::LastAck,
            10 => Self::Listen,
            11 => Self::Closing,
            13 => Self::Bound,
            _ => Self::Unknown,
        }
    }

    /// `LISTEN` and so on.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Established => "ESTABLISHED",
            Self::SynSent => "SYN_SENT",
            Self::SynRecv => "SYN_RECV",
            Self::FinWait1 => "FIN_WAIT1",
            Self::FinWait2 => "FIN_WAIT2",
            Self::TimeWait => "TIME_WAIT",
            Self::Close => "CLOSE",
            Self::CloseWait => "CLOSE_WAIT",
            Self::LastAck => "LAST_ACK",
            Self::Listen => "LISTEN",
            Self::Closing => "CLOSING",
            Self::Bound => "BOUND",
            Self::Unknown => "UNKNOWN",
        }
    }
}

/// The queue of a listening socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Backlog {
    /// How many connections wait to be accepted.
    pub waiting: u32,
    /// The backlog as the kernel took it; one more than this fit. `None` if only /proc/net could be read.
    pub limit: Option<u32>,
}

/// A socket.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Row {
    /// Its transport.
    pub protocol: Protocol,
    /// Its address family.
    pub family: Family,
    /// Its own address.
    #[serde(serialize_with = "address")]
    pub local: SocketAddr,
    /// Its peer's; port 0 if there is none.
    #[serde(serialize_with = "address")]
    pub remote: SocketAddr,
    /// Its state; that of a UDP socket is `None` or, if it is connected, `Established`.
    pub state: Option<State>,
    /// Bytes that wait to be read; of a listening socket, connections that wait to be accepted.
    pub recv_q: u32,
    /// Bytes that are not acknowledged; 0 of a listening socket.
    pub send_q: u32,
    /// Of a listening socket.
    pub backlog: Option<Backlog>,
    /// Whether a socket of IPv6 without a peer refuses IPv4. `None` where the kernel does not say.
    pub v6only: Option<bool>,
    /// Whose it is.
    pub uid: u32,
    /// Its number in `/proc/PID/fd`; 0 while, or since, no process holds it.
    pub inode: u32,
    /// Who holds it, in the order of their ids. `None` if nobody looked, or could have found any.
    pub holders: Option<Vec<Holder>>,
}

fn address<S: Serializer>(addr: &SocketAddr, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Address {
        address: std::net::IpAddr,
        port: u16,
    }
    let none = addr.port() == 0 && addr.ip().is_unspecified();
    let address = Address { address: addr.ip(), port: addr.port() };
    (!none).then_some(address).serialize(serializer)
}

/// What was seen.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// TCP before UDP, IPv4 before IPv6, then in the kernel's order.
    pub rows: Vec<Row>,
    /// Why the kernel's table could not be had, if /proc/net had to do: it knows neither limits of backlogs
    /// nor `v6only` nor bound sockets.
    pub fallback: Option<Error>,
    /// Whether a row has no holder, and there are processes that we may not look into.
    pub hidden: bool,
}

/// Looks once.
///
/// # Errors
///
/// Those of reading /proc/net, where the kernel's table can't be had either.
pub fn look(selection: &Selection) -> Result<Snapshot, Error> {
    let mut rows = Vec::new();
    let mut fallback = None;
    let mut netlink = sock_diag();
    for protocol in [Protocol::Tcp, Protocol::Udp] {
        for family in [Family::IPv4, Family::IPv6] {
            if !selection.has(protocol, family) {
                continue;
            }
            let before = rows.len();
            let dumped = match &netlink {
                Ok(netlink) => kernel::dump(netlink, protocol, family, selection, &mut rows),
                Err(error) => Err(*error),
            };
            if let Err(error) = dumped {
                // What has come of an answer that was cut off would come twice.
                rows.truncate(before);
                fallback.get_or_insert(error);
                procfs::read(protocol, family, selection, &mut rows)?;
                netlink = sock_diag();
            }
        }
    }
    let mut snapshot = Snapshot { rows, fallback, hidden: false };
    if selection.holders {
        snapshot.hidden = holders::find(&mut snapshot.rows);
    }
    Ok(snapshot)
}

impl Selection {
    fn has(&self, protocol: Protocol, family: Family) -> bool {
        let protocol = match protocol {
            Protocol::Tcp => self.tcp,
            Protocol::Udp => self.udp,
        };
        let family = match family {
            Family::IPv4 => self.ipv4,
            Family::IPv6 => self.ipv6,
        };
        protocol && family
    }
}

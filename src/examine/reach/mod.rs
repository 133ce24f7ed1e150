//! I: by which addresses it can be reached.

use std::net::{IpAddr, SocketAddr};

use super::client::{Answer, End};
use super::server::{Probe, Server};
use super::{Exam, Trouble};
use crate::linux::sock_diag::inet_diag_msg;
use crate::posix::sys_socket::{AF_INET, AF_INET6};

pub(super) mod asked;
pub(super) mod dual;
pub(super) mod families;
pub(super) mod scope;

/// Whether there is anybody at an address, and whether it is the server that answers.
fn ask(server: &Server, ip: impl Into<IpAddr>) -> Result<Probe, Trouble> {
    ask_at(server, SocketAddr::new(ip.into(), server.addr.port()))
}

fn ask_at(server: &Server, addr: SocketAddr) -> Result<Probe, Trouble> {
    let Some(mut client) = server.connect_to(addr)? else { return Ok(Probe::Refused) };
    client.send(&server.protocol.request)?;
    Ok(match server.outcome(&mut client)? {
        // So is UDP refused: the port is closed there.
        Probe::Wrong(Answer { bytes, end: End::Reset, .. })
            if bytes.is_empty() && !server.is_tcp =>
        {
            Probe::Refused
        }
        probe => probe,
    })
}

/// A server's sockets on its port, over IPv4 and over IPv6.
fn sockets(server: &Server) -> Result<(Vec<inet_diag_msg>, Vec<inet_diag_msg>), Trouble> {
    Ok((server.listeners_of(AF_INET)?, server.listeners_of(AF_INET6)?))
}

fn is_wildcard(row: &inet_diag_msg) -> bool {
    row.idiag_src == [0; 16]
}

/// The server, or where the last request has used it up, a new one.
fn fresh(exam: &Exam, server: Server) -> Result<Server, Trouble> {
    if !exam.is_single_use()? {
        return Ok(server);
    }
    drop(server);
    exam.restart()
}

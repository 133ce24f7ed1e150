//! The resolver's functions, each under its C name: what it returned, field by field.
//!
//! Names are bytes: the C library knows no encoding. What the functions of services and protocols say when
//! they find nothing is NULL, without a reason.

pub mod constants;

use std::ffi::{CStr, CString, c_int};

use serde::{Serialize, Serializer};

use crate::posix::arpa_inet::*;
use crate::posix::error::{Cause, Errno};
use crate::posix::netdb::{self, *};
use crate::posix::netinet_in::*;
use crate::posix::sys_socket::*;
use crate::posix::{Error, Result};

use constants::{FAMILIES, PROTOCOLS, TYPES, is_no_port, name_of};

/// Why there is nothing to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unresolved {
    /// What the function reported.
    Failed(Error),
    /// The function returned NULL, and has no way of saying why.
    Null(&'static str),
    /// Not asked: the text is no address.
    NoAddress,
    /// Not asked: the service is a number, but no port; the C library would let it wrap.
    NoPort,
}

impl From<Error> for Unresolved {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// What a function has found, or why it has not.
pub type Found<T> = std::result::Result<T, Unresolved>;

/// A name as the C library has it. Serialised, U+FFFD stands for what is not UTF-8.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name(CString);

impl Name {
    /// Its bytes, without C's NUL.
    pub fn bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.to_string_lossy())
    }
}

fn names(list: Vec<CString>) -> Vec<Name> {
    list.into_iter().map(Name).collect()
}

/// `struct hostent`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Host {
    /// The official name.
    pub h_name: Name,
    /// Its other names.
    pub h_aliases: Vec<Name>,
    /// `AF_INET` or `AF_INET6`.
    pub h_addrtype: String,
    /// The length of each address in bytes.
    pub h_length: c_int,
    /// The addresses, as `inet_ntop` writes them.
    pub h_addr_list: Vec<String>,
}

/// `struct servent`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Service {
    /// The official name.
    pub s_name: Name,
    /// Its other names.
    pub s_aliases: Vec<Name>,
    /// The port, as `ntohs` says it.
    pub s_port: u16,
    /// The protocol that it is for.
    pub s_proto: Name,
}

/// `struct protoent`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Protocol {
    /// The official name.
    pub p_name: Name,
    /// Its other names.
    pub p_aliases: Vec<Name>,
    /// The number in the IP header.
    pub p_proto: c_int,
}

/// `struct addrinfo`: one of the answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AddressInfo {
    /// `AF_INET` or `AF_INET6`: the first argument of `socket`.
    pub ai_family: String,
    /// `SOCK_STREAM` and so on: the second.
    pub ai_socktype: String,
    /// `IPPROTO_TCP` and so on: the third.
    pub ai_protocol: String,
    /// The host's full name, in the first answer, where `AI_CANONNAME` asked for it.
    pub ai_canonname: Option<Name>,
    /// The address, for `connect` or `bind`.
    pub ai_addr: SocketAddress,
}

/// `struct sockaddr_in` or `struct sockaddr_in6`, the port as `ntohs` says it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum SocketAddress {
    /// `AF_INET`
    V4 {
        /// As `inet_ntop` writes it.
        sin_addr: String,
        /// The port.
        sin_port: u16,
        /// `127.0.0.1:80`
        #[serde(skip)]
        text: String,
    },
    /// `AF_INET6`
    V6 {
        /// As `inet_ntop` writes it.
        sin6_addr: String,
        /// The port.
        sin6_port: u16,
        /// As it is: network byte order.
        sin6_flowinfo: u32,
        /// The interface's number, where the address is one of a link.
        sin6_scope_id: u32,
        /// `[fe80::1%eth0]:80`
        #[serde(skip)]
        text: String,
    },
}

impl SocketAddress {
    /// Address and port: `127.0.0.1:80`, `[::1]:80`.
    pub fn text(&self) -> &str {
        match self {
            Self::V4 { text, .. } | Self::V6 { text, .. } => text,
        }
    }
}

/// What `getnameinfo` writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NameInfo {
    /// The host's name, or its address.
    pub host: Name,
    /// The service's name, or its port.
    pub serv: Name,
}

/// The IPv4 addresses of a host.
///
/// # Errors
///
/// Those of the function. No name has a NUL in it: one that has is not found.
pub fn gethostbyname(name: &[u8]) -> Found<Host> {
    let not_found = Error { call: "gethostbyname", cause: Cause::Host(HOST_NOT_FOUND) };
    let name = CString::new(name).map_err(|_| not_found)?;
    Ok(host(netdb::gethostbyname(&name)?)?)
}

/// The name of an address.
///
/// # Errors
///
/// Those of the function, or that the text is no address.
pub fn gethostbyaddr(text: &[u8]) -> Found<Host> {
    let text = CString::new(text).map_err(|_| Unresolved::NoAddress)?;
    if let (1, addr) = inet_pton::<in_addr>(AF_INET, &text)? {
        return Ok(host(netdb::gethostbyaddr(&addr.s_addr.to_ne_bytes(), AF_INET)?)?);
    }
    if let (1, addr) = inet_pton::<in6_addr>(AF_INET6, &text)? {
        return Ok(host(netdb::gethostbyaddr(&addr.s6_addr, AF_INET6)?)?);
    }
    Err(Unresolved::NoAddress)
}

fn host(entry: hostent) -> Result<Host> {
    let mut h_addr_list = Vec::new();
    for addr in &entry.h_addr_list {
        h_addr_list.push(address(addr)?);
    }
    Ok(Host {
        h_name: Name(entry.h_name),
        h_aliases: names(entry.h_aliases),
        h_addrtype: name_of(FAMILIES, entry.h_addrtype),
        h_length: entry.h_length,
        h_addr_list,
    })
}

/// An address in network byte order, as text.
fn address(bytes: &[u8]) -> Result<String> {
    let text = if let Ok(bytes) = <[u8; 4]>::try_from(bytes) {
        inet_ntop(AF_INET, &in_addr { s_addr: u32::from_ne_bytes(bytes) })?
    } else {
        let s6_addr = <[u8; 16]>::try_from(bytes).unwrap_or_default();
        inet_ntop(AF_INET6, &in6_addr { s6_addr })?
    };
    Ok(text.to_string_lossy().into_owned())
}

/// A service by its name, of one protocol or of any.
///
/// # Errors
///
/// There is none: NULL.
pub fn getservbyname(name: &[u8], proto: Option<&[u8]>) -> Found<Service> {
    let null = Unresolved::Null("getservbyname");
    let name = CString::new(name).map_err(|_| null)?;
    let proto = proto.map(CString::new).transpose().map_err(|_| null)?;
    netdb::getservbyname(&name, proto.as_deref()).map(service).ok_or(null)
}

/// A service by its port, of one protocol or of any.
///
/// # Errors
///
/// There is none: NULL.
pub fn getservbyport(port: u16, proto: Option<&[u8]>) -> Found<Service> {
    let null = Unresolved::Null("getservbyport");
    let proto = proto.map(CString::new).transpose().map_err(|_| null)?;
    netdb::getservbyport(c_int::from(htons(port)), proto.as_deref()).map(service).ok_or(null)
}

fn service(entry: servent) -> Service {
    Service {
        s_name: Name(entry.s_name),
        s_aliases: names(entry.s_aliases),
        // An int that holds a uint16_t.
        s_port: ntohs(entry.s_port as u16),
        s_proto: Name(entry.s_proto),
    }
}

/// A protocol by its name.
///
/// # Errors
///
/// There is none: NULL.
pub fn getprotobyname(name: &[u8]) -> Found<Protocol> {
    let null = Unresolved::Null("getprotobyname");
    let name = CString::new(name).map_err(|_| null)?;
    netdb::getprotobyname(&name).map(protocol).ok_or(null)
}

/// A protocol by its number.
///
/// # Errors
///
/// There is none: NULL.
pub fn getprotobynumber(number: c_int) -> Found<Protocol> {
    let null = Unresolved::Null("getprotobynumber");
    netdb::getprotobynumber(number).map(protocol).ok_or(null)
}

fn protocol(entry: protoent) -> Protocol {
    Protocol {
        p_name: Name(entry.p_name),
        p_aliases: names(entry.p_aliases),
        p_proto: entry.p_proto,
    }
}

/// What is wanted of `getaddrinfo`; 0 is no wish.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Hints {
    /// `AI_PASSIVE` and so on.
    pub ai_flags: c_int,
    /// `AF_INET` or `AF_INET6`.
    pub ai_family: c_int,
    /// `SOCK_STREAM` and so on.
    pub ai_socktype: c_int,
    /// `IPPROTO_TCP` and so on.
    pub ai_protocol: c_int,
}

/// The addresses of a host and a service, in C's order.
///
/// # Errors
///
/// Those of the function, or that the service is a number but no port. No name has a NUL in it: one that
/// has is not found.
pub fn getaddrinfo(
    node: Option<&[u8]>,
    service: Option<&[u8]>,
    hints: Hints,
) -> Found<Vec<AddressInfo>> {
    if service.is_some_and(is_no_port) {
        return Err(Unresolved::NoPort);
    }
    let not_found = |code| Error { call: "getaddrinfo", cause: Cause::Resolver(code, Errno(0)) };
    let node = node.map(CString::new).transpose().map_err(|_| not_found(EAI_NONAME))?;
    let service = service.map(CString::new).transpose().map_err(|_| not_found(EAI_SERVICE))?;
    let list = ask(node.as_deref(), service.as_deref(), hints)?;
    let mut answers = Vec::new();
    for ai in &list {
        answers.push(AddressInfo {
            ai_family: name_of(FAMILIES, ai.ai_family),
            ai_socktype: name_of(TYPES, ai.ai_socktype),
            ai_protocol: name_of(PROTOCOLS, ai.ai_protocol),
            ai_canonname: ai.ai_canonname.map(|name| Name(name.to_owned())),
            ai_addr: socket_address(&ai.ai_addr)?,
        });
    }
    Ok(answers)
}

fn ask(node: Option<&CStr>, service: Option<&CStr>, hints: Hints) -> Result<addrinfo_list> {
    let mut wanted = addrinfo();
    wanted.ai_flags = hints.ai_flags;
    wanted.ai_family = hints.ai_family;
    wanted.ai_socktype = hints.ai_socktype;
    wanted.ai_protocol = hints.ai_protocol;
    netdb::getaddrinfo(node, service, Some(&wanted))
}

fn socket_address(addr: &sockaddr_storage) -> Result<SocketAddress> {
    let (host, serv) = netdb::getnameinfo(addr, NI_NUMERICHOST | NI_NUMERICSERV)?;
    let (host, serv) = (host.to_string_lossy(), serv.to_string_lossy());
    if let Some(addr) = as_sockaddr_in6(addr) {
        return Ok(SocketAddress::V6 {
            sin6_addr: address(&addr.sin6_addr.s6_addr)?,
            sin6_port: ntohs(addr.sin6_port),
            sin6_flowinfo: addr.sin6_flowinfo,
            sin6_scope_id: addr.sin6_scope_id,
            text: format!("[{host}]:{serv}"),
        });
    }
    let text = format!("{host}:{serv}");
    let sin_port = as_sockaddr_in(addr).map_or(0, |addr| ntohs(addr.sin_port));
    Ok(SocketAddress::V4 { sin_addr: host.into_owned(), sin_port, text })
}

/// The names of an address and a port.
///
/// # Errors
///
/// Those of the function, or that the text is no address.
pub fn getnameinfo(text: &[u8], port: u16, flags: c_int) -> Found<NameInfo> {
    let text = CString::new(text).map_err(|_| Unresolved::NoAddress)?;
    let port = CString::new(port.to_string()).unwrap_or_default();
    let numeric = Hints {
        ai_flags: AI_NUMERICHOST | AI_NUMERICSERV,
        ai_socktype: SOCK_STREAM,
        ..Hints::default()
    };
    // To glibc * is NULL: this host.
    if text.as_bytes() == b"*" {
        return Err(Unresolved::NoAddress);
    }
    let list = match ask(Some(&text), Some(&port), numeric) {
        Err(Error { cause: Cause::Resolver(EAI_NONAME, _), .. }) => {
            return Err(Unresolved::NoAddress);
        }
        asked => asked?,
    };
    let ai = list.iter().next().ok_or(Unresolved::NoAddress)?;
    let (host, serv) = netdb::getnameinfo(&ai.ai_addr, flags)?;
    Ok(NameInfo { host: Name(host), serv: Name(serv) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_has_a_nul() {
        let nul = &b"local\0host"[..];
        let words = |unresolved| match unresolved {
            Unresolved::Failed(error) => error.to_string(),
            other => format!("{other:?}"),
        };
        assert_eq!(gethostbyname(nul).map_err(words), Err("gethostbyname: Unknown host".into()));
        assert_eq!(gethostbyaddr(b"127.0.0.1\0"), Err(Unresolved::NoAddress));
        assert_eq!(getnameinfo(b"127.0.0.1\0", 80, 0), Err(Unresolved::NoAddress));
        assert_eq!(getservbyname(nul, None), Err(Unresolved::Null("getservbyname")));
        assert_eq!(getservbyname(b"http", Some(nul)), Err(Unresolved::Null("getservbyname")));
        assert_eq!(getservbyport(80, Some(nul)), Err(Unresolved::Null("getservbyport")));
        assert_eq!(getprotobyname(nul), Err(Unresolved::Null("getprotobyname")));
        let hints = Hints::default();
        assert_eq!(
            getaddrinfo(Some(nul), None, hints).map_err(words),
            Err("getaddrinfo: Name or service not known".into())
        );
        assert!(getaddrinfo(Some(b"127.0.0.1"), Some(nul), hints).is_err());
        assert_eq!(getaddrinfo(None, Some(b"65536"), hints), Err(Unresolved::NoPort));
    }

    #[test]
    fn addresses_are_written_as_c_writes_them() {
        // The standard library would write the last one ::102:304.
        for text in ["127.0.0.1", "::1", "::", "2001:db8::1", "::ffff:1.2.3.4", "::1.2.3.4"] {
            let answers = getaddrinfo(Some(text.as_bytes()), None, Hints::default());
            let shown = match &answers.expect("a literal address")[0].ai_addr {
                SocketAddress::V4 { sin_addr, .. } => sin_addr.clone(),
                SocketAddress::V6 { sin6_addr, .. } => sin6_addr.clone(),
            };
            assert_eq!(shown, text);
        }
    }
}

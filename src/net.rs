//! Idioms over `posix` for the tools: what loops, retries, and speaks the standard library's types.

#![forbid(unsafe_code)]

use std::ffi::{CString, c_int};
use std::net::{IpAddr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::ops::RangeInclusive;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use crate::posix::error::{EINTR, Errno};
use crate::posix::netdb::*;
use crate::posix::netinet_in::*;
use crate::posix::poll::{poll, pollfd};
use crate::posix::sys_socket::*;
use crate::posix::unistd::write;
use crate::posix::{Cause, Error, Result};

/// `AF_INET`, `AF_INET6`.
pub fn family(addr: &SocketAddr) -> c_int {
    if addr.is_ipv4() { AF_INET } else { AF_INET6 }
}

/// An address as C's calls take it.
pub fn to_c(addr: &SocketAddr) -> sockaddr_storage {
    match addr {
        SocketAddr::V4(addr) => {
            let mut c = sockaddr_in();
            c.sin_family = AF_INET as sa_family_t;
            c.sin_port = addr.port().to_be();
            c.sin_addr.s_addr = u32::from(*addr.ip()).to_be();
            storage(&c)
        }
        SocketAddr::V6(addr) => {
            let mut c = sockaddr_in6();
            c.sin6_family = AF_INET6 as sa_family_t;
            c.sin6_port = addr.port().to_be();
            c.sin6_addr.s6_addr = addr.ip().octets();
            c.sin6_flowinfo = addr.flowinfo();
            c.sin6_scope_id = addr.scope_id();
            storage(&c)
        }
    }
}

/// An address that a call has filled in, where it is one of IP.
pub fn from_c(addr: &sockaddr_storage) -> Option<SocketAddr> {
    if let Some(addr) = as_sockaddr_in(addr) {
        let ip = u32::from_be(addr.sin_addr.s_addr).into();
        return Some(SocketAddrV4::new(ip, u16::from_be(addr.sin_port)).into());
    }
    let addr = as_sockaddr_in6(addr)?;
    let (ip, port) = (addr.sin6_addr.s6_addr.into(), u16::from_be(addr.sin6_port));
    Some(SocketAddrV6::new(ip, port, addr.sin6_flowinfo, addr.sin6_scope_id).into())
}

/// The addresses of a host, each once, in the resolver's order, with this port.
///
/// # Errors
///
/// Those of `getaddrinfo`. No name has a NUL in it: one that has is not found.
pub fn resolve(host: &str, port: u16, family: c_int, flags: c_int) -> Result<Vec<SocketAddr>> {
    let not_found = Error { call: "getaddrinfo", cause: Cause::Resolver(EAI_NONAME, Errno(0)) };
    let node = CString::new(host).map_err(|_| not_found)?;
    let mut hints = addrinfo();
    (hints.ai_family, hints.ai_flags) = (family, flags);
    // One answer for each address, not one for each type of socket as well.
    hints.ai_socktype = SOCK_STREAM;
    let mut addrs: Vec<SocketAddr> = Vec::new();
    for ai in &getaddrinfo(Some(&node), None, Some(&hints))? {
        if let Some(mut addr) = from_c(&ai.ai_addr)
            && !addrs.iter().any(|other| other.ip() == addr.ip())
        {
            addr.set_port(port);
            addrs.push(addr);
        }
    }
    Ok(addrs)
}

/// The host's name of an address, where it has one.
pub fn name_of(ip: IpAddr) -> Option<String> {
    let (host, _) = getnameinfo(&to_c(&SocketAddr::new(ip, 0)), NI_NAMEREQD).ok()?;
    host.into_string().ok()
}

/// An address without its port, but with its interface: `fe80::1%eth0`.
pub fn numeric(addr: &SocketAddr) -> String {
    match addr {
        SocketAddr::V6(v6) if v6.scope_id() != 0 => {
            let known = getnameinfo(&to_c(addr), NI_NUMERICHOST).ok();
            let known = known.and_then(|(host, _)| host.into_string().ok());
            known.unwrap_or_else(|| format!("{}%{}", v6.ip(), v6.scope_id()))
        }
        _ => addr.ip().to_string(),
    }
}

/// The ports that a word means: a number from `least` to 65535, two of them with a `-` between, or the
/// name of a service of this protocol. glibc's own reading would let 99999 be 34463.
///
/// # Errors
///
/// What is wrong with the word, in words.
pub fn ports(
    word: &str,
    protocol: &str,
    least: u16,
) -> std::result::Result<RangeInclusive<u16>, String> {
    let is_number = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_digit());
    let number = |word: &str| match word.parse::<u16>() {
        Ok(port) if port >= least => Ok(port),
        _ => Err(format!("port {word} is out of range: a port is a number from {least} to 65535")),
    };
    if is_number(word) {
        let port = number(word)?;
        return Ok(port..=port);
    }
    if let Some((low, high)) = word.split_once('-')
        && is_number(low)
        && is_number(high)
    {
        let (low, high) = (number(low)?, number(high)?);
        if low > high {
            return Err(format!("ports {word}: the first is the larger one"));
        }
        return Ok(low..=high);
    }
    let name = CString::new(word).ok();
    let proto = CString::new(protocol).ok();
    let service = name.and_then(|name| getservbyname(&name, proto.as_deref()));
    match service {
        Some(service) => {
            let port = u16::from_be(service.s_port as u16);
            Ok(port..=port)
        }
        None => Err(format!(
            "no service {word} over {protocol}: a port is a number, a range such as 20-25, or a name \
             of /etc/services"
        )),
    }
}

/// A moment after which nothing is waited for any more, on the monotonic clock.
#[derive(Debug, Clone, Copy)]
pub struct Deadline(Option<Instant>);

impl Deadline {
    /// Never.
    pub const NEVER: Self = Self(None);

    /// So long from now; further away than the clock reaches is never.
    pub fn after(time: Duration) -> Self {
        Self(Instant::now().checked_add(time))
    }

    /// Whether it is over.
    pub fn is_over(&self) -> bool {
        self.0.is_some_and(|end| end <= Instant::now())
    }

    /// What is left until it, for `poll`: milliseconds, rounded up, or -1 for ever.
    pub fn milliseconds(&self) -> c_int {
        let Some(end) = self.0 else { return -1 };
        let left = end.saturating_duration_since(Instant::now()).as_nanos().div_ceil(1_000_000);
        c_int::try_from(left).unwrap_or(c_int::MAX)
    }
}

/// Waits until a descriptor is ready, whatever signals come; false once the deadline is over.
///
/// # Errors
///
/// Those of `poll`, but for `EINTR`.
pub fn wait(fds: &mut [pollfd], deadline: Deadline) -> Result<bool> {
    loop {
        match poll(fds, deadline.milliseconds()) {
            Ok(0) if deadline.is_over() => return Ok(false),
            Ok(0) => {}
            Ok(_ready) => return Ok(true),
            Err(error) if error.errno() == EINTR => {}
            Err(error) => return Err(error),
        }
    }
}

/// Writes all of it, however many calls that takes.
///
/// # Errors
///
/// Those of `write`, but for `EINTR`.
pub fn write_all(fd: impl AsFd, mut bytes: &[u8]) -> Result<()> {
    while !bytes.is_empty() {
        match write(&fd, bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.errno() == EINTR => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn interfaces_have_names() {
        let of = |ip: &str, scope| {
            numeric(&SocketAddrV6::new(ip.parse().expect("an address"), 80, 0, scope).into())
        };
        // In every network it is the first.
        assert_eq!(of("fe80::1", 1), "fe80::1%lo");
        assert_eq!(of("fe80::1", 0), "fe80::1");
        assert_eq!(of("fe80::1", u32::MAX), "fe80::1%4294967295");
        assert_eq!(numeric(&([192, 0, 2, 1], 80).into()), "192.0.2.1");
    }

    #[test]
    fn words_for_ports() {
        assert_eq!(ports("80", "tcp", 1), Ok(80..=80));
        assert_eq!(ports("20-25", "tcp", 1), Ok(20..=25));
        assert_eq!(ports("0", "tcp", 0), Ok(0..=0));
        for wrong in
            ["", "0", "65536", "99999", "-1", "5-", "-5", "9-8", "1-65536", "no such", "\0"]
        {
            assert!(ports(wrong, "tcp", 1).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_deadline_that_is_over_is_not_waited_for() {
        let now = Deadline::after(Duration::ZERO);
        assert!(now.is_over() && now.milliseconds() == 0);
        assert!(!Deadline::NEVER.is_over() && Deadline::NEVER.milliseconds() == -1);
        assert_eq!(wait(&mut [], now), Ok(false));
        assert_eq!(Deadline::after(Duration::MAX).milliseconds(), -1);
    }

    proptest! {
        #[test]
        fn addresses_come_back(ip: [u8; 16], v4: [u8; 4], port: u16, scope: u32) {
            let v6 = SocketAddrV6::new(ip.into(), port, 0, scope);
            for addr in [SocketAddr::V6(v6), SocketAddr::from((v4, port))] {
                prop_assert_eq!(from_c(&to_c(&addr)), Some(addr));
                prop_assert_eq!(to_c(&addr).ss_family, family(&addr) as sa_family_t);
            }
        }
    }
}

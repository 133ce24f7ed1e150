//! How many clients there may be, and how time is told.

#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::posix::Result;
use crate::posix::netinet_in::{as_sockaddr_in, as_sockaddr_in6};
use crate::posix::sys_resource::{RLIMIT_NOFILE, getrlimit, rlim_t, setrlimit};
use crate::posix::sys_socket::{sockaddr_storage, timeval};
use crate::posix::time::{CLOCK_MONOTONIC, clock_gettime};

/// Nanoseconds of a clock that nobody sets.
pub(super) type Moment = i64;

pub(super) fn now() -> Result<Moment> {
    let now = clock_gettime(CLOCK_MONOTONIC)?;
    Ok(now.tv_sec * 1_000_000_000 + now.tv_nsec)
}

/// So long from now.
pub(super) fn after(time: &timeval) -> Result<Moment> {
    Ok(now()?.saturating_add(time.tv_sec * 1_000_000_000 + time.tv_usec * 1000))
}

/// Raises the limit of open files as far as so many clients need it and as it may be raised, and returns how
/// many clients there is room for.
pub(super) fn room(clients: usize, workers: usize) -> Result<usize> {
    // The standard ones, the listening socket, epoll's, the signals', two for each thread; one more, so
    // that a client too many can be told so; and some that whoever started us may have left open.
    let others = 7 + 2 * workers as rlim_t + 16;
    let mut files = getrlimit(RLIMIT_NOFILE)?;
    let wanted = (clients as rlim_t).saturating_add(others).min(files.rlim_max);
    if wanted > files.rlim_cur {
        files.rlim_cur = wanted;
        setrlimit(RLIMIT_NOFILE, &files)?;
    }
    Ok(clients.min(files.rlim_cur.saturating_sub(others) as usize))
}

/// Who counts as one: an IPv4 address; of an IPv6 address the first half, since whoever has one has as
/// many as there can be in the second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(super) struct Address([u8; 8]);

impl Address {
    pub(super) fn of(addr: &sockaddr_storage) -> Self {
        let mut bytes = [0; 8];
        if let Some(addr) = as_sockaddr_in(addr) {
            bytes[4..].copy_from_slice(&addr.sin_addr.s_addr.to_ne_bytes());
        } else if let Some(addr) = as_sockaddr_in6(addr) {
            let all = &addr.sin6_addr.s6_addr;
            // ::ffff:1.2.3.4 is an IPv4 client of a socket that takes both.
            if all[..12] == [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff] {
                bytes[4..].copy_from_slice(&all[12..]);
            } else {
                bytes.copy_from_slice(&all[..8]);
            }
        }
        Self(bytes)
    }
}

/// How many clients each address has.
pub(super) struct Addresses(HashMap<Address, usize>);

impl Addresses {
    pub(super) fn new() -> Self {
        Self(HashMap::new())
    }

    /// Counts one more, unless there are so many already.
    pub(super) fn come(&mut self, address: Address, most: usize) -> bool {
        let count = self.0.entry(address).or_default();
        let has_room = *count < most;
        *count += usize::from(has_room);
        has_room
    }

    /// Counts one less.
    pub(super) fn go(&mut self, address: Address) {
        if let Entry::Occupied(mut count) = self.0.entry(address) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::{Options, Transport};

    fn address(host: &str) -> Address {
        Address::of(&Options::resolve(host, 9000, Transport::Tcp).unwrap())
    }

    #[test]
    fn who_counts_as_one() {
        assert_eq!(address("192.0.2.1"), address("::ffff:192.0.2.1"));
        assert_ne!(address("192.0.2.1"), address("192.0.2.2"));
        assert_eq!(address("2001:db8::1"), address("2001:db8::ffff:1"));
        assert_ne!(address("2001:db8::1"), address("2001:db8:0:1::1"));
        assert_ne!(address("::1"), address("127.0.0.1"));
    }

    #[test]
    fn each_address_has_its_own_count() {
        let mut addresses = Addresses::new();
        let (one, other) = (address("192.0.2.1"), address("192.0.2.2"));
        assert!(addresses.come(one, 2) && addresses.come(one, 2));
        assert!(!addresses.come(one, 2) && addresses.come(other, 2));
        addresses.go(one);
        assert!(addresses.come(one, 2) && !addresses.come(one, 2));
        for gone in [one, one, other] {
            addresses.go(gone);
        }
        assert!(addresses.0.is_empty(), "nothing is kept of an address that has left");
    }
}

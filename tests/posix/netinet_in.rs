//! Addresses of the Internet in the type that holds them all.

use socklab::posix::netinet_in::{
    IPPORT_RESERVED, as_sockaddr_in, as_sockaddr_in6, sockaddr_in, sockaddr_in6,
};
use socklab::posix::sys_socket::{
    AF_INET, AF_INET6, AF_UNSPEC, SockAddr, sockaddr_storage, storage,
};

use crate::support::{loopback, loopback6, parts};

#[test]
fn fresh_addresses_are_zeros() {
    let (four, six, any) = (sockaddr_in(), sockaddr_in6(), sockaddr_storage());
    assert_eq!((four.sin_family, four.sin_port, four.sin_addr.s_addr), (0, 0, 0));
    assert_eq!((six.sin6_family, six.sin6_port, six.sin6_addr.s6_addr), (0, 0, [0; 16]));
    assert_eq!(i32::from(any.ss_family), AF_UNSPEC);
    assert_eq!(IPPORT_RESERVED, 1024);
}

#[test]
fn lengths_of_addresses() {
    let with_family = |family: i32| {
        let mut addr = sockaddr_storage();
        addr.ss_family = family as _;
        addr.socklen()
    };
    assert_eq!((sockaddr_in().socklen(), sockaddr_in6().socklen()), (16, 28));
    assert_eq!((with_family(AF_INET), with_family(AF_INET6)), (16, 28));
    assert_eq!(with_family(AF_UNSPEC), 128);
}

#[test]
fn an_address_survives_the_storage() {
    let four = storage(&loopback(80));
    assert_eq!(parts(&four), (u32::from_ne_bytes([127, 0, 0, 1]), 80u16.to_be()));
    assert!(as_sockaddr_in6(&four).is_none());
    let six = storage(&loopback6(80));
    let found = as_sockaddr_in6(&six).expect("an IPv6 address");
    assert_eq!((found.sin6_port, found.sin6_addr.s6_addr[15]), (80u16.to_be(), 1));
    assert!(as_sockaddr_in(&six).is_none());
    assert!(as_sockaddr_in(&sockaddr_storage()).is_none());
    assert_eq!(parts(&storage(&four)), parts(&four));
}

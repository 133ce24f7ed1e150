//! Byte order, and addresses as text.

use std::ffi::CStr;

use socklab::posix::arpa_inet::{
    INET_ADDRSTRLEN, INET6_ADDRSTRLEN, htonl, htons, inet_ntop, inet_pton, ntohl, ntohs,
};
use socklab::posix::error::EAFNOSUPPORT;
use socklab::posix::netinet_in::{in_addr, in6_addr};
use socklab::posix::sys_socket::{AF_INET, AF_INET6, AF_UNIX};

use crate::support::row;

#[test]
fn network_byte_order_is_big_endian() {
    assert_eq!(htons(0x0102).to_ne_bytes(), [1, 2]);
    assert_eq!(htonl(0x0102_0304).to_ne_bytes(), [1, 2, 3, 4]);
    assert_eq!(ntohs(u16::from_ne_bytes([1, 2])), 0x0102);
    assert_eq!(ntohl(u32::from_ne_bytes([1, 2, 3, 4])), 0x0102_0304);
    assert_eq!((ntohs(htons(80)), ntohl(htonl(7))), (80, 7));
}

#[test]
fn inet_pton_of_ipv4() {
    let rows: [(&CStr, i32, [u8; 4]); 12] = [
        (c"127.0.0.1", 1, [127, 0, 0, 1]),
        (c"0.0.0.0", 1, [0, 0, 0, 0]),
        (c"255.255.255.255", 1, [255, 255, 255, 255]),
        (c"192.0.2.10", 1, [192, 0, 2, 10]),
        (c"", 0, [0; 4]),
        (c"256.0.0.1", 0, [0; 4]),
        (c"1.2.3", 0, [0; 4]),
        (c"1.2.3.4.5", 0, [0; 4]),
        (c"127.1", 0, [0; 4]),
        (c"0x7f.0.0.1", 0, [0; 4]),
        (c" 127.0.0.1", 0, [0; 4]),
        (c"localhost", 0, [0; 4]),
    ];
    for (text, returned, bytes) in rows {
        let (found, addr) = inet_pton::<in_addr>(AF_INET, text).expect("inet_pton");
        assert_eq!((found, addr.s_addr.to_ne_bytes()), (returned, bytes), "{text:?}");
    }
}

#[test]
fn inet_pton_of_ipv6() {
    let with = |pairs: &[(usize, u8)]| {
        let mut bytes = [0; 16];
        pairs.iter().for_each(|&(at, byte)| bytes[at] = byte);
        bytes
    };
    let rows: [(&CStr, i32, [u8; 16]); 9] = [
        (c"::", 1, [0; 16]),
        (c"::1", 1, with(&[(15, 1)])),
        (c"2001:db8::ff", 1, with(&[(0, 0x20), (1, 1), (2, 0x0d), (3, 0xb8), (15, 0xff)])),
        (c"::ffff:1.2.3.4", 1, with(&[(10, 255), (11, 255), (12, 1), (13, 2), (14, 3), (15, 4)])),
        (c"", 0, [0; 16]),
        (c":::", 0, [0; 16]),
        (c"::1%lo", 0, [0; 16]),
        (c"[::1]", 0, [0; 16]),
        (c"127.0.0.1", 0, [0; 16]),
    ];
    for (text, returned, bytes) in rows {
        let (found, addr) = inet_pton::<in6_addr>(AF_INET6, text).expect("inet_pton");
        assert_eq!((found, addr.s6_addr), (returned, bytes), "{text:?}");
    }
}

#[test]
fn inet_ntop_writes_the_shortest_form() {
    for text in [c"127.0.0.1", c"0.0.0.0", c"255.255.255.255"] {
        let (_, addr) = inet_pton::<in_addr>(AF_INET, text).expect("inet_pton");
        let written = inet_ntop(AF_INET, &addr).expect("inet_ntop");
        assert_eq!(written.as_c_str(), text);
        assert!(written.as_bytes_with_nul().len() <= INET_ADDRSTRLEN);
    }
    let rows = [
        (c"0:0:0:0:0:0:0:1", c"::1"),
        (c"2001:0DB8:0:0:1:0:0:1", c"2001:db8::1:0:0:1"),
        (c"::ffff:102:304", c"::ffff:1.2.3.4"),
        (c"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", c"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ];
    for (text, expected) in rows {
        let (_, addr) = inet_pton::<in6_addr>(AF_INET6, text).expect("inet_pton");
        let written = inet_ntop(AF_INET6, &addr).expect("inet_ntop");
        assert_eq!(written.as_c_str(), expected);
        assert!(written.as_bytes_with_nul().len() <= INET6_ADDRSTRLEN);
    }
}

#[test]
fn families_without_text() {
    let (four, six) = (in_addr { s_addr: 0 }, in6_addr { s6_addr: [0; 16] });
    let no = EAFNOSUPPORT;
    row("inet_pton", "AF_UNIX", inet_pton::<in_addr>(AF_UNIX, c"1.2.3.4"), no);
    row("inet_pton", "not the type's family", inet_pton::<in_addr>(AF_INET6, c"::1"), no);
    row("inet_pton", "not the type's family", inet_pton::<in6_addr>(AF_INET, c"1.2.3.4"), no);
    row("inet_ntop", "AF_UNIX", inet_ntop(AF_UNIX, &four), no);
    row("inet_ntop", "not the type's family", inet_ntop(AF_INET, &six), no);
    row("inet_ntop", "not the type's family", inet_ntop(AF_INET6, &four), no);
}

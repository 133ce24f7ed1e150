//! C's constants by their names, and their names by their values.

use std::ffi::c_int;

use crate::posix::netdb::*;
use crate::posix::netinet_in::*;
use crate::posix::sys_socket::*;

/// Some of C's constants: what they are called and what they are.
pub type Table = [(&'static str, c_int)];

/// `ai_family`, `h_addrtype`.
pub const FAMILIES: &Table =
    &[("AF_UNSPEC", AF_UNSPEC), ("AF_INET", AF_INET), ("AF_INET6", AF_INET6), ("AF_UNIX", AF_UNIX)];

/// `ai_socktype`.
pub const TYPES: &Table = &[
    ("SOCK_STREAM", SOCK_STREAM),
    ("SOCK_DGRAM", SOCK_DGRAM),
    ("SOCK_RAW", SOCK_RAW),
    ("SOCK_SEQPACKET", SOCK_SEQPACKET),
    ("SOCK_DCCP", SOCK_DCCP),
];

/// `ai_protocol`.
pub const PROTOCOLS: &Table = &[
    ("IPPROTO_IP", IPPROTO_IP),
    ("IPPROTO_ICMP", IPPROTO_ICMP),
    ("IPPROTO_TCP", IPPROTO_TCP),
    ("IPPROTO_UDP", IPPROTO_UDP),
    ("IPPROTO_DCCP", IPPROTO_DCCP),
    ("IPPROTO_ICMPV6", IPPROTO_ICMPV6),
    ("IPPROTO_SCTP", IPPROTO_SCTP),
    ("IPPROTO_UDPLITE", IPPROTO_UDPLITE),
    ("IPPROTO_RAW", IPPROTO_RAW),
];

/// The flags of `getaddrinfo`.
pub const AI_FLAGS: &Table = &[
    ("AI_PASSIVE", AI_PASSIVE),
    ("AI_CANONNAME", AI_CANONNAME),
    ("AI_NUMERICHOST", AI_NUMERICHOST),
    ("AI_V4MAPPED", AI_V4MAPPED),
    ("AI_ALL", AI_ALL),
    ("AI_ADDRCONFIG", AI_ADDRCONFIG),
    ("AI_NUMERICSERV", AI_NUMERICSERV),
];

/// The flags of `getnameinfo`.
pub const NI_FLAGS: &Table = &[
    ("NI_NUMERICHOST", NI_NUMERICHOST),
    ("NI_NUMERICSERV", NI_NUMERICSERV),
    ("NI_NOFQDN", NI_NOFQDN),
    ("NI_NAMEREQD", NI_NAMEREQD),
    ("NI_DGRAM", NI_DGRAM),
];

/// What all names of a table begin with: `AF_`.
pub fn prefix(table: &Table) -> &'static str {
    let first = table.first().map_or("", |(name, _)| name);
    first.split_inclusive('_').next().unwrap_or_default()
}

/// The names of a table, for an error's line.
pub fn names(table: &Table) -> String {
    let names: Vec<&str> = table.iter().map(|(name, _)| *name).collect();
    names.join(", ")
}

/// The constant's name, or the number itself; 0 is no choice, so it has no name.
pub fn name_of(table: &Table, value: c_int) -> String {
    let found = table.iter().find(|(_, constant)| *constant == value && value != 0);
    found.map_or_else(|| value.to_string(), |(name, _)| String::from(*name))
}

/// The constant of this name: as C has it, or in short (`AF_INET6` is `inet6`).
fn constant(table: &Table, text: &[u8]) -> Option<c_int> {
    let short = prefix(table).len();
    let is = |name: &str| {
        name.as_bytes() == text || name[short..].to_ascii_lowercase().as_bytes() == text
    };
    table.iter().find(|(name, _)| is(name)).map(|(_, value)| *value)
}

/// The constant of this name, or the number that the digits say.
pub fn number_of(table: &Table, text: &[u8]) -> Option<c_int> {
    constant(table, text).or_else(|| {
        let digits = std::str::from_utf8(text).ok()?;
        digits.parse().ok().filter(|_| digits.bytes().all(|byte| byte.is_ascii_digit()))
    })
}

/// The flags of these names, joined by `|` or `,`.
///
/// # Errors
///
/// The first name that there is not.
pub fn flags_of<'a>(table: &Table, text: &'a [u8]) -> Result<c_int, &'a [u8]> {
    let mut flags = 0;
    for name in text.split(|byte| matches!(byte, b'|' | b',')) {
        let name = name.trim_ascii();
        flags |= constant(table, name).ok_or(name)?;
    }
    Ok(flags)
}

/// Whether this service is a number, as `strtoul` reads it, that is no port. glibc lets those beyond 65535
/// wrap: 99999 would be 34463; and those below 0 it looks up as names.
pub fn is_no_port(service: &[u8]) -> bool {
    // What isspace() says of ASCII.
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t'..=b'\r');
    let start = service.iter().position(|byte| !blank(byte)).unwrap_or(service.len());
    let number = &service[start..];
    let negative = number.first() == Some(&b'-');
    let digits = number.strip_prefix(b"-").or(number.strip_prefix(b"+")).unwrap_or(number);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return false;
    }
    let value = digits.iter().fold(0_u32, |value, digit| {
        value.saturating_mul(10).saturating_add(u32::from(digit - b'0'))
    });
    value > u32::from(u16::MAX) || (negative && value > 0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TABLES: [&Table; 5] = [FAMILIES, TYPES, PROTOCOLS, AI_FLAGS, NI_FLAGS];

    #[test]
    fn every_name_is_found_in_both_forms() {
        for table in TABLES {
            for (name, value) in table {
                let short = name.strip_prefix(prefix(table)).expect("the prefix").to_lowercase();
                assert_eq!(number_of(table, name.as_bytes()), Some(*value));
                assert_eq!(number_of(table, short.as_bytes()), Some(*value));
                assert_eq!(number_of(table, name.to_lowercase().as_bytes()), None);
                if *value != 0 {
                    assert_eq!(name_of(table, *value), *name);
                }
            }
        }
        assert_eq!(name_of(PROTOCOLS, 0), "0");
        assert_eq!(name_of(FAMILIES, 99), "99");
    }

    #[test]
    fn numbers_and_flags() {
        assert_eq!(number_of(FAMILIES, b"99"), Some(99));
        for wrong in ["", "-1", "+1", " 1", "2147483648", "AF_", "AF_inet", "INET"] {
            assert_eq!(number_of(FAMILIES, wrong.as_bytes()), None, "{wrong:?}");
        }
        let both = AI_PASSIVE | AI_CANONNAME;
        for text in ["AI_PASSIVE|AI_CANONNAME", "canonname,passive", " passive | AI_CANONNAME "] {
            assert_eq!(flags_of(AI_FLAGS, text.as_bytes()), Ok(both), "{text:?}");
        }
        assert_eq!(flags_of(AI_FLAGS, b"passive|NI_DGRAM"), Err(&b"NI_DGRAM"[..]));
        for wrong in ["", "passive|", "|", "1"] {
            assert!(flags_of(AI_FLAGS, wrong.as_bytes()).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn numbers_that_are_no_ports() {
        for wrong in ["65536", "99999", "-1", " 70000", "+65536", "-18446744073709551615"] {
            assert!(is_no_port(wrong.as_bytes()), "{wrong:?}");
        }
        for right in ["", " ", "0", "65535", "-0", "+80", "0000080", "http", "99999x", "-", "1 "] {
            assert!(!is_no_port(right.as_bytes()), "{right:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_much(text: Vec<u8>) {
            for table in TABLES {
                let _ = (number_of(table, &text), flags_of(table, &text));
            }
            is_no_port(&text);
        }

        #[test]
        fn names_come_back(value: i32) {
            for table in TABLES {
                let name = name_of(table, value);
                prop_assert_eq!(number_of(table, name.as_bytes()), (value >= 0).then_some(value));
            }
        }
    }
}

//! The time service over UDP: one datagram in, one datagram with the time out.
//!
//! Not every datagram is a request. If it were, one datagram with a forged sender could make two
//! servers answer each other's answers for ever (CVE-2024-2169). So a request has no digit in it,
//! while every answer in words has; an answer that could be taken for a request (RFC 868's four
//! bytes, in some seconds from 2040 on) is not sent; and the well-known ports, where other services
//! answer anything, are not answered.

use std::ffi::CStr;

use crate::posix::arpa_inet::{htonl, ntohs};
use crate::posix::netinet_in::{IPPORT_RESERVED, as_sockaddr_in, as_sockaddr_in6};
use crate::posix::sys_socket::sockaddr_storage;
use crate::posix::time::{gmtime_r, localtime_r, strftime, time, time_t};

/// The longest request, in bytes.
pub const REQUEST_MAX: usize = 64;
/// Room for any answer.
const ANSWER_MAX: usize = 64;
/// From RFC 868's epoch, 1900, to Unix's, 1970, in seconds.
pub const EPOCHS_APART: time_t = 2_208_988_800;

/// How the time is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// `Fri Feb 23 14:15:00 2018`, local time.
    #[default]
    Human,
    /// `2018-02-23T13:15:00Z`.
    Iso8601,
    /// `Friday, February 23, 2018 14:15:00-CET`, as [RFC 867](https://www.rfc-editor.org/rfc/rfc867)
    /// has it.
    Daytime,
    /// Seconds since 1900, 32 bits in network byte order:
    /// [RFC 868](https://www.rfc-editor.org/rfc/rfc868).
    Time,
}

/// An answer: a few bytes.
pub struct Answer {
    bytes: [u8; ANSWER_MAX],
    length: usize,
}

impl Answer {
    /// What is to be sent.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// The time now, if the datagram is a request and its sender may be answered.
pub fn handle_datagram(
    request: &[u8],
    cliaddr: &sockaddr_storage,
    format: Format,
) -> Option<Answer> {
    if is_answerable(request, cliaddr) { tell(time(), format) } else { None }
}

/// Whether the datagram is a request and its sender may be answered.
pub fn is_answerable(request: &[u8], cliaddr: &sockaddr_storage) -> bool {
    is_request(request) && port(cliaddr) >= IPPORT_RESERVED
}

/// The time `now`, unless it would look like a request.
pub fn tell(now: time_t, format: Format) -> Option<Answer> {
    let mut answer = Answer { bytes: [0; ANSWER_MAX], length: 0 };
    match format {
        Format::Human => answer.words(c"%a %b %e %H:%M:%S %Y\n", &localtime_r(now).ok()?),
        Format::Iso8601 => answer.words(c"%Y-%m-%dT%H:%M:%SZ\n", &gmtime_r(now).ok()?),
        Format::Daytime => answer.words(c"%A, %B %d, %Y %H:%M:%S-%Z\r\n", &localtime_r(now).ok()?),
        Format::Time => {
            // RFC 868's clock has 32 bits and starts anew in 2036.
            let seconds = htonl((now + EPOCHS_APART) as u32);
            answer.bytes[..4].copy_from_slice(&seconds.to_ne_bytes());
            answer.length = 4;
        }
    }
    (!is_request(answer.bytes())).then_some(answer)
}

impl Answer {
    fn words(&mut self, format: &CStr, tm: &crate::posix::time::tm) {
        self.length = strftime(&mut self.bytes, format, tm);
    }
}

/// Nothing, or a short line without digits: a person's `hello`, a program's `time`.
fn is_request(datagram: &[u8]) -> bool {
    datagram.len() <= REQUEST_MAX
        && datagram
            .iter()
            .all(|byte| matches!(byte, b' '..=b'/' | b':'..=b'~' | b'\t' | b'\r' | b'\n'))
}

fn port(addr: &sockaddr_storage) -> u16 {
    if let Some(addr) = as_sockaddr_in(addr) {
        ntohs(addr.sin_port)
    } else if let Some(addr) = as_sockaddr_in6(addr) {
        ntohs(addr.sin6_port)
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FORMATS: [Format; 4] = [Format::Human, Format::Iso8601, Format::Daytime, Format::Time];
    const LECTURE: time_t = 1_519_391_700;

    #[test]
    fn formats() {
        let told = |format| tell(LECTURE, format).unwrap().bytes().to_vec();
        assert_eq!(told(Format::Iso8601), b"2018-02-23T13:15:00Z\n");
        // RFC 868's own example: 2,629,584,000 is 1 May 1983.
        assert_eq!(
            tell(420_595_200, Format::Time).unwrap().bytes(),
            2_629_584_000_u32.to_be_bytes()
        );
        for (format, digits_and_signs) in [
            (Format::Human, "Fri Feb 23 ::00 2018\n"),
            (Format::Daytime, "February 23, 2018 ::00-"),
        ] {
            // The hour is local time's.
            let text = String::from_utf8(told(format)).unwrap();
            let (before, after) = digits_and_signs.split_once("::").unwrap();
            assert!(text.contains(before) && text.contains(after), "{text:?}");
        }
    }

    #[test]
    fn requests() {
        for request in ["", "\n", "\r\n", "hello\n", "time", "what time is it?\n"] {
            assert!(is_request(request.as_bytes()), "{request:?}");
        }
        let long = "a".repeat(REQUEST_MAX + 1);
        for other in ["12:00\n", "\0", "\x7f", "caf\u{e9}", long.as_str()] {
            assert!(!is_request(other.as_bytes()), "{other:?}");
        }
    }

    #[test]
    fn the_well_known_ports_are_not_answered() {
        let mut sender = crate::posix::netinet_in::sockaddr_in();
        sender.sin_family = crate::posix::sys_socket::AF_INET as u16;
        for (port, answered) in [(0u16, false), (7, false), (1023, false), (1024, true)] {
            sender.sin_port = port.to_be();
            let sender = crate::posix::sys_socket::storage(&sender);
            assert_eq!(handle_datagram(b"\n", &sender, Format::Human).is_some(), answered);
        }
    }

    proptest! {
        #[test]
        fn no_answer_is_ever_a_request(now in -(1i64 << 40)..(1i64 << 40)) {
            for format in FORMATS {
                if let Some(answer) = tell(now, format) {
                    prop_assert!(!is_request(answer.bytes()));
                    prop_assert!(!answer.bytes().is_empty());
                }
            }
        }

        #[test]
        fn until_november_2040_every_second_is_told(now in 0i64..2_237_565_577) {
            for format in FORMATS {
                prop_assert!(tell(now, format).is_some());
            }
        }
    }
}

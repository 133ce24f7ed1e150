//! The values of options: read from the kernel, from words, and as words.

use std::ffi::{CStr, c_int};
use std::fmt;
use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;

use serde::Serialize;

use super::options::Opt;
use crate::linux::tcp_info::{sk_meminfo, tcp_info};
use crate::posix::Result;
use crate::posix::netinet_in::in_addr;
use crate::posix::sys_socket::{getsockopt, linger, setsockopt, timeval};
use crate::tool::loopback::state_name;

/// The C type of an option's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// An `int` that means on or off.
    Flag,
    /// An `int`.
    Int,
    /// An `unsigned int`.
    Unsigned,
    /// A `struct linger`.
    Linger,
    /// A `struct timeval`.
    Time,
    /// A name of at most 15 bytes.
    Text,
    /// A `struct in_addr`.
    Address,
    /// An `unsigned long`.
    Long,
    /// Two ints.
    Pair,
    /// A number that no other socket has.
    Cookie,
    /// A number that rises with time.
    Clock,
    /// The state in a `struct tcp_info`.
    State,
    /// What the socket's memory is used for.
    Counts,
}

impl Kind {
    /// As a table says it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Flag => "flag",
            Self::Int | Self::Clock => "int",
            Self::Unsigned => "unsigned",
            Self::Linger => "linger",
            Self::Time => "timeval",
            Self::Text => "string",
            Self::Address => "in_addr",
            Self::Long => "ulong",
            Self::Pair => "2 ints",
            Self::Cookie => "64 bits",
            Self::State => "tcp_info",
            Self::Counts => "9 ints",
        }
    }

    /// How a value is written.
    pub const fn form(self) -> &'static str {
        match self {
            Self::Flag => "on, off or a number",
            Self::Int | Self::Clock => "a whole number",
            Self::Unsigned | Self::Long | Self::Cookie => "a whole number that is not negative",
            Self::Linger => "off, or on and seconds: on,5",
            Self::Time => "seconds such as 1.5, or seconds and microseconds: 1,500000",
            Self::Text => "a name of at most 15 bytes",
            Self::Address => "an IPv4 address",
            Self::Pair => "two whole numbers: 1,0",
            Self::State | Self::Counts => "nothing: it can only be read",
        }
    }
}

/// A value of an option.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Value {
    /// Of [`Kind::Flag`], [`Kind::Int`] and [`Kind::Clock`].
    Int(c_int),
    /// Of [`Kind::Unsigned`].
    Unsigned(u32),
    /// Of [`Kind::Linger`].
    Linger {
        /// On or off.
        l_onoff: c_int,
        /// Seconds.
        l_linger: c_int,
    },
    /// Of [`Kind::Time`].
    Time {
        /// Seconds.
        tv_sec: i64,
        /// Microseconds.
        tv_usec: i64,
    },
    /// Of [`Kind::Text`].
    Text(String),
    /// Of [`Kind::Address`].
    Address(Ipv4Addr),
    /// Of [`Kind::Long`] and [`Kind::Cookie`].
    Long(u64),
    /// Of [`Kind::Pair`].
    Pair([c_int; 2]),
    /// Of [`Kind::State`].
    State(&'static str),
    /// Of [`Kind::Counts`].
    Counts(sk_meminfo),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(number) => write!(f, "{number}"),
            Self::Unsigned(number) => write!(f, "{number}"),
            Self::Linger { l_onoff: 0, l_linger: 0 } => f.write_str("off"),
            Self::Linger { l_onoff: 0, l_linger } => write!(f, "off,{l_linger}"),
            Self::Linger { l_linger, .. } => write!(f, "on,{l_linger}"),
            Self::Time { tv_sec, tv_usec } if (0..1_000_000).contains(tv_usec) && *tv_sec >= 0 => {
                let text = format!("{tv_sec}.{tv_usec:06}");
                f.write_str(text.trim_end_matches('0').trim_end_matches('.'))
            }
            Self::Time { tv_sec, tv_usec } => write!(f, "{tv_sec},{tv_usec}"),
            Self::Text(text) if text.is_empty() => f.write_str("\"\""),
            Self::Text(text) => f.write_str(text),
            Self::Address(address) => write!(f, "{address}"),
            Self::Long(u64::MAX) => f.write_str("unlimited"),
            Self::Long(number) => write!(f, "{number}"),
            Self::Pair([one, other]) => write!(f, "{one},{other}"),
            Self::State(name) => f.write_str(name),
            Self::Counts(counts) => {
                let words: Vec<String> = counts.iter().map(u32::to_string).collect();
                f.write_str(&words.join(" "))
            }
        }
    }
}

/// `getsockopt`, with the type that the option has.
pub(super) fn get(sockfd: &OwnedFd, option: &Opt) -> Result<Value> {
    let (level, optname) = (option.level, option.read_by);
    Ok(match option.kind {
        Kind::Flag | Kind::Int | Kind::Clock => Value::Int(getsockopt(sockfd, level, optname)?),
        Kind::Unsigned => Value::Unsigned(getsockopt(sockfd, level, optname)?),
        Kind::Linger => {
            let linger { l_onoff, l_linger } = getsockopt(sockfd, level, optname)?;
            Value::Linger { l_onoff, l_linger }
        }
        Kind::Time => {
            let time: timeval = getsockopt(sockfd, level, optname)?;
            Value::Time { tv_sec: time.tv_sec, tv_usec: time.tv_usec }
        }
        Kind::Text => {
            let bytes: [u8; 16] = getsockopt(sockfd, level, optname)?;
            let text = CStr::from_bytes_until_nul(&bytes).unwrap_or_default();
            Value::Text(text.to_string_lossy().into_owned())
        }
        Kind::Address => {
            let address: in_addr = getsockopt(sockfd, level, optname)?;
            Value::Address(u32::from_be(address.s_addr).into())
        }
        Kind::Long | Kind::Cookie => {
            Value::Long(u64::from_ne_bytes(getsockopt(sockfd, level, optname)?))
        }
        Kind::Pair => {
            let bytes: [u8; 8] = getsockopt(sockfd, level, optname)?;
            let [a, b, c, d, e, f, g, h] = bytes;
            Value::Pair([c_int::from_ne_bytes([a, b, c, d]), c_int::from_ne_bytes([e, f, g, h])])
        }
        Kind::State => {
            let info: tcp_info = getsockopt(sockfd, level, optname)?;
            Value::State(state_name(info.tcpi_state))
        }
        Kind::Counts => Value::Counts(getsockopt(sockfd, level, optname)?),
    })
}

/// `setsockopt`, with the type that the option has. What can only be read is offered as an int, so
/// that it is the kernel that refuses.
pub(super) fn set(sockfd: &OwnedFd, option: &Opt, value: &Value) -> Result<()> {
    let (level, optname) = (option.level, option.number);
    match value {
        Value::Int(number) => setsockopt(sockfd, level, optname, number),
        Value::Unsigned(number) => setsockopt(sockfd, level, optname, number),
        Value::Linger { l_onoff, l_linger } => {
            let value = linger { l_onoff: *l_onoff, l_linger: *l_linger };
            setsockopt(sockfd, level, optname, &value)
        }
        Value::Time { tv_sec, tv_usec } => {
            let value = timeval { tv_sec: *tv_sec, tv_usec: *tv_usec };
            setsockopt(sockfd, level, optname, &value)
        }
        Value::Text(text) => {
            let mut bytes = [0; 16];
            let length = text.len().min(bytes.len() - 1);
            bytes[..length].copy_from_slice(&text.as_bytes()[..length]);
            setsockopt(sockfd, level, optname, &bytes)
        }
        Value::Address(address) => {
            let value = in_addr { s_addr: u32::from(*address).to_be() };
            setsockopt(sockfd, level, optname, &value)
        }
        Value::Long(number) => setsockopt(sockfd, level, optname, &number.to_ne_bytes()),
        Value::Pair([one, other]) => {
            let [a, b, c, d] = one.to_ne_bytes();
            let [e, f, g, h] = other.to_ne_bytes();
            setsockopt(sockfd, level, optname, &[a, b, c, d, e, f, g, h])
        }
        Value::State(_) | Value::Counts(_) => setsockopt(sockfd, level, optname, &0),
    }
}

/// A value as a person writes it.
pub(super) fn parse(kind: Kind, text: &str) -> Option<Value> {
    match kind {
        Kind::Flag => match text {
            "on" => Some(Value::Int(1)),
            "off" => Some(Value::Int(0)),
            _ => int(text).map(Value::Int),
        },
        Kind::Int | Kind::Clock => int(text).map(Value::Int),
        Kind::Unsigned => {
            unsigned(text).and_then(|number| number.try_into().ok()).map(Value::Unsigned)
        }
        Kind::Long if text == "unlimited" => Some(Value::Long(u64::MAX)),
        Kind::Long | Kind::Cookie => unsigned(text).map(Value::Long),
        Kind::Linger => {
            let (onoff, seconds) = text.split_once(',').unwrap_or((text, "0"));
            let l_onoff = match onoff {
                "on" => 1,
                "off" => 0,
                _ => int(onoff)?,
            };
            // Without its seconds `on` would be a reset: not what anybody means.
            let complete = l_onoff == 0 || text.contains(',');
            let l_linger = int(seconds)?;
            complete.then_some(Value::Linger { l_onoff, l_linger })
        }
        Kind::Time => time(text),
        Kind::Text => {
            let fits = text.len() <= 15 && !text.contains('\0');
            fits.then(|| Value::Text(String::from(text)))
        }
        Kind::Address => text.parse().ok().map(Value::Address),
        Kind::Pair => {
            let (one, other) = text.split_once(',')?;
            Some(Value::Pair([int(one)?, int(other)?]))
        }
        // Whatever it is: the kernel's answer is what is asked for.
        Kind::State | Kind::Counts => Some(Value::Counts([0; 9])),
    }
}

/// Decimal or, after `0x`, hexadecimal.
fn whole(text: &str) -> Option<i128> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
    let (radix, digits) = digits.strip_prefix("0x").map_or((10, digits), |digits| (16, digits));
    let is_number = !digits.is_empty() && digits.len() <= 20;
    if !is_number || !digits.chars().all(|digit| digit.is_digit(radix)) {
        return None;
    }
    i128::from_str_radix(digits, radix).ok().map(|number| sign * number)
}

fn int(text: &str) -> Option<c_int> {
    whole(text)?.try_into().ok()
}

fn unsigned(text: &str) -> Option<u64> {
    whole(text)?.try_into().ok()
}

/// `1.5`, in seconds to the microsecond, or `1,500000`, which can also be what the kernel refuses.
fn time(text: &str) -> Option<Value> {
    let number = |text: &str| whole(text).and_then(|number| i64::try_from(number).ok());
    if let Some((seconds, microseconds)) = text.split_once(',') {
        return Some(Value::Time { tv_sec: number(seconds)?, tv_usec: number(microseconds)? });
    }
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = (1..=6).contains(&fraction.len()) && fraction.bytes().all(|b| b.is_ascii_digit());
    if !digits || seconds.starts_with('-') && text.contains('.') {
        return None;
    }
    Some(Value::Time { tv_sec: number(seconds)?, tv_usec: number(&format!("{fraction:0<6}"))? })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(kind: Kind, text: &str) -> Option<String> {
        parse(kind, text).map(|value| value.to_string())
    }

    #[test]
    fn values_as_words() {
        for (kind, text, value) in [
            (Kind::Flag, "on", "1"),
            (Kind::Flag, "42", "42"),
            (Kind::Int, "-1", "-1"),
            (Kind::Int, "0x10", "16"),
            (Kind::Unsigned, "4294967295", "4294967295"),
            (Kind::Linger, "on,5", "on,5"),
            (Kind::Linger, "on,-5", "on,-5"),
            (Kind::Linger, "off", "off"),
            (Kind::Time, "1.5", "1.5"),
            (Kind::Time, "0.000001", "0.000001"),
            (Kind::Time, "2", "2"),
            (Kind::Time, "-1", "-1,0"),
            (Kind::Time, "0,1000000", "0,1000000"),
            (Kind::Text, "cubic", "cubic"),
            (Kind::Address, "127.0.0.1", "127.0.0.1"),
            (Kind::Long, "1000", "1000"),
            (Kind::Pair, "1,-2", "1,-2"),
        ] {
            assert_eq!(read(kind, text).as_deref(), Some(value), "{kind:?} {text}");
        }
    }

    #[test]
    fn what_is_no_value() {
        for (kind, text) in [
            (Kind::Flag, "yes"),
            (Kind::Int, ""),
            (Kind::Int, "2147483648"),
            (Kind::Int, "1e3"),
            (Kind::Int, "+1"),
            (Kind::Int, " 1"),
            (Kind::Unsigned, "-1"),
            (Kind::Linger, "on"),
            (Kind::Linger, "on,"),
            (Kind::Linger, "on,5,6"),
            (Kind::Time, "1."),
            (Kind::Time, ".5"),
            (Kind::Time, "-1.5"),
            (Kind::Time, "1.0000001"),
            (Kind::Time, "nan"),
            (Kind::Text, "a name of 16 byte"),
            (Kind::Text, "nul\0"),
            (Kind::Address, "localhost"),
            (Kind::Pair, "1"),
        ] {
            assert_eq!(read(kind, text), None, "{kind:?} {text}");
        }
    }

    proptest! {
        #[test]
        fn no_word_panics(text in ".*") {
            for kind in [
                Kind::Flag, Kind::Int, Kind::Unsigned, Kind::Linger, Kind::Time, Kind::Text,
                Kind::Address, Kind::Long, Kind::Pair, Kind::Cookie, Kind::State, Kind::Counts,
            ] {
                let _ = read(kind, &text);
            }
        }

        #[test]
        fn what_is_shown_can_be_asked_for(number: c_int, other: c_int, long: u64, sec in 0..i64::MAX,
                                          usec in 0..1_000_000_i64) {
            for (kind, value) in [
                (Kind::Int, Value::Int(number)),
                (Kind::Linger, Value::Linger { l_onoff: 1, l_linger: other }),
                (Kind::Time, Value::Time { tv_sec: sec, tv_usec: usec }),
                (Kind::Pair, Value::Pair([number, other])),
                (Kind::Long, Value::Long(long)),
            ] {
                prop_assert_eq!(parse(kind, &value.to_string()), Some(value));
            }
        }
    }
}

//! The options of sockets: what they are by default, what can be set, and what they do.

mod list;
pub mod options;
pub mod show;
mod socket;
mod value;

use std::ffi::c_int;
use std::fmt;

use serde::Serialize;

pub use self::list::{Cell, Default, List, Row, Setting, list};
use self::options::{ABSENT, OPTIONS, On, Opt, find};
pub use self::socket::{Family, Protocol, SOCKETS, Socket};
pub use self::value::{Kind, Value};
use super::returned;
use crate::posix::Error;
use crate::posix::error::*;
use crate::posix::netinet_in::{IPPROTO_IP, IPPROTO_IPV6};
use crate::posix::sys_socket::SOL_SOCKET;

/// What was asked, of which socket.
#[derive(Debug, Serialize)]
pub struct Got {
    /// C's name.
    pub option: &'static str,
    /// The level's.
    pub level: &'static str,
    /// C's number.
    pub number: c_int,
    /// The socket.
    #[serde(flatten)]
    pub socket: Socket,
    /// Its value there.
    pub value: Value,
}

/// What an option was: some can be set, but not read before there is a connection.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Read {
    /// Its value.
    Value(Value),
    /// It could not be read.
    Failed {
        /// The name of the error.
        error: String,
    },
}

impl fmt::Display for Read {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(value) => write!(f, "{value}"),
            Self::Failed { error } => f.write_str(error),
        }
    }
}

/// What was set, on which socket.
#[derive(Debug, Serialize)]
pub struct Set {
    /// C's name.
    pub option: &'static str,
    /// The level's.
    pub level: &'static str,
    /// C's number.
    pub number: c_int,
    /// The socket.
    #[serde(flatten)]
    pub socket: Socket,
    /// What it was.
    pub before: Read,
    /// What was asked for.
    pub asked: Value,
    /// What it then was.
    pub after: Read,
    /// What the kernel makes of values, where it did not take this one as it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<&'static str>,
}

/// Why it can't be had: a line that names the call, the value and the remedy.
#[derive(Debug)]
pub struct Refusal(String);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The option that a word names.
///
/// # Errors
///
/// What there is instead.
pub fn named(word: &str) -> std::result::Result<&'static Opt, String> {
    if word.eq_ignore_ascii_case(ABSENT.name) {
        return Err(format!("{} {}", ABSENT.name, ABSENT.differs));
    }
    find(word).ok_or_else(|| {
        let upper = word.to_ascii_uppercase();
        let part = upper.rsplit('_').next().filter(|part| part.len() > 2);
        let similar: Vec<&str> = OPTIONS
            .iter()
            .map(|option| option.name)
            .filter(|name| part.is_some_and(|part| name.ends_with(part)))
            .take(4)
            .collect();
        let known = if similar.is_empty() {
            String::from("`socklab sockopt list` has those that there are")
        } else {
            format!("there is {}", similar.join(", "))
        };
        format!("no option '{word}': {known}")
    })
}

/// The value that a word is, for this option.
///
/// # Errors
///
/// What the word should be.
pub fn valued(option: &Opt, word: &str) -> std::result::Result<Value, String> {
    value::parse(option.kind, word)
        .ok_or_else(|| format!("'{word}' is no value for {}: {}", option.name, option.kind.form()))
}

/// Reads an option of a fresh socket.
///
/// # Errors
///
/// Those of `socket` and `getsockopt`.
pub fn get(option: &'static Opt, socket: Socket) -> std::result::Result<Got, Refusal> {
    let sockfd = socket.open().map_err(|error| no_socket(socket, &error))?;
    let value = value::get(&sockfd, option)
        .map_err(|error| refusal(&format!("getsockopt {}", option.name), option, socket, &error))?;
    let Opt { name, level_name, number, .. } = *option;
    Ok(Got { option: name, level: level_name, number, socket, value })
}

/// Sets an option of a fresh socket, and reads it before and after.
///
/// # Errors
///
/// Those of `socket` and `setsockopt`.
pub fn set(
    option: &'static Opt,
    asked: Value,
    socket: Socket,
) -> std::result::Result<Set, Refusal> {
    let sockfd = socket.open().map_err(|error| no_socket(socket, &error))?;
    let read = || match value::get(&sockfd, option) {
        Ok(value) => Read::Value(value),
        Err(error) => Read::Failed { error: returned::name(error.errno()) },
    };
    let before = read();
    value::set(&sockfd, option, &asked).map_err(|error| {
        refusal(&format!("setsockopt {}={asked}", option.name), option, socket, &error)
    })?;
    let after = read();
    let Opt { name, level_name, number, .. } = *option;
    let note = Some(option.values)
        .filter(|values| !values.is_empty() && after != Read::Value(asked.clone()));
    Ok(Set { option: name, level: level_name, number, socket, before, asked, after, note })
}

fn no_socket(socket: Socket, error: &Error) -> Refusal {
    let remedy = if error.errno() == EAFNOSUPPORT {
        "this kernel has no IPv6"
    } else {
        "`ulimit -n` says how many descriptors there may be"
    };
    Refusal(format!("socket {socket}: {}: {remedy}", returned::described(error)))
}

fn refusal(call: &str, option: &Opt, socket: Socket, error: &Error) -> Refusal {
    Refusal(format!("{call}: {}: {}", returned::described(error), remedy(option, socket, error)))
}

fn remedy(option: &Opt, socket: Socket, error: &Error) -> String {
    let name = option.name;
    let unsuitable = !socket.suits(option);
    match error.errno() {
        ENOPROTOOPT | EOPNOTSUPP | EINVAL if unsuitable && option.level == IPPROTO_IPV6 => {
            format!("{name} is an option of IPv6: try -6")
        }
        ENOPROTOOPT | EOPNOTSUPP | EINVAL if unsuitable => {
            let flag = if option.on == On::Udp { "--udp" } else { "--tcp" };
            format!("{name} is for other sockets: try {flag}")
        }
        ENOPROTOOPT | EOPNOTSUPP if option.on == On::Raw => format!("{name} is for raw sockets"),
        ENOPROTOOPT if name == "SO_SNDLOWAT" => String::from(
            "Linux has it at 1 and lets nobody set it; TCP_NOTSENT_LOWAT is its nearest",
        ),
        ENOPROTOOPT if !option.settable => format!("{name} can only be read"),
        EPERM | EACCES => String::from("it takes a privilege (CAP_NET_ADMIN), as root has it"),
        ENOTCONN => String::from("only a connected socket has it, and a fresh one is not"),
        ENODEV => String::from("`ip link` lists the interfaces"),
        _ if !option.values.is_empty() => format!("{name} takes {}", option.values),
        _ if option.clause.contains("; ") => format!("{name}: {}", option.clause),
        _ => {
            let page = match option.level {
                SOL_SOCKET => "man 7 socket",
                IPPROTO_IP => "man 7 ip",
                IPPROTO_IPV6 => "man 7 ipv6",
                _ if option.on == On::Udp => "man 7 udp",
                _ => "man 7 tcp",
            };
            format!("`{page}` says what {name} takes here")
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_option_is_listed_once() {
        let names: BTreeSet<&str> = OPTIONS.iter().map(|option| option.name).collect();
        let numbers: BTreeSet<_> =
            OPTIONS.iter().map(|option| (option.level, option.number)).collect();
        assert_eq!((names.len(), numbers.len()), (OPTIONS.len(), OPTIONS.len()));
        for option in OPTIONS {
            assert!(option.clause.len() <= 84 && !option.clause.ends_with('.'), "{}", option.name);
        }
    }

    #[test]
    fn options_by_name() {
        assert_eq!(named("so_rcvbuf").map(|option| option.name), Ok("SO_RCVBUF"));
        let unknown = named("RCVBUF").unwrap_err();
        assert_eq!(unknown, "no option 'RCVBUF': there is SO_RCVBUF");
        assert!(named("IP_RECVIF").unwrap_err().contains("IP_PKTINFO"));
        for word in ["", "_", "SO_", "SO_NOSUCH", "\u{e9}"] {
            assert!(named(word).unwrap_err().contains("socklab sockopt list"), "{word}");
        }
    }

    proptest! {
        #[test]
        fn no_name_panics(word in ".*") {
            let _ = named(&word);
        }
    }
}

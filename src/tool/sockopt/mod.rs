//! The options of sockets: what they are by default, what can be set, and what they do.

pub mod options;
pub mod show;
mod value;

use std::ffi::c_int;
use std::fmt;
use std::os::fd::OwnedFd;

use serde::Serialize;

use self::options::{ABSENT, Absent, OPTIONS, On, Opt, find};
pub use self::value::{Kind, Value};
use super::loopback::kernel;
use super::returned;
use crate::posix::error::*;
use crate::posix::netinet_in::{IPPROTO_IP, IPPROTO_IPV6};
use crate::posix::sys_socket::*;
use crate::posix::{Error, Result};

/// Which socket is asked: a fresh one of this type and family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Socket {
    /// TCP or UDP.
    pub protocol: Protocol,
    /// IPv4 or IPv6.
    pub family: Family,
}

/// `SOCK_STREAM` or `SOCK_DGRAM`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Protocol {
    /// `SOCK_STREAM`
    #[serde(rename = "tcp")]
    Tcp,
    /// `SOCK_DGRAM`
    #[serde(rename = "udp")]
    Udp,
}

/// `AF_INET` or `AF_INET6`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Family {
    /// `AF_INET`
    #[serde(rename = "ipv4")]
    V4,
    /// `AF_INET6`
    #[serde(rename = "ipv6")]
    V6,
}

/// The four that a table has columns for.
pub const SOCKETS: [Socket; 4] = [
    Socket { protocol: Protocol::Tcp, family: Family::V4 },
    Socket { protocol: Protocol::Tcp, family: Family::V6 },
    Socket { protocol: Protocol::Udp, family: Family::V4 },
    Socket { protocol: Protocol::Udp, family: Family::V6 },
];

impl fmt::Display for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let protocol = match self.protocol {
            Protocol::Tcp => "TCP",
            Protocol::Udp => "UDP",
        };
        let family = match self.family {
            Family::V4 => "IPv4",
            Family::V6 => "IPv6",
        };
        write!(f, "{protocol} over {family}")
    }
}

impl Socket {
    fn open(self) -> Result<OwnedFd> {
        let domain = match self.family {
            Family::V4 => AF_INET,
            Family::V6 => AF_INET6,
        };
        let r#type = match self.protocol {
            Protocol::Tcp => SOCK_STREAM,
            Protocol::Udp => SOCK_DGRAM,
        };
        socket(domain, r#type | SOCK_CLOEXEC, 0)
    }

    /// Whether the option is made for such a socket.
    pub fn suits(self, option: &Opt) -> bool {
        let protocol = match option.on {
            On::Tcp => self.protocol == Protocol::Tcp,
            On::Udp => self.protocol == Protocol::Udp,
            On::Any | On::Raw => true,
        };
        protocol && (option.level != IPPROTO_IPV6 || self.family == Family::V6)
    }

    /// The one that is asked if nobody says which.
    pub fn of(option: &Opt, protocol: Option<Protocol>, v6: bool) -> Self {
        let suitable = if option.on == On::Udp { Protocol::Udp } else { Protocol::Tcp };
        let v6 = v6 || option.level == IPPROTO_IPV6;
        let family = if v6 { Family::V6 } else { Family::V4 };
        Self { protocol: protocol.unwrap_or(suitable), family }
    }
}

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

/// What one kind of socket has for an option.
#[derive(Debug, Serialize)]
pub struct Cell {
    /// The socket.
    #[serde(flatten)]
    pub socket: Socket,
    /// Its default, or the name of the error with which it can't be read.
    #[serde(flatten)]
    pub default: Default,
    /// Whether it took the value that it has; not tried where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub set: Option<Setting>,
    #[serde(skip)]
    suits: bool,
}

/// A default, or why there is none.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Default {
    /// The value of a fresh socket.
    Default(Value),
    /// The name of an error.
    Error(String),
}

/// Whether it can be set.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Setting {
    /// It can.
    Yes,
    /// It can't: the name of the error.
    No(String),
}

/// A row of the table of options.
#[derive(Debug, Serialize)]
pub struct Row {
    /// C's name.
    pub option: &'static str,
    /// The level's.
    pub level: &'static str,
    /// C's number.
    pub number: c_int,
    /// The type of its value.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// What it is for.
    pub clause: &'static str,
    /// Where Linux differs from the slide.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub differs: &'static str,
    /// On each kind of socket.
    pub sockets: Vec<Cell>,
    #[serde(skip)]
    changes: bool,
}

/// The table of options.
#[derive(Debug, Serialize)]
pub struct List {
    /// The release of the Linux kernel.
    pub kernel: String,
    /// The options that there are.
    pub options: Vec<Row>,
    /// The one that there is not.
    pub absent: &'static Absent,
}

/// Asks fresh sockets for all options, and sets each to what it is.
///
/// # Errors
///
/// Those of `socket`; where there is no IPv6, its cells are left out.
pub fn list() -> Result<List> {
    let mut options = Vec::new();
    for option in OPTIONS {
        let mut sockets = Vec::new();
        for socket in SOCKETS {
            match socket.open() {
                Ok(sockfd) => sockets.push(cell(&sockfd, socket, option)),
                Err(error) if error.errno() == EAFNOSUPPORT && socket.family == Family::V6 => {}
                Err(error) => return Err(error),
            }
        }
        let Opt { name, level_name, number, kind, clause, differs, .. } = *option;
        let changes = matches!(kind, Kind::Cookie | Kind::Clock);
        let (option, level, kind) = (name, level_name, kind.name());
        options.push(Row { option, level, number, kind, clause, differs, sockets, changes });
    }
    Ok(List { kernel: kernel(), options, absent: &ABSENT })
}

fn cell(sockfd: &OwnedFd, socket: Socket, option: &Opt) -> Cell {
    let suits = socket.suits(option);
    match value::get(sockfd, option) {
        Err(error) => {
            let default = Default::Error(returned::name(error.errno()));
            Cell { socket, default, set: None, suits }
        }
        Ok(value) => {
            let set = match value::set(sockfd, option, &value) {
                Ok(()) => Setting::Yes,
                Err(error) => Setting::No(returned::name(error.errno())),
            };
            Cell { socket, default: Default::Default(value), set: Some(set), suits }
        }
    }
}

impl Row {
    /// The defaults in few words: each value once, with the sockets that have it. Sockets where it can't be
    /// read are passed over; if all are, the error of those that the option is made for.
    pub fn defaults(&self) -> String {
        let known = |cell: &Cell| match &cell.default {
            Default::Default(_) if self.changes => Some(String::from("always another")),
            Default::Default(value) => Some(value.to_string()),
            Default::Error(_) => None,
        };
        let found = self.grouped(known);
        if !found.is_empty() {
            return found;
        }
        self.grouped(|cell| match &cell.default {
            Default::Error(name) if cell.suits => Some(name.clone()),
            _ => None,
        })
    }

    /// Whether it can be set, in few words.
    pub fn settable(&self) -> String {
        let found = self.grouped(|cell| match cell.set.as_ref()? {
            Setting::Yes => Some(String::from("yes")),
            Setting::No(name) => Some(name.clone()),
        });
        if found.is_empty() { String::from("-") } else { found }
    }

    /// The different words for its sockets, each with those that have it, unless all do that have any.
    fn grouped(&self, word: impl Fn(&Cell) -> Option<String>) -> String {
        let mut groups: Vec<(String, Vec<Socket>)> = Vec::new();
        for cell in &self.sockets {
            let Some(word) = word(cell) else { continue };
            match groups.iter_mut().find(|(known, _)| *known == word) {
                Some((_, sockets)) => sockets.push(cell.socket),
                None => groups.push((word, vec![cell.socket])),
            }
        }
        if let [(word, _)] = &groups[..] {
            return word.clone();
        }
        let lines = groups.iter().map(|(word, sockets)| format!("{word} {}", short(sockets)));
        lines.collect::<Vec<_>>().join("\n")
    }
}

/// `TCP`, `IPv6`, or one by one.
fn short(sockets: &[Socket]) -> String {
    let all = |test: &dyn Fn(&Socket) -> bool| sockets.len() > 1 && sockets.iter().all(test);
    for (name, protocol) in [("TCP", Protocol::Tcp), ("UDP", Protocol::Udp)] {
        if all(&|socket| socket.protocol == protocol) {
            return String::from(name);
        }
    }
    for (name, family) in [("IPv4", Family::V4), ("IPv6", Family::V6)] {
        if all(&|socket| socket.family == family) {
            return String::from(name);
        }
    }
    let names = sockets.iter().map(|socket| match (socket.protocol, socket.family) {
        (Protocol::Tcp, Family::V4) => "TCP",
        (Protocol::Tcp, Family::V6) => "TCP6",
        (Protocol::Udp, Family::V4) => "UDP",
        (Protocol::Udp, Family::V6) => "UDP6",
    });
    names.collect::<Vec<_>>().join(" ")
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

    #[test]
    fn which_socket_is_asked() {
        let of =
            |name: &str, protocol, v6| Socket::of(find(name).unwrap(), protocol, v6).to_string();
        assert_eq!(of("SO_RCVBUF", None, false), "TCP over IPv4");
        assert_eq!(of("UDP_GRO", None, true), "UDP over IPv6");
        assert_eq!(of("IPV6_V6ONLY", None, false), "TCP over IPv6");
        assert_eq!(of("TCP_NODELAY", Some(Protocol::Udp), false), "UDP over IPv4");
    }

    proptest! {
        #[test]
        fn no_name_panics(word in ".*") {
            let _ = named(&word);
        }
    }
}

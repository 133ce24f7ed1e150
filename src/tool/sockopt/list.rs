//! All options on fresh sockets: the table.

use std::ffi::c_int;
use std::os::fd::OwnedFd;

use serde::Serialize;

use super::options::{ABSENT, Absent, OPTIONS, Opt};
use super::socket::{Family, Protocol, SOCKETS, Socket};
use super::value::{self, Kind, Value};
use crate::posix::Result;
use crate::posix::error::EAFNOSUPPORT;
use crate::tool::loopback::kernel;
use crate::tool::returned;

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

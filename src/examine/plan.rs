//! What is examined, and how.

use std::ffi::OsString;
use std::rc::Rc;
use std::time::Duration;

use super::inetd;
use super::protocol::Protocol;
use crate::subject::cell::Isolation;
use crate::subject::{Inetd, Running};

/// What is examined, and how.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What the report calls the server.
    pub name: String,
    /// How it is started; `{port}` in an argument is its port.
    pub command: Vec<OsString>,
    /// How it is started if inetd does that: its standard input and output is the connection, or the socket.
    pub by_inetd: Option<Inetd>,
    /// The server that runs already, and is examined instead of one that is started.
    pub running: Option<Rc<Running>>,
    /// Which port that is.
    pub port: Port,
    /// What is said to it; `None` is Fibonacci over TCP, and the time over UDP.
    pub protocol: Option<Protocol>,
    /// How long anything may take.
    pub patience: Duration,
    /// In what it runs.
    pub isolation: Isolation,
    /// The design that it claims to be, by the name that socklab has for it.
    pub claims: Option<String>,
    /// Another server, whose answers are to be the same: how it is started, as `command`.
    pub like: Option<Vec<OsString>>,
    /// The words of a command that examines the same, to which a selection can be added.
    pub again: String,
}

impl Plan {
    /// Whether the server has a network of its own, in which the kernel counts nothing else.
    pub fn is_alone(&self) -> bool {
        self.isolation == Isolation::Namespaces && self.running.is_none()
    }

    /// In what the server runs, in words.
    pub(super) fn surroundings(&self) -> String {
        let Some(running) = &self.running else {
            let own = self.isolation.words();
            return match self.by_inetd {
                Some(style) => format!("{own}, {}", inetd::words(style)),
                None => own,
            };
        };
        let pid = running.pid;
        if running.is_open {
            format!("as it runs already: process {pid}")
        } else {
            format!(
                "as it runs already: process {pid}, whose descriptors are hidden: its port is as told"
            )
        }
    }
}

/// The port of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Port {
    /// It takes the one that it is given.
    Given,
    /// It has its own.
    Fixed(u16),
}

/// In a network of its own every port is free.
pub(super) const PORT: u16 = 9000;

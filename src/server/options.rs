//! What a server is told on its command line.

#![forbid(unsafe_code)]

use std::ffi::{CString, c_int};

use crate::posix::error::{EACCES, EADDRINUSE, EADDRNOTAVAIL, EINVAL, ENOMEM, ENOSYS, EPERM};
use crate::posix::netdb::{
    AI_PASSIVE, addrinfo, getaddrinfo, getnameinfo, {NI_NUMERICHOST, NI_NUMERICSERV},
};
use crate::posix::sys_socket::{SOCK_DGRAM, SOCK_STREAM, sockaddr_storage, timeval};
use crate::posix::{Error, Result};
use crate::server::Transport;
use crate::service::time::Format;

/// How many workers a pool has unless the server is told otherwise.
pub const DEFAULT_WORKERS: usize = 4;
/// The largest number of workers.
pub const MOST_WORKERS: usize = 1000;
/// The longest time of --defer-accept, in seconds.
pub const LONGEST_DEFERRAL: c_int = 3600;

/// A server's options.
#[derive(Clone)]
pub struct Options {
    /// Where it listens; the address family follows.
    pub servaddr: sockaddr_storage,
    /// The largest n that is computed.
    pub max_n: u64,
    /// How long one `recv` or `send` may take.
    pub timeout: timeval,
    /// How the time is told.
    pub format: Format,
    /// How many worker processes or threads wait for clients.
    pub workers: usize,
    /// For how many seconds the kernel keeps a client that says nothing to itself.
    pub defer_accept: Option<c_int>,
    /// What the design hybrid keeps within bounds.
    pub limits: Limits,
    /// Whether it gives up what it does not need.
    pub sandbox: bool,
}

/// The limits of the design hybrid.
#[derive(Debug, Clone)]
pub struct Limits {
    /// How many clients may be connected; fewer where the limit of open files does not allow so many.
    pub clients: usize,
    /// How many of them from one address.
    pub per_address: usize,
    /// How many costly requests may wait.
    pub queue: usize,
    /// How long a request may take to arrive, and its answer to be taken.
    pub deadline: timeval,
    /// How long what has been asked for may take once the server is to stop.
    pub drain: timeval,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            clients: 10_000,
            per_address: 2500,
            queue: 1000,
            deadline: timeval { tv_sec: 60, tv_usec: 0 },
            drain: timeval { tv_sec: 5, tv_usec: 0 },
        }
    }
}

impl Options {
    /// The address of `host` and `port`, the first that the resolver names.
    pub fn resolve(host: &str, port: u16, transport: Transport) -> Result<sockaddr_storage> {
        let mut hints = addrinfo();
        hints.ai_flags = AI_PASSIVE;
        hints.ai_socktype = match transport {
            Transport::Tcp => SOCK_STREAM,
            Transport::Udp => SOCK_DGRAM,
        };
        // No name has a NUL in it; what would be cut there is not found.
        let node = CString::new(host).unwrap_or_default();
        let service = CString::new(port.to_string()).unwrap_or_default();
        let answers = getaddrinfo(Some(&node), Some(&service), Some(&hints))?;
        Ok(answers.iter().next().map_or(sockaddr_storage(), |first| first.ai_addr))
    }
}

/// An error at the start, with what can be done, and the address if it is about that.
pub struct Refusal<'a> {
    /// What failed.
    pub error: &'a Error,
    /// The server's address.
    pub servaddr: &'a sockaddr_storage,
}

impl std::fmt::Display for Refusal<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(remedy) = uring_remedy(self.error) {
            return write!(f, "{} ({remedy})", self.error);
        }
        let remedy = match (self.error.call, self.error.errno()) {
            ("bind" | "listen", EADDRINUSE) => {
                "another socket has this port: stop its owner or take another --port"
            }
            ("bind", EACCES) => "a port below 1024 needs privilege: take a --port from 1024 on",
            ("bind", EADDRNOTAVAIL) => "no interface here has this address: take another --bind",
            ("landlock_restrict_self" | "seccomp", _) => {
                return write!(f, "{} (this kernel can't do it: leave --sandbox away)", self.error);
            }
            _ => return write!(f, "{}", self.error),
        };
        write!(f, "{} ({}; {remedy})", self.error, address(self.servaddr))
    }
}

/// Whether and why there is no io_uring is the kernel's or a sandbox's decision.
fn uring_remedy(error: &Error) -> Option<&'static str> {
    if !matches!(error.call, "io_uring_setup" | "io_uring_register") {
        return None;
    }
    match error.errno() {
        EPERM | EACCES => Some(
            "forbidden by kernel.io_uring_disabled or by a container's filter: \
             allow it there or take another design",
        ),
        ENOSYS => Some(
            "the kernel has no io_uring or a container's filter hides it: \
             allow it there or take another design",
        ),
        EINVAL => {
            Some("what this design uses of io_uring came with Linux 6.1: take another design")
        }
        ENOMEM => Some("its rings are locked memory: raise that limit, `ulimit -l`"),
        _ => None,
    }
}

/// An address and its port as numbers: `127.0.0.1:9000`, `[::1]:9000`.
pub(super) fn address(addr: &sockaddr_storage) -> String {
    let Ok((host, port)) = getnameinfo(addr, NI_NUMERICHOST | NI_NUMERICSERV) else {
        return String::from("an address of another family");
    };
    let (host, port) = (host.to_string_lossy(), port.to_string_lossy());
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

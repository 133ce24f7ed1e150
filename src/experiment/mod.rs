//! Stevens' experiments: whom the kernel wakes for a connection, who gets it, and how many wait
//! where nobody accepts. An experiment returns plain data and prints nothing.

#![forbid(unsafe_code)]

pub mod backlog;
pub mod balance;
pub mod herd;
mod task;
mod way;
mod workers;

use std::fs;
use std::os::fd::OwnedFd;

use serde::Serialize;

pub use workers::WORKERS_MAX;

use crate::posix::Result;
use crate::posix::arpa_inet::htonl;
use crate::posix::netinet_in::{INADDR_LOOPBACK, as_sockaddr_in, sockaddr_in};
use crate::posix::sys_socket::{
    AF_INET, SO_REUSEPORT, SOCK_STREAM, SOL_SOCKET, bind, getsockname, setsockopt,
    sockaddr_storage, socket, storage,
};

/// What an experiment is about.
#[derive(Debug, Serialize)]
pub struct Experiment {
    /// Its name on the command line.
    #[serde(rename = "experiment")]
    pub name: &'static str,
    /// What is measured, and how.
    pub measured: &'static str,
    /// In what the rows count.
    pub unit: &'static str,
}

/// All of them.
pub const EXPERIMENTS: [&Experiment; 3] =
    [&herd::EXPERIMENT, &balance::EXPERIMENT, &backlog::EXPERIMENT];

/// What an experiment has found.
#[derive(Debug, Serialize)]
pub struct Outcome<R> {
    /// Which one it was.
    #[serde(flatten)]
    pub experiment: &'static Experiment,
    /// The release of the Linux kernel.
    pub kernel: String,
    /// How many samples a row has, and of what.
    pub samples: String,
    /// A row for each case.
    pub rows: Vec<R>,
    /// What they show, in a sentence.
    pub shows: String,
}

/// Is told how much is done, and of how much.
pub type Progress<'a> = &'a mut dyn FnMut(usize, usize);

fn kernel() -> String {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    String::from(release.trim_end())
}

/// A socket on 127.0.0.1; with port 0, on a free one.
fn bound(port: u16, shared: bool) -> Result<OwnedFd> {
    let listenfd = socket(AF_INET, SOCK_STREAM, 0)?;
    if shared {
        setsockopt(&listenfd, SOL_SOCKET, SO_REUSEPORT, &1)?;
    }
    bind(&listenfd, &loopback(port))?;
    Ok(listenfd)
}

/// The port of a socket, in network byte order.
fn port(sockfd: &OwnedFd) -> Result<u16> {
    let addr = getsockname(sockfd)?;
    Ok(as_sockaddr_in(&addr).map_or(0, |addr| addr.sin_port))
}

/// 127.0.0.1 and a port in network byte order.
fn loopback(port: u16) -> sockaddr_storage {
    let mut addr = sockaddr_in();
    addr.sin_family = AF_INET as u16;
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    addr.sin_port = port;
    storage(&addr)
}

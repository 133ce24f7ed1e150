//! The lecture's clients.

#![forbid(unsafe_code)]

pub mod fibonacci;
pub mod nonblocking;
pub mod time;

use std::ffi::CString;
use std::os::fd::OwnedFd;

use crate::posix::error::EINVAL;
use crate::posix::netdb::*;
use crate::posix::sys_socket::*;
use crate::posix::unistd::close;
use crate::posix::{Error, Result};

/// The addresses of the host, in the order in which they are to be tried.
fn resolve(host: &str, port: u16, socktype: i32) -> Result<addrinfo_list> {
    let mut hints = addrinfo();
    hints.ai_socktype = socktype;
    // No name has a NUL in it; what would be cut there is not found.
    let node = CString::new(host).unwrap_or_default();
    let service = CString::new(port.to_string()).unwrap_or_default();
    getaddrinfo(Some(&node), Some(&service), Some(&hints))
}

/// A socket connected to one address. With a `timeout` other than zero no connect(), send() or
/// recv() on it takes longer.
fn connect_one(ai: &addrinfo<'_>, timeout: &timeval) -> Result<OwnedFd> {
    let sockfd = socket(ai.ai_family, ai.ai_socktype, ai.ai_protocol)?;
    setsockopt(&sockfd, SOL_SOCKET, SO_RCVTIMEO, timeout)?;
    setsockopt(&sockfd, SOL_SOCKET, SO_SNDTIMEO, timeout)?;
    match connect(&sockfd, &ai.ai_addr) {
        Ok(()) => Ok(sockfd),
        Err(error) => {
            close(sockfd)?;
            Err(error)
        }
    }
}

/// What is wrong where no address is even tried.
const NO_ADDRESS: Error = Error::new("connect", EINVAL);

/// A socket connected to the first address of the host that answers; every address is tried.
fn connect_to(host: &str, port: u16, socktype: i32, timeout: &timeval) -> Result<OwnedFd> {
    let res = resolve(host, port, socktype)?;
    let mut failure = NO_ADDRESS;
    for ai in &res {
        match connect_one(&ai, timeout) {
            Ok(sockfd) => return Ok(sockfd),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

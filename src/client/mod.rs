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

/// A socket connected to the first address of the host that answers; every address is tried. With a
/// `timeout` other than zero no connect(), send() or recv() on it takes longer.
fn connect_to(host: &str, port: u16, socktype: i32, timeout: &timeval) -> Result<OwnedFd> {
    let mut hints = addrinfo();
    hints.ai_socktype = socktype;
    // No name has a NUL in it; what would be cut there is not found.
    let node = CString::new(host).unwrap_or_default();
    let service = CString::new(port.to_string()).unwrap_or_default();
    let res = getaddrinfo(Some(&node), Some(&service), Some(&hints))?;
    let mut failure = Error::new("connect", EINVAL);
    for ai in &res {
        let sockfd = match socket(ai.ai_family, ai.ai_socktype, ai.ai_protocol) {
            Ok(sockfd) => sockfd,
            Err(error) => {
                failure = error;
                continue;
            }
        };
        setsockopt(&sockfd, SOL_SOCKET, SO_RCVTIMEO, timeout)?;
        setsockopt(&sockfd, SOL_SOCKET, SO_SNDTIMEO, timeout)?;
        match connect(&sockfd, &ai.ai_addr) {
            Ok(()) => return Ok(sockfd),
            Err(error) => failure = error,
        }
        close(sockfd)?;
    }
    Err(failure)
}

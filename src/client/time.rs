//! UDP Time Service: the client. A datagram may be lost, so it asks up to three times.

use std::os::fd::OwnedFd;

use crate::client::{NO_ADDRESS, connect_one, resolve};
use crate::posix::Result;
use crate::posix::error::{EAGAIN, EINTR};
use crate::posix::netdb::freeaddrinfo;
use crate::posix::sys_socket::*;
use crate::posix::unistd::*;

/// How often it asks.
const TRIES: usize = 3;

/// Sends an empty datagram and returns the answer; waits up to `timeout` for each of three tries.
/// On a connected UDP socket a closed port is ECONNREFUSED, but only when it is asked: so it is by
/// asking, not by connecting, that every address of the host is tried.
pub fn ask(host: &str, port: u16, timeout: &timeval) -> Result<Vec<u8>> {
    let res = resolve(host, port, SOCK_DGRAM)?;
    let mut answered = Err(NO_ADDRESS);
    for ai in &res {
        answered = match connect_one(&ai, timeout) {
            Ok(sockfd) => {
                let answered = ask_one(&sockfd);
                close(sockfd)?;
                answered
            }
            Err(error) => Err(error),
        };
        if answered.is_ok() {
            break;
        }
    }
    freeaddrinfo(res);
    answered
}

fn ask_one(sockfd: &OwnedFd) -> Result<Vec<u8>> {
    let mut answer = vec![0; 512];
    let mut tries = 0;
    loop {
        tries += 1;
        send(sockfd, b"", 0)?;
        match recv(sockfd, &mut answer, 0) {
            Ok(count) => {
                answer.truncate(count);
                return Ok(answer);
            }
            Err(error) if matches!(error.errno(), EAGAIN | EINTR) && tries < TRIES => {}
            Err(error) => return Err(error),
        }
    }
}

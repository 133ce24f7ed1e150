//! UDP Time Service: the client. A datagram may be lost, so it asks up to three times.

use crate::client::connect_to;
use crate::posix::Result;
use crate::posix::error::{EAGAIN, EINTR};
use crate::posix::sys_socket::*;
use crate::posix::unistd::*;

/// How often it asks.
const TRIES: usize = 3;

/// Sends an empty datagram and returns the answer; waits up to `timeout` for each of three tries.
/// On a connected UDP socket a closed port is ECONNREFUSED.
pub fn ask(host: &str, port: u16, timeout: &timeval) -> Result<Vec<u8>> {
    let sockfd = connect_to(host, port, SOCK_DGRAM, timeout)?;
    let mut answer = vec![0; 512];
    let mut tries = 0;
    loop {
        tries += 1;
        send(&sockfd, b"", 0)?;
        match recv(&sockfd, &mut answer, 0) {
            Ok(count) => {
                answer.truncate(count);
                break;
            }
            Err(error) if matches!(error.errno(), EAGAIN | EINTR) && tries < TRIES => {}
            Err(error) => return Err(error),
        }
    }
    close(sockfd)?;
    Ok(answer)
}

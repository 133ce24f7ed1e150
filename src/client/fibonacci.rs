//! TCP Fibonacci Service: the client. It reads until the end of file, so no answer is too long.

use crate::client::connect_to;
use crate::posix::Result;
use crate::posix::error::EINTR;
use crate::posix::sys_socket::*;
use crate::posix::unistd::*;

/// More than any server of this service says, in bytes.
pub const ANSWER_MAX: usize = 4096;

/// Sends `n` and returns what the server answers, at most [`ANSWER_MAX`] bytes of it. A `timeout` of
/// zero is none.
pub fn ask(host: &str, port: u16, n: i64, timeout: &timeval) -> Result<Vec<u8>> {
    let sockfd = connect_to(host, port, SOCK_STREAM, timeout)?;
    let request = format!("{n}\n");
    let mut sent = 0;
    while sent < request.len() {
        match send(&sockfd, &request.as_bytes()[sent..], 0) {
            Ok(count) => sent += count,
            Err(error) if error.errno() == EINTR => {}
            Err(error) => return Err(error),
        }
    }
    let mut answer = vec![0; ANSWER_MAX];
    let mut received = 0;
    while received < answer.len() {
        match recv(&sockfd, &mut answer[received..], 0) {
            Ok(0) => break,
            Ok(count) => received += count,
            Err(error) if error.errno() == EINTR => {}
            Err(error) => return Err(error),
        }
    }
    answer.truncate(received);
    close(sockfd)?;
    Ok(answer)
}

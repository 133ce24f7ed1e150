//! UDP Time Service - In batches
//!
//! **Changes** against iterative: recvmmsg() takes all datagrams that wait, at most 64, and sendmmsg()
//! sends all answers; the time is put into words once for all of them. MSG_WAITFORONE: it waits for
//! the first datagram only, so nobody is kept waiting for a batch to fill.
//!
//! **Breaks**: as iterative does. Nothing is gained while datagrams come one by one.

#![forbid(unsafe_code)]

use std::io::IoSlice;

use crate::linux::mmsg::*;
use crate::posix::Result;
use crate::posix::sys_socket::*;
use crate::posix::time::time;
use crate::posix::unistd::*;
use crate::server::*;
use crate::service::time::{REQUEST_MAX, is_answerable, tell};

const NAME: &str = "udp_batch";

pub(super) const DESIGN: Design = Design {
    name: NAME,
    slide: "UDP Time Service - In batches",
    changes: "recvmmsg() and sendmmsg(): up to 64 datagrams in two calls",
    transport: Transport::Udp,
    service: Service::Time,
    promises: Promises {
        serves: Serves::Forever,
        silent: Silent::Harmless,
        deferred: None,
        heavy: Heavy::Harmless,
        per_client: PerClient::Descriptor,
        pool: Pool::None,
        idle: Idle::Sleeps,
        descriptors: None,
        calls: Some(2),
    },
    serve,
};

/// How many datagrams are taken at once.
const BATCH: usize = 64;

fn serve(options: &Options) -> Result<()> {
    let servaddr = &options.servaddr;
    let sockfd = socket(servaddr.ss_family.into(), SOCK_DGRAM, 0)?;
    bind(&sockfd, servaddr)?;
    lifecycle::ready(NAME, &sockfd)?;

    let mut bufs = [[0; REQUEST_MAX + 1]; BATCH];
    let mut requests = bufs.each_mut().map(|buf| mmsghdr::new(buf));
    loop {
        let received = match recvmmsg(&sockfd, &mut requests, MSG_WAITFORONE, None) {
            Ok(received) => received,
            Err(error) => {
                if lifecycle::survive(error)? {
                    lifecycle::pause();
                }
                continue;
            }
        };
        if lifecycle::stopping() {
            break;
        }
        let Some(answer) = tell(time(), options.format) else { continue };
        let msg_iov = [IoSlice::new(answer.bytes())];
        let mut answers = Vec::with_capacity(received);
        for request in &requests[..received] {
            let cliaddr = &request.msg_name;
            if is_answerable(request.data(), cliaddr) {
                let msg_name = Some(cliaddr);
                answers.push(msghdr { msg_name, msg_iov: &msg_iov, ..msghdr::default() });
            }
        }
        let mut unsent = &answers[..];
        while !unsent.is_empty() {
            // A client that can't be reached is its own trouble; the next one's turn has come.
            let sent = sendmmsg(&sockfd, unsent, 0).unwrap_or(1);
            unsent = &unsent[sent..];
        }
    }
    close(sockfd)
}

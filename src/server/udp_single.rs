//! UDP Time Service
//!
//! **Breaks**: single-use, disposable. It has to be started again after each answer; whoever asks
//! in between is told by ICMP that nobody is there, or nothing at all.

#![forbid(unsafe_code)]

use crate::posix::Result;
use crate::posix::sys_socket::*;
use crate::posix::unistd::*;
use crate::server::*;
use crate::service::time::{REQUEST_MAX, handle_datagram};

const NAME: &str = "udp_single";

pub(super) const DESIGN: Design = Design {
    name: NAME,
    slide: "UDP Time Service",
    changes: "-",
    transport: Transport::Udp,
    service: Service::Time,
    promises: Promises {
        serves: Serves::Once,
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

fn serve(options: &Options) -> Result<()> {
    let servaddr = &options.servaddr;
    let sockfd = socket(servaddr.ss_family.into(), SOCK_DGRAM, 0)?;
    bind(&sockfd, servaddr)?;
    lifecycle::ready(NAME, &sockfd)?;

    loop {
        let mut buf = [0; REQUEST_MAX + 1];
        let (n, cliaddr) = match recvfrom(&sockfd, &mut buf, 0) {
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
        // Not a request: it does not use the server up.
        let Some(answer) = handle_datagram(&buf[..n], &cliaddr, options.format) else { continue };
        if sendto(&sockfd, answer.bytes(), 0, &cliaddr).is_ok() {
            break;
        }
    }
    close(sockfd)
}

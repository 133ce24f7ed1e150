//! UDP Time Service - Iterative
//!
//! **Changes**: a loop. The server answers one datagram after the other, for ever.
//!
//! **Breaks**: a datagram that is lost, on its way in or out, or because too many wait, is lost
//! without a word: whoever needs an answer has to ask again. Bound to 0.0.0.0 or ::, the server
//! answers from the address that the route back suggests, which need not be the one that was asked;
//! a connected client then takes no notice (IP_PKTINFO would tell).

#![forbid(unsafe_code)]

use crate::posix::Result;
use crate::posix::sys_socket::*;
use crate::posix::unistd::*;
use crate::server::*;
use crate::service::time::{REQUEST_MAX, handle_datagram};

const NAME: &str = "udp_iterative";

pub(super) const DESIGN: Design = Design {
    name: NAME,
    slide: "UDP Time Service - Iterative",
    changes: "a loop: one datagram after the other",
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
        let Some(answer) = handle_datagram(&buf[..n], &cliaddr, options.format) else { continue };
        // A client that can't be reached is its own trouble.
        let _ = sendto(&sockfd, answer.bytes(), 0, &cliaddr);
    }
    close(sockfd)
}

//! `SO_RCVBUF`: what is asked, what is given, and how much a peer can send that is not read.

use super::{Demonstration, Journal};
use crate::linux::tcp_info::{SK_MEMINFO_DROPS, SO_MEMINFO, sk_meminfo};
use crate::net::to_c;
use crate::posix::Result;
use crate::posix::error::EAGAIN;
use crate::posix::sys_socket::*;
use crate::tool::loopback::*;

pub(super) const DEMONSTRATION: Demonstration = Demonstration {
    name: "SO_RCVBUF",
    shows: "the doubling, the limits, and how much is sent to who does not read",
    also: &[],
    run,
    inside: run,
};

fn run(journal: &mut Journal<'_>) -> Result<()> {
    journal.case("a TCP socket: what is asked, and what getsockopt() then says");
    doubling(journal, SO_RCVBUF, 2304, sysctl("net/core/rmem_max", 0))?;

    journal.case("TCP: bytes that send() accepts for a peer that does not read");
    let mut accepted = Vec::new();
    for size in [2_000, 200_000, 2_000_000] {
        let (listenfd, _) = bound(tcp()?)?;
        set(&listenfd, SO_RCVBUF, size)?;
        listen(&listenfd, 5)?;
        let (client, _server) = connected_to(&listenfd)?;
        // So that it is not this buffer that grows.
        set(&client, SO_SNDBUF, 10_000)?;
        let count = fill_up(&client)?;
        let more = accepted.last().is_none_or(|&before| count > before);
        journal.holds(format!("SO_RCVBUF={size} at the peer"), count, "more than with less", more);
        accepted.push(count);
    }

    journal.case("UDP: 200 datagrams of 1000 bytes to who does not read");
    let mut arrived = Vec::new();
    for size in [2_000, 50_000] {
        let (receiver, addr) = bound(udp()?)?;
        set(&receiver, SO_RCVBUF, size)?;
        let sender = udp()?;
        let mut sent = 0;
        for _ in 0..200 {
            sent += usize::from(sendto(&sender, &[b'x'; 1000], 0, &to_c(&addr))? == 1000);
        }
        journal.is(format!("SO_RCVBUF={size}: sendto() accepts"), sent, 200);
        let mut count = 0;
        loop {
            match recv(&receiver, &mut [0; 1500], MSG_DONTWAIT) {
                Ok(_) => count += 1,
                Err(error) if error.errno() == EAGAIN => break,
                Err(error) => return Err(error),
            }
        }
        let more = count < 200 && arrived.last().is_none_or(|&before| count > before);
        let expected = "fewer than 200, and more than with less";
        journal.holds("of them can be received", count, expected, more);
        let counts: sk_meminfo = getsockopt(&receiver, SOL_SOCKET, SO_MEMINFO)?;
        let dropped = counts[SK_MEMINFO_DROPS];
        journal.is("the others are dropped, and the sender is not told", dropped, 200 - count);
        arrived.push(count);
    }
    Ok(())
}

/// What becomes of sizes: twice, at least the minimum, at most twice the limit.
pub(super) fn doubling(
    journal: &mut Journal<'_>,
    optname: i32,
    least: i64,
    limit: Option<i64>,
) -> Result<()> {
    let sockfd = tcp()?;
    let most = match limit {
        Some(limit) => 2 * limit,
        None => {
            // The limit is not seen in a network namespace: the kernel's own answer is all there is.
            set(&sockfd, optname, -1)?;
            i64::from(getsockopt::<i32>(&sockfd, SOL_SOCKET, optname)?)
        }
    };
    for asked in [50_000, 1, 0, -1, i32::MAX] {
        let expected = match asked {
            -1 => most,
            _ => (2 * i64::from(asked)).min(most).max(least),
        };
        set(&sockfd, optname, asked)?;
        let given: i32 = getsockopt(&sockfd, SOL_SOCKET, optname)?;
        journal.is(format!("{asked} becomes"), given, expected);
    }
    Ok(())
}

//! `TCP_INFO` and `SO_MEMINFO`: what the kernel says of a socket.
//! [tcp(7)](https://man7.org/linux/man-pages/man7/tcp.7.html)

#![expect(non_camel_case_types, reason = "C's names for C's types")]

pub use libc::{SO_MEMINFO, TCP_INFO};

use crate::posix::sys_socket::OptionValue;

/// The beginning of `struct tcp_info`; the kernel fills as much of it as it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct tcp_info {
    /// The state of the connection, such as [`TCP_SYN_SENT`].
    pub tcpi_state: u8,
    before_rto: [u8; 7],
    before_unacked: [u32; 4],
    /// How many segments the peer has not acknowledged. Of a listening socket, how many connections
    /// wait in its queue: `ss` calls it Recv-Q.
    pub tcpi_unacked: u32,
    /// Of a listening socket, its backlog as the kernel took it: `ss` calls it Send-Q.
    pub tcpi_sacked: u32,
    before_total_retrans: [u32; 17],
    /// How many segments were sent again, a SYN among them.
    pub tcpi_total_retrans: u32,
}

// SAFETY: 8 bytes and 24 integers of 4, without padding.
unsafe impl OptionValue for tcp_info {}

/// The answer of [`SO_MEMINFO`]: counts that the `SK_MEMINFO_` constants number.
pub type sk_meminfo = [u32; 9];

// SAFETY: integers.
unsafe impl OptionValue for sk_meminfo {}

/// How many segments a socket has dropped: a listening one, the SYNs that found its queue full.
pub const SK_MEMINFO_DROPS: usize = libc::SK_MEMINFO_DROPS as usize;

/// Both ends have agreed.
pub const TCP_ESTABLISHED: u8 = 1;
/// The SYN is sent, and nothing has come back.
pub const TCP_SYN_SENT: u8 = 2;
/// A SYN has come and is answered: not connected yet.
pub const TCP_SYN_RECV: u8 = 3;
/// Closed, and the peer has not acknowledged it.
pub const TCP_FIN_WAIT1: u8 = 4;
/// Closed and acknowledged; the peer has not closed.
pub const TCP_FIN_WAIT2: u8 = 5;
/// Closed by both, this end first: the pair of addresses is kept for a while.
pub const TCP_TIME_WAIT: u8 = 6;
/// Not connected, or not any more.
pub const TCP_CLOSE: u8 = 7;
/// The peer has closed, and this end has not.
pub const TCP_CLOSE_WAIT: u8 = 8;
/// A listening socket.
pub const TCP_LISTEN: u8 = 10;

//! `IP_MINTTL`, `IPV6_MINHOPCOUNT`: packets that have come too far are dropped.
//! [ip(7)](https://man7.org/linux/man-pages/man7/ip.7.html)

pub use libc::{IP_MINTTL, IPV6_MINHOPCOUNT};

//! The lecture's tools, one file each. They return what they saw and print nothing.

#![forbid(unsafe_code)]

pub mod icmp;
pub mod knock;
mod loopback;
pub mod nc;
pub mod netstat;
pub mod readiness;
pub mod resolve;
mod returned;
pub mod sockopt;
pub mod traceroute;

pub use loopback::explained;

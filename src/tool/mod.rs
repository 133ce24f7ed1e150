//! The lecture's tools, one file each. They return what they saw and print nothing.

#![forbid(unsafe_code)]

pub mod icmp;
pub mod knock;
pub mod resolve;
pub mod traceroute;

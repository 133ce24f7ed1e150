//! The lecture's tools, one file each. They return what they saw and print nothing.

#![forbid(unsafe_code)]

pub mod netstat;

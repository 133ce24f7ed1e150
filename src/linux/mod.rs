//! What only Linux has, under the rules of [`crate::posix`].

pub mod packet_info;

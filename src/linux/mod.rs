//! What only Linux has, under the rules of [`crate::posix`].

pub mod dirent;
pub mod epoll;
pub mod eventfd;
pub mod io_uring;
pub mod mmsg;
pub mod packet_info;
pub mod prctl;
pub mod sandbox;
pub mod signalfd;
pub mod sock_diag;
pub mod sys_mman;
pub mod tcp_info;

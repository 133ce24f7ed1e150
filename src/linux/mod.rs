//! What only Linux has, under the rules of [`crate::posix`].

pub mod close_range;
pub mod dirent;
pub mod epoll;
pub mod error_queue;
pub mod eventfd;
pub mod io_uring;
pub mod min_ttl;
pub mod mmsg;
pub mod net_if;
pub mod packet_info;
pub mod pidfd;
pub mod pipe;
pub mod prctl;
pub mod pwritev2;
pub mod sandbox;
pub mod sched;
pub mod seccomp_notify;
pub mod signalfd;
pub mod sock_diag;
pub mod socket_filter;
pub mod socket_options;
pub mod sys_mman;
pub mod sys_resource;
pub mod sys_syscall;
pub mod sys_uio;
pub mod tcp_info;

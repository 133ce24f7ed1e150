//! `<sys/syscall.h>`: the numbers of the system calls that a server makes, on this architecture.
//! [syscalls(2)](https://man7.org/linux/man-pages/man2/syscalls.2.html)

use std::ffi::c_long;

/// Names and numbers. What an architecture does not have (on aarch64 there is no `fork`, only `clone`)
/// is not in its table.
pub const CALLS: &[(&str, c_long)] = &[
    // Connections.
    ("socket", libc::SYS_socket),
    ("bind", libc::SYS_bind),
    ("listen", libc::SYS_listen),
    ("accept", libc::SYS_accept),
    ("accept4", libc::SYS_accept4),
    ("connect", libc::SYS_connect),
    ("shutdown", libc::SYS_shutdown),
    ("socketpair", libc::SYS_socketpair),
    ("setsockopt", libc::SYS_setsockopt),
    ("getsockopt", libc::SYS_getsockopt),
    ("getsockname", libc::SYS_getsockname),
    ("getpeername", libc::SYS_getpeername),
    // What goes over them.
    ("read", libc::SYS_read),
    ("readv", libc::SYS_readv),
    ("recvfrom", libc::SYS_recvfrom),
    ("recvmsg", libc::SYS_recvmsg),
    ("recvmmsg", libc::SYS_recvmmsg),
    ("write", libc::SYS_write),
    ("writev", libc::SYS_writev),
    ("sendto", libc::SYS_sendto),
    ("sendmsg", libc::SYS_sendmsg),
    ("sendmmsg", libc::SYS_sendmmsg),
    ("sendfile", libc::SYS_sendfile),
    ("splice", libc::SYS_splice),
    // Waiting.
    #[cfg(target_arch = "x86_64")]
    ("select", libc::SYS_select),
    ("pselect6", libc::SYS_pselect6),
    #[cfg(target_arch = "x86_64")]
    ("poll", libc::SYS_poll),
    ("ppoll", libc::SYS_ppoll),
    ("epoll_create1", libc::SYS_epoll_create1),
    ("epoll_ctl", libc::SYS_epoll_ctl),
    #[cfg(target_arch = "x86_64")]
    ("epoll_wait", libc::SYS_epoll_wait),
    ("epoll_pwait", libc::SYS_epoll_pwait),
    ("epoll_pwait2", libc::SYS_epoll_pwait2),
    ("io_uring_setup", libc::SYS_io_uring_setup),
    ("io_uring_enter", libc::SYS_io_uring_enter),
    ("rt_sigtimedwait", libc::SYS_rt_sigtimedwait),
    ("rt_sigsuspend", libc::SYS_rt_sigsuspend),
    #[cfg(target_arch = "x86_64")]
    ("pause", libc::SYS_pause),
    ("flock", libc::SYS_flock),
    ("nanosleep", libc::SYS_nanosleep),
    ("clock_nanosleep", libc::SYS_clock_nanosleep),
    ("futex", libc::SYS_futex),
    ("restart_syscall", libc::SYS_restart_syscall),
    // Processes and threads.
    #[cfg(target_arch = "x86_64")]
    ("fork", libc::SYS_fork),
    #[cfg(target_arch = "x86_64")]
    ("vfork", libc::SYS_vfork),
    ("clone", libc::SYS_clone),
    ("clone3", libc::SYS_clone3),
    ("execve", libc::SYS_execve),
    ("execveat", libc::SYS_execveat),
    ("wait4", libc::SYS_wait4),
    ("waitid", libc::SYS_waitid),
    ("kill", libc::SYS_kill),
    ("exit", libc::SYS_exit),
    ("exit_group", libc::SYS_exit_group),
    // Descriptors and memory.
    ("openat", libc::SYS_openat),
    ("close", libc::SYS_close),
    ("fcntl", libc::SYS_fcntl),
    ("dup", libc::SYS_dup),
    ("dup3", libc::SYS_dup3),
    ("pipe2", libc::SYS_pipe2),
    ("eventfd2", libc::SYS_eventfd2),
    ("mmap", libc::SYS_mmap),
    ("brk", libc::SYS_brk),
];

/// The number of a call of the table.
pub fn number(name: &str) -> Option<c_long> {
    CALLS.iter().find(|call| call.0 == name).map(|call| call.1)
}

/// The name of a call of the table.
pub fn name(number: c_long) -> Option<&'static str> {
    CALLS.iter().find(|call| call.1 == number).map(|call| call.0)
}

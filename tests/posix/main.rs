//! Each wrapper of `socklab::posix`: that it does what its manual page says, and each documented
//! error that can be provoked without privilege. The tables assert what Linux really does.
//!
//! Signals, limits, forks and descriptors belong to a whole process, so a test that touches any of
//! them runs in a process of its own: see [`support::alone`].

/// `<arpa/inet.h>`: byte order, addresses as text.
mod arpa_inet;
/// The tests' own check: no wrapper without a test.
mod close_range;
mod complete;
/// Linux's getdents64.
mod dirent;
/// Linux's `<sys/epoll.h>`.
mod epoll;
/// `<errno.h>`: errors print what C prints.
mod error;
/// Linux's error queue: what came back, and from whom.
mod error_queue;
/// Linux's `<sys/eventfd.h>`.
mod eventfd;
/// `<fcntl.h>`: flags of descriptors, and record locks.
mod fcntl;
/// Linux's io_uring: requests in one ring, completions in another.
mod io_uring;
/// Linux's `<sys/mman.h>`: files without a name.
mod memfd;
/// Linux's recvmmsg and sendmmsg.
mod mmsg;
/// Linux's ioctl() for interfaces of the network.
mod net_if;
/// `<netdb.h>`: hosts, services and protocols.
mod netdb;
/// `<netinet/in.h>`: addresses of the Internet.
mod netinet_in;
/// Linux's `IP_PKTINFO`, which takes the place of BSD's `IP_RECVIF`.
mod packet_info;
/// Linux's `<sys/pidfd.h>`: pidfd_open.
mod pidfd;
/// Linux's `<sys/pidfd.h>`: pidfd_getfd.
mod pidfd_getfd;
/// `<poll.h>`: poll.
mod poll;
/// Linux's `<sys/prctl.h>`.
mod prctl;
/// `<pthread.h>`: threads and mutexes.
mod pthread;
/// `<pwd.h>`: users.
mod pwd;
/// Linux's `pwritev2`: a write that does not block.
mod pwritev2;
/// Which sockets are ready for what: select's three sets and poll's events, side by side.
mod readiness;
/// What Linux lets a process give up.
mod sandbox;
/// Linux's namespaces.
mod sched;
/// Linux's seccomp user notification, and what goes with it.
mod seccomp_notify;
/// `<semaphore.h>`: semaphores.
mod semaphore;
/// `<signal.h>`: signals, and the calls that they interrupt.
mod signal;
/// Linux's `<sys/signalfd.h>`.
mod signalfd;
/// Linux's netlink sock_diag.
mod sock_diag;
/// Linux's `SO_ATTACH_FILTER`.
mod socket_filter;
/// Socket options: what can be set, what is read back.
mod sockopt;
/// Socket options: what they change.
mod sockopt_effects;
/// What all of them use.
mod support;
/// `<sys/mman.h>`: shared memory.
mod sys_mman;
mod sys_resource;
/// `<sys/select.h>`: select and pselect.
mod sys_select;
/// `<sys/socket.h>`: making, naming, connecting and ending sockets.
mod sys_socket;
/// `<sys/un.h>`: addresses of the Unix domain.
mod sys_un;
/// `<sys/wait.h>`: children and what became of them.
mod sys_wait;
/// Linux's `TCP_INFO` and `SO_MEMINFO`.
mod tcp_info;
/// `<time.h>`: clocks and the calendar.
mod time;
/// `<sys/socket.h>`: sending and receiving.
mod transfer;
/// `<unistd.h>`: processes and programs, and reading and writing descriptors.
mod unistd;

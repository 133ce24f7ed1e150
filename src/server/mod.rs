//! The server designs: one file each, one line each in [`DESIGNS`].
//!
//! A design's file reads like its slide, and line by line like its C twin in `c-compat/`.

pub mod clients;
pub mod lifecycle;
mod options;
mod promise;
mod table;

mod epoll;
mod epoll_edge;
mod epoll_shared;
mod forked;
mod hybrid;
mod inetd;
mod iterative;
mod nonblocking;
mod poll;
mod preforked;
mod preforked_fcntl;
mod preforked_mutex;
mod preforked_passing;
mod prethreaded;
mod prethreaded_queue;
mod reuseport;
mod select;
mod threaded;
mod timeout;
mod udp_batch;
mod udp_iterative;
mod udp_single;
mod uring;

pub use options::{DEFAULT_WORKERS, LONGEST_DEFERRAL, Limits, MOST_WORKERS, Options, Refusal};
pub use promise::{Heavy, Idle, PerClient, Pool, Promises, Serves, Silent};

use crate::posix::Result;

/// Every design: the lecture's in its order, then the field's processes, threads, events and batches.
pub const DESIGNS: &[Design] = &[
    udp_single::DESIGN,
    udp_iterative::DESIGN,
    iterative::DESIGN,
    forked::DESIGN,
    threaded::DESIGN,
    timeout::DESIGN,
    nonblocking::DESIGN,
    select::DESIGN,
    preforked::DESIGN,
    preforked_fcntl::DESIGN,
    preforked_mutex::DESIGN,
    preforked_passing::DESIGN,
    inetd::DESIGN,
    prethreaded::DESIGN,
    prethreaded_queue::DESIGN,
    poll::DESIGN,
    epoll::DESIGN,
    epoll_edge::DESIGN,
    epoll_shared::DESIGN,
    reuseport::DESIGN,
    uring::DESIGN,
    hybrid::DESIGN,
    udp_batch::DESIGN,
];

/// One way to build a server.
pub struct Design {
    /// Its name, which is also its file's, its C twin's and its make target's.
    pub name: &'static str,
    /// The lecture's slide, or what it would be called.
    pub slide: &'static str,
    /// What it changes against the design before it.
    pub changes: &'static str,
    /// How it is reached.
    pub transport: Transport,
    /// What it says.
    pub service: Service,
    /// What an examiner must find, the faults that the lecture teaches included.
    pub promises: Promises,
    /// Runs the server until it has been asked to stop.
    pub serve: fn(&Options) -> Result<()>,
}

/// TCP or UDP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// A listening socket, and a connected one for each client.
    Tcp,
    /// One socket for all datagrams.
    Udp,
}

/// The two services of the lecture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// [`crate::service::fibonacci`]
    Fibonacci,
    /// [`crate::service::time`]
    Time,
}

/// The design of that name.
pub fn find(name: &str) -> Option<&'static Design> {
    DESIGNS.iter().find(|design| design.name == name)
}

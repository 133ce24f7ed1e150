//! What has happened so far, for whoever asks with SIGUSR1.

#![forbid(unsafe_code)]

use std::os::fd::AsFd;

use crate::posix::unistd::write;

/// Every client that was accepted is in exactly one of the others, or connected.
#[derive(Default)]
pub(super) struct Counters {
    pub(super) accepted: u64,
    /// Sent a whole answer; a line about what is wrong with the request is one.
    pub(super) served: u64,
    pub(super) refused_clients: u64,
    pub(super) refused_address: u64,
    pub(super) refused_queue: u64,
    pub(super) timed_out: u64,
    /// Lost, or closed by the server because it stops.
    pub(super) gone: u64,
}

impl Counters {
    /// All of them and what is there now.
    pub(super) fn line(&self, clients: usize, queued: usize, computing: usize) -> String {
        let Self { accepted, served, timed_out, gone, .. } = self;
        let refused = self.refused_clients + self.refused_address + self.refused_queue;
        format!(
            "accepted {accepted}, served {served}, refused {refused} (clients {}, address {}, queue \
             {}), timed out {timed_out}, gone {gone}; clients now {clients}, queued now {queued}, \
             computing now {computing}",
            self.refused_clients, self.refused_address, self.refused_queue
        )
    }
}

/// One line on standard error.
pub(super) fn say(what: &str) {
    let line = format!("{}: {what}\n", super::NAME);
    // There is nowhere to report that reporting failed.
    let _ = write(std::io::stderr().as_fd(), line.as_bytes());
}

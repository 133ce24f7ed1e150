//! The clients of a loop over epoll: who is connected, and how far each has come. Its counterpart in C
//! is `c-compat/clients.c`.

#![forbid(unsafe_code)]

use std::ffi::c_int;
use std::os::fd::{AsRawFd, OwnedFd};

use super::lifecycle;
use super::table::Table;
use crate::linux::epoll::*;
use crate::posix::unistd::close;
use crate::service::fibonacci::{Exchange, Progress};

/// A connected client.
pub struct Client {
    /// Its connected socket.
    pub connfd: OwnedFd,
    /// Its request and the answer, as far as they have come.
    pub exchange: Exchange,
    /// What the kernel has been asked to wait for; at first nothing.
    pub events: c_int,
    /// Whether it can go on and is on the list of those who can. Only an edge-triggered loop has one.
    pub is_ready: bool,
}

impl Client {
    const fn new(connfd: OwnedFd, max_n: u64) -> Self {
        Self { connfd, exchange: Exchange::new(max_n), events: 0, is_ready: false }
    }

    /// As far as it goes without waiting; returns whether it is waited for then, or to be closed.
    #[inline(always)]
    fn advance_and_wait(&mut self, epfd: &OwnedFd) -> bool {
        if self.exchange.advance(&self.connfd) == Progress::Done {
            return false;
        }
        let events = if self.exchange.is_answering() { EPOLLOUT } else { EPOLLIN };
        wait_for(epfd, self, events)
    }
}

/// All clients of a process, by descriptor.
pub struct Clients {
    table: Table<Client>,
    max_n: u64,
}

impl Clients {
    /// Nobody yet; requests up to `max_n`.
    pub fn new(max_n: u64) -> Self {
        Self { table: Table::new(), max_n }
    }

    /// Serves a new client as far as it goes without waiting. Mostly its request has come with it, and
    /// then it is gone already; otherwise it is taken in and waited for.
    // Inlined, with all that it calls, as far as each design's loop, as handle_request() is.
    #[inline(always)]
    pub fn serve_client(&mut self, epfd: &OwnedFd, connfd: OwnedFd) {
        let mut client = Client::new(connfd, self.max_n);
        if client.advance_and_wait(epfd) {
            self.take_in(client);
        } else {
            let _ = close(client.connfd);
        }
    }

    /// Takes a new client in and returns its descriptor.
    pub fn add_client(&mut self, connfd: OwnedFd) -> c_int {
        self.take_in(Client::new(connfd, self.max_n))
    }

    fn take_in(&mut self, client: Client) -> c_int {
        let connfd = client.connfd.as_raw_fd();
        self.table.insert(connfd, client);
        connfd
    }

    /// The client that has this descriptor.
    pub fn client_of(&mut self, connfd: c_int) -> Option<&mut Client> {
        self.table.get_mut(connfd)
    }

    /// Serves a client as far as it goes without waiting. Then it is waited for, or it is gone.
    pub fn advance_client(&mut self, epfd: &OwnedFd, connfd: c_int) {
        let Some(client) = self.client_of(connfd) else { return };
        if !client.advance_and_wait(epfd) {
            self.close_client(connfd);
        }
    }

    /// A client is gone.
    pub fn close_client(&mut self, connfd: c_int) {
        if let Some(client) = self.table.take(connfd) {
            let _ = close(client.connfd);
        }
    }

    /// All of them are gone.
    pub fn close_clients(mut self) {
        for connfd in self.table.descriptors() {
            self.close_client(connfd);
        }
    }
}

/// Asks the kernel to wait for these events of a client, if it does not already. Returns false when it
/// has no room to remember them: that client is to be closed, and the server goes on.
pub fn wait_for(epfd: &OwnedFd, client: &mut Client, events: c_int) -> bool {
    if events == client.events {
        return true;
    }
    let op = if client.events == 0 { EPOLL_CTL_ADD } else { EPOLL_CTL_MOD };
    let event = epoll_event::new(events, client.connfd.as_raw_fd() as u64);
    client.events = events;
    epoll_ctl(epfd, op, &client.connfd, Some(&event)).map_err(lifecycle::report).is_ok()
}

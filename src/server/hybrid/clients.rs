//! The clients: a table by descriptor, and in it a list of those that are waited for.
//!
//! Everybody has equally long, so whoever begins to wait last has the latest deadline: the list is in
//! order by itself. Joining it, leaving it and looking at its head cost the same with ten clients as
//! with ten thousand, and nothing is left behind of a client that has gone.

#![forbid(unsafe_code)]

use std::ffi::c_int;
use std::os::fd::{AsRawFd, OwnedFd};

use super::limits::{Address, Moment};
use crate::server::table::Table;
use crate::service::fibonacci::Exchange;

pub(super) struct Client {
    pub(super) connfd: OwnedFd,
    pub(super) exchange: Exchange,
    pub(super) address: Address,
    /// What the kernel has been asked to wait for, at first [`UNWATCHED`].
    pub(super) events: c_int,
    /// Its number is queued or being computed.
    pub(super) is_with_pool: bool,
    /// Its answer says that the server is busy.
    pub(super) is_refused: bool,
    place: Option<Place>,
}

/// In place of events: the kernel has not been asked.
pub(super) const UNWATCHED: c_int = -1;

/// A place in the list of those that are waited for.
struct Place {
    deadline: Moment,
    before: c_int,
    after: c_int,
}

/// In place of a descriptor: half as large as an `Option`.
const NOBODY: c_int = -1;

pub(super) struct Clients {
    table: Table<Client>,
    count: usize,
    first: c_int,
    last: c_int,
}

impl Clients {
    pub(super) fn new() -> Self {
        Self { table: Table::new(), count: 0, first: NOBODY, last: NOBODY }
    }

    pub(super) const fn count(&self) -> usize {
        self.count
    }

    /// Takes a new client in and returns its descriptor.
    pub(super) fn add(&mut self, connfd: OwnedFd, exchange: Exchange, address: Address) -> c_int {
        let fd = connfd.as_raw_fd();
        let (events, is_with_pool, is_refused, place) = (UNWATCHED, false, false, None);
        let client = Client { connfd, exchange, address, events, is_with_pool, is_refused, place };
        self.table.insert(fd, client);
        self.count += 1;
        fd
    }

    pub(super) fn get(&mut self, fd: c_int) -> Option<&mut Client> {
        self.table.get_mut(fd)
    }

    pub(super) fn remove(&mut self, fd: c_int) -> Option<Client> {
        self.end_wait(fd);
        let client = self.table.take(fd)?;
        self.count -= 1;
        Some(client)
    }

    /// All of them, by descriptor.
    pub(super) fn descriptors(&self) -> Vec<c_int> {
        self.table.descriptors().filter(|&fd| self.table.get(fd).is_some()).collect()
    }

    /// Whether somebody waits for this client.
    pub(super) fn is_waited_for(&self, fd: c_int) -> bool {
        self.table.get(fd).is_some_and(|client| client.place.is_some())
    }

    /// Waits for a client until its deadline, which no other's is after.
    pub(super) fn begin_wait(&mut self, fd: c_int, deadline: Moment) {
        let last = self.last;
        let Some(client) = self.get(fd) else { return };
        client.place = Some(Place { deadline, before: last, after: NOBODY });
        match self.place(last) {
            Some(place) => place.after = fd,
            None => self.first = fd,
        }
        self.last = fd;
    }

    /// It is waited for no more.
    pub(super) fn end_wait(&mut self, fd: c_int) {
        let Some(Place { before, after, .. }) = self.get(fd).and_then(|client| client.place.take())
        else {
            return;
        };
        match self.place(before) {
            Some(place) => place.after = after,
            None => self.first = after,
        }
        match self.place(after) {
            Some(place) => place.before = before,
            None => self.last = before,
        }
    }

    /// The client whose time is over first, and when.
    pub(super) fn first(&self) -> Option<(c_int, Moment)> {
        Some((self.first, self.table.get(self.first)?.place.as_ref()?.deadline))
    }

    fn place(&mut self, fd: c_int) -> Option<&mut Place> {
        self.get(fd)?.place.as_mut()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::posix::unistd::pipe;

    proptest! {
        /// Against a model: a map from the order of waiting to the client.
        #[test]
        fn the_list_is_in_the_order_of_waiting(
            steps in proptest::collection::vec((any::<prop::sample::Index>(), 0..4), 0..60),
        ) {
            let mut clients = Clients::new();
            let mut fds = Vec::new();
            for _ in 0..4 {
                for connfd in pipe().unwrap() {
                    fds.push(clients.add(connfd, Exchange::new(20), Address::default()));
                }
            }
            let mut waiting = BTreeMap::new();
            let mut gone = Vec::new();
            for (now, (client, step)) in steps.into_iter().enumerate() {
                let i = *client.get(&fds);
                if gone.contains(&i) {
                    continue;
                }
                if step == 0 {
                    clients.remove(i);
                    gone.push(i);
                    waiting.retain(|_, &mut waiter| waiter != i);
                } else if clients.is_waited_for(i) {
                    clients.end_wait(i);
                    waiting.retain(|_, &mut waiter| waiter != i);
                } else {
                    clients.begin_wait(i, now as Moment);
                    waiting.insert(now as Moment, i);
                }
                let first = waiting.first_key_value().map(|(&at, &waiter)| (waiter, at));
                prop_assert_eq!(clients.first(), first);
                prop_assert_eq!(clients.count(), fds.len() - gone.len());
            }
            while let Some((i, at)) = clients.first() {
                clients.end_wait(i);
                prop_assert_eq!(waiting.pop_first(), Some((at, i)));
            }
            prop_assert!(waiting.is_empty());
        }
    }

    #[test]
    fn a_client_is_small() {
        assert!(size_of::<Option<Client>>() <= 144, "{}", size_of::<Option<Client>>());
    }
}

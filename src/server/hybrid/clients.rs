//! The clients: a table by descriptor, and in it a list of those that are waited for.
//!
//! Everybody has equally long, so whoever begins to wait last has the latest deadline: the list is in
//! order by itself. Joining it, leaving it and looking at its head cost the same with ten clients as
//! with ten thousand, and nothing is left behind of a client that has gone.

#![forbid(unsafe_code)]

use std::ffi::c_int;
use std::os::fd::{AsRawFd, OwnedFd};

use super::limits::{Address, Moment};
use crate::service::fibonacci::Exchange;

pub(super) struct Client {
    pub(super) connfd: OwnedFd,
    pub(super) exchange: Exchange,
    pub(super) address: Address,
    /// What the kernel has been asked to wait for; at first nothing.
    pub(super) events: c_int,
    /// Its number is queued or being computed.
    pub(super) is_with_pool: bool,
    /// Its answer says that the server is busy.
    pub(super) is_refused: bool,
    place: Option<Place>,
}

/// A place in the list of those that are waited for.
struct Place {
    deadline: Moment,
    before: Index,
    after: Index,
}

/// A descriptor, or none: half as large as an `Option`.
type Index = c_int;
const NOBODY: Index = -1;

pub(super) struct Clients {
    table: Vec<Option<Client>>,
    count: usize,
    first: Index,
    last: Index,
}

impl Clients {
    pub(super) const fn new() -> Self {
        Self { table: Vec::new(), count: 0, first: NOBODY, last: NOBODY }
    }

    pub(super) const fn count(&self) -> usize {
        self.count
    }

    /// Takes a new client in and returns its index.
    pub(super) fn add(&mut self, connfd: OwnedFd, exchange: Exchange, address: Address) -> usize {
        let i = connfd.as_raw_fd() as usize;
        self.table.resize_with(self.table.len().max(i + 1), || None);
        let (events, is_with_pool, is_refused, place) = (0, false, false, None);
        let client = Client { connfd, exchange, address, events, is_with_pool, is_refused, place };
        self.table[i] = Some(client);
        self.count += 1;
        i
    }

    pub(super) fn get(&mut self, i: usize) -> Option<&mut Client> {
        self.table.get_mut(i)?.as_mut()
    }

    pub(super) fn remove(&mut self, i: usize) -> Option<Client> {
        self.end_wait(i);
        let client = self.table.get_mut(i)?.take()?;
        self.count -= 1;
        Some(client)
    }

    pub(super) fn indices(&self) -> Vec<usize> {
        (0..self.table.len()).filter(|&i| self.table[i].is_some()).collect()
    }

    /// Whether somebody waits for this client.
    pub(super) fn is_waited_for(&self, i: usize) -> bool {
        self.table.get(i).and_then(Option::as_ref).is_some_and(|client| client.place.is_some())
    }

    /// Waits for a client until its deadline, which no other's is after.
    pub(super) fn begin_wait(&mut self, i: usize, deadline: Moment) {
        let last = self.last;
        let Some(client) = self.get(i) else { return };
        client.place = Some(Place { deadline, before: last, after: NOBODY });
        match self.place(last) {
            Some(place) => place.after = i as Index,
            None => self.first = i as Index,
        }
        self.last = i as Index;
    }

    /// It is waited for no more.
    pub(super) fn end_wait(&mut self, i: usize) {
        let Some(Place { before, after, .. }) = self.get(i).and_then(|client| client.place.take())
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
    pub(super) fn first(&self) -> Option<(usize, Moment)> {
        let i = usize::try_from(self.first).ok()?;
        Some((i, self.table.get(i)?.as_ref()?.place.as_ref()?.deadline))
    }

    fn place(&mut self, i: Index) -> Option<&mut Place> {
        self.get(usize::try_from(i).ok()?)?.place.as_mut()
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

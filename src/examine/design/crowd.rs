//! Silent clients, as many as a server takes: how many that is tells how many workers it has.

use std::collections::BTreeSet;

use crate::examine::Trouble;
use crate::examine::client::{Client, End};
use crate::examine::server::Server;
use crate::subject::limit::awaited;
use crate::subject::watch::{self, Doing, Task};

/// So many are held at first: more than most pools have workers.
pub(super) const MANY: usize = 40;
/// And so many where even they all have a worker.
pub(super) const MOST: usize = 512;

/// Clients that say nothing.
#[derive(Default)]
pub(super) struct Crowd {
    /// Those that are there, in the order in which they came.
    silent: Vec<Client>,
    /// How many have come.
    held: usize,
    /// How many of them were there when the server was looked at first.
    early: usize,
    /// Whether the server has ended the connection of one.
    pub(super) is_cut: bool,
    /// How many of them the server has accepted.
    pub(super) accepted: usize,
    /// Of how many of them a task waits to hear something.
    pub(super) serving: usize,
}

impl Crowd {
    /// One that has been accepted already, if there is one.
    pub(super) fn with(first: Option<Client>) -> Self {
        let silent: Vec<Client> = first.into_iter().collect();
        let count = silent.len();
        Self { silent, held: count, early: count, accepted: count, ..Self::default() }
    }

    /// Lets more and more come, one after the other, until the server takes no more, ends the connection of one, or there are
    /// so many.
    ///
    /// # Errors
    ///
    /// Those of connecting and of looking.
    pub(super) fn grow(&mut self, server: &Server, count: usize) -> Result<(), Trouble> {
        if self.silent.is_empty() {
            *self = Self::default();
        }
        while self.wants_more(server, count)? {
            let (client, is_taken) = server.connect_if_taken()?;
            self.accepted += usize::from(is_taken);
            self.silent.push(client);
            self.held += 1;
            for client in &mut self.silent {
                self.is_cut |= client.take()?.end != End::Open;
            }
            if self.is_cut {
                return Ok(());
            }
        }
        server.until_at_rest()?;
        self.serving = serving(server, &self.silent)?;
        if (1..self.accepted).contains(&self.serving) {
            // Somebody may be on their way.
            server.until_or_stuck(|| Ok(serving(server, &self.silent)? >= self.accepted))?;
            self.serving = serving(server, &self.silent)?;
        }
        Ok(())
    }

    fn wants_more(&self, server: &Server, count: usize) -> Result<bool, Trouble> {
        if self.accepted == self.len() {
            return Ok(self.len() < count);
        }
        // The first who waits may have been given to a busy socket while others are free.
        Ok(self.len() < MOST && !is_full(server)?)
    }

    /// How many there are, or were when they left.
    pub(super) fn len(&self) -> usize {
        self.held
    }

    /// How many of them have come since the server was looked at first.
    pub(super) fn newcomers(&self) -> usize {
        self.held - self.early
    }

    /// Who accepts may not be who serves: as many as have somebody who waits for them, where that can be seen.
    pub(super) fn served(&self) -> usize {
        if (1..self.accepted).contains(&self.serving) { self.serving } else { self.accepted }
    }

    /// Whether a task waits to hear something from one of them.
    ///
    /// # Errors
    ///
    /// Those of looking.
    pub(super) fn is_heard_by(&self, server: &Server, task: &Task) -> Result<bool, Trouble> {
        let Some(fd) = awaited(task) else { return Ok(false) };
        let mut descriptors = watch::descriptors(task.pid).into_iter();
        let link = descriptors.find_map(|(own, link)| (own == fd).then_some(link));
        let heard = link.and_then(|link| watch::socket_in(&link)).into_iter().collect();
        Ok(heard_of(server, &self.silent, &heard)? > 0)
    }

    /// In words, for a report.
    pub(super) fn words(&self) -> String {
        let (all, accepted, served) = (self.len(), self.accepted, self.served());
        let queued = match accepted - served {
            0 => String::new(),
            queued => format!(", {queued} of these in a queue"),
        };
        format!("with {all} silent clients, {accepted} of them accepted{queued}")
    }

    /// Lets all of them go; what became of them is still known.
    pub(super) fn leave(&mut self) {
        self.silent.drain(..).for_each(Client::close);
    }
}

/// Whether somebody waits at each of the sockets among which the kernel shares the clients out.
fn is_full(server: &Server) -> Result<bool, Trouble> {
    let rows = server.sharing()?;
    Ok(rows.len() < 2 || rows.iter().all(|row| row.idiag_rqueue > 0))
}

/// Of how many of some clients a task waits to hear something.
fn serving(server: &Server, clients: &[Client]) -> Result<usize, Trouble> {
    let mut heard = BTreeSet::new();
    for pid in server.processes() {
        let waiting: Vec<i32> = watch::tasks(&[pid])
            .iter()
            .filter_map(|task| match task.doing() {
                Doing::Blocked(call) if call.is(&["read", "readv", "recvfrom", "recvmsg"]) => {
                    Some(call.fd())
                }
                _ => None,
            })
            .collect();
        if waiting.is_empty() {
            continue;
        }
        let descriptors = watch::descriptors(pid).into_iter();
        let awaited = descriptors.filter(|(fd, _)| waiting.contains(fd));
        heard.extend(awaited.filter_map(|(_, link)| watch::socket_in(&link)));
    }
    heard_of(server, clients, &heard)
}

/// How many of some clients are at the other end of these sockets.
fn heard_of(
    server: &Server,
    clients: &[Client],
    sockets: &BTreeSet<u32>,
) -> Result<usize, Trouble> {
    let rows = server.connections()?;
    let ports: BTreeSet<u16> = rows
        .iter()
        .filter(|row| sockets.contains(&row.idiag_inode))
        .map(|row| u16::from_be(row.idiag_dport))
        .collect();
    Ok(clients.iter().filter(|client| ports.contains(&client.addr.port())).count())
}

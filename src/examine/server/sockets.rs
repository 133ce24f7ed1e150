//! The server's sockets, as the kernel lists them.

use super::{Held, Server};
use crate::examine::Trouble;
use crate::examine::client::Client;
use crate::linux::sock_diag::{EVERY_STATE, dump, inet_diag_msg, sock_diag, state};
use crate::linux::tcp_info::TCP_LISTEN;
use crate::net::family;
use crate::posix::netinet_in::{IPPROTO_TCP, IPPROTO_UDP};
use crate::posix::sys_socket::{AF_INET, AF_INET6};
use crate::subject::watch::{self, Doing};
use crate::subject::{is_at, is_end};

impl Server {
    /// Its sockets as the kernel lists them: those that listen, or of UDP all.
    ///
    /// # Errors
    ///
    /// What asking the kernel fails with.
    pub fn listeners(&self) -> Result<Vec<inet_diag_msg>, Trouble> {
        // Beside others, somebody else may have the same port at another address.
        let own = match &self.held {
            Held::Own(_) => None,
            Held::Running(running) => running.is_open.then(|| watch::sockets(&running.processes())),
        };
        let mut rows = self.rows(self.listening())?;
        rows.retain(|row| {
            row.idiag_sport == self.addr.port().to_be()
                && own.as_ref().is_none_or(|own| own.contains(&row.idiag_inode))
        });
        Ok(rows)
    }

    /// Of those that listen, the ones among which the kernel shares its clients out: all at one address.
    ///
    /// # Errors
    ///
    /// What asking the kernel fails with.
    pub fn sharing(&self) -> Result<Vec<inet_diag_msg>, Trouble> {
        let mut rows = self.listeners()?;
        let at = |addr| rows.iter().filter(|row| row.idiag_src == addr).count();
        let most = rows.iter().map(|row| row.idiag_src).max_by_key(|&addr| at(addr));
        rows.retain(|row| Some(row.idiag_src) == most);
        Ok(rows)
    }

    /// The sockets that it has on its port over IPv4 or IPv6: those that listen, or of UDP all.
    ///
    /// # Errors
    ///
    /// What asking the kernel fails with.
    pub fn listeners_of(&self, family: i32) -> Result<Vec<inet_diag_msg>, Trouble> {
        let own = watch::sockets(&self.processes());
        let port = self.addr.port().to_be();
        // A kernel without IPv6 has none of its sockets.
        let found = self.rows_of(family, self.listening());
        let is_own = family == crate::net::family(&self.addr);
        let mut rows = if is_own { found? } else { found.unwrap_or_default() };
        rows.retain(|row| {
            row.idiag_sport == port && (own.is_empty() || own.contains(&row.idiag_inode))
        });
        Ok(rows)
    }

    /// Of UDP, what has come and is not read yet, in bytes with what the kernel adds.
    ///
    /// # Errors
    ///
    /// What asking the kernel fails with.
    pub fn waiting_bytes(&self) -> Result<u32, Trouble> {
        Ok(self.listeners()?.iter().map(|row| row.idiag_rqueue).sum())
    }

    /// Its ends of connections to where it is asked, and those of clients that wait to be accepted (their inode is 0).
    ///
    /// # Errors
    ///
    /// What asking the kernel fails with.
    pub fn connections(&self) -> Result<Vec<inet_diag_msg>, Trouble> {
        let rows = self.rows(EVERY_STATE & !state(TCP_LISTEN))?;
        Ok(rows.into_iter().filter(|row| row.idiag_dport != 0 && is_at(row, self.addr)).collect())
    }

    /// The states of a socket at which clients are expected.
    fn listening(&self) -> u32 {
        if self.is_tcp { state(TCP_LISTEN) } else { EVERY_STATE }
    }

    fn rows(&self, states: u32) -> Result<Vec<inet_diag_msg>, Trouble> {
        self.rows_of(family(&self.addr), states)
    }

    fn rows_of(&self, family: i32, states: u32) -> Result<Vec<inet_diag_msg>, Trouble> {
        let kernel = sock_diag()?;
        let protocol = if self.is_tcp { IPPROTO_TCP } else { IPPROTO_UDP };
        let mut rows = Vec::new();
        dump(&kernel, family, protocol, states, |row| rows.push(*row))?;
        Ok(rows)
    }

    /// The server's end of a client's connection.
    ///
    /// # Errors
    ///
    /// What asking the kernel fails with.
    pub fn row(&self, client: &Client) -> Result<Option<inet_diag_msg>, Trouble> {
        let [_, theirs] = self.both_ends(client)?;
        Ok(theirs)
    }

    /// Both ends of a client's connection: its own, and the server's.
    fn both_ends(&self, client: &Client) -> Result<[Option<inet_diag_msg>; 2], Trouble> {
        let states = EVERY_STATE & !state(TCP_LISTEN);
        let own = family(&client.peer);
        let rows = self.rows_of(own, states)?;
        let find = |rows: &[inet_diag_msg], here, there| {
            rows.iter().copied().find(|row| is_end(row, here, there))
        };
        let mut theirs = find(&rows, client.peer, client.addr);
        // A socket for both has its clients of IPv4 among those of IPv6.
        if theirs.is_none() && own == AF_INET && self.addr.is_ipv6() {
            theirs = find(&self.rows_of(AF_INET6, states)?, client.peer, client.addr);
        }
        Ok([find(&rows, client.addr, client.peer), theirs])
    }

    /// Whether a client is accepted: until then the kernel's row of it is nobody's.
    ///
    /// # Errors
    ///
    /// What asking the kernel fails with.
    pub fn is_accepted(&self, client: &Client) -> Result<bool, Trouble> {
        Ok(self.row(client)?.is_some_and(|row| row.idiag_inode != 0))
    }

    /// Whether the server has read all that a client has sent.
    ///
    /// # Errors
    ///
    /// What asking the kernel fails with.
    pub fn has_read(&self, client: &Client) -> Result<bool, Trouble> {
        let [ours, theirs] = self.both_ends(client)?;
        // What has not arrived does not lie there unread.
        let has_arrived = ours.is_some_and(|row| row.idiag_wqueue == 0);
        Ok(has_arrived && theirs.is_some_and(|row| row.idiag_inode != 0 && row.idiag_rqueue == 0))
    }

    /// How much of what a client has sent the server has not read, in bytes; `None` if there is no connection any more, or
    /// something is on its way to the client.
    ///
    /// # Errors
    ///
    /// What asking the kernel fails with.
    pub fn unread(&self, client: &Client) -> Result<Option<usize>, Trouble> {
        let [Some(ours), Some(theirs)] = self.both_ends(client)? else { return Ok(None) };
        let is_quiet = theirs.idiag_wqueue == 0 && ours.idiag_rqueue == 0;
        Ok(is_quiet.then_some((ours.idiag_wqueue + theirs.idiag_rqueue) as usize))
    }

    /// The tasks that are blocked in a call on a client's connection, with what the kernel says of them.
    ///
    /// # Errors
    ///
    /// What asking the kernel fails with.
    pub fn held_by(&self, client: &Client) -> Result<Option<String>, Trouble> {
        let Some(inode) = self.row(client)?.map(|row| row.idiag_inode).filter(|&inode| inode != 0)
        else {
            return Ok(None);
        };
        for task in self.tasks() {
            let Doing::Blocked(call) = task.doing() else { continue };
            if !call.is(&[
                "read", "readv", "recvfrom", "recvmsg", "sendto", "sendmsg", "write", "writev",
            ]) {
                continue;
            }
            let fds = watch::descriptors(task.pid);
            if fds
                .iter()
                .any(|(fd, link)| *fd == call.fd() && watch::socket_in(link) == Some(inode))
            {
                let port = client.addr.port();
                return Ok(Some(format!(
                    "task {} is blocked in {call} on the client of port {port}",
                    task.tid
                )));
            }
        }
        Ok(None)
    }
}

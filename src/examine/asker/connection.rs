//! The server's end of a client's connection, as the examiner plays it.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use super::run::Asker;
use crate::examine::Trouble;
use crate::examine::log::{Log, quoted};
use crate::linux::sock_diag::{EVERY_STATE, dump, inet_diag_msg, sock_diag, state};
use crate::linux::tcp_info::TCP_LISTEN;
use crate::net::{Deadline, family, from_c};
use crate::posix::error::{EAGAIN, ECONNRESET, EPIPE};
use crate::posix::netinet_in::IPPROTO_TCP;
use crate::posix::netinet_tcp::TCP_NODELAY;
use crate::posix::poll::{POLLOUT, pollfd};
use crate::posix::sys_socket::*;
use crate::subject::{is_end, wait_for};

/// A connection that a client has made.
pub(super) struct Connection {
    sockfd: Option<OwnedFd>,
    /// This end.
    here: SocketAddr,
    /// The client's.
    pub(super) peer: SocketAddr,
    /// What the client has sent.
    pub(super) got: Vec<u8>,
    log: Log,
}

/// For how long, and in how many looks, a client that has said nothing is looked at: one that mostly sleeps then
/// waits to be greeted.
const GREETED: (Duration, u32) = (Duration::from_millis(400), 10);
/// How often one with a single task goes to sleep if it asks a non-blocking socket again and again.
const NAPS: u64 = 5;
/// How often in a row one that has said something has to be seen asleep.
const LOOKS: u32 = 2;
/// One that has said something and never sleeps will say no more.
const BUSY: Duration = Duration::from_secs(1);

impl Connection {
    pub(super) fn new(
        sockfd: OwnedFd,
        peer: &sockaddr_storage,
        log: &Log,
    ) -> Result<Self, Trouble> {
        // What is sent apart is to go apart.
        setsockopt(&sockfd, IPPROTO_TCP, TCP_NODELAY, &1)?;
        let here = from_c(&getsockname(&sockfd)?);
        let (Some(here), Some(peer)) = (here, from_c(peer)) else {
            return Err(Trouble::Broken(String::from("a connection has no address")));
        };
        log.say(format!("the client (port {}) connects", peer.port()));
        Ok(Self { sockfd: Some(sockfd), here, peer, got: Vec::new(), log: log.clone() })
    }

    /// Takes what the client has sent so far.
    pub(super) fn take(&mut self) -> Result<(), Trouble> {
        let Some(sockfd) = &self.sockfd else { return Ok(()) };
        let before = self.got.len();
        let mut buffer = [0; 65536];
        loop {
            match recv(sockfd, &mut buffer, 0) {
                Ok(0) => break,
                Ok(length) => self.got.extend_from_slice(&buffer[..length]),
                Err(error) if matches!(error.errno(), EAGAIN | ECONNRESET | EPIPE) => break,
                Err(error) => return Err(error.into()),
            }
        }
        if self.got.len() > before {
            self.log.say(format!("the client sends {}", quoted(&self.got[before..])));
        }
        Ok(())
    }

    /// Waits until the client has said what it has to say; one that says nothing may want to be greeted.
    pub(super) fn until_asked(&mut self, client: &Asker) -> Result<(), Trouble> {
        let begun = Instant::now();
        let (mut looks, mut asleep, mut in_a_row) = (0, 0, 0);
        let naps = client.naps();
        let found = crate::subject::until(client.patience, || {
            let before = self.got.len();
            if let Err(trouble) = self.take() {
                return Ok(Some(Err(trouble)));
            }
            let is_asleep = client.is_at_rest();
            looks += 1;
            asleep += u32::from(is_asleep);
            in_a_row = if is_asleep && self.got.len() == before { in_a_row + 1 } else { 0 };
            let is_over = if self.got.is_empty() {
                let sleeps =
                    begun.elapsed() >= GREETED.0 && looks >= GREETED.1 && asleep * 2 >= looks;
                sleeps || client.naps().zip(naps).is_some_and(|(now, then)| now >= then + NAPS)
            } else {
                in_a_row >= LOOKS || begun.elapsed() >= BUSY
            };
            Ok((is_over || client.ended().is_some()).then_some(Ok(())))
        })?;
        found.unwrap_or(Ok(()))
    }

    /// Sends all of it, as fast as the client reads; false if it is gone, or reads no more.
    pub(super) fn send(&self, client: &Asker, bytes: &[u8]) -> Result<bool, Trouble> {
        let Some(sockfd) = &self.sockfd else { return Ok(false) };
        let mut sent = 0;
        while sent < bytes.len() {
            match send(sockfd, &bytes[sent..], MSG_NOSIGNAL) {
                Ok(more) => sent += more,
                Err(error) if error.errno() == EAGAIN => {
                    let room = vec![pollfd::new(sockfd, POLLOUT)];
                    if !wait_for(&mut { room }, Deadline::after(client.patience))? {
                        break;
                    }
                }
                Err(error) if matches!(error.errno(), EPIPE | ECONNRESET) => {
                    self.log.say(format!("the server can't send: {error}"));
                    return Ok(false);
                }
                Err(error) => return Err(error.into()),
            }
        }
        self.log.say(format!("the server sends {}", quoted(&bytes[..sent])));
        Ok(sent == bytes.len())
    }

    /// Waits until the client has read all that was sent; false if it does not, or is gone.
    pub(super) fn until_read(&self, client: &Asker) -> Result<bool, Trouble> {
        let mut is_there = true;
        let is_done = client.until(|| {
            let Some((here, there)) = self.ends()? else {
                is_there = false;
                return Ok(true);
            };
            // What has not arrived does not lie there unread.
            Ok(here.idiag_wqueue == 0 && there.idiag_rqueue == 0)
        })?;
        Ok(is_there && is_done)
    }

    /// Whether the client has not closed its end.
    pub(super) fn is_open(&self) -> Result<bool, Trouble> {
        Ok(self.ends()?.is_some())
    }

    /// Both ends as the kernel lists them, as long as the client has its own.
    fn ends(&self) -> Result<Option<(inet_diag_msg, inet_diag_msg)>, Trouble> {
        let kernel = sock_diag()?;
        let (mut own, mut other) = (None, None);
        let states = EVERY_STATE & !state(TCP_LISTEN);
        dump(&kernel, family(&self.here), IPPROTO_TCP, states, |row| {
            if is_end(row, self.here, self.peer) {
                own = Some(*row);
            } else if is_end(row, self.peer, self.here) {
                other = Some(*row);
            }
        })?;
        Ok(own.zip(other.filter(|row| row.idiag_inode != 0)))
    }

    /// Closes it in order: the client sees the end of the file.
    pub(super) fn close(&mut self) -> Result<(), Trouble> {
        // With something unread it would be a reset.
        self.take()?;
        if self.sockfd.take().is_some() {
            self.log.say("the server closes the connection");
        }
        Ok(())
    }

    /// Closes it with a reset.
    pub(super) fn reset(&mut self) -> Result<(), Trouble> {
        if let Some(sockfd) = self.sockfd.take() {
            setsockopt(&sockfd, SOL_SOCKET, SO_LINGER, &linger { l_onoff: 1, l_linger: 0 })?;
            self.log.say("the server resets the connection");
        }
        Ok(())
    }
}

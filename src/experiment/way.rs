//! The ways in which workers wait for a connection.

use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::{Mutex, PoisonError};

use super::{bound, port};
use crate::linux::epoll::*;
use crate::posix::error::EMFILE;
use crate::posix::fcntl::*;
use crate::posix::sys_select::*;
use crate::posix::sys_socket::*;
use crate::posix::{Error, Result};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Accept,
    Select,
    Mutex,
    Epoll,
    EpollExclusive,
    Reuseport,
}

use Way::{Accept, Epoll, EpollExclusive, Reuseport, Select};

impl Way {
    /// Its name, and what its workers do.
    pub(super) const fn describe(self) -> (&'static str, &'static str) {
        match self {
            Accept => ("accept", "accept()"),
            Select => ("select", "select(), then accept()"),
            Self::Mutex => ("mutex", "accept() under a mutex"),
            Epoll => ("epoll", "epoll_wait(), then accept()"),
            EpollExclusive => ("epoll_exclusive", "the same with EPOLLEXCLUSIVE"),
            Reuseport => ("reuseport", "accept(), each on a socket of its own with SO_REUSEPORT"),
        }
    }

    /// The listening sockets of so many workers: one for all, or one for each.
    pub(super) fn listen(self, workers: usize) -> Result<Vec<OwnedFd>> {
        if self == Reuseport {
            let first = bound(0, true)?;
            let port = port(&first)?;
            let mut sockets = vec![first];
            for _ in 1..workers {
                sockets.push(bound(port, true)?);
            }
            // From the first listen() on, connections would come.
            for listenfd in &sockets {
                listen(listenfd, SOMAXCONN)?;
            }
            return Ok(sockets);
        }
        let listenfd = bound(0, false)?;
        listen(&listenfd, SOMAXCONN)?;
        if matches!(self, Select | Epoll | EpollExclusive) {
            // Who is woken and comes too late must not block in accept().
            fcntl(&listenfd, F_SETFL, O_NONBLOCK)?;
        }
        if self == Select && listenfd.as_raw_fd() >= FD_SETSIZE as i32 {
            return Err(Error::new("FD_SET", EMFILE));
        }
        Ok(vec![listenfd])
    }

    /// What a worker has of its own: its epoll instance.
    pub(super) fn epoll(self, listenfd: &OwnedFd) -> Result<Option<OwnedFd>> {
        let events = match self {
            Epoll => EPOLLIN,
            EpollExclusive => EPOLLIN | EPOLLEXCLUSIVE,
            _ => return Ok(None),
        };
        let epfd = epoll_create1(0)?;
        epoll_ctl(&epfd, EPOLL_CTL_ADD, listenfd, Some(&epoll_event::new(events, 0)))?;
        Ok(Some(epfd))
    }

    /// Waits, and takes a connection, unless another was faster.
    pub(super) fn wait(
        self,
        listenfd: &OwnedFd,
        epfd: Option<&OwnedFd>,
        mutex: &Mutex<()>,
    ) -> Result<OwnedFd> {
        let mut _turn = None;
        if self == Self::Mutex {
            _turn = Some(mutex.lock().unwrap_or_else(PoisonError::into_inner));
        }
        if self == Select {
            let mut rset = FD_ZERO();
            FD_SET(listenfd, &mut rset)?;
            select(listenfd.as_raw_fd() + 1, Some(&mut rset), None, None, None)?;
        }
        if let Some(epfd) = epfd {
            epoll_wait(epfd, &mut [epoll_event::new(0, 0)], -1)?;
        }
        accept(listenfd).map(|(connfd, _cliaddr)| connfd)
    }
}

//! What the loop does about each event. Nothing here waits, and nothing costly is computed.

#![forbid(unsafe_code)]

use std::ffi::c_int;
use std::os::fd::OwnedFd;

use super::LISTENING;
use super::clients::{Clients, UNWATCHED};
use super::counters::{Counters, say};
use super::limits::{Address, Addresses, Moment, after, now};
use super::pool::{COSTLY, Job, Pool};
use crate::linux::epoll::*;
use crate::linux::signalfd::{as_signalfd_siginfo, signalfd_siginfo};
use crate::posix::Result;
use crate::posix::signal::SIGUSR1;
use crate::posix::sys_socket::*;
use crate::posix::unistd::*;
use crate::server::options::Limits;
use crate::server::{Options, lifecycle};
use crate::service::fibonacci::{Exchange, Progress, fib};

pub(super) struct Server {
    max_n: u64,
    limits: Limits,
    /// None once it stops.
    listenfd: Option<OwnedFd>,
    /// Short of descriptors: new clients wait a while; the others do not.
    short: bool,
    pub(super) epfd: OwnedFd,
    clients: Clients,
    addresses: Addresses,
    pool: Pool,
    counters: Counters,
    /// When it ends at the latest.
    end: Option<Moment>,
}

impl Server {
    pub(super) fn new(
        options: &Options,
        clients: usize,
        listenfd: OwnedFd,
        epfd: OwnedFd,
        pool: Pool,
    ) -> Self {
        Self {
            max_n: options.max_n,
            limits: Limits { clients, ..options.limits.clone() },
            listenfd: Some(listenfd),
            short: false,
            epfd,
            clients: Clients::new(),
            addresses: Addresses::new(),
            pool,
            counters: Counters::default(),
            end: None,
        }
    }

    /// Until it has been asked to stop, and then until nobody is left or the time is over.
    pub(super) fn goes_on(&self) -> Result<bool> {
        Ok(match self.end {
            None => true,
            Some(end) => self.clients.count() > 0 && now()? < end,
        })
    }

    /// How long epoll_wait() may wait, in milliseconds: for ever, unless somebody's time is running.
    pub(super) fn patience(&self) -> Result<c_int> {
        let first = self.clients.first().map(|(_, deadline)| deadline);
        let mut patience = if self.short { lifecycle::PAUSE } else { c_int::MAX };
        if let Some(end) = first.into_iter().chain(self.end).min() {
            let nanoseconds = u64::try_from(end - now()?).unwrap_or(0);
            let milliseconds = nanoseconds.div_ceil(1_000_000);
            patience = patience.min(milliseconds.try_into().unwrap_or(c_int::MAX));
        }
        Ok(if patience == c_int::MAX { -1 } else { patience })
    }

    /// After a shortage, waits for new clients again.
    pub(super) fn listen_again(&mut self) -> Result<()> {
        if !self.short {
            return Ok(());
        }
        self.short = false;
        self.listen_for(EPOLLIN)
    }

    fn listen_for(&self, events: c_int) -> Result<()> {
        let Some(listenfd) = &self.listenfd else { return Ok(()) };
        let event = epoll_event::new(events, LISTENING);
        epoll_ctl(&self.epfd, EPOLL_CTL_MOD, listenfd, Some(&event))
    }

    /// Returns whether there was one.
    pub(super) fn accept_client(&mut self) -> Result<bool> {
        let Some(listenfd) = &self.listenfd else { return Ok(false) };
        let (connfd, cliaddr) = match accept4(listenfd, SOCK_NONBLOCK) {
            Ok(accepted) => accepted,
            Err(error) => {
                self.short = lifecycle::survive(error)?;
                if self.short {
                    self.listen_for(0)?;
                }
                return Ok(false);
            }
        };
        self.counters.accepted += 1;
        let address = Address::of(&cliaddr);
        if self.clients.count() >= self.limits.clients {
            self.counters.refused_clients += 1;
            refuse(connfd, &format!("{} clients are connected", self.limits.clients));
        } else if !self.addresses.come(address, self.limits.per_address) {
            self.counters.refused_address += 1;
            refuse(connfd, &format!("{} clients of your address", self.limits.per_address));
        } else {
            let connfd = self.clients.add(connfd, Exchange::new(self.max_n), address);
            self.advance_client(connfd)?;
        }
        Ok(true)
    }

    /// Serves a client as far as it goes without waiting and without computing what is costly.
    pub(super) fn advance_client(&mut self, connfd: c_int) -> Result<()> {
        let Some(client) = self.clients.get(connfd) else { return Ok(()) };
        if client.is_with_pool {
            return self.lose_client(connfd);
        }
        if !client.exchange.is_answering() {
            if client.exchange.receive(&client.connfd) == Progress::Done {
                self.close_client(connfd, false);
                return Ok(());
            }
            match client.exchange.requested() {
                Some(n) if n >= COSTLY => return self.hand_over(connfd, n),
                Some(n) => client.exchange.answer(fib(n)),
                None => {}
            }
        }
        self.answer_client(connfd)
    }

    /// Lets the pool compute, or refuses.
    fn hand_over(&mut self, connfd: c_int, n: u64) -> Result<()> {
        // Nothing more is asked of it; that it is lost is told all the same.
        if !self.watch(connfd, 0) {
            return Ok(());
        }
        let taken = self.pool.submit(Job { client: connfd, n }, self.limits.queue)?;
        let Some(client) = self.clients.get(connfd) else { return Ok(()) };
        if !taken {
            client.is_refused = true;
            client.exchange.refuse_for_now("busy: too many costly requests wait");
            lifecycle::report("hybrid: a request refused: the queue is full");
            return self.answer_client(connfd);
        }
        client.is_with_pool = true;
        // What it waits for now is not its own doing.
        self.clients.end_wait(connfd);
        Ok(())
    }

    /// A client whose number is with the pool is lost, so nobody waits for it; or it has been handed over
    /// since it was ready, or has its place from one that left since.
    fn lose_client(&mut self, connfd: c_int) -> Result<()> {
        let Some(client) = self.clients.get(connfd) else { return Ok(()) };
        if getsockopt::<c_int>(&client.connfd, SOL_SOCKET, SO_ERROR)? == 0 {
            return Ok(());
        }
        if self.pool.withdraw(connfd) {
            self.close_client(connfd, false);
            return Ok(());
        }
        // It is being computed. Once told is enough.
        client.events = UNWATCHED;
        epoll_ctl(&self.epfd, EPOLL_CTL_DEL, &client.connfd, None)
    }

    /// Has the kernel wait for these events of a client; its loss is told in any case. Returns false where
    /// the kernel has no room to remember it: then this client is closed, and the server goes on.
    fn watch(&mut self, connfd: c_int, events: c_int) -> bool {
        let Some(client) = self.clients.get(connfd) else { return false };
        if events == client.events {
            return true;
        }
        let op = if client.events == UNWATCHED { EPOLL_CTL_ADD } else { EPOLL_CTL_MOD };
        let event = epoll_event::new(events, connfd as u64);
        client.events = events;
        if let Err(error) = epoll_ctl(&self.epfd, op, &client.connfd, Some(&event)) {
            lifecycle::report(error);
            self.close_client(connfd, false);
            return false;
        }
        true
    }

    /// A thread has done its work.
    pub(super) fn finish_job(&mut self, worker: usize) -> Result<()> {
        let Some((connfd, number)) = self.pool.finish(worker)? else { return Ok(()) };
        let Some(client) = self.clients.get(connfd) else { return Ok(()) };
        client.is_with_pool = false;
        client.exchange.answer(number);
        self.answer_client(connfd)
    }

    /// Sends what there is to send, and then waits for the client, or it is gone.
    fn answer_client(&mut self, connfd: c_int) -> Result<()> {
        let Some(client) = self.clients.get(connfd) else { return Ok(()) };
        let is_answering = client.exchange.is_answering();
        if is_answering && client.exchange.transmit(&client.connfd) == Progress::Done {
            let is_answered = client.exchange.unsent().is_empty();
            self.close_client(connfd, is_answered);
            return Ok(());
        }
        let events = if is_answering { EPOLLOUT } else { EPOLLIN };
        if !self.watch(connfd, events) {
            return Ok(());
        }
        if !self.clients.is_waited_for(connfd) {
            self.clients.begin_wait(connfd, after(&self.limits.deadline)?);
        }
        Ok(())
    }

    fn close_client(&mut self, connfd: c_int, is_answered: bool) {
        let Some(client) = self.clients.remove(connfd) else { return };
        self.addresses.go(client.address);
        *match (client.is_refused, is_answered) {
            (true, _) => &mut self.counters.refused_queue,
            (false, true) => &mut self.counters.served,
            (false, false) => &mut self.counters.gone,
        } += 1;
        let _ = close(client.connfd);
    }

    /// Sends those away whose time is over.
    pub(super) fn send_late_away(&mut self) -> Result<()> {
        while let Some((connfd, deadline)) = self.clients.first() {
            if now()? < deadline {
                break;
            }
            if let Some(mut client) = self.clients.remove(connfd) {
                client.exchange.time_out(&client.connfd);
                self.counters.timed_out += 1;
                self.addresses.go(client.address);
                let _ = close(client.connfd);
            }
        }
        Ok(())
    }

    /// Reads a signal and does what it asks for.
    pub(super) fn obey(&mut self, sigfd: &OwnedFd) -> Result<()> {
        let mut info = [0; size_of::<signalfd_siginfo>()];
        let length = read(sigfd, &mut info)?;
        let signum = as_signalfd_siginfo(&info[..length]).map(|info| info.ssi_signo as c_int);
        if signum == Some(SIGUSR1) {
            let (queued, computing) = (self.pool.queued(), self.pool.computing());
            say(&self.counters.line(self.clients.count(), queued, computing));
            return Ok(());
        }
        if self.end.is_some() {
            // Asked twice.
            self.end = Some(0);
            return Ok(());
        }
        self.end = Some(after(&self.limits.drain)?);
        // Whoever has connected by now may have asked, too.
        for _ in 0..SOMAXCONN {
            if !self.accept_client()? {
                break;
            }
        }
        if let Some(listenfd) = self.listenfd.take() {
            close(listenfd)?;
        }
        for connfd in self.clients.descriptors() {
            // A request that has arrived is still served.
            self.advance_client(connfd)?;
            let has_work = |client: &mut super::clients::Client| {
                client.is_with_pool || client.exchange.is_answering()
            };
            if !self.clients.get(connfd).is_some_and(has_work) {
                self.close_client(connfd, false);
            }
        }
        Ok(())
    }

    /// Closes what is left.
    pub(super) fn end(mut self) -> Result<()> {
        if self.clients.count() > 0 {
            say(&format!("stopped, {} requests unanswered", self.clients.count()));
        }
        for connfd in self.clients.descriptors() {
            self.close_client(connfd, false);
        }
        self.pool.end()?;
        close(self.epfd)
    }
}

/// Said once, to a socket whose buffer is empty; then it is closed.
fn refuse(connfd: OwnedFd, why: &str) {
    lifecycle::report(format_args!("hybrid: a client refused: {why}"));
    let _ = send(&connfd, format!("error: no room: {why}; try again later\n").as_bytes(), 0);
    // The end of file before the reset that closing makes of an unread request.
    let _ = shutdown(&connfd, SHUT_WR);
    let _ = close(connfd);
}

//! A client of the server under study: it never blocks for longer than the patience, and writes down what it
//! does and sees.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::Duration;

use super::Trouble;
use super::log::{Log, quoted};
use crate::net::{Deadline, family, from_c, to_c, wait};
use crate::posix::error::{EAGAIN, ECONNREFUSED, ECONNRESET, EINPROGRESS, EPIPE, ETIMEDOUT};
use crate::posix::netinet_in::IPPROTO_TCP;
use crate::posix::netinet_tcp::{TCP_MAXSEG, TCP_NODELAY};
use crate::posix::poll::{POLLIN, POLLOUT, pollfd};
use crate::posix::sys_socket::*;
use crate::subject::wait_for;

/// A connected socket, or one of UDP with a fixed peer.
pub struct Client {
    sockfd: OwnedFd,
    /// Its own end.
    pub addr: SocketAddr,
    /// The server's.
    pub peer: SocketAddr,
    is_tcp: bool,
    number: usize,
    log: Log,
    patience: Duration,
    got: Vec<u8>,
    /// How the connection stood at the last look.
    seen: End,
}

/// How a connection stands after the last look at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The server has closed it in order: FIN.
    Eof,
    /// It was reset: RST; over UDP, the port is closed.
    Reset,
    /// It is open still.
    Open,
}

/// What has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// All bytes since the connection was made.
    pub bytes: Vec<u8>,
    /// How it stands.
    pub end: End,
    /// Whether there is a connection: over UDP there is none, and what is read as an end is something else.
    pub is_tcp: bool,
}

impl Answer {
    /// In words.
    pub fn words(&self) -> String {
        let end = match (self.end, self.is_tcp) {
            (End::Eof, true) => ", then end of file",
            (End::Reset, true) => ", then a reset",
            (End::Open, true) => ", and the connection stays open",
            (End::Eof, false) if self.bytes.is_empty() => return String::from("an empty datagram"),
            (End::Reset, false) if self.bytes.is_empty() => {
                return String::from("ICMP: nobody has the port");
            }
            (End::Eof, false) => ", then an empty datagram",
            (End::Reset, false) => ", then ICMP: nobody has the port",
            (End::Open, false) => "",
        };
        if self.bytes.is_empty() {
            return format!("nothing{end}");
        }
        format!("{}{end}", quoted(&self.bytes))
    }
}

/// Where a client comes from, and what is special about it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Manner {
    /// Its own address; `None` leaves it to the kernel.
    pub from: Option<SocketAddr>,
    /// Its receive buffer, in bytes as `SO_RCVBUF` takes them.
    pub receive_buffer: Option<i32>,
    /// The largest segment that it takes, in bytes as `TCP_MAXSEG` takes them: with small ones the kernel
    /// keeps less for it.
    pub segment: Option<i32>,
}

impl Client {
    /// Begins to connect, and does not wait; `None` if the port is closed.
    pub(super) fn begin(
        to: SocketAddr,
        is_tcp: bool,
        manner: Manner,
        log: &Log,
        patience: Duration,
    ) -> Result<Option<Self>, Trouble> {
        let number = log.client();
        let kind = if is_tcp { SOCK_STREAM } else { SOCK_DGRAM };
        let sockfd = socket(family(&to), kind | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)?;
        if is_tcp {
            // What a check sends apart is to go apart.
            setsockopt(&sockfd, IPPROTO_TCP, TCP_NODELAY, &1)?;
        }
        if let Some(bytes) = manner.receive_buffer {
            setsockopt(&sockfd, SOL_SOCKET, SO_RCVBUF, &bytes)?;
        }
        if let Some(bytes) = manner.segment {
            setsockopt(&sockfd, IPPROTO_TCP, TCP_MAXSEG, &bytes)?;
        }
        if let Some(from) = manner.from {
            setsockopt(&sockfd, SOL_SOCKET, SO_REUSEADDR, &1)?;
            bind(&sockfd, &to_c(&from))?;
        }
        match connect(&sockfd, &to_c(&to)) {
            Err(error) if error.errno() == EINPROGRESS => {}
            Err(error) if matches!(error.errno(), ECONNREFUSED | ETIMEDOUT | ECONNRESET) => {
                log.say(format!("client {number}: {error}"));
                return Ok(None);
            }
            connected => connected?,
        }
        let addr = from_c(&getsockname(&sockfd)?).unwrap_or(to);
        let comes = if is_tcp { "connects" } else { "has a socket" };
        log.say(format!("client {number} (port {}) {comes}", addr.port()));
        Ok(Some(Self {
            sockfd,
            addr,
            peer: to,
            is_tcp,
            number,
            log: log.clone(),
            patience,
            got: Vec::new(),
            seen: End::Open,
        }))
    }

    /// Waits until the connection is made; false if it is refused, or nothing comes back in time.
    ///
    /// # Errors
    ///
    /// Those of `poll` and `getsockopt`.
    pub fn until_connected(&self) -> Result<bool, Trouble> {
        let mut fds = vec![pollfd::new(&self.sockfd, POLLOUT)];
        if !wait_for(&mut fds, Deadline::after(self.patience))? {
            self.say(&format!("has no answer to its SYN in {} s", self.patience.as_secs_f32()));
            return Ok(false);
        }
        let errno = getsockopt::<i32>(&self.sockfd, SOL_SOCKET, SO_ERROR)?;
        if errno != 0 {
            self.say(&crate::posix::Error::new("connect", errno).to_string());
        }
        Ok(errno == 0)
    }

    /// Whether the connection is made by now.
    ///
    /// # Errors
    ///
    /// Those of `poll`.
    pub fn is_connected(&self) -> Result<bool, Trouble> {
        let mut fds = [pollfd::new(&self.sockfd, POLLOUT)];
        Ok(wait(&mut fds, Deadline::after(Duration::ZERO))?)
    }

    /// Connects; `None` if the server does not take it: the port is closed, or nothing comes back in time.
    pub(super) fn connect(
        to: SocketAddr,
        is_tcp: bool,
        manner: Manner,
        log: &Log,
        patience: Duration,
    ) -> Result<Option<Self>, Trouble> {
        let client = Self::begin(to, is_tcp, manner, log, patience)?;
        match client {
            Some(client) if client.until_connected()? => Ok(Some(client)),
            _ => Ok(None),
        }
    }

    /// Its name in the transcript.
    pub fn name(&self) -> String {
        format!("client {}", self.number)
    }

    /// Writes something down that is about it.
    pub fn say(&self, what: &str) {
        self.log.say(format!("client {} {what}", self.number));
    }

    /// Sends what the kernel takes at once; returns how much that is. A connection that is gone takes nothing.
    ///
    /// # Errors
    ///
    /// Those of `send` that do not mean that the connection is gone or full.
    pub fn send(&self, bytes: &[u8]) -> Result<usize, Trouble> {
        self.send_as(bytes, 0)
    }

    /// Sends something and half-closes, in one segment: the server learns both at once.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn send_last(&self, bytes: &[u8]) -> Result<usize, Trouble> {
        let sent = self.send_as(bytes, MSG_MORE)?;
        self.finish()?;
        Ok(sent)
    }

    fn send_as(&self, bytes: &[u8], flags: i32) -> Result<usize, Trouble> {
        match send(&self.sockfd, bytes, MSG_NOSIGNAL | flags) {
            Ok(sent) => {
                self.say(&format!("sends {}", quoted(&bytes[..sent])));
                Ok(sent)
            }
            Err(error) if matches!(error.errno(), EAGAIN | EPIPE | ECONNRESET | ECONNREFUSED) => {
                self.say(&format!("can't send: {error}"));
                Ok(0)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Sends all of it, as fast as the server reads; returns how much the server's end has taken when the
    /// connection is gone or the patience over.
    ///
    /// # Errors
    ///
    /// Those of `send` and `poll`.
    pub fn send_all(&self, bytes: &[u8]) -> Result<usize, Trouble> {
        let end = Deadline::after(self.patience);
        let mut sent = 0;
        while sent < bytes.len() && !end.is_over() {
            match send(&self.sockfd, &bytes[sent..], MSG_NOSIGNAL) {
                Ok(more) => sent += more,
                Err(error) if error.errno() == EAGAIN => {
                    wait_for(&mut vec![pollfd::new(&self.sockfd, POLLOUT)], end)?;
                }
                Err(error) if matches!(error.errno(), EPIPE | ECONNRESET) => break,
                Err(error) => return Err(error.into()),
            }
        }
        self.say(&format!("sends {sent} of {} bytes", bytes.len()));
        Ok(sent)
    }

    /// Sends an out-of-band byte: `MSG_OOB`.
    ///
    /// # Errors
    ///
    /// Those of `send`.
    pub fn send_urgent(&self, byte: u8) -> Result<(), Trouble> {
        send(&self.sockfd, &[byte], MSG_NOSIGNAL | MSG_OOB)?;
        self.say(&format!("sends {} out of band", quoted(&[byte])));
        Ok(())
    }

    /// Half-closes: no more requests come.
    ///
    /// # Errors
    ///
    /// Those of `shutdown`, but for a connection that is gone.
    pub fn finish(&self) -> Result<(), Trouble> {
        self.say("half-closes");
        // A connection that the other end has reset has nothing to close.
        let _gone = shutdown(&self.sockfd, SHUT_WR);
        Ok(())
    }

    /// Closes the connection with a reset instead of an end of file.
    ///
    /// # Errors
    ///
    /// Those of `setsockopt`.
    pub fn reset(self) -> Result<(), Trouble> {
        setsockopt(&self.sockfd, SOL_SOCKET, SO_LINGER, &linger { l_onoff: 1, l_linger: 0 })?;
        self.say("resets the connection");
        Ok(())
    }

    /// Closes the connection.
    pub fn close(self) {
        self.say(if self.is_tcp { "closes the connection" } else { "closes its socket" });
    }

    /// Whether there is something to read, an end included.
    ///
    /// # Errors
    ///
    /// Those of `poll`.
    pub fn is_told(&self) -> Result<bool, Trouble> {
        let mut fds = [pollfd::new(&self.sockfd, POLLIN)];
        Ok(wait(&mut fds, Deadline::after(Duration::ZERO))?)
    }

    /// Reads what has come so far, without waiting, and does not write it down; how the connection stands then.
    ///
    /// # Errors
    ///
    /// Those of `recv` that do not mean that the connection is gone.
    pub fn read(&mut self) -> Result<End, Trouble> {
        let mut buffer = [0; 65536];
        loop {
            match recv(&self.sockfd, &mut buffer, 0) {
                Ok(0) => return Ok(End::Eof),
                Ok(length) => self.got.extend_from_slice(&buffer[..length]),
                Err(error) if error.errno() == EAGAIN => return Ok(End::Open),
                Err(error)
                    if matches!(error.errno(), ECONNRESET | ECONNREFUSED | EPIPE | ETIMEDOUT) =>
                {
                    return Ok(End::Reset);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// All bytes that it has read.
    pub fn got(&self) -> &[u8] {
        &self.got
    }

    /// Has another receive buffer from now on, in bytes as `SO_RCVBUF` takes them.
    ///
    /// # Errors
    ///
    /// Those of `setsockopt`.
    pub fn receive_into(&self, bytes: i32) -> Result<(), Trouble> {
        Ok(setsockopt(&self.sockfd, SOL_SOCKET, SO_RCVBUF, &bytes)?)
    }

    /// Takes what has come so far, without waiting.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub fn take(&mut self) -> Result<Answer, Trouble> {
        let before = self.got.len();
        let end = self.read()?;
        if self.got.len() > before {
            self.say(&format!("gets {}", quoted(&self.got[before..])));
        }
        match (end, self.is_tcp) {
            _ if self.seen != End::Open => {}
            (End::Eof, true) => self.say("sees the end of file"),
            (End::Eof, false) => self.say("gets an empty datagram"),
            (End::Reset, true) => self.say("sees a reset"),
            (End::Reset, false) => self.say("is told by ICMP that nobody has the port"),
            (End::Open, _) => {}
        }
        self.seen = end;
        Ok(Answer { bytes: self.got.clone(), end, is_tcp: self.is_tcp })
    }

    /// Waits for something to come, or for the connection's end; `None` if the time is over first.
    ///
    /// # Errors
    ///
    /// Those of `poll` and `recv`.
    pub fn hear(&mut self, patience: Duration) -> Result<Option<Answer>, Trouble> {
        let mut fds = vec![pollfd::new(&self.sockfd, POLLIN)];
        if !wait_for(&mut fds, Deadline::after(patience))? {
            return Ok(None);
        }
        self.take().map(Some)
    }

    /// Waits until the server has closed the connection, or the patience is over, and returns all that came.
    ///
    /// # Errors
    ///
    /// Those of `poll` and `recv`.
    pub fn all(&mut self) -> Result<Answer, Trouble> {
        self.all_within(self.patience)
    }

    /// As [`all`](Self::all), with a patience of its own.
    ///
    /// # Errors
    ///
    /// Those of `poll` and `recv`.
    pub fn all_within(&mut self, patience: Duration) -> Result<Answer, Trouble> {
        let end = Deadline::after(patience);
        loop {
            let is_told = wait_for(&mut vec![pollfd::new(&self.sockfd, POLLIN)], end)?;
            let answer = self.take()?;
            if !is_told || answer.end != End::Open {
                if !is_told {
                    self.say(&format!("has waited {} s", patience.as_secs_f32()));
                }
                return Ok(answer);
            }
        }
    }
}

//! Clients, one byte at a time: what they send and see, and what the kernel says of them.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::AsRawFd;
use std::time::Duration;

use nix::libc;
use nix::sys::socket::{MsgFlags, send, setsockopt, sockopt};

use crate::diag::{self, CLOSE_WAIT, Row};
use crate::support::Server;
use crate::watch::until;

/// A wait for an answer that is longer than this never ends: not a criterion of anything.
const NEVER: Duration = Duration::from_secs(60);

/// How a connection came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The server has closed it.
    Closed,
    /// The server has closed it without having read all, or it was not at home.
    Reset,
}

/// A client's connection.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    pub(crate) server: SocketAddr,
}

impl Client {
    /// Connects as soon as the server's queue has room, so that no SYN is lost and sent again.
    pub(crate) fn connect(server: &Server) -> Self {
        until("the listening socket's queue has room", || {
            diag::listening(server.addr).is_none_or(|row| row.unread <= row.unsent)
        });
        Self::connect_at_once(server.addr).expect("the server listens")
    }

    /// Connects, or not, as the server likes.
    pub(crate) fn connect_at_once(server: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(server)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(NEVER))?;
        stream.set_write_timeout(Some(NEVER))?;
        Ok(Self { stream, server })
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.stream.local_addr().expect("an address")
    }

    pub(crate) fn send(&self, bytes: &[u8]) {
        (&self.stream).write_all(bytes).expect("sent");
    }

    pub(crate) fn send_urgent(&self, byte: u8) {
        let sent = send(self.stream.as_raw_fd(), &[byte], MsgFlags::MSG_OOB);
        assert_eq!(sent, Ok(1), "urgent data is sent");
    }

    /// Half-closes: no more requests.
    pub(crate) fn finish(&self) {
        self.stream.shutdown(Shutdown::Write).expect("half-closed");
    }

    /// All that comes, to the end of the connection.
    pub(crate) fn read(&self) -> (String, End) {
        let mut bytes = Vec::new();
        let end = match (&self.stream).read_to_end(&mut bytes) {
            Ok(_) => End::Closed,
            Err(error) if error.kind() == ErrorKind::ConnectionReset => End::Reset,
            Err(error) => panic!("no answer: {error}, after {bytes:?}"),
        };
        (String::from_utf8_lossy(&bytes).into_owned(), end)
    }

    /// Asserts what comes, and that the end of the file follows.
    pub(crate) fn expect(&self, answer: &str) {
        assert_eq!(self.read(), (answer.to_owned(), End::Closed));
    }

    /// Whether something has come that is not yet read, the end of the file included.
    pub(crate) fn has_answer(&self) -> bool {
        self.stream.set_nonblocking(true).expect("O_NONBLOCK");
        let peeked = self.stream.peek(&mut [0]);
        self.stream.set_nonblocking(false).expect("O_NONBLOCK");
        !matches!(peeked, Err(error) if error.kind() == ErrorKind::WouldBlock)
    }

    /// The kernel's row of the server's end.
    pub(crate) fn server_end(&self) -> Option<Row> {
        diag::connected(self.server, self.addr())
    }

    pub(crate) fn is_accepted(&self) -> bool {
        self.server_end().is_some_and(|row| row.inode != 0)
    }

    pub(crate) fn until_accepted(&self) {
        until("the server accepts the client", || self.is_accepted());
    }

    /// Waits until the server has read all that was sent, or has answered.
    pub(crate) fn until_consumed(&self) {
        until("the server reads what was sent", || {
            let read = self.server_end().is_some_and(|row| {
                // An end of file that has not been read counts as a byte.
                row.inode != 0 && row.unread <= u32::from(row.state == CLOSE_WAIT)
            });
            read || self.has_answer()
        });
    }

    /// Closes with a reset, and waits until it has arrived.
    pub(crate) fn reset(self) {
        let (server, addr) = (self.server, self.addr());
        let linger = libc::linger { l_onoff: 1, l_linger: 0 };
        setsockopt(&self.stream, sockopt::Linger, &linger).expect("SO_LINGER");
        drop(self.stream);
        until("the reset ends the server's connection", || {
            diag::connected(server, addr).is_none_or(|row| row.state == diag::TIME_WAIT)
        });
    }
}

/// One whole request and its answer, which the end of the file follows.
pub(crate) fn ask(server: &Server, request: &[u8]) -> String {
    let client = Client::connect(server);
    client.send(request);
    let (answer, end) = client.read();
    assert_eq!(end, End::Closed, "after {answer:?}");
    answer
}

/// A good client is served.
pub(crate) fn assert_serves(server: &Server) {
    assert_eq!(ask(server, b"10\n"), "55", "a good client");
}

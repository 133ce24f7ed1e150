//! A client that never waits: one request, its answer, the end of file.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, SocketAddrV4, TcpStream};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrIn, bind, connect, setsockopt, socket, sockopt,
};

/// A client's connection.
pub(crate) struct Client {
    stream: TcpStream,
    request: &'static [u8],
    sent: bool,
    answer: Vec<u8>,
    end: Option<Result<(), ErrorKind>>,
}

impl Client {
    /// Begins to connect.
    pub(crate) fn connect(server: SocketAddr, request: &'static [u8]) -> io::Result<Self> {
        Self::connect_from(None, server, request)
    }

    /// The same from an address of this machine.
    pub(crate) fn connect_from(
        source: Option<SocketAddrV4>,
        server: SocketAddr,
        request: &'static [u8],
    ) -> io::Result<Self> {
        let SocketAddr::V4(server) = server else { return Err(ErrorKind::Unsupported.into()) };
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let socket = socket(AddressFamily::Inet, SockType::Stream, flags, None)?;
        if let Some(source) = source {
            // Its port is chosen when the peer is known, so that it need be free for this peer only.
            setsockopt(&socket, sockopt::IpBindAddressNoPort, &true)?;
            bind(socket.as_raw_fd(), &SockaddrIn::from(source))?;
        }
        match connect(socket.as_raw_fd(), &SockaddrIn::from(server)) {
            Ok(()) | Err(Errno::EINPROGRESS) => {}
            Err(errno) => return Err(errno.into()),
        }
        let stream = TcpStream::from(socket);
        let mut client =
            Self { stream, request, sent: request.is_empty(), answer: Vec::new(), end: None };
        client.send();
        Ok(client)
    }

    fn send(&mut self) {
        match self.stream.write(self.request) {
            // A request is shorter than any send buffer.
            Ok(_) => self.sent = true,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => self.end = Some(Err(error.kind())),
        }
    }

    /// Does what can be done now.
    pub(crate) fn advance(&mut self) {
        if !self.sent && self.end.is_none() {
            self.send();
        }
        let mut buffer = [0; 128];
        while self.end.is_none() {
            match self.stream.read(&mut buffer) {
                Ok(0) => self.end = Some(Ok(())),
                Ok(length) => self.answer.extend_from_slice(&buffer[..length]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => self.end = Some(Err(error.kind())),
            }
        }
    }

    /// Whether the end has come, by now.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.advance();
        self.end.is_some()
    }

    /// How it ended, and what had come until then.
    pub(crate) fn end(&self) -> Option<(Result<(), ErrorKind>, &[u8])> {
        Some((self.end?, &self.answer))
    }

    /// Whether its request is on its way.
    pub(crate) fn has_sent(&self) -> bool {
        self.sent
    }

    /// Its own address, from which the server knows it.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.stream.local_addr().expect("an address")
    }
}

impl AsFd for Client {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

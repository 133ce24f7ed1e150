//! Both directions at once: standard input to the socket, the socket to standard output.

use std::fs::File;
use std::io::{self, IoSlice, IsTerminal};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::time::{Duration, Instant};

use super::{Failure, interrupted};
use crate::linux::pipe::{F_SETPIPE_SZ, fcntl_pipe};
use crate::linux::pwritev2::{RWF_NOWAIT, pwritev2};
use crate::posix::error::{EAGAIN, EIO, EOPNOTSUPP, EPIPE};
use crate::posix::fcntl::{O_NOCTTY, O_NONBLOCK};
use crate::posix::poll::{POLLERR, POLLHUP, POLLIN, POLLOUT, poll, pollfd};
use crate::posix::sys_socket::*;
use crate::posix::unistd::{read, write};
use crate::posix::{Error, Result};

/// What is held of each direction, at most: the memory that a slow peer can cost.
const ROOM: usize = 256 * 1024;
/// Standard input is cut into datagrams of at most this size, as OpenBSD's nc does.
const DATAGRAM: usize = 16 * 1024;
/// What a pipe always takes that is ready: `PIPE_BUF`.
const PIPE: usize = 4096;
/// What standard input and output are to hold where they are pipes: what everybody may ask for.
const PIPE_SIZE: i32 = 1024 * 1024;
/// How often one direction may go on before the other one is looked at.
const TURNS: usize = 16;

/// How a transfer is done, and when it is over.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// Datagrams in place of a stream.
    pub datagrams: bool,
    /// Standard input is left alone.
    pub no_input: bool,
    /// The end of standard input is passed on.
    pub half_close: bool,
    /// It is not if there was no input at all.
    pub empty_is_no_end: bool,
    /// Each line ends in CR LF.
    pub crlf: bool,
    /// The pause after each line, in both directions.
    pub interval: Option<Duration>,
    /// After this long without anything it is over.
    pub idle: Option<Duration>,
    /// After this long from the end of standard input on it is over.
    pub quit: Option<Duration>,
    /// After so many packets it is over.
    pub receive: Option<u64>,
}

/// Bytes on their way: filled when empty, and emptied from the front.
struct Buffer {
    bytes: Box<[u8]>,
    begin: usize,
    end: usize,
    /// No earlier than this the next line goes on.
    pause: Option<Instant>,
}

impl Buffer {
    fn new() -> Self {
        Self { bytes: vec![0; ROOM].into(), begin: 0, end: 0, pause: None }
    }

    fn is_empty(&self) -> bool {
        self.begin == self.end
    }

    /// The end of a pause that something waits for.
    fn paused_until(&self) -> Option<Instant> {
        self.pause.filter(|end| !self.is_empty() && Instant::now() < *end)
    }

    fn fill(&mut self, length: usize) {
        (self.begin, self.end) = (0, length);
    }

    /// What goes on next: all, or with an interval one line, and nothing during a pause.
    fn next(&self, interval: Option<Duration>) -> &[u8] {
        let bytes = &self.bytes[self.begin..self.end];
        if interval.is_none() {
            return bytes;
        }
        if self.pause.is_some_and(|end| Instant::now() < end) {
            return &[];
        }
        let line = bytes.iter().position(|&byte| byte == b'\n');
        &bytes[..line.map_or(bytes.len(), |at| at + 1)]
    }

    /// So much of it has gone.
    fn advance(&mut self, length: usize, interval: Option<Duration>) {
        self.begin += length;
        let line = self.bytes[..self.begin].last() == Some(&b'\n');
        self.pause = interval.filter(|_| line).and_then(|time| Instant::now().checked_add(time));
    }
}

/// How standard output is written without waiting for who reads it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Output {
    /// A file, which takes what it is given, or a terminal.
    Plain,
    /// A pipe: its flags are shared with other programs, so the call says that it must not block.
    Pipe,
    /// A pipe of a kernel that can't be told so.
    OldPipe,
    Socket,
}

/// Standard input and output with what is on its way; it outlives a connection.
pub struct Transfer {
    rules: Rules,
    input: io::Stdin,
    output: OwnedFd,
    kind: Output,
    up: Buffer,
    down: Buffer,
    /// Standard input has ended, or is not to be read.
    input_over: bool,
    /// Something has been read from it.
    had_input: bool,
    /// The last byte was CR.
    had_cr: bool,
    quit_at: Option<Instant>,
    received: u64,
}

/// One connection.
struct Link<'a> {
    net: BorrowedFd<'a>,
    peer: &'a str,
    /// The peer sends nothing more.
    ended: bool,
    /// Input was flowing when the peer ended: it goes on to its own end.
    flows: bool,
    shut: bool,
    failure: Option<Failure>,
}

impl Transfer {
    /// Of this process's standard input and output.
    ///
    /// # Errors
    ///
    /// Where there is no descriptor left.
    pub fn new(rules: Rules) -> std::result::Result<Self, Failure> {
        let (output, kind) = output().map_err(|error| {
            let number = error.raw_os_error().unwrap_or(EIO);
            local(Error::new("fcntl", number), "a copy of standard output")
        })?;
        // Larger pipes, and whoever is at their other end is woken less often. What is no pipe refuses, and so
        // does a system that has set a lower limit.
        let input = io::stdin();
        let _ = fcntl_pipe(&input, F_SETPIPE_SZ, PIPE_SIZE);
        let _ = fcntl_pipe(&output, F_SETPIPE_SZ, PIPE_SIZE);
        let input_over = rules.no_input;
        Ok(Self {
            rules,
            input,
            output,
            kind,
            up: Buffer::new(),
            down: Buffer::new(),
            input_over,
            had_input: false,
            had_cr: false,
            quit_at: None,
            received: 0,
        })
    }

    /// Prints what arrives, of whomever, and sends nothing.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    pub fn only_receive(&mut self, net: impl AsFd) -> std::result::Result<(), Failure> {
        self.input_over = true;
        self.rules.half_close = false;
        self.rules.quit = None;
        self.run(net, "datagrams")
    }

    /// Transfers until it is over: until the peer has ended, or as the rules say.
    ///
    /// # Errors
    ///
    /// A reset or another error of the connection, once all that arrived before it has been printed; an
    /// error of standard input or output.
    pub fn run(&mut self, net: impl AsFd, peer: &str) -> std::result::Result<(), Failure> {
        let mut link =
            Link { net: net.as_fd(), peer, ended: false, flows: false, shut: false, failure: None };
        (self.received, self.quit_at) = (0, None);
        self.up.fill(0);
        if self.input_over && !self.rules.no_input {
            self.end_of_input(&mut link);
        }
        let mut active = Instant::now();
        loop {
            self.print()?;
            if self.is_over(&mut link)? {
                return link.failure.take().map_or(Ok(()), Err);
            }
            let deadlines = [
                self.rules.idle.and_then(|time| active.checked_add(time)),
                self.quit_at,
                self.up.paused_until(),
                self.down.paused_until(),
            ];
            let until = deadlines.into_iter().flatten().min();
            if self.wait(&mut link, until)? {
                active = Instant::now();
            } else {
                let now = Instant::now();
                if deadlines[..2].iter().flatten().any(|end| *end <= now) {
                    return link.failure.take().map_or(Ok(()), Err);
                }
            }
        }
    }

    /// Whether nothing more can come and nothing more can go.
    fn is_over(&self, link: &mut Link<'_>) -> std::result::Result<bool, Failure> {
        if !self.down.is_empty() {
            return Ok(false);
        }
        if self.rules.receive.is_some_and(|most| self.received >= most) {
            return Ok(true);
        }
        if !link.ended || !self.up.is_empty() {
            return Ok(link.ended && link.failure.is_some());
        }
        Ok(self.input_over || link.failure.is_some() || !link.flows)
    }

    /// The peer has only said that it sends no more, and may still read. Input that flows is sent to its
    /// end, or until the peer resets the connection; what somebody may type some time is not waited for.
    fn peer_has_ended(&self, link: &mut Link<'_>) {
        let mut input = [pollfd::new(&self.input, POLLIN)];
        let mut ready = || poll(&mut input, 0).is_ok_and(|ready| ready > 0);
        link.flows = !self.input_over && (!self.up.is_empty() || ready());
        link.ended = true;
    }

    /// Waits for what can go on and lets it; false if nothing did until the time was over.
    fn wait(
        &mut self,
        link: &mut Link<'_>,
        until: Option<Instant>,
    ) -> std::result::Result<bool, Failure> {
        let interval = self.rules.interval;
        let (mut fds, mut count) = ([pollfd::new(link.net, 0); 3], 0);
        let mut ask = |fd: BorrowedFd<'_>, events: Option<i16>| {
            fds[count] = pollfd::new(fd, events?);
            count += 1;
            Some(count - 1)
        };
        let reads = !self.input_over && self.up.is_empty();
        let input = ask(self.input.as_fd(), reads.then_some(POLLIN));
        let receives = !link.ended && self.down.is_empty();
        let sends = !self.up.next(interval).is_empty();
        let events = if receives { POLLIN } else { 0 } | if sends { POLLOUT } else { 0 };
        // A reset after the peer's end is found without being asked for.
        let net = ask(link.net, (events != 0 || link.flows).then_some(events));
        let prints = !self.down.next(interval).is_empty();
        let output = ask(self.output.as_fd(), prints.then_some(POLLOUT));
        match poll(&mut fds[..count], milliseconds(until)) {
            Ok(0) => return Ok(false),
            Ok(_) => {}
            Err(error) if interrupted(&error) => return Ok(true),
            Err(error) => return Err(local(error, "waiting")),
        }
        let found = |at: Option<usize>| at.map_or(0, |at| fds[at].revents());
        let (input, net, output) = (found(input), found(net), found(output));
        if input != 0 {
            self.read_input(link)?;
        }
        if net != 0 || input != 0 {
            self.send(link);
        }
        if output != 0 {
            self.print_ready()?;
        }
        if net & (POLLERR | POLLHUP) != 0 && link.flows {
            self.reset_after_the_end(link)?;
        }
        if net & !POLLOUT != 0 && receives {
            for _ in 0..TURNS {
                let more = self.receive(link);
                self.print()?;
                if !more || !self.down.is_empty() {
                    break;
                }
            }
        }
        Ok(true)
    }

    /// A connection whose peer had ended, and that is gone for both directions now.
    fn reset_after_the_end(&mut self, link: &mut Link<'_>) -> std::result::Result<(), Failure> {
        let number = getsockopt::<i32>(link.net, SOL_SOCKET, SO_ERROR);
        let number = number.map_err(|error| local(error, "the connection's error"))?;
        let number = if number == 0 { EPIPE } else { number };
        self.up.fill(0);
        link.failure.get_or_insert(Failure::of(Error::new("send", number), link.peer));
        Ok(())
    }

    fn read_input(&mut self, link: &mut Link<'_>) -> std::result::Result<(), Failure> {
        let room = match (self.rules.datagrams, self.rules.crlf) {
            (true, _) => DATAGRAM,
            (false, true) => ROOM / 2,
            (false, false) => ROOM,
        };
        match read(&self.input, &mut self.up.bytes[..room]) {
            Ok(0) => {
                self.input_over = true;
                self.end_of_input(link);
            }
            Ok(length) => {
                self.had_input = true;
                self.up.fill(length);
                if self.rules.crlf {
                    self.end_lines_in_crlf();
                }
            }
            Err(error) if interrupted(&error) || error.errno() == EAGAIN => {}
            Err(error) => return Err(local(error, "standard input")),
        }
        Ok(())
    }

    /// CR before each LF that has none. The buffer is at most half full.
    fn end_lines_in_crlf(&mut self) {
        let mut lines = Vec::with_capacity(2 * self.up.end);
        for &byte in &self.up.bytes[..self.up.end] {
            if byte == b'\n' && !self.had_cr {
                lines.push(b'\r');
            }
            self.had_cr = byte == b'\r';
            lines.push(byte);
        }
        self.up.bytes[..lines.len()].copy_from_slice(&lines);
        self.up.fill(lines.len());
    }

    fn end_of_input(&mut self, link: &mut Link<'_>) {
        let silent = self.rules.empty_is_no_end && !self.had_input;
        if self.rules.half_close && !silent && !link.shut && !self.rules.datagrams {
            link.shut = true;
            // A connection that is gone already says so where it is read.
            let _ = shutdown(link.net, SHUT_WR);
        }
        self.quit_at = self.rules.quit.and_then(|time| Instant::now().checked_add(time));
    }

    fn send(&mut self, link: &mut Link<'_>) {
        loop {
            let bytes = self.up.next(self.rules.interval);
            if bytes.is_empty() {
                return;
            }
            match send(link.net, bytes, MSG_NOSIGNAL | MSG_DONTWAIT) {
                Ok(length) => self.up.advance(length, self.rules.interval),
                Err(error) if interrupted(&error) => {}
                Err(error) if error.errno() == EAGAIN => return,
                Err(error) => {
                    // What has arrived is printed first.
                    self.up.fill(0);
                    self.input_over = true;
                    link.ended |= self.rules.datagrams;
                    link.failure.get_or_insert(Failure::of(error, link.peer));
                    return;
                }
            }
        }
    }

    /// Whether more is to be expected at once.
    fn receive(&mut self, link: &mut Link<'_>) -> bool {
        if self.rules.receive.is_some_and(|most| self.received >= most) {
            return false;
        }
        match recv(link.net, &mut self.down.bytes, MSG_DONTWAIT) {
            Ok(0) if !self.rules.datagrams => self.peer_has_ended(link),
            Ok(length) => {
                self.received += 1;
                self.down.fill(length);
                // Less than there is room for: that was all.
                return length == ROOM;
            }
            Err(error) if interrupted(&error) || error.errno() == EAGAIN => {}
            Err(error) => {
                link.ended = true;
                self.up.fill(0);
                link.failure.get_or_insert(Failure::of(error, link.peer));
            }
        }
        false
    }

    /// Prints as much as goes without waiting.
    fn print(&mut self) -> std::result::Result<(), Failure> {
        while self.kind != Output::OldPipe {
            let bytes = self.down.next(self.rules.interval);
            if bytes.is_empty() {
                break;
            }
            let written = match self.kind {
                Output::Pipe => pwritev2(&self.output, &[IoSlice::new(bytes)], -1, RWF_NOWAIT),
                Output::Socket => send(&self.output, bytes, MSG_NOSIGNAL | MSG_DONTWAIT),
                Output::Plain | Output::OldPipe => write(&self.output, bytes),
            };
            match written {
                Err(error) if error.errno() == EAGAIN => break,
                Err(error) if error.errno() == EOPNOTSUPP && self.kind == Output::Pipe => {
                    self.kind = Output::OldPipe;
                }
                written => self.printed(written)?,
            }
        }
        Ok(())
    }

    /// Prints to an output that poll() has found ready.
    fn print_ready(&mut self) -> std::result::Result<(), Failure> {
        if self.kind == Output::OldPipe {
            let bytes = self.down.next(self.rules.interval);
            let written = write(&self.output, &bytes[..bytes.len().min(PIPE)]);
            return self.printed(written);
        }
        self.print()
    }

    fn printed(&mut self, written: Result<usize>) -> std::result::Result<(), Failure> {
        match written {
            Ok(length) => {
                self.down.advance(length, self.rules.interval);
                Ok(())
            }
            Err(error) if interrupted(&error) || error.errno() == EAGAIN => Ok(()),
            Err(error) if error.errno() == EPIPE => Err(Failure::Closed),
            Err(error) => Err(local(Error { call: "write", ..error }, "standard output")),
        }
    }
}

fn local(error: Error, what: &str) -> Failure {
    Failure::Local(format!("{error} ({what})"))
}

/// Standard output, to be written without waiting.
fn output() -> io::Result<(OwnedFd, Output)> {
    let stdout = io::stdout();
    if stdout.is_terminal() {
        // It may stand still (Ctrl-S). Its flags are shared with other programs, those of another opening are not;
        // where it may not be opened, because it is another user's, it is waited for.
        let mut options = File::options();
        let options = options.write(true).custom_flags(O_NONBLOCK | O_NOCTTY);
        if let Ok(terminal) = options.open("/proc/self/fd/1") {
            return Ok((terminal.into(), Output::Plain));
        }
    }
    let output = File::from(stdout.as_fd().try_clone_to_owned()?);
    let kind = match output.metadata() {
        Ok(data) if data.file_type().is_fifo() => Output::Pipe,
        Ok(data) if data.file_type().is_socket() => Output::Socket,
        _ => Output::Plain,
    };
    Ok((output.into(), kind))
}

/// What is left until then, rounded up, for poll(); -1 for ever.
fn milliseconds(until: Option<Instant>) -> i32 {
    let Some(end) = until else { return -1 };
    let left = end.saturating_duration_since(Instant::now()).as_nanos().div_ceil(1_000_000);
    i32::try_from(left).unwrap_or(i32::MAX)
}

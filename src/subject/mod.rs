//! A command under study, a server's mostly: started, watched from outside, stopped. Nothing of what it started is
//! left when its [`Subject`] is gone.

#![expect(unsafe_code, reason = "what must happen between fork and exec")]

pub mod cell;
pub mod gate;
mod inetd;
pub mod running;
pub mod watch;

use std::fmt;
use std::fs;
use std::io::Read;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::fcntl::OFlag;
use nix::unistd::pipe2;

use crate::linux::signalfd::{SFD_CLOEXEC, signalfd};
use crate::linux::sock_diag::{EVERY_STATE, dump, inet_diag_msg, sock_diag, state};
use crate::linux::tcp_info::{TCP_CLOSE, TCP_ESTABLISHED, TCP_LISTEN};
use crate::net::{Deadline, wait};
use crate::posix::Error;
use crate::posix::error::EINTR;
use crate::posix::netinet_in::{IPPROTO_TCP, IPPROTO_UDP};
use crate::posix::poll::{POLLIN, pollfd};
use crate::posix::signal::{
    SIG_BLOCK, SIG_DFL, SIG_IGN, SIG_SETMASK, SIGHUP, SIGINT, SIGKILL, SIGQUIT, SIGTERM, kill,
    sigaddset, sigemptyset, signal, sigprocmask,
};
use crate::posix::sys_socket::{AF_INET, AF_INET6};
use crate::posix::unistd::read;

pub use cell::{Isolation, Limits};
use gate::Gate;
pub use running::Running;

/// A running command, in a session of its own, which a process of ours keeps.
pub struct Subject {
    /// The process that keeps it.
    keeper: Child,
    /// Standard output's, where somebody reads it, and standard error's.
    said: Vec<Output>,
    pid: u32,
    /// How many of ours are above it.
    above: usize,
    status: OwnedFd,
    ended: Option<ExitStatus>,
}

/// An output of a command, and who reads it.
struct Output {
    said: Arc<Mutex<Said>>,
    reader: JoinHandle<()>,
}

/// What a command wrote to one of its outputs: the beginning and the end of it.
#[derive(Default)]
struct Said {
    first: Vec<u8>,
    last: Vec<u8>,
}

impl Said {
    /// As much as the answer to a client, and a good deal around it.
    const FIRST: usize = 65536;
    /// As much as a line or two of a last word needs.
    const LAST: usize = 4096;

    fn add(&mut self, bytes: &[u8]) {
        let room = Self::FIRST - self.first.len();
        let (first, last) = bytes.split_at(room.min(bytes.len()));
        self.first.extend_from_slice(first);
        self.last.extend_from_slice(last);
        let surplus = self.last.len().saturating_sub(Self::LAST);
        self.last.drain(..surplus);
    }
}

impl Output {
    fn of(mut output: impl Read + Send + 'static) -> Self {
        let said = Arc::new(Mutex::new(Said::default()));
        let shared = Arc::clone(&said);
        let reader = std::thread::spawn(move || {
            let mut buffer = [0; 65536];
            while let Ok(length @ 1..) = output.read(&mut buffer) {
                shared.lock().unwrap_or_else(PoisonError::into_inner).add(&buffer[..length]);
            }
        });
        Self { said, reader }
    }
}

fn so_far(said: &Mutex<Said>) -> Vec<u8> {
    let said = said.lock().unwrap_or_else(PoisonError::into_inner);
    [&said.first[..], &said.last[..]].concat()
}

/// Where a server can be reached, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reached {
    /// A loopback address stands for a wildcard.
    pub addr: SocketAddr,
    /// TCP, or else UDP.
    pub is_tcp: bool,
}

/// How a process has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// With this status.
    Status(ExitStatus),
    /// Only its parent is told its status.
    Untold,
}

impl Ending {
    /// Its status, if we were told.
    pub const fn status(self) -> Option<ExitStatus> {
        match self {
            Self::Status(status) => Some(status),
            Self::Untold => None,
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => status.fmt(f),
            Self::Untold => f.write_str("only its parent is told its status"),
        }
    }
}

/// The port at which a server is to be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// The one it was told to take.
    pub port: u16,
    /// Whether no other will do.
    pub is_sure: bool,
}

/// Why a command can't be studied.
#[derive(Debug)]
pub enum Trouble {
    /// It could not be started.
    Start(String, std::io::Error),
    /// It ended before it could be reached: its status and its last words.
    Ended(ExitStatus, String),
    /// It ended, and others that it had started stay: it has made itself a daemon.
    Daemon(ExitStatus),
    /// It can't be reached in time.
    Unreachable(Duration),
    /// It listens on a port, but not in time on the one that it was told to take.
    Elsewhere {
        /// The one that it was told to take.
        given: u16,
        /// The one on which it listens.
        found: u16,
        /// How long it had.
        patience: Duration,
    },
    /// A call of ours failed.
    Call(Error),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start(program, error) => write!(f, "{program}: {error}"),
            Self::Ended(status, said) => {
                write!(f, "the server ended before it listened ({status})")?;
                // Of a stack of calls the last line says why.
                let said = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
                if said.is_empty() { Ok(()) } else { write!(f, "; it said: {said}") }
            }
            Self::Daemon(status) => write!(
                f,
                "the server has put itself into the background ({status}); let it run in the foreground"
            ),
            Self::Unreachable(patience) => write!(
                f,
                "the server did not listen on a port of this machine within {} s",
                patience.as_secs()
            ),
            Self::Elsewhere { given, found, patience } => write!(
                f,
                "the server listens on port {found}, and did not on port {given}, which {{port}} stands for, \
                 within {} s",
                patience.as_secs()
            ),
            Self::Call(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Trouble {}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Call(error)
    }
}

static INTERRUPTS: OnceLock<OwnedFd> = OnceLock::new();

/// From here on SIGINT, SIGTERM, SIGQUIT and SIGHUP end every wait for a subject with `EINTR`, so that nothing of
/// it is left. Under nohup SIGHUP stays ignored.
///
/// # Errors
///
/// Those of `sigprocmask` and `signalfd`.
pub fn heed_interrupts() -> crate::posix::Result<()> {
    let mut set = sigemptyset();
    if signal(SIGHUP, SIG_DFL)? == SIG_IGN {
        signal(SIGHUP, SIG_IGN)?;
    } else {
        sigaddset(&mut set, SIGHUP)?;
    }
    for signum in [SIGINT, SIGTERM, SIGQUIT] {
        sigaddset(&mut set, signum)?;
        // Ignored (a shell does that to what it starts in the background), no server would heed it either.
        signal(signum, SIG_DFL)?;
    }
    sigprocmask(SIG_BLOCK, Some(&set))?;
    let fd = signalfd(&set, SFD_CLOEXEC)?;
    INTERRUPTS.get_or_init(|| fd);
    Ok(())
}

/// Waits until a descriptor is ready; false once the deadline is over.
///
/// # Errors
///
/// Those of `poll`; `EINTR` if the user wants an end.
pub fn wait_for(fds: &mut Vec<pollfd>, deadline: Deadline) -> crate::posix::Result<bool> {
    let Some(interrupts) = INTERRUPTS.get() else { return wait(fds, deadline) };
    fds.push(pollfd::new(interrupts, POLLIN));
    let is_ready = wait(fds, deadline);
    match fds.pop() {
        Some(interrupts) if interrupts.revents() != 0 => Err(Error::new("poll", EINTR)),
        _ => is_ready,
    }
}

/// Between two looks at what can't be waited for.
const LOOK: Duration = Duration::from_millis(1);

/// Looks again and again until something is there; `None` once the time is over.
pub fn until<T>(
    patience: Duration,
    mut look: impl FnMut() -> crate::posix::Result<Option<T>>,
) -> crate::posix::Result<Option<T>> {
    let end = Deadline::after(patience);
    loop {
        if let Some(found) = look()? {
            return Ok(Some(found));
        }
        if end.is_over() {
            return Ok(None);
        }
        wait_for(&mut Vec::new(), Deadline::after(LOOK))?;
    }
}

impl Subject {
    /// Starts a command in a cell: a session of its own, under limits, with a process above it that keeps all
    /// that it starts; behind a gate, if one is given.
    ///
    /// # Errors
    ///
    /// [`Trouble::Start`], or what a call of ours fails with.
    pub fn confine(
        command: Command,
        isolation: &Isolation,
        limits: Limits,
        gate: Option<Gate>,
    ) -> Result<Self, Trouble> {
        Self::enclose(command, isolation, limits, gate, None)
    }

    /// As [`confine`](Self::confine), but started by a super-server of ours (inetd, `nowait`) for each connection to
    /// this port of 127.0.0.1, which it has as its descriptors 0, 1 and 2.
    ///
    /// # Errors
    ///
    /// [`Trouble::Start`] if there is no such command, or the port can't be had; or what a call of ours fails with.
    pub fn confine_by_inetd(
        command: Command,
        isolation: &Isolation,
        limits: Limits,
        gate: Option<Gate>,
        port: u16,
    ) -> Result<Self, Trouble> {
        let path = std::env::var_os("PATH");
        let program = command.get_program();
        inetd::executable(program, path.as_deref())
            .map_err(|error| Trouble::Start(program.to_string_lossy().into_owned(), error))?;
        Self::enclose(command, isolation, limits, gate, Some(port))
    }

    fn enclose(
        mut command: Command,
        isolation: &Isolation,
        limits: Limits,
        gate: Option<Gate>,
        by_inetd: Option<u16>,
    ) -> Result<Self, Trouble> {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let (status, told) =
            pipe2(OFlag::O_CLOEXEC).map_err(|errno| Error::new("pipe2", errno as i32))?;
        let own = isolation.clone();
        let enter = move || {
            let_signals_in()?;
            // SAFETY: this is between fork and exec, where nothing else is to be done.
            unsafe { cell::split(&told, &limits, &own) }?;
            gate.as_ref().map_or(Ok(()), Gate::install)?;
            // SAFETY: this is between fork and exec; of the descriptors that it closes nobody has any use.
            by_inetd.map_or(Ok(()), |port| unsafe { inetd::serve(port) })
        };
        // SAFETY: `enter` makes system calls only; so does `Gate::install`, which says so.
        unsafe { command.pre_exec(enter) };
        // With `command` goes our copy of the pipe's other end.
        let mut keeper = spawn(command)?;
        let said = listen(&mut keeper);
        let above = cell::above(isolation);
        let pid = tree(keeper.id()).get(above).copied().unwrap_or(0);
        Ok(Self { keeper, said, pid, above, status, ended: None })
    }

    /// The process id of the command; 0 if it had ended before anybody could learn it.
    pub const fn pid(&self) -> u32 {
        self.pid
    }

    /// Every process of it that is there, the command's own first.
    pub fn processes(&self) -> Vec<u32> {
        let mut tree = tree(self.keeper.id());
        tree.split_off(self.above.min(tree.len()))
    }

    /// Its status, once it has ended; others that it started may still be there.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            let mut word = [0; 4];
            let mut fds = [pollfd::new(&self.status, POLLIN)];
            let is_told = wait(&mut fds, Deadline::after(Duration::ZERO)) == Ok(true);
            if is_told && read(&self.status, &mut word) == Ok(word.len()) {
                self.ended = Some(ExitStatus::from_raw(i32::from_ne_bytes(word)));
            }
        }
        self.ended
    }

    /// Ends whatever is left of it, and returns what it wrote to each of its outputs, standard error last; of very
    /// much the beginning and the end.
    pub fn outputs(&mut self) -> Vec<Vec<u8>> {
        self.kill();
        let whole = |Output { said, reader }| {
            // A thread that only reads does not panic.
            let _ = reader.join();
            so_far(&said)
        };
        self.said.drain(..).map(whole).collect()
    }

    /// What it has written to each of its outputs so far, as far as that has been read.
    pub fn said(&self) -> Vec<Vec<u8>> {
        self.said.iter().map(|output| so_far(&output.said)).collect()
    }

    fn kill(&mut self) {
        // One that was being made while another was killed comes to light in the next look.
        loop {
            let processes = self.processes();
            let left: Vec<u32> = processes.into_iter().filter(|&pid| !is_gone(pid)).collect();
            for &pid in &left {
                // It may be gone already.
                let _ = kill(pid as i32, SIGKILL);
            }
            if left.is_empty() {
                break;
            }
            // A killed process takes a moment to end.
            let _ = wait(&mut [], Deadline::after(LOOK));
        }
        let _ = kill(-(self.keeper.id() as i32), SIGKILL);
        let _ = self.keeper.wait();
    }

    /// Waits until it listens, or has a UDP socket with a port, and rests; of several ports the one that is wanted.
    ///
    /// # Errors
    ///
    /// [`Trouble::Ended`], [`Trouble::Daemon`], [`Trouble::Unreachable`], [`Trouble::Elsewhere`], or what asking the
    /// kernel for its sockets fails with.
    pub fn until_reached(
        &mut self,
        patience: Duration,
        wanted: Wanted,
    ) -> Result<Reached, Trouble> {
        let mut elsewhere = None;
        let found = until(patience, || {
            let is_over = self.ended().is_some();
            let found = if is_over { None } else { reached(&self.processes(), wanted.port)? };
            let is_it = |found: &Reached| !wanted.is_sure || found.addr.port() == wanted.port;
            elsewhere = found;
            Ok(if is_over { Some(None) } else { found.filter(is_it).map(Some) })
        })?;
        let mut found = found.flatten();
        if found.is_some() {
            // Whoever makes himself a daemon ends in these moments; others open one more port.
            self.settle(patience.min(Duration::from_secs(1)))?;
            found = reached(&self.processes(), wanted.port)?.or(found);
        }
        match (found, self.ended()) {
            (Some(reached), None) => Ok(reached),
            (_, Some(status)) if !self.processes().iter().all(|&pid| is_gone(pid)) => {
                Err(Trouble::Daemon(status))
            }
            (_, Some(status)) => Err({
                let said = self.outputs().concat();
                Trouble::Ended(status, String::from_utf8_lossy(&said).into_owned())
            }),
            _ => Err(match elsewhere {
                Some(Reached { addr, .. }) => {
                    Trouble::Elsewhere { given: wanted.port, found: addr.port(), patience }
                }
                None => Trouble::Unreachable(patience),
            }),
        }
    }

    /// Whether every task of it sleeps in a call, or is stopped, or has ended.
    pub fn is_at_rest(&self) -> bool {
        watch::tasks(&self.processes()).iter().all(watch::Task::sleeps)
    }

    /// Waits until every task of it sleeps in a call, or is stopped, or has ended, at three looks in a row, and
    /// returns whether that happened in time.
    ///
    /// # Errors
    ///
    /// `EINTR` if the user wants an end.
    pub fn settle(&self, patience: Duration) -> crate::posix::Result<bool> {
        let mut rested = 0;
        let settled = until(patience, || {
            rested = if self.is_at_rest() { rested + 1 } else { 0 };
            Ok((rested >= 3).then_some(()))
        })?;
        Ok(settled.is_some())
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Whether a process has ended, reaped or not.
fn is_gone(pid: u32) -> bool {
    matches!(watch::state(pid), None | Some('Z' | 'X'))
}

/// A signal that is held back here is not to be held back there.
fn let_signals_in() -> std::io::Result<()> {
    match sigprocmask(SIG_SETMASK, Some(&sigemptyset())) {
        Ok(_) => Ok(()),
        Err(error) => Err(std::io::Error::from_raw_os_error(error.errno())),
    }
}

fn spawn(mut command: Command) -> Result<Child, Trouble> {
    command.stdin(Stdio::null()).process_group(0);
    let program = command.get_program().to_string_lossy().into_owned();
    command.spawn().map_err(|error| Trouble::Start(program, error))
}

fn listen(child: &mut Child) -> Vec<Output> {
    let stdout = child.stdout.take().map(Output::of);
    let stderr = child.stderr.take().map(Output::of);
    stdout.into_iter().chain(stderr).collect()
}

/// The socket of some processes at which they can be asked: the one with this port, or else the first.
fn reached(processes: &[u32], port: u16) -> crate::posix::Result<Option<Reached>> {
    let inodes = watch::sockets(processes);
    if inodes.is_empty() {
        return Ok(None);
    }
    let all = doors()?;
    let mut own =
        all.iter().filter(|door| inodes.contains(&door.row.idiag_inode)).map(Door::reached);
    let first = own.clone().next();
    Ok(own.find(|own| own.addr.port() == port).or(first))
}

/// A socket at which somebody can be asked.
struct Door {
    row: inet_diag_msg,
    is_tcp: bool,
}

impl Door {
    fn reached(&self) -> Reached {
        Reached { addr: local(&self.row), is_tcp: self.is_tcp }
    }
}

/// Everybody's sockets that listen over TCP, then those that have a port of UDP and no peer.
fn doors() -> crate::posix::Result<Vec<Door>> {
    let kernel = sock_diag()?;
    let mut doors = Vec::new();
    for (protocol, wanted) in [(IPPROTO_TCP, TCP_LISTEN), (IPPROTO_UDP, TCP_CLOSE)] {
        for family in [AF_INET, AF_INET6] {
            let look = |row: &inet_diag_msg| {
                if row.idiag_sport != 0 {
                    doors.push(Door { row: *row, is_tcp: protocol == IPPROTO_TCP });
                }
            };
            // A kernel without IPv6 has none of its sockets.
            let _ = dump(&kernel, family, protocol, state(wanted), look);
        }
    }
    Ok(doors)
}

/// The local address of a row; of a wildcard the loopback's.
fn local(row: &inet_diag_msg) -> SocketAddr {
    let ip = if i32::from(row.idiag_family) == AF_INET {
        let [a, b, c, d, ..] = row.idiag_src;
        IpAddr::from([a, b, c, d])
    } else {
        IpAddr::from(row.idiag_src)
    };
    let ip = match ip {
        IpAddr::V4(ip) if ip.is_unspecified() => std::net::Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => std::net::Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, u16::from_be(row.idiag_sport))
}

/// Whether a server has taken a client in: until then the kernel's row of its end is nobody's.
///
/// # Errors
///
/// What asking the kernel for its sockets fails with.
pub fn is_accepted(server: SocketAddr, client: SocketAddr) -> crate::posix::Result<bool> {
    let kernel = sock_diag()?;
    let family = crate::net::family(&server);
    let mut found = false;
    dump(&kernel, family, IPPROTO_TCP, EVERY_STATE & !state(TCP_LISTEN), |row| {
        found |= row.idiag_inode != 0
            && u16::from_be(row.idiag_sport) == server.port()
            && u16::from_be(row.idiag_dport) == client.port();
    })?;
    Ok(found)
}

/// A process and all its descendants.
pub fn tree(root: u32) -> Vec<u32> {
    let mut pids = vec![root];
    let mut at = 0;
    while at < pids.len() {
        for tid in tids(pids[at]) {
            let children = fs::read_to_string(format!("/proc/{}/task/{tid}/children", pids[at]));
            let children = children.unwrap_or_default();
            pids.extend(children.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
        }
        at += 1;
    }
    pids
}

/// The threads of a process.
pub fn tids(pid: u32) -> Vec<u32> {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// Whether a client's connection to a server is whole at the server's end: its end of file has not come yet.
///
/// # Errors
///
/// What asking the kernel for its sockets fails with.
pub fn is_whole(server: SocketAddr, client: SocketAddr) -> crate::posix::Result<bool> {
    let kernel = sock_diag()?;
    let mut found = false;
    let family = crate::net::family(&server);
    dump(&kernel, family, IPPROTO_TCP, state(TCP_ESTABLISHED), |row| {
        found |= u16::from_be(row.idiag_sport) == server.port()
            && u16::from_be(row.idiag_dport) == client.port();
    })?;
    Ok(found)
}

/// Whether a signal has stopped a process.
pub fn is_stopped(pid: u32) -> bool {
    watch::state(pid) == Some('T')
}

//! A server command under study: started, watched from outside, stopped. Nothing of what it started is
//! left when its [`Subject`] is gone.

#![expect(unsafe_code, reason = "what must happen between fork and exec")]

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::io::Read;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::thread::JoinHandle;
use std::time::Duration;

use crate::linux::signalfd::{SFD_CLOEXEC, signalfd};
use crate::linux::sock_diag::{EVERY_STATE, dump, inet_diag_msg, sock_diag, state};
use crate::linux::tcp_info::{TCP_CLOSE, TCP_LISTEN};
use crate::net::{Deadline, wait};
use crate::posix::Error;
use crate::posix::error::EINTR;
use crate::posix::netinet_in::{IPPROTO_TCP, IPPROTO_UDP};
use crate::posix::poll::{POLLIN, pollfd};
use crate::posix::signal::{
    SIG_BLOCK, SIG_DFL, SIG_SETMASK, SIGINT, SIGKILL, SIGTERM, kill, sigaddset, sigemptyset,
    signal, sigprocmask,
};
use crate::posix::sys_socket::{AF_INET, AF_INET6};

/// A running command, in a process group of its own.
pub struct Subject {
    child: Child,
    said: Option<JoinHandle<String>>,
}

/// Where a server can be reached, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reached {
    /// A loopback address stands for a wildcard.
    pub addr: SocketAddr,
    /// TCP, or else UDP.
    pub is_tcp: bool,
}

/// Why a command can't be studied.
#[derive(Debug)]
pub enum Trouble {
    /// It could not be started.
    Start(String, std::io::Error),
    /// It ended before it could be reached: its status and its last words.
    Ended(ExitStatus, String),
    /// It can't be reached in time.
    Unreachable(Duration),
    /// A call of ours failed.
    Call(Error),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start(program, error) => write!(f, "{program}: {error}"),
            Self::Ended(status, said) => {
                write!(f, "the server ended before it listened ({status})")?;
                let said = said.trim_end();
                if said.is_empty() { Ok(()) } else { write!(f, "; it said: {said}") }
            }
            Self::Unreachable(patience) => write!(
                f,
                "the server did not listen on a port of this machine within {} s",
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

/// From here on SIGINT and SIGTERM end every wait for a subject with `EINTR`, so that nothing of it is left.
///
/// # Errors
///
/// Those of `sigprocmask` and `signalfd`.
pub fn heed_interrupts() -> crate::posix::Result<()> {
    let mut set = sigemptyset();
    for signum in [SIGINT, SIGTERM] {
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
    /// Starts a command with no input and nobody who reads its output.
    ///
    /// # Errors
    ///
    /// [`Trouble::Start`].
    pub fn start(mut command: Command) -> Result<Self, Trouble> {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).process_group(0);
        let none = sigemptyset();
        // A signal that is held back here is not to be held back there.
        let let_in = move || match sigprocmask(SIG_SETMASK, Some(&none)) {
            Ok(_) => Ok(()),
            Err(error) => Err(std::io::Error::from_raw_os_error(error.errno())),
        };
        // SAFETY: between fork and exec, one system call that allocates nothing.
        unsafe { command.pre_exec(let_in) };
        let program = command.get_program().to_string_lossy().into_owned();
        let mut child = command.spawn().map_err(|error| Trouble::Start(program, error))?;
        let said = child.stderr.take().map(|mut stderr| {
            std::thread::spawn(move || {
                let mut bytes = Vec::new();
                // Its last words may be cut.
                let _ = stderr.read_to_end(&mut bytes);
                String::from_utf8_lossy(&bytes).into_owned()
            })
        });
        Ok(Self { child, said })
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its status, once it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Ends whatever is left of it, and returns what it wrote to standard error.
    pub fn last_words(mut self) -> String {
        self.kill();
        let said = self.said.take().and_then(|said| said.join().ok());
        said.unwrap_or_default()
    }

    fn kill(&mut self) {
        for pid in tree(self.pid()) {
            // It may be gone already.
            let _ = kill(pid as i32, SIGKILL);
        }
        let _ = kill(-(self.pid() as i32), SIGKILL);
        let _ = self.child.wait();
    }

    /// Waits until it listens, or has a UDP socket with a port.
    ///
    /// # Errors
    ///
    /// [`Trouble::Ended`], [`Trouble::Unreachable`], or what asking the kernel for its sockets fails with.
    pub fn until_reached(mut self, patience: Duration) -> Result<(Self, Reached), Trouble> {
        let mut status = None;
        let found = until(patience, || {
            status = self.ended();
            Ok(if status.is_some() { Some(None) } else { reached(self.pid())?.map(Some) })
        })?;
        match (found, status) {
            (Some(Some(reached)), _) => Ok((self, reached)),
            (_, Some(status)) => Err(Trouble::Ended(status, self.last_words())),
            _ => Err(Trouble::Unreachable(patience)),
        }
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The first socket of a process tree at which it can be asked.
fn reached(root: u32) -> crate::posix::Result<Option<Reached>> {
    let inodes = sockets(root);
    if inodes.is_empty() {
        return Ok(None);
    }
    let kernel = sock_diag()?;
    for (protocol, wanted) in [(IPPROTO_TCP, TCP_LISTEN), (IPPROTO_UDP, TCP_CLOSE)] {
        for family in [AF_INET, AF_INET6] {
            let mut own = None;
            let look = |row: &inet_diag_msg| {
                if inodes.contains(&row.idiag_inode) && row.idiag_sport != 0 {
                    own.get_or_insert(local(row));
                }
            };
            // A kernel without IPv6 has none of its sockets.
            let _ = dump(&kernel, family, protocol, state(wanted), look);
            if let Some(addr) = own {
                return Ok(Some(Reached { addr, is_tcp: protocol == IPPROTO_TCP }));
            }
        }
    }
    Ok(None)
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

/// The sockets that a process tree has open, as the kernel numbers them.
fn sockets(root: u32) -> BTreeSet<u32> {
    let mut inodes = BTreeSet::new();
    for pid in tree(root) {
        let Ok(entries) = fs::read_dir(format!("/proc/{pid}/fd")) else { continue };
        for entry in entries.flatten() {
            let link = fs::read_link(entry.path()).unwrap_or_default();
            let inode = link
                .to_str()
                .and_then(|link| link.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok());
            inodes.extend::<Option<u32>>(inode);
        }
    }
    inodes
}

/// Whether every task of a process tree sleeps in a call, or has ended.
pub fn is_at_rest(root: u32) -> bool {
    tree(root).iter().flat_map(|&pid| tids(pid).into_iter().map(move |tid| (pid, tid))).all(
        |(pid, tid)| {
            let stat =
                fs::read_to_string(format!("/proc/{pid}/task/{tid}/stat")).unwrap_or_default();
            let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
            matches!(state, None | Some('S' | 'Z' | 'X'))
        },
    )
}

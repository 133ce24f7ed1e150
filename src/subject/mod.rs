//! A command under study, a server's mostly: started, watched from outside, stopped. Nothing of what it started is
//! left when its [`Subject`] is gone.

#![expect(unsafe_code, reason = "what must happen between fork and exec")]

pub mod account;
pub mod cell;
mod ends;
pub mod gate;
mod inetd;
pub mod limit;
mod queued;
pub mod running;
mod said;
mod sockets;
mod waiting;
pub mod watch;

use std::fmt;
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::rc::Rc;
use std::time::Duration;

use nix::fcntl::OFlag;
use nix::unistd::pipe2;

use crate::net::{Deadline, wait};
use crate::posix::Error;
use crate::posix::poll::{POLLIN, pollfd};
use crate::posix::signal::{SIG_SETMASK, SIGKILL, kill, sigemptyset, sigprocmask};
use crate::posix::unistd::read;

use account::Patience;
pub use cell::{Isolation, Limits};
pub use ends::{End, Ends};
use gate::Gate;
pub use inetd::{IN_VAIN, Inetd};
pub use running::Running;
pub use said::last_line;
use said::{Output, listen};
use sockets::{Door, doors, reached};
pub use sockets::{Reached, free_port, is_accepted, is_at, is_end, is_whole, own_ip};
use waiting::LOOK;
pub use waiting::{heed_end_of_input, heed_interrupts, until, wait_for};
use watch::Task;

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
    /// Where that process is a super-server that hands its socket over, those that it has started.
    ends: Option<Rc<Ends>>,
    /// Where it is behind a gate, who answers there.
    supervisor: Option<Task>,
}

/// How a process has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// With this status.
    Status(ExitStatus),
    /// Only its parent is told its status.
    Untold,
    /// However often it is started, it ends without taking what it was started for: how often, and at last how.
    InVain(u32, ExitStatus),
}

impl Ending {
    /// Its status, if we were told.
    pub const fn status(self) -> Option<ExitStatus> {
        match self {
            Self::Status(status) | Self::InVain(_, status) => Some(status),
            Self::Untold => None,
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => status.fmt(f),
            Self::Untold => f.write_str("only its parent is told its status"),
            Self::InVain(starts, status) => {
                write!(
                    f,
                    "{starts} times in a row without taking what it was started for, {status}"
                )
            }
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
    /// For how long it may take, once it listens, to be through with its start: to rest.
    pub rest: Duration,
}

impl Wanted {
    /// As long as that may take whoever is not known never to rest.
    pub const REST: Duration = Duration::from_secs(1);
}

/// Why a command can't be studied.
#[derive(Debug)]
pub enum Trouble {
    /// It could not be started.
    Start(String, std::io::Error),
    /// It ended before it could be reached: its status and what it wrote.
    Ended(ExitStatus, Vec<u8>),
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
    /// Started with a socket of TCP, or else of UDP, it ends each time without taking what waits there: what it is, and how
    /// it has ended.
    InVain {
        /// The command's first word.
        program: String,
        /// TCP, or else UDP.
        is_tcp: bool,
        /// How often in a row.
        starts: u32,
        /// With which status at last.
        status: ExitStatus,
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
                last_line(said).map_or(Ok(()), |said| write!(f, "; it said: {said}"))
            }
            Self::Daemon(status) => write!(
                f,
                "the server has put itself into the background ({status}); let it run in the foreground"
            ),
            Self::Unreachable(patience) => write!(
                f,
                "the server did not listen on a port of this machine within {} s (--wait gives it longer)",
                patience.as_secs()
            ),
            Self::Elsewhere { given, found, patience } => write!(
                f,
                "the server listens on port {found}, and did not on port {given}, which {{port}} stands for, \
                 within {} s (--wait gives it longer)",
                patience.as_secs()
            ),
            Self::InVain { program, is_tcp, starts, status } => {
                let (waits, remedy) = if *is_tcp {
                    (
                        "connection",
                        "accept() it from the listening socket, descriptor 0; a program that has its client there is \
                         for --inetd=nowait",
                    )
                } else {
                    ("datagram", "read it by recvfrom() from the socket, descriptor 0")
                };
                write!(
                    f,
                    "{program} was started {starts} times in a row, and ended ({status}) without taking the {waits} \
                     that waits: {remedy}"
                )
            }
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

    /// As [`confine`](Self::confine), but started by a super-server of ours for the clients of this port of 127.0.0.1:
    /// it has their connection, or the socket, as its descriptors 0, 1 and 2.
    ///
    /// # Errors
    ///
    /// [`Trouble::Start`] if there is no such command, or the port can't be had; or what a call of ours fails with.
    pub fn confine_by_inetd(
        command: Command,
        isolation: &Isolation,
        limits: Limits,
        gate: Option<Gate>,
        (style, port): (Inetd, u16),
    ) -> Result<Self, Trouble> {
        let path = std::env::var_os("PATH");
        let program = command.get_program();
        inetd::executable(program, path.as_deref())
            .map_err(|error| Trouble::Start(program.to_string_lossy().into_owned(), error))?;
        Self::enclose(command, isolation, limits, gate, Some((style, port)))
    }

    fn enclose(
        mut command: Command,
        isolation: &Isolation,
        limits: Limits,
        gate: Option<Gate>,
        by_inetd: Option<(Inetd, u16)>,
    ) -> Result<Self, Trouble> {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let (ends, teller) = match by_inetd {
            Some((Inetd::Wait { .. }, _)) => {
                let (ends, teller) = Ends::new()?;
                (Some(Rc::new(ends)), Some(teller))
            }
            _ => (None, None),
        };
        let (status, told) =
            pipe2(OFlag::O_CLOEXEC).map_err(|errno| Error::new("pipe2", errno as i32))?;
        let (own, supervisor) = (isolation.clone(), gate.as_ref().map(Gate::supervisor));
        let enter = move || {
            let_signals_in()?;
            // SAFETY: this is between fork and exec, where nothing else is to be done.
            unsafe { cell::split(&told, &limits, &own) }?;
            gate.as_ref().map_or(Ok(()), Gate::install)?;
            // SAFETY: this is between fork and exec; of the descriptors that it closes nobody has any use.
            by_inetd.map_or(Ok(()), |(style, port)| unsafe {
                inetd::serve(port, style, teller.as_ref())
            })
        };
        // SAFETY: `enter` makes system calls only; so does `Gate::install`, which says so.
        unsafe { command.pre_exec(enter) };
        // With `command` go our copies of the pipes' other ends.
        let mut keeper = spawn(command)?;
        let said = listen(&mut keeper);
        let above = cell::above(isolation);
        let pid = tree(keeper.id()).get(above).copied().unwrap_or(0);
        Ok(Self { keeper, said, pid, above, status, ended: None, ends, supervisor })
    }

    /// The process id of the command; 0 if it had ended before anybody could learn it, or a super-server hands its
    /// socket over and it does not run.
    pub fn pid(&self) -> u32 {
        match &self.ends {
            None => self.pid,
            Some(_) => tree(self.pid).get(1).copied().unwrap_or(0),
        }
    }

    /// Every process of it that is there, the command's own first.
    pub fn processes(&self) -> Vec<u32> {
        let all = self.everybody();
        if self.ends.is_none() {
            return all;
        }
        let mut own = tree(self.pid);
        let others = all.into_iter().filter(|pid| !own.contains(pid)).collect::<Vec<u32>>();
        own.remove(0);
        own.extend(others);
        own
    }

    /// Every process that is there, a super-server of ours included, which is the first.
    pub fn everybody(&self) -> Vec<u32> {
        let mut tree = tree(self.keeper.id());
        tree.split_off(self.above.min(tree.len()))
    }

    /// Where a super-server hands its socket over, how those have ended that it has started.
    pub fn ends(&self) -> Option<&Rc<Ends>> {
        self.ends.as_ref()
    }

    /// Its status, once it has ended; others that it started may still be there. A super-server's, where one is above.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            let mut word = [0; 4];
            let is_told = |patience| {
                let mut fds = [pollfd::new(&self.status, POLLIN)];
                wait(&mut fds, Deadline::after(patience)) == Ok(true)
            };
            // Whoever has ended seems to sleep until its keeper, who may wait for a CPU, has said so.
            let is_told = is_told(Duration::ZERO) || (self.is_over() && is_told(WORD));
            if is_told && read(&self.status, &mut word) == Ok(word.len()) {
                self.ended = Some(ExitStatus::from_raw(i32::from_ne_bytes(word)));
            }
        }
        self.ended
    }

    /// Whether none of its tasks is there any more.
    fn is_over(&self) -> bool {
        is_gone(self.pid) && !watch::tasks(&[self.pid]).iter().any(Task::lives)
    }

    /// Ends whatever is left of it, and returns what it wrote to each of its outputs, standard error last; of very
    /// much the beginning and the end.
    pub fn outputs(&mut self) -> Vec<Vec<u8>> {
        self.kill();
        self.said.drain(..).map(Output::whole).collect()
    }

    /// What it has written to each of its outputs so far, as far as that has been read.
    pub fn said(&self) -> Vec<Vec<u8>> {
        self.said.iter().map(Output::so_far).collect()
    }

    /// The last line that it has written to standard error so far.
    pub fn last_words(&self) -> Option<String> {
        let stderr = self.said.last()?;
        // What a process has written before its end may still be on its way; what others write does not end.
        let _ = until(SOON, || Ok(stderr.is_over().then_some(())));
        last_line(&stderr.so_far())
    }

    fn kill(&mut self) {
        // One that was being made while another was killed comes to light in the next look.
        loop {
            // Whoever starts others is killed before them.
            let processes = self.everybody();
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

    /// Waits until it listens, or has a UDP socket with a port, and rests; of several ports the one that is wanted. The time
    /// that it waits for a CPU or a disk which others have, or whoever answers at its gate or looks, does not count, up to nine
    /// times the patience.
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
        let mut end = Patience::of(patience, &self.everybody());
        let found = until(Duration::MAX, || {
            let has_ended = self.ended().is_some();
            let everybody = self.everybody();
            elsewhere = if has_ended { None } else { reached(&everybody, wanted.port)? };
            let is_it = |found: &Reached| !wanted.is_sure || found.addr.port() == wanted.port;
            let found = elsewhere.filter(is_it);
            let gate = self.supervisor.map_or(Duration::ZERO, watch::starved);
            let is_over = found.is_some() || has_ended || end.is_over(&everybody, gate);
            Ok(is_over.then_some(found))
        })?;
        let mut found = found.flatten();
        if found.is_some() {
            // Whoever makes himself a daemon ends in these moments; others open one more port.
            self.settle(patience.min(wanted.rest))?;
            found = reached(&self.everybody(), wanted.port)?.or(found);
        }
        if let Some(trouble) = self.gone() {
            return Err(trouble);
        }
        found.ok_or_else(|| match elsewhere {
            Some(Reached { addr, .. }) => {
                Trouble::Elsewhere { given: wanted.port, found: addr.port(), patience }
            }
            None => Trouble::Unreachable(patience),
        })
    }

    /// That the process that was started has ended, if it has, with or without all that it has started.
    pub fn gone(&mut self) -> Option<Trouble> {
        let status = self.ended()?;
        let is_all = self.everybody().iter().all(|&pid| is_gone(pid));
        Some(if is_all {
            Trouble::Ended(status, self.outputs().concat())
        } else {
            Trouble::Daemon(status)
        })
    }

    /// Whether every task of it sleeps in a call, or is stopped, or has ended.
    pub fn is_at_rest(&self) -> bool {
        watch::tasks(&self.everybody()).iter().all(Task::sleeps)
    }

    /// Waits until every task of it sleeps in a call, or is stopped, or has ended, at three looks in a row, and
    /// returns whether that happened in time.
    ///
    /// # Errors
    ///
    /// `EINTR` if the user wants an end.
    pub fn settle(&self, patience: Duration) -> crate::posix::Result<bool> {
        let (mut rested, mut end) = (0, Patience::of(patience, &self.everybody()));
        let settled = until(Duration::MAX, || {
            rested = if self.is_at_rest() { rested + 1 } else { 0 };
            let is_over = rested >= 3 || end.is_over(&self.everybody(), Duration::ZERO);
            Ok(is_over.then_some(rested >= 3))
        })?;
        Ok(settled == Some(true))
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        self.kill();
    }
}

/// For how long the last words of a process are waited for.
const SOON: Duration = Duration::from_millis(200);

/// And for how long the word of its keeper that it has ended.
const WORD: Duration = Duration::from_secs(5);

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

/// Whether a signal has stopped a process.
pub fn is_stopped(pid: u32) -> bool {
    watch::state(pid) == Some('T')
}

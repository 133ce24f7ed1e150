//! The designs that can be told apart, and socklab's names for them.

use std::fmt;

use crate::examine::protocol::Shape;
use crate::report::plural::counted;
use crate::subject::Inetd;

/// What stands behind the clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One client after the other.
    Iterative,
    /// A process for each client.
    Forked,
    /// A process for each client, with a program of its own.
    ForkExec,
    /// A thread for each client.
    Threaded,
    /// Worker processes, a client each.
    Preforked,
    /// Worker threads, a client each.
    Prethreaded,
    /// All clients are asked in turn, whether or not they have something to say.
    Nonblocking,
    /// `select()`.
    Select,
    /// `poll()`.
    Poll,
    /// `epoll`.
    Epoll,
    /// `io_uring`.
    IoUring,
    /// A loop of events, and threads that compute.
    Hybrid,
    /// Many clients at once in one task: how can't be seen.
    Events,
    /// Many clients at once, costly requests included: how can't be seen.
    Concurrent,
    /// As many clients as there are workers, of which kind can't be seen.
    Pool,
    /// No client can be held to see: the server ends the connection of one that says nothing.
    Unknown,
    /// One datagram after the other.
    Datagrams,
    /// Several datagrams with each call.
    DatagramBatches,
}

impl Kind {
    /// Whether one task has many clients.
    pub const fn is_loop(self) -> bool {
        matches!(
            self,
            Self::Nonblocking
                | Self::Select
                | Self::Poll
                | Self::Epoll
                | Self::IoUring
                | Self::Events
        )
    }

    /// Whether there are workers with a client each.
    pub const fn is_pool(self) -> bool {
        matches!(self, Self::Preforked | Self::Prethreaded | Self::Pool)
    }
}

/// How the workers of a pool come by their clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Each of them accepts; or how can't be seen.
    Each,
    /// Whoever has the lock of a file accepts.
    FileLock,
    /// Whoever has a mutex accepts.
    Mutex,
    /// One process accepts, and passes the sockets on to the others.
    Passed,
    /// One thread accepts, and the others take from its queue.
    Queued,
}

/// What the kernel shows of the tasks of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight {
    /// What each of them does.
    Calls,
    /// How many there are.
    Numbers,
    /// Nothing.
    Nothing,
}

/// A design as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Design {
    /// What it is.
    pub kind: Kind,
    /// How many clients it can have at once if they each take a worker; for loops, how many loops there are.
    pub workers: usize,
    /// Whether there are more workers than were counted.
    pub is_larger: bool,
    /// How the workers of a pool come by their clients.
    pub turn: Turn,
    /// How long it waits for a silent client at most, and what says so, if it has one client after the other.
    pub limit: Option<String>,
    /// On how many sockets it listens at its address.
    pub listeners: usize,
    /// Whether epoll tells it of changes only.
    pub is_edge_triggered: bool,
    /// Whether it ends after one request.
    pub is_single_use: bool,
    /// How a super-server of ours starts it, if one does.
    pub by_inetd: Option<Inetd>,
    /// Whether a connection can carry several requests.
    pub shape: Shape,
    /// What the kernel let be seen of its tasks.
    pub sight: Sight,
    /// What all that is concluded from.
    pub evidence: Vec<String>,
}

/// Where one task has all clients.
const LOOPS: &[&str] = &["nonblocking", "select", "poll", "epoll", "epoll_edge", "uring"];
/// Where several tasks have many clients each, or others compute.
const SEVERAL: &[&str] = &["epoll_shared", "reuseport", "hybrid"];
/// Where each client has a task.
const TASKS: &[&str] = &["forked", "inetd", "threaded"];
const PROCESSES: &[&str] =
    &["preforked", "preforked_fcntl", "preforked_mutex", "preforked_passing"];
const THREADS: &[&str] = &["prethreaded", "prethreaded_queue"];

impl Design {
    /// How it was found, in words.
    pub const fn method(&self) -> &'static str {
        match self.sight {
            Sight::Calls => "by what the kernel shows of its tasks",
            Sight::Numbers => {
                "by its clients and the number of its tasks: what its tasks do is hidden"
            }
            Sight::Nothing => "by its clients alone: its tasks are hidden",
        }
    }

    /// Whether a client takes a worker that is there already.
    pub fn is_pool_or_iterative(&self) -> bool {
        self.kind == Kind::Iterative || self.kind.is_pool()
    }

    /// Why one client must make others wait, if each takes a worker of its own.
    pub fn one_at_a_time(&self) -> Option<String> {
        let workers = self.workers;
        match self.kind {
            Kind::Iterative => Some(String::from("an iterative server has one client at a time")),
            kind if kind.is_pool() => {
                Some(format!("a pool of {workers} has {workers} clients at a time"))
            }
            _ => None,
        }
    }

    /// Why a costly request must make others wait, if that is its design.
    pub fn computes_in_turn(&self) -> Option<String> {
        let of_loop = "a loop of events computes in the task that serves everybody else";
        self.one_at_a_time().or_else(|| self.kind.is_loop().then(|| String::from(of_loop)))
    }

    /// The names of socklab's designs that it is, as far as can be seen: several where it adds something to another
    /// design, which it still is, or where what tells them apart is hidden.
    pub fn names(&self) -> Vec<&'static str> {
        let is_hidden = self.sight != Sight::Calls;
        match self.kind {
            Kind::Iterative if self.limit.is_some() || is_hidden => vec!["iterative", "timeout"],
            Kind::Iterative => vec!["iterative"],
            Kind::Forked => vec!["forked"],
            Kind::ForkExec => vec!["inetd"],
            Kind::Threaded => vec!["threaded"],
            Kind::Preforked if is_hidden => PROCESSES.to_vec(),
            Kind::Preforked => self.taking_turns(),
            Kind::Prethreaded if is_hidden || self.turn == Turn::Queued => THREADS.to_vec(),
            Kind::Prethreaded => vec!["prethreaded"],
            Kind::Nonblocking => vec!["nonblocking"],
            Kind::Select => vec!["select"],
            Kind::Poll => vec!["poll"],
            Kind::Epoll if self.listeners > 1 => vec!["reuseport"],
            Kind::Epoll if self.workers > 1 => vec!["epoll_shared"],
            Kind::Epoll if self.is_edge_triggered => vec!["epoll", "epoll_edge"],
            // There it has the one worker that it should have.
            Kind::Epoll if cpus() == 1 => vec!["epoll", "epoll_shared", "reuseport"],
            Kind::Epoll => vec!["epoll"],
            Kind::IoUring => vec!["uring"],
            Kind::Hybrid => vec!["hybrid"],
            Kind::Events | Kind::Concurrent if !is_hidden => Vec::new(),
            Kind::Unknown => Vec::new(),
            Kind::Events if self.sight == Sight::Nothing => [LOOPS, SEVERAL].concat(),
            Kind::Events if self.listeners > 1 => vec!["reuseport"],
            Kind::Events if self.workers > 1 => vec!["epoll_shared"],
            Kind::Events => LOOPS.to_vec(),
            Kind::Concurrent => [TASKS, SEVERAL].concat(),
            Kind::Pool => [PROCESSES, THREADS].concat(),
            Kind::Datagrams if self.is_single_use => vec!["udp_single"],
            Kind::Datagrams if is_hidden => vec!["udp_iterative", "udp_batch"],
            Kind::Datagrams => vec!["udp_iterative"],
            Kind::DatagramBatches => vec!["udp_batch"],
        }
    }

    /// The names of a pool of processes.
    fn taking_turns(&self) -> Vec<&'static str> {
        match self.turn {
            Turn::FileLock => vec!["preforked", "preforked_fcntl"],
            Turn::Mutex => vec!["preforked", "preforked_mutex"],
            Turn::Passed => vec!["preforked", "preforked_passing"],
            // Nobody waits for a turn that is always theirs.
            Turn::Each if self.workers == 1 => {
                vec!["preforked", "preforked_fcntl", "preforked_mutex"]
            }
            Turn::Each | Turn::Queued => vec!["preforked"],
        }
    }
}

/// How many CPUs there are to be had.
pub(super) fn cpus() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

impl fmt::Display for Design {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at_least = if self.is_larger { "at least " } else { "" };
        let some = |one, many| format!("{at_least}{}", counted(self.workers, one, many));
        match self.kind {
            Kind::Iterative => write!(f, "iterative"),
            Kind::Forked => write!(f, "forked: a process for each client"),
            Kind::ForkExec => write!(f, "fork and exec: a program for each client"),
            Kind::Threaded => write!(f, "threaded: a thread for each client"),
            Kind::Preforked => write!(f, "preforked: a pool of {}", some("process", "processes")),
            Kind::Prethreaded => write!(f, "prethreaded: a pool of {}", some("thread", "threads")),
            Kind::Pool => write!(f, "a pool of {}", some("worker", "workers")),
            Kind::Nonblocking => write!(f, "nonblocking: it asks all clients in turn"),
            Kind::Select => write!(f, "select"),
            Kind::Poll => write!(f, "poll"),
            Kind::Epoll => write!(f, "epoll"),
            Kind::IoUring => write!(f, "io_uring"),
            Kind::Hybrid => {
                let threads = some("thread that computes", "threads that compute");
                write!(f, "hybrid: a loop, and {threads}")
            }
            Kind::Events => write!(f, "a loop of events"),
            Kind::Concurrent => write!(f, "concurrent: a task for each client"),
            Kind::Unknown => write!(f, "not known"),
            Kind::Datagrams => write!(f, "iterative, over UDP"),
            Kind::DatagramBatches => write!(f, "iterative, over UDP, several datagrams a call"),
        }?;
        match self.turn {
            Turn::Each => {}
            Turn::FileLock => write!(f, ", taking turns by the lock of a file")?,
            Turn::Mutex => write!(f, ", taking turns by a mutex")?,
            Turn::Passed => write!(f, ", which are passed their clients by another one")?,
            Turn::Queued => write!(f, ", which take their clients from a queue")?,
        }
        if self.limit.is_some() {
            write!(f, ", with a time limit")?;
        }
        if self.kind.is_loop() && self.workers > 1 {
            write!(f, ", {} loops", self.workers)?;
        }
        if self.listeners > 1 {
            write!(f, ", {} listening sockets (SO_REUSEPORT)", self.listeners)?;
        }
        if self.is_edge_triggered {
            write!(f, ", edge-triggered")?;
        }
        if self.is_single_use {
            write!(f, ", serves once")?;
        }
        match self.by_inetd {
            Some(Inetd::Nowait) => write!(f, ", by inetd"),
            Some(Inetd::Wait { .. }) => write!(f, ", started by inetd (wait)"),
            None => Ok(()),
        }
    }
}

//! The server under study, while a check has it: its clients, what the kernel shows of it, whether it is well.

mod connecting;
mod health;
mod signals;
mod sockets;
mod started;
mod waiting;

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use super::Trouble;
use super::log::Log;
use super::protocol::Protocol;
use crate::subject::watch::{self, Task};
use crate::subject::{Ending, Reached, Running, Subject};

pub use health::Probe;
pub(in crate::examine) use health::{scene, spinning};
pub use waiting::Came;
pub(in crate::examine) use waiting::{IN_VAIN, Sleep, turn};

/// What there is of the server.
pub(super) enum Held {
    /// A command of ours, which ends with this.
    Own(RefCell<Subject>),
    /// Somebody else's, which is let alone.
    Running(Rc<Running>),
}

/// A running server.
pub struct Server {
    held: Held,
    /// Where it is reached.
    pub addr: SocketAddr,
    /// TCP, or else UDP.
    pub is_tcp: bool,
    /// The transcript of the check.
    pub log: Log,
    /// What is said to it.
    pub protocol: Rc<Protocol>,
    /// How long an answer may take.
    pub patience: Duration,
    /// Whether its system calls go through a gate.
    is_gated: bool,
    /// Whether it never sleeps, whatever is done: then nothing that is done makes it spin.
    is_restless: bool,
    /// Whether a super-server starts it that it is to outlast more than one client of.
    is_lasting: bool,
    /// How often it had ended when it was asked to.
    asked: Cell<Option<usize>>,
    /// Whether its end is no news: it has got a signal of ours, or is not the one that is examined.
    may_end: Cell<bool>,
}

/// Between the end of a process's connections and its own.
pub(in crate::examine) const MOMENT: Duration = Duration::from_secs(1);

impl Drop for Server {
    /// Whoever only finds that what he waits for does not come is told why.
    fn drop(&mut self) {
        if self.may_end.get() {
            return;
        }
        let dying =
            if !self.is_started_again() && self.is_dying() { MOMENT } else { Duration::ZERO };
        if let Ok(Some(ending)) = self.until_ended(dying) {
            self.log.note_death(Some(self.death(ending)));
        }
    }
}

impl Server {
    pub(super) fn new(
        held: Held,
        reached: Reached,
        log: Log,
        protocol: Rc<Protocol>,
        patience: Duration,
        is_gated: bool,
    ) -> Self {
        let Reached { addr, is_tcp } = reached;
        log.note_death(None);
        let (is_restless, is_lasting) = (false, false);
        let (asked, may_end) = (Cell::new(None), Cell::new(false));
        Self {
            held,
            addr,
            is_tcp,
            log,
            protocol,
            patience,
            is_gated,
            is_restless,
            is_lasting,
            asked,
            may_end,
        }
    }

    /// The same, known to spin from its start on.
    pub(super) fn restless(mut self, is_restless: bool) -> Self {
        self.is_restless = is_restless;
        self
    }

    /// The same, which is not the one that is examined.
    pub(super) fn beside(self) -> Self {
        self.may_end.set(true);
        self
    }

    /// The same, known to stay for its next client where it is one that is started again.
    pub(super) fn lasting(mut self, is_lasting: bool) -> Self {
        self.is_lasting = is_lasting;
        self
    }

    /// The process that was started, or that runs.
    pub fn pid(&self) -> u32 {
        match &self.held {
            Held::Own(subject) => subject.borrow().pid(),
            Held::Running(running) => running.pid,
        }
    }

    /// All its processes.
    pub fn processes(&self) -> Vec<u32> {
        match &self.held {
            Held::Own(subject) => subject.borrow().processes(),
            Held::Running(running) => running.processes(),
        }
    }

    /// All processes that are busy for it: a super-server that starts it is none of its own.
    fn everybody(&self) -> Vec<u32> {
        match &self.held {
            Held::Own(subject) => subject.borrow().everybody(),
            Held::Running(running) => running.processes(),
        }
    }

    /// All tasks of all its processes.
    pub fn tasks(&self) -> Vec<Task> {
        watch::tasks(&self.processes())
    }

    /// How it has ended, if the process that was started has; of one that is started again, if that was no ordinary end.
    pub fn ended(&self) -> Option<Ending> {
        match &self.held {
            Held::Own(subject) => {
                self.untimely().or_else(|| subject.borrow_mut().ended().map(Ending::Status))
            }
            Held::Running(running) => running.ended(),
        }
    }

    /// An error if the process that was started has ended before anything was asked of it: on a busy machine whoever goes
    /// on in the background is found to listen before that.
    ///
    /// # Errors
    ///
    /// How it has ended.
    pub(super) fn stays(&self) -> Result<(), Trouble> {
        let gone = match &self.held {
            Held::Own(subject) => subject.borrow_mut().gone(),
            Held::Running(_) => None,
        };
        gone.map_or(Ok(()), |trouble| Err(trouble.into()))
    }

    /// Whether it was started by us, and can be stopped.
    pub fn is_ours(&self) -> bool {
        matches!(self.held, Held::Own(_))
    }

    /// Whether the process that was started is about to end: it can't be asked any more.
    fn is_dying(&self) -> bool {
        let processes = self.processes();
        let are_seen = processes.iter().any(|&pid| watch::descriptor_count(pid) > 0);
        watch::is_ending(self.pid()) || are_seen && watch::sockets(&processes).is_empty()
    }
}

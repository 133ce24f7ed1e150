//! The server under study, while a check has it: its clients, what the kernel shows of it, whether it is well.

mod health;
mod sockets;
mod started;

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::Trouble;
use super::client::{Answer, Client, End, Manner};
use super::log::Log;
use super::protocol::Protocol;
use crate::posix::signal::{SIGCONT, SIGINT, SIGKILL, SIGSTOP, SIGTERM, kill};
use crate::subject::limit::Naps;
use crate::subject::watch::{self, Task};
use crate::subject::{Ending, Reached, Running, Subject, until};

pub use health::Probe;
pub(in crate::examine) use health::{scene, spinning};

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

/// What came first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Came {
    /// What was waited for.
    Event,
    /// Nothing: every task of the server sleeps.
    Rest,
}

/// For how long a server has to sleep beside an unanswered request until it is stuck: one that looks at its
/// clients now and then does so more often.
const STUCK: Duration = Duration::from_millis(400);
/// And how often in a row it has to be seen asleep: a machine that is busy elsewhere may let few looks happen.
const LOOKS: u32 = 60;

/// Between the end of a process's connections and its own.
pub(in crate::examine) const MOMENT: Duration = Duration::from_secs(1);

/// For how long one that never sleeps is waited for.
pub(in crate::examine) const IN_VAIN: Duration = Duration::from_millis(100);

/// Since when, and in how many looks in a row, a server has slept.
#[derive(Default)]
pub(in crate::examine) struct Sleep {
    since: Option<(Instant, u32)>,
    naps: Naps,
    /// Whether somebody was still to go on at the last look.
    is_nap: bool,
}

impl Sleep {
    /// One more look; whether it has slept for so long that nothing more will come of it. Whoever only lets time pass
    /// goes on within the patience, and is waited for.
    pub(in crate::examine) fn is_long(
        &mut self,
        is_asleep: bool,
        tasks: impl FnOnce() -> Vec<Task>,
        patience: Duration,
    ) -> bool {
        let (since, looks) = self.since.unwrap_or((Instant::now(), 0));
        self.since = is_asleep.then_some((since, looks + 1));
        if !is_asleep || since.elapsed() < STUCK || looks + 1 < LOOKS {
            return false;
        }
        let was_nap = std::mem::replace(&mut self.is_nap, !self.naps.are_over(&tasks(), patience));
        if was_nap && !self.is_nap {
            // What it does now is yet to be seen.
            self.since = None;
        }
        !was_nap && !self.is_nap
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

    /// An error if it isn't.
    fn own(&self) -> Result<(), Trouble> {
        match &self.held {
            Held::Own(_) => Ok(()),
            Held::Running(_) => Err(Trouble::Blocked(String::from(
                "a server that isn't ours gets no signal: start it by the examiner for this",
            ))),
        }
    }

    /// Whether the process that was started is about to end: it can't be asked any more.
    fn is_dying(&self) -> bool {
        let processes = self.processes();
        let are_seen = processes.iter().any(|&pid| watch::descriptor_count(pid) > 0);
        watch::is_ending(self.pid()) || are_seen && watch::sockets(&processes).is_empty()
    }

    /// Waits until the process that was started has ended.
    ///
    /// # Errors
    ///
    /// Those of waiting.
    pub fn until_ended(&self, patience: Duration) -> Result<Option<Ending>, Trouble> {
        Ok(until(patience, || Ok(self.ended()))?)
    }

    /// Sends a signal to the process that was started.
    ///
    /// # Errors
    ///
    /// Those of `kill`.
    pub fn signal(&self, signum: i32) -> Result<(), Trouble> {
        let living = self.living()?;
        self.is_asked_by(signum);
        Ok(kill(living, signum)?)
    }

    /// Sends a signal to its process group, as a terminal does.
    ///
    /// # Errors
    ///
    /// Those of `kill`.
    pub fn signal_group(&self, signum: i32) -> Result<(), Trouble> {
        // Whoever has started it has made it the leader of a session, and so of a group.
        let living = self.living()?;
        self.is_asked_by(signum);
        Ok(kill(-living, signum)?)
    }

    fn is_asked_by(&self, signum: i32) {
        if [SIGINT, SIGTERM, SIGKILL].contains(&signum) {
            self.is_asked();
        }
    }

    fn living(&self) -> Result<i32, Trouble> {
        self.own()?;
        self.may_end.set(true);
        match (self.pid(), self.ended()) {
            (pid @ 1.., None) => Ok(pid as i32),
            _ => Err(Trouble::Broken(String::from("the server has ended before the signal"))),
        }
    }

    /// Connects a client.
    ///
    /// # Errors
    ///
    /// [`Trouble::Broken`] if the server does not take it, [`Trouble::Died`] if it has ended.
    pub fn connect(&self) -> Result<Client, Trouble> {
        match (self.connect_as(Manner::default())?, self.ended()) {
            (Some(client), _) => Ok(client),
            (None, Some(ending)) => Err(Trouble::Died(self.died(ending))),
            // The kernel closes the port before it tells of the end.
            (None, None) if self.listeners()?.is_empty() => {
                match self.until_ended(self.patience.min(Duration::from_secs(1)))? {
                    Some(ending) => Err(Trouble::Died(self.died(ending))),
                    None => {
                        Err(Trouble::Broken(String::from("the server does not listen any more")))
                    }
                }
            }
            (None, None) => Err(Trouble::Broken(String::from("a client could not connect"))),
        }
    }

    /// Connects a client that is special; `None` if the server does not take it.
    ///
    /// # Errors
    ///
    /// Those of the calls.
    pub fn connect_as(&self, manner: Manner) -> Result<Option<Client>, Trouble> {
        Client::connect(self.addr, self.is_tcp, manner, &self.log, self.patience)
    }

    /// Connects a client to another address; `None` if nobody takes it.
    ///
    /// # Errors
    ///
    /// Those of the calls.
    pub fn connect_to(&self, addr: SocketAddr) -> Result<Option<Client>, Trouble> {
        Client::connect(addr, self.is_tcp, Manner::default(), &self.log, self.patience)
    }

    /// A client that begins to connect, of which nothing is waited for; `None` if the port is closed.
    ///
    /// # Errors
    ///
    /// Those of the calls.
    pub fn begin_connect(&self) -> Result<Option<Client>, Trouble> {
        Client::begin(self.addr, self.is_tcp, Manner::default(), &self.log, self.patience)
    }

    /// Connects a client and waits until the server has accepted it.
    ///
    /// # Errors
    ///
    /// [`Trouble::Broken`] if it does not.
    pub fn connect_accepted(&self) -> Result<Client, Trouble> {
        let client = self.connect()?;
        if !self.until_accepted(&client)? {
            let mut what = format!("{} was never accepted", client.name());
            what.extend(self.stopped().map(|stopped| format!(": {stopped}")));
            return Err(Trouble::Broken(what));
        }
        Ok(client)
    }

    /// Connects a client, and sees whether the server takes it, or rests without having done so.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect), and what asking the kernel fails with.
    pub fn connect_if_taken(&self) -> Result<(Client, bool), Trouble> {
        let client = self.connect()?;
        let is_taken = || Ok(self.is_accepted(&client)? || client.is_told()?);
        self.until_or_at_rest(self.patience, 40, is_taken)?;
        let is_taken = is_taken()?;
        Ok((client, is_taken))
    }

    /// Waits until a client is accepted, or is told something; false once the patience is over.
    ///
    /// # Errors
    ///
    /// What asking the kernel fails with.
    pub fn until_accepted(&self, client: &Client) -> Result<bool, Trouble> {
        self.until(|| Ok(self.is_accepted(client)? || client.is_told()?))
    }

    /// Waits until something is so; false once the patience is over.
    ///
    /// # Errors
    ///
    /// Those of looking.
    pub fn until(&self, is_so: impl FnMut() -> Result<bool, Trouble>) -> Result<bool, Trouble> {
        self.until_within(self.patience, is_so)
    }

    /// As [`until`](Self::until), with another patience.
    ///
    /// # Errors
    ///
    /// Those of looking.
    pub fn until_within(
        &self,
        patience: Duration,
        mut is_so: impl FnMut() -> Result<bool, Trouble>,
    ) -> Result<bool, Trouble> {
        let mut trouble = None;
        let found = until(patience, || match is_so() {
            Ok(is_so) => Ok(is_so.then_some(())),
            Err(error) => {
                trouble = Some(error);
                Ok(Some(()))
            }
        })?;
        match trouble {
            Some(trouble) => Err(trouble),
            None => Ok(found.is_some()),
        }
    }

    /// Waits until something is so; false once every task has slept for so long that nothing more will come of
    /// it, or the patience is over.
    ///
    /// # Errors
    ///
    /// Those of looking.
    pub fn until_or_stuck(
        &self,
        mut is_so: impl FnMut() -> Result<bool, Trouble>,
    ) -> Result<bool, Trouble> {
        let (mut found, mut sleep) = (false, Sleep::default());
        self.until(|| {
            found = is_so()?;
            Ok(found || self.is_long(&mut sleep))
        })?;
        // It may have become so while it was seen asleep.
        Ok(found || is_so()?)
    }

    /// What a client is told until the server ends the connection, or every task has slept for so long that nothing more
    /// will come of it, or the patience is over.
    ///
    /// # Errors
    ///
    /// Those of the calls.
    pub fn last_answer(&self, client: &mut Client) -> Result<Answer, Trouble> {
        self.until_or_stuck(|| Ok(client.take()?.end != End::Open))?;
        client.take()
    }

    fn is_long(&self, sleep: &mut Sleep) -> bool {
        sleep.is_long(self.is_at_rest(), || self.tasks(), self.patience)
    }

    /// Waits until whoever only lets time pass, as after an error, has gone on.
    ///
    /// # Errors
    ///
    /// Those of waiting.
    pub fn until_awake(&self) -> Result<(), Trouble> {
        let mut naps = Naps::default();
        self.until(|| Ok(naps.are_over(&self.tasks(), self.patience)))?;
        Ok(())
    }

    /// Whether every task sleeps.
    pub fn is_at_rest(&self) -> bool {
        let rests = |task: &Task| task.sleeps() && !(self.is_gated && task.is_held());
        watch::tasks(&self.everybody()).iter().all(rests)
    }

    /// Waits until every task sleeps, several looks in a row; false if some never do.
    ///
    /// # Errors
    ///
    /// Those of waiting.
    pub fn until_at_rest(&self) -> Result<bool, Trouble> {
        self.until_at_rest_for(5, self.patience)
    }

    /// Gives it a moment to come to rest, if it ever does: what is begun when it starts is done then.
    ///
    /// # Errors
    ///
    /// Those of waiting.
    pub fn settles(&self) -> Result<(), Trouble> {
        self.until_at_rest_for(5, self.patience.min(Duration::from_secs(1)))?;
        Ok(())
    }

    /// As [`until_at_rest`](Self::until_at_rest), with another number of looks and another patience.
    ///
    /// # Errors
    ///
    /// Those of waiting.
    pub fn until_at_rest_for(&self, looks: u32, patience: Duration) -> Result<bool, Trouble> {
        let patience = if self.is_restless { patience.min(IN_VAIN) } else { patience };
        Ok(self.until_or_at_rest(patience, looks, || Ok(false))? == Some(Came::Rest))
    }

    /// Waits until something is so, or every task has slept in so many looks in a row, whichever comes first;
    /// `None` if the time is over before either.
    ///
    /// # Errors
    ///
    /// Those of looking.
    pub fn until_or_at_rest(
        &self,
        patience: Duration,
        looks: u32,
        mut is_so: impl FnMut() -> Result<bool, Trouble>,
    ) -> Result<Option<Came>, Trouble> {
        let (mut rested, mut came) = (0, None);
        self.until_within(patience, || {
            if is_so()? {
                came = Some(Came::Event);
            } else {
                rested = if self.is_at_rest() { rested + 1 } else { 0 };
                came = (rested >= looks).then_some(Came::Rest);
            }
            Ok(came.is_some())
        })?;
        Ok(came)
    }

    /// Lets time pass, where that is what is measured.
    ///
    /// # Errors
    ///
    /// Those of waiting.
    pub fn pass(&self, time: Duration) -> Result<(), Trouble> {
        crate::subject::wait_for(&mut Vec::new(), crate::net::Deadline::after(time))?;
        Ok(())
    }

    /// Stops all its processes, does something, and lets them go on.
    ///
    /// # Errors
    ///
    /// Those of `body`; [`Trouble::Broken`] if they can't be stopped, [`Trouble::Blocked`] if they aren't ours.
    pub fn while_stopped<T>(
        &self,
        body: impl FnOnce() -> Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        self.own()?;
        let processes = self.everybody();
        for &pid in &processes {
            kill(pid as i32, SIGSTOP)?;
        }
        let are_stopped = || {
            watch::tasks(&processes)
                .iter()
                .all(|task| matches!(watch::state(task.tid), None | Some('T' | 'Z' | 'X')))
        };
        let stopped = self.until(|| Ok(are_stopped()))?;
        let result = if stopped {
            body()
        } else {
            Err(Trouble::Broken("the server could not be stopped".into()))
        };
        for &pid in &processes {
            // It may have been killed meanwhile.
            let _ = kill(pid as i32, SIGCONT);
        }
        result
    }

    /// Kills one of its processes.
    ///
    /// # Errors
    ///
    /// Those of `kill`.
    pub fn kill(&self, pid: u32) -> Result<(), Trouble> {
        self.own()?;
        self.may_end.set(true);
        self.log.say(format!("process {pid} is killed"));
        Ok(kill(pid as i32, SIGKILL)?)
    }
}

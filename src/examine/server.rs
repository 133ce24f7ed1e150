//! The server under study, while a check has it: its clients, what the kernel shows of it, whether it is well.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::process::ExitStatus;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::client::{Answer, Client, End, Manner};
use super::log::Log;
use super::protocol::Protocol;
use super::{Outcome, Trouble};
use crate::linux::sock_diag::{EVERY_STATE, dump, inet_diag_msg, sock_diag, state};
use crate::linux::tcp_info::TCP_LISTEN;
use crate::net::family;
use crate::posix::netinet_in::{IPPROTO_TCP, IPPROTO_UDP};
use crate::posix::signal::{SIGKILL, kill};
use crate::report::Verdict;
use crate::subject::watch::{self, Doing, Task};
use crate::subject::{Reached, Subject, until};

/// A running server.
pub struct Server {
    subject: RefCell<Subject>,
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
}

/// What became of a good request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// The right answer.
    Right,
    /// Another answer, or none before the end.
    Wrong(Answer),
    /// Nothing: every task of the server sleeps, and the request lies there.
    Stuck(String),
    /// Nothing in time, though the server does something.
    Late,
    /// Nobody listens.
    Refused,
}

/// What came first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Came {
    /// What was waited for.
    Event,
    /// Nothing: every task of the server sleeps.
    Rest,
}

impl Probe {
    /// In words, for a report.
    pub fn words(&self) -> String {
        match self {
            Self::Right => String::from("answered"),
            Self::Wrong(answer) => format!("answered with {}", answer.words()),
            Self::Stuck(what) => format!("not answered: {what}"),
            Self::Late => String::from("not answered in time"),
            Self::Refused => String::from("not connected: nobody listens any more"),
        }
    }
}

/// For how long a server has to sleep beside an unanswered request until it is stuck: one that looks at its
/// clients now and then does so more often.
const STUCK: Duration = Duration::from_millis(400);
/// And how often in a row it has to be seen asleep: a machine that is busy elsewhere may let few looks happen.
const LOOKS: u32 = 60;
/// Since when, and in how many looks in a row, a server has slept.
#[derive(Default)]
struct Sleep(Option<(Instant, u32)>);

impl Sleep {
    /// One more look; whether it has slept for so long that nothing more will come of it.
    fn is_long(&mut self, is_asleep: bool) -> bool {
        let (since, looks) = self.0.unwrap_or((Instant::now(), 0));
        self.0 = is_asleep.then_some((since, looks + 1));
        is_asleep && since.elapsed() >= STUCK && looks + 1 >= LOOKS
    }
}

/// For how long a server is watched that does not come to rest.
const WATCH: Duration = Duration::from_millis(300);

impl Server {
    pub(super) fn new(
        subject: Subject,
        reached: Reached,
        log: Log,
        protocol: Rc<Protocol>,
        patience: Duration,
        is_gated: bool,
    ) -> Self {
        let Reached { addr, is_tcp } = reached;
        Self { subject: RefCell::new(subject), addr, is_tcp, log, protocol, patience, is_gated }
    }

    /// The process that was started.
    pub fn pid(&self) -> u32 {
        self.subject.borrow().pid()
    }

    /// All its processes.
    pub fn processes(&self) -> Vec<u32> {
        self.subject.borrow().processes()
    }

    /// All tasks of all its processes.
    pub fn tasks(&self) -> Vec<Task> {
        watch::tasks(&self.processes())
    }

    /// Its status, if the process that was started has ended.
    pub fn ended(&self) -> Option<ExitStatus> {
        self.subject.borrow_mut().ended()
    }

    /// Waits until the process that was started has ended.
    ///
    /// # Errors
    ///
    /// Those of waiting.
    pub fn until_ended(&self, patience: Duration) -> Result<Option<ExitStatus>, Trouble> {
        Ok(until(patience, || Ok(self.ended()))?)
    }

    /// Sends a signal to the process that was started.
    ///
    /// # Errors
    ///
    /// Those of `kill`.
    pub fn signal(&self, signum: i32) -> Result<(), Trouble> {
        Ok(kill(self.living()?, signum)?)
    }

    /// Sends a signal to its process group, as a terminal does.
    ///
    /// # Errors
    ///
    /// Those of `kill`.
    pub fn signal_group(&self, signum: i32) -> Result<(), Trouble> {
        // The cell has made it the leader of a session, and so of a group.
        Ok(kill(-self.living()?, signum)?)
    }

    fn living(&self) -> Result<i32, Trouble> {
        match (self.pid(), self.ended()) {
            (pid @ 1.., None) => Ok(pid as i32),
            _ => Err(Trouble::Broken(String::from("the server has ended before the signal"))),
        }
    }

    /// Ends it and all its processes, and returns the end of what it has written.
    pub fn last_words(self) -> String {
        self.subject.into_inner().last_words()
    }

    /// Connects a client.
    ///
    /// # Errors
    ///
    /// [`Trouble::Broken`] if the server does not take it, [`Trouble::Died`] if it has ended.
    pub fn connect(&self) -> Result<Client, Trouble> {
        match (self.connect_as(Manner::default())?, self.ended()) {
            (Some(client), _) => Ok(client),
            (None, Some(status)) => Err(Trouble::Died(status)),
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
            return Err(Trouble::Broken(format!("{} was never accepted", client.name())));
        }
        Ok(client)
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
            Ok(found || sleep.is_long(self.is_at_rest()))
        })?;
        Ok(found)
    }

    /// Its sockets as the kernel lists them: those that listen, or of UDP all.
    ///
    /// # Errors
    ///
    /// What asking the kernel fails with.
    pub fn listeners(&self) -> Result<Vec<inet_diag_msg>, Trouble> {
        let wanted = if self.is_tcp { state(TCP_LISTEN) } else { EVERY_STATE };
        let rows = self.rows(wanted)?;
        Ok(rows.into_iter().filter(|row| row.idiag_sport == self.addr.port().to_be()).collect())
    }

    /// The sockets that it has on its port over IPv4 or IPv6: those that listen, or of UDP all.
    ///
    /// # Errors
    ///
    /// What asking the kernel fails with.
    pub fn listeners_of(&self, family: i32) -> Result<Vec<inet_diag_msg>, Trouble> {
        let (wanted, protocol) =
            if self.is_tcp { (state(TCP_LISTEN), IPPROTO_TCP) } else { (EVERY_STATE, IPPROTO_UDP) };
        let kernel = sock_diag()?;
        let own = watch::sockets(&self.processes());
        let port = self.addr.port().to_be();
        let mut rows = Vec::new();
        // A kernel without IPv6 has none of its sockets.
        let _ = dump(&kernel, family, protocol, wanted, |row| {
            if row.idiag_sport == port && (own.is_empty() || own.contains(&row.idiag_inode)) {
                rows.push(*row);
            }
        });
        Ok(rows)
    }

    /// Of UDP, what has come and is not read yet, in bytes with what the kernel adds.
    ///
    /// # Errors
    ///
    /// What asking the kernel fails with.
    pub fn waiting_bytes(&self) -> Result<u32, Trouble> {
        Ok(self.listeners()?.iter().map(|row| row.idiag_rqueue).sum())
    }

    /// Its ends of connections, and those of clients that wait to be accepted (their inode is 0).
    ///
    /// # Errors
    ///
    /// What asking the kernel fails with.
    pub fn connections(&self) -> Result<Vec<inet_diag_msg>, Trouble> {
        let rows = self.rows(EVERY_STATE & !state(TCP_LISTEN))?;
        let port = self.addr.port().to_be();
        Ok(rows.into_iter().filter(|row| row.idiag_sport == port && row.idiag_dport != 0).collect())
    }

    fn rows(&self, states: u32) -> Result<Vec<inet_diag_msg>, Trouble> {
        let kernel = sock_diag()?;
        let protocol = if self.is_tcp { IPPROTO_TCP } else { IPPROTO_UDP };
        let mut rows = Vec::new();
        dump(&kernel, family(&self.addr), protocol, states, |row| rows.push(*row))?;
        Ok(rows)
    }

    /// The server's end of a client's connection.
    ///
    /// # Errors
    ///
    /// What asking the kernel fails with.
    pub fn row(&self, client: &Client) -> Result<Option<inet_diag_msg>, Trouble> {
        let port = client.addr.port().to_be();
        Ok(self.connections()?.into_iter().find(|row| row.idiag_dport == port))
    }

    /// Whether a client is accepted: until then the kernel's row of it is nobody's.
    ///
    /// # Errors
    ///
    /// What asking the kernel fails with.
    pub fn is_accepted(&self, client: &Client) -> Result<bool, Trouble> {
        Ok(self.row(client)?.is_some_and(|row| row.idiag_inode != 0))
    }

    /// Whether the server has read all that a client has sent.
    ///
    /// # Errors
    ///
    /// What asking the kernel fails with.
    pub fn has_read(&self, client: &Client) -> Result<bool, Trouble> {
        let rows = self.rows(EVERY_STATE & !state(TCP_LISTEN))?;
        let (ours, theirs) = (client.addr.port().to_be(), self.addr.port().to_be());
        let end = |from, to| {
            rows.iter().find(move |row| row.idiag_sport == from && row.idiag_dport == to)
        };
        // What has not arrived does not lie there unread.
        let has_arrived = end(ours, theirs).is_some_and(|row| row.idiag_wqueue == 0);
        let is_read = |row: &inet_diag_msg| row.idiag_inode != 0 && row.idiag_rqueue == 0;
        Ok(has_arrived && end(theirs, ours).is_some_and(is_read))
    }

    /// The tasks that are blocked in a call on a client's connection, with what the kernel says of them.
    ///
    /// # Errors
    ///
    /// What asking the kernel fails with.
    pub fn held_by(&self, client: &Client) -> Result<Option<String>, Trouble> {
        let Some(inode) = self.row(client)?.map(|row| row.idiag_inode).filter(|&inode| inode != 0)
        else {
            return Ok(None);
        };
        for task in self.tasks() {
            let Doing::Blocked(call) = task.doing() else { continue };
            if !call.is(&[
                "read", "readv", "recvfrom", "recvmsg", "sendto", "sendmsg", "write", "writev",
            ]) {
                continue;
            }
            let fds = watch::descriptors(task.pid);
            if fds
                .iter()
                .any(|(fd, link)| *fd == call.fd() && watch::socket_in(link) == Some(inode))
            {
                let port = client.addr.port();
                return Ok(Some(format!(
                    "task {} is blocked in {call} on the client of port {port}",
                    task.tid
                )));
            }
        }
        Ok(None)
    }

    /// Whether every task sleeps.
    pub fn is_at_rest(&self) -> bool {
        let rests = |task: &Task| task.sleeps() && !(self.is_gated && task.is_held());
        self.tasks().iter().all(rests)
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

    /// What each task of it is doing, a line each.
    pub fn scene(&self) -> Vec<String> {
        let line = |task: Task| {
            let doing = match task.doing() {
                Doing::Running => String::from("is running"),
                Doing::Blocked(call) => format!("is blocked in {call}"),
                Doing::Elsewhere => String::from("is stopped"),
                Doing::Ended => return None,
                Doing::Hidden => String::from("may not be looked at"),
            };
            Some(format!("task {} {doing}", task.tid))
        };
        self.tasks().into_iter().filter_map(line).take(20).collect()
    }

    /// Sends a request on a new connection and returns what became of it.
    ///
    /// # Errors
    ///
    /// Those of the calls.
    pub fn probe(&self) -> Result<Probe, Trouble> {
        let Some(mut client) = self.connect_as(Manner::default())? else {
            return Ok(Probe::Refused);
        };
        client.send(&self.protocol.request)?;
        self.outcome(&mut client)
    }

    /// What became of the request that a client has sent.
    ///
    /// # Errors
    ///
    /// Those of the calls.
    pub fn outcome(&self, client: &mut Client) -> Result<Probe, Trouble> {
        let begun = Instant::now();
        let mut sleep = Sleep::default();
        while begun.elapsed() < self.patience {
            if let Some(answer) = client.hear(Duration::from_millis(2))? {
                if self.protocol.is_right(&answer.bytes) {
                    return Ok(Probe::Right);
                }
                if answer.end == End::Reset
                    && answer.bytes.is_empty()
                    && self.listeners()?.is_empty()
                {
                    return Ok(Probe::Refused);
                }
                if answer.end != End::Open {
                    return Ok(Probe::Wrong(answer));
                }
            }
            if sleep.is_long(self.is_at_rest()) && !client.is_told()? {
                return Ok(Probe::Stuck(self.stuck_with(client)?));
            }
        }
        Ok(Probe::Late)
    }

    fn stuck_with(&self, client: &Client) -> Result<String, Trouble> {
        client.say("is not answered: every task of the server sleeps");
        if !self.is_tcp {
            return Ok(String::from("the server sleeps"));
        }
        Ok(match self.row(client)? {
            None => String::from("the kernel has no connection of it any more"),
            Some(row) if row.idiag_inode == 0 => {
                format!("it is not accepted, {} bytes wait", row.idiag_rqueue)
            }
            Some(row) if row.idiag_rqueue > 0 => {
                format!("it is accepted, {} bytes of it are not read", row.idiag_rqueue)
            }
            Some(_) => String::from("its request is read, and the server sleeps"),
        })
    }

    /// How the server is after something was done to it: alive, at rest, and ready for the next client. An outcome
    /// if it is not.
    ///
    /// # Errors
    ///
    /// Those of the calls.
    pub fn ailment(&self) -> Result<Option<Outcome>, Trouble> {
        if let Some(status) = self.ended() {
            return Ok(Some(self.died(status)));
        }
        let probe = self.probe()?;
        // It may be dying of what was done to it.
        let dying = if probe == Probe::Refused { Duration::from_secs(1) } else { Duration::ZERO };
        if let Some(status) = self.until_ended(dying)? {
            return Ok(Some(self.died(status)));
        }
        if probe != Probe::Right {
            let what = format!("the next good client is {}", probe.words());
            return Ok(Some(Outcome::new(Verdict::Fail, what).with_all(self.scene())));
        }
        self.spins()
    }

    /// What is said of a server that has ended.
    pub fn died(&self, status: ExitStatus) -> Outcome {
        self.log.say(format!("the server has ended: {status}"));
        Outcome::new(Verdict::Fail, format!("the server ended ({status})"))
    }

    /// An outcome if the server uses the CPU while nobody asks for anything.
    ///
    /// # Errors
    ///
    /// Those of waiting.
    pub fn spins(&self) -> Result<Option<Outcome>, Trouble> {
        if self.until_at_rest_for(10, self.patience.min(Duration::from_secs(1)))? {
            return Ok(None);
        }
        // Whoever spins is always seen running, or waiting for a CPU that others have; whoever is only slow is not.
        let (begun, before) = (Instant::now(), watch::cpu(&self.processes()));
        let (mut looks, mut awake) = (0, 0);
        while begun.elapsed() < WATCH || looks < LOOKS {
            looks += 1;
            awake += u32::from(!self.is_at_rest());
            self.pass(Duration::from_millis(1))?;
        }
        if awake < looks - looks / 10 {
            return Ok(None);
        }
        let spent = watch::cpu(&self.processes()).saturating_sub(before);
        let share = spent.as_secs_f64() / begun.elapsed().as_secs_f64() * 100.0;
        let what = format!("it spins: {share:.0} % of a CPU while nobody asks for anything");
        Ok(Some(Outcome::new(Verdict::Fail, what).with_all(self.scene())))
    }

    /// How much of one CPU the server uses while it is watched.
    ///
    /// # Errors
    ///
    /// Those of waiting.
    pub fn load(&self, time: Duration) -> Result<f64, Trouble> {
        let (begun, before) = (Instant::now(), watch::cpu(&self.processes()));
        self.pass(time)?;
        let spent = watch::cpu(&self.processes()).saturating_sub(before);
        // Waiting for a CPU is waiting too: of what there was to be had, on a busy machine.
        Ok(spent.as_secs_f64() / begun.elapsed().as_secs_f64())
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
    /// Those of `body`; [`Trouble::Broken`] if they can't be stopped.
    pub fn while_stopped<T>(
        &self,
        body: impl FnOnce() -> Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        use crate::posix::signal::{SIGCONT, SIGSTOP};
        let processes = self.processes();
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
        self.log.say(format!("process {pid} is killed"));
        Ok(kill(pid as i32, SIGKILL)?)
    }
}

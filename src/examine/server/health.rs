//! Whether a server is well: whether it answers, lives, and sleeps when there is nothing to do.

use std::time::{Duration, Instant};

use super::waiting::{LOOKS, Sleep};
use super::{Held, MOMENT, Server};
use crate::examine::client::{Answer, Client, End, Manner};
use crate::examine::{Outcome, Trouble};
use crate::net::Deadline;
use crate::report::Verdict;
use crate::report::plural::counted;
use crate::subject::watch::{Doing, Meter, Task};
use crate::subject::{Ending, is_stopped, wait_for};

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

/// So many looks in a row show that it sleeps.
const IDLE: u32 = 10;

/// For how long a server is watched that does not come to rest.
const WATCH: Duration = Duration::from_millis(300);
/// So much CPU time is no work that was left: on a busy machine that may take many times as long.
const BUSY: Duration = Duration::from_millis(150);
/// Whoever hasn't got that within such a time does not spin.
const STARVED: Duration = Duration::from_secs(10);

impl Server {
    /// What each task of it is doing, a line each.
    pub fn scene(&self) -> Vec<String> {
        scene(self.tasks())
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
        let (mut found, mut sleep) = (None, Sleep::default());
        self.until(|| {
            if let Some(answer) = client.hear(Duration::from_millis(2))? {
                found = self.judged(answer)?;
            }
            let is_stuck = found.is_none() && self.is_long(&mut sleep) && !client.is_told()?;
            if is_stuck {
                found = Some(self.unanswered(client)?);
            }
            Ok(found.is_some())
        })?;
        match found {
            Some(found) => Ok(found),
            // Who has slept until then, and may yet go on, is stuck for now.
            None if self.is_at_rest() && !client.is_told()? => self.unanswered(client),
            None => Ok(Probe::Late),
        }
    }

    /// What an answer is; `None` if more of it may come.
    fn judged(&self, answer: Answer) -> Result<Option<Probe>, Trouble> {
        let is_refused = answer.end == End::Reset && answer.bytes.is_empty();
        Ok(match answer.end {
            _ if self.protocol.is_right(&answer.bytes) => Some(Probe::Right),
            _ if is_refused && self.listeners()?.is_empty() => Some(Probe::Refused),
            End::Open => None,
            End::Eof | End::Reset => Some(Probe::Wrong(answer)),
        })
    }

    fn unanswered(&self, client: &mut Client) -> Result<Probe, Trouble> {
        let answer = client.take()?;
        Ok(if answer.bytes.is_empty() {
            Probe::Stuck(self.stuck_with(client)?)
        } else {
            Probe::Wrong(answer)
        })
    }

    /// That a process of it is stopped, if one is, and how to let it go on.
    pub(super) fn stopped(&self) -> Option<String> {
        let pid = self.processes().into_iter().find(|&pid| is_stopped(pid))?;
        Some(format!(
            "process {pid} is stopped (state T in /proc/{pid}/stat); `kill -CONT {pid}` lets it go on"
        ))
    }

    fn stuck_with(&self, client: &Client) -> Result<String, Trouble> {
        if let Some(stopped) = self.stopped() {
            client.say("is not answered: the server is stopped");
            // Whoever has stopped one that isn't ours, it was not its clients.
            return if self.is_ours() { Ok(stopped) } else { Err(Trouble::Broken(stopped)) };
        }
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
        Ok(self.health()?.err())
    }

    /// This outcome, with a line of what its health is seen by, if the server is [well](Self::ailment); else what ails it.
    ///
    /// # Errors
    ///
    /// Those of the calls.
    pub fn if_well(&self, outcome: Outcome) -> Result<Outcome, Trouble> {
        Ok(match self.health()? {
            Ok(line) => outcome.with(line),
            Err(ailment) => ailment,
        })
    }

    /// What its health is seen by, or what ails it.
    ///
    /// # Errors
    ///
    /// Those of the calls.
    pub fn health(&self) -> Result<Result<String, Outcome>, Trouble> {
        if let Some(status) = self.ended() {
            return Ok(Err(self.died(status)));
        }
        let probe = self.probe()?;
        // It may be dying of what was done to it.
        let is_dying = probe == Probe::Refused
            || probe != Probe::Right && !self.is_started_again() && self.is_dying();
        let dying = if is_dying { MOMENT } else { Duration::ZERO };
        if let Some(status) = self.until_ended(dying)? {
            return Ok(Err(self.died(status)));
        }
        if probe != Probe::Right {
            let what = format!("the next good client is {}", probe.words());
            return Ok(Err(Outcome::new(Verdict::Fail, what).with_all(self.scene())));
        }
        self.rest()
    }

    /// What is said of a server that has ended.
    pub fn died(&self, ending: Ending) -> Outcome {
        self.log.say(format!("the server has ended: {ending}"));
        self.then(self.death(ending))
    }

    pub(super) fn death(&self, ending: Ending) -> Outcome {
        let last_words = match &self.held {
            Held::Own(subject) => subject.borrow().last_words(),
            Held::Running(_) => None,
        };
        Outcome::death(ending, last_words)
    }

    /// Whether it spins before anything is done to it.
    ///
    /// # Errors
    ///
    /// Those of waiting.
    pub fn never_rests(&self) -> Result<bool, Trouble> {
        // It may still be busy with its start.
        Ok(!self.until_at_rest()? && self.spins()?.is_some())
    }

    /// An outcome if the server uses the CPU while nobody asks for anything, and has not done so from its start on.
    ///
    /// # Errors
    ///
    /// Those of waiting.
    pub fn spins(&self) -> Result<Option<Outcome>, Trouble> {
        Ok(self.rest()?.err())
    }

    /// What its rest is seen by while nobody asks for anything, or an outcome if it [spins](Self::spins).
    ///
    /// # Errors
    ///
    /// Those of waiting.
    pub fn rest(&self) -> Result<Result<String, Outcome>, Trouble> {
        if self.is_restless {
            return Ok(Ok(format!("it has never slept, from its start on; {}", self.doors()?)));
        }
        let patience = self.patience.min(Duration::from_secs(1));
        // What it does until it sleeps is no idleness.
        let sleeps = self.until_at_rest_for(1, patience)?;
        let (begun, meter) = (Instant::now(), Meter::of(&self.processes()));
        if sleeps && self.until_at_rest_for(IDLE, patience)? {
            let time = begun.elapsed().as_millis();
            let spent = meter.spent(&self.processes()).as_secs_f64() * 1e3;
            let tasks = self.tasks().into_iter().filter(Task::lives).count();
            let tasks = counted(tasks, "task", "tasks");
            return Ok(Ok(format!(
                "{tasks}, asleep in {IDLE} looks in a row, with {spent:.1} ms of CPU time in {time} ms; {}",
                self.doors()?
            )));
        }
        let is_at_rest = || self.is_at_rest();
        let Some(share) = spinning(|| self.processes(), is_at_rest)? else {
            return Ok(Ok(format!("not always asleep, and does not spin; {}", self.doors()?)));
        };
        let what = format!("it spins: {share:.0} % of a CPU while nobody asks for anything");
        Ok(Err(Outcome::new(Verdict::Fail, what).with_all(self.scene())))
    }

    /// How many sockets the kernel lists at which it can be asked.
    fn doors(&self) -> Result<String, Trouble> {
        let port = self.addr.port();
        Ok(match (self.listeners()?.len(), self.is_tcp) {
            (0, _) => format!("no socket of it on port {port}"),
            (1, true) => format!("1 socket listens on port {port}"),
            (1, false) => format!("1 socket has port {port}"),
            (count, true) => format!("{count} sockets listen on port {port}"),
            (count, false) => format!("{count} sockets have port {port}"),
        })
    }

    /// How much of one CPU the server uses while it is watched.
    ///
    /// # Errors
    ///
    /// Those of waiting.
    pub fn load(&self, time: Duration) -> Result<f64, Trouble> {
        let (begun, meter) = (Instant::now(), Meter::of(&self.processes()));
        self.pass(time)?;
        let spent = meter.spent(&self.processes());
        // Waiting for a CPU is waiting too: of what there was to be had, on a busy machine.
        Ok(spent.as_secs_f64() / begun.elapsed().as_secs_f64())
    }
}

/// What each of some tasks is doing, a line each.
pub(in crate::examine) fn scene(tasks: Vec<Task>) -> Vec<String> {
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
    tasks.into_iter().filter_map(line).take(20).collect()
}

/// How much of a CPU some processes use, in percent, if they spin: whoever does is always seen running, or waiting
/// for a CPU that others have, and uses what he gets of it; whoever is only slow, or only waits for a CPU, does not.
pub(in crate::examine) fn spinning(
    processes: impl Fn() -> Vec<u32>,
    is_at_rest: impl Fn() -> bool,
) -> Result<Option<f64>, Trouble> {
    let (begun, meter) = (Instant::now(), Meter::of(&processes()));
    let (mut looks, mut awake) = (0, 0);
    loop {
        looks += 1;
        awake += u32::from(!is_at_rest());
        let time = begun.elapsed();
        if time >= WATCH && looks >= LOOKS {
            if awake < looks - looks / 10 || time >= STARVED {
                return Ok(None);
            }
            let spent = meter.spent(&processes());
            if spent >= BUSY {
                return Ok(Some(spent.as_secs_f64() / time.as_secs_f64() * 100.0));
            }
        }
        wait_for(&mut Vec::new(), Deadline::after(Duration::from_millis(1)))?;
    }
}

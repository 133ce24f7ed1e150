//! A client that is running, and what is known of it when it has run.

use std::cell::RefCell;
use std::process::ExitStatus;
use std::time::Duration;

use crate::examine::Trouble;
use crate::examine::log::Log;
use crate::examine::server::{Sleep, scene, spinning, turn};
use crate::subject::account::Patience;
use crate::subject::limit::{Limit, limit};
use crate::subject::watch::{self, Doing};
use crate::subject::{Subject, last_line, until};

/// A running client.
pub(super) struct Asker {
    subject: RefCell<Subject>,
    /// How long anything may take.
    pub(super) patience: Duration,
    log: Log,
}

/// What became of a client.
#[derive(Debug, Default)]
pub(super) struct Run {
    /// How it ended; `None` if it did not, and was ended.
    pub(super) status: Option<ExitStatus>,
    /// What it wrote to standard output.
    pub(super) stdout: Vec<u8>,
    /// What it wrote to standard error.
    pub(super) stderr: Vec<u8>,
    /// What each task was doing when it had to be ended.
    pub(super) scene: Vec<String>,
    /// How much of a CPU it used then, in percent, if it was spinning.
    pub(super) spinning: Option<f64>,
    /// How long the call would have gone on in which it was blocked then, and what says so.
    pub(super) limit: Option<(Duration, &'static str)>,
    /// How often it has connected, or sent a datagram.
    pub(super) asked: usize,
    /// How long it was given.
    pub(super) patience: Duration,
}

const SEEN: Duration = Duration::from_millis(200);

impl Asker {
    pub(super) fn new(subject: Subject, patience: Duration, log: Log) -> Self {
        Self { subject: RefCell::new(subject), patience, log }
    }

    /// All its processes.
    pub(super) fn processes(&self) -> Vec<u32> {
        self.subject.borrow().processes()
    }

    /// Its status, if the process that was started has ended.
    pub(super) fn ended(&self) -> Option<ExitStatus> {
        self.subject.borrow_mut().ended()
    }

    /// How long anything may take, from now on.
    pub(super) fn patience_from_now(&self) -> Patience {
        Patience::of(self.patience, &self.processes())
    }

    /// Whether every task sleeps.
    pub(super) fn is_at_rest(&self) -> bool {
        self.subject.borrow().is_at_rest()
    }

    /// How often it has gone to sleep; nothing if it has several tasks, which do that for each other.
    pub(super) fn naps(&self) -> Option<u64> {
        let processes = self.processes();
        (watch::tasks(&processes).len() == 1).then(|| watch::naps(&processes))
    }

    /// What each task of it is doing, a line each.
    pub(super) fn scene(&self) -> Result<Vec<String>, Trouble> {
        // For a moment the kernel may still call running who is asleep already.
        let tasks = || watch::tasks(&self.processes());
        let is_seen = || tasks().iter().all(|task| task.doing() != Doing::Running);
        until(SEEN, || Ok((self.is_at_rest() && is_seen()).then_some(())))?;
        Ok(scene(tasks()))
    }

    /// Waits until something is so, or the client has ended; false once every task has slept for so long that
    /// nothing more will come of it, or the patience is over.
    pub(super) fn until(
        &self,
        mut is_so: impl FnMut() -> Result<bool, Trouble>,
    ) -> Result<bool, Trouble> {
        let (mut sleep, mut end) = (Sleep::default(), self.patience_from_now());
        let found = until(Duration::MAX, || {
            Ok(match is_so() {
                Ok(true) => Some(Ok(true)),
                Ok(false) if self.ended().is_some() => Some(is_so()),
                Ok(false) => {
                    let tasks = || watch::tasks(&self.processes());
                    let is_long = sleep.is_long(self.is_at_rest(), tasks, self.patience);
                    let is_over = is_long || end.is_over(&self.processes(), Duration::ZERO);
                    is_over.then_some(Ok(false))
                }
                Err(trouble) => Some(Err(trouble)),
            })
        })?;
        found.unwrap_or(Ok(false))
    }

    /// Lets it go on: its own time limit may have passed just now, and others have the CPU.
    fn has_its_turn(&self) -> Result<(), Trouble> {
        let has_run = turn(|| self.processes(), || self.is_at_rest());
        until(self.patience, || Ok((has_run() || self.ended().is_some()).then_some(())))?;
        Ok(())
    }

    /// Notes how it is, ends it if it has not ended, and gathers what it wrote.
    pub(super) fn over(self, asked: usize) -> Result<Run, Trouble> {
        self.has_its_turn()?;
        let mut run = Run { asked, patience: self.patience, ..Run::default() };
        run.status = self.ended();
        match run.status {
            Some(status) => self.log.say(format!("the client ends: {status}")),
            None => {
                run.scene = self.scene()?;
                let tasks = watch::tasks(&self.processes());
                run.limit = tasks.iter().filter_map(limit).filter_map(Limit::seen).max();
                run.spinning = spinning(|| self.processes(), || self.is_at_rest())?;
                self.log.say("the client has not ended: it is killed");
            }
        }
        let mut outputs = self.subject.into_inner().outputs().into_iter();
        run.stdout = outputs.next().unwrap_or_default();
        run.stderr = outputs.next().unwrap_or_default();
        Ok(run)
    }
}

impl Run {
    /// Standard output and standard error.
    pub(super) fn outputs(&self) -> impl Iterator<Item = &[u8]> {
        [&self.stdout[..], &self.stderr[..]].into_iter()
    }

    /// The line of standard error that says what is wrong: of a stack of calls the last that is no part of it.
    pub(super) fn complaint(&self) -> String {
        let text = String::from_utf8_lossy(&self.stderr);
        let lines = || text.lines().filter(|line| !line.trim().is_empty());
        let is_told = |line: &&str| {
            !line.starts_with([' ', '\t'])
                && !line.starts_with("note: ")
                && !line.starts_with("Node.js v")
        };
        let line = lines().rfind(is_told).or_else(|| lines().next_back());
        line.unwrap_or_default().trim().to_owned()
    }

    /// The ends of what it wrote, a line each.
    pub(super) fn words(&self) -> Vec<String> {
        let named = [("standard output", &self.stdout), ("standard error", &self.stderr)];
        let line = |(name, bytes): (&str, &Vec<u8>)| {
            last_line(bytes).map(|last| format!("{name}: {last}"))
        };
        named.into_iter().filter_map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_complains_of() {
        for (stderr, complaint) in [
            ("", ""),
            ("connect: Connection refused\n", "connect: Connection refused"),
            ("Traceback (most recent call last):\n  File \"x\"\nOSError: no\n", "OSError: no"),
            ("thread 'main' panicked at x.rs:1:1:\nno\nnote: run with `RUST_BACKTRACE=1`\n", "no"),
            (
                "Error: connect ECONNREFUSED\n    at x\n\nNode.js v20.1.0\n",
                "Error: connect ECONNREFUSED",
            ),
            ("  only this\n", "only this"),
        ] {
            let run = Run { stderr: stderr.into(), ..Run::default() };
            assert_eq!(run.complaint(), complaint, "{stderr:?}");
        }
    }
}

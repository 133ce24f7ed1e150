//! What signals do to the server, and who may send them.

use std::collections::BTreeSet;

use super::{Held, Server};
use crate::examine::Trouble;
use crate::posix::error::ESRCH;
use crate::posix::signal::{SIGCONT, SIGINT, SIGKILL, SIGSTOP, SIGTERM, kill};
use crate::subject::watch::{self, Task};

impl Server {
    /// An error if it isn't.
    fn own(&self) -> Result<(), Trouble> {
        match &self.held {
            Held::Own(_) => Ok(()),
            Held::Running(_) => Err(Trouble::Blocked(String::from(
                "a server that isn't ours gets no signal: start it by the examiner for this",
            ))),
        }
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
        let mut asked = BTreeSet::new();
        let are_stopped = || {
            let processes = self.everybody();
            for &pid in &processes {
                if asked.insert(pid) {
                    kill_if_there(pid, SIGSTOP)?;
                }
            }
            let is_stopped =
                |task: &Task| matches!(watch::state(task.tid), None | Some('T' | 'Z' | 'X'));
            Ok(watch::tasks(&processes).iter().all(is_stopped))
        };
        let result = match self.until(are_stopped) {
            Ok(true) => body(),
            Ok(false) => Err(Trouble::Broken("the server could not be stopped".into())),
            Err(trouble) => Err(trouble),
        };
        for &pid in &asked {
            kill_if_there(pid, SIGCONT)?;
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

/// Sends a signal to a process that may have ended meanwhile.
fn kill_if_there(pid: u32, signum: i32) -> Result<(), Trouble> {
    match kill(pid as i32, signum) {
        Err(error) if error.errno() != ESRCH => Err(error.into()),
        _ => Ok(()),
    }
}

//! What signals do to the server, and who may send them.

use super::{Held, Server};
use crate::examine::Trouble;
use crate::posix::signal::{SIGCONT, SIGINT, SIGKILL, SIGSTOP, SIGTERM, kill};
use crate::subject::watch;

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

//! Waiting for what the server does, or for that it does nothing.

use std::time::{Duration, Instant};

use super::Server;
use crate::examine::Trouble;
use crate::examine::client::{Answer, Client, End};
use crate::subject::limit::Naps;
use crate::subject::watch::{self, Meter, Task};
use crate::subject::{Ending, until};

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
pub(super) const LOOKS: u32 = 60;

/// Whoever runs has had a chance to go on once he has had so much CPU time.
const TURN: Duration = Duration::from_millis(200);

/// What tells whether all rest, or those who run have had their turn from now on.
pub(in crate::examine) fn turn(
    processes: impl Fn() -> Vec<u32>,
    is_at_rest: impl Fn() -> bool,
) -> impl Fn() -> bool {
    let meter = Meter::of(&processes());
    move || is_at_rest() || meter.spent(&processes()) >= TURN
}

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
    /// Waits until the process that was started has ended.
    ///
    /// # Errors
    ///
    /// Those of waiting.
    pub fn until_ended(&self, patience: Duration) -> Result<Option<Ending>, Trouble> {
        self.until_within(patience, || Ok(self.ended().is_some()))?;
        Ok(self.ended())
    }

    /// Waits until something is so; false once the patience is over, and who runs then has had a moment's CPU time: others
    /// may have had it until then.
    ///
    /// # Errors
    ///
    /// Those of looking.
    pub fn until(&self, is_so: impl FnMut() -> Result<bool, Trouble>) -> Result<bool, Trouble> {
        self.until_within(self.patience, is_so)
    }

    /// As [`until`](Self::until), with another patience; less than the usual one is a moment, and no more than that.
    ///
    /// # Errors
    ///
    /// Those of looking.
    pub fn until_within(
        &self,
        patience: Duration,
        mut is_so: impl FnMut() -> Result<bool, Trouble>,
    ) -> Result<bool, Trouble> {
        if looking(patience, &mut is_so)? {
            return Ok(true);
        }
        if patience < self.patience {
            return Ok(false);
        }
        let has_run = turn(|| self.processes(), || self.is_at_rest());
        let mut is_found = false;
        looking(self.patience, || {
            is_found = is_so()?;
            Ok(is_found || has_run())
        })?;
        Ok(is_found)
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

    pub(super) fn is_long(&self, sleep: &mut Sleep) -> bool {
        sleep.is_long(self.is_at_rest(), || self.tasks(), self.patience)
    }
}

/// Looks until something is so; false once the time is over.
fn looking(
    time: Duration,
    mut is_so: impl FnMut() -> Result<bool, Trouble>,
) -> Result<bool, Trouble> {
    let mut trouble = None;
    let found = until(time, || match is_so() {
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

//! What several checks want to know of a server: found out once, with servers of its own.

use std::cell::OnceCell;
use std::time::Duration;

use super::Exam;
use crate::examine::clients::{churn, empty, heavy};
use crate::examine::costly::{Heaviness, outweighs, waiting, weigh};
use crate::examine::design::{Design, Kind, Manners, identify, manners};
use crate::examine::faults::{Habits, signals};
use crate::examine::leaks::Growth;
use crate::examine::log::{Log, quoted};
use crate::examine::protocol::{Heavy, Shape};
use crate::examine::server::Probe;
use crate::examine::service::table;
use crate::examine::{Check, Outcome, Trouble};
use crate::subject::Ending;
use crate::subject::cell::{Isolation, come_back_after};

/// So often in a row a cheap request has to wait until it is no chance.
const IN_TURN: usize = 4;

impl Exam<'_> {
    fn manners(&self) -> Result<Manners, Trouble> {
        self.kept(&self.manners, &table::CHECK, || manners(&self.start()?)).copied()
    }

    /// Whether the server ends after one request.
    ///
    /// # Errors
    ///
    /// If it does not answer even one.
    pub fn is_single_use(&self) -> Result<bool, Trouble> {
        Ok(self.manners()?.is_single_use)
    }

    /// Whether a connection can carry several requests.
    ///
    /// # Errors
    ///
    /// If it does not answer even one.
    pub fn shape(&self) -> Result<Shape, Trouble> {
        Ok(self.manners()?.shape)
    }

    /// Nothing to check, if the server says its word to a client that has said nothing, and ends the connection.
    ///
    /// # Errors
    ///
    /// If it does not answer even one.
    pub fn speaks_first(&self) -> Result<Option<Outcome>, Trouble> {
        let what = "the server speaks first, and ends the connection: it waits for nobody's word";
        Ok(self.manners()?.speaks_first.then(|| Outcome::not_applicable(what)))
    }

    /// Which design the server is.
    ///
    /// # Errors
    ///
    /// If that can't be found out.
    pub fn design(&self) -> Result<&Design, Trouble> {
        self.kept(&self.design, &empty::CHECK, || {
            let manners = self.manners()?;
            let heavy_stalls = || {
                let Ok(Some(heavy)) = self.heavy() else { return Ok(None) };
                // Where others have the CPU, one that computes beside its loop may wait for it, but not each time.
                for _ in 0..IN_TURN {
                    match waiting(&self.start()?, heavy, 1, 1)? {
                        Some(0) => return Ok(Some(false)),
                        Some(_) => {}
                        None => return Ok(None),
                    }
                }
                Ok(Some(true))
            };
            let mut design = identify(|| self.start(), manners, heavy_stalls)?;
            if design.kind == Kind::Unknown
                && let Ok(habits) = self.habits()
                && let Some((kind, line)) = habits.design()
            {
                // What a super-server forks it starts by exec().
                design.kind = if self.starts_often() { Kind::ForkExec } else { kind };
                design.evidence.push(line);
            }
            Ok(Design { by_inetd: self.plan.by_inetd, ..design })
        })
    }

    /// A request that takes the server about a second, if there is one.
    ///
    /// # Errors
    ///
    /// If the server does not answer.
    pub fn heavy(&self) -> Result<Option<&Heaviness>, Trouble> {
        let find = || {
            let server = self.start()?;
            let found = weigh(&server)?;
            match found {
                Some(heavy) if self.starts_often() && !outweighs(&server, &heavy)? => Ok(None),
                found => Ok(found),
            }
        };
        self.kept(&self.heavy, &heavy::CHECK, find).map(Option::as_ref)
    }

    /// What is said where such a request is needed and there is none.
    ///
    /// # Errors
    ///
    /// [`Trouble::Blocked`] if one was given that costs nothing.
    pub(in crate::examine) fn without_heavy(&self) -> Result<Outcome, Trouble> {
        match self.plan.protocol.as_ref().and_then(|protocol| protocol.heavy.as_ref()) {
            Some(Heavy::Bytes(request)) => Err(Trouble::Blocked(format!(
                "the request of --heavy, {}, costs the server next to nothing: give one that takes it a second or so",
                quoted(request)
            ))),
            _ => Ok(Outcome::not_applicable("no costly request is known: --heavy tells one")),
        }
    }

    /// Whether the server serves the next client after one that has left without a word, however it feels.
    ///
    /// # Errors
    ///
    /// If that can't be found out.
    pub fn bears_empty(&self) -> Result<bool, Trouble> {
        let bears = || {
            let server = self.start()?;
            server.connect_accepted()?.close();
            Ok(server.probe()? == Probe::Right && server.ended().is_none())
        };
        self.kept(&self.bears_empty, &empty::CHECK, bears).copied()
    }

    /// What it does to the server to be stopped and to go on (SIGSTOP, SIGCONT), without any client; `None` if nothing.
    ///
    /// # Errors
    ///
    /// Those of starting, stopping and looking.
    pub(in crate::examine) fn harm_of_stops(&self) -> Result<Option<&Outcome>, Trouble> {
        let harm = || {
            let server = self.start()?;
            server.while_stopped(|| Ok(()))?;
            server.ailment()
        };
        self.kept(&self.harm_of_stops, &signals::CHECK, harm).map(Option::as_ref)
    }

    /// Which calls the server makes for one good client.
    ///
    /// # Errors
    ///
    /// If it does not answer; [`Trouble::Blocked`] where the system does not let its calls be seen.
    pub(in crate::examine) fn habits(&self) -> Result<&Habits, Trouble> {
        self.kept(&self.habits, &table::CHECK, || Habits::of(self))
    }

    /// What clients that come and go leave behind.
    ///
    /// # Errors
    ///
    /// Those of the clients; [`Trouble::Broken`] if they are not served.
    pub(in crate::examine) fn growth(&self) -> Result<&Growth, Trouble> {
        let growth = self.kept(&self.growth, &churn::CHECK, || {
            let before = self.ends.borrow().len();
            let growth = Growth::watch(self)?;
            Ok(growth.with_ends(self.ends.borrow()[before..].to_vec()))
        })?;
        // The check is about these.
        self.ends.borrow_mut().extend(growth.ends.iter().cloned());
        Ok(growth)
    }

    /// What is in a cell, or what is put there now: with servers of its own, in networks of their own, of which
    /// nothing is written down, unless it was the end of one that can't be started anew; what its clients do is like
    /// what those of another check do.
    fn kept<'c, T>(
        &self,
        cell: &'c OnceCell<T>,
        like: &Check,
        make: impl FnOnce() -> Result<T, Trouble>,
    ) -> Result<&'c T, Trouble> {
        if let Some(kept) = cell.get() {
            return Ok(kept);
        }
        self.shared.was_asked.set(true);
        let (port, ends) = (self.port.get(), self.ends.borrow().len());
        let (made, log, ending) = self.unwritten(|| {
            let made = match self.plan.isolation {
                Isolation::Namespaces => come_back_after(make),
                Isolation::Beside(_) => Ok(make()),
            };
            (made, self.log(), self.undone())
        });
        self.port.set(port);
        if let Some(ending) = ending? {
            self.log().take_over(&log);
            let line = format!(
                "while it was being studied for several checks, by clients like those of {}",
                like.id
            );
            let death = Outcome::death(ending, None).with(line).mended_by(like.remedy);
            return Err(Trouble::Died(death));
        }
        if !matches!(made, Ok(Ok(_))) {
            self.log().note_death(log.death());
        }
        let made = made??;
        // Whatever has ended meanwhile, it is found out.
        self.ends.borrow_mut().truncate(ends);
        Ok(cell.get_or_init(|| made))
    }

    /// How a server that can't be started anew has ended, if it has.
    fn undone(&self) -> Result<Option<Ending>, Trouble> {
        let Some(running) = &self.plan.running else { return Ok(None) };
        if running.ended().is_none() {
            self.start()?.settles()?;
        }
        Ok(running.ended())
    }

    /// Does something of which nothing comes into the transcript of the check.
    pub(in crate::examine) fn unwritten<T>(&self, body: impl FnOnce() -> T) -> T {
        let log = self.log.replace(Log::new());
        let done = body();
        self.log.replace(log);
        done
    }

    /// Whether the server is known to have answered.
    pub(in crate::examine) fn has_answered(&self) -> bool {
        self.manners.get().is_some()
    }

    /// The longest that it takes the server to compute what a check may have asked for.
    pub(in crate::examine) fn longest(&self) -> Duration {
        let heavy = self.heavy.get().and_then(Option::as_ref);
        self.plan.patience + heavy.map_or(Duration::ZERO, |heavy| heavy.alone * 10)
    }
}

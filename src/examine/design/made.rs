//! What silent clients make of a server's tasks.

use super::crowd::{Crowd, MANY, MOST};
use super::manners::Manners;
use super::scene::Scene;
use crate::examine::Trouble;
use crate::examine::server::Server;

/// How many tasks there are more than before.
pub(super) struct Grown {
    pub(super) processes: usize,
    pub(super) threads: usize,
}

impl Grown {
    pub(super) fn between(before: &Scene, after: &Scene) -> Self {
        Self {
            processes: after.processes.len().saturating_sub(before.processes.len()),
            threads: after.threads.saturating_sub(before.threads),
        }
    }

    /// Whether there are more clients than can be served.
    pub(super) fn is_outnumbered_by(&self, crowd: &Crowd) -> bool {
        // Of those who have each a task of their own, one may be on its way.
        let has_task_each = self.processes.max(self.threads) >= crowd.newcomers();
        crowd.accepted < crowd.len() || (!has_task_each && crowd.served() < crowd.len())
    }
}

/// What silent clients have made of a server.
pub(super) struct Made {
    /// What it was before them, and when that is.
    pub(super) before: Scene,
    pub(super) when: &'static str,
    pub(super) crowd: Crowd,
    /// `None` if it ends the connection of one, or was not asked.
    pub(super) after: Option<Scene>,
    /// Whether threads go round and round for clients that were let go.
    pub(super) goes_on: bool,
}

impl Made {
    /// Holds silent clients until some are not served, or it is clear that each has a task that was made for it or that all
    /// of them have one together; and looks what the server makes of them. Where they are let go in between, fewer of them
    /// tell a thread for each from a pool that is filled as they come.
    ///
    /// # Errors
    ///
    /// Those of the clients and of looking.
    pub(super) fn by_clients(
        server: &Server,
        manners: Manners,
        lets_go: bool,
    ) -> Result<Self, Trouble> {
        server.until_at_rest()?;
        // What isn't there before its first client is looked at with that one.
        let first = match server.processes()[..] {
            [] if server.is_tcp && server.is_started_again() => Some(server.connect_accepted()?),
            _ => None,
        };
        let when = if first.is_some() {
            server.until_at_rest()?;
            "with the silent client that it is started for"
        } else {
            "at rest"
        };
        let before = Scene::of(server)?;
        let mut made =
            Self { before, when, crowd: Crowd::with(first), after: None, goes_on: false };
        if server.is_tcp && !manners.speaks_first {
            made.gather(server, lets_go)?;
        }
        Ok(made)
    }

    fn gather(&mut self, server: &Server, lets_go: bool) -> Result<(), Trouble> {
        if !self.grow(server, MANY)? {
            return Ok(());
        }
        let grown = self.grown();
        if grown.is_outnumbered_by(&self.crowd) || grown.processes >= self.crowd.newcomers() {
            return Ok(());
        }
        let may_be_pool = match grown.threads >= self.crowd.newcomers() {
            true if lets_go => self.keeps_threads(server)?,
            true => true,
            false => self.crowd.serving == self.crowd.len(),
        };
        let mut count = if may_be_pool { MANY } else { MOST };
        while count < MOST {
            count = (count * 2).min(MOST);
            if !self.grow(server, count)? || self.grown().is_outnumbered_by(&self.crowd) {
                break;
            }
        }
        Ok(())
    }

    /// Lets so many clients come, and looks; false if the connection of one is ended.
    fn grow(&mut self, server: &Server, count: usize) -> Result<bool, Trouble> {
        self.crowd.grow(server, count)?;
        self.after = if self.crowd.is_cut { None } else { Some(Scene::of(server)?) };
        Ok(!self.crowd.is_cut)
    }

    fn grown(&self) -> Grown {
        Grown::between(&self.before, self.after.as_ref().unwrap_or(&self.before))
    }

    /// Lets the clients go; whether the threads that were made for them are still there then, and wait: these may be a pool
    /// that is filled as clients come.
    fn keeps_threads(&mut self, server: &Server) -> Result<bool, Trouble> {
        let all = self.before.threads + self.crowd.len();
        self.crowd.leave();
        if server.until_or_stuck(|| Ok(Scene::now(server).threads < all))? {
            return Ok(false);
        }
        self.goes_on = server.spins()?.is_some();
        Ok(!self.goes_on)
    }
}

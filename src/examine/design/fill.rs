//! Silent clients that take all the workers of a server.

use super::crowd::MOST;
use super::kind::Design;
use crate::examine::Trouble;
use crate::examine::client::Client;
use crate::examine::server::Server;

impl Design {
    /// Silent clients, one for each worker of a pool, else one alone; behind them those that the kernel has given to a
    /// worker that was taken already.
    ///
    /// # Errors
    ///
    /// [`Trouble::Broken`] if they are not accepted.
    pub fn fill(&self, server: &Server) -> Result<Vec<Client>, Trouble> {
        let workers = if self.kind.is_pool() { self.workers.max(1) } else { 1 };
        if self.listeners < 2 {
            return (0..workers).map(|_| server.connect_accepted()).collect();
        }
        let (mut accepted, mut waiting) = (Vec::new(), Vec::new());
        while accepted.len() < workers && waiting.len() < MOST {
            let (client, is_taken) = server.connect_if_taken()?;
            if is_taken { accepted.push(client) } else { waiting.push(client) }
        }
        if accepted.len() < workers {
            let (some, more) = (accepted.len(), waiting.len());
            let what = format!("{some} of {workers} workers have a client, and {more} more wait");
            return Err(Trouble::Broken(what));
        }
        accepted.extend(waiting);
        Ok(accepted)
    }
}

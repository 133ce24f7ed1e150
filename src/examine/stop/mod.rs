//! H: what a request to stop does to the server, and to its clients.

use super::client::Client;
use super::server::Server;
use super::{Exam, Outcome, Trouble};
use crate::posix::signal::SIGTERM;
use crate::subject::Ending;

mod asked;
pub(super) mod drained;
pub(super) mod forced;
pub(super) mod idle;
pub(super) mod interrupted;
pub(super) mod leftover;
pub(super) mod replaced;
pub(super) mod restarted;
pub(super) mod silent;
pub(super) mod terminated;

/// A fresh server that has come to rest, so that it knows by now what to do at a signal: it has answered, if
/// that does not use it up.
fn settled(exam: &Exam) -> Result<Server, Trouble> {
    // Whether it answers is asked elsewhere: it can be stopped in any case.
    let can_be_asked = matches!(exam.is_single_use(), Ok(false));
    let server = exam.start()?;
    if can_be_asked {
        server.probe()?;
    }
    server.settles()?;
    Ok(server)
}

/// Clients that say nothing, as many as there can be without anybody having to wait to be connected, each with whoever waits
/// for its word.
fn silent_clients(server: &Server, count: usize) -> Result<Vec<Client>, Trouble> {
    let mut clients = Vec::new();
    for _ in 0..count {
        clients.extend(server.connect_as(super::client::Manner::default())?);
        let Some(last) = clients.last() else { break };
        if !server.until_or_stuck(|| server.is_accepted(last))? {
            break;
        }
    }
    server.settles()?;
    Ok(clients)
}

/// Asks it to stop by SIGTERM and waits for its end: beside its clients, or if it waits for them, until they
/// have left. `None` if it goes on all the same.
fn stop_with(server: &Server, clients: &mut Vec<Client>) -> Result<Option<Ending>, Trouble> {
    server.signal(SIGTERM)?;
    server.until_or_stuck(|| Ok(server.ended().is_some()))?;
    if server.ended().is_none() {
        clients.drain(..).for_each(Client::close);
    }
    server.until_ended(server.patience)
}

/// What to do where nothing else is to be seen: before it ends at the signal, there is no stop.
const HEED: &str = "end at SIGTERM: leave its default action as it is, or set a flag in the handler that the loop looks at";

/// What is said of a server that SIGTERM has not ended.
fn goes_on(server: &Server) -> Outcome {
    Outcome::fail("it goes on after SIGTERM").mended_by(HEED).with_all(server.scene())
}

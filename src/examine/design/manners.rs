//! How a server treats its clients: how often it serves, who speaks first, how many requests a connection carries.

use crate::examine::Trouble;
use crate::examine::client::{Client, End};
use crate::examine::clients::reply;
use crate::examine::log::quoted;
use crate::examine::protocol::Shape;
use crate::examine::server::{Probe, Server};
use crate::subject::{Ending, watch};

/// How a server treats its clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Manners {
    /// Whether it ends after one request.
    pub is_single_use: bool,
    /// Whether a connection can carry several requests.
    pub shape: Shape,
    /// Whether it says its word to a client that has said nothing, and ends the connection.
    pub speaks_first: bool,
}

/// Finds out how a fresh server treats its clients.
///
/// # Errors
///
/// [`Trouble::Broken`] if it does not answer one good request.
pub fn manners(server: &Server) -> Result<Manners, Trouble> {
    let mut client = server.connect()?;
    let mut speaks_first = false;
    if server.is_tcp {
        let word = reply(server, &mut client, server.patience)?;
        speaks_first = word.end != End::Open && !word.bytes.is_empty();
    }
    let (is_single_use, shape) = asked(server, client)?;
    Ok(Manners { is_single_use, shape, speaks_first })
}

/// Whether the server serves once, and whether a connection, this one, carries several requests.
fn asked(server: &Server, mut client: Client) -> Result<(bool, Shape), Trouble> {
    client.send(&server.protocol.request)?;
    let probe = server.outcome(&mut client)?;
    if probe != Probe::Right {
        return Err(Trouble::Broken(format!(
            "a good request, {}, is {}",
            quoted(&server.protocol.request),
            probe.words()
        )));
    }
    if !server.is_tcp {
        return Ok((has_ended(server)?, Shape::Persistent));
    }
    if let Some(shape) = server.protocol.shape {
        return Ok((has_ended(server)?, shape));
    }
    // It closes the connection, or ends, or waits for more.
    server.until_or_at_rest(server.patience, 20, || client.is_told())?;
    let first = client.take()?;
    if first.end != End::Open {
        return Ok((has_ended(server)?, Shape::OneShot));
    }
    client.send(&server.protocol.request)?;
    server.until_or_stuck(|| client.is_told())?;
    let is_more = client.take()?.bytes.len() > first.bytes.len();
    Ok((false, if is_more { Shape::Persistent } else { Shape::OneShot }))
}

/// Whether a server that has answered has ended by itself, or waits for the next one.
fn has_ended(server: &Server) -> Result<bool, Trouble> {
    if server.is_started_again() {
        return Ok(false);
    }
    let mut rested = 0;
    server.until(|| {
        // Whoever has ended is at rest too, before anybody is told.
        let is_there = !matches!(watch::state(server.pid()), None | Some('Z' | 'X'));
        rested = if is_there && server.is_at_rest() { rested + 1 } else { 0 };
        Ok(server.ended().is_some() || rested >= 20)
    })?;
    // One that has failed was not meant to.
    Ok(server.ended().and_then(Ending::status).is_some_and(|status| status.success()))
}

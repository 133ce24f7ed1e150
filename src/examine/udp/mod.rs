//! J: what only a service over UDP can get wrong.

use super::Trouble;
use super::client::Client;
use super::counters;
use super::server::Server;

pub(super) mod again;
pub(super) mod amplification;
pub(super) mod answer;
pub(super) mod empty;
pub(super) mod garbage;
pub(super) mod gone;
pub(super) mod large;
pub(super) mod overflow;
pub(super) mod reflection;

/// What is said where a server ends after one answer.
const ONCE: &str = "it serves once";

/// Sends a datagram and waits until the server has read it, or has ended.
fn deliver(server: &Server, client: &Client, bytes: &[u8]) -> Result<(), Trouble> {
    let before = counters::udp("InDatagrams")?;
    let sent = client.send(bytes)?;
    if sent < bytes.len() {
        let what = format!("{sent} of {} bytes of a datagram could be sent", bytes.len());
        return Err(Trouble::Broken(what));
    }
    // The kernel counts a datagram when it is read.
    let is_read = server.until(|| {
        Ok(server.ended().is_some()
            || counters::udp("InDatagrams")? > before && server.waiting_bytes()? == 0)
    })?;
    if is_read { Ok(()) } else { Err(Trouble::Broken(String::from("a datagram was never read"))) }
}

//! H6: the next one can take its place.

use super::{goes_on, silent_clients, stop_with};
use crate::examine::client::Manner;
use crate::examine::server::{Probe, Server};
use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};
use crate::subject;

pub(in crate::examine) const CHECK: Check = Check {
    id: "H6",
    name: "port free after the stop",
    does: "lets the server serve one client, stops it by SIGTERM beside another one, and starts it again at once on the same port",
    sees: "whether the second one can bind, and answers; the connections that the kernel still has of the first",
    matters: "whoever restarts a server wants it back at once; a process that is left of it, or a connection in TIME_WAIT, \
              keeps the port",
    remedy: "SO_REUSEADDR before bind(), and no process that stays after the stop",
    source: "slide 'Socket options: SO_REUSEADDR'; socket(7); UNIX Network Programming 7.5",
    over: Over::Both,
    is_quick: true,
    on_running: OnRunning::Never,
    run,
};

fn run(exam: &Exam) -> Result<Outcome, Trouble> {
    // Whether it answers is asked elsewhere: it can be started again in any case.
    let is_single_use = matches!(exam.is_single_use(), Ok(true));
    let server = exam.start()?;
    let first = served(&server)?;
    let ended = if is_single_use {
        server.until_ended(server.patience)?
    } else {
        let mut clients = if server.is_tcp { silent_clients(&server, 1)? } else { Vec::new() };
        stop_with(&server, &mut clients)?
    };
    let Some(status) = ended else { return Ok(goes_on(&server)) };
    let left = if server.is_tcp { server.connections()?.len() } else { 0 };
    let line = format!("it ended ({status}); the kernel has {left} connections of it still");
    // The first one's own processes stay as they are: they may be what keeps the port.
    let again = exam.restart();
    let second = match again {
        Ok(second) => second,
        Err(Trouble::Subject(
            trouble @ (subject::Trouble::Ended(..) | subject::Trouble::Unreachable(_)),
        )) => {
            let what = format!("it can't be started again: {trouble}");
            return Ok(Outcome::fail(what).with(line).with_all(server.scene()));
        }
        Err(trouble) => return Err(trouble),
    };
    let probe = second.probe()?;
    Ok(match probe {
        Probe::Right => Outcome::pass("the next one listens on the same port at once, and answers"),
        _ if first != Probe::Right => {
            Outcome::pass("the next one listens on the same port at once")
        }
        probe => {
            Outcome::fail(format!("it is started again, and a good request is {}", probe.words()))
                .with_all(second.scene())
        }
    }
    .with(line))
}

/// What becomes of a good request. Who closes its connection first has it in TIME_WAIT then: the server, if it does so at all.
fn served(server: &Server) -> Result<Probe, Trouble> {
    let Some(mut client) = server.connect_as(Manner::default())? else { return Ok(Probe::Refused) };
    client.send(&server.protocol.request)?;
    let probe = server.outcome(&mut client)?;
    if server.is_tcp {
        server.until_or_at_rest(server.patience, 5, || client.is_told())?;
    }
    client.close();
    Ok(probe)
}

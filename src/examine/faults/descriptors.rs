//! F7: no descriptor left.

use super::convalesces;
use super::limits::{Lowered, first_free, served_once};
use crate::examine::client::{Client, Manner};
use crate::examine::design::Kind;
use crate::examine::server::{Server, turn};
use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};
use crate::posix::sys_resource::RLIMIT_NOFILE;

pub(in crate::examine) const CHECK: Check = Check {
    id: "F7",
    name: "no descriptor left",
    does: "lowers the limit of descriptors (prlimit, RLIMIT_NOFILE) of the running server to those that it has, lets clients come, and \
           restores it",
    sees: "whether the process lives, whether it uses the CPU while nothing can be done, and whether the next client is answered \
           after that",
    matters: "accept() fails with EMFILE, and the client stays in the queue: who asks again at once, or is told by select() that a \
              client is there, uses a whole CPU until a descriptor is free",
    remedy: "after EMFILE wait a moment, or stop watching the listening socket until a client has gone",
    source: "slide 'Error handling'; accept(2), ERRORS; getrlimit(2), RLIMIT_NOFILE",
    over: Over::Tcp,
    is_quick: false,
    on_running: OnRunning::Never,
    run,
};

fn run(exam: &Exam) -> Result<Outcome, Trouble> {
    if exam.is_single_use()? {
        return Ok(Outcome::not_applicable("it serves once"));
    }
    let (workers, kind) = (exam.design()?.workers, exam.design()?.kind);
    let server = served_once(exam)?;
    let lowered = Lowered::to(&server, RLIMIT_NOFILE, "descriptors", first_free)?;
    let starved = starves(&server, workers)?;
    if let Some(status) = server.ended() {
        return Ok(server.died(status).with("there was no descriptor left"));
    }
    let Some((how, client)) = starved else {
        if kind == Kind::IoUring {
            let what =
                "an accept of io_uring that is under way keeps the limit that it was begun with";
            return Err(Trouble::Blocked(String::from(what)));
        }
        let what = "clients are served though there is no descriptor left";
        return Err(Trouble::Broken(String::from(what)));
    };
    let (meanwhile, spins) = match server.rest()? {
        Ok(line) => (Some(format!("with no descriptor left: {line}")), None),
        Err(spins) => (None, Some(spins)),
    };
    lowered.restore(&server)?;
    if let Some(client) = client {
        server.dismiss(client)?;
    }
    convalesces(&server)?;
    Ok(match (spins, server.health()?) {
        (None, Ok(after)) => {
            Outcome::pass(format!("{how}; it sleeps meanwhile, and goes on after that"))
                .with_all(meanwhile)
                .with(format!("after that: {after}"))
        }
        (Some(spins), Ok(_)) => {
            let what = format!("with no descriptor left {}", spins.what);
            Outcome::fail(what).with_all(spins.evidence).with("it goes on after that")
        }
        (spins, Err(ailment)) => {
            let what = format!("there are descriptors again, and {}", ailment.what);
            Outcome::fail(what).with_all(ailment.evidence).with_all(spins.map(|spins| spins.what))
        }
    }
    .with(how))
}

/// Lets clients come until one is not served: calls that are under way have their descriptor already. Says how
/// that one is treated, and returns it if it waits.
fn starves(
    server: &Server,
    workers: usize,
) -> Result<Option<(&'static str, Option<Client>)>, Trouble> {
    const REFUSED: &str = "a client is refused while there is no descriptor";
    for _ in 0..workers + 3 {
        let Some(mut client) = server.connect_as(Manner::default())? else {
            return Ok(Some((REFUSED, None)));
        };
        client.send(&server.protocol.request)?;
        // Who goes round and round, and has had a moment's CPU time, takes nobody in.
        let has_run = turn(|| server.processes(), || false);
        server.until_or_at_rest(server.patience, 40, || {
            Ok(client.is_told()? || server.ended().is_some() || has_run())
        })?;
        if client.is_told()? {
            let answer = client.take()?;
            if answer.bytes.is_empty() {
                return Ok(Some((REFUSED, None)));
            }
        } else if !server.is_accepted(&client)? {
            client.say("is not accepted");
            let how = "a client waits in the queue while there is no descriptor";
            return Ok(Some((how, Some(client))));
        }
        server.settles()?;
    }
    Ok(None)
}

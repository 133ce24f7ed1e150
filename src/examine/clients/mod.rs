//! D: what badly behaved clients do to a server, and to the others.

pub(super) mod absurd;
pub(super) mod bytewise;
pub(super) mod churn;
pub(super) mod closing;
pub(super) mod early_reset;
pub(super) mod empty;
pub(super) mod garbage;
pub(super) mod half_close;
pub(super) mod heavy;
pub(super) mod oversized;
pub(super) mod pipelined;
pub(super) mod random;
pub(super) mod reset;
pub(super) mod sigpipe;
pub(super) mod silent;
pub(super) mod slow_reader;
pub(super) mod trailing;
pub(super) mod trickle;
pub(super) mod urgent;

use std::time::{Duration, Instant};

use super::client::{Answer, Client, End};
use super::costly::{Heaviness, quarter};
use super::protocol::Protocol;
use super::server::{MOMENT, Server};
use super::{Exam, Outcome, Trouble};
use crate::linux::sock_diag::inet_diag_msg;
use crate::linux::tcp_info::{TCP_FIN_WAIT1, TCP_FIN_WAIT2, TCP_TIME_WAIT};
use crate::subject::is_end;

/// Something that a client does, and how it is named in a report.
pub(super) type Deed<'a> = (String, Box<dyn Fn(&Server) -> Result<(), Trouble> + 'a>);

/// For how long a server that comes to harm again and again is started anew.
const ENOUGH: Duration = Duration::from_secs(6);

/// Does bad things to a server, one after the other, and looks after each whether it is well; one that has
/// come to harm is started anew for the next, if it can be.
///
/// # Errors
///
/// Those of the deeds, of starting and of looking.
pub(super) fn survives(exam: &Exam, deeds: &[Deed<'_>]) -> Result<Outcome, Trouble> {
    let begun = Instant::now();
    let (mut well, mut health) = (None, None);
    let mut harmed: Vec<(&str, Outcome)> = Vec::new();
    let (mut tried, mut undone) = (0, Vec::new());
    for (name, deed) in deeds {
        let server = match well.take() {
            Some(server) => server,
            None if !harmed.is_empty() && (begun.elapsed() > ENOUGH || !exam.starts_anew()) => {
                break;
            }
            None => exam.start()?,
        };
        tried += 1;
        if let Err(trouble) = deed(&server) {
            // Whoever dies of it may do so before it is done to its end; what others were seen to do is said in any case.
            match (trouble, server.until_ended(MOMENT)?) {
                (Trouble::Broken(_), Some(ending)) => harmed.push((name, server.died(ending))),
                (Trouble::Broken(why), None) => undone.push((name, why)),
                (trouble, _) => return Err(trouble),
            }
            continue;
        }
        match server.health()? {
            Err(ailment) => harmed.push((name, ailment)),
            Ok(line) => (well, health) = (Some(server), Some(line)),
        }
    }
    if harmed.is_empty()
        && let Some((_, why)) = undone.pop()
    {
        return Err(Trouble::Broken(why));
    }
    let Some((name, first)) = harmed.first() else {
        let count = deeds.len();
        let what = format!("{count} of {count} survived, and the next client served");
        return Ok(Outcome::pass(what).with_all(health.map(|line| format!("in the end: {line}"))));
    };
    let lines = harmed.iter().map(|(name, ailment)| format!("after {name}: {}", ailment.what));
    let count = harmed.len();
    let mut outcome =
        Outcome::fail(format!("after {name} {}; {count} of {tried} do harm", first.what))
            .with_all(lines)
            .with_all(undone.iter().map(|(name, why)| format!("{name} could not be done: {why}")))
            .with_all(first.evidence.clone());
    if tried < deeds.len() {
        outcome = outcome.with(format!("{} more were not tried", deeds.len() - tried));
    }
    Ok(outcome)
}

/// The first half of a good request, if that has more than one byte and the server does not end the connection for it.
///
/// # Errors
///
/// Those of starting and of asking.
pub(super) fn half(exam: &Exam) -> Result<Option<Vec<u8>>, Trouble> {
    let protocol = exam.protocol(true);
    let Some(half) = beginning(&protocol) else { return Ok(None) };
    let server = exam.start()?;
    let mut client = server.connect_accepted()?;
    client.send(half)?;
    until_read(&server, &client)?;
    let answer = reply(&server, &mut client, server.patience)?;
    Ok((answer.end == End::Open).then(|| half.to_vec()))
}

/// The beginning of a good request, if it has more than one byte.
pub(super) fn beginning(protocol: &Protocol) -> Option<&[u8]> {
    let half = &protocol.request[..protocol.request.len() / 2];
    (!half.is_empty()).then_some(half)
}

/// What is left out of some deeds, a line each, because the request has no middle, or none is known that costs much.
pub(super) fn left_out(halves: bool, computes: bool) -> impl Iterator<Item = String> {
    let midway = "not done in mid-request: one of one byte, or one that ends the connection before its end, has no middle";
    let computing =
        "not done while the answer is computed: no costly request is known, --heavy tells one";
    let lines = [(halves, midway), (computes, computing)];
    lines.into_iter().filter(|(is_done, _)| !is_done).map(|(_, line)| String::from(line))
}

/// Waits until the server has read what a client has sent, or has told it something.
///
/// # Errors
///
/// [`Trouble::Broken`] if it does neither.
pub(super) fn until_read(server: &Server, client: &Client) -> Result<(), Trouble> {
    if server.until(|| Ok(server.has_read(client)? || client.is_told()?))? {
        return Ok(());
    }
    Err(Trouble::Broken(format!("what {} has sent is never read", client.name())))
}

/// What a client is told: all of it if the server ends the connection, else what has come until every task
/// sleeps, or the time is over.
///
/// # Errors
///
/// Those of the calls.
pub(super) fn reply(
    server: &Server,
    client: &mut Client,
    patience: Duration,
) -> Result<Answer, Trouble> {
    let begun = Instant::now();
    loop {
        server
            .until_or_at_rest(patience, 20, || Ok(client.is_told()? || server.ended().is_some()))?;
        let is_told = client.is_told()?;
        let answer = client.take()?;
        if !is_told || answer.end != End::Open || begun.elapsed() >= patience {
            return Ok(answer);
        }
    }
}

/// Resets a connection on which nothing has been said, and makes sure that the server's end is told.
///
/// # Errors
///
/// [`Trouble::Broken`] if there is no open connection any more, or the reset does not arrive.
fn reset(server: &Server, mut client: Client) -> Result<(), Trouble> {
    let (here, there) = (client.peer, client.addr);
    let closed = [TCP_FIN_WAIT1, TCP_FIN_WAIT2, TCP_TIME_WAIT];
    let is_open = |row: inet_diag_msg| !closed.contains(&row.idiag_state);
    if client.take()?.end != End::Open || !server.row(&client)?.is_some_and(is_open) {
        return Err(Trouble::Broken(format!(
            "the server has ended the connection of {} before that could be reset",
            client.name()
        )));
    }
    client.reset()?;
    let is_gone = || Ok(server.connections()?.iter().all(|row| !is_end(row, here, there)));
    if server.until(is_gone)? {
        return Ok(());
    }
    Err(Trouble::Broken(String::from("the reset of a connection has never arrived")))
}

/// A request that takes the server long enough to do something meanwhile: about a quarter of a costly one,
/// where that can be had.
///
/// # Errors
///
/// If the server does not answer.
pub(super) fn computing(exam: &Exam) -> Result<Option<Heaviness>, Trouble> {
    Ok(exam.heavy()?.map(quarter))
}

/// Has the server compute for a client, and does something with that one meanwhile. On a busy machine the answer may be
/// there first, and often: then it is asked again.
///
/// # Errors
///
/// [`Trouble::Broken`] if it does not read the request, or each time has answered before anything could be done, and
/// those of what is done.
pub(super) fn while_computing(
    server: &Server,
    heavy: &Heaviness,
    deed: impl Fn(Client) -> Result<(), Trouble>,
) -> Result<(), Trouble> {
    const TRIES: u32 = 10;
    let once = || {
        let client = server.connect_accepted()?;
        client.send(&heavy.request)?;
        until_read(server, &client)?;
        if client.is_told()? {
            let what = format!("the costly request of {} was answered at once", client.name());
            return Err(Trouble::Broken(what));
        }
        deed(client)
    };
    let begun = Instant::now();
    for _ in 1..TRIES {
        match once() {
            Err(Trouble::Broken(_)) if begun.elapsed() < server.patience => {}
            done => return done,
        }
    }
    once()
}

/// Waits until what was asked for is computed, or the server has ended.
///
/// # Errors
///
/// Those of waiting.
pub(super) fn until_computed(server: &Server, heavy: &Heaviness) -> Result<(), Trouble> {
    let patience = server.patience + heavy.alone * 20;
    server.until_or_at_rest(patience, 5, || Ok(server.ended().is_some()))?;
    Ok(())
}

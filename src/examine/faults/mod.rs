//! F: what calls that fail do to the server.

pub(super) mod habits;
mod limits;

pub(super) mod accept;
pub(super) mod descriptors;
pub(super) mod destroyed;
pub(super) mod fork;
pub(super) mod interrupt;
pub(super) mod memory;
pub(super) mod shortage;
pub(super) mod signals;
pub(super) mod tasks;
pub(super) mod thread;
pub(super) mod torture;
pub(super) mod transfer;
mod worker;

use std::ffi::c_int;
use std::time::{Duration, Instant};

use super::client::{Client, Manner};
use super::design::Kind;
use super::server::{Probe, Server};
use super::{Exam, Outcome, Trouble};
use crate::report::Verdict;
use crate::report::plural::grouped;
use crate::subject::gate::{Call, Fault, Only, Sysno, Tap};
use crate::subject::watch;

pub(super) use habits::Habits;
use habits::{ACCEPT, CLOSE, MAKE, RECEIVE, SEND, WAIT, behind, warmed};

/// An error number and its name.
type Errno = (&'static str, c_int);

/// What the client has a right to whose call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Right {
    /// None: it may wait for ever.
    Nothing,
    /// To be told, even if that is the end of the connection.
    Word,
    /// To be answered: nothing has happened to it.
    Answer,
}

/// A call that is to fail.
struct Blow {
    fault: Fault,
    /// Whether the call is to be one on a client's connection.
    is_of_client: bool,
    /// The error's name.
    errno: &'static str,
    /// What the client has a right to.
    right: Right,
}

impl Blow {
    /// The next of these calls fails.
    fn new(calls: &[Sysno], only: Only, errno: Errno, right: Right) -> Self {
        let fault = Fault { only, ..Fault::next(calls, errno.1) };
        Self { fault, is_of_client: false, errno: errno.0, right }
    }

    /// The next that is made on a client's connection fails.
    fn of_client(call: Sysno, errno: Errno, right: Right) -> Self {
        Self { is_of_client: true, ..Self::new(&[call], Only::default(), errno, right) }
    }

    fn name(&self) -> String {
        let calls: Vec<&str> = self.fault.calls.iter().map(|call| call.name()).collect();
        let nth = match self.fault.nth {
            1 => String::new(),
            nth => format!(", call {nth},"),
        };
        format!("{}{nth} of {}", self.errno, calls.join(" and "))
    }
}

/// The calls on clients' connections.
fn of_client(server: &Server) -> Only {
    Only { port: Some(server.addr.port()), ..Only::default() }
}

/// What came of a blow.
enum Felt {
    /// The call was never made.
    Nothing,
    /// This call failed, and nobody minds.
    Survived(Option<Call>),
    /// It did harm.
    Harm(Outcome),
}

/// So many clients come until a call fails that has to come with one of them: some are under way already.
const CLIENTS: usize = 4;

/// Makes a call fail and looks what becomes of the server, and of the client whose call it was.
///
/// # Errors
///
/// [`Trouble::Broken`] if the server ends before that; those of looking.
fn strike(server: &Server, tap: &Tap, blow: &Blow, is_pool: bool) -> Result<Felt, Trouble> {
    let before = living(server);
    let since = tap.log(0).next();
    let only = if blow.is_of_client { of_client(server) } else { blow.fault.only };
    tap.arm(Fault { only, ..blow.fault.clone() })?;
    let mut clients: Vec<Client> = Vec::new();
    while clients.len() < CLIENTS && !is_over(server, tap) {
        let Some(client) = server.connect_as(Manner::default())? else { break };
        client.send(&server.protocol.request)?;
        server.until_or_stuck(|| Ok(is_over(server, tap) || client.is_told()?))?;
        clients.push(client);
        server.until_or_at_rest(Duration::from_secs(1), 5, || Ok(is_over(server, tap)))?;
    }
    let is_theirs = tap.fired() > 0;
    // Some are made when a client leaves.
    while !is_over(server, tap)
        && let Some(client) = clients.pop()
    {
        server.dismiss(client)?;
    }
    tap.disarm();
    if tap.fired() == 0 {
        return match server.ended() {
            Some(ending) => {
                Err(Trouble::Died(server.died(ending).with("no call had failed until then")))
            }
            None => Ok(Felt::Nothing),
        };
    }
    let failed = failed(tap, since);
    let line = failed.map_or_else(String::new, |call| {
        format!("{} of task {} failed with {}", call.sysno, call.tid, blow.errno)
    });
    server.log.say(&line);
    convalesces(server)?;
    if let Some(ailment) = server.ailment()? {
        return Ok(Felt::Harm(ailment.with(line)));
    }
    if is_theirs
        && let Some(client) = clients.last_mut()
        && let Some(wrong) = wronged(server, client, blow.right)?
    {
        return Ok(Felt::Harm(Outcome::new(Verdict::Weak, wrong).with(line)));
    }
    for client in clients {
        server.dismiss(client)?;
    }
    if is_pool && let Some(loss) = loss(server, &before)? {
        return Ok(Felt::Harm(loss.with(line)));
    }
    // What it does late is not to be met by the next blow.
    server.until_awake()?;
    server.settles()?;
    Ok(Felt::Survived(failed))
}

/// The first call that has failed at the gate since then.
fn failed(tap: &Tap, since: u64) -> Option<Call> {
    tap.log(since).calls.into_iter().find(|call| call.errno != 0)
}

/// Whether there is nothing to be waited for any more.
fn is_over(server: &Server, tap: &Tap) -> bool {
    tap.fired() > 0 || server.ended().is_some()
}

/// Lets a server that pauses after an error serve somebody: two in a row, as the first may still come before the pause.
fn convalesces(server: &Server) -> Result<(), Trouble> {
    for _ in 0..2 {
        let Some(client) = server.connect_as(Manner::default())? else { break };
        client.send(&server.protocol.request)?;
        if !server.until(|| Ok(client.is_told()? || server.ended().is_some()))? {
            break;
        }
        server.dismiss(client)?;
    }
    Ok(())
}

/// What a client is denied that it has a right to.
fn wronged(server: &Server, client: &mut Client, right: Right) -> Result<Option<String>, Trouble> {
    Ok(match right {
        Right::Nothing => None,
        Right::Word => {
            let is_told = server.until_or_stuck(|| client.is_told())?;
            let what = "the client whose call it was is left waiting: its connection stays open";
            (!is_told).then(|| String::from(what))
        }
        Right::Answer => {
            let probe = server.outcome(client)?;
            (probe != Probe::Right)
                .then(|| format!("the client whose call it was is {}", probe.words()))
        }
    })
}

/// Its processes that have not ended.
fn living(server: &Server) -> Vec<u32> {
    let mut processes = server.processes();
    processes.retain(|&pid| !matches!(watch::state(pid), None | Some('Z' | 'X')));
    processes
}

/// Workers that are there no longer.
fn loss(server: &Server, before: &[u32]) -> Result<Option<Outcome>, Trouble> {
    let is_full = server.until(|| Ok(living(server).len() >= before.len()))?;
    let now = living(server);
    let lost = before.iter().filter(|pid| !now.contains(pid)).count();
    Ok(match (lost, is_full) {
        (0, _) => None,
        (_, true) => {
            let what = "a worker process has ended, and another has taken its place";
            Some(Outcome::new(Verdict::Weak, what))
        }
        (_, false) => {
            Some(Outcome::fail("a worker process has ended, and nobody has taken its place"))
        }
    })
}

/// For how long a server that comes to harm again and again is started anew.
const ENOUGH: Duration = Duration::from_secs(8);

/// Makes one call after the other fail; a server that has come to harm is started anew for the next.
///
/// # Errors
///
/// [`Trouble::Broken`] if one never fails; those of starting and of looking.
fn survives(exam: &Exam, blows: &[Blow]) -> Result<Outcome, Trouble> {
    let is_pool = exam.design()?.kind == Kind::Preforked;
    let calls = calls_of(blows);
    let fresh = || behind(exam, &calls);
    let begun = Instant::now();
    let mut well: Option<(Server, Tap)> = None;
    let mut harmed: Vec<(String, Outcome)> = Vec::new();
    let mut survived: Vec<(&str, String)> = Vec::new();
    let mut tried = 0;
    for blow in blows {
        if !harmed.is_empty() && begun.elapsed() > ENOUGH {
            break;
        }
        tried += 1;
        match strike_once(&mut well, fresh, blow, is_pool)? {
            Felt::Nothing => {
                let what = format!("the call that was to fail was never made: {}", blow.name());
                return Err(Trouble::Broken(what));
            }
            Felt::Survived(call) => {
                if let Some(call) = call {
                    let line = format!("{} (task {})", blow.errno, call.tid);
                    survived.push((call.sysno.name(), line));
                }
            }
            Felt::Harm(harm) => harmed.push((blow.name(), harm)),
        }
    }
    let outcome = verdict(harmed, tried, blows.len());
    if outcome.verdict != Verdict::Pass {
        return Ok(outcome);
    }
    let lines = grouped(survived)
        .into_iter()
        .map(|(call, all)| format!("{call} failed with {}", all.join(", ")));
    let health = match &well {
        Some((server, _)) => server.rest()?.ok(),
        None => None,
    };
    Ok(outcome.with_all(lines).with_all(health.map(|line| format!("in the end: {line}"))))
}

/// Makes a call fail, of the server that is well, or of a fresh one; which is kept if it is well still.
fn strike_once(
    well: &mut Option<(Server, Tap)>,
    fresh: impl Fn() -> Result<(Server, Tap), Trouble>,
    blow: &Blow,
    is_pool: bool,
) -> Result<Felt, Trouble> {
    let (mut is_fresh, (mut server, mut tap)) = match well.take() {
        Some(well) => (false, well),
        None => (true, fresh()?),
    };
    let felt = loop {
        match strike(&server, &tap, blow, is_pool)? {
            // One that has been through much may do something else.
            Felt::Nothing if !is_fresh => {
                is_fresh = true;
                drop(server);
                (server, tap) = fresh()?;
            }
            felt => break felt,
        }
    };
    if !matches!(felt, Felt::Harm(_)) {
        *well = Some((server, tap));
    }
    Ok(felt)
}

/// Which calls some blows make fail.
fn calls_of(blows: &[Blow]) -> Vec<&'static str> {
    let calls = blows.iter().flat_map(|blow| &blow.fault.calls);
    let mut calls: Vec<&str> = calls.map(|call| call.name()).collect();
    calls.sort_unstable();
    calls.dedup();
    calls
}

/// What is said of the blows that did harm: the worst first.
fn verdict(mut harmed: Vec<(String, Outcome)>, tried: usize, of: usize) -> Outcome {
    harmed.sort_by_key(|(_, harm)| std::cmp::Reverse(harm.verdict.weight()));
    let Some((name, first)) = harmed.first() else {
        return Outcome::pass(format!("{of} of {of} survived, and the next client served"));
    };
    let count = harmed.len();
    let what = format!("after {name} {}; {count} of {tried} do harm", first.what);
    let mut outcome = Outcome::new(first.verdict, what)
        .with_all(harmed.iter().map(|(name, harm)| format!("after {name}: {}", harm.what)))
        .with_all(first.evidence.clone());
    if tried < of {
        outcome = outcome.with(format!("{} more were not tried", of - tried));
    }
    outcome
}

/// What keeps calls from being made to fail.
///
/// # Errors
///
/// [`Trouble::Blocked`] if the server's calls go through a ring.
fn excluded(exam: &Exam) -> Result<Option<Outcome>, Trouble> {
    if exam.is_single_use()? {
        return Ok(Some(Outcome::not_applicable("it serves once")));
    }
    if exam.design()?.kind == Kind::IoUring {
        let what = "what a ring of io_uring does is no system call: it can't be made to fail";
        return Err(Trouble::Blocked(String::from(what)));
    }
    Ok(None)
}

//! A service that a super-server starts: what is whose.

use std::rc::Rc;

use super::exam::Exam;
use super::server::{Probe, Server};
use super::{Outcome, Trouble};
use crate::report::Verdict;
use crate::subject::{self, Ending, Ends, Inetd};

/// What is said of the part that isn't the service's own.
const PART: &str = "that is inetd's part";

/// What is said where the service does not stay.
const ONCE: &str =
    "it ends after each request, and inetd starts it for the next: between two it is not there";

/// How long a service lives that is started with the socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Life {
    /// It ends when its client has been answered.
    Once,
    /// It stays for the next client, for a while at least.
    Lasting,
}

/// How a report says who starts it.
pub(super) const fn words(style: Inetd) -> &'static str {
    match style {
        Inetd::Nowait => "by a super-server of the examiner's for each connection (inetd, nowait)",
        Inetd::Wait { is_tcp: true } => {
            "by a super-server of the examiner's with its listening socket (inetd, wait)"
        }
        Inetd::Wait { is_tcp: false } => {
            "by a super-server of the examiner's with its socket of UDP (inetd, wait)"
        }
    }
}

/// What a super-server that accepts does, and the service can't do otherwise: it listens, accepts, forks, executes, and
/// stops. What is counted in the processes that are there before the first client is its own, too.
const OF_NOWAIT: &[&str] = &[
    "A2", "A3", "A4", "A5", "A6", "C1", "C2", "C3", "C4", "C5", "C6", "C7", "C8", "C9", "E2", "E4",
    "E7", "F1", "F2", "F3", "F4", "F5", "F7", "F8", "F9", "F10", "F12", "G1", "G2", "G3", "G4",
    "H1", "H2", "H3", "H4", "H5", "H6", "H7", "H8", "H9", "I1", "I2", "I3", "I4",
];

/// What one does that hands its socket over: it has bound it, listens, and keeps it.
const OF_WAIT: &[&str] = &["A2", "A3", "A4", "C6", "E7", "H6", "I1", "I2", "I3", "I4"];

/// What is looked at, counted, made to fail or stopped in a service that stays, and in no other.
const OF_LASTING: &[&str] = &[
    "A5", "A6", "C1", "C2", "C3", "C4", "C9", "E2", "E4", "F1", "F2", "F3", "F4", "F5", "F6", "F7",
    "F8", "F9", "F10", "F12", "G1", "G2", "G3", "G4", "H1", "H2", "H3", "H4", "H5", "H7", "H8",
    "H9", "J8",
];

/// What is compared before and after, in one and the same process.
const OF_ONE: &[&str] =
    &["A6", "C1", "C2", "D12", "D18", "E1", "E2", "E3", "E4", "E5", "E6", "F9", "G1", "G4"];

/// Why a check does not ask this service, if so.
pub(super) fn excluded(style: Inetd, life: Option<Life>, id: &str) -> Option<Outcome> {
    let part = match style {
        Inetd::Nowait => OF_NOWAIT,
        Inetd::Wait { .. } => OF_WAIT,
    };
    if part.contains(&id) {
        return Some(Outcome::not_applicable(PART));
    }
    (life == Some(Life::Once) && OF_LASTING.contains(&id)).then(|| Outcome::not_applicable(ONCE))
}

/// What a check comes to in whose course one that stays may have ended all the same, of its own accord: that is no fault
/// where it is started again.
pub(super) fn unless_ended(outcome: Outcome, id: &str, ends: &[Rc<Ends>]) -> Outcome {
    let is_open = match outcome.verdict {
        Verdict::Broken | Verdict::Blocked => true,
        Verdict::Fail => false,
        _ => OF_ONE.contains(&id),
    };
    let mut all = ends.iter().flat_map(|ends| ends.all());
    match all.find(|end| end.is_ordinary()).filter(|_| is_open) {
        Some(end) => Outcome::not_applicable(format!(
            "it ended by itself meanwhile ({}), as inetd's services may: that takes one that stays longer",
            end.status
        )),
        None => outcome,
    }
}

impl Exam<'_> {
    /// Has a service that is started with the socket answer its first request, and sees how long it lives; nothing where it
    /// does not answer.
    ///
    /// # Errors
    ///
    /// [`subject::Trouble::InVain`] if it takes nothing however often it is started.
    pub(super) fn lives(&self, server: &Server) -> Result<Option<Life>, Trouble> {
        let Some(Inetd::Wait { is_tcp }) = self.plan.by_inetd else { return Ok(None) };
        let probe = self.unwritten(|| server.probe())?;
        if probe != Probe::Right {
            // One that takes nothing is started until that is certain.
            server.until_within(server.patience * 10, || {
                let is_in_vain = server.ends().last().is_some_and(|end| end.in_vain > 0);
                Ok(server.ended().is_some() || !is_in_vain)
            })?;
        }
        if let Some(Ending::InVain(starts, status)) = server.ended() {
            let program = self.plan.command.first().map(|word| word.to_string_lossy().into_owned());
            let program = program.unwrap_or_default();
            let trouble = subject::Trouble::InVain { program, is_tcp, starts, status };
            return Err(trouble.into());
        }
        if probe != Probe::Right {
            return Ok(None);
        }
        server.until_or_at_rest(server.patience, 20, || Ok(!server.ends().is_empty()))?;
        Ok(Some(if server.ends().is_empty() { Life::Lasting } else { Life::Once }))
    }
}

/// Has a service that stays answer a request, so that it runs.
///
/// # Errors
///
/// [`Trouble::Broken`] if it does not answer.
pub(super) fn rouse(server: &Server) -> Result<(), Trouble> {
    match server.probe()? {
        Probe::Right => server.settles(),
        probe => {
            let what = format!("the good request that is to have it started is {}", probe.words());
            Err(Trouble::Broken(what))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::examine::CHECKS;

    const WAIT: Inetd = Inetd::Wait { is_tcp: true };

    #[test]
    fn what_is_whose() {
        for id in [OF_NOWAIT, OF_WAIT, OF_LASTING, OF_ONE].concat() {
            assert!(CHECKS.iter().any(|check| check.id == id), "no check {id}");
        }
        for own in ["A1", "B1", "C10", "D1", "D12", "E1", "E6", "F6", "F11"] {
            assert_eq!(excluded(Inetd::Nowait, None, own), None, "{own} is the service's");
        }
        for own in ["A1", "A5", "B1", "C10", "D1", "E2", "F1", "F6", "G1", "H1", "J1"] {
            assert_eq!(excluded(WAIT, Some(Life::Lasting), own), None, "{own} is the service's");
        }
        for own in ["A1", "B1", "C10", "D1", "D18", "E1", "E6", "F11", "J1", "J9"] {
            assert_eq!(excluded(WAIT, Some(Life::Once), own), None, "{own} is the service's");
        }
        for id in OF_LASTING {
            assert!(!OF_WAIT.contains(id), "{id} is nobody's of a service");
            assert!(excluded(WAIT, Some(Life::Once), id).is_some(), "{id}");
        }
    }
}

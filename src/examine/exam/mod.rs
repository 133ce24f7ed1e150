//! One examination: the server is started afresh for each check, and what is found out once is kept.

mod kept;
mod start;

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use self::start::raise_descriptors;
use super::costly::Heaviness;
use super::design::{Design, Manners};
use super::faults::Habits;
use super::inetd::{self, Life};
use super::leaks::Growth;
use super::log::Log;
use super::plan::{PORT, Plan};
use super::shared::Shared;
use super::{Check, Outcome, Over, Trouble};
use crate::net::Deadline;
use crate::report::{Examination, Finding, Identity, Role, Verdict};
use crate::subject::Ends;

/// What all checks of an examination share.
pub struct Exam<'a> {
    /// What is examined.
    pub plan: &'a Plan,
    log: RefCell<Log>,
    /// How many descriptors a process of the server may have unless a check says otherwise.
    descriptors: u64,
    /// Which port the server has in the check that is under way.
    port: Cell<u16>,
    is_restless: Cell<bool>,
    /// How long it lives, where it is started with a socket and has answered.
    life: Cell<Option<Life>>,
    /// The ends of those that were started like that for the check that is under way.
    ends: RefCell<Vec<Rc<Ends>>>,
    manners: OnceCell<Manners>,
    design: OnceCell<Design>,
    heavy: OnceCell<Option<Heaviness>>,
    bears_empty: OnceCell<bool>,
    harm_of_stops: OnceCell<Option<Outcome>>,
    habits: OnceCell<Habits>,
    growth: OnceCell<Growth>,
    pub(super) shared: Shared,
}

impl<'a> Exam<'a> {
    fn new(plan: &'a Plan, descriptors: u64) -> Self {
        Self {
            plan,
            log: RefCell::new(Log::new()),
            descriptors,
            port: Cell::new(PORT),
            is_restless: Cell::new(false),
            life: Cell::new(None),
            ends: RefCell::default(),
            manners: OnceCell::new(),
            design: OnceCell::new(),
            heavy: OnceCell::new(),
            bears_empty: OnceCell::new(),
            harm_of_stops: OnceCell::new(),
            habits: OnceCell::new(),
            growth: OnceCell::new(),
            shared: Shared::default(),
        }
    }

    /// The transcript of the check that is under way.
    pub fn log(&self) -> Log {
        self.log.borrow().clone()
    }

    /// How long it lives, where it is started with a socket and has answered.
    pub(super) fn life(&self) -> Option<Life> {
        self.life.get()
    }

    /// What a check comes to. If the server has ended meanwhile, that is told, and it is a fault even where what the
    /// check stands on did not happen because of it.
    fn judged(&self, outcome: Result<Outcome, Trouble>) -> Outcome {
        let Some(death) = self.log().death() else { return judged(outcome) };
        match outcome {
            Err(trouble @ (Trouble::Broken(_) | Trouble::Call(_)))
                if !trouble.is_interrupt() && !self.is_single_use().unwrap_or(false) =>
            {
                death.with(format!("so this came to nothing: {trouble}"))
            }
            // That a client's request came to nothing is what it looks like from outside.
            Ok(outcome)
                if matches!(outcome.verdict, Verdict::Fail | Verdict::Weak)
                    && !outcome.tells_of(&death)
                    && !self.is_single_use().unwrap_or(false) =>
            {
                outcome.with(death.what).with_all(death.evidence)
            }
            outcome => judged(outcome),
        }
    }

    fn run(&self, check: &Check) -> Finding {
        self.log.replace(Log::new());
        let begun = Instant::now();
        self.ends.take();
        let make = || self.judged((check.run)(self));
        let excluded = |style| inetd::excluded(style, self.life.get(), check.id);
        let outcome = match (&self.plan.running, self.plan.by_inetd.and_then(excluded)) {
            (None, Some(excluded)) => excluded,
            (Some(running), _) => self.shared.run(self, running, check.id, make),
            (None, None) if self.life() == Some(Life::Lasting) => {
                inetd::unless_ended(make(), check.id, &self.ends.take())
            }
            (None, None) => make(),
        };
        finding(check, outcome, &self.log(), begun, &self.plan.again)
    }
}

/// What a check comes to, if something has kept it from coming to anything too.
pub(super) fn judged(outcome: Result<Outcome, Trouble>) -> Outcome {
    outcome.unwrap_or_else(|trouble| match trouble {
        Trouble::Blocked(what) => Outcome::new(Verdict::Blocked, what),
        Trouble::Died(death) => death,
        trouble => Outcome::new(Verdict::Broken, trouble.to_string()),
    })
}

/// What is reported of a check that has been made.
pub(super) fn finding<Of>(
    check: &Check<Of>,
    outcome: Outcome,
    log: &Log,
    begun: Instant,
    again: &str,
) -> Finding {
    let is_fault = matches!(outcome.verdict, Verdict::Fail | Verdict::Weak);
    Finding {
        id: check.id.to_owned(),
        name: check.name.to_owned(),
        verdict: outcome.verdict,
        what: outcome.what,
        evidence: outcome.evidence,
        transcript: log.lines(),
        seconds: begun.elapsed().as_secs_f64(),
        source: check.source.to_owned(),
        remedy: is_fault.then(|| outcome.remedy.unwrap_or(check.remedy).to_owned()),
        repeat: repeat(again, check.id),
    }
}

/// The command that repeats one check alone: a claim would add the check of the claim.
fn repeat(again: &str, id: &str) -> String {
    let skip = if again.contains("--claims") && id != "C10" { " --skip C10" } else { "" };
    again.replacen("examine", &format!("examine --only {id}{skip}"), 1)
}

/// Examines a server with some checks; `tell` is called before each, with how many are done, how many there
/// are, and the one that begins.
///
/// # Errors
///
/// Only if the user has ended it.
pub fn examine(
    plan: &Plan,
    checks: &[&Check],
    mut tell: impl FnMut(usize, usize, &Check),
) -> Result<Examination, Trouble> {
    let begun = Instant::now();
    let exam = Exam::new(plan, raise_descriptors()?);
    let mut examination = Examination {
        role: Role::Server,
        server: plan.name.clone(),
        command: plan.command.iter().map(|word| word.to_string_lossy().into_owned()).collect(),
        isolation: plan.surroundings(),
        identity: None,
        findings: Vec::new(),
        trouble: None,
        seconds: 0.0,
    };
    // What can't even be started is one line of trouble, not one for each check.
    let started = exam.start().and_then(|server| {
        exam.life.set(exam.lives(&server)?);
        let is_restless = server.never_rests()?;
        if plan.by_inetd.is_none() {
            server.stays()?;
        }
        exam.shared.meet(&server)?;
        Ok((server.is_tcp, is_restless))
    });
    let is_tcp = match started {
        Ok((is_tcp, is_restless)) => {
            exam.is_restless.set(is_restless);
            is_tcp
        }
        Err(trouble) if trouble.is_interrupt() => return Err(trouble),
        Err(trouble) => {
            examination.trouble = Some(trouble.to_string());
            return Ok(examination);
        }
    };
    let here = if is_tcp { Over::Tcp } else { Over::Udp };
    let asked: Vec<&&Check> =
        checks.iter().filter(|check| [here, Over::Both].contains(&check.over)).collect();
    if asked.is_empty() {
        let what = "none of the checks that are asked for is one for a server over";
        examination.trouble = Some(format!("{what} {}", if is_tcp { "TCP" } else { "UDP" }));
    }
    for (done, check) in asked.iter().enumerate() {
        tell(done, asked.len(), check);
        let finding = exam.run(check);
        if let Err(trouble) = still_wanted() {
            return Err(trouble.into());
        }
        examination.findings.push(finding);
    }
    examination.identity = exam.design.get().map(|design| Identity {
        design: design.to_string(),
        method: design.method().to_owned(),
        workers: Some(design.workers),
        evidence: design.evidence.clone(),
    });
    examination.seconds = begun.elapsed().as_secs_f64();
    Ok(examination)
}

/// An error once the user wants an end.
pub(super) fn still_wanted() -> crate::posix::Result<()> {
    crate::subject::wait_for(&mut Vec::new(), Deadline::after(Duration::ZERO)).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_check_is_repeated_alone() {
        let plain = "socklab examine -- ./examine";
        assert_eq!(repeat(plain, "D8"), "socklab examine --only D8 -- ./examine");
        let claims = "socklab examine --claims forked -- x";
        assert_eq!(
            repeat(claims, "D8"),
            "socklab examine --only D8 --skip C10 --claims forked -- x"
        );
        assert_eq!(repeat(claims, "C10"), "socklab examine --only C10 --claims forked -- x");
    }
}

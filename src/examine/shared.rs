//! A server that runs already is one for all checks: what one of them does to it, the next ones find.

use std::cell::{Cell, RefCell};

use super::server::Server;
use super::{Exam, Outcome, Trouble};
use crate::report::Verdict;
use crate::subject::Running;

/// What is known of it.
#[derive(Default)]
pub(super) struct Shared {
    /// Whether it has been seen at rest, before the first check.
    rests: Cell<bool>,
    /// Whether clients have been sent to find out what several checks want to know.
    pub(super) was_asked: Cell<bool>,
    /// Whether it has been seen well.
    was_well: Cell<bool>,
    /// What it has come to since, as an outcome of every check from then on.
    harm: RefCell<Option<Outcome>>,
}

impl Shared {
    /// Sees it for the first time; nothing is sent.
    ///
    /// # Errors
    ///
    /// Those of waiting.
    pub(super) fn meet(&self, server: &Server) -> Result<(), Trouble> {
        if server.is_ours() {
            return Ok(());
        }
        self.rests.set(server.until_at_rest_for(10, server.patience)?);
        Ok(())
    }

    /// Makes a check, unless an earlier one has done harm, and looks what it has done.
    pub(super) fn run(
        &self,
        exam: &Exam,
        running: &Running,
        id: &str,
        make: impl FnOnce() -> Outcome,
    ) -> Outcome {
        if let Some(outcome) = self.harm.borrow().clone() {
            return outcome;
        }
        let outcome = make();
        let ailment = match self.look(exam) {
            Ok(ailment) => ailment,
            Err(Trouble::Died(_)) => None,
            Err(trouble) => {
                let what = format!("{}; then: {trouble}", outcome.what);
                return Outcome::new(Verdict::Broken, what).with_all(outcome.evidence);
            }
        };
        if let Some(ending) = running.ended() {
            let what = format!("the server has ended (in {id})");
            self.harm.replace(Some(Outcome::new(Verdict::Blocked, what)));
            let line = format!("process {} has ended, as its pidfd says", running.pid);
            return match outcome.verdict {
                Verdict::Fail => outcome,
                verdict => {
                    let before = format!("until then: {verdict}, {}", outcome.what);
                    Outcome::death(ending, None).with(before).with_all(outcome.evidence)
                }
            }
            .with(line);
        }
        match ailment {
            None => self.was_well.set(true),
            Some(ailment) if self.was_well.get() || exam.has_answered() => {
                let what = format!("the server has not been well since {id}: {}", ailment.what);
                self.harm.replace(Some(Outcome::new(Verdict::Broken, what)));
            }
            Some(_) => {}
        }
        outcome
    }

    /// How it is after a check that has sent clients to it. Whoever has only looked has changed nothing; and of who is
    /// never at rest nothing can be said.
    fn look(&self, exam: &Exam) -> Result<Option<Outcome>, Trouble> {
        let has_asked = self.was_asked.take() || !exam.log().is_empty();
        let rests = self.rests.get();
        exam.unwritten(|| {
            let server = exam.start()?;
            if !rests {
                return Ok(None);
            }
            server.until_at_rest_for(10, exam.longest())?;
            if has_asked { server.ailment() } else { Ok(None) }
        })
    }
}

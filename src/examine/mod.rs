//! What a server, whichever it is, really does: started, asked by good and bad clients, watched from outside.
//! One file for each check; [`CHECKS`] is the list of them. Clients are examined too: [`CLIENT_CHECKS`].

#![forbid(unsafe_code)]

pub mod client;
pub mod design;
pub mod log;
pub mod protocol;
pub mod server;
pub mod suite;

mod asker;
mod clients;
mod contract;
mod costly;
mod counters;
mod exam;
mod faults;
mod inetd;
mod leaks;
mod loose;
mod plan;
mod reach;
mod scale;
mod service;
mod shared;
mod stop;
mod tasks;
mod udp;

use std::fmt;

use crate::posix::Error;
use crate::posix::error::EINTR;
use crate::report::Verdict;
use crate::subject;

pub use crate::report::GROUPS;
pub use asker::exam::{ClientExam, ClientPlan, examine_client};
pub use asker::reply::Reply;
pub use costly::Heaviness;
pub use exam::{Exam, examine};
pub use plan::{Plan, Port};
pub use tasks::cost::Cost;

/// A question to a server, or else to a client ([`OfClient`]), and all that is to be said about it.
pub struct Check<Of = OfServer> {
    /// Its name in the catalogue: a group's letter and a number.
    pub id: &'static str,
    /// In words.
    pub name: &'static str,
    /// What is done.
    pub does: &'static str,
    /// What is looked at.
    pub sees: &'static str,
    /// Why it matters.
    pub matters: &'static str,
    /// What to do about a fault, in one line.
    pub remedy: &'static str,
    /// The lecture's slide, the manual page, the RFC, the book.
    pub source: &'static str,
    /// Of which it is asked.
    pub over: Over,
    /// Whether the quick profile has it.
    pub is_quick: bool,
    /// Whether it is made on a server that runs already and isn't ours.
    pub on_running: OnRunning,
    /// Brings it about, looks, and judges.
    pub run: Of,
}

/// What is done to a server, by its clients.
pub type OfServer = fn(&Exam) -> Result<Outcome, Trouble>;

/// What is done to a client, by its server.
pub type OfClient = fn(&ClientExam) -> Result<Outcome, Trouble>;

/// Of which servers, or clients, something is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// Those of TCP.
    Tcp,
    /// Those of UDP.
    Udp,
    /// All.
    Both,
}

/// Whether a check is made on a server that runs already: one that is neither started nor stopped, gets no signal,
/// no gate and no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnRunning {
    /// It is: good and bad clients are all that it takes.
    Made,
    /// Only if it is asked for by its name: it can leave a computation behind.
    IfNamed,
    /// It is not: it takes a server of its own.
    Never,
}

/// All checks of servers, in the catalogue's order.
pub const CHECKS: &[&Check] = &[
    &contract::ready::CHECK,
    &contract::address::CHECK,
    &contract::backlog::CHECK,
    &contract::reuse::CHECK,
    &contract::signals::CHECK,
    &contract::idle::CHECK,
    &service::table::CHECK,
    &service::end::CHECK,
    &service::lenient::CHECK,
    &service::shape::CHECK,
    &service::overflow::CHECK,
    &service::same::CHECK,
    &tasks::cost::CHECK,
    &tasks::counts::CHECK,
    &tasks::place::CHECK,
    &tasks::mechanism::CHECK,
    &tasks::pool::CHECK,
    &tasks::shared_port::CHECK,
    &tasks::program::CHECK,
    &tasks::parallel::CHECK,
    &tasks::readiness::CHECK,
    &tasks::claim::CHECK,
    &clients::silent::CHECK,
    &clients::trickle::CHECK,
    &clients::slow_reader::CHECK,
    &clients::bytewise::CHECK,
    &clients::pipelined::CHECK,
    &clients::oversized::CHECK,
    &clients::garbage::CHECK,
    &clients::empty::CHECK,
    &clients::closing::CHECK,
    &clients::reset::CHECK,
    &clients::early_reset::CHECK,
    &clients::sigpipe::CHECK,
    &clients::half_close::CHECK,
    &clients::trailing::CHECK,
    &clients::heavy::CHECK,
    &clients::absurd::CHECK,
    &clients::urgent::CHECK,
    &clients::churn::CHECK,
    &clients::random::CHECK,
    &leaks::zombies::CHECK,
    &leaks::descriptors::CHECK,
    &leaks::threads::CHECK,
    &leaks::memory::CHECK,
    &leaks::close_wait::CHECK,
    &leaks::children::CHECK,
    &leaks::listener::CHECK,
    &scale::idle::CHECK,
    &scale::burst::CHECK,
    &scale::beyond::CHECK,
    &scale::release::CHECK,
    &faults::shortage::CHECK,
    &faults::accept::CHECK,
    &faults::interrupt::CHECK,
    &faults::fork::CHECK,
    &faults::thread::CHECK,
    &faults::transfer::CHECK,
    &faults::descriptors::CHECK,
    &faults::tasks::CHECK,
    &faults::signals::CHECK,
    &faults::torture::CHECK,
    &faults::destroyed::CHECK,
    &faults::memory::CHECK,
    &stop::interrupted::CHECK,
    &stop::terminated::CHECK,
    &stop::idle::CHECK,
    &stop::drained::CHECK,
    &stop::leftover::CHECK,
    &stop::restarted::CHECK,
    &stop::silent::CHECK,
    &stop::replaced::CHECK,
    &stop::forced::CHECK,
    &reach::families::CHECK,
    &reach::dual::CHECK,
    &reach::asked::CHECK,
    &reach::scope::CHECK,
    &udp::answer::CHECK,
    &udp::again::CHECK,
    &udp::empty::CHECK,
    &udp::large::CHECK,
    &udp::gone::CHECK,
    &udp::reflection::CHECK,
    &udp::amplification::CHECK,
    &udp::overflow::CHECK,
    &udp::garbage::CHECK,
];

/// All checks of clients, likewise.
pub const CLIENT_CHECKS: &[&Check<OfClient>] = &[
    &asker::refused::CHECK,
    &asker::unreachable::CHECK,
    &asker::pieces::CHECK,
    &asker::cut::CHECK,
    &asker::silence::CHECK,
    &asker::half::CHECK,
    &asker::whole::CHECK,
    &asker::stranger::CHECK,
];

/// What a check comes to, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// What it comes to.
    pub verdict: Verdict,
    /// What happened, in one line.
    pub what: String,
    /// What that is concluded from.
    pub evidence: Vec<String>,
    /// What to do about it, where that depends on what was found; else it is the check's.
    pub remedy: Option<&'static str>,
}

impl Outcome {
    /// A verdict and what it stands on.
    pub fn new(verdict: Verdict, what: impl Into<String>) -> Self {
        Self { verdict, what: what.into(), evidence: Vec::new(), remedy: None }
    }

    /// The server has ended: how, and the last line of its standard error if we read that.
    pub fn death(ending: subject::Ending, last_words: Option<String>) -> Self {
        Self::fail(format!("the server ended ({ending})"))
            .with_all(last_words.map(|line| format!("it said: {line}")))
    }

    /// Whether it says what another says.
    fn tells_of(&self, other: &Self) -> bool {
        self.what.contains(&other.what)
            || self.evidence.iter().any(|line| line.contains(&other.what))
    }

    /// With another remedy than the check's.
    #[must_use]
    pub fn mended_by(mut self, remedy: &'static str) -> Self {
        self.remedy = Some(remedy);
        self
    }

    /// As it should be.
    pub fn pass(what: impl Into<String>) -> Self {
        Self::new(Verdict::Pass, what)
    }

    /// A fault.
    pub fn fail(what: impl Into<String>) -> Self {
        Self::new(Verdict::Fail, what)
    }

    /// Nothing to check here.
    pub fn not_applicable(why: impl Into<String>) -> Self {
        Self::new(Verdict::NotApplicable, why)
    }

    /// With one more line of evidence.
    #[must_use]
    pub fn with(mut self, evidence: impl Into<String>) -> Self {
        self.evidence.push(evidence.into());
        self
    }

    /// With more lines of evidence.
    #[must_use]
    pub fn with_all(mut self, evidence: impl IntoIterator<Item = String>) -> Self {
        self.evidence.extend(evidence);
        self
    }
}

/// Why a check came to nothing.
#[derive(Debug)]
pub enum Trouble {
    /// What it stands on could not be brought about.
    Broken(String),
    /// The system does not let the examiner look, or do it.
    Blocked(String),
    /// The server can't be studied.
    Subject(subject::Trouble),
    /// The server has ended while it was asked, as [`Outcome::death`] tells it.
    Died(Outcome),
    /// A call of ours failed.
    Call(Error),
}

impl Trouble {
    /// Whether the user has ended it.
    pub fn is_interrupt(&self) -> bool {
        let (Self::Call(error) | Self::Subject(subject::Trouble::Call(error))) = self else {
            return false;
        };
        error.errno() == EINTR
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broken(what) | Self::Blocked(what) => f.write_str(what),
            Self::Subject(trouble) => trouble.fmt(f),
            Self::Died(death) => {
                f.write_str(&death.what)?;
                death.evidence.iter().try_for_each(|line| write!(f, "; {line}"))
            }
            Self::Call(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Trouble {}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Call(error)
    }
}

impl From<subject::Trouble> for Trouble {
    fn from(trouble: subject::Trouble) -> Self {
        Self::Subject(trouble)
    }
}

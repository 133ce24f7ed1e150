//! What the instruments found, as plain data, and the forms in which a person or a program reads it.

#![forbid(unsafe_code)]

pub mod comparison;
pub mod examination;
pub mod matrix;
pub mod plural;
pub mod repeats;
pub mod sequence;

mod escape;
mod style;

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

pub use escape::{shell, unescape, visible};
pub use style::{Style, wrap};

/// The catalogue's groups in its order: the letter that an id begins with, and what the checks are about.
pub const GROUPS: &[(char, &str)] = &[
    ('A', "start and contract"),
    ('B', "service"),
    ('C', "design"),
    ('D', "badly behaved clients"),
    ('E', "leaks"),
    ('F', "faults"),
    ('G', "scale"),
    ('H', "stop"),
    ('I', "reach"),
    ('J', "UDP"),
    ('K', "clients themselves"),
];

/// What a check comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// As it should be.
    Pass,
    /// Neither good nor bad: a server of this design must do so.
    ByDesign,
    /// Legal, but worse than the lecture's advice.
    Weak,
    /// A fault.
    Fail,
    /// A figure, without a judgement.
    Info,
    /// The protocol's shape or the design leaves nothing to check.
    #[serde(rename = "n/a")]
    NotApplicable,
    /// The system does not let the examiner look.
    Blocked,
    /// The examiner could not bring about what the check stands on.
    Broken,
}

impl Verdict {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Pass,
        Self::ByDesign,
        Self::Weak,
        Self::Fail,
        Self::Info,
        Self::NotApplicable,
        Self::Blocked,
        Self::Broken,
    ];

    /// The word that is printed.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pass => "PASS",
            Self::ByDesign => "BY DESIGN",
            Self::Weak => "WEAK",
            Self::Fail => "FAIL",
            Self::Info => "INFO",
            Self::NotApplicable => "N/A",
            Self::Blocked => "BLOCKED",
            Self::Broken => "BROKEN",
        }
    }

    /// One ASCII character, where there is room for no more.
    pub const fn letter(self) -> char {
        match self {
            Self::Pass => '.',
            Self::ByDesign => 'd',
            Self::Weak => 'w',
            Self::Fail => 'F',
            Self::Info => 'i',
            Self::NotApplicable => '-',
            Self::Blocked => 'b',
            Self::Broken => '!',
        }
    }

    /// What a reader should look at first, the highest number first.
    pub const fn weight(self) -> u8 {
        match self {
            Self::Fail => 7,
            Self::Broken => 6,
            Self::Weak => 5,
            Self::Blocked => 4,
            Self::ByDesign => 3,
            Self::Info => 2,
            Self::Pass => 1,
            Self::NotApplicable => 0,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// What one check found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Its name in the catalogue: `D8`.
    pub id: String,
    /// In words: `empty connection`.
    pub name: String,
    /// What it comes to.
    pub verdict: Verdict,
    /// What happened, in one line.
    pub what: String,
    /// What that is concluded from, as the kernel gave it.
    pub evidence: Vec<String>,
    /// What the client did and saw.
    pub transcript: Vec<String>,
    /// How long the check took.
    #[serde(serialize_with = "microseconds")]
    pub seconds: f64,
    /// The lecture's slide, the manual page, the RFC.
    pub source: String,
    /// What to do about it, in one line; nothing where there is nothing to do.
    pub remedy: Option<String>,
    /// The command that repeats this check alone.
    pub repeat: String,
}

/// What is examined.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// A server: it is asked.
    #[default]
    Server,
    /// A client: it asks.
    Client,
}

impl Role {
    /// The word that is printed.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Client => "client",
        }
    }

    /// What its identity is called.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Server => "design",
            Self::Client => "kind",
        }
    }
}

/// Which design a server is, or which kind a client.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    /// `forked`, `pool of 4 threads`, `epoll` and so on.
    pub design: String,
    /// How it was found: by what the kernel shows of its tasks, or by its clients alone.
    pub method: String,
    /// How many workers a server has, or loops.
    #[serde(default)]
    pub workers: Option<usize>,
    /// What that is concluded from.
    pub evidence: Vec<String>,
}

/// All that was found out about a server, or a client.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Examination {
    /// What it is.
    #[serde(default)]
    pub role: Role,
    /// What the report calls it.
    pub server: String,
    /// How it is started.
    pub command: Vec<String>,
    /// In what it was run: `namespaces of its own`, or what was there instead.
    pub isolation: String,
    /// Which design it is, if anything let on.
    pub identity: Option<Identity>,
    /// What was found, in the catalogue's order.
    pub findings: Vec<Finding>,
    /// Why it could not be examined, or no further.
    pub trouble: Option<String>,
    /// How long all of it took.
    #[serde(serialize_with = "microseconds")]
    pub seconds: f64,
}

/// Several servers, examined with the same checks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Suite {
    /// One for each server, in the order in which they were named.
    pub examinations: Vec<Examination>,
    /// How long all of it took; servers are examined side by side, so it is no sum.
    #[serde(serialize_with = "microseconds")]
    pub seconds: f64,
}

/// Finer figures are noise, and a figure that is none would be no JSON.
fn microseconds<S: Serializer>(seconds: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64((finite(*seconds) * 1e6).round() / 1e6)
}

/// A duration that every form can say: none that is infinite, negative, or longer than a life.
fn finite(seconds: f64) -> f64 {
    // Added to nothing, -0 is 0.
    if seconds.is_finite() { seconds.clamp(0.0, 1e9) + 0.0 } else { 0.0 }
}

impl Examination {
    /// How many findings come to this.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.findings.iter().filter(|finding| finding.verdict == verdict).count()
    }

    /// The exit status: 0 if nothing failed, 1 if something did, 2 if a check was broken or the server could not be
    /// examined. Who has checked nothing has not found out; what the system blocks counts for nothing.
    pub fn status(&self) -> u8 {
        if self.trouble.is_some() || self.count(Verdict::Broken) > 0 || self.findings.is_empty() {
            2
        } else {
            u8::from(self.count(Verdict::Fail) > 0)
        }
    }
}

impl Suite {
    /// The exit status: that of its worst examination.
    pub fn status(&self) -> u8 {
        self.examinations.iter().map(Examination::status).max().unwrap_or(2)
    }
}

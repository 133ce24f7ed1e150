//! What the instruments found, as plain data, and the forms in which a person or a program reads it.

#![forbid(unsafe_code)]

use std::fmt;

use serde::{Deserialize, Serialize};

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
    pub seconds: f64,
    /// The lecture's slide, the manual page, the RFC.
    pub source: String,
    /// What to do about it, in one line; nothing where there is nothing to do.
    pub remedy: Option<String>,
    /// The command that repeats this check alone.
    pub repeat: String,
}

/// Which design a server is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    /// `forked`, `pool of 4 threads`, `epoll` and so on.
    pub design: String,
    /// How it was found: by what the kernel shows of its tasks, or by its clients alone.
    pub method: String,
    /// What that is concluded from.
    pub evidence: Vec<String>,
}

/// All that was found out about a server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Examination {
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
    pub seconds: f64,
}

impl Examination {
    /// How many findings come to this.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.findings.iter().filter(|finding| finding.verdict == verdict).count()
    }
}

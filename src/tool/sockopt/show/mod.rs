//! The demonstrations: what an option does, live on 127.0.0.1, each observation beside what Linux must
//! do.

mod ip_pktinfo;
mod ip_ttl;
mod namespaces;
mod so_keepalive;
mod so_linger;
mod so_rcvbuf;
mod so_rcvlowat;
mod so_rcvtimeo;
mod so_reuseaddr;
mod so_sndbuf;
mod tcp_user_timeout;

use serde::Serialize;

pub use namespaces::line;

use crate::posix::Result;
use crate::tool::loopback::kernel;

/// What shows what an option does.
#[derive(Debug)]
pub struct Demonstration {
    /// The option.
    pub name: &'static str,
    /// What is shown, in a clause.
    pub shows: &'static str,
    /// Other options that are seen in it.
    pub also: &'static [&'static str],
    run: fn(&mut Journal<'_>) -> Result<()>,
    /// The part that is run in namespaces, where there is one.
    inside: fn(&mut Journal<'_>) -> Result<()>,
}

/// All of them.
pub const DEMONSTRATIONS: &[Demonstration] = &[
    so_linger::DEMONSTRATION,
    so_keepalive::DEMONSTRATION,
    so_rcvbuf::DEMONSTRATION,
    so_sndbuf::DEMONSTRATION,
    so_rcvlowat::DEMONSTRATION,
    so_rcvtimeo::DEMONSTRATION,
    so_reuseaddr::DEMONSTRATION,
    ip_ttl::DEMONSTRATION,
    ip_pktinfo::DEMONSTRATION,
    tcp_user_timeout::DEMONSTRATION,
];

/// The demonstration of this option, or in which it is seen.
pub fn find(name: &str) -> Option<&'static Demonstration> {
    DEMONSTRATIONS.iter().find(|demonstration| {
        let mut names = std::iter::once(&demonstration.name).chain(demonstration.also);
        names.any(|known| known.eq_ignore_ascii_case(name))
    })
}

/// One thing that the kernel did.
#[derive(Debug, Clone, Serialize)]
pub struct Observation {
    /// The case that it belongs to.
    pub case: String,
    /// What was looked at.
    pub what: String,
    /// What was seen.
    pub seen: String,
    /// What Linux must do.
    pub expected: String,
    /// Whether that is what it did.
    pub as_expected: bool,
}

/// What a demonstration has shown.
#[derive(Debug, Serialize)]
pub struct Outcome {
    /// The option.
    pub option: &'static str,
    /// What is shown.
    pub shows: &'static str,
    /// The release of the Linux kernel.
    pub kernel: String,
    /// In the order in which they were made.
    pub observations: Vec<Observation>,
    /// What could not be shown here, and why.
    pub left_out: Vec<String>,
}

impl Outcome {
    /// How many observations are not what Linux must do.
    pub fn wrong(&self) -> usize {
        self.observations.iter().filter(|seen| !seen.as_expected).count()
    }
}

impl Demonstration {
    /// Runs it, telling each observation as it is made.
    ///
    /// # Errors
    ///
    /// Those of the calls that only prepare what is shown.
    pub fn run(&self, tell: &mut dyn FnMut(&Observation)) -> Result<Outcome> {
        let mut journal = Journal::new(tell);
        (self.run)(&mut journal)?;
        let Journal { observations, left_out, .. } = journal;
        let (option, shows) = (self.name, self.shows);
        Ok(Outcome { option, shows, kernel: kernel(), observations, left_out })
    }

    /// Runs the part that is for namespaces, inside which this process already is.
    ///
    /// # Errors
    ///
    /// Those of the calls that only prepare what is shown.
    pub fn run_inside(&self, tell: &mut dyn FnMut(&Observation)) -> Result<()> {
        (self.inside)(&mut Journal::new(tell))
    }
}

/// A script for [`namespaces::run`]: the whole demonstration, in a network of its own.
fn alone(name: &str) -> String {
    format!("ip link set lo up && exec \"$0\" sockopt show {name} --inside")
}

/// Takes the observations down.
struct Journal<'a> {
    tell: &'a mut dyn FnMut(&Observation),
    case: String,
    observations: Vec<Observation>,
    left_out: Vec<String>,
}

impl<'a> Journal<'a> {
    fn new(tell: &'a mut dyn FnMut(&Observation)) -> Self {
        Self { tell, case: String::new(), observations: Vec::new(), left_out: Vec::new() }
    }

    /// What follows belongs to this case.
    fn case(&mut self, case: impl Into<String>) {
        self.case = case.into();
    }

    /// It must be just this.
    fn is(&mut self, what: impl Into<String>, seen: impl ToString, expected: impl ToString) {
        let (seen, expected) = (seen.to_string(), expected.to_string());
        let as_expected = seen == expected;
        self.note(what.into(), seen, expected, as_expected);
    }

    /// It must be such that a condition holds, which `expected` says in words.
    fn holds(
        &mut self,
        what: impl Into<String>,
        seen: impl ToString,
        expected: impl ToString,
        as_expected: bool,
    ) {
        self.note(what.into(), seen.to_string(), expected.to_string(), as_expected);
    }

    fn note(&mut self, what: String, seen: String, expected: String, as_expected: bool) {
        let case = self.case.clone();
        self.add(Observation { case, what, seen, expected, as_expected });
    }

    fn add(&mut self, observation: Observation) {
        (self.tell)(&observation);
        self.observations.push(observation);
    }

    /// What this program sees in namespaces that the script makes.
    fn namespaces(&mut self, what: &str, script: &str) {
        match namespaces::run(script) {
            Ok(observations) => observations.into_iter().for_each(|seen| self.add(seen)),
            Err(reason) => self.left_out(format!("{what}: {reason}")),
        }
    }

    /// What this program sees of a whole demonstration in a network of its own; false where none can be had.
    fn alone(&mut self, name: &str) -> bool {
        let seen = namespaces::run(&alone(name));
        let had = seen.is_ok();
        seen.into_iter().flatten().for_each(|seen| self.add(seen));
        had
    }

    /// Something can't be shown here.
    fn left_out(&mut self, what: impl Into<String>) {
        self.left_out.push(what.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tool::sockopt::options;

    #[test]
    fn what_differs_counts() {
        let mut told = Vec::new();
        let mut tell = |seen: &Observation| told.push(seen.as_expected);
        let mut journal = Journal::new(&mut tell);
        journal.is("recv()", "ECONNRESET", "ECONNRESET");
        journal.is("recv()", 0, "ECONNRESET");
        journal.holds("close() took", "0.9 s", "at least 1 s", false);
        let observations = journal.observations;
        let outcome = Outcome {
            option: "SO_LINGER",
            shows: "",
            kernel: String::new(),
            observations,
            left_out: Vec::new(),
        };
        assert_eq!(outcome.wrong(), 2);
        assert_eq!(told, [true, false, false]);
    }

    #[test]
    fn demonstrations_are_of_options() {
        for demonstration in DEMONSTRATIONS {
            assert!(options::find(demonstration.name).is_some(), "{}", demonstration.name);
        }
        assert!(find("so_linger").is_some() && find("SO_TYPE").is_none());
        // All of the lecture's table.
        let also = |name| find(name).map(|demonstration| demonstration.name);
        assert_eq!(also("SO_SNDLOWAT"), Some("SO_SNDBUF"));
        assert_eq!(also("IP_RECVIF"), Some("IP_PKTINFO"));
    }
}

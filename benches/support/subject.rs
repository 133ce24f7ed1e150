//! The servers: started so that they end with the benchmark, and looked at in /proc.

use std::fmt;
use std::fs;
use std::os::unix::process::CommandExt;

use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use socklab::server::{DESIGNS, Design, Idle, Pool, Service, Silent, Transport};

use crate::support::{self, Language, Server};
use crate::watch::{tasks, tree};

/// One design in one language.
#[derive(Clone, Copy)]
pub(crate) struct Case {
    pub(crate) language: Language,
    pub(crate) design: &'static Design,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.design.name, self.language)
    }
}

impl Case {
    /// Its server on a free port of 127.0.0.1, with what the design's kind needs to be told.
    pub(crate) fn start(&self, workers: usize) -> Server {
        let mut command = support::command(self.language, self.design);
        command.args(["--port", "0"]);
        if self.design.promises.silent == Silent::StallsUntilTimeout {
            command.args(["--timeout", "0.3"]);
        }
        // Nobody is to be refused, and nobody's time to be over, while it is measured.
        if self.design.promises.has_limits() && self.language == Language::Rust {
            command.args(["--deadline", "3600", "--max-clients", "15000"]);
        }
        if self.design.promises.pool != Pool::None {
            command.args(["--workers", &workers.to_string()]);
        }
        // SAFETY: between fork and exec, one system call that allocates nothing.
        unsafe { command.pre_exec(|| Ok(set_pdeathsig(Signal::SIGTERM)?)) };
        Server::spawn(command)
    }
}

/// The cases whose design is meant: a TCP Fibonacci server, and one of the names if there are any.
pub(crate) fn cases(languages: &[Language], names: &[String]) -> Vec<Case> {
    let mut cases = Vec::new();
    for design in DESIGNS {
        let meant = names.is_empty() || names.iter().any(|name| name == design.name);
        if meant && (design.transport, design.service) == (Transport::Tcp, Service::Fibonacci) {
            cases.extend(languages.iter().map(|&language| Case { language, design }));
        }
    }
    cases
}

/// A server whose requests are the clock, wherever something has to stay as it is for a while.
pub(crate) fn clock() -> Server {
    let design = DESIGNS.iter().find(|design| {
        let promises = design.promises;
        (promises.silent, promises.idle) == (Silent::Stalls, Idle::Sleeps)
    });
    Case { language: Language::Rust, design: design.expect("an iterative design") }.start(1)
}

/// The CPU time of a server, all its tasks together, in nanoseconds.
pub(crate) fn cpu(server: &Server) -> u64 {
    let of = |path: String| {
        let text = fs::read_to_string(path).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    };
    let tasks = tasks(server);
    tasks
        .iter()
        .flat_map(|task| of(format!("/proc/{}/task/{}/schedstat", task.pid, task.tid)))
        .sum()
}

/// The memory of a server that is its own and no file's, all its processes together, in KiB.
pub(crate) fn anonymous(server: &Server) -> u64 {
    let of = |pid: i32| {
        let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix("Anonymous:"))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    tree(server.pid()).into_iter().flat_map(of).sum()
}

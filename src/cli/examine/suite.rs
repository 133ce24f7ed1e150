//! Many servers, each examined by a process of its own.

use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::path::Path;

use super::super::Failure;
use super::{Arguments, ended};
use crate::examine::suite::examine_all;
use crate::report::Role;
use crate::subject::cell::has_namespaces;
use crate::subject::heed_interrupts;

pub(super) fn run(path: &Path, arguments: &Arguments) -> Result<(), Failure> {
    let failed =
        |what: String| Failure { line: format!("error: {}: {what}", path.display()), status: 2 };
    let text = std::fs::read_to_string(path).map_err(|error| match error.kind() {
        io::ErrorKind::InvalidData => {
            failed(String::from("no text; a suite has on each line a name, a colon and a command"))
        }
        _ => failed(error.to_string()),
    })?;
    let entries = crate::examine::suite::parse(&text).map_err(failed)?;
    heed_interrupts().map_err(|error| Failure::new(error.to_string()))?;
    let examiner = examiner(arguments)?;
    let jobs = arguments.jobs.unwrap_or_else(jobs);
    let role = if arguments.client { Role::Client } else { Role::Server };
    let suite = examine_all(role, &entries, &examiner, jobs, progress);
    super::wipe();
    let suite = suite.map_err(|trouble| {
        let status = if trouble.is_interrupt() { 130 } else { 2 };
        let line = if trouble.is_interrupt() { String::new() } else { trouble.to_string() };
        Failure { line, status }
    })?;
    arguments.output.several(&suite)?;
    ended(suite.status())
}

/// As many as there are CPUs; one, where they would be in the same network and disturb each other.
fn jobs() -> usize {
    if has_namespaces() { std::thread::available_parallelism().map_or(1, usize::from) } else { 1 }
}

/// The command that examines one of them; its name and its own command follow.
fn examiner(arguments: &Arguments) -> Result<Vec<OsString>, Failure> {
    let asked = &arguments.asked;
    let mut words: Vec<OsString> =
        vec![std::env::current_exe()?.into(), "examine".into(), "--json".into()];
    words.push("--end-with-input".into());
    let mut option = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            words.push(format!("{name}={value}").into());
        }
    };
    option("--wait", Some(asked.wait.to_string()));
    option("--port", asked.port.map(|port| port.to_string()));
    option("--claims", asked.claims.clone());
    option("--like", asked.like.as_ref().map(|like| like.line.clone()));
    option("--send", asked.send.clone());
    option("--expect", asked.expect.clone());
    option("--answer", asked.answer.clone());
    option("--heavy", asked.heavy.clone());
    option("--only", (!arguments.only.is_empty()).then(|| arguments.only.join(",")));
    option("--skip", (!arguments.skip.is_empty()).then(|| arguments.skip.join(",")));
    let flags = [
        ("--client", arguments.client),
        ("--quick", arguments.quick),
        ("--one-shot", asked.one_shot),
        ("--persistent", asked.persistent),
    ];
    words.extend(flags.iter().filter(|(_, is_set)| *is_set).map(|(name, _)| OsString::from(name)));
    Ok(words)
}

/// How many are done and who is under way, on a terminal only.
fn progress(done: usize, all: usize, names: &[&str]) {
    /// What lines of most terminals have room for.
    const ROOM: usize = 70;
    if io::stderr().is_terminal() {
        let text = super::super::one_line(&format!("{done}/{all} {}", names.join(", ")));
        let line = crate::report::wrap(&text, Some(ROOM)).into_iter().next().unwrap_or_default();
        // Nobody misses it.
        let _ = write!(io::stderr(), "\r\x1b[K{line}");
    }
}

//! `socklab examine`: what any server really does.

use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use clap::Args;

use super::Failure;
use crate::examine::protocol::{Protocol, Shape};
use crate::examine::{CHECKS, Check, Plan, Port, examine};
use crate::report::{Examination, Verdict};
use crate::subject::cell::{Isolation, enter};
use crate::subject::heed_interrupts;

#[derive(Args)]
#[command(after_help = "\
Examples:
  socklab examine -- ./server {port}
  socklab examine --only D8,D12 -- python3 server.py {port}
  socklab examine --claims forked -- ./server --port {port}
  socklab examine --send 'PING\\r\\n' --expect PONG --persistent -- redis-server --port {port}

The server takes its port from {port} in an argument or from the variable PORT, or has the one that --port names. It runs
in a network of its own where the system allows that, and nothing of it is left. The exit status is 0 if nothing
failed, 1 if something did, 2 if the server could not be examined.")]
pub(super) struct Arguments {
    /// How the server is started
    #[arg(last = true, value_name = "COMMAND", required_unless_present_any = ["list", "explain"])]
    command: Vec<OsString>,
    /// The port that the server has by itself
    #[arg(long, value_name = "PORT", value_parser = super::port)]
    port: Option<u16>,
    /// The design that it is said to be, by socklab's name
    #[arg(long, value_name = "DESIGN")]
    claims: Option<String>,
    /// A good request, with C's escapes; without it the server is asked for fib(10)
    #[arg(long, value_name = "BYTES", requires = "expect")]
    send: Option<String>,
    /// A regular expression for the answer to it
    #[arg(long, value_name = "REGEX", requires = "send")]
    expect: Option<String>,
    /// A request that costs the server a second or so
    #[arg(long, value_name = "BYTES", requires = "send")]
    heavy: Option<String>,
    /// A connection carries one request; without it and --persistent that is found out
    #[arg(long, conflicts_with = "persistent")]
    one_shot: bool,
    /// A connection carries several requests
    #[arg(long)]
    persistent: bool,
    /// Only these checks or groups: D8,E
    #[arg(long, value_name = "IDS", value_delimiter = ',')]
    only: Vec<String>,
    /// Not these checks or groups
    #[arg(long, value_name = "IDS", value_delimiter = ',')]
    skip: Vec<String>,
    /// Leave out what takes long
    #[arg(long)]
    quick: bool,
    /// How long an answer may take, in seconds
    #[arg(long, value_name = "S", default_value_t = 5)]
    wait: u64,
    /// List the checks
    #[arg(long)]
    list: bool,
    /// Say what a check does, sees, and why it matters
    #[arg(long, value_name = "ID")]
    explain: Option<String>,
    /// Print the findings as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    if arguments.list {
        return list();
    }
    if let Some(id) = &arguments.explain {
        return explain(id);
    }
    let plan = Plan {
        name: arguments
            .command
            .first()
            .map_or_else(String::new, |word| word.to_string_lossy().into_owned()),
        command: arguments.command.clone(),
        port: arguments.port.map_or(Port::Given, Port::Fixed),
        protocol: protocol(arguments)?,
        patience: Duration::from_secs(arguments.wait),
        isolation: Isolation::Beside(String::new()),
        claims: arguments.claims.clone(),
        again: again(),
    };
    let checks = selection(arguments)?;
    let plan = Plan { isolation: enter(), ..plan };
    heed_interrupts().map_err(|error| Failure::new(error.to_string()))?;
    let examination = examine(&plan, &checks, progress).map_err(|trouble| {
        if trouble.is_interrupt() {
            return Failure { line: String::new(), status: 130 };
        }
        Failure { line: trouble.to_string(), status: 2 }
    })?;
    wipe();
    if arguments.json {
        let line = serde_json::to_string(&examination).map_err(io::Error::from)?;
        writeln!(io::stdout(), "{line}")?;
    } else {
        print(&examination)?;
    }
    let status = if examination.trouble.is_some() || examination.count(Verdict::Broken) > 0 {
        2
    } else {
        u8::from(examination.count(Verdict::Fail) > 0)
    };
    if status == 0 { Ok(()) } else { Err(Failure { line: String::new(), status }) }
}

fn protocol(arguments: &Arguments) -> Result<Option<Protocol>, Failure> {
    let shape = match (arguments.one_shot, arguments.persistent) {
        (true, _) => Some(Shape::OneShot),
        (_, true) => Some(Shape::Persistent),
        _ => None,
    };
    let (Some(send), Some(expect)) = (&arguments.send, &arguments.expect) else {
        return Ok(shape.map(|shape| Protocol { shape: Some(shape), ..Protocol::fibonacci() }));
    };
    let own = Protocol::own(send, expect, arguments.heavy.as_deref());
    let own = own.map_err(|what| Failure::usage(format!("error: {what}")))?;
    Ok(Some(Protocol { shape, ..own }))
}

fn selection(arguments: &Arguments) -> Result<Vec<&'static Check>, Failure> {
    for word in arguments.only.iter().chain(&arguments.skip) {
        if !CHECKS.iter().any(|check| is_named(check, word)) {
            return Err(Failure::usage(format!(
                "error: no check '{word}'; `socklab examine --list` lists them"
            )));
        }
    }
    let is_asked = |check: &&&Check| {
        let named = |words: &[String]| words.iter().any(|word| is_named(check, word));
        let is_wanted = if arguments.only.is_empty() {
            check.is_quick || !arguments.quick
        } else {
            named(&arguments.only)
        };
        is_wanted && !named(&arguments.skip)
    };
    Ok(CHECKS.iter().filter(is_asked).copied().collect())
}

/// Whether a word is a check's name, or its group's.
fn is_named(check: &Check, word: &str) -> bool {
    let word = word.to_ascii_uppercase();
    check.id == word || (word.len() == 1 && check.id.starts_with(&word))
}

/// This command, to be given again.
fn again() -> String {
    let words = std::env::args().skip(1).map(|word| {
        let is_plain = word
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_./:=,+{}@%".contains(&byte));
        if is_plain && !word.is_empty() {
            word
        } else {
            format!("'{}'", word.replace('\'', r"'\''"))
        }
    });
    let words: Vec<String> = words.collect();
    format!("socklab {}", words.join(" "))
}

/// Which check is under way, on a terminal only.
fn progress(done: usize, all: usize, check: &Check) {
    if io::stderr().is_terminal() {
        // Nobody misses it.
        let _ = write!(io::stderr(), "\r\x1b[K{}/{all} {} {}", done + 1, check.id, check.name);
    }
}

fn wipe() {
    if io::stderr().is_terminal() {
        let _ = write!(io::stderr(), "\r\x1b[K");
    }
}

fn list() -> Result<(), Failure> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    for check in CHECKS {
        let profile = if check.is_quick { "quick" } else { "full" };
        writeln!(out, "{:4} {:5} {}", check.id, profile, check.name)?;
    }
    Ok(out.flush()?)
}

fn explain(id: &str) -> Result<(), Failure> {
    let Some(check) = CHECKS.iter().find(|check| check.id.eq_ignore_ascii_case(id)) else {
        return Err(Failure::usage(format!(
            "error: no check '{id}'; `socklab examine --list` lists them"
        )));
    };
    let Check { id, name, does, sees, matters, remedy, source, .. } = check;
    let text = format!(
        "{id}: {name}\n\nIt {does}.\nIt looks at {sees}.\n\nWhy: {matters}.\nRemedy: {remedy}.\nSource: {source}.\n"
    );
    Ok(io::stdout().write_all(text.as_bytes())?)
}

fn print(examination: &Examination) -> io::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    if let Some(trouble) = &examination.trouble {
        writeln!(out, "{}", super::printable(trouble.as_bytes()))?;
    }
    if let Some(identity) = &examination.identity {
        writeln!(out, "design: {} ({})", identity.design, identity.method)?;
        for line in &identity.evidence {
            writeln!(out, "        {line}")?;
        }
    }
    for finding in &examination.findings {
        writeln!(
            out,
            "{:9} {:4} {}: {}",
            finding.verdict,
            finding.id,
            finding.name,
            super::printable(finding.what.as_bytes())
        )?;
    }
    writeln!(out, "{} checks in {:.1} s", examination.findings.len(), examination.seconds)?;
    out.flush()
}

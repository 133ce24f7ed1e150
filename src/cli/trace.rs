//! `socklab trace`: one server, system call by system call, in plain words.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::Failure;
use super::compare::{fit, listening, read_script, recorded, start, terminal_width};
use crate::compare::explain::{Explained, explain};
use crate::compare::record::Plan;
use crate::subject::heed_interrupts;

#[derive(Args)]
#[command(after_help = "\
Examples:
  socklab trace forked                a design
  socklab trace -- ./mine {port}      any server
  socklab trace --script clients.txt select

It is started under strace, asked by clients, and stopped with SIGINT, as by socklab compare. {port} in an
argument, and the variable PORT, are a free port; a server may take any other. The times are milliseconds since
its first socket for clients.")]
pub(super) struct Arguments {
    /// A design; or `-- COMMAND`
    #[arg(value_name = "DESIGN", required_unless_present = "command")]
    design: Option<String>,
    /// A command, with `--` before it
    #[arg(last = true, value_name = "COMMAND", conflicts_with = "design")]
    command: Vec<OsString>,
    /// What the clients do: lines such as `a connect`, `a send 10\n`, `a expect 55`, `a end`
    #[arg(long, value_name = "FILE")]
    script: Option<PathBuf>,
    /// How long anything may take, in seconds
    #[arg(long, value_name = "S", default_value_t = 10)]
    wait: u64,
    /// Print the trace as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let command = match &arguments.design {
        Some(name) => listening(name)?,
        None => arguments.command.clone(),
    };
    let plan = Plan {
        script: arguments.script.as_ref().map(read_script).transpose()?,
        patience: Duration::from_secs(arguments.wait),
    };
    heed_interrupts().map_err(|error| Failure::new(error.to_string()))?;
    let explained = explain(&recorded(&command, &plan)?);
    if arguments.json {
        let line = serde_json::to_string(&explained).map_err(io::Error::from)?;
        return Ok(writeln!(io::stdout(), "{line}")?);
    }
    Ok(print(&explained)?)
}

fn print(explained: &Explained) -> io::Result<()> {
    // The words are for reading: rather the call is cut.
    let column = (terminal_width() - 11) / 2;
    let mut out = io::BufWriter::new(io::stdout().lock());
    let first = explained.tasks.iter().flat_map(|task| task.steps.first());
    let begin = first.map(|step| step.step.at).fold(f64::INFINITY, f64::min);
    for task in &explained.tasks {
        let calls = task.steps.iter().filter(|step| !step.step.call.is_empty()).count();
        writeln!(out, "{}: {calls} calls", task.role)?;
        if task.started > 0 {
            let helpers = if task.role == "parent" { explained.helpers } else { 0 };
            writeln!(out, "{:9} {}", "", start(task.started, helpers))?;
        }
        for step in &task.steps {
            let at = (step.step.at - begin) * 1e3;
            let words = step.words.as_deref().unwrap_or_default();
            let line = format!("{at:9.3} {} {words}", fit(&step.step.text, column));
            writeln!(out, "{}", line.trim_end())?;
        }
    }
    out.flush()
}

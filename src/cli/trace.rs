//! `socklab trace`: one server, system call by system call, in plain words.

use std::ffi::OsString;
use std::io::{self, Write};

use clap::Args;

use super::Failure;
use super::compare::{Asking, PIPE, Run, fit, listening, so_far, start, terminal_width};
use crate::compare::explain::{Explained, ExplainedStep, explain};
use crate::report::comparison::least;
use crate::report::repeats::{Part, repeats, words as again};
use crate::report::wrap;
use crate::subject::heed_interrupts;

#[derive(Args)]
#[command(after_help = "\
Examples:
  socklab trace forked                a design
  socklab trace -- ./mine {port}      any server
  socklab trace --script clients.txt select
  socklab trace --send 'PING\\r\\n' --expect PONG -- redis-server --port {port}

It is started under strace, asked by clients, and stopped with SIGINT, as by socklab compare.
{port} in an argument, and the variable PORT, are a free port; a server that has no {port} may
take any other. The times are milliseconds since its first socket for clients.")]
pub(super) struct Arguments {
    /// A design; or `-- COMMAND`
    #[arg(value_name = "DESIGN", required_unless_present = "command")]
    design: Option<String>,
    /// A command, with `--` before it
    #[arg(last = true, value_name = "COMMAND", conflicts_with = "design")]
    command: Vec<OsString>,
    #[command(flatten)]
    asking: Asking,
    /// Print the trace as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let command = match &arguments.design {
        Some(name) => listening(name)?,
        None => arguments.command.clone(),
    };
    let plan = arguments.asking.plan()?;
    heed_interrupts().map_err(|error| Failure::new(error.to_string()))?;
    let Run { trace, broken } = so_far(&command, &plan, |_| true)?;
    let explained = explain(&trace);
    if arguments.json {
        let line = serde_json::to_string(&explained).map_err(io::Error::from)?;
        writeln!(io::stdout(), "{line}")?;
    } else {
        print(&explained)?;
    }
    broken.map_or(Ok(()), |line| Err(Failure { line, status: 2 }))
}

fn print(explained: &Explained) -> io::Result<()> {
    let width = terminal_width();
    let mut out = io::BufWriter::new(io::stdout().lock());
    for task in &explained.tasks {
        let calls = task.steps.iter().filter(|step| !step.step.call.is_empty()).count();
        writeln!(out, "{}: {calls} calls", task.role)?;
        if task.started > 0 {
            let helpers = if task.role == "parent" { explained.helpers } else { 0 };
            writeln!(out, "{:9} {}", "", start(task.started, helpers))?;
        }
        let same = |one: &ExplainedStep, other: &ExplainedStep| one.step.text == other.step.text;
        for part in repeats(&task.steps, same) {
            match part {
                Part::Once(at) => line(&task.steps[at], width, &mut out)?,
                Part::Again { from, period, times } => {
                    let last = &task.steps[from + period * times - 1].step;
                    let until = format_args!("{:.3}", (last.at + last.spent) * 1e3);
                    writeln!(out, "{:9} {}", "", again(period, times, until))?;
                }
            }
        }
    }
    out.flush()
}

/// An event with its words beside it, or below it where the terminal is narrow.
fn line(step: &ExplainedStep, width: Option<usize>, out: &mut impl Write) -> io::Result<()> {
    let at = step.step.at * 1e3;
    let words = step.words.as_deref().unwrap_or_default();
    let all = width.unwrap_or(PIPE);
    // The words are for reading: rather the call is cut, but not what came of it.
    let column = (all - 11) / 2;
    if all < 70 || width.is_some() && least(&step.step.text).is_some_and(|least| least > column) {
        writeln!(out, "{at:9.3} {}", fit(&step.step.text, all - 10).trim_end())?;
        let indent = if all < 70 { 12 } else { column + 11 };
        let words = wrap(words, Some(all - indent));
        let mut words = words.iter().filter(|words| !words.is_empty());
        return words.try_for_each(|words| writeln!(out, "{:indent$}{words}", ""));
    }
    let words = wrap(words, width.map(|width| width - column - 11));
    let mut words = words.iter();
    let first = words.next().map_or("", String::as_str);
    let begin = format!("{at:9.3} {} {first}", fit(&step.step.text, column));
    writeln!(out, "{}", begin.trim_end())?;
    words.try_for_each(|words| writeln!(out, "{:1$}{words}", "", column + 11))
}

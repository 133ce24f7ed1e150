//! `socklab experiment`: what the kernel does, as tables.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use comfy_table::{CellAlignment, ContentArrangement, Table, TableComponent, presets};
use serde::Serialize;

use super::{Failure, whole_number};
use crate::experiment::{Outcome, WORKERS_MAX, backlog, balance, herd};
use crate::posix::Error;

#[derive(Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    experiment: Experiment,
}

#[derive(Subcommand)]
enum Experiment {
    /// The thundering herd: how many workers wake for one connection
    #[command(after_help = "\
Examples:
  socklab experiment herd                 15 workers, as in Stevens' book
  socklab experiment herd --workers 100
  socklab experiment herd --json          for a program")]
    Herd {
        /// How many threads wait for a connection, 1 to 256
        #[arg(long, allow_hyphen_values = true, value_name = "N", default_value = "15",
              value_parser = workers)]
        workers: usize,
        /// How many connections are made, one after the other, in each row
        #[arg(long, allow_hyphen_values = true, value_name = "N", default_value = "200",
              value_parser = connections)]
        connections: usize,
        /// Print the outcome as one line of JSON
        #[arg(long)]
        json: bool,
    },
    /// The balance of accept: which of the waiting workers gets the connection
    #[command(after_help = "\
Examples:
  socklab experiment balance              3 workers
  socklab experiment balance --workers 8 --connections 1000")]
    Balance {
        /// How many threads wait for a connection, 1 to 256
        #[arg(long, allow_hyphen_values = true, value_name = "N", default_value = "3",
              value_parser = workers)]
        workers: usize,
        /// How many connections are made, one after the other, in each row
        #[arg(long, allow_hyphen_values = true, value_name = "N", default_value = "300",
              value_parser = connections)]
        connections: usize,
        /// Print the outcome as one line of JSON
        #[arg(long)]
        json: bool,
    },
    /// The backlog: how many connections are completed where nobody accepts
    #[command(after_help = "\
Examples:
  socklab experiment backlog
  socklab experiment backlog --json")]
    Backlog {
        /// Print the outcome as one line of JSON
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut progress = Progress::new();
    let mut tell = |done, all| progress.tell(done, all);
    match arguments.experiment {
        Experiment::Herd { workers, connections, json } => {
            let outcome = herd::run(workers, connections, &mut tell);
            progress.clear();
            print(outcome, json, herd_table)
        }
        Experiment::Balance { workers, connections, json } => {
            let outcome = balance::run(workers, connections, &mut tell);
            progress.clear();
            print(outcome, json, balance_table)
        }
        Experiment::Backlog { json } => {
            let outcome = backlog::run(&mut tell);
            progress.clear();
            print(outcome, json, backlog_table)
        }
    }
}

fn print<R: Serialize>(
    outcome: Result<Outcome<R>, Error>,
    json: bool,
    fill: fn(&mut Table, &[R]),
) -> Result<(), Failure> {
    let outcome = outcome.map_err(|error| Failure::new(error.to_string()))?;
    if json {
        let line = serde_json::to_string(&outcome).map_err(io::Error::from)?;
        return Ok(writeln!(io::stdout(), "{line}")?);
    }
    let mut table = Table::new();
    table
        .load_preset(presets::UTF8_HORIZONTAL_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic);
    if !table.is_tty() {
        table.set_width(100);
    }
    fill(&mut table, &outcome.rows);
    let experiment = outcome.experiment;
    Ok(writeln!(
        io::stdout(),
        "{}: {} ({}; Linux {})\n{}\n{}\n{}",
        experiment.name,
        experiment.unit,
        outcome.samples,
        outcome.kernel,
        experiment.measured,
        table.trim_fmt(),
        outcome.shows
    )?)
}

fn herd_table(table: &mut Table, rows: &[herd::Row]) {
    dense(table);
    table.set_header(["workers wait in", "wake-ups", "workers woken", "", "fewest", "most"]);
    for row in rows {
        let woken = row.woken_per_connection;
        table.add_row([
            row.how,
            &format!("{:.2}", row.wakeups_per_connection),
            &format!("{woken:.2}"),
            &bar(woken, row.workers as f64),
            &row.woken_least.to_string(),
            &row.woken_most.to_string(),
        ]);
    }
    align_right(table, &[1, 2, 4, 5]);
}

/// How many workers are listed one by one.
const LISTED: usize = 16;

fn balance_table(table: &mut Table, rows: &[balance::Row]) {
    table.set_header(["workers wait in", "worker", "connections", "", "the first go to"]);
    for row in rows {
        let most = row.served.iter().max().map_or(0.0, |&most| most as f64);
        let lines = |cell: &dyn Fn(usize, usize) -> String, rest: &str| {
            let served = row.served.iter().enumerate().take(LISTED);
            let mut lines: Vec<String> = served.map(|(at, &count)| cell(at, count)).collect();
            if row.workers > LISTED {
                lines.push(String::from(rest));
            }
            lines.join("\n")
        };
        let others = row.served.iter().skip(LISTED).sum::<usize>().to_string();
        let first: Vec<String> = row.first.iter().map(u8::to_string).collect();
        table.add_row([
            row.how,
            &lines(&|worker, _| worker.to_string(), "others"),
            &lines(&|_, count| count.to_string(), &others),
            &lines(&|_, count| bar(count as f64, most), ""),
            &first.join(" "),
        ]);
    }
    align_right(table, &[1, 2]);
}

fn backlog_table(table: &mut Table, rows: &[backlog::Row]) {
    dense(table);
    table.set_header(["n", "Send-Q", "Recv-Q", "fit", "", "next", "drops", "overflows"]);
    let most = rows.iter().filter_map(|row| row.completed).max().unwrap_or_default();
    for row in rows {
        let completed = row.completed.map_or_else(|| String::from("-"), |count| count.to_string());
        let overflows = row.overflows.map_or_else(|| String::from("-"), |more| format!("+{more}"));
        table.add_row([
            &row.backlog.to_string(),
            &row.limit.to_string(),
            &row.queued.to_string(),
            &completed,
            &bar(row.completed.unwrap_or_default() as f64, most as f64),
            row.next.unwrap_or("-"),
            &row.dropped.to_string(),
            &overflows,
        ]);
    }
    align_right(table, &[0, 1, 2, 3, 6, 7]);
}

/// No lines between the rows.
fn dense(table: &mut Table) {
    table.remove_style(TableComponent::HorizontalLines);
    table.remove_style(TableComponent::MiddleIntersections);
}

fn align_right(table: &mut Table, columns: &[usize]) {
    for &column in columns {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}

/// At most 12 characters, in halves of one; something, however little, is seen.
fn bar(value: f64, most: f64) -> String {
    let halves = if value > 0.0 { (value / most * 24.0).round().max(1.0) as usize } else { 0 };
    "█".repeat(halves / 2) + if halves % 2 == 1 { "▌" } else { "" }
}

/// How far it is, on a terminal, from the second second on.
struct Progress {
    start: Option<Instant>,
    shown: String,
}

impl Progress {
    fn new() -> Self {
        let start = io::stderr().is_terminal().then(Instant::now);
        Self { start, shown: String::new() }
    }

    fn tell(&mut self, done: usize, all: usize) {
        if self.start.is_some_and(|start| start.elapsed() > Duration::from_secs(1)) {
            let percent = format!("{} %", done * 100 / all);
            if percent != self.shown {
                // A terminal that is gone needs no progress.
                let _ = write!(io::stderr(), "\r{percent}");
                self.shown = percent;
            }
        }
    }

    fn clear(&mut self) {
        if !self.shown.is_empty() {
            let _ = write!(io::stderr(), "\r{}\r", " ".repeat(self.shown.len()));
        }
    }
}

/// `--workers`
fn workers(text: &str) -> Result<usize, String> {
    number(text, WORKERS_MAX)
        .ok_or_else(|| format!("the number of workers is one from 1 to {WORKERS_MAX}"))
}

/// `--connections`
fn connections(text: &str) -> Result<usize, String> {
    number(text, 1_000_000)
        .ok_or_else(|| String::from("the number of connections is one from 1 to 1000000"))
}

fn number(text: &str, most: usize) -> Option<usize> {
    let number = whole_number(text).and_then(|number| usize::try_from(number).ok());
    number.filter(|number| (1..=most).contains(number))
}

//! `socklab readiness`: the lecture's lists of what is readable and writable, as a live table.

use std::io::{self, Write};

use clap::Args;
use comfy_table::{Cell, ContentArrangement, Table, TableComponent, presets};

use super::Failure;
use crate::tool::explained;
use crate::tool::readiness::{self, Events, Row, Sets};

#[derive(Args)]
#[command(after_help = "\
Examples:
  socklab readiness           the table, made on 127.0.0.1
  socklab readiness --json    for a program

select: r readable, w writable, x in the third set. The calls are made with MSG_DONTWAIT. A line
with ! differs from the lecture's words. The exit status is 1 if the kernel says anything else
than Linux must.")]
pub(super) struct Arguments {
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let table = readiness::table()
        .map_err(|error| Failure::new(format!("readiness: {}", explained(&error))))?;
    if arguments.json {
        let line = serde_json::to_string(&table).map_err(io::Error::from)?;
        writeln!(io::stdout(), "{line}")?;
    } else {
        print(&table)?;
    }
    let first = table.rows.iter().find(|row| !row.wrong.is_empty());
    first.map_or(Ok(()), |row| {
        let (wrong, rows, what) = (table.wrong(), table.rows.len(), row.situation);
        let line =
            format!("readiness: {wrong} of {rows} rows differ: {what}: {}", row.wrong.join(", "));
        Err(Failure::new(line))
    })
}

fn print(found: &readiness::Table) -> Result<(), Failure> {
    let mut table = Table::new();
    table
        .load_preset(presets::UTF8_HORIZONTAL_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .remove_style(TableComponent::HorizontalLines)
        .remove_style(TableComponent::MiddleIntersections)
        .set_header(["situation", "select", "poll, epoll", "then"]);
    if !table.is_tty() {
        table.set_width(100);
    }
    let mut heading = String::new();
    for row in &found.rows {
        let words = format!("{} {}:", row.list.heading(), row.clause);
        if heading != words {
            table.add_row(vec![Cell::new(&words)]);
            heading = words;
        }
        table.add_row([situation(row), sets(row.readiness.select), events(row), then(row)]);
    }
    let kernel = &found.kernel;
    let rows = found.rows.len();
    let right = rows - found.wrong();
    Ok(writeln!(
        io::stdout(),
        "{}\n{right} of {rows} rows are what Linux must say (Linux {kernel}).\n! is where that differs from the lecture's words.",
        table.trim_fmt()
    )?)
}

/// What differs from the lecture, and what differs from Linux, below it.
fn situation(row: &Row) -> String {
    let mut text = format!("- {}", row.situation);
    if !row.differs.is_empty() {
        text.push_str(&format!("\n! {}", row.differs));
    }
    for wrong in &row.wrong {
        text.push_str(&format!("\nWRONG: {wrong}"));
    }
    text
}

fn sets(Sets { readable, writable, exception }: Sets) -> String {
    let bit = |set, letter| if set { letter } else { '-' };
    [bit(readable, 'r'), bit(writable, 'w'), bit(exception, 'x')].iter().collect()
}

/// Once where both say the same.
fn events(row: &Row) -> String {
    let (poll, epoll) = (row.readiness.poll, row.readiness.epoll);
    let names = |events: Events| {
        let names = events.names();
        if names.is_empty() { String::from("-") } else { names.join(" ") }
    };
    if poll == epoll { names(poll) } else { format!("{} / {}", names(poll), names(epoll)) }
}

fn then(row: &Row) -> String {
    let calls = row.then.iter().map(|then| format!("{} {}", then.call, then.returned));
    calls.collect::<Vec<_>>().join("\n")
}

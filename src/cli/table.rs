//! `socklab compare --table`: all designs, what a connection costs each, and whether the C twin is equal.

use std::io::{self, Write};

use comfy_table::{ContentArrangement, Table, presets};

use super::Failure;
use super::compare::{Arguments, failure, listening, with_twin};
use crate::compare::cost::{Cost, cost};
use crate::server::{DESIGNS, Design, Serves, Transport};

pub(super) fn print(arguments: &Arguments) -> Result<(), Failure> {
    let mut table = Table::new();
    table
        .load_preset(presets::ASCII_MARKDOWN)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(["design", "in the parent", "in the child or thread", "in all", "its twin"]);
    let mut all_equal = true;
    for design in DESIGNS {
        let is_equal = with_twin(design.name, arguments)?.is_equal();
        all_equal &= is_equal;
        let [parent, others, all] = match per_connection(design, arguments)? {
            Some(Cost { parent, others }) => {
                [parent, others, parent + others].map(|n| n.to_string())
            }
            None => ["-", "-", "varies"].map(String::from),
        };
        let twin = String::from(if is_equal { "equal" } else { "different" });
        table.add_row([String::from(design.name), parent, others, all, twin]);
    }
    writeln!(io::stdout(), "{}", table.trim_fmt())?;
    if all_equal { Ok(()) } else { Err(Failure { line: String::new(), status: 1 }) }
}

/// What is counted where the design promises a number, and taken from the promise where there is only one
/// connection.
fn per_connection(design: &Design, arguments: &Arguments) -> Result<Option<Cost>, Failure> {
    let Some(promised) = design.promises.calls else { return Ok(None) };
    if design.promises.serves == Serves::Once {
        return Ok(Some(Cost { parent: promised as usize, others: 0 }));
    }
    let request: &[u8] = if design.transport == Transport::Udp { b"" } else { b"10\n" };
    let command = listening(design.name)?;
    cost(&command, request, arguments.asking.patience()).map_err(|error| failure(&command, &error))
}

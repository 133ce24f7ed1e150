//! `socklab designs`: the table of the server designs.

use std::io::{self, Write};

use clap::Args;
use comfy_table::{ContentArrangement, Table, presets};

use super::Failure;
use crate::server::DESIGNS;

#[derive(Args)]
#[command(after_help = "\
Examples:
  socklab designs               as wide as the terminal
  socklab designs --markdown    the README's table")]
pub(super) struct Arguments {
    /// Print the table as Markdown, for a README
    #[arg(long)]
    markdown: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut table = Table::new();
    if arguments.markdown {
        table
            .load_preset(presets::ASCII_MARKDOWN)
            .set_content_arrangement(ContentArrangement::Disabled);
    } else {
        table
            .load_preset(presets::UTF8_HORIZONTAL_ONLY)
            .set_content_arrangement(ContentArrangement::Dynamic);
        if !table.is_tty() {
            table.set_width(100);
        }
    }
    table.set_header(["design", "slide", "changes", "breaks"]);
    for design in DESIGNS {
        let breaks = design.promises.breaks();
        let breaks = if breaks.is_empty() { String::from("-") } else { breaks.join("; ") };
        table.add_row([design.name, design.slide, design.changes, &breaks]);
    }
    Ok(writeln!(io::stdout(), "{}", table.trim_fmt())?)
}

//! `socklab sockopt`: the options of sockets, and what they do.

use std::io::{self, Write};

use clap::{Args, Subcommand};
use comfy_table::{ColumnConstraint, ContentArrangement, Table, TableComponent, Width, presets};
use serde::Serialize;

use super::{Failure, printable};
use crate::posix::Error;
use crate::tool::explained;
use crate::tool::sockopt::options::Opt;
use crate::tool::sockopt::show::{self, DEMONSTRATIONS, Demonstration, Observation};
use crate::tool::sockopt::{self, List, Protocol, Row, Socket};

#[derive(Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Every option: its type, its default on fresh sockets, whether it can be set, what it is for
    #[command(after_help = "\
Examples:
  socklab sockopt list              as wide as the terminal
  socklab sockopt list SO_          those whose names begin so
  socklab sockopt list --json       for a program

The defaults are read, and set again, on fresh sockets of this moment. A default that is not the
same on all has the sockets behind it: TCP and UDP over IPv4, TCP6 and UDP6 over IPv6.")]
    List {
        /// Only the options whose names begin so
        #[arg(value_name = "PREFIX")]
        prefix: Option<String>,
        /// Print one line of JSON
        #[arg(long)]
        json: bool,
    },
    /// Read an option of a fresh socket
    #[command(after_help = "\
Examples:
  socklab sockopt get SO_RCVBUF
  socklab sockopt get SO_RCVBUF --udp
  socklab sockopt get IPV6_V6ONLY --json")]
    Get {
        /// C's name of the option
        #[arg(value_name = "NAME")]
        name: String,
        #[command(flatten)]
        socket: Which,
        /// Print one line of JSON
        #[arg(long)]
        json: bool,
    },
    /// Set an option of a fresh socket: what it was, what was asked, what it then is
    #[command(after_help = "\
Examples:
  socklab sockopt set SO_RCVBUF=50000
  socklab sockopt set SO_LINGER=on,5          or off
  socklab sockopt set SO_RCVTIMEO=1.5         seconds
  socklab sockopt set TCP_CONGESTION=reno
  socklab sockopt set IP_TTL=256 --udp        what is refused")]
    Set {
        /// C's name of the option, and the value
        #[arg(value_name = "NAME=VALUE")]
        setting: String,
        #[command(flatten)]
        socket: Which,
        /// Print one line of JSON
        #[arg(long)]
        json: bool,
    },
    /// See what an option does, live on 127.0.0.1; without a name, list what can be seen
    #[command(after_help = "\
Examples:
  socklab sockopt show
  socklab sockopt show SO_LINGER
  socklab sockopt show IP_TTL --json

The exit status is 1 if the kernel did anything else than Linux must do.")]
    Show {
        /// C's name of the option
        #[arg(value_name = "NAME")]
        name: Option<String>,
        /// Print one line of JSON
        #[arg(long)]
        json: bool,
        /// What a demonstration starts itself with, inside namespaces
        #[arg(long, hide = true)]
        inside: bool,
    },
}

#[derive(Args)]
struct Which {
    /// A TCP socket, the default unless the option is UDP's
    #[arg(long, conflicts_with = "udp")]
    tcp: bool,
    /// A UDP socket
    #[arg(long)]
    udp: bool,
    /// Over IPv6, the default if the option is IPv6's
    #[arg(short = '6')]
    v6: bool,
}

impl Which {
    fn socket(&self, option: &Opt) -> Socket {
        let protocol = match (self.tcp, self.udp) {
            (true, _) => Some(Protocol::Tcp),
            (_, true) => Some(Protocol::Udp),
            _ => None,
        };
        Socket::of(option, protocol, self.v6)
    }
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    match &arguments.action {
        Action::List { prefix, json } => list(prefix.as_deref().unwrap_or_default(), *json),
        Action::Get { name, socket, json } => get(name, socket, *json),
        Action::Set { setting, socket, json } => set(setting, socket, *json),
        Action::Show { name: Some(name), json, inside } => {
            let demonstration = show::find(name).ok_or_else(|| no_demonstration(name))?;
            if *inside { run_inside(demonstration) } else { demonstrate(demonstration, *json) }
        }
        Action::Show { name: None, json, .. } => demonstrations(*json),
    }
}

fn list(prefix: &str, json: bool) -> Result<(), Failure> {
    let prefix = prefix.to_ascii_uppercase();
    let mut list = sockopt::list().map_err(|error| Failure::new(explained(&error)))?;
    list.options.retain(|row| row.option.starts_with(&prefix));
    let absent = list.absent.name.starts_with(&prefix);
    if list.options.is_empty() && !absent {
        let prefix = printable(prefix.as_bytes());
        return Err(Failure::usage(format!("error: no option's name begins with '{prefix}'")));
    }
    if json { print_json(&list) } else { print_table(&list, absent) }
}

/// From this width on the type has a column of its own.
const WIDE: u16 = 100;

fn print_table(list: &List, absent: bool) -> Result<(), Failure> {
    let mut table = Table::new();
    table
        .load_preset(presets::UTF8_HORIZONTAL_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .remove_style(TableComponent::HorizontalLines)
        .remove_style(TableComponent::MiddleIntersections);
    if !table.is_tty() {
        table.set_width(WIDE);
    }
    let wide = table.width().is_none_or(|width| width >= WIDE);
    let add = |table: &mut Table, [option, kind, default, set, clause]: [&str; 5]| {
        if wide {
            table.add_row([option, kind, default, set, clause]);
        } else {
            table.add_row([&format!("{option}\n({kind})"), default, set, clause]);
        }
    };
    let header = ["option", "type", "default", "can be set", "what it is for"];
    table.set_header(header.into_iter().filter(|name| wide || *name != "type"));
    for row in &list.options {
        let Row { option, kind, .. } = row;
        let clause = clause(row.clause, row.differs);
        add(&mut table, [option, kind, &row.defaults(), &row.settable(), &clause]);
    }
    if absent {
        let clause = clause(list.absent.clause, list.absent.differs);
        add(&mut table, [list.absent.name, "none", "-", "-", &clause]);
    }
    // Names are not broken; where there is little room, it is the last column that bends.
    let last = table.column_count() - 1;
    for column in table.column_iter_mut().take(last) {
        column.set_constraint(match column.index {
            0 => ColumnConstraint::ContentWidth,
            _ => ColumnConstraint::UpperBoundary(Width::Fixed(17)),
        });
    }
    let kernel = &list.kernel;
    Ok(writeln!(
        io::stdout(),
        "{}\nLinux {kernel}; ! is where it differs from the lecture's slide.",
        table.trim_fmt()
    )?)
}

fn clause(clause: &str, differs: &str) -> String {
    if differs.is_empty() { String::from(clause) } else { format!("{clause}\n! {differs}") }
}

fn get(name: &str, which: &Which, json: bool) -> Result<(), Failure> {
    let option = named(name)?;
    let got = sockopt::get(option, which.socket(option))
        .map_err(|refusal| Failure::new(refusal.to_string()))?;
    if json {
        return print_json(&got);
    }
    let value = shown(&got.value);
    Ok(writeln!(io::stdout(), "{} = {value} ({})", got.option, got.socket)?)
}

fn set(setting: &str, which: &Which, json: bool) -> Result<(), Failure> {
    let Some((name, word)) = setting.split_once('=') else {
        let setting = printable(setting.as_bytes());
        let line = format!("error: '{setting}' is no setting: NAME=VALUE, such as SO_RCVBUF=50000");
        return Err(Failure::usage(line));
    };
    let option = named(name)?;
    let value = sockopt::valued(option, word).map_err(usage)?;
    let set = sockopt::set(option, value, which.socket(option))
        .map_err(|refusal| Failure::new(printable(refusal.to_string().as_bytes())))?;
    if json {
        return print_json(&set);
    }
    let [before, asked, after] = [shown(&set.before), shown(&set.asked), shown(&set.after)];
    let note = set.note.map_or_else(String::new, |note| format!("\n{} takes {note}", set.option));
    Ok(writeln!(
        io::stdout(),
        "{} ({})\nbefore  {before}\nasked   {asked}\nafter   {after}{note}",
        set.option,
        set.socket
    )?)
}

fn shown(value: &impl ToString) -> String {
    printable(value.to_string().as_bytes())
}

fn named(name: &str) -> Result<&'static Opt, Failure> {
    sockopt::named(name).map_err(usage)
}

fn usage(line: String) -> Failure {
    Failure::usage(format!("error: {}", printable(line.as_bytes()).replace('\n', "?")))
}

fn no_demonstration(name: &str) -> Failure {
    let names: Vec<&str> = DEMONSTRATIONS.iter().map(|known| known.name).collect();
    let known = match sockopt::named(name) {
        Ok(option) => format!("nothing to show of {}", option.name),
        Err(line) => line,
    };
    usage(format!("{known}; there are demonstrations of {}", names.join(", ")))
}

fn demonstrations(json: bool) -> Result<(), Failure> {
    if json {
        #[derive(Serialize)]
        struct Shown {
            option: &'static str,
            shows: &'static str,
        }
        let all = DEMONSTRATIONS.iter();
        let all: Vec<Shown> =
            all.map(|known| Shown { option: known.name, shows: known.shows }).collect();
        return print_json(&all);
    }
    let lines = DEMONSTRATIONS.iter().map(|known| format!("{:16}  {}\n", known.name, known.shows));
    Ok(write!(io::stdout(), "{}", lines.collect::<String>())?)
}

fn demonstrate(demonstration: &Demonstration, json: bool) -> Result<(), Failure> {
    let mut written = Ok(());
    let mut case = String::new();
    let mut say = |text: &str| {
        if written.is_ok() {
            // Line by line: some of them take seconds.
            written = io::stdout().write_all(text.as_bytes()).and_then(|()| io::stdout().flush());
        }
    };
    if !json {
        say(&format!("{}: {}\n", demonstration.name, demonstration.shows));
    }
    let outcome = demonstration.run(&mut |seen: &Observation| {
        if json {
            return;
        }
        if seen.case != case {
            case.clone_from(&seen.case);
            say(&format!("\n{case}\n"));
        }
        say(&line(seen));
    });
    let outcome = outcome.map_err(|error| stopped(demonstration, &error))?;
    if json {
        print_json(&outcome)?;
    } else {
        let left_out = outcome.left_out.iter().map(|why| format!("\nleft out: {why}\n"));
        say(&left_out.collect::<String>());
        let all = outcome.observations.len();
        let right = all - outcome.wrong();
        if all > 0 {
            say(&format!(
                "\n{right} of {all} observations are what Linux must do (Linux {})\n",
                outcome.kernel
            ));
        }
        written?;
    }
    if outcome.observations.is_empty() {
        return Err(Failure::new(format!("{}: nothing can be shown here", demonstration.name)));
    }
    let first = outcome.observations.iter().find(|seen| !seen.as_expected);
    first.map_or(Ok(()), |seen| {
        let Observation { what, seen, expected, .. } = seen;
        let (wrong, all, name) = (outcome.wrong(), outcome.observations.len(), outcome.option);
        let line = format!(
            "{name}: {wrong} of {all} observations differ: {what}: {seen}; Linux must: {expected}"
        );
        Err(Failure::new(line))
    })
}

/// It could not go on.
fn stopped(demonstration: &Demonstration, error: &Error) -> Failure {
    Failure::new(format!("{}: {}", demonstration.name, explained(error)))
}

fn line(seen: &Observation) -> String {
    let Observation { what, seen, expected, as_expected, .. } = seen;
    if *as_expected {
        format!("  {what}: {seen}\n")
    } else {
        format!("! {what}: {seen}; Linux must: {expected}\n")
    }
}

/// For the demonstration outside, that has started this one: a line for each observation.
fn run_inside(demonstration: &Demonstration) -> Result<(), Failure> {
    let mut lines = String::new();
    demonstration
        .run_inside(&mut |seen: &Observation| lines.push_str(&show::line(seen)))
        .map_err(|error| stopped(demonstration, &error))?;
    Ok(write!(io::stdout(), "{lines}")?)
}

fn print_json<T: Serialize>(value: &T) -> Result<(), Failure> {
    let line = serde_json::to_string(value).map_err(io::Error::from)?;
    Ok(writeln!(io::stdout(), "{line}")?)
}

//! `socklab compare`: two servers, system call by system call.

use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::Failure;
use super::file::write_whole;
use crate::compare::align::{Accepted, Comparison, Row, Verdict, accepted, align};
use crate::compare::normalise::Trace;
use crate::compare::picture;
use crate::compare::record::{self, Plan, record};
use crate::compare::script;
use crate::report::comparison::html::html;
use crate::report::sequence::svg::svg;
use crate::server::{Pool, find};
use crate::subject::heed_interrupts;

#[derive(Args)]
#[command(after_help = "\
Examples:
  socklab compare forked                         a design and its C twin
  socklab compare -- ./mine {port} -- ./yours {port}
  socklab compare --all threaded                 what is equal too
  socklab compare --script clients.txt select
  socklab compare --html forked.html forked      a page with pictures of both runs

Each is started under strace, asked by the same clients, one after the other, and stopped with SIGINT. {port}
in an argument, and the variable PORT, are a free port; a server may take any other. The exit status is 1 if
they differ for no reason that is known.")]
pub(super) struct Arguments {
    /// A design, which is compared with its C twin; or `-- COMMAND -- COMMAND`
    #[arg(value_name = "DESIGN", required_unless_present_any = ["commands", "table"])]
    design: Option<String>,
    /// Two commands, with `--` before each
    #[arg(last = true, value_name = "COMMAND")]
    commands: Vec<OsString>,
    /// Show what is equal too
    #[arg(long)]
    all: bool,
    /// What the clients do: lines such as `a connect`, `a send 10\n`, `a expect 55`, `a end`
    #[arg(long, value_name = "FILE")]
    script: Option<PathBuf>,
    /// How long anything may take, in seconds
    #[arg(long, value_name = "S", default_value_t = 10)]
    wait: u64,
    /// Write a picture of both runs as SVG
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Write both pictures, the table and what differs as one page
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Print the comparison as JSON
    #[arg(long)]
    json: bool,
    /// All designs: a table, as Markdown, of what a connection costs and whether the twin is equal
    #[arg(long, conflicts_with_all = ["design", "commands", "all", "script", "json"])]
    table: bool,
}

impl Arguments {
    pub(super) const fn patience(&self) -> Duration {
        Duration::from_secs(self.wait)
    }
}

/// The differences between the twins that are no fault.
const TWINS: &str = include_str!("../../c-compat/README.md");

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    if arguments.table {
        heed_interrupts().map_err(|error| Failure::new(error.to_string()))?;
        return super::table::print(arguments);
    }
    let (one, other, known) = commands(arguments)?;
    let plan = plan(arguments)?;
    heed_interrupts().map_err(|error| Failure::new(error.to_string()))?;
    let (left, right) = (recorded(&one, &plan)?, recorded(&other, &plan)?);
    let comparison = align(&left, &right, &known);
    if arguments.svg.is_some() || arguments.html.is_some() {
        pictures(arguments, [(&title(&one), &left), (&title(&other), &right)], &comparison)?;
    }
    if arguments.json {
        let line = serde_json::to_string(&comparison).map_err(io::Error::from)?;
        writeln!(io::stdout(), "{line}")?;
    } else {
        print(&comparison, arguments.all)?;
    }
    if comparison.is_equal() { Ok(()) } else { Err(Failure { line: String::new(), status: 1 }) }
}

/// A command as a picture's title: a program below the working directory without the way there.
fn title(command: &[OsString]) -> String {
    let mut command = command.to_vec();
    if let (Ok(here), Some(program)) = (std::env::current_dir(), command.first_mut())
        && let Ok(below) = PathBuf::from(&program).strip_prefix(here)
    {
        *program = below.into();
    }
    words(&command)
}

/// Writes the files that are asked for.
fn pictures(
    arguments: &Arguments,
    runs: [(&str, &Trace); 2],
    comparison: &Comparison,
) -> Result<(), Failure> {
    let shown = picture::comparison(runs, comparison);
    let failed = |error: &dyn std::fmt::Display| Failure::new(error.to_string());
    if let Some(path) = &arguments.svg {
        let text = svg(&shown.runs).map_err(|error| failed(&error))?;
        write_whole(path, text.as_bytes())?;
    }
    if let Some(path) = &arguments.html {
        let text = html(&shown).map_err(|error| failed(&error))?;
        write_whole(path, text.as_bytes())?;
    }
    Ok(())
}

fn words(command: &[OsString]) -> String {
    let words: Vec<_> = command.iter().map(|word| word.to_string_lossy()).collect();
    words.join(" ")
}

fn plan(arguments: &Arguments) -> Result<Plan, Failure> {
    let script = arguments.script.as_ref().map(read_script).transpose()?;
    Ok(Plan { script, patience: arguments.patience() })
}

/// A design and its C twin.
pub(super) fn with_twin(name: &str, arguments: &Arguments) -> Result<Comparison, Failure> {
    let (one, other, known) = twins(name)?;
    let plan = plan(arguments)?;
    Ok(align(&recorded(&one, &plan)?, &recorded(&other, &plan)?, &known))
}

/// One run of a command.
pub(super) fn recorded(command: &[OsString], plan: &Plan) -> Result<Trace, Failure> {
    record(command, plan).map_err(|error| failure(command, &error))
}

/// Why there is no recording of a command.
pub(super) fn failure(command: &[OsString], error: &record::Failure) -> Failure {
    if error.is_interrupt() {
        return Failure { line: String::new(), status: 130 };
    }
    Failure { line: format!("{}: {error}", words(command)), status: 2 }
}

/// The command that starts a design, with one worker if it is a pool: which of several comes first is
/// the kernel's decision.
pub(super) fn listening(name: &str) -> Result<Vec<OsString>, Failure> {
    let design = find(name).ok_or_else(|| {
        Failure::usage(format!("error: no design '{name}'; `socklab designs` lists them"))
    })?;
    let is_pool = design.promises.pool != Pool::None;
    let options: &[&str] =
        if is_pool { &["--port", "0", "--workers", "1"] } else { &["--port", "0"] };
    let this = std::env::current_exe()?;
    let words = [this.into(), "serve".into(), name.into()];
    Ok(words.into_iter().chain(options.iter().map(OsString::from)).collect())
}

type Commands = (Vec<OsString>, Vec<OsString>, Vec<Accepted>);

/// A design, its C twin, and what is known to differ.
fn twins(name: &str) -> Result<Commands, Failure> {
    let one = listening(name)?;
    let this = PathBuf::from(&one[0]);
    // target/release/socklab, target/c/forked
    let twin =
        this.parent().and_then(|folder| folder.parent()).map(|target| target.join("c").join(name));
    let Some(twin) = twin.filter(|twin| twin.exists()) else {
        return Err(Failure {
            line: format!("error: the C twin of {name} is not built: make c"),
            status: 2,
        });
    };
    // Behind the name of the design stand the options.
    let other = [OsString::from(twin)].into_iter().chain(one[3..].iter().cloned()).collect();
    let is_pool = find(name).is_some_and(|found| found.promises.pool == Pool::Processes);
    let pools = if is_pool { "pools" } else { "" };
    Ok((one, other, accepted(TWINS, &[name, pools, "servers", "all"])))
}

fn commands(arguments: &Arguments) -> Result<Commands, Failure> {
    if let Some(name) = &arguments.design {
        let found = twins(name)?;
        if !arguments.commands.is_empty() {
            return Err(Failure::usage("error: a design or two commands, not both"));
        }
        return Ok(found);
    }
    let mut halves = arguments.commands.split(|word| word == "--");
    match (halves.next(), halves.next(), halves.next()) {
        (Some(one), Some(other), None) if !one.is_empty() && !other.is_empty() => {
            Ok((one.to_vec(), other.to_vec(), accepted(TWINS, &["commands", "all"])))
        }
        _ => Err(Failure::usage("error: two commands are compared: -- COMMAND ... -- COMMAND ...")),
    }
}

pub(super) fn read_script(path: &PathBuf) -> Result<Vec<script::Step>, Failure> {
    let failed =
        |what: String| Failure { line: format!("error: {}: {what}", path.display()), status: 2 };
    let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    script::parse(&text).map_err(|mistake| failed(mistake.to_string()))
}

fn print(comparison: &Comparison, all: bool) -> io::Result<()> {
    let width = terminal_width();
    let column = (width - 3) / 2;
    let colour = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let mut out = io::BufWriter::new(io::stdout().lock());
    let cell = |text: Option<&String>| fit(text.map_or("", String::as_str), column);
    for pair in &comparison.tasks {
        let equal = pair.rows.iter().filter(|row| row.verdict == Verdict::Equal).count();
        writeln!(out, "{}: {equal} of {} equal", pair.role, pair.rows.len())?;
        if pair.started.iter().flatten().any(|&calls| calls > 0) {
            let started = |side: usize| {
                let helpers = if pair.role == "parent" { comparison.helpers[side] } else { 0 };
                start(pair.started[side].unwrap_or(0), helpers)
            };
            writeln!(out, "{} | {}", fit(&started(0), column), started(1))?;
        }
        for row in &pair.rows {
            if row.verdict == Verdict::Equal && !all {
                continue;
            }
            let (mark, before, after) = match (&row.verdict, colour) {
                (Verdict::Equal, _) => ('|', "", ""),
                (Verdict::Accepted(_), true) => ('~', "\x1b[2m", "\x1b[0m"),
                (Verdict::Accepted(_), false) => ('~', "", ""),
                (Verdict::Differs, true) => ('!', "\x1b[1m", "\x1b[0m"),
                (Verdict::Differs, false) => ('!', "", ""),
            };
            let Row { left, right, .. } = row;
            let line = format!("{} {mark} {}", cell(left.as_ref()), cell(right.as_ref()));
            writeln!(out, "{before}{}{after}", line.trim_end())?;
            if let Verdict::Accepted(reason) = &row.verdict {
                writeln!(out, "{before}    accepted: {reason}{after}")?;
            }
        }
    }
    writeln!(
        out,
        "\n{:24} {:>7} {:>7} {:>12} {:>12}",
        "calls", "left", "right", "left ms", "right ms"
    )?;
    for count in &comparison.calls {
        let [one, other] = count.made;
        let [left, right] = count.spent.map(|seconds| seconds * 1e3);
        let mark = if one == other { "" } else { " !" };
        writeln!(out, "{:24} {one:>7} {other:>7} {left:>12.3} {right:>12.3}{mark}", count.call)?;
    }
    writeln!(out, "{}", if comparison.is_equal() { "equal" } else { "different" })?;
    out.flush()
}

/// The start of a server, with what it made use of, in one line.
pub(super) fn start(calls: usize, helpers: usize) -> String {
    match helpers {
        0 => format!("(start: {calls} calls)"),
        _ => format!("(start: {calls} calls of {} processes)", helpers + 1),
    }
}

/// As wide as the terminal, or 100.
pub(super) fn terminal_width() -> usize {
    let table = comfy_table::Table::new();
    table.width().map_or(100, |width| usize::from(width).max(40))
}

/// A text cut or filled to a width.
pub(super) fn fit(text: &str, width: usize) -> String {
    let text = super::printable(text.as_bytes());
    let length = text.chars().count();
    if length <= width {
        return text + &" ".repeat(width - length);
    }
    text.chars().take(width - 3).collect::<String>() + "..."
}

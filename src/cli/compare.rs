//! `socklab compare`: two servers, system call by system call.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use super::Failure;
use super::file::{is_same, may_write, write_for};
use crate::compare::align::{Accepted, Comparison, Row, Verdict, accepted, align};
use crate::compare::normalise::Trace;
use crate::compare::picture;
use crate::compare::record::{Broken, Clients, Plan, record};
use crate::compare::script::{self, Pattern};
use crate::report::comparison::html::html;
use crate::report::comparison::{by_call, excerpt, excerpts, in_parts};
use crate::report::repeats::Part;
use crate::report::sequence::svg::svg;
use crate::report::{unescape, wrap};
use crate::server::{Pool, find};
use crate::subject::heed_interrupts;

#[derive(Args)]
#[command(after_help = "\
Examples:
  socklab compare forked                         a design and its C twin
  socklab compare forked -- ./mine {port}        a design and a twin of one's own
  socklab compare -- ./mine {port} -- ./yours {port}
  socklab compare --all threaded                 what is equal too
  socklab compare --script clients.txt select
  socklab compare --send 'PING\\r\\n' --expect PONG -- ./mine {port} -- redis-server --port {port}
  socklab compare --html forked.html forked      a page with pictures of both runs

Each is started under strace, asked by the same clients, one after the other, and stopped with
SIGINT. {port} in an argument, and the variable PORT, are a free port; a server that has no
{port} may take any other. The exit status is 1 if they differ for no reason that is known, 2 if
one of them could not be asked to the end.")]
pub(super) struct Arguments {
    /// A design, which is compared with its C twin, or with `-- COMMAND`; or else `-- COMMAND -- COMMAND`
    #[arg(value_name = "DESIGN", required_unless_present_any = ["commands", "table"])]
    design: Option<String>,
    /// Two commands, with `--` before each; behind a design, one
    #[arg(last = true, value_name = "COMMAND")]
    commands: Vec<OsString>,
    /// Show what is equal too
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    pub(super) asking: Asking,
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
    #[arg(long, conflicts_with_all = ["design", "commands", "all", "script", "send", "json"])]
    table: bool,
}

// No doc comment: clap would print it instead of what the command is about.
#[derive(Args)]
pub(super) struct Asking {
    /// What the clients do: lines such as `a connect`, `a send 10\n`, `a expect 55`, `a end`
    #[arg(long, value_name = "FILE", conflicts_with = "send")]
    script: Option<PathBuf>,
    /// What they send, with C's escapes; without it they ask for Fibonacci numbers, over UDP for the time
    #[arg(long, value_name = "BYTES")]
    send: Option<String>,
    /// A regular expression for the answer to it; without it any answer will do
    #[arg(long, value_name = "REGEX", requires = "send")]
    expect: Option<String>,
    /// How long anything may take, in seconds
    #[arg(long, value_name = "S", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    wait: u64,
}

impl Asking {
    pub(super) const fn patience(&self) -> Duration {
        Duration::from_secs(self.wait)
    }

    pub(super) fn plan(&self) -> Result<Plan, Failure> {
        let clients = match (&self.script, &self.send) {
            (Some(file), _) => Clients::Script(read_script(file)?),
            (_, Some(request)) => {
                let failed = |what| Failure::usage(format!("error: {what}"));
                let bytes = unescape(request)
                    .map_err(|what| failed(format!("--send {request}: {what}")))?;
                let answer = self.expect.as_deref().unwrap_or("(?s).");
                let answer = Pattern::new(answer)
                    .map_err(|what| failed(format!("--expect {answer}: {what}")))?;
                Clients::Asking(bytes, answer)
            }
            _ => Clients::Usual,
        };
        Ok(Plan { clients, patience: self.patience() })
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
    let plan = arguments.asking.plan()?;
    may_write_all(arguments)?;
    heed_interrupts().map_err(|error| Failure::new(error.to_string()))?;
    let (left, right) = (recorded(&one, &plan)?, recorded(&other, &plan)?);
    let broken: Vec<String> =
        [&left.broken, &right.broken].into_iter().flatten().cloned().collect();
    let (left, right) = (left.trace, right.trace);
    let comparison = align(&left, &right, &known);
    let drawn = pictures(arguments, [(&title(&one), &left), (&title(&other), &right)], &comparison);
    if arguments.json {
        let line = serde_json::to_string(&comparison).map_err(io::Error::from)?;
        writeln!(io::stdout(), "{line}")?;
    } else {
        print(&comparison, arguments.all)?;
    }
    drawn?;
    match (broken.is_empty(), comparison.is_equal()) {
        (false, _) => Err(Failure { line: broken.join("\n"), status: 2 }),
        (true, true) => Ok(()),
        (true, false) => Err(Failure { line: String::new(), status: 1 }),
    }
}

/// Whether there will be a place for each file that is asked for.
fn may_write_all(arguments: &Arguments) -> Result<(), Failure> {
    if let (Some(svg), Some(html)) = (&arguments.svg, &arguments.html)
        && is_same(svg, html)
    {
        let name = super::one_line(&svg.to_string_lossy());
        return Err(Failure::usage(format!("error: --svg and --html both name {name}")));
    }
    for (option, path) in [("--svg", &arguments.svg), ("--html", &arguments.html)] {
        if let Some(path) = path {
            may_write(option, path)?;
        }
    }
    Ok(())
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
    if arguments.svg.is_none() && arguments.html.is_none() {
        return Ok(());
    }
    let shown = picture::comparison(runs, comparison);
    let failed = |error: &dyn std::fmt::Display| Failure::new(error.to_string());
    if let Some(path) = &arguments.svg {
        let text = svg(&shown.runs).map_err(|error| failed(&error))?;
        write_for("--svg", path, text.as_bytes())?;
    }
    if let Some(path) = &arguments.html {
        let text = html(&shown).map_err(|error| failed(&error))?;
        write_for("--html", path, text.as_bytes())?;
    }
    Ok(())
}

fn words(command: &[OsString]) -> String {
    let words: Vec<_> = command.iter().map(|word| word.to_string_lossy()).collect();
    words.join(" ")
}

/// A design and its C twin.
pub(super) fn with_twin(name: &str, arguments: &Arguments) -> Result<Comparison, Failure> {
    let (one, other, known) = twins(name)?;
    let plan = arguments.asking.plan()?;
    let whole =
        |command: &[OsString]| record(command, &plan).map_err(|broken| failure(command, &broken));
    Ok(align(&whole(&one)?, &whole(&other)?, &known))
}

/// A run of a command.
pub(super) struct Run {
    pub(super) trace: Trace,
    /// Why it has broken off, if it has.
    pub(super) broken: Option<String>,
}

/// A run of a command, as far as it has come; one that nobody could ask is none.
fn recorded(command: &[OsString], plan: &Plan) -> Result<Run, Failure> {
    so_far(command, plan, Broken::is_reached)
}

/// A run of a command, as far as it has come, if it is to be shown.
pub(super) fn so_far(
    command: &[OsString],
    plan: &Plan,
    is_shown: impl Fn(&Broken) -> bool,
) -> Result<Run, Failure> {
    match record(command, plan) {
        Ok(trace) => Ok(Run { trace, broken: None }),
        Err(mut broken) => {
            let Failure { line, status } = failure(command, &broken);
            match broken.so_far.take().filter(|_| is_shown(&broken)) {
                Some(trace) => Ok(Run { trace: *trace, broken: Some(line) }),
                None => Err(Failure { line, status }),
            }
        }
    }
}

/// Why there is no whole recording of a command.
pub(super) fn failure(command: &[OsString], broken: &Broken) -> Failure {
    if broken.is_interrupt() {
        return Failure { line: String::new(), status: 130 };
    }
    let line = format!("{}: {broken}", super::one_line(&words(command)));
    Failure { line, status: 2 }
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
    Ok((one, other, known(name, &[])))
}

/// What is known to differ between a design and a twin.
fn known(name: &str, more: &[&str]) -> Vec<Accepted> {
    let is_pool = find(name).is_some_and(|found| found.promises.pool == Pool::Processes);
    let pools = if is_pool { "pools" } else { "" };
    accepted(TWINS, &[&[name, pools, "servers", "all"], more].concat())
}

fn commands(arguments: &Arguments) -> Result<Commands, Failure> {
    if arguments
        .commands
        .split(|word| word == "--")
        .any(|half| half.first().is_some_and(|word| word.is_empty()))
    {
        return Err(Failure::usage(
            "error: a command's first word is its program, and that is empty",
        ));
    }
    if let Some(name) = &arguments.design {
        let own = &arguments.commands;
        if own.is_empty() {
            return twins(name);
        }
        if own.iter().any(|word| word == "--") {
            return Err(Failure::usage(
                "error: a design and one command, or two commands, not both: DESIGN -- COMMAND ...",
            ));
        }
        return Ok((listening(name)?, own.clone(), known(name, &["commands"])));
    }
    let mut halves = arguments.commands.split(|word| word == "--");
    match (halves.next(), halves.next(), halves.next()) {
        (Some(one), Some(other), None) if !one.is_empty() && !other.is_empty() => {
            Ok((one.to_vec(), other.to_vec(), accepted(TWINS, &["commands", "all"])))
        }
        _ => Err(Failure::usage("error: two commands are compared: -- COMMAND ... -- COMMAND ...")),
    }
}

fn read_script(path: &Path) -> Result<Vec<script::Step>, Failure> {
    let name = super::one_line(&path.to_string_lossy());
    let failed = |what: String| Failure { line: format!("error: {name}: {what}"), status: 2 };
    let mut bytes = Vec::new();
    let read = File::open(path)
        .and_then(|file| file.take(script::LONGEST + 1).read_to_end(&mut bytes))
        .map_err(|error| failed(error.to_string()))?;
    if read as u64 > script::LONGEST {
        return Err(failed(format!("a script is no longer than {} MiB", script::LONGEST >> 20)));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let number = before.iter().filter(|&&byte| byte == b'\n').count() + 1;
        failed(format!("line {number}: this is not UTF-8; such a byte is written \\xHH"))
    })?;
    script::parse(&text).map_err(|mistake| failed(super::one_line(&mistake.to_string())))
}

fn print(comparison: &Comparison, all: bool) -> io::Result<()> {
    let width = terminal_width();
    let column = (width.unwrap_or(PIPE) - 3) / 2;
    let colour = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let mut out = io::BufWriter::new(io::stdout().lock());
    for pair in &comparison.tasks {
        let equal = pair.rows.iter().filter(|row| row.verdict == Verdict::Equal).count();
        writeln!(out, "{}: {equal} of {} equal", pair.role, pair.rows.len())?;
        if pair.started.iter().flatten().any(|&calls| calls > 0) {
            let started = |side: usize| {
                let helpers = if pair.role == "parent" { comparison.helpers[side] } else { 0 };
                start(pair.started[side].unwrap_or(0), helpers)
            };
            writeln!(
                out,
                "{} | {}",
                fit(&started(0), column),
                fit(&started(1), column).trim_end()
            )?;
        }
        let is_shown = |row: &Row| all || row.verdict != Verdict::Equal;
        for part in in_parts(&pair.rows) {
            match part {
                Part::Once(at) if is_shown(&pair.rows[at]) => {
                    line(&pair.rows[at], column, colour, width, &mut out)?;
                }
                Part::Again { from, period, times }
                    if pair.rows[from..from + period].iter().any(is_shown) =>
                {
                    let rows = if period == 1 { "the row" } else { &format!("the {period} rows") };
                    writeln!(out, "    {rows} above, {times} times more")?;
                }
                _ => {}
            }
        }
    }
    counts(comparison, width, colour, &mut out)?;
    writeln!(out, "{}", if comparison.is_equal() { "equal" } else { "different" })?;
    out.flush()
}

/// A row, and below it the reason.
fn line(
    row: &Row,
    column: usize,
    colour: bool,
    width: Option<usize>,
    out: &mut impl Write,
) -> io::Result<()> {
    let (mark, before) = match &row.verdict {
        Verdict::Equal => ('|', ""),
        Verdict::Accepted(_) => ('~', DIM),
        Verdict::Differs => ('!', "\x1b[1m"),
    };
    let paint = |text: &str| match before {
        "" => text.to_owned(),
        _ if !colour => text.to_owned(),
        code => format!("{code}{text}\x1b[0m"),
    };
    let text = |text: &Option<String>| {
        text.as_ref().map_or(String::new(), |text| super::printable(text.as_bytes()))
    };
    let (left, right) = (text(&row.left), text(&row.right));
    // Of a difference that is known the reason says what it is in.
    let is_sought = row.verdict == Verdict::Differs && !left.is_empty() && !right.is_empty();
    let [left, right] = if is_sought {
        excerpts(&left, &right, column)
    } else {
        [left, right].map(|text| excerpt(&text, column))
    };
    let both = format!("{} {mark} {right}", fit(&left, column));
    writeln!(out, "{}", paint(both.trim_end()))?;
    if let Verdict::Accepted(reason) = &row.verdict {
        let lines = wrap(&format!("accepted: {reason}"), width.map(|width| width - 4));
        lines.iter().try_for_each(|line| writeln!(out, "{}", paint(&format!("    {line}"))))?;
    }
    Ok(())
}

const DIM: &str = "\x1b[2m";

/// How often each call was made; where there is room, how long it took too.
fn counts(
    comparison: &Comparison,
    width: Option<usize>,
    colour: bool,
    out: &mut impl Write,
) -> io::Result<()> {
    let marks = by_call(comparison.tasks.iter().flat_map(|pair| &pair.rows));
    let is_wide = width.is_none_or(|width| width >= 68);
    let name = width.map_or(24, |width| 24.min(width.saturating_sub(18)));
    let row = |name: &str, made: [String; 2], spent: [String; 2]| {
        let ([one, other], [left, right]) = (made, spent);
        let times = if is_wide { format!(" {left:>12} {right:>12}") } else { String::new() };
        format!("{name} {one:>7} {other:>7}{times}")
    };
    let heads = [["left", "right"], ["left ms", "right ms"]].map(|heads| heads.map(String::from));
    let [made, spent] = heads;
    writeln!(out, "\n{}", row(&fit("calls", name), made, spent))?;
    for count in &comparison.calls {
        let spent = count.spent.map(|seconds| format!("{:.3}", seconds * 1e3));
        let made = count.made.map(|made| made.to_string());
        let line = row(&fit(&count.call, name), made, spent);
        match marks.get(&count.call) {
            _ if count.made[0] == count.made[1] => writeln!(out, "{line}")?,
            Some('!') => writeln!(out, "{line} !")?,
            _ if colour => writeln!(out, "{DIM}{line} ~\x1b[0m")?,
            _ => writeln!(out, "{line} ~")?,
        }
    }
    Ok(())
}

/// The start of a server, with what it made use of, in one line.
pub(super) fn start(calls: usize, helpers: usize) -> String {
    match helpers {
        0 => format!("(start: {calls} calls)"),
        _ => format!("(start: {calls} calls of {} processes)", helpers + 1),
    }
}

/// How wide a line is where nobody says it.
pub(super) const PIPE: usize = 100;

/// As wide as the terminal, or as COLUMNS says; none where neither does.
pub(super) fn terminal_width() -> Option<usize> {
    let said = || std::env::var("COLUMNS").ok()?.parse::<usize>().ok().filter(|&width| width > 0);
    let width = match comfy_table::Table::new().width() {
        Some(0) => Some(said().unwrap_or(80)),
        Some(width) => Some(usize::from(width)),
        None if io::stdout().is_terminal() => Some(said().unwrap_or(80)),
        None => said(),
    };
    width.map(|width| width.max(40))
}

/// A text cut or filled to a width.
pub(super) fn fit(text: &str, width: usize) -> String {
    let text = excerpt(&super::printable(text.as_bytes()), width);
    let length = text.chars().count();
    text + &" ".repeat(width.saturating_sub(length))
}

//! `socklab examine`: what any server really does.

mod attach;
mod client;
mod output;
mod promised;
mod suite;

use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::Failure;
use crate::examine::protocol::{Protocol, Shape};
use crate::examine::{
    CHECKS, CLIENT_CHECKS, Check, GROUPS, OnRunning, Plan, Port, Trouble, examine,
};
use crate::report::{Examination, shell};
use crate::subject::cell::{Isolation, enter};
use crate::subject::{Inetd, heed_end_of_input, heed_interrupts};

#[derive(Args)]
#[command(after_help = "\
Examples:
  socklab examine -- ./server {port}              any server: its port stands for {port}
  socklab examine forked                          a design and its C twin: as promised?
  socklab examine --only D8,E -- python3 server.py {port}
  socklab examine --claims forked -- ./server --port {port}
  socklab examine --like './reference {port}' -- ./server {port}
  socklab examine --send 'PING\\r\\n' --expect PONG --persistent -- redis-server --port {port}
  socklab examine --attach 4711                   one that runs already, and that you may break
  socklab examine --inetd --send 'hello\\n' --expect hello -- cat
  socklab examine --inetd=wait --udp -- ./timed   with the socket as descriptor 0
  socklab examine --suite class.txt --csv class.csv
  socklab examine --client -- ./client {host} {port}
  socklab examine --explain D12,K

The server takes its port from {port} in an argument or from the variable PORT, or has the one
that --port names. It runs in a network of its own where the system allows that, and nothing of
it is left. A client takes its server from {host} and {port}, or from HOST and PORT, and is
answered with a Fibonacci number, over UDP with the time. In a suite each line is a name, a
colon and a command.

The escapes of --send, --heavy and --answer are \\n, \\r, \\t, \\\\, \\\", \\', \\xHH (two digits) and
\\O, \\OO, \\OOO in octal.

The exit status is 0 if nothing failed, 1 if something did, 2 if a server could not be examined
or a check was BROKEN. An examination that is interrupted ends with 130 and prints nothing.")]
pub(super) struct Arguments {
    /// A design, which is examined with its C twin; or `-- COMMAND`
    #[arg(value_name = "DESIGN")]
    design: Option<String>,
    /// How the server is started
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
    /// Examine a client: the examiner plays its server
    #[arg(long, conflicts_with_all = ["design", "claims", "send", "heavy", "one_shot", "persistent", "attach", "inetd", "like"])]
    client: bool,
    /// Examine a server that runs already, by its process id; it gets bad clients too: only one that you may break
    #[arg(long, value_name = "PID", conflicts_with_all = ["command", "design", "suite"], value_parser = pid)]
    attach: Option<u32>,
    /// Start the command as inetd does: nowait, for each connection, which is its standard input and output; or wait,
    /// when somebody is there, with the socket
    #[arg(long, value_name = "STYLE", num_args = 0..=1, require_equals = true, default_missing_value = "nowait",
        requires = "command", conflicts_with_all = ["attach", "suite"])]
    inetd: Option<Style>,
    /// With --inetd=wait: the socket is one of UDP
    #[arg(long, conflicts_with_all = ["attach", "suite", "client", "design"])]
    udp: bool,
    /// Examine several servers, or clients: a file with a name, a colon and a command on each line
    #[arg(long, value_name = "FILE", conflicts_with_all = ["command", "design"])]
    suite: Option<PathBuf>,
    /// How many of a suite are examined side by side: as many as there are CPUs, or one where the system refuses namespaces
    #[arg(long, value_name = "N", requires = "suite", value_parser = jobs)]
    jobs: Option<usize>,
    #[command(flatten)]
    asked: Asked,
    /// Only these checks or groups: D8,E
    #[arg(long, value_name = "IDS", value_delimiter = ',')]
    only: Vec<String>,
    /// Not these checks or groups
    #[arg(long, value_name = "IDS", value_delimiter = ',')]
    skip: Vec<String>,
    /// Leave out what takes long
    #[arg(long)]
    quick: bool,
    #[command(flatten)]
    output: output::Arguments,
    /// List the checks
    #[arg(long)]
    list: bool,
    /// Say what these checks or groups do, what they look at, why it matters, and what to do
    #[arg(long, value_name = "IDS", value_delimiter = ',')]
    explain: Vec<String>,
    /// End with standard input: a suite is at its other end
    #[arg(long, hide = true)]
    end_with_input: bool,
}

// No doc comment: clap would print it instead of what the command is about.
#[derive(Args)]
struct Asked {
    /// The name that the report calls the server by
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// The port that the server has by itself
    #[arg(long, value_name = "PORT", value_parser = port)]
    port: Option<u16>,
    /// The design that it is said to be, by socklab's name; C10, which looks at that, is made even if --only lacks it
    #[arg(long, value_name = "DESIGN", conflicts_with = "design")]
    claims: Option<String>,
    /// The command of another server whose answers are to be the same: a reference, or the same in another language
    #[arg(long, value_name = "COMMAND-LINE", conflicts_with_all = ["attach", "design"], value_parser = command_line)]
    like: Option<CommandLine>,
    /// A good request, with escapes; without it the server is asked for fib(10), over UDP for the time
    #[arg(long, value_name = "BYTES", requires = "expect", group = "said")]
    send: Option<String>,
    /// What a client is answered, with escapes
    #[arg(long, value_name = "BYTES", requires = "client", group = "said")]
    answer: Option<String>,
    /// A regular expression for the answer to --send, or for what a client prints when it has its --answer
    #[arg(long, value_name = "REGEX", requires = "said")]
    expect: Option<String>,
    /// A request that costs the server a second or so, with escapes, where --send has said what is asked
    #[arg(long, value_name = "BYTES", requires = "send")]
    heavy: Option<String>,
    /// A connection carries one request; without it and --persistent that is found out
    #[arg(long, conflicts_with = "persistent")]
    one_shot: bool,
    /// A connection carries several requests
    #[arg(long)]
    persistent: bool,
    /// How long a start or an answer may take, in seconds
    #[arg(long, value_name = "S", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    wait: u64,
}

/// As inetd.conf has it.
#[derive(Clone, Copy, ValueEnum)]
enum Style {
    Nowait,
    Wait,
}

/// How inetd is to start the command, if it is.
fn inetd(arguments: &Arguments) -> Result<Option<Inetd>, Failure> {
    match (arguments.inetd, arguments.udp) {
        (None, false) => Ok(None),
        (Some(Style::Nowait), false) => Ok(Some(Inetd::Nowait)),
        (Some(Style::Wait), is_udp) => Ok(Some(Inetd::Wait { is_tcp: !is_udp })),
        (Some(Style::Nowait), true) => Err(Failure::usage(
            "error: over UDP there is no connection to start the command with: --inetd=wait has it started with the \
             socket",
        )),
        (None, true) => Err(Failure::usage(
            "error: --udp is for --inetd=wait, which opens the socket; what a server speaks that opens its own is found \
             out",
        )),
    }
}

/// A command as one word, which a shell's quoting divides.
#[derive(Clone)]
struct CommandLine {
    line: String,
    words: Vec<OsString>,
}

fn command_line(line: &str) -> Result<CommandLine, String> {
    let words = crate::examine::suite::words(line)?;
    if words.is_empty() {
        return Err(String::from("there is no command in it"));
    }
    Ok(CommandLine {
        line: line.to_owned(),
        words: words.into_iter().map(OsString::from).collect(),
    })
}

fn jobs(text: &str) -> Result<usize, String> {
    let number = super::whole_number(text).and_then(|jobs| usize::try_from(jobs).ok());
    number
        .filter(|jobs| (1..=1000).contains(jobs))
        .ok_or_else(|| String::from("a number from 1 to 1000"))
}

fn port(text: &str) -> Result<u16, String> {
    let number = super::port(text).ok().filter(|&port| port > 0);
    number.ok_or_else(|| String::from("a port is a number from 1 to 65535"))
}

fn pid(text: &str) -> Result<u32, String> {
    let number = super::whole_number(text).and_then(|pid| i32::try_from(pid).ok());
    let number = number.filter(|&pid| pid > 0).and_then(|pid| u32::try_from(pid).ok());
    number.ok_or_else(|| String::from("a process id, which is a number from 1 on"))
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    if arguments.list {
        return list();
    }
    if !arguments.explain.is_empty() {
        return explain(&arguments.explain);
    }
    if arguments.output.csv.is_some() && arguments.suite.is_none() {
        return Err(Failure::usage(
            "error: --csv is the table of a suite; --suite FILE, or --json for one server",
        ));
    }
    arguments.output.may_be_written()?;
    if arguments.end_with_input {
        heed_end_of_input().map_err(|error| Failure::new(error.to_string()))?;
    }
    if arguments.client {
        return client::run(arguments);
    }
    let inetd = inetd(arguments)?;
    let checks = selection(arguments, CHECKS)?;
    let protocol = protocol(&arguments.asked)?;
    if let Some(claim) = &arguments.asked.claims
        && crate::server::find(claim).is_none()
    {
        return Err(Failure::usage(format!(
            "error: no design '{claim}' to claim; `socklab designs` lists them"
        )));
    }
    if let Some(file) = &arguments.suite {
        return suite::run(file, arguments);
    }
    if let Some(pid) = arguments.attach {
        return attach::run(pid, arguments, checks, protocol);
    }
    match &arguments.design {
        Some(_) if !arguments.command.is_empty() => {
            Err(Failure::usage("error: a design or a command, not both"))
        }
        Some(name) => promised::run(name, arguments, &checks, protocol),
        None if arguments.command.first().is_some_and(|word| word.is_empty()) => {
            Err(Failure::usage("error: the command behind -- has an empty name"))
        }
        None if arguments.command.is_empty() => Err(Failure::usage(
            "error: no server: give a command behind --, a design, --attach PID or --suite FILE; `socklab examine --help`",
        )),
        None => {
            let asked = &arguments.asked;
            let plan = Plan {
                name: asked.name.clone().unwrap_or_else(|| shell(&words(&arguments.command))),
                command: arguments.command.clone(),
                by_inetd: inetd,
                running: None,
                port: asked.port.map_or(Port::Given, Port::Fixed),
                protocol,
                patience: Duration::from_secs(asked.wait),
                isolation: prepare()?,
                claims: asked.claims.clone(),
                like: asked.like.as_ref().map(|like| like.words.clone()),
                again: again(),
            };
            let examination = one(&plan, &checks)?;
            arguments.output.one(&examination)?;
            ended(examination.status())
        }
    }
}

/// Goes where servers are examined, and hears the signals that end it.
fn prepare() -> Result<Isolation, Failure> {
    let isolation = enter();
    heed_interrupts().map_err(|error| Failure::new(error.to_string()))?;
    Ok(isolation)
}

/// Stays where everybody is, and hears the signals that end an examination.
fn prepare_here() -> Result<Isolation, Failure> {
    heed_interrupts().map_err(|error| Failure::new(error.to_string()))?;
    Ok(Isolation::Beside(String::from("the server runs there already")))
}

fn one(plan: &Plan, checks: &[&Check]) -> Result<Examination, Failure> {
    told(examine(plan, checks, progress))
}

/// The examination, or what keeps it from being one.
fn told(examined: Result<Examination, Trouble>) -> Result<Examination, Failure> {
    wipe();
    examined.map_err(|trouble| {
        if trouble.is_interrupt() {
            return Failure { line: String::new(), status: 130 };
        }
        Failure { line: trouble.to_string(), status: 2 }
    })
}

fn ended(status: u8) -> Result<(), Failure> {
    if status == 0 { Ok(()) } else { Err(Failure { line: String::new(), status }) }
}

fn protocol(asked: &Asked) -> Result<Option<Protocol>, Failure> {
    let shape = match (asked.one_shot, asked.persistent) {
        (true, _) => Some(Shape::OneShot),
        (_, true) => Some(Shape::Persistent),
        _ => None,
    };
    let (Some(send), Some(expect)) = (&asked.send, &asked.expect) else {
        return Ok(shape.map(|shape| Protocol { shape: Some(shape), ..Protocol::fibonacci() }));
    };
    let own = Protocol::own(send, expect, asked.heavy.as_deref());
    let own = own.map_err(|what| Failure::usage(format!("error: {what}")))?;
    Ok(Some(Protocol { shape, ..own }))
}

/// Those of a list, of servers' checks or clients', that are asked for.
fn selection<Of>(
    arguments: &Arguments,
    all: &'static [&'static Check<Of>],
) -> Result<Vec<&'static Check<Of>>, Failure> {
    for word in arguments.only.iter().chain(&arguments.skip) {
        if all.iter().any(|check| is_named(check, word)) {
            continue;
        }
        let what = match word.to_ascii_uppercase() {
            word if CLIENT_CHECKS.iter().any(|check| is_named(check, &word)) => {
                format!("error: {word} is for clients: give --client")
            }
            word if CHECKS.iter().any(|check| is_named(check, &word)) => {
                format!("error: {word} is for servers, not with --client")
            }
            _ => format!("error: no check '{word}'; `socklab examine --list` lists them"),
        };
        return Err(Failure::usage(what));
    }
    let is_asked = |check: &&&Check<Of>| {
        let named = |words: &[String]| is_any(check, words);
        let is_claim = check.id == "C10" && arguments.asked.claims.is_some();
        let is_wanted = if arguments.only.is_empty() {
            check.is_quick || !arguments.quick
        } else {
            named(&arguments.only) || is_claim
        };
        is_wanted && !named(&arguments.skip)
    };
    let checks: Vec<_> = all.iter().filter(is_asked).copied().collect();
    if checks.is_empty() {
        return Err(Failure::usage("error: --skip leaves nothing of --only"));
    }
    Ok(checks)
}

/// Whether one of the words names a check.
fn is_any<Of>(check: &Check<Of>, words: &[String]) -> bool {
    words.iter().any(|word| is_named(check, word))
}

/// Whether a word is a check's name, or its group's.
fn is_named<Of>(check: &Check<Of>, word: &str) -> bool {
    let word = word.to_ascii_uppercase();
    check.id == word || (word.len() == 1 && check.id.starts_with(&word))
}

fn words(command: &[OsString]) -> Vec<String> {
    command.iter().map(|word| word.to_string_lossy().into_owned()).collect()
}

/// This command, to be given again: without the selection of checks, which the reader will make, and without what
/// would write one check over a whole report.
fn again() -> String {
    let mut all: Vec<String> = Vec::new();
    let mut given = std::env::args().skip(1);
    while let Some(word) = given.next() {
        let name = word.split('=').next().unwrap_or_default();
        match name {
            "--" => {
                all.push(word);
                all.extend(given.by_ref());
            }
            "--only" | "--skip" | "--html" | "--junit" | "--csv" | "--name" => {
                if name == word {
                    given.next();
                }
            }
            "--quick" | "--json" | "--tap" | "--end-with-input" => {}
            _ => all.push(word),
        }
    }
    format!("socklab {}", shell(&all))
}

/// Which check is under way, on a terminal only.
fn progress<Of>(done: usize, all: usize, check: &Check<Of>) {
    if io::stderr().is_terminal() {
        let line = format!("\r\x1b[K{}/{all} {} {}", done + 1, check.id, check.name);
        // Nobody misses it.
        let _ = io::stderr().write_all(line.as_bytes());
    }
}

fn wipe() {
    if io::stderr().is_terminal() {
        let _ = io::stderr().write_all(b"\r\x1b[K");
    }
}

fn list() -> Result<(), Failure> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    fn row<Of>(check: &Check<Of>) -> (&str, &str, bool, OnRunning) {
        (check.id, check.name, check.is_quick, check.on_running)
    }
    let servers = CHECKS.iter().map(|check| row(check));
    let all: Vec<_> = servers.chain(CLIENT_CHECKS.iter().map(|check| row(check))).collect();
    for (letter, group) in GROUPS {
        let own = all.iter().filter(|(id, ..)| id.starts_with(*letter));
        for (number, (id, name, is_quick, on_running)) in own.enumerate() {
            if number == 0 {
                writeln!(out, "{letter}  {group}")?;
            }
            let profile = match (is_quick, *on_running == OnRunning::Never) {
                (true, false) => "",
                (false, false) => "  (not with --quick)",
                (true, true) => "  (not with --attach)",
                (false, true) => "  (not with --quick, nor with --attach)",
            };
            writeln!(out, "   {id:4} {name}{profile}")?;
        }
    }
    Ok(out.flush()?)
}

fn explain(words: &[String]) -> Result<(), Failure> {
    for word in words {
        let is_server = CHECKS.iter().any(|check| is_named(check, word));
        if !is_server && !CLIENT_CHECKS.iter().any(|check| is_named(check, word)) {
            return Err(Failure::usage(format!(
                "error: no check '{word}'; `socklab examine --list` lists them"
            )));
        }
    }
    let servers = CHECKS.iter().filter(|check| is_any(check, words)).map(|check| parts(check));
    let clients =
        CLIENT_CHECKS.iter().filter(|check| is_any(check, words)).map(|check| parts(check));
    let style = output::style();
    let mut out = io::BufWriter::new(io::stdout().lock());
    for (number, (headline, parts)) in servers.chain(clients).enumerate() {
        let gap = if number == 0 { "" } else { "\n" };
        writeln!(out, "{gap}{headline}")?;
        for (title, text) in parts {
            writeln!(out, "\n{title}")?;
            style.paragraph(&text, &mut out)?;
        }
    }
    Ok(out.flush()?)
}

/// What is said of a check: its headline, and paragraphs with their titles.
fn parts<Of>(check: &Check<Of>) -> (String, [(&'static str, String); 5]) {
    let Check { id, name, does, sees, matters, remedy, source, .. } = check;
    let parts = [
        ("What is done", format!("It {does}.")),
        ("What is seen", format!("It looks at {sees}.")),
        ("Why it matters", format!("{}.", capital(matters))),
        ("How to mend it", format!("{}.", capital(remedy))),
        ("Where it says so", format!("{}.", capital(source))),
    ];
    (format!("{id} {name}"), parts)
}

/// With a capital letter, unless it begins with a function's name.
fn capital(text: &str) -> String {
    if text.split([' ', ';', ',']).next().is_some_and(|word| word.contains('(')) {
        return text.to_owned();
    }
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

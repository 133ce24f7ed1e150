//! `socklab netstat -tulpn` beside `netstat -tulpn` and `ss -tulpn`: whole processes, with few and with many
//! sockets of three kinds, in a network of its own.
//!
//! In a round each program runs once, ours twice, in some order; the ratio is that of a round, the faster
//! one of the peers to ours. `make bench-netstat`

use std::io::{BufRead, BufReader, Read};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use clap::Parser;
use comfy_table::Cell;
use nix::unistd::geteuid;
use serde_json::{Value, json};

use machine::Foreign;
use report::{Report, figure, table};
use stats::{Random, Spread, median};

#[path = "support/machine.rs"]
#[allow(dead_code, reason = "it has more than this needs")]
mod machine;
#[path = "support/options.rs"]
#[allow(dead_code, reason = "it has more than this needs")]
mod options;
#[path = "support/report.rs"]
mod report;
#[path = "support/stats.rs"]
#[allow(dead_code, reason = "it has more than this needs")]
mod stats;
#[path = "../tests/support/mod.rs"]
mod support;

/// How much faster than netstat and ss?
#[derive(Parser)]
#[command(name = "bench-netstat")]
struct Options {
    /// How many sockets there are
    #[arg(long, value_name = "N,...", value_delimiter = ',', default_value = "5,10000,40000")]
    sockets: Vec<usize>,
    /// How many rounds
    #[arg(long, value_name = "N", default_value_t = 15)]
    rounds: usize,
    /// In the small: the figures mean nothing then
    #[arg(long)]
    quick: bool,
    /// Write the figures to a file too
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// What `cargo bench` says and `cargo test` does not
    #[arg(long, hide = true)]
    bench: bool,
}

/// The goal: the faster peer's time over ours.
const FASTER: f64 = 3.0;

/// What runs in place of the bench when it is started with this, a kind, a number of sockets and one of its
/// own: it holds them until its standard input ends.
const HOLD: &str = "--hold";

/// Where this is set, the network is ours.
const INSIDE: &str = "SOCKLAB_BENCH_NETSTAT";

/// Where this is set, it is our program: built as people have it, not as cargo builds it for a benchmark.
const PROGRAM: &str = "SOCKLAB_BENCH_PROGRAM";

/// Below the usual hard limit of descriptors.
const SOCKETS_OF_A_PROCESS: usize = 13_400;

const KINDS: [&str; 3] = ["listening", "udp", "established"];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, flag, kind, count, number] = &arguments[..]
        && flag == HOLD
    {
        hold(kind, count.parse().expect("a number"), number.parse().expect("a number"));
        return ExitCode::SUCCESS;
    }
    let options: Options = options::parse("bench-netstat");
    if std::env::var_os(INSIDE).is_some() {
        return compare(&options);
    }
    // As root also of the machine's own processes, or the peers would be refused more than they cost.
    let network = if geteuid().is_root() { "-n" } else { "-Urn" };
    let status = Command::new("unshare")
        .args([network, "sh", "-c", "ip link set lo up && exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().expect("this program"))
        .args(&arguments[1..])
        .env(INSIDE, "1")
        .status();
    match status.ok().and_then(|status| status.code()) {
        Some(0) => ExitCode::SUCCESS,
        Some(1) if options.bench => ExitCode::FAILURE,
        Some(101) => ExitCode::FAILURE,
        other => {
            eprintln!("skipped: no network of its own can be had here ({other:?})");
            ExitCode::SUCCESS
        }
    }
}

/// One of the programs.
struct Program {
    name: &'static str,
    command: fn() -> Command,
}

fn ours() -> Command {
    let mut command = std::env::var_os(PROGRAM).map_or_else(support::socklab, Command::new);
    command.args(["netstat", "-tulpn"]);
    command
}

fn netstat() -> Command {
    let mut command = Command::new("netstat");
    command.arg("-tulpn");
    command
}

fn ss() -> Command {
    let mut command = Command::new("ss");
    command.arg("-tulpn");
    command
}

fn compare(options: &Options) -> ExitCode {
    let mut report = Report::new(!options.bench);
    let (sockets, rounds) =
        if options.quick { (vec![5, 600], 2) } else { (options.sockets.clone(), options.rounds) };
    machine::descriptors();
    // What is started inherits it: others on this machine do not come between.
    let first = if machine::real_time() { "; they run before all others" } else { "" };
    report.line(format!("{}; {rounds} rounds{first}", machine::description()));
    let mut programs = vec![
        Program { name: "ours", command: ours },
        Program { name: "ours again", command: ours },
    ];
    for peer in [Program { name: "netstat", command: netstat }, Program { name: "ss", command: ss }]
    {
        match (peer.command)().stdout(Stdio::null()).stderr(Stdio::null()).status() {
            Ok(_) => programs.push(peer),
            Err(error) => report.line(format!("{} is left out: {error}", peer.name)),
        }
    }
    let mut rows = table(&[
        "sockets",
        "",
        "netstat ms",
        "ss ms",
        "ours ms",
        "ours again",
        "faster, x",
        "",
        "",
    ]);
    let mut figures = Vec::new();
    let mut foreign = Foreign::default();
    let mut good = true;
    for kind in KINDS {
        for &count in &sockets {
            report.progress(format!("{count} {kind}"));
            let holders = Holder::start(kind, count);
            check(kind, count, holders.len());
            foreign.pause(Duration::from_millis(if options.quick { 1 } else { 500 }));
            let seconds = measure(&programs, rounds);
            drop(holders);
            let of = |name: &str| {
                programs.iter().position(|program| program.name == name).map(|at| &seconds[at][..])
            };
            let ours = of("ours").expect("it is always there");
            let peers = ["netstat", "ss"].into_iter().filter_map(of);
            let faster = peers.min_by(|one, other| median(one).total_cmp(&median(other)));
            let ratio = |these: &[f64], those: &[f64]| {
                let ratios: Vec<f64> =
                    these.iter().zip(those).map(|(this, that)| this / that).collect();
                Spread::of_median(&ratios)
            };
            let times = |name: &str| {
                of(name).map_or_else(
                    || String::from("-"),
                    |seconds| format!("{:.1}", median(seconds) * 1e3),
                )
            };
            let again = ratio(of("ours again").expect("it is always there"), ours);
            let (spread, verdict) = match faster.map(|faster| ratio(faster, ours)) {
                Some(Spread { median, low, high }) => {
                    let verdict = if median >= FASTER { "good" } else { "MISSED" };
                    good &= options.quick || median >= FASTER;
                    (format!("{median:.2}  [{low:.2}, {high:.2}]"), verdict)
                }
                None => (String::from("-"), "no peer"),
            };
            rows.add_row([
                figure(count),
                Cell::new(kind),
                figure(times("netstat")),
                figure(times("ss")),
                figure(times("ours")),
                figure(format!("{:.2}", again.median)),
                figure(spread),
                Cell::new(verdict),
            ]);
            let named = programs
                .iter()
                .zip(&seconds)
                .map(|(program, seconds)| (program.name.to_owned(), json!(seconds)));
            figures.push(json!({
                "kind": kind, "sockets": count, "seconds": named.collect::<serde_json::Map<String, Value>>(),
            }));
        }
    }
    report.line(rows);
    report.line(
        "faster: the faster one of netstat and ss over ours, with the 95 % interval of the median",
    );
    report.line(foreign.report());
    report.json(options.json.as_deref(), &json!({ "rows": figures }));
    report.end(good)
}

/// The seconds of each program, by round.
fn measure(programs: &[Program], rounds: usize) -> Vec<Vec<f64>> {
    let mut random = Random(1);
    let mut seconds = vec![Vec::new(); programs.len()];
    for round in 0..=rounds {
        for at in random.order(programs.len()) {
            let mut command = (programs[at].command)();
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            let start = Instant::now();
            let status = command.status().expect("it runs");
            let time = start.elapsed().as_secs_f64();
            assert!(status.success(), "{}: {status}", programs[at].name);
            // The first round warms up.
            if round > 0 {
                seconds[at].push(time);
            }
        }
    }
    seconds
}

/// All of them are listed, each with who holds it.
fn check(kind: &str, count: usize, holders: usize) {
    let output = ours().output().expect("it runs");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let rows = text.lines().skip(2).filter(|line| !line.trim_end().ends_with(" -")).count();
    let expected = if kind == "established" { holders } else { count };
    assert_eq!((rows, text.lines().count()), (expected, expected + 2), "{count} {kind}");
}

/// A process that holds sockets.
struct Holder(Child);

impl Holder {
    /// Starts as many as it takes, and waits until they hold so many.
    fn start(kind: &str, count: usize) -> Vec<Self> {
        let mut holders = Vec::new();
        let mut left = count;
        while left > 0 {
            let part = left.min(SOCKETS_OF_A_PROCESS);
            left -= part;
            let mut child = Command::new(std::env::current_exe().expect("this program"))
                .args([HOLD, kind, &part.to_string(), &(holders.len() + 1).to_string()])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .expect("it runs");
            let stdout = child.stdout.take().expect("piped");
            holders.push(Self(child));
            let mut line = String::new();
            BufReader::new(stdout).read_line(&mut line).expect("a line");
            assert_eq!(line, "held\n", "{count} {kind}");
        }
        holders
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// Holds so many sockets, at an address of its own, since there are only so many ports.
fn hold(kind: &str, count: usize, number: usize) {
    let addr = (format!("127.0.{number}.1"), 0);
    let addr = (addr.0.as_str(), addr.1);
    let tcp = || TcpListener::bind(addr).expect("a port");
    let mut listeners = Vec::new();
    let mut connections: Vec<TcpStream> = Vec::new();
    let mut datagrams = Vec::new();
    match kind {
        "listening" => listeners.extend((0..count).map(|_| tcp())),
        "udp" => datagrams.extend((0..count).map(|_| UdpSocket::bind(addr).expect("a port"))),
        _ => {
            let listener = tcp();
            while connections.len() + 2 < count {
                let to = listener.local_addr().expect("bound");
                connections.push(TcpStream::connect(to).expect("a connection"));
                connections.push(listener.accept().expect("a connection").0);
            }
            listeners.push(listener);
        }
    }
    println!("held");
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}

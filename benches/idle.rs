//! Ten thousand clients that are connected and say nothing: what each costs an event-driven server in
//! memory, what all of them cost it in time, and what one active client among them costs.
//!
//! The idle clients are another process's, since a process has a limited number of descriptors. The
//! cost of a request is the server's CPU time, in batches that go to three servers of the design in
//! random order: one with the idle clients and two, for the noise, with none. `make bench-idle`

use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use clap::Parser;
use comfy_table::Cell;
use serde_json::{Value, json};
use socklab::server::{Design, Idle, PerClient, Silent};

use bench::client::Client;
use bench::machine::{self, Foreign};
use bench::options::{Choice, Common, parse};
use bench::report::{Report, figure, table};
use bench::stats::{Random, Spread, median};
use bench::subject::{Case, anonymous, cases, clock, cpu};
use support::{Language, Server};
use watch::{polls, sleeps, tasks, ticks, until, waits};

#[path = "support/mod.rs"]
mod bench;
#[path = "../tests/conformance/diag.rs"]
#[allow(dead_code, reason = "it has more than this needs")]
mod diag;
#[path = "../tests/support/mod.rs"]
mod support;
#[path = "../tests/conformance/watch.rs"]
#[allow(dead_code, reason = "it has more than this needs")]
mod watch;

/// What do idle clients cost an event-driven server?
#[derive(Parser)]
#[command(name = "bench-idle")]
struct Options {
    #[command(flatten)]
    common: Common,
    /// How many idle clients
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    clients: usize,
    /// How many rounds, each with a batch of requests for each server
    #[arg(long, value_name = "N", default_value_t = 40)]
    rounds: usize,
}

/// What runs in place of the bench when it is started with this, an address and a number: it holds
/// as many idle clients until its standard input ends.
const HOLD: &str = "--hold";

/// The designs that look at every client whenever anything happens.
const GROW: &[&str] = &["nonblocking", "select", "poll"];

/// The goals: KiB for each idle client, and the cost of a request among idle clients as a ratio.
const MEMORY: f64 = 0.15;
const GROWTH: f64 = 1.1;

/// How many requests of another server an idle one is watched for.
const STRETCH: usize = 200;

/// Requests in a batch.
const BATCH: usize = 100;

/// The same where each takes thousands of times as long.
const BATCH_OF_GROWING: usize = 10;

/// A server that sleeps for 10 ms between two looks lets no more in within a few seconds.
const CLIENTS_OF_POLLER: usize = 1_000;

/// What one design was found to cost.
struct Finding {
    clients: usize,
    /// KiB for each idle client.
    memory: f64,
    /// Ticks, and nanoseconds, of CPU time over the stretch.
    ticks: u64,
    nanoseconds: u64,
    stretch: Duration,
    /// Seconds of the server's CPU for each request, by round.
    among_idle: Vec<f64>,
    alone: Vec<f64>,
    alone_again: Vec<f64>,
}

impl Finding {
    fn growth(&self) -> Spread {
        ratios(&self.among_idle, &self.alone)
    }

    fn noise(&self) -> Spread {
        ratios(&self.alone_again, &self.alone)
    }
}

fn ratios(these: &[f64], those: &[f64]) -> Spread {
    let ratios: Vec<f64> = these.iter().zip(those).map(|(this, that)| this / that).collect();
    Spread::of_median(&ratios)
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, flag, server, clients] = &arguments[..]
        && flag == HOLD
    {
        hold(server.parse().expect("an address"), clients.parse().expect("a number"));
        return ExitCode::SUCCESS;
    }
    let options: Options = parse("bench-idle");
    machine::heed_interrupts();
    let mut report = Report::new(!options.common.bench);
    let quick = options.common.quick;
    let (clients, rounds) = if quick { (200, 3) } else { (options.clients, options.rounds) };
    // A server has a few descriptors more.
    let most = machine::descriptors() - 64;
    let languages = options.common.language.unwrap_or(Choice::Both).languages();
    let mut cases = cases(languages, &options.common.designs);
    cases.retain(|case| is_event_driven(case.design));
    if quick && options.common.designs.is_empty() {
        cases.retain(|case| case.language == Language::Rust);
        cases = cases.into_iter().rev().take(2).collect();
    }

    report.line(machine::description());
    report.line(format!(
        "idle clients, and one that asks for fib(1) among them; {rounds} rounds of {BATCH} requests \
         ({BATCH_OF_GROWING} for {})",
        GROW.join(", ")
    ));
    if clients > most {
        report.line(format!("doubt: {most} clients only: the limit of descriptors (ulimit -Hn)"));
    }
    let clock = clock();
    let mut foreign = Foreign::default();
    let mut random = Random(u64::from(std::process::id()));
    let mut table = table(&[
        "design", "", "clients", "KiB each", "idle CPU", "alone us", "among us", "ratio", "A/A", "",
    ]);
    let mut good = true;
    let mut figures = Vec::new();
    for case in &cases {
        let promises = case.design.promises;
        let mut clients = clients.min(most);
        if let Some(limit) = promises.descriptors {
            clients = clients.min(limit - 24);
        }
        if promises.idle == Idle::Polls {
            clients = clients.min(CLIENTS_OF_POLLER);
        }
        let say = |what: &str| report.progress(format!("{case}: {what}"));
        let finding = examine(case, clients, rounds, &clock, &mut foreign, &mut random, say);
        let (verdict, kept) = judge(case.design, &finding);
        good &= kept || quick;
        let micros = |seconds: &[f64]| figure(format!("{:.1}", median(seconds) * 1e6));
        let share = finding.nanoseconds as f64 / finding.stretch.as_nanos() as f64;
        table.add_row([
            Cell::new(case.design.name),
            Cell::new(format!("{:?}", case.language)),
            figure(finding.clients),
            figure(format!("{:.3}", finding.memory)),
            figure(format!("{:.0} %", share * 100.0)),
            micros(&finding.alone),
            micros(&finding.among_idle),
            figure(ratio(finding.growth())),
            figure(format!("{:.2}", finding.noise().median)),
            Cell::new(verdict),
        ]);
        figures.push(json_of(case, &finding));
    }
    report.line(format!("\n{}\n", table.trim_fmt()));
    report.line(
        "alone, among: the server's CPU time for a request without and with the idle clients; A/A: the\n\
         noise, two servers without; ratio: the median [95 % interval] of those within a round",
    );
    report.line(format!(
        "goals: at most {MEMORY} KiB each; for those that sleep 0 ticks while another server answers\n\
         {STRETCH} requests; a ratio of at most {GROWTH}, but for {}",
        GROW.join(", ")
    ));
    report.line(foreign.report());
    let figures = json!({
        "machine": machine::description(), "rounds": rounds, "foreign_cores": foreign.cores(),
        "servers": figures,
    });
    report.json(options.common.json.as_deref(), &figures);
    report.end(good)
}

/// One process or few, whatever the number of clients, who do not wait for each other.
fn is_event_driven(design: &Design) -> bool {
    let promises = design.promises;
    (promises.silent, promises.per_client) == (Silent::Harmless, PerClient::Descriptor)
}

fn examine(
    case: &Case,
    clients: usize,
    rounds: usize,
    clock: &Server,
    foreign: &mut Foreign,
    random: &mut Random,
    say: impl Fn(&str),
) -> Finding {
    let servers = [case.start(4), case.start(4), case.start(4)];
    let [busy, _, _] = &servers;
    // What is there from the first clients on is not theirs.
    servers.iter().for_each(|server| ask(server, 20));

    say("the idle clients connect");
    let before = anonymous(busy);
    let holder = Holder::start(busy, clients);
    until_idle(busy);
    let memory = (anonymous(busy) as f64 - before as f64) / clients as f64;

    say("nobody asks for anything");
    let (idle_ticks, idle_cpu, start) = (ticks(busy), cpu(busy), Instant::now());
    ask(clock, STRETCH);
    let (stretch, idle_cpu, idle_ticks) =
        (start.elapsed(), cpu(busy) - idle_cpu, ticks(busy) - idle_ticks);

    let grows = GROW.contains(&case.design.name);
    let batch = if grows { BATCH_OF_GROWING } else { BATCH };
    let mut costs = [Vec::new(), Vec::new(), Vec::new()];
    for round in 0..=rounds {
        say(&format!("round {round} of {rounds}"));
        if round % 4 == 0 {
            foreign.pause(Duration::from_millis(50));
        }
        for at in random.order(servers.len()) {
            let before = cpu(&servers[at]);
            ask(&servers[at], batch);
            until_idle(&servers[at]);
            let cost = (cpu(&servers[at]) - before) as f64 / 1e9 / batch as f64;
            // The first round warms up.
            if round > 0 {
                costs[at].push(cost);
            }
        }
    }
    holder.end();
    let [among_idle, alone, alone_again] = costs;
    Finding {
        clients,
        memory,
        ticks: idle_ticks,
        nanoseconds: idle_cpu,
        stretch,
        among_idle,
        alone,
        alone_again,
    }
}

/// Requests one after the other, each answer checked.
fn ask(server: &Server, requests: usize) {
    for _ in 0..requests {
        assert_eq!(server.ask(b"1\n"), "1", "a wrong answer");
    }
}

/// Waits until every task of a server is blocked in a call.
fn until_idle(server: &Server) {
    until("the server has nothing to do", || {
        tasks(server).iter().all(|task| {
            let doing = task.doing();
            sleeps(doing) || polls(doing) || waits(doing)
        })
    });
}

/// What a finding comes to, and whether it keeps what is promised or aimed at.
fn judge(design: &Design, finding: &Finding) -> (String, bool) {
    let mut faults = Vec::new();
    if finding.memory > MEMORY {
        faults.push("memory");
    }
    if design.promises.idle == Idle::Sleeps && finding.ticks > 0 {
        faults.push("wakes while idle");
    }
    let growth = finding.growth();
    let grows = GROW.contains(&design.name);
    if !grows && growth.low > GROWTH {
        faults.push("grows");
    }
    let verdict = match (&faults[..], grows) {
        ([], true) if growth.low > GROWTH => String::from("grows, as it must"),
        ([], true) => String::from("not seen to grow"),
        ([], false) if growth.high > GROWTH => String::from("open: more rounds"),
        ([], false) => String::from("good"),
        (faults, _) => format!("MISSED: {}", faults.join(", ")),
    };
    (verdict, faults.is_empty())
}

fn ratio(spread: Spread) -> String {
    let Spread { median, low, high } = spread;
    format!("{median:.2} [{low:.2}, {high:.2}]")
}

fn json_of(case: &Case, finding: &Finding) -> Value {
    json!({
        "design": case.design.name, "language": format!("{:?}", case.language),
        "idle_clients": finding.clients, "kib_per_client": finding.memory,
        "idle_ticks": finding.ticks, "idle_cpu_ns": finding.nanoseconds,
        "idle_stretch_s": finding.stretch.as_secs_f64(),
        "cpu_s_among_idle": finding.among_idle, "cpu_s_alone": finding.alone,
        "cpu_s_alone_again": finding.alone_again,
    })
}

/// A process that holds idle clients.
struct Holder(Child);

impl Holder {
    /// Starts it and waits until all its clients are accepted.
    fn start(server: &Server, clients: usize) -> Self {
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .args([HOLD, &server.addr.to_string(), &clients.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it runs");
        let stdout = child.stdout.take().expect("piped");
        let holder = Self(child);
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        assert_eq!(line, "held\n", "the idle clients");
        holder
    }

    /// Lets the clients go.
    fn end(mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        // Gone already, in the good case.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Holds idle clients, from several addresses, since each has some ten thousand ports only, and hybrid takes
/// no more than 2500 of one.
fn hold(server: SocketAddr, clients: usize) {
    let mut held = Vec::new();
    for number in 0..clients {
        // No connect is lost to a full queue.
        wait_while(|| diag::listening(server).is_some_and(|row| row.unread > row.unsent));
        let source = Ipv4Addr::new(127, 0, 1, 1 + (number / 2_000) as u8);
        let source = SocketAddrV4::new(source, 0);
        held.push(Client::connect_from(Some(source), server, b"").expect("a connection"));
    }
    // The last of them is accepted last.
    let last = held.last().map(Client::addr);
    wait_while(|| {
        let waits = |last| diag::connected(server, last).is_some_and(|row| row.inode == 0);
        last.is_some_and(waits) && diag::listening(server).is_some()
    });
    let held_all = held.iter_mut().all(|client| !client.has_ended());
    println!("{}", if held_all { "held" } else { "lost" });
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}

/// Without a limit: a server that looks at every client before it accepts the next one takes minutes.
fn wait_while(mut is_so: impl FnMut() -> bool) {
    while is_so() {
        std::thread::sleep(Duration::from_micros(200));
    }
}

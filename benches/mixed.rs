//! Cheap requests beside costly ones, the load at which the design matters most: fib(1) at a constant
//! rate, its latency counted from the moment at which each should have started, beside clients that
//! ask fib(34) one after the other.
//!
//! All servers are up at once. In a round each of them gets the load for a while, in random order; a
//! ratio is taken between two servers within a round. `make bench-mixed`

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use comfy_table::Cell;
use hdrhistogram::Histogram;
use nix::sys::socket::{Backlog, listen};
use serde_json::{Value, json};
use socklab::server;

use bench::load::{self, Load, Outcome};
use bench::machine::{self, Foreign};
use bench::options::{Choice, Common, parse};
use bench::report::{Report, figure, table};
use bench::stats::{Random, Spread, median};
use bench::subject::Case;
use support::Server;

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

/// What do costly requests do to the latency of cheap ones, in one design and in the other?
#[derive(Parser)]
#[command(name = "bench-mixed")]
struct Options {
    #[command(flatten)]
    common: Common,
    /// How many rounds, each with a slice for each server
    #[arg(long, value_name = "N", default_value_t = 7)]
    rounds: usize,
    /// How long a slice is, in seconds
    #[arg(long, value_name = "S", default_value_t = 2.0)]
    slice: f64,
    /// Cheap requests in a second
    #[arg(long, value_name = "N", default_value_t = 1000)]
    rate: u32,
    /// How many clients ask costly requests
    #[arg(long, value_name = "N", default_value_t = 8)]
    crowd: usize,
    /// How many workers the pools have
    #[arg(long, value_name = "N", default_value_t = 16)]
    workers: usize,
    /// Leave the servers' listen queues as they are, from 1 to 4096 connections long, instead of
    /// making all of them 4096
    #[arg(long)]
    own_queues: bool,
}

const CHEAP: load::Exchange = (b"1\n", b"1");
const COSTLY: load::Exchange = (b"34\n", b"5702887");

/// The design that has to show something, and those that it is compared with.
const HYBRID: &str = "hybrid";
const EVENTS: &str = "epoll";
const THREADS: &str = "threaded";
const POOL: &str = "prethreaded";
const NAMES: &[&str] = &[HYBRID, EVENTS, POOL, THREADS, "forked", "iterative"];

/// A server, and what came of its slices.
struct Subject {
    name: String,
    server: Server,
    slices: Vec<Slice>,
    /// All its slices together.
    latencies: Histogram<u64>,
    wrong: u64,
    errors: BTreeMap<String, u64>,
    unfinished: u64,
    late: u64,
    full_queues: u64,
}

/// Makes room for 4096 in a server's queue, so that designs are compared and not the numbers that
/// they give to listen(): whoever has a descriptor of a listening socket can say listen() again.
fn queue(server: &Server) {
    let row = diag::listening(server.addr).expect("it listens");
    let name = format!("socket:[{}]", row.inode);
    let descriptors = watch::descriptors(server.pid());
    let (fd, _) = descriptors.iter().find(|(_, what)| *what == name).expect("its socket");
    let copy = support::descriptor(server.pid(), *fd);
    listen(&copy, Backlog::new(4096).expect("a backlog")).expect("it listens already");
}

/// What is compared within a round; seconds, and requests in a second.
#[derive(Clone, Copy)]
struct Slice {
    p50: f64,
    p99: f64,
    costly: f64,
}

impl Subject {
    fn start(name: String, case: &Case, options: &Options) -> Self {
        let server = case.start(options.workers);
        if !options.own_queues {
            queue(&server);
        }
        Self {
            name,
            server,
            slices: Vec::new(),
            latencies: load::histogram(),
            wrong: 0,
            errors: BTreeMap::new(),
            unfinished: 0,
            late: 0,
            full_queues: 0,
        }
    }

    fn add(&mut self, outcome: Outcome, full_queues: u64) {
        let seconds = |quantile| outcome.latencies.value_at_quantile(quantile) as f64 / 1e9;
        let (p50, p99) = (seconds(0.5), seconds(0.99));
        self.slices.push(Slice { p50, p99, costly: outcome.costly_rate });
        self.latencies.add(&outcome.latencies).expect("the same bounds");
        self.wrong += outcome.wrong;
        self.unfinished += outcome.unfinished;
        self.late += outcome.late;
        self.full_queues += full_queues;
        for (error, count) in outcome.errors {
            *self.errors.entry(error).or_default() += count;
        }
    }

    fn values(&self, value: fn(&Slice) -> f64) -> Vec<f64> {
        self.slices.iter().map(value).collect()
    }

    /// Its values over those of another in the same rounds.
    fn over(&self, other: &Self, value: fn(&Slice) -> f64) -> Spread {
        let pairs = self.slices.iter().zip(&other.slices);
        let ratios: Vec<f64> = pairs.map(|(this, that)| value(this) / value(that)).collect();
        Spread::of_median(&ratios)
    }
}

fn main() -> ExitCode {
    let options: Options = parse("bench-mixed");
    machine::heed_interrupts();
    let mut report = Report::new(!options.common.bench);
    let quick = options.common.quick;
    let load = Load {
        cheap: CHEAP,
        rate: options.rate,
        costly: COSTLY,
        crowd: options.crowd,
        length: Duration::from_secs_f64(if quick { 0.3 } else { options.slice }),
        // The kernel tries a connect that found no room again after 1 and after 3 seconds.
        patience: Duration::from_secs(4),
    };
    let rounds = if quick { 2 } else { options.rounds };
    let language = options.common.language.unwrap_or(Choice::Rust).languages()[0];

    let mut names: Vec<&str> = options.common.designs.iter().map(String::as_str).collect();
    if names.is_empty() {
        names = if quick { vec![EVENTS, THREADS] } else { NAMES.to_vec() };
    }
    let (known, unknown): (Vec<&str>, Vec<&str>) =
        names.iter().partition(|name| server::find(name).is_some());
    let mut subjects = Vec::new();
    for name in known {
        let case = Case { language, design: server::find(name).expect("known") };
        subjects.push(Subject::start(name.to_owned(), &case, &options));
        // The noise: the same program twice.
        if name == THREADS {
            subjects.push(Subject::start(format!("{name} again"), &case, &options));
        }
    }

    report.line(machine::description());
    report.line(format!(
        "fib(1) at {}/s beside {} clients of fib(34); {rounds} rounds of {} s slices; {language:?}; \
         pools of {}; {}",
        load.rate,
        load.crowd,
        load.length.as_secs_f64(),
        options.workers,
        if options.own_queues { "queues as they are" } else { "queues of 4096" }
    ));
    if !unknown.is_empty() {
        report.line(format!("no such design, left out: {}", unknown.join(", ")));
    }
    let mut foreign = Foreign::default();
    let mut random = Random(u64::from(std::process::id()));
    let mut real_time = false;
    for round in 1..=rounds {
        for at in random.order(subjects.len()) {
            let subject = &mut subjects[at];
            report.progress(format!("round {round} of {rounds}: {}", subject.name));
            foreign.pause(Duration::from_millis(100));
            let before = machine::full_queues();
            let addr = subject.server.addr;
            let outcome;
            (outcome, real_time) = std::thread::scope(|scope| {
                let generator = scope.spawn(move || {
                    let real_time = machine::real_time();
                    (load::run(load, addr), real_time)
                });
                generator.join().expect("the generator")
            });
            subject.add(outcome, machine::full_queues() - before);
        }
    }
    show(&mut report, &subjects);
    report.line(format!(
        "the generator {}; {}",
        if real_time { "ran before all others (SCHED_RR)" } else { "had no precedence" },
        foreign.report()
    ));
    let met = goals(&mut report, &subjects, rounds);
    let figures = figures(&subjects, &foreign, &load, real_time);
    report.json(options.common.json.as_deref(), &figures);
    let served = subjects.iter().all(|subject| subject.wrong == 0 && subject.errors.is_empty());
    // In the small the figures mean nothing.
    report.end(served && (met || quick))
}

/// The tables, and the doubts.
fn show(report: &mut Report, subjects: &[Subject]) {
    let find = |name: &str| subjects.iter().find(|subject| subject.name == name);
    let references = [EVENTS, THREADS].map(find);
    let pool = find(POOL);
    let mut header = vec![String::from("fib(1)"), "p50 ms".into(), "p99 ms".into(), "".into()];
    header.extend(references.iter().flatten().map(|other| format!("p99 / {}", other.name)));
    let mut cheap = table(&header);
    let mut header = vec![String::from("fib(34)"), "per s".into()];
    header.extend(pool.map(|pool| format!("/ {}", pool.name)));
    header.extend(
        ["worst ms", "wrong", "errors", "unfinished", "late", "queue full"].map(Into::into),
    );
    let mut rest = table(&header);
    for subject in subjects {
        let p99 = Spread::of(&subject.values(|slice| slice.p99 * 1e3));
        let p50 = median(&subject.values(|slice| slice.p50 * 1e3));
        let mut row = vec![
            Cell::new(&subject.name),
            figure(three(p50)),
            figure(three(p99.median)),
            figure(format!("({} .. {})", three(p99.low), three(p99.high))),
        ];
        for reference in references.iter().flatten() {
            row.push(figure(ratio(subject.over(reference, |slice| slice.p99))));
        }
        cheap.add_row(row);

        let costly = median(&subject.values(|slice| slice.costly));
        let mut row = vec![Cell::new(&subject.name), figure(format!("{costly:.1}"))];
        if let Some(pool) = pool {
            row.push(figure(ratio(subject.over(pool, |slice| slice.costly))));
        }
        row.push(figure(three(subject.latencies.max() as f64 / 1e6)));
        let errors: u64 = subject.errors.values().sum();
        let counts = [subject.wrong, errors, subject.unfinished, subject.late, subject.full_queues];
        row.extend(counts.map(figure));
        rest.add_row(row);
    }
    report.line(format!("\n{}\n\n{}\n", cheap.trim_fmt(), rest.trim_fmt()));
    report.line(
        "p50, p99: the median of the rounds (min .. max); ratios: the median [95 % interval] of those\n\
         within a round; worst: of the requests for fib(1); late: those started more than 1 ms late",
    );
    for subject in subjects {
        for (error, count) in &subject.errors {
            report.line(format!("{}: {count} x {error}", subject.name));
        }
        let (started, late) = (subject.latencies.len(), subject.late);
        if late * 50 > started {
            report.line(format!(
                "doubt: {}: {late} of {started} requests started more than 1 ms late",
                subject.name
            ));
        }
    }
    let overflows = subjects.iter().any(|subject| subject.full_queues > 0);
    if overflows {
        report.line(
            "queue full: connects to any server of this machine that found no room; the kernel tries \
             them again after 1, 3 s",
        );
    }
    let again = format!("{THREADS} again");
    if let (Some(one), Some(other)) = (find(THREADS), find(&again)) {
        let p99 = other.over(one, |slice| slice.p99);
        let costly = other.over(one, |slice| slice.costly);
        report.line(format!(
            "noise: the same program twice (A/A): p99 {}, fib(34)/s {}{}",
            ratio(p99),
            ratio(costly),
            if costly.low > 1.0 || costly.high < 1.0 || !(0.7..1.4).contains(&p99.median) {
                "; doubt: that is much"
            } else {
                ""
            }
        ));
    }
}

/// What the hybrid design is for; whether none of it is missed.
fn goals(report: &mut Report, subjects: &[Subject], rounds: usize) -> bool {
    let find = |name: &str| subjects.iter().find(|subject| subject.name == name);
    let Some(hybrid) = find(HYBRID) else { return true };
    let latency: fn(&Slice) -> f64 = |slice| slice.p99;
    let costly: fn(&Slice) -> f64 = |slice| slice.costly;
    let mut none_missed = true;
    for (what, reference, value, bound, at_most) in [
        ("p99 of fib(1)", EVENTS, latency, 1.0 / 30.0, true),
        ("p99 of fib(1)", THREADS, latency, 0.4, true),
        ("fib(34)/s", POOL, costly, 0.95, false),
    ] {
        let Some(reference) = find(reference) else { continue };
        let found = hybrid.over(reference, value);
        // A bound that the interval contains is neither met nor missed.
        let (met, missed) = if at_most {
            (found.high <= bound, found.low > bound)
        } else {
            (found.low >= bound, found.high < bound)
        };
        none_missed &= !missed;
        report.line(format!(
            "goal: {HYBRID}'s {what} {} {bound:.3} of {}'s: {} over {rounds} rounds: {}",
            if at_most { "at most" } else { "at least" },
            reference.name,
            ratio(found),
            match (met, missed) {
                (true, _) => "met",
                (_, true) => "missed",
                _ => "open, more rounds would tell",
            }
        ));
    }
    none_missed
}

fn figures(subjects: &[Subject], foreign: &Foreign, load: &Load, real_time: bool) -> Value {
    let servers: Vec<Value> = subjects
        .iter()
        .map(|subject| {
            let slices: Vec<Value> = subject
                .slices
                .iter()
                .map(|slice| {
                    json!({ "p50_s": slice.p50, "p99_s": slice.p99, "costly_per_s": slice.costly })
                })
                .collect();
            json!({
                "name": subject.name, "rounds": slices, "samples": subject.latencies.len(),
                "worst_s": subject.latencies.max() as f64 / 1e9, "wrong": subject.wrong,
                "errors": subject.errors, "unfinished": subject.unfinished, "late": subject.late,
                "queue_full": subject.full_queues,
            })
        })
        .collect();
    json!({
        "machine": machine::description(), "rate_per_s": load.rate, "crowd": load.crowd,
        "slice_s": load.length.as_secs_f64(), "real_time_generator": real_time,
        "foreign_cores": foreign.cores(), "servers": servers,
    })
}

/// Three figures.
fn three(value: f64) -> String {
    match value {
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}

/// A median ratio and its interval.
fn ratio(spread: Spread) -> String {
    let Spread { median, low, high } = spread;
    format!("{median:.3} [{low:.3}, {high:.3}]")
}

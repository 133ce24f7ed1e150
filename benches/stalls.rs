//! Who waits behind silent and behind costly clients: every TCP design in both languages, measured
//! and compared with what it promises.
//!
//! No time decides. A probe that asks for fib(1) beside silent clients is stalled when every task of
//! the server is asleep in a call that only a client ends, the request lies unread, and both are still
//! so after another server has answered a few requests: a silent client never ends by itself. Beside
//! costly requests it is stalled when one of their answers comes before its own. Every probe has a
//! server of its own, which is killed when enough is known. `make bench-stalls`

use std::process::ExitCode;

use clap::Parser;
use comfy_table::Cell;
use nix::libc;
use nix::sys::socket::{getsockopt, sockopt};
use serde_json::json;
use socklab::server::{Heavy, Promises, Silent};

use bench::client::Client;
use bench::machine;
use bench::options::{Choice, Common, parse};
use bench::report::{Report, figure, table};
use bench::subject::{Case, cases, clock};
use support::{Language, Server};
use watch::{Doing, Task, computing, sleeps, tasks, until};

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

/// Does each server stall behind silent and costly clients as it promises?
#[derive(Parser)]
#[command(name = "bench-stalls")]
struct Options {
    #[command(flatten)]
    common: Common,
    /// How many probes for each condition
    #[arg(long, value_name = "N", default_value_t = 10)]
    probes: usize,
    /// How many workers the pools have
    #[arg(long, value_name = "N", default_value_t = 4)]
    workers: usize,
}

const PROBE: (&[u8], &[u8]) = (b"1\n", b"1");
/// Tenths of a second, in which thousands of probes could be answered.
const HEAVY: (&[u8], &[u8]) = (b"37\n", b"24157817");

/// Who is there when the probe asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Condition {
    silent: usize,
    heavy: usize,
}

impl std::fmt::Display for Condition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match *self {
            Self { silent: 0, heavy: 0 } => write!(f, "nobody"),
            Self { silent, heavy: 0 } => write!(f, "{silent} silent"),
            Self { silent: 0, heavy } => write!(f, "{heavy} costly"),
            Self { silent, heavy } => write!(f, "{silent} silent, {heavy} costly"),
        }
    }
}

/// What became of a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// Answered while they were there.
    Answered,
    /// Answered when the server had sent them away.
    AnsweredLater,
    /// Not answered while they were there.
    Stalled,
}

/// What becomes of all probes of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Promise {
    All(Fate),
    /// The one or the other, as the kernel shares them out.
    Shared,
}

fn main() -> ExitCode {
    let options: Options = parse("bench-stalls");
    machine::heed_interrupts();
    let quick = options.common.quick;
    let mut report = Report::new(!options.common.bench);
    let (probes, workers) = if quick { (1, 2) } else { (options.probes, options.workers) };
    let languages = options.common.language.unwrap_or(Choice::Both).languages();
    let mut cases = cases(languages, &options.common.designs);
    if quick && options.common.designs.is_empty() {
        // One of each kind.
        let mut seen = Vec::new();
        cases.retain(|case| {
            let kind = (case.design.promises.silent, case.design.promises.heavy);
            let new = case.language == Language::Rust && !seen.contains(&kind);
            seen.push(kind);
            new
        });
    }
    let conditions = conditions(workers);
    let clock = clock();

    report.line(format!("{}; pools of {}", machine::description(), workers));
    report.line(format!(
        "answered of {probes} probes (fib(1)) while the others are there; costly is fib(37)"
    ));
    let mut header = vec![String::from("design"), String::new()];
    header.extend(conditions.iter().map(Condition::to_string));
    header.push(String::from("as promised"));
    let mut table = table(&header);
    let mut rows = Vec::new();
    let mut differences = Vec::new();
    for case in &cases {
        let before = differences.len();
        let mut row = vec![Cell::new(case.design.name), Cell::new(format!("{:?}", case.language))];
        for &condition in &conditions {
            report.progress(format!("{case}: {condition}"));
            let promised = promised(&case.design.promises, condition, workers);
            // A share may be all of a few.
            let probes = if promised == Promise::Shared { probes * 4 } else { probes };
            let fates: Vec<Fate> =
                (0..probes).map(|_| probe(case, condition, workers, &clock)).collect();
            let count = |fate| fates.iter().filter(|&&f| f == fate).count();
            let (answered, later) = (count(Fate::Answered), count(Fate::AnsweredLater));
            row.push(figure(match later {
                0 => format!("{answered}/{probes}"),
                _ => format!("{answered}/{probes}, later {later}"),
            }));
            let kept = match promised {
                Promise::All(fate) => count(fate) == probes,
                // Of a few the one worker may get all.
                Promise::Shared => quick || 0 < answered && answered < probes,
            };
            if !kept {
                differences.push(format!("{case}, {condition}: {fates:?}, promised {promised:?}"));
            }
            rows.push(json!({
                "design": case.design.name, "language": format!("{:?}", case.language),
                "silent": condition.silent, "costly": condition.heavy, "probes": probes,
                "answered": answered, "later": later, "as_promised": kept,
            }));
        }
        row.push(figure(if differences.len() == before { "yes" } else { "NO" }));
        table.add_row(row);
    }
    report.line(format!("\n{}\n", table.trim_fmt()));
    for difference in &differences {
        report.line(format!("not as promised: {difference}"));
    }
    let verdict = if differences.is_empty() { "as promised" } else { "not as promised" };
    report.line(format!("{} servers, {} conditions: {verdict}", cases.len(), conditions.len()));
    let figures = json!({
        "machine": machine::description(), "workers": workers, "rows": rows,
    });
    report.json(options.common.json.as_deref(), &figures);
    report.end(differences.is_empty())
}

/// Nobody, one, and as many as fill a pool, or nearly.
fn conditions(workers: usize) -> Vec<Condition> {
    let mut counts = vec![1, workers.saturating_sub(1), workers];
    counts.retain(|&count| count > 0);
    counts.dedup();
    let mut conditions = vec![Condition { silent: 0, heavy: 0 }];
    conditions.extend(counts.iter().map(|&silent| Condition { silent, heavy: 0 }));
    conditions.extend(counts.iter().map(|&heavy| Condition { silent: 0, heavy }));
    conditions
}

/// How many silent clients, and how many costly requests, are taken side by side.
fn room(promises: &Promises, workers: usize) -> (usize, usize) {
    let silent = match promises.silent {
        Silent::Harmless => usize::MAX,
        Silent::Stalls | Silent::StallsUntilTimeout => 1,
        Silent::StallsPool => workers,
    };
    let heavy = match promises.heavy {
        Heavy::Harmless => usize::MAX,
        Heavy::Stalls => 1,
        Heavy::StallsPool => workers,
        // Two may have come to the same worker.
        Heavy::StallsShare => 1,
    };
    (silent, heavy)
}

fn promised(promises: &Promises, condition: Condition, workers: usize) -> Promise {
    let (silent, heavy) = room(promises, workers);
    if promises.heavy == Heavy::StallsShare && condition.heavy > 0 {
        return Promise::Shared;
    }
    if condition.heavy >= heavy {
        return Promise::All(Fate::Stalled);
    }
    Promise::All(match promises.silent {
        _ if condition.silent < silent => Fate::Answered,
        Silent::StallsUntilTimeout => Fate::AnsweredLater,
        _ => Fate::Stalled,
    })
}

/// One probe of a server of its own.
fn probe(case: &Case, condition: Condition, workers: usize, clock: &Server) -> Fate {
    let server = case.start(workers);
    let connect = |request| Client::connect(server.addr, request).expect("a socket");
    let (silent_room, heavy_room) = room(&case.design.promises, workers);
    let silent: Vec<Client> = (0..condition.silent).map(|_| connect(b"")).collect();
    until("the silent clients are accepted, or no more of them will be", || {
        let accepted = silent.iter().filter(|client| is_accepted(&server, client)).count();
        accepted >= silent.len().min(silent_room) || still(&server, clock, || true)
    });
    let mut heavy: Vec<Client> = (0..condition.heavy).map(|_| connect(HEAVY.0)).collect();
    let mut over = false;
    until("the costly requests are being computed", || {
        let taken = heavy.iter().filter(|client| is_consumed(&server, client)).count();
        over = heavy.iter_mut().any(Client::has_ended);
        over || taken >= heavy.len().min(heavy_room)
            && (heavy.is_empty() || computing(&server).is_some())
    });
    if over {
        // They were not taken side by side.
        heavy.iter().for_each(|client| verify(client, HEAVY.1));
        return Fate::Stalled;
    }

    let mut probe = connect(PROBE.0);
    let mut stuck = false;
    let mut answered = false;
    until("the probe's fate", || {
        // In this order: whoever sees the probe answered and then a costly request not knows which
        // of them came first.
        answered = probe.has_ended();
        over = heavy.iter_mut().any(Client::has_ended);
        stuck = !answered
            && heavy.is_empty()
            && still(&server, clock, || lies_unread(&server, &probe) && !probe.has_ended());
        answered || over || stuck
    });
    if over {
        heavy.iter().for_each(|client| verify(client, HEAVY.1));
        return Fate::Stalled;
    }
    if answered {
        verify(&probe, PROBE.1);
        return Fate::Answered;
    }
    let later = has_time_limit(&server);
    if !later {
        // Nothing but their going helps.
        drop(silent);
    }
    if !probe.has_sent() {
        // Its kernel would try again in a second.
        until("the queue has room", || {
            diag::listening(server.addr).is_none_or(|row| row.unread <= row.unsent)
        });
        probe = connect(PROBE.0);
    }
    until("the probe is answered at last", || probe.has_ended());
    verify(&probe, PROBE.1);
    if later { Fate::AnsweredLater } else { Fate::Stalled }
}

/// An answer that has come is right.
fn verify(client: &Client, answer: &[u8]) {
    if let Some(end) = client.end() {
        assert_eq!(end, (Ok(()), answer), "a wrong answer");
    }
}

fn is_accepted(server: &Server, client: &Client) -> bool {
    diag::connected(server.addr, client.addr()).is_some_and(|row| row.inode != 0)
}

fn is_consumed(server: &Server, client: &Client) -> bool {
    diag::connected(server.addr, client.addr()).is_some_and(|row| row.inode != 0 && row.unread == 0)
}

/// Whether the server's kernel has the request and the server has not read it; a queue without room
/// has not even the client.
fn lies_unread(server: &Server, client: &Client) -> bool {
    match diag::connected(server.addr, client.addr()) {
        Some(row) => row.unread as usize == PROBE.0.len(),
        None => diag::listening(server.addr).is_some_and(|row| row.unread > row.unsent),
    }
}

/// Whether a server sleeps while something is so, and both stay so while the clock's requests are
/// answered.
fn still(server: &Server, clock: &Server, mut is_so: impl FnMut() -> bool) -> bool {
    let Some(before) = asleep(server) else { return false };
    if !is_so() {
        return false;
    }
    for _ in 0..5 {
        assert_eq!(clock.ask(PROBE.0).as_bytes(), PROBE.1);
    }
    is_so() && asleep(server) == Some(before)
}

/// What each task of a server is blocked in, for as long as nobody comes, and how often it has gone
/// to sleep.
fn asleep(server: &Server) -> Option<Vec<(Task, Doing, Option<u64>)>> {
    let look = |task: Task| {
        let doing = task.doing();
        sleeps(doing).then(|| (task, doing, task.status("voluntary_ctxt_switches")))
    };
    tasks(server).into_iter().map(look).collect()
}

/// Whether a task is blocked in a recv() that time ends.
fn has_time_limit(server: &Server) -> bool {
    tasks(server).iter().any(|task| match task.doing() {
        Doing::Blocked(libc::SYS_recvfrom, args) => {
            let socket = support::descriptor(task.pid, args[0] as i32);
            let limit = getsockopt(&socket, sockopt::ReceiveTimeout).expect("SO_RCVTIMEO");
            (limit.tv_sec(), limit.tv_usec()) != (0, 0)
        }
        _ => false,
    })
}

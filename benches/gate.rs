//! What a gate costs: the same server without one, behind one that lets everything through, and behind one that
//! counts. One client, one request after the other, in interleaved rounds. `make bench-gate`

use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Instant;

use clap::Parser;
use socklab::net::Deadline;
use socklab::subject::gate::{Gate, Sysno, Tap};

use bench::stats::median;
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

/// What does a gate cost the server behind it?
#[derive(Parser)]
#[command(name = "bench-gate")]
struct Options {
    /// How many rounds
    #[arg(long, value_name = "N", default_value_t = 9)]
    rounds: usize,
    /// How many requests a round has
    #[arg(long, value_name = "N", default_value_t = 500)]
    requests: u32,
    /// What `cargo bench` says and `cargo test` does not
    #[arg(long, hide = true)]
    bench: bool,
}

const CALLS: &[&str] = &[
    "accept",
    "accept4",
    "read",
    "recvfrom",
    "recvmsg",
    "write",
    "sendto",
    "sendmsg",
    "fork",
    "vfork",
    "clone",
    "clone3",
    "pselect6",
    "poll",
    "epoll_wait",
    "epoll_pwait",
    "close",
    "shutdown",
];

fn command(design: &str) -> Command {
    let mut command = support::socklab();
    command.args(["serve", design, "--port", "0"]);
    command
}

fn gated(design: &str) -> (Server, Tap) {
    let (gate, tap) = Gate::new(&Sysno::all(CALLS)).expect("a gate");
    let mut command = command(design);
    // SAFETY: what it does is made for the time between fork and exec.
    unsafe { command.pre_exec(move || gate.install()) };
    let server = Server::spawn(command);
    assert_eq!(tap.until_installed(Deadline::NEVER), Ok(true));
    (server, tap)
}

fn main() {
    let mut options = Options::parse();
    if !options.bench {
        (options.rounds, options.requests) = (1, 20);
    }
    println!("{} rounds of {} requests each, medians", options.rounds, options.requests);
    println!("design       alone/s   gated  counted  calls each");
    for design in ["iterative", "forked", "threaded", "epoll"] {
        let plain = Server::spawn(command(design));
        let (through, _tap) = gated(design);
        let (counted, tap) = gated(design);
        tap.start_counting();
        let rate = |server: &Server| {
            let begun = Instant::now();
            for _ in 0..options.requests {
                assert_eq!(server.ask(b"10\n"), "55");
            }
            f64::from(options.requests) / begun.elapsed().as_secs_f64()
        };
        let rounds: Vec<[f64; 3]> =
            (0..options.rounds).map(|_| [rate(&plain), rate(&through), rate(&counted)]).collect();
        let ratio = |of: usize| {
            median(&rounds.iter().map(|round| round[of] / round[0]).collect::<Vec<_>>())
        };
        let alone = median(&rounds.iter().map(|round| round[0]).collect::<Vec<_>>());
        let calls =
            tap.log(0).next() as f64 / (options.rounds as f64 * f64::from(options.requests));
        println!("{design:10} {alone:9.0}  {:6.2}   {:6.2}  {calls:10.1}", ratio(1), ratio(2));
    }
}

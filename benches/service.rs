//! The naive recursion in Rust against its C twin, as ratios from interleaved rounds.
//!
//! Each run is a process of its own that times fib(n) with its own CPU clock; in a round every
//! program runs once, and each is divided by gcc -O2 of the same round. `make bench-service`

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use socklab::posix::time::{CLOCK_PROCESS_CPUTIME_ID, clock_gettime};
use socklab::service::fibonacci::fib;
use stats::{Spread, median};

#[path = "support/stats.rs"]
#[allow(dead_code, reason = "it has more than this needs")]
mod stats;

const N: u64 = 36;
const ROUNDS: usize = 30;
/// What runs in place of the bench when it is started with this argument and an n.
const CHILD: &str = "--fib";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, flag, n] = &arguments[..]
        && flag == CHILD
    {
        time_one(n.parse().expect("a number"));
        return ExitCode::SUCCESS;
    }
    match compare() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn time_one(n: u64) {
    let n = std::hint::black_box(n);
    let now = || {
        let time = clock_gettime(CLOCK_PROCESS_CPUTIME_ID).expect("a clock");
        time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
    };
    let start = now();
    let number = std::hint::black_box(fib(n));
    println!("{:.9} {number}", now() - start);
}

/// Prints the table and returns whether Rust is not slower than its twin, within the spread.
fn compare() -> Result<bool, String> {
    let c = |name: &str| {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/c/bench").join(name);
        if path.exists() {
            Ok(path)
        } else {
            Err(format!("{}: run `make bench-service`", path.display()))
        }
    };
    let rust = std::env::current_exe().map_err(|error| error.to_string())?;
    let twin = (c("fibonacci")?, vec![]);
    let others = [
        ("Rust", (rust, vec![CHILD])),
        ("gcc -O0", (c("fibonacci-O0")?, vec![])),
        ("gcc -O2, inlining allowed", (c("fibonacci-inlined")?, vec![])),
        ("gcc -O2 again", twin.clone()),
    ];
    let mut ratios = vec![Vec::new(); others.len()];
    let mut seconds = Vec::new();
    for round in 0..=ROUNDS {
        let reference = run(&twin)?;
        for (ratios, (_, program)) in ratios.iter_mut().zip(&others) {
            let ratio = run(program)? / reference;
            // The first round warms up.
            if round > 0 {
                ratios.push(ratio);
            }
        }
        seconds.push(reference);
    }
    println!(
        "fib({N}), CPU time, x of the C twin (gcc -O2: {:.3} s); {ROUNDS} rounds",
        median(&seconds)
    );
    println!("{:28} {:>6}   95 % of the median", "", "median");
    let mut holds = true;
    for ((name, _), ratios) in others.iter().zip(&ratios) {
        let Spread { median, low, high } = Spread::of_median(ratios);
        println!("{name:28} {median:6.2}   [{low:.2}, {high:.2}]");
        if *name == "Rust" {
            holds = low <= 1.0;
        }
        if *name == "gcc -O2 again" && !(0.97..=1.03).contains(&median) {
            println!(
                "doubt: the same program twice differs by more than 3 %; the machine is noisy"
            );
        }
    }
    println!(
        "{}",
        if holds { "Rust is not slower than its twin" } else { "Rust is slower than its twin" }
    );
    Ok(holds)
}

/// The CPU seconds of one run, whose number is checked.
fn run((program, arguments): &(PathBuf, Vec<&str>)) -> Result<f64, String> {
    let output = Command::new(program)
        .args(arguments)
        .arg(N.to_string())
        .output()
        .map_err(|error| format!("{}: {error}", program.display()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    match text.trim().split_once(' ') {
        Some((seconds, "14930352")) => seconds.parse().map_err(|_| format!("not seconds: {text}")),
        _ => Err(format!("{} computed {text:?}", program.display())),
    }
}

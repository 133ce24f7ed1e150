//! The naive recursion in Rust against its C twin, as ratios from interleaved rounds.
//!
//! Each run is a process of its own that times fib(n) with its own CPU clock; in a round every
//! program runs once, and each is divided by gcc -O2 of the same round. `make bench-service`

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use socklab::posix::time::{CLOCK_PROCESS_CPUTIME_ID, clock_gettime};
use socklab::service::fibonacci::fib;

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
        median(&mut seconds)
    );
    println!("{:28} {:>6}   95 % of the median", "", "median");
    let mut holds = true;
    for ((name, _), ratios) in others.iter().zip(&mut ratios) {
        let (low, high) = interval(ratios);
        println!("{name:28} {:6.2}   [{low:.2}, {high:.2}]", median(ratios));
        if *name == "Rust" {
            holds = low <= 1.0;
        }
        if *name == "gcc -O2 again" && !(0.97..=1.03).contains(&median(ratios)) {
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

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    (values[(values.len() - 1) / 2] + values[values.len() / 2]) / 2.0
}

/// The bootstrap's 95 % interval of the median.
fn interval(values: &[f64]) -> (f64, f64) {
    let mut state = 1_u64;
    let mut medians: Vec<f64> = (0..2000)
        .map(|_| {
            let mut sample: Vec<f64> = (0..values.len())
                .map(|_| {
                    state = state
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1_442_695_040_888_963_407);
                    values[(state >> 33) as usize % values.len()]
                })
                .collect();
            median(&mut sample)
        })
        .collect();
    medians.sort_by(f64::total_cmp);
    (medians[49], medians[1949])
}

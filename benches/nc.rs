//! 4 GiB of zeros through a loopback connection: `socklab nc`, OpenBSD's nc, ncat and socat, each
//! calling itself. dd feeds the caller's standard input, the listener prints to /dev/null, and the time
//! is that from the first process's start to the last one's end. In each round all of them take turns in
//! random order. The system calls are those of a smaller transfer, counted by strace. `make bench-nc`

use std::fs;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use clap::Parser;
use comfy_table::Cell;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde_json::json;

use bench::machine::{self, Foreign};
use bench::options::parse;
use bench::report::{Report, figure, table};
use bench::stats::{Random, Spread, median};

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

/// How fast is netcat, and how fast are its peers?
#[derive(Parser)]
#[command(name = "bench-nc")]
struct Options {
    /// How many MiB go through a connection
    #[arg(long, value_name = "N", default_value_t = 4096)]
    mib: usize,
    /// How many rounds
    #[arg(long, value_name = "N", default_value_t = 5)]
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

/// The goal: so many times the throughput of the fastest peer.
const GOAL: f64 = 1.5;
/// The MiB of which the system calls are counted.
const COUNTED: usize = 256;

/// A netcat: its program and how it is told to call and to listen.
struct Netcat {
    name: &'static str,
    program: PathBuf,
    call: &'static [&'static str],
    listen: &'static [&'static str],
}

/// Those that are installed, ours first; the `PORT` in their arguments is replaced.
fn netcats(report: &mut Report) -> Vec<Netcat> {
    let ours = Netcat {
        name: "socklab nc",
        program: support::socklab().get_program().into(),
        call: &["nc", "127.0.0.1", "PORT"],
        listen: &["nc", "-l", "127.0.0.1", "PORT"],
    };
    let mut all = vec![ours];
    for (name, call, listen) in [
        ("nc.openbsd", &["-N", "127.0.0.1", "PORT"][..], &["-l", "127.0.0.1", "PORT"][..]),
        ("ncat", &["127.0.0.1", "PORT"], &["-l", "127.0.0.1", "PORT"]),
        (
            "socat",
            &["-u", "-", "TCP:127.0.0.1:PORT"],
            &["-u", "TCP-LISTEN:PORT,bind=127.0.0.1", "-"],
        ),
    ] {
        let path = std::env::var("PATH").unwrap_or_default();
        let found = path.split(':').map(|folder| Path::new(folder).join(name));
        match found.into_iter().find(|program| program.exists()) {
            Some(program) => all.push(Netcat { name, program, call, listen }),
            None => report.line(format!("{name} is not installed: its row is left out")),
        }
    }
    all
}

/// A process in a group of its own, killed if it is still there at the end.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = killpg(Pid::from_raw(self.0.id() as i32), Signal::SIGKILL);
        let _ = self.0.wait();
    }
}

impl Running {
    fn start(command: &mut Command) -> Result<Self, String> {
        let child = command.process_group(0).spawn();
        child.map(Self).map_err(|error| format!("{command:?}: {error}"))
    }

    fn succeeds(&mut self, name: &str) -> Result<(), String> {
        match self.0.wait() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!("{name}: {status}")),
            Err(error) => Err(format!("{name}: {error}")),
        }
    }
}

impl Netcat {
    fn command(&self, args: &[&str], port: u16, counts: Option<&Path>) -> Command {
        let mut command = match counts {
            None => Command::new(&self.program),
            Some(file) => {
                let mut command = Command::new("strace");
                command.args(["-f", "-c", "-o"]).arg(file).arg(&self.program);
                command
            }
        };
        command.args(args.iter().map(|arg| arg.replace("PORT", &port.to_string())));
        command
    }

    /// Seconds for so many MiB. With a folder, strace counts there.
    fn transfer(&self, mib: usize, folder: Option<&Path>) -> Result<f64, String> {
        let port = free_port()?;
        let file = |side: &str| folder.map(|folder| folder.join(side));
        let (listening, calling) = (file("listener"), file("caller"));
        let mut listener = self.command(self.listen, port, listening.as_deref());
        listener.stdin(Stdio::null()).stdout(Stdio::null());
        let mut listener = Running::start(&mut listener)?;
        wait_for(port, &mut listener.0)?;
        let start = Instant::now();
        let mut feed = Command::new("dd");
        feed.args(["if=/dev/zero", "bs=1M", "status=none", &format!("count={mib}")]);
        let mut feed = Running::start(feed.stdin(Stdio::null()).stdout(Stdio::piped()))?;
        let input = feed.0.stdout.take().ok_or("no pipe")?;
        let mut caller = self.command(self.call, port, calling.as_deref());
        let mut caller = Running::start(caller.stdin(input).stdout(Stdio::null()))?;
        caller.succeeds(self.name)?;
        listener.succeeds(self.name)?;
        let seconds = start.elapsed().as_secs_f64();
        feed.succeeds("dd")?;
        Ok(seconds)
    }

    /// The system calls of both sides for each GiB.
    fn calls(&self, folder: &Path) -> Result<u64, String> {
        self.transfer(COUNTED, Some(folder))?;
        let mut sum = 0;
        for side in ["listener", "caller"] {
            let text = fs::read_to_string(folder.join(side)).map_err(|error| error.to_string())?;
            let total = text.lines().rev().find(|line| line.trim_end().ends_with(" total"));
            // % time, seconds, usecs/call, calls
            let calls = total.and_then(|line| line.split_whitespace().nth(3)?.parse::<u64>().ok());
            sum += calls.ok_or("strace counted nothing")?;
        }
        Ok(sum * 1024 / COUNTED as u64)
    }
}

fn free_port() -> Result<u16, String> {
    let listener = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    listener.map(|addr| addr.port()).map_err(|error| format!("no free port: {error}"))
}

/// Waits until somebody listens on the port, without a connection that would be taken for the caller.
fn wait_for(port: u16, listener: &mut Child) -> Result<(), String> {
    let local = format!("0100007F:{port:04X} 00000000:0000 0A");
    while !fs::read_to_string("/proc/net/tcp").is_ok_and(|text| text.contains(&local)) {
        if let Ok(Some(status)) = listener.try_wait() {
            return Err(format!("the listener has ended: {status}"));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

fn main() -> ExitCode {
    let mut options: Options = parse("bench-nc");
    if options.quick {
        (options.mib, options.rounds) = (options.mib.min(16), 1);
    }
    machine::heed_interrupts();
    let mut report = Report::new(!options.bench);
    match compare(&options, &mut report) {
        Ok(good) => report.end(good || options.quick),
        Err(error) => {
            report.line(format!("error: {error}"));
            report.end(false)
        }
    }
}

fn compare(options: &Options, report: &mut Report) -> Result<bool, String> {
    report.line(machine::description());
    let netcats = netcats(report);
    let mut seconds = vec![Vec::new(); netcats.len()];
    let mut foreign = Foreign::default();
    let mut random = Random(7);
    for round in 0..options.rounds {
        for at in random.order(netcats.len()) {
            report.progress(format!(
                "round {} of {}: {}",
                round + 1,
                options.rounds,
                netcats[at].name
            ));
            seconds[at].push(netcats[at].transfer(options.mib, None)?);
        }
        foreign.pause(Duration::from_millis(if options.quick { 0 } else { 300 }));
    }
    let folder =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("bench-nc-{}", std::process::id()));
    let strace = Command::new("strace").arg("-V").stdout(Stdio::null()).status();
    let counts = strace.is_ok_and(|status| status.success()) && !options.quick;
    if counts {
        fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    }
    let gib = options.mib as f64 / 1024.0;
    let mut rows = table(&["", "GiB/s", "ratio", "in the rounds", "calls/GiB"]);
    let mut figures = Vec::new();
    for (netcat, times) in netcats.iter().zip(&seconds) {
        // How many times as long as ours, round by round.
        let ratios: Vec<f64> =
            times.iter().zip(&seconds[0]).map(|(their, our)| their / our).collect();
        let ratio = Spread::of(&ratios);
        report.progress(format!("{}: system calls", netcat.name));
        let calls = if counts { Some(netcat.calls(&folder)?) } else { None };
        rows.add_row([
            Cell::new(netcat.name),
            figure(format!("{:.2}", gib / median(times))),
            figure(format!("{:.2}", ratio.median)),
            figure(format!("{:.2}-{:.2}", ratio.low, ratio.high)),
            figure(calls.map_or_else(|| String::from("-"), |calls| calls.to_string())),
        ]);
        figures.push(json!({ "name": netcat.name, "seconds": times, "calls_per_gib": calls }));
    }
    let _ = fs::remove_dir_all(&folder);
    // The fastest peer of each round.
    let fastest: Vec<f64> = (0..options.rounds)
        .map(|round| {
            let peers = seconds[1..].iter().map(|times| times[round]);
            peers.fold(f64::INFINITY, f64::min) / seconds[0][round]
        })
        .collect();
    report.line(format!("{gib} GiB by dd through a pipe, loopback, {} rounds", options.rounds));
    report.line("ratio: how many times as long as socklab nc in the same round, median");
    report.line(rows.trim_fmt());
    report.json(options.json.as_deref(), &json!({ "mib": options.mib, "netcats": figures }));
    report.line(foreign.report());
    if netcats.len() == 1 {
        return Ok(true);
    }
    let fastest = Spread::of(&fastest);
    let good = fastest.median >= GOAL;
    report.line(format!(
        "{}: the fastest peer of a round takes {:.2} times as long ({:.2}-{:.2}); the goal is {GOAL}",
        if good { "PASS" } else { "FAIL" },
        fastest.median,
        fastest.low,
        fastest.high
    ));
    Ok(good)
}

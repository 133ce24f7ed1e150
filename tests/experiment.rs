//! What the experiments find on this kernel, as programs read it; and how they fail.

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use socklab::experiment::EXPERIMENTS;

fn socklab() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_socklab"));
    command.arg("experiment").stdin(Stdio::null());
    command
}

fn stdout(output: Output) -> String {
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// The outcome of an experiment, which is one line.
fn outcome(args: &[&str]) -> Value {
    let text = stdout(socklab().args(args).arg("--json").output().expect("the program runs"));
    assert_eq!(text.lines().count(), 1, "{text}");
    serde_json::from_str(&text).expect("JSON")
}

fn row<'a>(outcome: &'a Value, way: &str) -> &'a Value {
    let rows = outcome["rows"].as_array().expect("rows");
    rows.iter().find(|row| row["way"] == way).unwrap_or_else(|| panic!("no {way}: {outcome}"))
}

fn number(row: &Value, field: &str) -> u64 {
    row[field].as_u64().unwrap_or_else(|| panic!("{field}: {row}"))
}

fn numbers(row: &Value, field: &str) -> Vec<u64> {
    let values = row[field].as_array().unwrap_or_else(|| panic!("{field}: {row}"));
    values.iter().map(|value| value.as_u64().expect("a number")).collect()
}

/// A worker may also sleep for a lock of the kernel's, so the bounds leave room above.
#[test]
fn the_herd() {
    let outcome = outcome(&["herd", "--workers", "15", "--connections", "100"]);
    for way in ["accept", "select", "mutex", "epoll", "epoll_exclusive"] {
        let row = row(&outcome, way);
        assert_eq!((number(row, "workers"), number(row, "connections")), (15, 100), "{row}");
        assert!(number(row, "wakeups") >= 100, "somebody serves: {row}");
        assert!(number(row, "woken_least") <= number(row, "woken_most"), "{row}");
        let average = row["woken_per_connection"].as_f64().expect("a number");
        assert!((1.0..=15.0).contains(&average), "{row}");
    }
    let wakeups = |way| number(row(&outcome, way), "wakeups");
    assert!(wakeups("select") >= 5 * wakeups("accept"), "{outcome}");
    assert!(wakeups("mutex") < wakeups("select"), "{outcome}");
    assert!(wakeups("epoll_exclusive") < wakeups("epoll"), "{outcome}");
    assert!(wakeups("accept") < 300 && wakeups("epoll_exclusive") < 300, "{outcome}");
}

#[test]
fn the_balance() {
    let outcome = outcome(&["balance", "--workers", "4", "--connections", "200"]);
    for way in ["accept", "epoll", "epoll_exclusive", "reuseport"] {
        let row = row(&outcome, way);
        let served = numbers(row, "served");
        assert_eq!((served.len(), served.iter().sum()), (4, 200), "{row}");
        assert_eq!(numbers(row, "first").len(), 12, "{row}");
    }
    let accept = row(&outcome, "accept");
    assert_eq!(numbers(accept, "served"), [50; 4], "{accept}");
    assert_eq!(numbers(accept, "first"), [0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3], "{accept}");
    assert_eq!(accept["pattern"], "each in turn");
    let exclusive = row(&outcome, "epoll_exclusive");
    assert!(numbers(exclusive, "served").into_iter().max() >= Some(190), "{exclusive}");
    // That one of four gets none of 200 by chance: once in 10^24.
    let reuseport = row(&outcome, "reuseport");
    assert!(!numbers(reuseport, "served").contains(&0), "{reuseport}");
}

#[test]
fn the_backlog() {
    let somaxconn = std::fs::read_to_string("/proc/sys/net/core/somaxconn").expect("somaxconn");
    let somaxconn: u64 = somaxconn.trim().parse().expect("a number");
    let outcome = outcome(&["backlog"]);
    let rows = outcome["rows"].as_array().expect("rows");
    assert_eq!(rows.len(), 17, "{outcome}");
    for (backlog, row) in (0..15).zip(rows) {
        let limit = somaxconn.min(backlog);
        assert_eq!((number(row, "backlog"), number(row, "limit")), (backlog, limit), "{row}");
        assert_eq!((number(row, "completed"), number(row, "queued")), (limit + 1, limit + 1));
        assert_eq!(row["next"], "SYN_SENT", "{row}");
        // A SYN that is repeated after a second is dropped again.
        assert!(number(row, "dropped") >= 1 && number(row, "overflows") >= 1, "{row}");
    }
    for (backlog, row) in [-1, 100_000].into_iter().zip(&rows[15..]) {
        assert_eq!((row["backlog"].as_i64(), &row["completed"]), (Some(backlog), &Value::Null));
        assert_eq!((number(row, "limit"), number(row, "dropped")), (somaxconn, 0), "{row}");
    }
}

/// The smallest size of each, as a table and as JSON: the same words.
#[test]
fn the_table_says_what_was_measured() {
    for experiment in EXPERIMENTS {
        let size: &[&str] = if experiment.name == "backlog" {
            &["backlog"]
        } else {
            &[experiment.name, "--workers", "1", "--connections", "1"]
        };
        let table = stdout(socklab().args(size).output().expect("the program runs"));
        let outcome = outcome(size);
        assert_eq!(outcome["experiment"], experiment.name);
        for field in ["measured", "unit", "samples", "kernel"] {
            let said = outcome[field].as_str().unwrap_or_else(|| panic!("{field}: {outcome}"));
            assert!(!said.is_empty() && table.contains(said), "{field}: {said}\n{table}");
        }
        let last = table.lines().last().expect("a last line");
        assert!(last.ends_with('.') && last.len() > 40, "{table}");
        assert!(outcome["shows"].as_str().is_some_and(|shows| shows.len() > 40), "{outcome}");
        assert!(table.lines().all(|line| line.chars().count() <= 110), "{table}");
        assert!(table.contains('█') && !table.contains('\u{1b}'), "{table}");
    }
}

#[test]
fn make_runs_them_all() {
    let makefile = concat!(env!("CARGO_MANIFEST_DIR"), "/Makefile");
    let makefile = std::fs::read_to_string(makefile).expect("the Makefile");
    for experiment in EXPERIMENTS {
        let line = format!("\t@$(SOCKLAB) experiment {}\n", experiment.name);
        assert!(makefile.contains(&line), "no {line:?}");
    }
}

/// Whoever lacks what, it is one line, status 1, and no thread that is waited for in vain.
#[test]
fn too_few_descriptors() {
    for (limit, args) in
        [(8, "herd"), (12, "herd"), (40, "herd"), (20, "balance --workers 16"), (10, "backlog")]
    {
        let line = format!("ulimit -n {limit} && exec '{}'", env!("CARGO_BIN_EXE_socklab"));
        let output = Command::new("sh").args(["-c", &format!("{line} experiment {args}")]).output();
        let output = output.expect("sh runs");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{limit} {args}: {output:?}");
        assert!(output.stdout.is_empty() && stderr.lines().count() == 1, "{output:?}");
        assert!(stderr.ends_with(": Too many open files\n"), "{limit} {args}: {stderr}");
    }
}

#[test]
fn ctrl_c_ends_it() {
    let mut child = socklab()
        .args(["herd", "--connections", "1000000"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program runs");
    let pid = child.id().try_into().expect("a pid");
    // The workers and the main thread.
    let tasks = || std::fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count);
    while tasks() < 16 {
        assert!(child.try_wait().expect("our child").is_none(), "it has ended early");
        std::thread::yield_now();
    }
    kill(Pid::from_raw(pid), Signal::SIGINT).expect("it runs");
    let output = child.wait_with_output().expect("our child");
    assert_eq!(output.status.signal(), Some(Signal::SIGINT as i32), "{output:?}");
    assert!(output.stdout.is_empty() && output.stderr.is_empty(), "{output:?}");
}

//! The thundering herd: how many workers wake for one connection.

use serde::Serialize;

use super::way::Way::{self, Accept, Epoll, EpollExclusive, Mutex, Select};
use super::workers::serve;
use super::{Experiment, Outcome, Progress, kernel};
use crate::posix::Result;

/// The thundering herd.
pub const EXPERIMENT: Experiment = Experiment {
    name: "herd",
    measured: "voluntary context switches of the worker threads; all of them sleep when the next \
               connection is made",
    unit: "wake-ups for each connection",
};

/// One way of waiting.
#[derive(Debug, Serialize)]
pub struct Row {
    /// Its name.
    pub way: &'static str,
    /// What the workers do.
    pub how: &'static str,
    /// How many wait.
    pub workers: usize,
    /// How many connections were made, one after the other.
    pub connections: usize,
    /// How often a worker was woken, all connections together.
    pub wakeups: u64,
    /// The same for one connection, on average.
    pub wakeups_per_connection: f64,
    /// How many of the workers woke for one connection, on average.
    pub woken_per_connection: f64,
    /// The fewest of them for one connection.
    pub woken_least: usize,
    /// The most of them for one connection.
    pub woken_most: usize,
}

const WAYS: [Way; 5] = [Accept, Select, Mutex, Epoll, EpollExclusive];

/// Runs it.
pub fn run(workers: usize, connections: usize, progress: Progress<'_>) -> Result<Outcome<Row>> {
    let mut rows = Vec::new();
    for (done, way) in WAYS.into_iter().enumerate() {
        let (mut wakeups, mut woken) = (0, Vec::new());
        serve(way, workers, connections, |served| {
            wakeups += served.wakeups.iter().sum::<u64>();
            woken.push(served.wakeups.iter().filter(|&&count| count > 0).count());
            progress(done * connections + woken.len(), WAYS.len() * connections);
        })?;
        let (name, how) = way.describe();
        rows.push(Row {
            way: name,
            how,
            workers,
            connections,
            wakeups,
            wakeups_per_connection: wakeups as f64 / connections as f64,
            woken_per_connection: woken.iter().sum::<usize>() as f64 / connections as f64,
            woken_least: woken.iter().copied().min().unwrap_or_default(),
            woken_most: woken.iter().copied().max().unwrap_or_default(),
        });
    }
    let shows = shows(&rows, workers);
    let samples = format!("{connections} connections to {workers} workers in each row");
    Ok(Outcome { experiment: &EXPERIMENT, kernel: kernel(), samples, rows, shows })
}

fn shows(rows: &[Row], workers: usize) -> String {
    let woken = rows.iter().map(|row| {
        let average = format!("{:.1}", row.woken_per_connection);
        format!("{} {}", row.way, average.trim_end_matches(".0"))
    });
    let woken = woken.collect::<Vec<_>>().join(", ");
    format!("Of {workers} workers wake for each connection: {woken}.")
}

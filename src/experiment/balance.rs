//! The balance of accept: which of the waiting workers gets the connection.

use serde::Serialize;

use super::way::Way::{self, Accept, Epoll, EpollExclusive, Reuseport};
use super::workers::serve;
use super::{Experiment, Outcome, Progress, kernel};
use crate::posix::Result;

/// The balance of accept.
pub const EXPERIMENT: Experiment = Experiment {
    name: "balance",
    measured: "which worker accepts; all of them sleep when the next connection is made",
    unit: "connections of each worker",
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
    /// How many of them each worker got.
    pub served: Vec<usize>,
    /// Who got the first ones.
    pub first: Vec<u8>,
    /// What that looks like.
    pub pattern: String,
}

const WAYS: [Way; 4] = [Accept, Epoll, EpollExclusive, Reuseport];

/// Of how many connections a row tells in which order they were served.
const FIRST: usize = 12;

/// Runs it.
pub fn run(workers: usize, connections: usize, progress: Progress<'_>) -> Result<Outcome<Row>> {
    let mut rows = Vec::new();
    for (done, way) in WAYS.into_iter().enumerate() {
        let mut order = Vec::new();
        serve(way, workers, connections, |served| {
            order.push(served.by);
            progress(done * connections + order.len(), WAYS.len() * connections);
        })?;
        let mut served = vec![0; workers];
        for worker in &order {
            served[usize::from(*worker)] += 1;
        }
        let pattern = pattern(&order, &served);
        let (name, how) = way.describe();
        order.truncate(FIRST);
        rows.push(Row { way: name, how, workers, connections, served, first: order, pattern });
    }
    let patterns = rows.iter().map(|row| format!("{}: {}", row.way, row.pattern));
    let shows = format!("{}.", patterns.collect::<Vec<_>>().join("; "));
    let samples = format!("{connections} connections to {workers} workers in each row");
    Ok(Outcome { experiment: &EXPERIMENT, kernel: kernel(), samples, rows, shows })
}

fn pattern(order: &[u8], served: &[usize]) -> String {
    let (workers, connections) = (served.len(), order.len());
    let least = served.iter().copied().min().unwrap_or_default();
    let most = served.iter().copied().max().unwrap_or_default();
    let mut begin: Vec<&u8> = order.iter().take(workers).collect();
    begin.sort_unstable();
    begin.dedup();
    let distinct = begin.len() == workers;
    if connections > 1 && most == connections {
        return String::from("always the same");
    }
    if distinct && order.windows(workers + 1).all(|window| window[0] == window[workers]) {
        return String::from("each in turn");
    }
    let percent = |count: usize| count as f64 * 100.0 / connections as f64;
    format!("{:.0} to {:.0} % each", percent(least), percent(most))
}

//! The backlog: how many connections are completed where nobody accepts.

use std::ffi::c_int;
use std::fs;
use std::os::fd::OwnedFd;
use std::thread::yield_now;

use serde::Serialize;

use super::{Experiment, Outcome, Progress, bound, kernel, loopback, port};
use crate::linux::tcp_info::*;
use crate::posix::error::{EINPROGRESS, Error, Result};
use crate::posix::netinet_in::IPPROTO_TCP;
use crate::posix::sys_socket::*;

/// The backlog.
pub const EXPERIMENT: Experiment = Experiment {
    name: "backlog",
    measured: "how many connections fit listen(n), until the next client's SYN is dropped; nobody \
               accepts",
    unit: "connections",
};

/// One argument of listen().
#[derive(Debug, Serialize)]
pub struct Row {
    /// The argument.
    pub backlog: c_int,
    /// What the kernel made of it (`ss`: Send-Q).
    pub limit: u32,
    /// How many connections were completed; none were tried where the limit is somaxconn's.
    pub completed: Option<usize>,
    /// How many the kernel says that are queued (`ss`: Recv-Q).
    pub queued: u32,
    /// The state in which the next client stays.
    pub next: Option<&'static str>,
    /// How many SYNs this listening socket has dropped.
    pub dropped: u32,
    /// By how much ListenOverflows rose, which counts the drops of the whole network namespace.
    pub overflows: Option<u64>,
}

/// As in UNP's figure 4.10.
const FILLED: std::ops::RangeInclusive<c_int> = 0..=14;
/// More than any queue holds.
const CUT: [c_int; 2] = [-1, 100_000];

/// Runs it.
pub fn run(progress: Progress<'_>) -> Result<Outcome<Row>> {
    let backlogs: Vec<c_int> = FILLED.chain(CUT).collect();
    let mut rows = Vec::new();
    for &backlog in &backlogs {
        rows.push(row(backlog)?);
        progress(rows.len(), backlogs.len());
    }
    let shows = shows(&rows);
    let samples = String::from("one listening socket in each row");
    Ok(Outcome { experiment: &EXPERIMENT, kernel: kernel(), samples, rows, shows })
}

fn row(backlog: c_int) -> Result<Row> {
    let before = listen_overflows();
    let listenfd = bound(0, false)?;
    listen(&listenfd, backlog)?;
    let servaddr = loopback(port(&listenfd)?);
    let (mut clients, mut next) = (Vec::new(), None);
    while FILLED.contains(&backlog) && next.is_none() {
        let sockfd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0)?;
        match connect(&sockfd, &servaddr) {
            Err(error) if error.errno() != EINPROGRESS => return Err(error),
            _ => {}
        }
        if is_completed(&listenfd, &sockfd, clients.len() + 1)? {
            clients.push(sockfd);
        } else {
            next = Some(state(info(&sockfd)?.tcpi_state));
        }
    }
    let limits = info(&listenfd)?;
    let after = listen_overflows();
    Ok(Row {
        backlog,
        limit: limits.tcpi_sacked,
        completed: next.map(|_| clients.len()),
        queued: limits.tcpi_unacked,
        next,
        dropped: dropped(&listenfd)?,
        overflows: before.zip(after).map(|(before, after)| after - before),
    })
}

/// Waits until the connection is the listening socket's `number`th, or its SYN has been dropped.
fn is_completed(listenfd: &OwnedFd, sockfd: &OwnedFd, number: usize) -> Result<bool> {
    loop {
        if info(listenfd)?.tcpi_unacked as usize == number {
            return Ok(true);
        }
        if dropped(listenfd)? > 0 {
            return Ok(false);
        }
        let error: c_int = getsockopt(sockfd, SOL_SOCKET, SO_ERROR)?;
        if error != 0 {
            return Err(Error::new("connect", error));
        }
        yield_now();
    }
}

fn info(sockfd: &OwnedFd) -> Result<tcp_info> {
    getsockopt(sockfd, IPPROTO_TCP, TCP_INFO)
}

fn dropped(listenfd: &OwnedFd) -> Result<u32> {
    let counts: sk_meminfo = getsockopt(listenfd, SOL_SOCKET, SO_MEMINFO)?;
    Ok(counts[SK_MEMINFO_DROPS])
}

const fn state(state: u8) -> &'static str {
    match state {
        TCP_SYN_SENT => "SYN_SENT",
        TCP_ESTABLISHED => "ESTABLISHED",
        _ => "another",
    }
}

/// `TcpExt: ... ListenOverflows ...`: a line of names, and below it one of numbers.
fn listen_overflows() -> Option<u64> {
    let text = fs::read_to_string("/proc/thread-self/net/netstat").ok()?;
    let mut lines = text.lines().filter(|line| line.starts_with("TcpExt:"));
    let (names, numbers) = (lines.next()?, lines.next()?);
    let at = names.split_whitespace().position(|name| name == "ListenOverflows")?;
    numbers.split_whitespace().nth(at)?.parse().ok()
}

fn shows(rows: &[Row]) -> String {
    let (filled, cut): (Vec<&Row>, Vec<&Row>) =
        rows.iter().partition(|row| row.completed.is_some());
    let fits = |row: &Row| row.completed.map(|count| count as i64) == Some(row.backlog as i64 + 1);
    let fit = filled.iter().filter(|row| fits(row) && row.next == Some("SYN_SENT")).count();
    let cut = cut.iter().map(|row| format!("{} means {}", row.backlog, row.limit));
    format!(
        "{fit} of {} times backlog + 1 connections fit, and no answer for the next; {}.",
        filled.len(),
        cut.collect::<Vec<_>>().join(", "),
    )
}

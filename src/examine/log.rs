//! The transcript: what the clients of a check did and saw, with the time since the check began.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Instant;

use super::Outcome;
use crate::report::repeats::{Part, repeats_of, words};

/// Shared by all clients of a check.
#[derive(Debug, Clone)]
pub struct Log(Rc<RefCell<Lines>>);

#[derive(Debug)]
struct Lines {
    begun: Instant,
    clients: usize,
    lines: Vec<Line>,
    /// What became of the server, if it has ended.
    death: Option<Outcome>,
}

#[derive(Debug, Clone)]
struct Line {
    /// When, in milliseconds; nothing for what is said of other lines.
    at: Option<f64>,
    /// Until when, likewise.
    until: f64,
    text: String,
    /// The same without the numbers of clients and ports: what they do is what is repeated.
    same: String,
}

impl Line {
    fn words(&self) -> String {
        match self.at {
            Some(at) => format!("{at:8.1} ms  {}", self.text),
            None => format!("{:13}{}", "", self.text),
        }
    }
}

/// The most that a reader would go through.
const MOST: usize = 200;
/// The most that is kept until what is repeated in it is told once.
const KEPT: usize = 20_000;
/// As many lines as the clients have that come at once.
const LONGEST: usize = 48;
/// Fewer lines than these are told again.
const LEAST: usize = 8;
/// A stretch may be repeated whose lines are repeated themselves.
const DEEP: usize = 3;
/// The most of a message that is shown.
const SHOWN: usize = 60;

impl Log {
    /// An empty one, from now on.
    pub fn new() -> Self {
        let lines = Lines { begun: Instant::now(), clients: 0, lines: Vec::new(), death: None };
        Self(Rc::new(RefCell::new(lines)))
    }

    /// Adds a line.
    pub fn say(&self, what: impl AsRef<str>) {
        let mut all = self.0.borrow_mut();
        let at = all.begun.elapsed().as_secs_f64() * 1e3;
        if all.lines.len() < KEPT {
            let (text, same) = (what.as_ref().to_owned(), nameless(what.as_ref()));
            all.lines.push(Line { at: Some(at), until: at, text, same });
        }
    }

    /// Notes that the server has ended, or with `None` that another has taken its place.
    pub(super) fn note_death(&self, death: Option<Outcome>) {
        self.0.borrow_mut().death = death;
    }

    /// What became of the last server, if it has ended.
    pub(super) fn death(&self) -> Option<Outcome> {
        self.0.borrow().death.clone()
    }

    /// The number of a new client.
    pub fn client(&self) -> usize {
        let mut all = self.0.borrow_mut();
        all.clients += 1;
        all.clients
    }

    /// Whether nothing has happened yet.
    pub fn is_empty(&self) -> bool {
        self.0.borrow().lines.is_empty()
    }

    /// Has the lines of another one behind its own, and what became of its server.
    pub(super) fn take_over(&self, other: &Self) {
        let (mut all, other) = (self.0.borrow_mut(), other.0.borrow());
        let room = KEPT.saturating_sub(all.lines.len());
        all.lines.extend(other.lines.iter().take(room).cloned());
        all.death.clone_from(&other.death);
    }

    /// All lines so far; what is done again and again is told once.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = self.0.borrow().lines.clone();
        for _ in 0..DEEP {
            lines = told_once(&lines);
        }
        let mut told: Vec<String> = lines.iter().take(MOST).map(Line::words).collect();
        if lines.len() > MOST {
            told.push(format!("{:13}and so on", ""));
        }
        told
    }
}

/// Some lines, without those that repeat the ones before.
fn told_once(lines: &[Line]) -> Vec<Line> {
    let part = |part: Part| match part {
        Part::Once(at) => lines[at].clone(),
        Part::Again { from, period, times } => {
            let until = lines[from + period * times - 1].until;
            let text = words(period, times, format_args!("{until:.1} ms"));
            Line { at: None, until, text, same: words(period, times, "") }
        }
    };
    let is_enough = |period, times| times >= 2 && period * times >= LEAST;
    let parts = repeats_of(lines, LONGEST, is_enough, |one, other| one.same == other.same);
    parts.into_iter().map(part).collect()
}

/// What is said, with a sign for each number of a client, a port, a task or a process.
fn nameless(what: &str) -> String {
    let mut words: Vec<&str> = what.split(' ').collect();
    for at in 1..words.len() {
        let is_name =
            ["client", "port", "(port", "task", "process"].contains(&words[at - 1].trim_end());
        if is_name && words[at].starts_with(|first: char| first.is_ascii_digit()) {
            words[at] = "#";
        }
    }
    words.join(" ")
}

impl Default for Log {
    fn default() -> Self {
        Self::new()
    }
}

/// Bytes as C would write them, cut where they are long.
pub fn quoted(bytes: &[u8]) -> String {
    let shown = &bytes[..bytes.len().min(SHOWN)];
    let more =
        if bytes.len() > SHOWN { format!("... ({} bytes)", bytes.len()) } else { String::new() };
    format!("\"{}\"{more}", shown.escape_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines without their times.
    fn told(log: &Log) -> Vec<String> {
        let line = |line: String| {
            let text = line[13..].to_owned();
            text.split_once(", until").map_or(text.clone(), |(what, _)| format!("{what})"))
        };
        log.lines().into_iter().map(line).collect()
    }

    #[test]
    fn what_many_clients_do_is_told_once() {
        let log = Log::new();
        for client in 1..=20 {
            log.say(format!("client {client} (port {}) connects", 40_000 + client));
            log.say(format!("client {client} closes the connection"));
        }
        log.say("the server has ended: signal: 11");
        assert_eq!(
            told(&log),
            [
                "client 1 (port 40001) connects",
                "client 1 closes the connection",
                "(these 2 lines 19 times more)",
                "the server has ended: signal: 11"
            ]
        );
    }

    #[test]
    fn rounds_of_many_clients_are_told_once() {
        let log = Log::new();
        for _ in 0..31 {
            for client in 1..=16 {
                log.say(format!("client {client} (port {}) connects", 40_000 + client));
            }
            for client in 1..=16 {
                log.say(format!("client {client} closes the connection"));
            }
        }
        assert_eq!(
            told(&log),
            [
                "client 1 (port 40001) connects",
                "(this line 15 times more)",
                "client 1 closes the connection",
                "(this line 15 times more)",
                "(these 4 lines 30 times more)"
            ]
        );
    }

    #[test]
    fn what_differs_is_told() {
        let log = Log::new();
        for number in 0..300 {
            log.say(format!("client 1 sends \"{number}\""));
        }
        let lines = log.lines();
        assert_eq!(lines.len(), MOST + 1);
        assert!(lines[MOST].ends_with("and so on") && lines[1].ends_with("client 1 sends \"1\""));
    }
}

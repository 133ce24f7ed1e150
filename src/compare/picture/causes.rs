//! What caused what: who took what a client had sent, who answered it, who made whom.

use std::collections::HashMap;

use super::calls::{
    MAKERS, RECEIVES, SENDS, accepted, connection, end, is_one_of, outcome, returned,
};
use crate::compare::clients::Client;
use crate::compare::normalise::{Step, Task, Trace};
use crate::report::sequence::Cause;

/// By how much the clients' clock and strace's may differ, in seconds.
const SKEW: f64 = 0.0005;

/// A connection or bytes in the kernel, from when a client had sent it until the server took it.
pub(super) struct Wait {
    pub(super) client: usize,
    pub(super) act: usize,
    pub(super) at: f64,
    pub(super) end: f64,
    pub(super) label: String,
    pub(super) text: String,
    pub(super) cause: Cause,
    /// The task and the step that took it.
    pub(super) taken: Option<(usize, usize)>,
}

pub(super) struct Run<'a> {
    pub(super) trace: &'a Trace,
    /// With the number of the process that each belongs to.
    pub(super) tasks: Vec<(&'a Task, usize)>,
}

impl Run<'_> {
    /// How many bars a lane has before its first step.
    pub(super) fn shift(&self, task: usize) -> usize {
        usize::from(self.tasks[task].0.started > 0)
    }

    /// The step that ends first of those that are wanted.
    fn first(&self, is_wanted: impl Fn(&Step) -> bool) -> Option<(usize, usize)> {
        let all = self.tasks.iter().enumerate().flat_map(|(number, (task, _))| {
            task.steps.iter().enumerate().map(move |(at, step)| (number, at, step))
        });
        all.filter(|(_, _, step)| is_wanted(step))
            .min_by(|one, other| end(one.2).total_cmp(&end(other.2)))
            .map(|(number, at, _)| (number, at))
    }

    fn step(&self, (task, step): (usize, usize)) -> &Step {
        &self.tasks[task].0.steps[step]
    }

    /// Who is told of what the kernel has done by itself.
    fn completion(&self, at: f64) -> Option<(usize, usize)> {
        self.first(|step| {
            step.call == "io_uring_enter"
                && end(step) > at - SKEW
                && returned(step).is_some_and(|n| n > 0)
        })
    }

    pub(super) fn waits(&self) -> Vec<Wait> {
        let mut waits = Vec::new();
        for (number, client) in self.trace.clients.iter().enumerate() {
            for (place, act) in client.acts.iter().enumerate() {
                let (cause, label, taken) = match act.word {
                    "connect" if client.is_tcp => {
                        let taken = self.first(|step| {
                            client.connection.is_some() && accepted(step) == client.connection
                        });
                        let taken = taken.or_else(|| self.completion(act.at));
                        (Cause::Connection, client.name.clone(), taken)
                    }
                    "send" => {
                        let taken = self.receipt(client, act.at, |count| count > 0);
                        let bytes = act.text.strip_prefix("send ").unwrap_or_default();
                        (Cause::Data, bytes.to_owned(), taken)
                    }
                    "finish" | "close" | "reset" if client.is_tcp => {
                        // Of what the server has closed already it hears nothing.
                        let taken = self.receipt(client, act.at, |count| count <= 0);
                        if taken.is_none() {
                            continue;
                        }
                        (Cause::Data, act.word.to_owned(), taken)
                    }
                    _ => continue,
                };
                let last = client.acts.last().map_or(act.at, |last| last.at + last.spent);
                let until = taken.map_or(last, |taken| end(self.step(taken)));
                // What was taken had been sent before.
                let at = act.at.min(until - 1e-6).max(0.0);
                let what = match cause {
                    Cause::Connection => "connection",
                    _ => "of",
                };
                let text = match taken {
                    Some(_) => format!("{what} {}: {}", client.name, act.text),
                    None => format!("{what} {}: {}, never taken", client.name, act.text),
                };
                let (client, act) = (number, place);
                waits.push(Wait { client, act, at, end: until.max(at), label, text, cause, taken });
            }
        }
        waits
    }

    /// Where the server gets what a client has sent; an error counts as -1 byte.
    fn receipt(
        &self,
        client: &Client,
        at: f64,
        is_wanted: impl Fn(i64) -> bool,
    ) -> Option<(usize, usize)> {
        let found = self.first(|step| {
            let is_its = if client.is_tcp {
                client.connection.is_some() && connection(step) == client.connection
            } else {
                connection(step).is_none()
            };
            let is_interrupted = outcome(step).starts_with("interrupted");
            let is_nothing = matches!(outcome(step), "EAGAIN" | "EINTR");
            is_one_of(RECEIVES, step)
                && is_its
                && end(step) > at - SKEW
                && !is_interrupted
                && !is_nothing
                && is_wanted(returned(step).unwrap_or(-1))
        });
        found.or_else(|| self.completion(at))
    }

    /// What the server sent, and which act of which client heard it.
    pub(super) fn answers(&self) -> Vec<(usize, usize, usize)> {
        let mut answers = Vec::new();
        for (number, client) in self.trace.clients.iter().enumerate() {
            for act in &client.acts {
                if !matches!(act.word, "expect" | "end") {
                    continue;
                }
                let heard = act.at + act.spent;
                let is_its = |step: &Step| match client.is_tcp {
                    true => client.connection.is_some() && connection(step) == client.connection,
                    false => connection(step).is_none() && step.text.contains("(sockfd"),
                };
                let data = self.last(heard, |step| {
                    let is_data = is_one_of(SENDS, step) && returned(step).is_some_and(|n| n > 0);
                    is_data && is_its(step)
                });
                let end = (act.word == "end" && client.is_tcp).then(|| self.end_of(client, heard));
                let mut found: Vec<(usize, usize)> =
                    data.into_iter().chain(end.flatten()).collect();
                if found.is_empty() {
                    found.extend(self.submission(client, heard));
                }
                for (task, step) in found {
                    let answer = (task, step, number);
                    if !answers.contains(&answer) {
                        answers.push(answer);
                    }
                }
            }
        }
        answers
    }

    /// Where a client's connection ends: where the server says no more, or else where its last descriptor goes.
    fn end_of(&self, client: &Client, heard: f64) -> Option<(usize, usize)> {
        let thing = format!("connfd {}", client.connection?);
        let says_no_more = |step: &Step| {
            step.call == "shutdown"
                && connection(step) == client.connection
                && step.text.ends_with(") = 0")
                && !step.text.contains("SHUT_RD)")
        };
        self.last(heard, says_no_more)
            .or_else(|| self.last(heard, |step| step.ended.contains(&thing)))
    }

    /// The call that asks the kernel to send: the next one after the kernel has told of the request.
    fn submission(&self, client: &Client, heard: f64) -> Option<(usize, usize)> {
        let mut sent = client.acts.iter().rev().filter(|act| act.word == "send" && act.at < heard);
        let (task, told) = self.completion(sent.next()?.at)?;
        let mut later = self.tasks[task].0.steps.iter().enumerate().skip(told + 1);
        later.find(|(_, step)| step.call == "io_uring_enter").map(|(step, _)| (task, step))
    }

    /// The step that began last, but before a moment.
    fn last(&self, before: f64, is_wanted: impl Fn(&Step) -> bool) -> Option<(usize, usize)> {
        let all = self.tasks.iter().enumerate().flat_map(|(number, (task, _))| {
            task.steps.iter().enumerate().map(move |(at, step)| (number, at, step))
        });
        all.filter(|(_, _, step)| step.at < before + SKEW && is_wanted(step))
            .max_by(|one, other| one.2.at.total_cmp(&other.2.at))
            .map(|(number, at, _)| (number, at))
    }

    /// Who made whom.
    pub(super) fn births(&self) -> Vec<((usize, usize), (usize, usize))> {
        let places: HashMap<&str, usize> =
            self.tasks.iter().enumerate().map(|(at, (task, _))| (task.role.as_str(), at)).collect();
        let mut births = Vec::new();
        for (number, (task, _)) in self.tasks.iter().enumerate() {
            for (at, step) in
                task.steps.iter().enumerate().filter(|(_, step)| is_one_of(MAKERS, step))
            {
                let made = places.get(outcome(step)).copied();
                let made = made.filter(|&made| !self.tasks[made].0.steps.is_empty());
                births.extend(made.map(|made| ((number, at), (made, 0))));
            }
        }
        births
    }

    /// Who sent a signal to whom.
    pub(super) fn kicks(&self) -> Vec<((usize, usize), (usize, usize))> {
        let mut kicks = Vec::new();
        for (number, (task, _)) in self.tasks.iter().enumerate() {
            for (at, step) in task.steps.iter().enumerate().filter(|(_, step)| step.call == "kill")
            {
                let Some((whom, rest)) =
                    step.text.strip_prefix("kill(").and_then(|rest| rest.split_once(", "))
                else {
                    continue;
                };
                let signal = format!("--- {} ", rest.split(')').next().unwrap_or_default());
                let Some(to) = self.tasks.iter().position(|(task, _)| task.role == whom) else {
                    continue;
                };
                let steps = &self.tasks[to].0.steps;
                let heard = steps
                    .iter()
                    .position(|other| other.at >= step.at && other.text.starts_with(&signal));
                kicks.extend(heard.map(|heard| ((number, at), (to, heard))));
            }
        }
        kicks
    }
}

//! What is left of a trace when everything that changes from run to run has a name in its place:
//! descriptors, process ids, ports, pointers, times.

mod text;
mod world;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Serialize;

use super::clients::Client;
use super::parse::{Event, Line};
use super::start;

use text::numbers_after;
use world::World;

pub(super) use text::descriptor;
pub(super) use world::Made;

/// A server's run.
#[derive(Debug, Clone, PartialEq)]
pub struct Trace {
    /// Its processes and threads: the one that was started, then the others in the order in which they
    /// first served somebody, or else were made.
    pub tasks: Vec<Task>,
    /// How many other processes its start made use of.
    pub helpers: usize,
    /// Its clients, if they were heard.
    pub clients: Vec<Client>,
}

/// A process or a thread.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// `parent`, `child 1`, `thread 2` and so on.
    pub role: String,
    /// How many calls it made before the server's first socket; to those of the parent, all that its start
    /// made use of are added.
    pub started: usize,
    /// What it did from then on.
    pub steps: Vec<Step>,
}

/// An event in a task.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Step {
    /// The system call's name; of a signal or of the end, nothing.
    pub call: String,
    /// The event in full, without what changes from run to run.
    pub text: String,
    /// When it began, in seconds since the trace did.
    pub at: f64,
    /// How long the kernel had it, in seconds.
    pub spent: f64,
    /// What has ended with it, because nobody has a descriptor for it any more: `connfd 1`.
    #[serde(skip)]
    pub ended: Vec<String>,
    /// Whether the task still has what it has closed here, under another number.
    #[serde(skip)]
    pub is_kept: bool,
}

/// The events of one task, as strace's file for it has them.
pub struct Recorded {
    /// Its process or thread id.
    pub pid: u32,
    /// Its events.
    pub lines: Vec<Line>,
}

/// An event and whose it is.
pub(super) struct Happened<'a> {
    at: f64,
    /// When it takes effect: what a call accepts is there when it returns.
    takes_effect: f64,
    pub pid: u32,
    number: usize,
    pub event: &'a Event,
}

/// The events of all tasks, in the order in which they took effect.
fn in_order(recorded: &[Recorded]) -> Vec<Happened<'_>> {
    let mut events = Vec::new();
    for task in recorded {
        let (mut at, mut takes_effect) = (0.0_f64, 0.0_f64);
        for (number, line) in task.lines.iter().enumerate() {
            // The clock may be set back meanwhile.
            at = at.max(line.at.unwrap_or(at));
            let until = match &line.event {
                Event::Call(call) if world::ACCEPTS.contains(&call.name.as_str()) => {
                    at + call.spent.unwrap_or(0.0)
                }
                _ => at,
            };
            takes_effect = takes_effect.max(until);
            let (pid, event) = (task.pid, &line.event);
            events.push(Happened { at, takes_effect, pid, number, event });
        }
    }
    events.sort_by(|one, other| {
        let place = |event: &Happened<'_>| (event.pid, event.number);
        one.takes_effect.total_cmp(&other.takes_effect).then(place(one).cmp(&place(other)))
    });
    events
}

/// Gives names to all that changes from run to run; `root` is the process that was started.
pub fn normalise(recorded: &[Recorded], root: u32) -> Trace {
    let events = in_order(recorded);
    let mut world = World::new(root);
    // What a call returns is known when it returns: a child's first call may come before that.
    for happened in &events {
        world.learn_of_task(happened);
    }
    let start = start::find(&events, &world.tasks, root);
    let (before, after) = events.split_at(start.length);
    for happened in after {
        world.learn_of_ports(happened.event);
        world.learn_of_connection(happened);
    }
    let mut started: HashMap<u32, usize> = HashMap::new();
    for happened in before {
        if matches!(happened.event, Event::Exited(_) | Event::Killed(_)) {
            world.exit(happened.pid);
        }
        let Event::Call(call) = happened.event else { continue };
        world.call(happened.pid, call, happened.at);
        let whose = if start.helpers.contains(&happened.pid) { start.server } else { happened.pid };
        *started.entry(whose).or_default() += 1;
    }
    world.forget_clients();
    let begin = events.iter().map(|event| event.at).fold(f64::INFINITY, f64::min);
    // Where each thing was let go of last.
    let mut ends: BTreeMap<usize, (u32, usize)> = BTreeMap::new();
    let mut exits: HashMap<u32, usize> = HashMap::new();
    world.take_released();
    let mut steps: HashMap<u32, Vec<Step>> = HashMap::new();
    // Who went on after a signal that is left out.
    let mut resuming: BTreeSet<u32> = BTreeSet::new();
    for &Happened { at, pid, event, .. } in after {
        if start.helpers.contains(&pid) {
            continue;
        }
        let steps = steps.entry(pid).or_default();
        let mut is_kept = false;
        let mut last = steps.len();
        let (call, text, spent) = match event {
            Event::Call(call) => {
                if call.name == "exit_group" {
                    exits.insert(pid, steps.len());
                }
                let text = world.call(pid, call, at);
                is_kept = world.is_kept();
                (call.name.clone(), text, call.spent.unwrap_or(0.0))
            }
            // The end of a process that belongs to the start comes when it comes.
            Event::Signal(_, info)
                if numbers_after(info, "si_pid=").any(|pid| start.helpers.contains(&pid)) =>
            {
                resuming.insert(pid);
                continue;
            }
            Event::Signal(name, _) => (String::new(), format!("--- {name} ---"), 0.0),
            Event::Stopped(name) => (String::new(), format!("--- stopped by {name} ---"), 0.0),
            Event::Exited(status) => {
                world.exit(pid);
                last = exits.get(&pid).copied().unwrap_or(last);
                (String::new(), format!("+++ exited with {status} +++"), 0.0)
            }
            Event::Killed(name) => {
                world.exit(pid);
                (String::new(), format!("+++ killed by {name} +++"), 0.0)
            }
            Event::Mode(said) => (String::new(), format!("+++ {said} +++"), 0.0),
            Event::Superseded => (String::new(), String::from("+++ superseded +++"), 0.0),
        };
        ends.extend(world.take_released().into_iter().map(|name| (name, (pid, last))));
        let mut step = Step { call, text, at: at - begin, spent, ended: Vec::new(), is_kept };
        if resuming.remove(&pid)
            && let Some(interrupted) = steps.pop_if(|last| last.is_resumed_by(&step))
        {
            step = interrupted.resumed_by(step);
        }
        steps.push(step);
    }
    let open = world.all_open();
    for (name, (pid, step)) in ends {
        if !open.contains(&name)
            && let Some(step) = steps.get_mut(&pid).and_then(|steps| steps.get_mut(step))
        {
            step.ended.push(world.mark_of(name));
        }
    }
    steps.retain(|_, steps| !steps.is_empty());
    world.tasks.retain(|pid, _| steps.contains_key(pid) || *pid == start.server);
    let is_process = |pid: &&u32| !world.tasks.get(*pid).is_some_and(|made| made.is_thread);
    let helpers = start.helpers.iter().filter(is_process).count();
    Trace { tasks: world.finish(start.server, steps, &started), helpers, clients: Vec::new() }
}

impl Step {
    fn is_resumed_by(&self, next: &Self) -> bool {
        let is_interrupted = self.text.ends_with(") = interrupted, to be restarted")
            || self.text.ends_with(") = EINTR");
        is_interrupted && (self.call == next.call || next.call == "restart_syscall")
    }

    /// One call, as if no signal had come between.
    fn resumed_by(self, next: Self) -> Self {
        let text = match (next.text.rsplit_once(" = "), self.text.rsplit_once(" = ")) {
            (Some((_, outcome)), Some((called, _))) if next.call == "restart_syscall" => {
                format!("{called} = {outcome}")
            }
            _ => next.text,
        };
        Self { text, spent: self.spent + next.spent, ..self }
    }
}

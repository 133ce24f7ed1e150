//! What is to be drawn of a run: its lanes, their bars, and what caused what.

use std::collections::HashMap;

use super::align;
use super::clients::{Act, Client};
use super::normalise::{Step, Task, Trace};
use crate::report::comparison::{Comparison, Pair};
use crate::report::sequence::{Arrow, Bar, Cause, Edge, Kind, Lane, Party, Sequence};

/// From which time on in the kernel a call that may wait has waited, in seconds; a call that has got what was
/// sent after it had begun has waited anyway.
const WAIT: f64 = 0.0005;
/// The same for a call that sends: it waits only for room, and a busy machine takes its time for it too.
const ROOM: f64 = 0.01;

/// By how much the clients' clock and strace's may differ, in seconds.
const SKEW: f64 = 0.0005;

/// The calls that may wait for somebody else.
const WAITERS: &[&str] = &[
    "accept",
    "accept4",
    "clock_nanosleep",
    "connect",
    "epoll_pwait",
    "epoll_pwait2",
    "epoll_wait",
    "fcntl",
    "flock",
    "futex",
    "io_uring_enter",
    "nanosleep",
    "pause",
    "poll",
    "ppoll",
    "pselect6",
    "read",
    "readv",
    "recvfrom",
    "recvmmsg",
    "recvmsg",
    "restart_syscall",
    "rt_sigsuspend",
    "rt_sigtimedwait",
    "select",
    "semtimedop",
    "sendfile",
    "sendmmsg",
    "sendmsg",
    "sendto",
    "splice",
    "wait4",
    "waitid",
    "write",
    "writev",
];
/// The calls that are about sockets, files and processes, beside those that may wait.
const MAIN: &[&str] = &[
    "bind",
    "clone",
    "clone3",
    "close",
    "dup",
    "dup2",
    "dup3",
    "epoll_create",
    "epoll_create1",
    "epoll_ctl",
    "eventfd2",
    "execve",
    "exit",
    "exit_group",
    "fork",
    "getpeername",
    "getsockname",
    "getsockopt",
    "io_uring_register",
    "io_uring_setup",
    "kill",
    "listen",
    "pipe",
    "pipe2",
    "setsockopt",
    "shutdown",
    "signalfd4",
    "socket",
    "socketpair",
    "vfork",
];
/// The calls that a design is known by.
const KEY: &[&str] = &[
    "accept",
    "accept4",
    "bind",
    "clone",
    "clone3",
    "fork",
    "io_uring_setup",
    "listen",
    "recvfrom",
    "recvmmsg",
    "recvmsg",
    "sendmmsg",
    "sendmsg",
    "sendto",
    "socket",
    "vfork",
];
/// The calls that a connection comes from.
const ACCEPTS: &[&str] = &["accept", "accept4"];
/// The calls that bytes come from.
const RECEIVES: &[&str] = &["recvfrom", "recvmsg", "recvmmsg", "read", "readv"];
/// The calls that bytes go to.
const SENDS: &[&str] = &["sendto", "sendmsg", "sendmmsg", "write", "writev", "sendfile"];
/// The calls that make a task.
const MAKERS: &[&str] = &["clone", "clone3", "fork", "vfork"];

/// Two runs, with their commands, and what [`align::align`] has found, as they are shown.
pub fn comparison(runs: [(&str, &Trace); 2], found: &align::Comparison) -> Comparison {
    let tasks =
        found.tasks.iter().map(|pair| Pair { role: pair.role.clone(), rows: pair.rows.clone() });
    Comparison {
        runs: runs.map(|(title, trace)| sequence(title, trace)),
        tasks: tasks.collect(),
        calls: found.calls.clone(),
    }
}

/// A run as a sequence; the title is its command.
pub fn sequence(title: &str, trace: &Trace) -> Sequence {
    let tasks = in_groups(trace);
    let run = Run { trace, tasks };
    let mut lanes: Vec<Lane> = Vec::new();
    for (number, client) in trace.clients.iter().enumerate() {
        lanes.push(Lane {
            name: client.name.clone(),
            party: Party::Client,
            group: number,
            bars: client.acts.iter().map(act).collect(),
        });
    }
    let mut arrows = Vec::new();
    let first = lanes.len();
    let waits = run.waits();
    let slots = kernel(&waits, first);
    let server = first + slots.len();
    for (number, wait) in waits.iter().enumerate() {
        lanes[wait.client].bars[wait.act].at = wait.at;
        let slot = slots.iter().position(|(_, members)| members.contains(&number));
        let Some(slot) = slot else { continue };
        let bar = slots[slot].1.iter().position(|&member| member == number).unwrap_or(0);
        let here = |is_end| Edge { lane: first + slot, bar, is_end };
        let from = Edge { lane: wait.client, bar: wait.act, is_end: false };
        let (lane, cause) = (first + slot, wait.cause);
        arrows.push(Arrow { from, lane, to: Some(here(false)), cause });
        if let Some((task, step)) = wait.taken {
            let to = Edge { lane: server + task, bar: step + run.shift(task), is_end: true };
            arrows.push(Arrow { from: here(true), lane: to.lane, to: Some(to), cause });
        }
    }
    lanes.extend(slots.into_iter().map(|(lane, _)| lane));
    let (answers, births, kicks) = (run.answers(), run.births(), run.kicks());
    for (task, step, lane) in answers {
        let from = Edge { lane: server + task, bar: step + run.shift(task), is_end: false };
        arrows.push(Arrow { from, lane, to: None, cause: Cause::Data });
    }
    for (found, cause) in [(births, Cause::Birth), (kicks, Cause::Signal)] {
        arrows.extend(found.into_iter().map(|((from, step), (to, other))| {
            let from = Edge { lane: server + from, bar: step + run.shift(from), is_end: false };
            let to = Edge { lane: server + to, bar: other + run.shift(to), is_end: false };
            Arrow { from, lane: to.lane, to: Some(to), cause }
        }));
    }
    for (number, (task, group)) in run.tasks.iter().enumerate() {
        let is_thread = task.role.starts_with("thread");
        let mut bars: Vec<Bar> = task.steps.iter().map(bar).collect();
        for wait in &waits {
            if let Some((_, step)) = wait.taken.filter(|taken| taken.0 == number)
                && wait.at > task.steps[step].at
            {
                bars[step].kind = Kind::Blocked;
                bars[step].is_key = true;
            }
        }
        if run.shift(number) > 0 {
            bars.insert(0, start(task));
        }
        lanes.push(Lane {
            name: task.role.clone(),
            party: if is_thread { Party::Thread } else { Party::Process },
            group: server + group,
            bars,
        });
    }
    Sequence { title: title.to_owned(), lanes, arrows }
}

/// The processes in the order of the trace, each followed by its threads, with the number of the process.
fn in_groups(trace: &Trace) -> Vec<(&Task, usize)> {
    let mut makers: HashMap<&str, usize> = HashMap::new();
    for (at, task) in trace.tasks.iter().enumerate() {
        for step in task.steps.iter().filter(|step| is_one_of(MAKERS, step)) {
            makers.entry(outcome(step)).or_insert(at);
        }
    }
    let process = |mut at: usize| {
        // At most as many steps up as there are tasks.
        for _ in &trace.tasks {
            if !trace.tasks[at].role.starts_with("thread") {
                break;
            }
            at = makers.get(trace.tasks[at].role.as_str()).copied().unwrap_or(0);
        }
        at
    };
    let mut tasks: Vec<(&Task, usize)> =
        trace.tasks.iter().enumerate().map(|(at, task)| (task, process(at))).collect();
    tasks.sort_by_key(|(_, group)| *group);
    tasks
}

fn is_one_of(names: &[&str], step: &Step) -> bool {
    names.contains(&step.call.as_str())
}

/// What came of a call.
fn outcome(step: &Step) -> &str {
    step.text.rsplit_once(" = ").map_or("", |(_, outcome)| outcome)
}

/// How many bytes came of it, or what else it returned.
fn returned(step: &Step) -> Option<i64> {
    outcome(step).split(' ').next()?.parse().ok()
}

/// Which connection it is about: 3 of `recvfrom(connfd 3, ...`.
fn connection(step: &Step) -> Option<usize> {
    let rest = step.text.strip_prefix(step.call.as_str())?.strip_prefix("(connfd ")?;
    rest.split([',', ')']).next()?.parse().ok()
}

/// Which connection it returned.
fn accepted(step: &Step) -> Option<usize> {
    is_one_of(ACCEPTS, step).then(|| outcome(step).strip_prefix("connfd ")?.parse().ok())?
}

fn end(step: &Step) -> f64 {
    step.at + step.spent
}

fn start(task: &Task) -> Bar {
    let first = task.steps.first().map_or(0.0, |step| step.at);
    Bar {
        at: 0.0,
        spent: first,
        label: format!("{} calls", task.started),
        text: format!(
            "{} calls of the loader and of the language before the first socket",
            task.started
        ),
        kind: Kind::Start,
        error: None,
        is_key: true,
    }
}

fn bar(step: &Step) -> Bar {
    let is_interrupted = outcome(step) == "interrupted, to be restarted";
    let code = outcome(step).split(' ').next().unwrap_or_default();
    let is_error = code.len() > 1
        && code.starts_with('E')
        && code.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit());
    let error = is_error.then(|| code.to_owned());
    let signal = step.text.strip_prefix("--- ").and_then(|text| text.strip_suffix(" ---"));
    let is_call = !step.call.is_empty();
    let patience = if is_one_of(SENDS, step) { ROOM } else { WAIT };
    let (label, kind) = match signal {
        Some(signal) => (signal, Kind::Signal),
        None if step.call.is_empty() => ("end", Kind::End),
        None if is_one_of(WAITERS, step) && (step.spent >= patience || is_interrupted) => {
            (step.call.as_str(), Kind::Blocked)
        }
        None if step.call == "futex" => (step.call.as_str(), Kind::Aside),
        None if is_one_of(WAITERS, step) || is_one_of(MAIN, step) || error.is_some() => {
            (step.call.as_str(), Kind::Quick)
        }
        None => (step.call.as_str(), Kind::Aside),
    };
    let is_key = match kind {
        Kind::Blocked | Kind::Signal => true,
        Kind::Quick => error.is_none() && is_one_of(KEY, step),
        _ => false,
    };
    let label = if is_call { in_c(step) } else { label };
    let (label, text) = (label.to_owned(), step.text.clone());
    Bar { at: step.at, spent: step.spent, label, text, kind, error, is_key }
}

/// What a C program calls it.
fn in_c(step: &Step) -> &str {
    let has_address =
        !step.text.contains(", NULL, NULL) = ") && !step.text.contains(", NULL, 0) = ");
    match step.call.as_str() {
        "accept4" => "accept",
        "clone3" => "clone",
        "epoll_pwait" => "epoll_wait",
        "exit_group" => "exit",
        "pselect6" => "select",
        "ppoll" => "poll",
        "recvfrom" if !has_address => "recv",
        "rt_sigtimedwait" => "sigwait",
        "sendto" if !has_address => "send",
        "wait4" => "waitpid",
        call => call,
    }
}

fn act(act: &Act) -> Bar {
    let is_wait = matches!(act.word, "expect" | "end" | "accepted") && act.spent >= WAIT;
    let kind = match act.word {
        _ if is_wait => Kind::Blocked,
        "accepted" => Kind::Aside,
        _ => Kind::Quick,
    };
    let (label, text) = (act.word.to_owned(), act.text.clone());
    Bar { at: act.at, spent: act.spent, label, text, kind, error: None, is_key: false }
}

/// A connection or bytes in the kernel, from when a client had sent it until the server took it.
struct Wait {
    client: usize,
    act: usize,
    at: f64,
    end: f64,
    label: String,
    text: String,
    cause: Cause,
    /// The task and the step that took it.
    taken: Option<(usize, usize)>,
}

struct Run<'a> {
    trace: &'a Trace,
    /// With the number of the process that each belongs to.
    tasks: Vec<(&'a Task, usize)>,
}

impl Run<'_> {
    /// How many bars a lane has before its first step.
    fn shift(&self, task: usize) -> usize {
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

    fn waits(&self) -> Vec<Wait> {
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
    fn answers(&self) -> Vec<(usize, usize, usize)> {
        let mut answers = Vec::new();
        for (number, client) in self.trace.clients.iter().enumerate() {
            for act in &client.acts {
                if !matches!(act.word, "expect" | "end") {
                    continue;
                }
                let heard = act.at + act.spent;
                let found = self.last(heard, |step| {
                    let is_its = match client.is_tcp {
                        true => {
                            client.connection.is_some() && connection(step) == client.connection
                        }
                        false => connection(step).is_none() && step.text.contains("(sockfd"),
                    };
                    let is_end = act.word == "end" && step.call == "close" && client.is_tcp;
                    let is_data = is_one_of(SENDS, step) && returned(step).is_some_and(|n| n > 0);
                    is_its && (is_data || is_end)
                });
                let found = found.or_else(|| self.submission(client, heard));
                let answer = found.map(|(task, step)| (task, step, number));
                answers.extend(answer.filter(|answer| !answers.contains(answer)));
            }
        }
        answers
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
    fn births(&self) -> Vec<((usize, usize), (usize, usize))> {
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
    fn kicks(&self) -> Vec<((usize, usize), (usize, usize))> {
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

/// The lanes of the kernel, with the waits that stand in each: as many as are needed so that none overlap.
fn kernel(waits: &[Wait], group: usize) -> Vec<(Lane, Vec<usize>)> {
    let mut slots: Vec<(Lane, Vec<usize>)> = Vec::new();
    let is_tcp = waits.iter().any(|wait| wait.cause == Cause::Connection);
    for (cause, name) in [(Cause::Connection, "accept queue"), (Cause::Data, "receive buffer")] {
        if cause == Cause::Connection && !is_tcp {
            continue;
        }
        let begin = slots.len();
        let lane = || {
            let lane =
                Lane { name: name.to_owned(), party: Party::Kernel, group, bars: Vec::new() };
            (lane, Vec::new())
        };
        slots.push(lane());
        let mut order: Vec<usize> =
            (0..waits.len()).filter(|&number| waits[number].cause == cause).collect();
        order.sort_by(|&one, &other| waits[one].at.total_cmp(&waits[other].at));
        for number in order {
            let wait = &waits[number];
            let is_free = |(lane, _): &(Lane, Vec<usize>)| {
                lane.bars.last().is_none_or(|last| last.at + last.spent < wait.at)
            };
            let slot = slots[begin..].iter().position(is_free).map(|slot| begin + slot);
            let slot = slot.unwrap_or_else(|| {
                slots.push(lane());
                slots.len() - 1
            });
            slots[slot].0.bars.push(Bar {
                at: wait.at,
                spent: wait.end - wait.at,
                label: wait.label.clone(),
                text: wait.text.clone(),
                kind: Kind::Waiting,
                error: None,
                is_key: false,
            });
            slots[slot].1.push(number);
        }
    }
    slots
}

#[cfg(test)]
mod tests {
    use super::super::normalise::{Recorded, normalise};
    use super::super::parse::parse;
    use super::*;

    fn trace(tasks: &[(u32, &str)], clients: Vec<Client>) -> Trace {
        let read =
            |&(pid, text): &(u32, &str)| Recorded { pid, lines: parse(text).expect("strace's") };
        let recorded: Vec<Recorded> = tasks.iter().map(read).collect();
        Trace { clients, ..normalise(&recorded, tasks[0].0) }
    }

    fn client(name: &str, connection: Option<usize>, acts: &[(&'static str, &str, f64)]) -> Client {
        let acts =
            acts.iter().map(|&(word, text, at)| Act { word, text: text.into(), at, spent: 0.01 });
        Client { name: name.into(), is_tcp: true, port: 40001, connection, acts: acts.collect() }
    }

    const MAIN: &str = "\
100.0 brk(NULL) = 0x1000 <0.001>
101.0 socket(AF_INET, SOCK_STREAM, IPPROTO_IP) = 3<TCP:[1]> <0.00001>
101.1 bind(3<TCP:[1]>, {sa_family=AF_INET, sin_port=htons(9000)}, 16) = 0 <0.00001>
101.2 listen(3<TCP:[127.0.0.1:9000]>, 5) = 0 <0.00001>
101.3 accept(3<TCP:[127.0.0.1:9000]>, NULL, NULL) = 4<TCP:[127.0.0.1:9000->127.0.0.1:40001]> <0.7>
102.1 MAKER = 201 <0.001>
102.3 accept(3<TCP:[127.0.0.1:9000]>, NULL, NULL) = ? ERESTARTSYS (To be restarted if SA_RESTART is set) <0.9>
103.3 --- SIGINT {si_signo=SIGINT, si_code=SI_USER, si_pid=1, si_uid=0} ---
103.4 kill(201, SIGTERM) = 0 <0.00001>
103.5 wait4(201, NULL, WNOHANG, NULL) = -1 ECHILD (No child processes) <0.00001>
103.6 exit_group(0) = ?
103.7 +++ exited with 0 +++
";
    const WORKER: &str = "\
102.11 set_robust_list(0x7f0000000000, 24) = 0 <0.00001>
102.12 recvfrom(4<TCP:[127.0.0.1:9000->127.0.0.1:40001]>, \"10\\n\", 64, 0, NULL, NULL) = 3 <0.4>
102.6 sendto(4<TCP:[127.0.0.1:9000->127.0.0.1:40001]>, \"55\", 2, 0, NULL, 0) = 2 <0.00001>
103.41 --- SIGTERM {si_signo=SIGTERM, si_code=SI_USER, si_pid=1, si_uid=0} ---
103.42 +++ killed by SIGTERM +++
";

    fn run(maker: &str) -> Sequence {
        let acts = [
            ("connect", "connect", 1.9),
            ("send", "send \"10\\n\"", 2.5),
            ("expect", "expect \"55\"", 2.65),
        ];
        let clients = vec![client("good", Some(1), &acts)];
        let main = MAIN.replace("MAKER", maker);
        sequence("server", &trace(&[(200, &main), (201, WORKER)], clients))
    }

    fn found(sequence: &Sequence, cause: Cause) -> Vec<(String, String)> {
        let bar = |edge: Edge| {
            let lane = &sequence.lanes[edge.lane];
            format!("{} {}", lane.name, lane.bars[edge.bar].label)
        };
        let arrows = sequence.arrows.iter().filter(|arrow| arrow.cause == cause);
        arrows
            .map(|arrow| {
                let to = arrow.to.map_or_else(|| sequence.lanes[arrow.lane].name.clone(), bar);
                (bar(arrow.from), to)
            })
            .collect()
    }

    #[test]
    fn a_forked_and_a_threaded_server_differ_in_whose_frame_the_worker_stands() {
        let forked = run("clone(child_stack=NULL, flags=CLONE_CHILD_SETTID|SIGCHLD)");
        let names: Vec<&str> = forked.lanes.iter().map(|lane| lane.name.as_str()).collect();
        assert_eq!(names, ["good", "accept queue", "receive buffer", "parent", "child 1"]);
        assert_ne!(forked.lanes[3].group, forked.lanes[4].group);
        assert_eq!(forked.lanes[1].group, forked.lanes[2].group);

        let threaded = run("clone3({flags=CLONE_VM|CLONE_THREAD, exit_signal=0}, 88)");
        assert_eq!(threaded.lanes[4].name, "thread 1");
        assert_eq!(threaded.lanes[4].party, Party::Thread);
        assert_eq!(threaded.lanes[3].group, threaded.lanes[4].group);
    }

    #[test]
    fn every_step_is_a_bar() {
        let sequence = run("clone(child_stack=NULL, flags=SIGCHLD)");
        let said = |lane: usize| -> Vec<(&str, Kind)> {
            sequence.lanes[lane].bars.iter().map(|bar| (bar.label.as_str(), bar.kind)).collect()
        };
        let parent = [
            ("1 calls", Kind::Start),
            ("socket", Kind::Quick),
            ("bind", Kind::Quick),
            ("listen", Kind::Quick),
            ("accept", Kind::Blocked),
            ("clone", Kind::Quick),
            ("accept", Kind::Blocked),
            ("SIGINT", Kind::Signal),
            ("kill", Kind::Quick),
            ("waitpid", Kind::Quick),
            ("exit", Kind::Quick),
            ("end", Kind::End),
        ];
        assert_eq!(said(3), parent);
        assert_eq!(sequence.lanes[3].bars[9].error.as_deref(), Some("ECHILD"));
        let child = [
            ("set_robust_list", Kind::Aside),
            ("recv", Kind::Blocked),
            ("send", Kind::Quick),
            ("SIGTERM", Kind::Signal),
            ("end", Kind::End),
        ];
        assert_eq!(said(4), child);
    }

    #[test]
    fn what_caused_what() {
        let sequence = run("clone(child_stack=NULL, flags=SIGCHLD)");
        let pairs = |cause| found(&sequence, cause);
        let pair = |one: &str, other: &str| (one.to_owned(), other.to_owned());
        assert_eq!(
            pairs(Cause::Connection),
            [pair("good connect", "accept queue good"), pair("accept queue good", "parent accept")]
        );
        let data = [
            pair("good send", "receive buffer \"10\\n\""),
            pair("receive buffer \"10\\n\"", "child 1 recv"),
            pair("child 1 send", "good"),
        ];
        assert_eq!(pairs(Cause::Data), data);
        assert_eq!(pairs(Cause::Birth), [pair("parent clone", "child 1 set_robust_list")]);
        assert_eq!(pairs(Cause::Signal), [pair("parent kill", "child 1 SIGTERM")]);
    }

    #[test]
    fn whoever_gets_what_was_sent_later_has_waited_however_short() {
        let short = |at: f64| {
            let text = "\
100.0 socket(AF_INET, SOCK_STREAM, IPPROTO_IP) = 3<TCP:[1]> <0.00001>
101.0 accept(3<TCP:[127.0.0.1:9000]>, NULL, NULL) = 4<TCP:[127.0.0.1:9000->127.0.0.1:40001]> <0.0001>
101.2 sendto(4<TCP:[127.0.0.1:9000->127.0.0.1:40001]>, \"55\", 2, 0, NULL, 0) = 2 <0.002>
";
            let clients = vec![client("a", Some(1), &[("connect", "connect", at)])];
            sequence("server", &trace(&[(1, text)], clients))
        };
        let kinds = |sequence: Sequence| -> Vec<Kind> {
            let server = sequence.lanes.last().expect("a server");
            server.bars.iter().map(|bar| bar.kind).collect()
        };
        assert_eq!(kinds(short(1.00005)), [Kind::Quick, Kind::Blocked, Kind::Quick]);
        assert_eq!(kinds(short(0.9)), [Kind::Quick, Kind::Quick, Kind::Quick]);
    }

    /// Whoever waits while another waits gets a lane of its own.
    #[test]
    fn waits_of_the_kernel_do_not_overlap() {
        let acts = [("connect", "connect", 1.9), ("end", "end", 2.0)];
        let clients = ["a", "b", "c"].map(|name| client(name, None, &acts));
        let sequence = sequence(
            "server",
            &trace(&[(200, "1.0 socket(1, 2, 0) = 3<TCP:[1]>\n")], clients.into()),
        );
        let queues = sequence.lanes.iter().filter(|lane| lane.name == "accept queue");
        assert_eq!(queues.map(|lane| lane.bars.len()).collect::<Vec<_>>(), [1, 1, 1]);
        assert!(sequence.lanes[3].bars[0].text.contains("never taken"));
    }

    #[test]
    fn the_server_of_completions_is_told_by_io_uring_enter() {
        let text = "\
100.0 socket(AF_INET, SOCK_STREAM, IPPROTO_IP) = 3<TCP:[1]> <0.00001>
100.5 io_uring_enter(4<anon_inode:[io_uring]>, 1, 1, IORING_ENTER_GETEVENTS, NULL, 128) = 1 <0.5>
101.0 io_uring_enter(4<anon_inode:[io_uring]>, 1, 1, IORING_ENTER_GETEVENTS, NULL, 128) = 1 <0.5>
101.6 io_uring_enter(4<anon_inode:[io_uring]>, 2, 1, IORING_ENTER_GETEVENTS, NULL, 128) = 2 <0.5>
";
        let acts =
            [("connect", "connect", 0.9), ("send", "send \"1\"", 1.4), ("expect", "expect", 1.7)];
        let sequence = sequence("server", &trace(&[(1, text)], vec![client("a", None, &acts)]));
        let ends: Vec<(usize, bool)> = sequence
            .arrows
            .iter()
            .filter(|arrow| arrow.lane == 3)
            .filter_map(|arrow| arrow.to.map(|to| (to.bar, to.is_end)))
            .collect();
        assert_eq!(ends, [(1, true), (2, true)]);
        let answer = sequence.arrows.iter().find(|arrow| arrow.to.is_none()).expect("an answer");
        assert_eq!(answer.from, Edge { lane: 3, bar: 3, is_end: false });
    }
}

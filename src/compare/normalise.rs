//! What is left of a trace when everything that changes from run to run has a name in its place:
//! descriptors, process ids, ports, pointers, times.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Serialize;

use super::clients::Client;
use super::parse::{Call, Event, Line, Outcome, opened};
use super::start;

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
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Step {
    /// The system call's name; of a signal or of the end, nothing.
    pub call: String,
    /// The event in full, without what changes from run to run.
    pub text: String,
    /// When it began, in seconds since the trace did.
    pub at: f64,
    /// How long the kernel had it, in seconds.
    pub spent: f64,
}

/// The events of one task, as strace's file for it has them.
pub struct Recorded {
    /// Its process or thread id.
    pub pid: u32,
    /// Its events.
    pub lines: Vec<Line>,
}

/// What stands for a descriptor until all that it became is known.
const MARK: char = '\u{1}';

/// The calls that name one by its id.
const NAMERS: &[&str] = &[
    "wait4",
    "waitid",
    "kill",
    "tgkill",
    "tkill",
    "getpid",
    "getppid",
    "gettid",
    "sched_setscheduler",
    "set_tid_address",
];
/// The calls that an accepted connection comes from.
const ACCEPTS: &[&str] = &["accept", "accept4"];

/// An event and whose it is.
pub(super) struct Happened<'a> {
    at: f64,
    pub pid: u32,
    number: usize,
    pub event: &'a Event,
}

/// The events of all tasks, in the order in which they began.
fn in_order(recorded: &[Recorded]) -> Vec<Happened<'_>> {
    let mut events = Vec::new();
    for task in recorded {
        let mut at: f64 = 0.0;
        for (number, line) in task.lines.iter().enumerate() {
            // The clock may be set back meanwhile.
            at = at.max(line.at.unwrap_or(at));
            events.push(Happened { at, pid: task.pid, number, event: &line.event });
        }
    }
    events.sort_by(|one, other| {
        let place = |event: &Happened<'_>| (event.pid, event.number);
        one.at.total_cmp(&other.at).then(place(one).cmp(&place(other)))
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
        let Event::Call(call) = happened.event else { continue };
        world.call(happened.pid, call, happened.at);
        let whose = if start.helpers.contains(&happened.pid) { start.server } else { happened.pid };
        *started.entry(whose).or_default() += 1;
    }
    world.forget_clients();
    let begin = events.first().map_or(0.0, |event| event.at);
    let mut steps: HashMap<u32, Vec<Step>> = HashMap::new();
    // Who went on after a signal that is left out.
    let mut resuming: BTreeSet<u32> = BTreeSet::new();
    for &Happened { at, pid, event, .. } in after {
        if start.helpers.contains(&pid) {
            continue;
        }
        let steps = steps.entry(pid).or_default();
        let (call, text, spent) = match event {
            Event::Call(call) => {
                (call.name.clone(), world.call(pid, call, at), call.spent.unwrap_or(0.0))
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
            Event::Exited(status) => (String::new(), format!("+++ exited with {status} +++"), 0.0),
            Event::Killed(name) => (String::new(), format!("+++ killed by {name} +++"), 0.0),
            Event::Mode(said) => (String::new(), format!("+++ {said} +++"), 0.0),
            Event::Superseded => (String::new(), String::from("+++ superseded +++"), 0.0),
        };
        let mut step = Step { call, text, at: at - begin, spent };
        if resuming.remove(&pid)
            && let Some(interrupted) = steps.pop_if(|last| last.is_resumed_by(&step))
        {
            step = interrupted.resumed_by(step);
        }
        steps.push(step);
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

/// How a task came to be.
pub(super) struct Made {
    pub by: Option<u32>,
    pub is_thread: bool,
    order: usize,
    /// When it first had a client.
    served: Option<f64>,
}

/// What is known of the run so far.
#[derive(Default)]
struct World {
    tasks: BTreeMap<u32, Made>,
    /// Which table of descriptors a task uses: threads share one.
    tables: HashMap<u32, usize>,
    open: Vec<BTreeMap<u32, usize>>,
    /// The name of each thing that a descriptor was open on, in the order in which they were made.
    names: Vec<String>,
    /// When each connection was there, and which of the names is its.
    accepted: Vec<(f64, usize)>,
    /// Since when there is a connection between two ends, and which of the names is its: it may be handed
    /// to another process, whose call may have begun before.
    connections: HashMap<String, Vec<(f64, usize)>>,
    /// When the call that is looked at returned.
    now: f64,
    sockets: usize,
    ports: BTreeSet<u32>,
}

impl World {
    fn new(root: u32) -> Self {
        let mut world = Self::default();
        world.tasks.insert(root, Made { by: None, is_thread: false, order: 0, served: None });
        world.tables.insert(root, 0);
        world.open.push(BTreeMap::new());
        world
    }

    fn learn_of_task(&mut self, happened: &Happened<'_>) {
        if let Some(made) = start::made(happened.event)
            && let Event::Call(call) = happened.event
        {
            let is_thread = call.args.iter().any(|arg| arg.contains("CLONE_THREAD"));
            let (by, order) = (Some(happened.pid), self.tasks.len());
            self.tasks.entry(made).or_insert(Made { by, is_thread, order, served: None });
        }
    }

    fn learn_of_ports(&mut self, event: &Event) {
        let Event::Call(call) = event else { return };
        if matches!(call.name.as_str(), "bind" | "getsockname") {
            for arg in &call.args {
                self.ports.extend(numbers_after(arg, "htons(").filter(|&port| port != 0));
            }
        }
    }

    fn learn_of_connection(&mut self, happened: &Happened<'_>) {
        if let Event::Call(call) = happened.event
            && ACCEPTS.contains(&call.name.as_str())
            && let Outcome::Returned(value, _) = &call.outcome
            && let Some((_, what, _)) = descriptor(value)
        {
            let since = happened.at + call.spent.unwrap_or(0.0);
            self.names.push(String::from("connfd"));
            self.accepted.push((since, self.names.len() - 1));
            let all = self.connections.entry(what.to_owned()).or_default();
            all.push((since, self.names.len() - 1));
        }
    }

    /// The latest connection between two ends.
    fn connection(&self, what: &str) -> Option<usize> {
        let all = self.connections.get(what)?;
        let latest = all.iter().rev().find(|(since, _)| *since <= self.now).or(all.first());
        latest.map(|(_, name)| *name)
    }

    /// The clients of the start, if it had any, are not counted.
    fn forget_clients(&mut self) {
        self.sockets = 0;
        for made in self.tasks.values_mut() {
            made.served = None;
        }
    }

    /// The table of a task; one that is met for the first time has its maker's, or a copy of it.
    fn table(&mut self, pid: u32) -> usize {
        if let Some(&table) = self.tables.get(&pid) {
            return table;
        }
        let (by, is_thread) =
            self.tasks.get(&pid).map_or((None, false), |made| (made.by, made.is_thread));
        let parent = by.filter(|&by| by != pid).map(|by| self.table(by));
        let table = match parent {
            Some(parent) if is_thread => parent,
            _ => {
                self.open.push(parent.map(|at| self.open[at].clone()).unwrap_or_default());
                self.open.len() - 1
            }
        };
        self.tables.insert(pid, table);
        table
    }

    /// A descriptor of a task as a mark, to be named in the end.
    fn mark(&mut self, pid: u32, fd: u32, what: &str) -> String {
        if fd <= 2 {
            return String::from(["stdin", "stdout", "stderr"][fd as usize]);
        }
        let table = self.table(pid);
        let name = match self.open[table].get(&fd) {
            Some(&name) => name,
            None => match self.connection(what) {
                Some(name) => {
                    self.open[table].insert(fd, name);
                    name
                }
                None => self.make(pid, fd, kind(what)),
            },
        };
        format!("{MARK}{name}{MARK}")
    }

    fn make(&mut self, pid: u32, fd: u32, name: String) -> usize {
        let table = self.table(pid);
        self.names.push(name);
        self.open[table].insert(fd, self.names.len() - 1);
        self.names.len() - 1
    }

    fn call(&mut self, pid: u32, call: &Call, at: f64) -> String {
        let name = call.name.as_str();
        self.now = at + call.spent.unwrap_or(0.0);
        let mut args: Vec<String> = call.args.iter().map(|arg| self.plain(pid, arg)).collect();
        let first = call.args.first().and_then(|arg| descriptor(arg)).map(|(fd, _, _)| fd);
        match name {
            "listen" => self.rename(pid, first, "listenfd"),
            // The largest descriptor and one more.
            "select" | "pselect6" => args[0] = String::from("maxfd+1"),
            "close" => {
                let table = self.table(pid);
                if call.outcome == Outcome::Returned("0".into(), String::new())
                    && let Some(fd) = first
                {
                    self.open[table].remove(&fd);
                }
            }
            "clone" | "clone3" | "fork" | "vfork" => {
                args = vec![flags(&call.args)];
                // What is open now is what it gets.
                if let Outcome::Returned(value, _) = &call.outcome
                    && let Ok(made) = value.parse()
                {
                    self.table(made);
                }
            }
            _ => {}
        }
        let outcome = match &call.outcome {
            // The register of whatever the signal has interrupted.
            _ if name == "rt_sigreturn" => String::from("RESTORED"),
            Outcome::Returned(value, note) => {
                let value = self.returned(pid, name, value, at + call.spent.unwrap_or(0.0));
                // What is left of a time is nobody's doing.
                let note = note.split(", left ").next().unwrap_or_default();
                let note = self.plain(pid, note);
                if note.is_empty() { value } else { format!("{value} {note}") }
            }
            Outcome::Failed(errno) => errno.clone(),
            Outcome::Restarted(_) => String::from("interrupted, to be restarted"),
            Outcome::Never => String::from("?"),
        };
        if NAMERS.contains(&name) {
            for arg in &mut args {
                if let Ok(pid) = arg.parse::<u32>()
                    && self.tasks.contains_key(&pid)
                {
                    *arg = format!("{MARK}p{pid}{MARK}");
                }
            }
        }
        format!("{name}({}) = {outcome}", args.join(", "))
    }

    fn returned(&mut self, pid: u32, name: &str, value: &str, at: f64) -> String {
        if let Some((fd, what, _)) = descriptor(value) {
            let role = match name {
                _ if ACCEPTS.contains(&name) => {
                    if let Some(made) = self.tasks.get_mut(&pid) {
                        made.served.get_or_insert(at);
                    }
                    let is_it = |(since, _): &&(f64, usize)| *since == at;
                    let known = self.connections.get(what).and_then(|all| all.iter().find(is_it));
                    if let Some(&(_, name)) = known {
                        let table = self.table(pid);
                        self.open[table].insert(fd, name);
                        return format!("{MARK}{name}{MARK}");
                    }
                    String::from("connfd")
                }
                "socket" => {
                    self.sockets += 1;
                    if self.sockets == 1 {
                        "sockfd".into()
                    } else {
                        format!("sockfd {}", self.sockets)
                    }
                }
                "epoll_create1" | "epoll_create" => String::from("epfd"),
                _ => kind(what),
            };
            if fd > 2 {
                self.make(pid, fd, role);
            }
            return self.mark(pid, fd, what);
        }
        let is_made = matches!(name, "clone" | "clone3" | "fork" | "vfork");
        let id = value.parse::<u32>().ok().filter(|id| self.tasks.contains_key(id));
        match id {
            Some(id) if is_made || NAMERS.contains(&name) => {
                format!("{MARK}p{id}{MARK}")
            }
            _ if pointer(value) == Some(value.len()) => String::from("POINTER"),
            _ => value.to_owned(),
        }
    }

    fn rename(&mut self, pid: u32, fd: Option<u32>, name: &str) {
        let table = self.table(pid);
        if let Some(&at) = fd.and_then(|fd| self.open[table].get(&fd)) {
            self.names[at] = name.to_owned();
        }
    }

    /// An argument with marks for descriptors, names for ports, and no pointers.
    fn plain(&mut self, pid: u32, arg: &str) -> String {
        let mut text = String::new();
        let mut rest = arg;
        while let Some(at) = rest.find(['<', '"']) {
            if rest.as_bytes()[at] == b'"' {
                let end = at + string(&rest[at..]);
                text.push_str(&rest[..end]);
                rest = &rest[end..];
                continue;
            }
            let digits =
                rest[..at].len() - rest[..at].trim_end_matches(|c: char| c.is_ascii_digit()).len();
            let Some((fd, what, length)) = descriptor(&rest[at - digits..]) else {
                let end = at + opened(&rest[at..]).max(1);
                text.push_str(&rest[..end]);
                rest = &rest[end..];
                continue;
            };
            text.push_str(&rest[..at - digits]);
            text.push_str(&self.mark(pid, fd, what));
            rest = &rest[at - digits + length..];
        }
        text.push_str(rest);
        if has_changing(&text) { without_changing(&text, &self.ports) } else { text }
    }

    fn finish(
        mut self,
        root: u32,
        mut steps: HashMap<u32, Vec<Step>>,
        started: &HashMap<u32, usize>,
    ) -> Vec<Task> {
        self.accepted.sort_by(|one, other| one.0.total_cmp(&other.0));
        for (number, &(_, name)) in self.accepted.iter().enumerate() {
            self.names[name] = format!("connfd {}", number + 1);
        }
        let mut order: Vec<u32> = self.tasks.keys().copied().collect();
        order.sort_by(|one, other| {
            let key = |pid: &u32| {
                let made = &self.tasks[pid];
                (*pid != root, made.served.is_none(), made.served.unwrap_or(0.0), made.order)
            };
            let (one, other) = (key(one), key(other));
            one.0
                .cmp(&other.0)
                .then(one.1.cmp(&other.1))
                .then(one.2.total_cmp(&other.2))
                .then(one.3.cmp(&other.3))
        });
        let mut roles: BTreeMap<u32, String> = BTreeMap::new();
        let (mut children, mut threads) = (0, 0);
        for &pid in &order {
            let role = if pid == root {
                String::from("parent")
            } else if self.tasks[&pid].is_thread {
                threads += 1;
                format!("thread {threads}")
            } else {
                children += 1;
                format!("child {children}")
            };
            roles.insert(pid, role);
        }
        let named = |text: &str| -> String {
            let mut pieces = text.split(MARK);
            let mut whole = String::from(pieces.next().unwrap_or_default());
            while let (Some(mark), Some(after)) = (pieces.next(), pieces.next()) {
                let name = match mark.strip_prefix('p') {
                    Some(pid) => pid.parse().ok().and_then(|pid: u32| roles.get(&pid)),
                    None => mark.parse().ok().and_then(|at: usize| self.names.get(at)),
                };
                whole.push_str(name.map_or("?", String::as_str));
                whole.push_str(after);
            }
            whole
        };
        let tasks = order.iter().map(|pid| {
            let mut steps = steps.remove(pid).unwrap_or_default();
            for step in &mut steps {
                step.text = named(&step.text);
            }
            let started = started.get(pid).copied().unwrap_or(0);
            Task { role: roles[pid].clone(), started, steps }
        });
        tasks.collect()
    }
}

/// `3<TCP:[127.0.0.1:9000]>` at the beginning of a text: the number, what it is open on, and how long
/// that is.
pub(super) fn descriptor(text: &str) -> Option<(u32, &str, usize)> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let fd = text[..digits].parse().ok()?;
    let length = opened(&text[digits..]);
    let what = text[digits..digits + length].strip_prefix('<')?;
    let what = what.trim_end_matches("(deleted)").strip_suffix('>')?;
    Some((fd, what, digits + length))
}

/// How long a quoted string at the beginning of a text is.
fn string(text: &str) -> usize {
    let mut bytes = text.bytes().enumerate().skip(1);
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'\\' => drop(bytes.next()),
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// What a descriptor is called that nobody was seen to make.
fn kind(what: &str) -> String {
    let kind = what.split([':', '[']).next().unwrap_or_default();
    match kind {
        "TCP" | "TCPv6" | "UDP" | "UDPv6" | "UNIX" | "UNIX-STREAM" | "socket" => "socket".into(),
        "anon_inode" => what.trim_start_matches("anon_inode:").trim_matches(['[', ']']).to_owned(),
        "pipe" => "pipe".into(),
        _ if what.starts_with('/') => what.to_owned(),
        _ => kind.to_owned(),
    }
}

/// Which flags a task was made with: all else of it are pointers.
fn flags(args: &[String]) -> String {
    let flags = args.iter().find_map(|arg| {
        let after = arg.split_once("flags=")?.1;
        after.split([',', '}']).next()
    });
    format!("flags={}", flags.unwrap_or_default())
}

fn numbers_after<'a>(text: &'a str, before: &'a str) -> impl Iterator<Item = u32> + 'a {
    text.split(before).skip(1).filter_map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        rest[..end].parse().ok()
    })
}

/// Whether a text may have something in it that changes from run to run.
fn has_changing(text: &str) -> bool {
    text.bytes().any(|byte| matches!(byte, b':' | b'=' | b'(' | b'x'))
}

/// Behind these is a number that the kernel or the clock has chosen, or that only an event carries.
const CHOSEN: [&str; 5] = ["htons(", "u32=", "u64=", "tv_sec=", "tv_nsec="];

/// The server's ports, those of clients, what events carry, times of day, wherever they are said, and
/// pointers.
fn without_changing(text: &str, ports: &BTreeSet<u32>) -> String {
    let mut whole = String::with_capacity(text.len());
    // Up to here all is in its place; all that is looked for is ASCII.
    let mut done = 0;
    let mut at = 0;
    while let Some(&byte) = text.as_bytes().get(at) {
        let rest = || &text[at..];
        let found = match byte {
            b'0'..=b'9' if is_clock(&text.as_bytes()[at..]) => Some((CLOCK.len(), "HH:MM:SS")),
            b'0' => pointer(rest()).map(|length| (length, "POINTER")),
            b':' => {
                let length = digits(&text[at + 1..]);
                let is_port =
                    text[at + 1..at + 1 + length].parse().is_ok_and(|n| ports.contains(&n));
                is_port.then_some((1 + length, ":PORT"))
            }
            b'h' | b'u' | b't' => {
                let chosen = CHOSEN.iter().find(|word| rest().starts_with(**word));
                chosen.and_then(|word| {
                    whole.push_str(&text[done..at + word.len()]);
                    (done, at) = (at + word.len(), at + word.len());
                    let length = digits(&text[at..]);
                    let number = text[at..at + length].parse::<u32>();
                    match *word {
                        "htons(" if number == Ok(0) => None,
                        "htons(" if number.is_ok_and(|n| ports.contains(&n)) => {
                            Some((length, "PORT"))
                        }
                        "htons(" => Some((length, "CLIENT")),
                        _ => Some((length, "N")),
                    }
                    .filter(|_| length > 0)
                })
            }
            _ => None,
        };
        match found {
            Some((length, name)) => {
                whole.push_str(&text[done..at]);
                whole.push_str(name);
                at += length;
                done = at;
            }
            None => at += 1,
        }
    }
    whole.push_str(text.get(done..).unwrap_or_default());
    whole
}

/// How many digits a text begins with.
fn digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

const CLOCK: &[u8; 8] = b"##:##:##";

/// 10:20:30
fn is_clock(bytes: &[u8]) -> bool {
    let fits = |(byte, shape): (&u8, &u8)| match shape {
        b'#' => byte.is_ascii_digit(),
        shape => byte == shape,
    };
    bytes.len() >= CLOCK.len() && bytes.iter().zip(CLOCK).all(fits)
}

/// A pointer is a hexadecimal number of more than six digits: how long it is.
fn pointer(text: &str) -> Option<usize> {
    let digits = text.strip_prefix("0x")?.bytes().take_while(u8::is_ascii_hexdigit).count();
    (digits > 6).then_some(2 + digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_from_run_to_run() {
        let ports = BTreeSet::from([9000, 10]);
        for (text, named) in [
            ("{sin_port=htons(9000), x}", "{sin_port=htons(PORT), x}"),
            ("{sin_port=htons(40001)}", "{sin_port=htons(CLIENT)}"),
            ("{sin_port=htons(0)}", "{sin_port=htons(0)}"),
            ("\"on 127.0.0.1:9000\\n\"", "\"on 127.0.0.1:PORT\\n\""),
            (":90001", ":90001"),
            ("at 10:20:30, 1:2", "at HH:MM:SS, 1:2"),
            ("{u32=7, u64=71}", "{u32=N, u64=N}"),
            ("{tv_sec=1, tv_nsec=2}", "{tv_sec=N, tv_nsec=N}"),
            ("0x7fb8fcbab000 0x802", "POINTER 0x802"),
            ("htons(", "htons("),
            ("\u{20ac}:9000\u{20ac}", "\u{20ac}:PORT\u{20ac}"),
        ] {
            assert_eq!(without_changing(text, &ports), named);
        }
    }
}

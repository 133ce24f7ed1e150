//! What is known of a run while it is read: its tasks, what is open in each, and what that is called.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::text::{
    descriptor, flags, has_changing, kind, numbers_after, pointer, string, without_changing,
};
use super::{Happened, Step, Task};
use crate::compare::parse::{Call, Event, Outcome, opened};
use crate::compare::start;

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

/// How a task came to be.
pub(in crate::compare) struct Made {
    pub by: Option<u32>,
    pub is_thread: bool,
    order: usize,
    /// When it first had a client.
    served: Option<f64>,
}

/// What is known of the run so far.
#[derive(Default)]
pub(super) struct World {
    pub(super) tasks: BTreeMap<u32, Made>,
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
    pub(super) fn new(root: u32) -> Self {
        let mut world = Self::default();
        world.tasks.insert(root, Made { by: None, is_thread: false, order: 0, served: None });
        world.tables.insert(root, 0);
        world.open.push(BTreeMap::new());
        world
    }

    pub(super) fn learn_of_task(&mut self, happened: &Happened<'_>) {
        if let Some(made) = start::made(happened.event)
            && let Event::Call(call) = happened.event
        {
            let is_thread = call.args.iter().any(|arg| arg.contains("CLONE_THREAD"));
            let (by, order) = (Some(happened.pid), self.tasks.len());
            self.tasks.entry(made).or_insert(Made { by, is_thread, order, served: None });
        }
    }

    pub(super) fn learn_of_ports(&mut self, event: &Event) {
        let Event::Call(call) = event else { return };
        if matches!(call.name.as_str(), "bind" | "getsockname") {
            for arg in &call.args {
                self.ports.extend(numbers_after(arg, "htons(").filter(|&port| port != 0));
            }
        }
    }

    pub(super) fn learn_of_connection(&mut self, happened: &Happened<'_>) {
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
    pub(super) fn forget_clients(&mut self) {
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

    pub(super) fn call(&mut self, pid: u32, call: &Call, at: f64) -> String {
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

    pub(super) fn finish(
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

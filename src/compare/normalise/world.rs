//! What is known of a run while it is read: its tasks, what is open in each, and what that is called.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::text::{
    Known, descriptor, flags, has_changing, is_data, kind, named_in, numbers_after, pointer,
    string, without_changing, without_numbers,
};
use super::{Happened, Step, Task};
use crate::compare::parse::{Call, Event, Outcome, opened};
use crate::compare::start;

/// What stands for a descriptor until all that it became is known.
const MARK: char = '\u{1}';

/// The calls that name a task by its id, and how many of their arguments may be one.
const NAMERS: &[(&str, usize)] = &[
    ("getpgid", 1),
    ("getpgrp", 0),
    ("getpid", 0),
    ("getppid", 0),
    ("getpriority", 2),
    ("getsid", 1),
    ("gettid", 0),
    ("kill", 1),
    ("pidfd_open", 1),
    ("prlimit64", 1),
    ("rt_sigqueueinfo", 1),
    ("rt_tgsigqueueinfo", 2),
    ("sched_getaffinity", 1),
    ("sched_getparam", 1),
    ("sched_getscheduler", 1),
    ("sched_setaffinity", 1),
    ("sched_setparam", 1),
    ("sched_setscheduler", 1),
    ("set_tid_address", 0),
    ("setpgid", 2),
    ("setpriority", 2),
    ("setsid", 0),
    ("tgkill", 2),
    ("tkill", 1),
    ("wait4", 1),
    ("waitid", 2),
];
/// Those of them that may return the id of somebody who is no part of the server.
const OF_OTHERS: &[&str] = &["getpgid", "getpgrp", "getppid", "getsid"];
/// The calls that return what the clock says.
const CLOCKS: &[&str] = &["getitimer", "getrusage", "gettimeofday", "time", "times", "wait4"];
/// The calls that an accepted connection comes from.
pub(super) const ACCEPTS: &[&str] = &["accept", "accept4"];
/// The calls that tell of a client.
const MEETINGS: &[&str] = &["accept", "accept4", "getpeername", "recvfrom", "recvmsg", "recvmmsg"];
const MAKERS: &[&str] = &["clone", "clone3", "fork", "vfork"];
const STREAMS: [&str; 3] = ["stdin", "stdout", "stderr"];

/// How a task came to be.
pub(in crate::compare) struct Made {
    pub by: Option<u32>,
    pub is_thread: bool,
    order: usize,
    /// When it first had a client.
    served: Option<f64>,
}

/// What a descriptor is open on, as the number of its name, and whether execve() closes it.
#[derive(Clone, Copy)]
struct Open {
    name: usize,
    is_cloexec: bool,
}

/// What is known of the run so far.
#[derive(Default)]
pub(super) struct World {
    pub(super) tasks: BTreeMap<u32, Made>,
    /// Which table of descriptors a task uses: threads share one.
    tables: HashMap<u32, usize>,
    open: Vec<BTreeMap<u32, Open>>,
    /// How many tasks use each table.
    users: Vec<usize>,
    /// Who is gone.
    exited: BTreeSet<u32>,
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
    known: Known,
    /// What the calls since the last look have let go of, by number of its name.
    released: Vec<usize>,
    /// Whether the last call has closed what its task still has under another number.
    is_kept: bool,
}

impl World {
    pub(super) fn new(root: u32) -> Self {
        let mut world = Self::default();
        world.tasks.insert(root, Made { by: None, is_thread: false, order: 0, served: None });
        world.known.tasks.insert(root);
        world.tables.insert(root, 0);
        world.names = STREAMS.map(String::from).to_vec();
        let stream = |name: usize| (name as u32, Open { name, is_cloexec: false });
        world.open.push((0..STREAMS.len()).map(stream).collect());
        world.users.push(1);
        world
    }

    pub(super) fn learn_of_task(&mut self, happened: &Happened<'_>) {
        if let Some(made) = start::made(happened.event)
            && let Event::Call(call) = happened.event
        {
            let is_thread = call.args.iter().any(|arg| arg.contains("CLONE_THREAD"));
            self.known.tasks.insert(made);
            let (by, order) = (Some(happened.pid), self.tasks.len());
            self.tasks.entry(made).or_insert(Made { by, is_thread, order, served: None });
        }
    }

    pub(super) fn learn_of_ports(&mut self, event: &Event) {
        let Event::Call(call) = event else { return };
        if matches!(call.name.as_str(), "bind" | "getsockname") {
            for arg in &call.args {
                self.known.ports.extend(numbers_after(arg, "htons(").filter(|&port| port != 0));
            }
        }
        if OF_OTHERS.contains(&call.name.as_str())
            && let Outcome::Returned(value, _) = &call.outcome
        {
            self.known.others.extend(value.parse::<u32>().ok().filter(|id| *id > 1));
        }
        if MEETINGS.contains(&call.name.as_str()) {
            for arg in &call.args {
                self.known.clients.extend(numbers_after(arg, "htons(").filter(|&port| port != 0));
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
            let peer = what.rsplit_once("->").and_then(|(_, peer)| peer.rsplit_once(':'));
            let port: Option<u32> =
                peer.and_then(|(_, port)| port.trim_end_matches(']').parse().ok());
            self.known.clients.extend(port);
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
                self.users.push(0);
                self.open.len() - 1
            }
        };
        self.users[table] += 1;
        self.tables.insert(pid, table);
        table
    }

    /// A descriptor of a task as a mark, to be named in the end.
    fn mark(&mut self, pid: u32, fd: u32, what: &str) -> String {
        let table = self.table(pid);
        let name = self.open[table].get(&fd).map(|open| open.name);
        // strace knows better whose connection it is, however it came here.
        let is_other = |name: usize| {
            let all = self.connections.get(what);
            all.is_some_and(|all| all.iter().all(|(_, its)| *its != name))
        };
        let name = match name.filter(|&name| !is_other(name)) {
            Some(name) => name,
            None => match self.connection(what) {
                Some(name) => {
                    self.put(pid, fd, Open { name, is_cloexec: false });
                    name
                }
                None => {
                    let stream = STREAMS.get(fd as usize).map(|name| (*name).to_owned());
                    let role = stream.unwrap_or_else(|| self.kind(what));
                    self.make(pid, fd, role, false)
                }
            },
        };
        self.mark_of(name)
    }

    /// What stands for the thing with this number.
    pub(super) fn mark_of(&self, name: usize) -> String {
        format!("{MARK}{name}{MARK}")
    }

    /// What a descriptor is called that nobody was seen to make.
    fn kind(&self, what: &str) -> String {
        named_in(&kind(what), &self.known, 0.0, true)
    }

    fn make(&mut self, pid: u32, fd: u32, role: String, is_cloexec: bool) -> usize {
        self.names.push(role);
        let name = self.names.len() - 1;
        self.put(pid, fd, Open { name, is_cloexec });
        name
    }

    fn put(&mut self, pid: u32, fd: u32, open: Open) {
        let table = self.table(pid);
        let former = self.open[table].insert(fd, open);
        self.released.extend(former.map(|former| former.name));
    }

    /// Closes those of a task's descriptors that are meant.
    fn close(&mut self, pid: u32, is_meant: impl Fn(u32, Open) -> bool) {
        let table = self.table(pid);
        let released = &mut self.released;
        self.open[table].retain(|&fd, open| {
            let is_closed = is_meant(fd, *open);
            released.extend(is_closed.then_some(open.name));
            !is_closed
        });
    }

    /// A task is gone; with the last one that uses a table all in it is closed.
    pub(super) fn exit(&mut self, pid: u32) {
        let table = self.table(pid);
        if !self.exited.insert(pid) {
            return;
        }
        self.users[table] -= 1;
        if self.users[table] == 0 {
            self.released.extend(self.open[table].values().map(|open| open.name));
            self.open[table].clear();
        }
    }

    /// What has been let go of since this was asked last.
    pub(super) fn take_released(&mut self) -> Vec<usize> {
        std::mem::take(&mut self.released)
    }

    /// Whether the last call has closed what its task still has under another number.
    pub(super) fn is_kept(&self) -> bool {
        self.is_kept
    }

    /// What anybody has a descriptor for, by number of its name.
    pub(super) fn all_open(&self) -> BTreeSet<usize> {
        self.open.iter().flat_map(BTreeMap::values).map(|open| open.name).collect()
    }

    pub(super) fn call(&mut self, pid: u32, call: &Call, at: f64) -> String {
        let name = call.name.as_str();
        self.now = at + call.spent.unwrap_or(0.0);
        // The answer 6765 is nobody's id, not even where somebody has it.
        let is_data = call.args.first().is_some_and(|arg| is_data(arg));
        let mut args: Vec<String> =
            call.args.iter().map(|arg| self.plain(pid, arg, is_data)).collect();
        let first = call.args.first().and_then(|arg| descriptor(arg)).map(|(fd, _, _)| fd);
        let has_returned = matches!(call.outcome, Outcome::Returned(..));
        let says = |word: &str| call.args.iter().any(|arg| arg.contains(word));
        self.is_kept = false;
        match name {
            "listen" => self.rename(pid, first, "listenfd"),
            // The largest descriptor and one more.
            "select" | "pselect6" => args[0] = String::from("maxfd+1"),
            "close" if has_returned => {
                let table = self.table(pid);
                let name = first.and_then(|fd| self.open[table].get(&fd)).map(|open| open.name);
                self.close(pid, |fd, _| Some(fd) == first);
                let mut others = self.open[table].values();
                self.is_kept = others.any(|open| Some(open.name) == name);
            }
            "close_range" if has_returned => {
                let [low, high] = [0, 1].map(|at| {
                    call.args.get(at).and_then(|arg| arg.parse::<u32>().ok()).unwrap_or(u32::MAX)
                });
                if !says("CLOSE_RANGE_CLOEXEC") {
                    self.close(pid, |fd, _| (low..=high).contains(&fd));
                }
            }
            "execve" | "execveat" if has_returned => self.close(pid, |_, open| open.is_cloexec),
            "fcntl" if says("F_SETFD") => {
                let table = self.table(pid);
                if let Some(open) = first.and_then(|fd| self.open[table].get_mut(&fd)) {
                    open.is_cloexec = says("FD_CLOEXEC");
                }
            }
            // The new number, whatever it was before.
            "dup2" | "dup3" => {
                if let Some(arg) = call.args.get(1) {
                    let number = arg.split('<').next().unwrap_or_default();
                    args[1] = stream(number);
                }
            }
            "getrandom" => args[0] = String::from("BYTES"),
            _ if CLOCKS.contains(&name) => {
                for arg in &mut args {
                    *arg = without_numbers(arg, &["tv_usec=", "tms_utime=", "tms_stime="]);
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
            Outcome::Returned(..) if matches!(name, "time" | "times") => String::from("N"),
            Outcome::Returned(value, note) => {
                let value = self.returned(pid, call, value, at + call.spent.unwrap_or(0.0));
                // What is left of a time is nobody's doing.
                let note = note.split(", left ").next().unwrap_or_default();
                let note = self.plain(pid, note, is_data);
                if note.is_empty() { value } else { format!("{value} {note}") }
            }
            Outcome::Failed(errno) => errno.clone(),
            Outcome::Restarted(_) => String::from("interrupted, to be restarted"),
            Outcome::Never => String::from("?"),
        };
        if let Some((_, most)) = NAMERS.iter().find(|(namer, _)| *namer == name) {
            for arg in args.iter_mut().take(*most) {
                // Of a group, what it is called after.
                let (sign, number) = arg.strip_prefix('-').map_or(("", &**arg), |rest| ("-", rest));
                match number.parse::<u32>() {
                    Ok(pid) if self.tasks.contains_key(&pid) => {
                        *arg = format!("{sign}{MARK}p{pid}{MARK}");
                    }
                    Ok(pid) if pid > 1 => *arg = format!("{sign}OUTSIDE"),
                    _ => {}
                }
            }
        }
        format!("{name}({}) = {outcome}", args.join(", "))
    }

    fn returned(&mut self, pid: u32, call: &Call, value: &str, at: f64) -> String {
        let name = call.name.as_str();
        let says = |word: &str| call.args.iter().any(|arg| arg.contains(word));
        if let Some((fd, what, _)) = descriptor(value) {
            let is_cloexec = says("CLOEXEC");
            let is_copy = matches!(name, "dup" | "dup2" | "dup3") || says("F_DUPFD");
            let copied = call.args.first().filter(|_| is_copy).and_then(|arg| descriptor(arg));
            if let Some((old, _, _)) = copied {
                let table = self.table(pid);
                if let Some(&Open { name, .. }) = self.open[table].get(&old) {
                    if old != fd {
                        self.put(pid, fd, Open { name, is_cloexec });
                    }
                    let is_chosen = matches!(call.name.as_str(), "dup2" | "dup3");
                    return if is_chosen { stream(&fd.to_string()) } else { self.mark_of(name) };
                }
            }
            let role = match name {
                _ if ACCEPTS.contains(&name) => {
                    if let Some(made) = self.tasks.get_mut(&pid) {
                        made.served.get_or_insert(at);
                    }
                    let is_it = |(since, _): &&(f64, usize)| *since == at;
                    let known = self.connections.get(what).and_then(|all| all.iter().find(is_it));
                    if let Some(&(_, name)) = known {
                        self.put(pid, fd, Open { name, is_cloexec });
                        return self.mark_of(name);
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
                _ => self.kind(what),
            };
            let name = self.make(pid, fd, role, is_cloexec);
            return self.mark_of(name);
        }
        let is_namer = NAMERS.iter().any(|(namer, _)| *namer == name);
        let number = value.parse::<u32>().ok();
        let id = number.filter(|id| self.tasks.contains_key(id));
        match id {
            Some(id) if is_namer || MAKERS.contains(&name) => {
                format!("{MARK}p{id}{MARK}")
            }
            // 0 is a process outside this namespace of processes, 1 who adopts orphans.
            _ if OF_OTHERS.contains(&name) && number.is_some_and(|number| number > 1) => {
                String::from("OUTSIDE")
            }
            _ if pointer(value) == Some(value.len()) => String::from("POINTER"),
            _ => value.to_owned(),
        }
    }

    fn rename(&mut self, pid: u32, fd: Option<u32>, name: &str) {
        let table = self.table(pid);
        if let Some(open) = fd.and_then(|fd| self.open[table].get(&fd)) {
            self.names[open.name] = name.to_owned();
        }
    }

    /// An argument with marks for descriptors, names for ports, and no pointers.
    fn plain(&mut self, pid: u32, arg: &str, is_data: bool) -> String {
        let mut text = String::new();
        let mut rest = arg;
        while let Some(at) = rest.find(['<', '"']) {
            if rest.as_bytes()[at] == b'"' {
                let end = at + string(&rest[at..]);
                text.push_str(&rest[..at]);
                let said = &rest[at..end];
                if is_data {
                    text.push_str(said);
                } else {
                    text.push_str(&named_in(said, &self.known, self.now, false));
                }
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
        if text.contains("pid=") {
            text = self.ids(&text);
        }
        if has_changing(&text) { without_changing(&text, &self.known) } else { text }
    }

    /// The ids in a structure: those of the server's tasks by name, those of others as a number.
    fn ids(&self, text: &str) -> String {
        let mut pieces = text.split("pid=");
        let mut whole = String::from(pieces.next().unwrap_or_default());
        for piece in pieces {
            let length = piece.bytes().take_while(u8::is_ascii_digit).count();
            let (number, rest) = piece.split_at(length);
            whole.push_str("pid=");
            match number.parse::<u32>() {
                Ok(pid) if self.tasks.contains_key(&pid) => {
                    whole.push_str(&format!("{MARK}p{pid}{MARK}"));
                }
                Ok(pid) if pid > 1 => whole.push_str("OUTSIDE"),
                _ => whole.push_str(number),
            }
            whole.push_str(rest);
        }
        whole
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
        // A file may be called after a task.
        let names: Vec<String> =
            self.names.iter().map(|name| resolved(name, &roles, &[])).collect();
        let tasks = order.iter().map(|pid| {
            let mut steps = steps.remove(pid).unwrap_or_default();
            for step in &mut steps {
                step.text = resolved(&step.text, &roles, &names);
                step.ended.iter_mut().for_each(|thing| *thing = resolved(thing, &roles, &names));
            }
            let started = started.get(pid).copied().unwrap_or(0);
            Task { role: roles[pid].clone(), started, steps }
        });
        tasks.collect()
    }
}

/// A text with the names that its marks stand for.
fn resolved(text: &str, roles: &BTreeMap<u32, String>, names: &[String]) -> String {
    let mut pieces = text.split(MARK);
    let mut whole = String::from(pieces.next().unwrap_or_default());
    while let (Some(mark), Some(after)) = (pieces.next(), pieces.next()) {
        let name = match mark.strip_prefix('p') {
            Some(pid) => pid.parse().ok().and_then(|pid: u32| roles.get(&pid)),
            None => mark.parse().ok().and_then(|at: usize| names.get(at)),
        };
        whole.push_str(name.map_or("OUTSIDE", String::as_str));
        whole.push_str(after);
    }
    whole
}

/// What a number is called as long as nobody has given it another meaning.
fn stream(number: &str) -> String {
    let name = number.parse().ok().and_then(|number: usize| STREAMS.get(number));
    (*name.unwrap_or(&number)).to_owned()
}

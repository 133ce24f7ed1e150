//! Which design a server is: what silent clients make of its tasks, and where these wait.

use std::collections::BTreeMap;
use std::fmt;

use super::Trouble;
use super::client::{Client, End};
use super::protocol::Shape;
use super::server::{Probe, Server};
use crate::subject::watch::{self, Doing, Task};
use crate::subject::{Ending, Inetd};

/// What stands behind the clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One client after the other.
    Iterative,
    /// A process for each client.
    Forked,
    /// A process for each client, with a program of its own.
    ForkExec,
    /// A thread for each client.
    Threaded,
    /// Worker processes, a client each.
    Preforked,
    /// Worker threads, a client each.
    Prethreaded,
    /// All clients are asked in turn, whether or not they have something to say.
    Nonblocking,
    /// `select()`.
    Select,
    /// `poll()`.
    Poll,
    /// `epoll`.
    Epoll,
    /// `io_uring`.
    IoUring,
    /// A loop of events, and threads that compute.
    Hybrid,
    /// Many clients at once in one task: how can't be seen.
    Events,
    /// Many clients at once, costly requests included: how can't be seen.
    Concurrent,
    /// As many clients as there are workers, of which kind can't be seen.
    Pool,
    /// No client can be held to see: the server ends the connection of one that says nothing.
    Unknown,
    /// One datagram after the other.
    Datagrams,
    /// Several datagrams with each call.
    DatagramBatches,
}

impl Kind {
    /// Whether one task has many clients.
    pub const fn is_loop(self) -> bool {
        matches!(
            self,
            Self::Nonblocking
                | Self::Select
                | Self::Poll
                | Self::Epoll
                | Self::IoUring
                | Self::Events
        )
    }

    /// Whether there are workers with a client each.
    pub const fn is_pool(self) -> bool {
        matches!(self, Self::Preforked | Self::Prethreaded | Self::Pool)
    }
}

/// A design as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Design {
    /// What it is.
    pub kind: Kind,
    /// How many clients it can have at once if they each take a worker; for loops, how many loops there are.
    pub workers: usize,
    /// On how many sockets it listens on its port.
    pub listeners: usize,
    /// Whether epoll tells it of changes only.
    pub is_edge_triggered: bool,
    /// Whether it ends after one request.
    pub is_single_use: bool,
    /// How a super-server of ours starts it, if one does.
    pub by_inetd: Option<Inetd>,
    /// Whether a connection can carry several requests.
    pub shape: Shape,
    /// Whether the kernel let its tasks be seen.
    pub is_seen: bool,
    /// What all that is concluded from.
    pub evidence: Vec<String>,
}

impl Design {
    /// How it was found, in words.
    pub const fn method(&self) -> &'static str {
        if self.is_seen {
            "by what the kernel shows of its tasks"
        } else {
            "by its clients alone: its tasks are hidden"
        }
    }

    /// Whether a client takes a worker that is there already.
    pub fn is_pool_or_iterative(&self) -> bool {
        self.kind == Kind::Iterative || self.kind.is_pool()
    }

    /// Why one client must make others wait, if each takes a worker of its own.
    pub fn one_at_a_time(&self) -> Option<String> {
        let workers = self.workers;
        match self.kind {
            Kind::Iterative => Some(String::from("an iterative server has one client at a time")),
            kind if kind.is_pool() => {
                Some(format!("a pool of {workers} has {workers} clients at a time"))
            }
            _ => None,
        }
    }

    /// Why a costly request must make others wait, if that is its design.
    pub fn computes_in_turn(&self) -> Option<String> {
        let of_loop = "a loop of events computes in the task that serves everybody else";
        self.one_at_a_time().or_else(|| self.kind.is_loop().then(|| String::from(of_loop)))
    }

    /// The names of socklab's designs that it could be.
    pub fn names(&self) -> &'static [&'static str] {
        match self.kind {
            Kind::Iterative => &["iterative", "timeout"],
            Kind::Forked => &["forked"],
            Kind::ForkExec => &["inetd"],
            Kind::Threaded => &["threaded"],
            Kind::Preforked => {
                &["preforked", "preforked_fcntl", "preforked_mutex", "preforked_passing"]
            }
            Kind::Prethreaded => &["prethreaded", "prethreaded_queue"],
            Kind::Nonblocking => &["nonblocking"],
            Kind::Select => &["select"],
            Kind::Poll => &["poll"],
            Kind::Epoll if self.listeners > 1 => &["reuseport"],
            Kind::Epoll if self.workers > 1 => &["epoll_shared"],
            Kind::Epoll if self.is_edge_triggered => &["epoll_edge"],
            Kind::Epoll => &["epoll", "epoll_shared", "reuseport"],
            Kind::IoUring => &["uring"],
            Kind::Hybrid => &["hybrid"],
            Kind::Datagrams if self.is_single_use => &["udp_single"],
            Kind::Datagrams => &["udp_iterative"],
            Kind::DatagramBatches => &["udp_batch"],
            Kind::Events | Kind::Concurrent | Kind::Pool | Kind::Unknown => &[],
        }
    }
}

impl fmt::Display for Design {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let workers = self.workers;
        match self.kind {
            Kind::Iterative => write!(f, "iterative"),
            Kind::Forked => write!(f, "forked: a process for each client"),
            Kind::ForkExec => write!(f, "fork and exec: a program for each client"),
            Kind::Threaded => write!(f, "threaded: a thread for each client"),
            Kind::Preforked => write!(f, "preforked: a pool of {workers} processes"),
            Kind::Prethreaded => write!(f, "prethreaded: a pool of {workers} threads"),
            Kind::Pool => write!(f, "a pool of {workers} workers"),
            Kind::Nonblocking => write!(f, "nonblocking: it asks all clients in turn"),
            Kind::Select => write!(f, "select"),
            Kind::Poll => write!(f, "poll"),
            Kind::Epoll => write!(f, "epoll"),
            Kind::IoUring => write!(f, "io_uring"),
            Kind::Hybrid => write!(f, "hybrid: a loop, and {workers} threads that compute"),
            Kind::Events => write!(f, "a loop of events"),
            Kind::Concurrent => write!(f, "concurrent: a task for each client"),
            Kind::Unknown => write!(f, "not known"),
            Kind::Datagrams => write!(f, "iterative, over UDP"),
            Kind::DatagramBatches => write!(f, "iterative, over UDP, several datagrams a call"),
        }?;
        if self.kind.is_loop() && self.workers > 1 {
            write!(f, ", {} loops", self.workers)?;
        }
        if self.listeners > 1 {
            write!(f, ", {} listening sockets (SO_REUSEPORT)", self.listeners)?;
        }
        if self.is_edge_triggered {
            write!(f, ", edge-triggered")?;
        }
        if self.is_single_use {
            write!(f, ", serves once")?;
        }
        match self.by_inetd {
            Some(Inetd::Nowait) => write!(f, ", by inetd"),
            Some(Inetd::Wait { .. }) => write!(f, ", started by inetd (wait)"),
            None => Ok(()),
        }
    }
}

/// So many silent clients are held at most: more than any usual pool has workers.
const MOST: usize = 40;

/// The calls that wait at an epoll.
const EPOLL: &[&str] = &["epoll_wait", "epoll_pwait", "epoll_pwait2"];

/// The tasks of a server at one moment.
struct Scene {
    processes: Vec<u32>,
    threads: usize,
    /// Which call, with which number of descriptors, so many tasks are blocked in.
    calls: BTreeMap<String, usize>,
    is_seen: bool,
}

impl Scene {
    fn of(server: &Server) -> Self {
        let processes = own(server);
        let tasks = watch::tasks(&processes);
        let mut scene = Self {
            threads: tasks.len() - processes.len().min(tasks.len()),
            processes,
            calls: BTreeMap::new(),
            is_seen: true,
        };
        for doing in tasks.iter().map(Task::doing) {
            match doing {
                // Which descriptor it is, each has its own.
                Doing::Blocked(call) => {
                    let name = call.name().map_or_else(|| call.to_string(), String::from);
                    let name =
                        if call.to_string().contains("nfds") { call.to_string() } else { name };
                    *scene.calls.entry(name).or_default() += 1;
                }
                Doing::Hidden => scene.is_seen = false,
                _ => {}
            }
        }
        scene
    }

    /// How many tasks are blocked in one of these calls.
    fn blocked_in(&self, names: &[&str]) -> usize {
        let is_one = |call: &str| names.iter().any(|name| call.split('(').next() == Some(name));
        self.calls.iter().filter(|(call, _)| is_one(call)).map(|(_, count)| count).sum()
    }

    fn line(&self, when: &str) -> String {
        let calls: Vec<String> =
            self.calls.iter().map(|(call, count)| format!("{count} in {call}")).collect();
        if self.processes.is_empty() {
            return String::from("between two requests there is no process");
        }
        let processes = match self.processes.len() {
            1 => String::from("1 process"),
            count => format!("{count} processes"),
        };
        let threads = match self.threads {
            0 => String::new(),
            1 => String::from(", 1 further thread"),
            count => format!(", {count} further threads"),
        };
        format!("{when}: {processes}{threads}; blocked: {}", calls.join(", "))
    }
}

/// Its processes, without those above the first one that listens which are another program: a shell that waits for it
/// is no part of its design. Where all have the socket, as inetd has given it, without one that waits for another program.
fn own(server: &Server) -> Vec<u32> {
    let mut all = server.processes();
    let listening: Vec<u32> = server
        .listeners()
        .map(|rows| rows.iter().map(|row| row.idiag_inode).collect())
        .unwrap_or_default();
    let holds = |&pid: &u32| watch::sockets(&[pid]).iter().any(|inode| listening.contains(inode));
    if let Some(first) = all.iter().position(holds) {
        let image = watch::image(all[first]);
        let below = all.split_off(first);
        all.retain(|&pid| watch::image(pid) == image);
        all.extend(below);
    }
    if server.is_started_again() && all.first().is_some_and(|&first| waits_for(first, &all)) {
        all.remove(0);
    }
    all
}

/// Whether a process does nothing but wait for another program to end.
fn waits_for(pid: u32, all: &[u32]) -> bool {
    let waits =
        |task: &Task| matches!(task.doing(), Doing::Blocked(call) if call.is(&["wait4", "waitid"]));
    let own = watch::image(pid);
    watch::tasks(&[pid]).iter().all(waits) && all.iter().any(|&other| watch::image(other) != own)
}

/// Finds out which design a fresh server is; `asks` answers, with a fresh server each time, whether a costly
/// request stalls the others (`None`: that can't be found out).
///
/// # Errors
///
/// [`Trouble::Broken`] if the server does not answer one good request, and those of the calls.
pub fn identify(
    server: &Server,
    manners: Manners,
    mut heavy_stalls: impl FnMut() -> Result<Option<bool>, Trouble>,
) -> Result<Design, Trouble> {
    server.until_at_rest()?;
    // What isn't there before its first client is looked at with that one.
    let first = match server.processes()[..] {
        [] if server.is_tcp => Some(server.connect_accepted()?),
        _ => None,
    };
    let (was_started, when) = match &first {
        Some(_) => (server.until_at_rest()?, "with the silent client that it is started for"),
        None => (false, "at rest"),
    };
    let before = Scene::of(server);
    let listeners = server.listeners()?.len();
    let mut design = Design {
        kind: Kind::Concurrent,
        workers: 1,
        listeners,
        is_edge_triggered: false,
        is_single_use: manners.is_single_use,
        by_inetd: None,
        shape: manners.shape,
        is_seen: before.is_seen,
        evidence: vec![before.line(when)],
    };
    if !server.is_tcp {
        design.listeners = 1;
        let is_batch = before.blocked_in(&["recvmmsg"]) > 0;
        design.kind = if is_batch { Kind::DatagramBatches } else { Kind::Datagrams };
        return Ok(design);
    }
    let held = if manners.speaks_first { None } else { hold_silent(server, first)? };
    let Some((silent, accepted)) = held else {
        design.kind = Kind::Unknown;
        design.evidence.push(String::from("it ends the connection of a client that says nothing"));
        return Ok(design);
    };
    server.until_at_rest()?;
    let after = Scene::of(server);
    let held = silent.len();
    design
        .evidence
        .push(after.line(&format!("with {held} silent clients, {accepted} of them accepted")));
    // Who accepts may not be who serves.
    let mut serving = 0;
    for client in &silent {
        serving += usize::from(server.held_by(client)?.is_some());
    }
    let accepted = if (1..accepted).contains(&serving) { serving } else { accepted };
    let processes = after.processes.len().saturating_sub(before.processes.len());
    let threads = after.threads.saturating_sub(before.threads);
    let plateau = accepted < held;
    // What each further one makes of it.
    let further = held - usize::from(was_started);
    let loops = [
        (Kind::Epoll, EPOLL),
        (Kind::IoUring, &["io_uring_enter"]),
        (Kind::Select, &["select", "pselect6"]),
        (Kind::Poll, &["poll", "ppoll"]),
        (Kind::Nonblocking, &["clock_nanosleep", "nanosleep"]),
    ];
    if !after.is_seen {
        design.is_seen = false;
        design.kind = match (plateau, accepted) {
            (true, 1) => Kind::Iterative,
            (true, _) => Kind::Pool,
            (false, _) => match heavy_stalls()? {
                Some(true) => Kind::Events,
                _ => Kind::Concurrent,
            },
        };
        design.workers = if plateau { accepted } else { 1 };
    } else if plateau {
        design.workers = accepted;
        let alone = before.processes.len() + before.threads == 1;
        let workers_are_processes = before.processes.len() > 1 || processes > 0;
        design.kind = match accepted {
            // It makes a task for its client, and waits for that one's end.
            0 | 1 if alone && processes > 0 => Kind::Forked,
            0 | 1 if alone && threads > 0 => Kind::Threaded,
            0 | 1 if alone => Kind::Iterative,
            _ if workers_are_processes => Kind::Preforked,
            _ if before.threads + threads > 0
                && before.threads + threads >= accepted.saturating_sub(1) =>
            {
                Kind::Prethreaded
            }
            _ => Kind::Iterative,
        };
        if matches!(design.kind, Kind::Forked | Kind::Threaded) {
            design
                .evidence
                .push(String::from("it takes the next client only when that task has ended"));
        }
    } else if processes >= further {
        // A program that is started anew finds another address for everything.
        let image = after.processes.first().and_then(|&pid| watch::image(pid));
        let others = after.processes.iter().filter(|&&pid| watch::image(pid) != image).count();
        design.kind = if others >= further { Kind::ForkExec } else { Kind::Forked };
        if others >= further {
            design.evidence.push(format!("{others} of the processes have been started by exec"));
        }
    } else if threads >= further {
        design.kind = Kind::Threaded;
    } else {
        let found = loops.iter().find(|(_, calls)| after.blocked_in(calls) > 0);
        design.kind = found.map_or(Kind::Events, |(kind, _)| *kind);
        design.workers = found.map_or(1, |(_, calls)| after.blocked_in(calls));
        if design.kind == Kind::Epoll {
            // A runtime may have loops of its own, for timers or files.
            let loops = server.tasks().iter().filter(|task| is_loop_of_sockets(task)).count();
            design.workers = if loops > 0 { loops } else { design.workers };
        }
        mechanism(&mut design, &after);
    }
    for client in silent {
        client.close();
    }
    let others = before.threads + 1 > design.workers.max(1) && before.threads > 0;
    if design.kind.is_loop() && others && design.is_seen && heavy_stalls()? == Some(false) {
        design.workers = before.threads;
        design.kind = Kind::Hybrid;
        design.evidence.push(String::from("a cheap request is answered beside a costly one"));
    }
    Ok(design)
}

/// Silent clients, this first one and others, one after the other, until the server takes no more or there are enough; and
/// how many it has taken. `None` if it ends the connection of one.
fn hold_silent(
    server: &Server,
    first: Option<Client>,
) -> Result<Option<(Vec<Client>, usize)>, Trouble> {
    let mut silent: Vec<Client> = first.into_iter().collect();
    let mut accepted = silent.len();
    while silent.len() < MOST {
        let client = server.connect()?;
        silent.push(client);
        let Some(client) = silent.last() else { break };
        let is_taken = || Ok(server.is_accepted(client)? || client.is_told()?);
        server.until_or_at_rest(server.patience, 40, is_taken)?;
        let is_taken = is_taken()?;
        for client in &mut silent {
            if client.take()?.end != End::Open {
                return Ok(None);
            }
        }
        if !is_taken {
            break;
        }
        accepted += 1;
    }
    Ok(Some((silent, accepted)))
}

/// Whether a task waits at an epoll that watches sockets.
fn is_loop_of_sockets(task: &Task) -> bool {
    let Doing::Blocked(call) = task.doing() else { return false };
    if !call.is(EPOLL) {
        return false;
    }
    let descriptors = watch::descriptors(task.pid);
    let is_socket = |fd: i32| {
        descriptors.iter().any(|(own, link)| *own == fd && watch::socket_in(link).is_some())
    };
    let info = watch::fdinfo(task.pid, call.fd()).unwrap_or_default();
    let watched = info.lines().filter_map(|line| line.strip_prefix("tfd:"));
    let mut watched = watched.filter_map(|line| line.split_whitespace().next()?.parse().ok());
    watched.any(is_socket)
}

/// What the descriptors say of the mechanism.
fn mechanism(design: &mut Design, scene: &Scene) {
    const EPOLLET: u64 = 1 << 31;
    for &pid in &scene.processes {
        for (fd, link) in watch::descriptors(pid) {
            let Some(info) = watch::fdinfo(pid, fd).filter(|_| link.starts_with("anon_inode:"))
            else {
                continue;
            };
            if link == "anon_inode:[eventpoll]" && design.kind == Kind::Epoll {
                let watched: Vec<&str> =
                    info.lines().filter(|line| line.starts_with("tfd:")).collect();
                let mask = |line: &&str| {
                    let mask = line.split_once("events:")?.1.split_whitespace().next()?;
                    u64::from_str_radix(mask, 16).ok()
                };
                let edge = watched
                    .iter()
                    .filter(|line| mask(line).is_some_and(|mask| mask & EPOLLET != 0));
                let edge = edge.count();
                design.is_edge_triggered |= edge > 1;
                let what = format!(
                    "descriptor {fd} of process {pid} is an epoll that watches {} descriptors, {edge} of them edge-triggered",
                    watched.len()
                );
                design.evidence.push(what);
            } else if link == "anon_inode:[io_uring]" {
                design.kind = Kind::IoUring;
                design.evidence.push(format!("descriptor {fd} of process {pid} is an io_uring"));
            }
        }
    }
    design.evidence.truncate(8);
}

/// How a server treats its clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Manners {
    /// Whether it ends after one request.
    pub is_single_use: bool,
    /// Whether a connection can carry several requests.
    pub shape: Shape,
    /// Whether it says its word to a client that has said nothing, and ends the connection.
    pub speaks_first: bool,
}

/// Finds out how a fresh server treats its clients.
///
/// # Errors
///
/// [`Trouble::Broken`] if it does not answer one good request.
pub fn manners(server: &Server) -> Result<Manners, Trouble> {
    let mut client = server.connect()?;
    let mut speaks_first = false;
    if server.is_tcp {
        server.until_or_at_rest(server.patience, 20, || client.is_told())?;
        let word = client.take()?;
        speaks_first = word.end != End::Open && !word.bytes.is_empty();
    }
    let (is_single_use, shape) = asked(server, client)?;
    Ok(Manners { is_single_use, shape, speaks_first })
}

/// Whether the server serves once, and whether a connection, this one, carries several requests.
fn asked(server: &Server, mut client: Client) -> Result<(bool, Shape), Trouble> {
    client.send(&server.protocol.request)?;
    let probe = server.outcome(&mut client)?;
    if probe != Probe::Right {
        return Err(Trouble::Broken(format!(
            "a good request, {}, is {}",
            super::log::quoted(&server.protocol.request),
            probe.words()
        )));
    }
    if !server.is_tcp {
        return Ok((has_ended(server)?, Shape::Persistent));
    }
    if let Some(shape) = server.protocol.shape {
        return Ok((has_ended(server)?, shape));
    }
    // It closes the connection, or ends, or waits for more.
    server.until_or_at_rest(server.patience, 20, || client.is_told())?;
    let first = client.take()?;
    if first.end != End::Open {
        return Ok((has_ended(server)?, Shape::OneShot));
    }
    client.send(&server.protocol.request)?;
    let second = client.hear(server.patience.min(std::time::Duration::from_secs(1)))?;
    let is_more = second.is_some_and(|answer| answer.bytes.len() > first.bytes.len());
    Ok((false, if is_more { Shape::Persistent } else { Shape::OneShot }))
}

/// Whether a server that has answered has ended by itself, or waits for the next one.
fn has_ended(server: &Server) -> Result<bool, Trouble> {
    if server.is_started_again() {
        return Ok(false);
    }
    let mut rested = 0;
    server.until(|| {
        // Whoever has ended is at rest too, before anybody is told.
        let is_there = !matches!(watch::state(server.pid()), None | Some('Z' | 'X'));
        rested = if is_there && server.is_at_rest() { rested + 1 } else { 0 };
        Ok(server.ended().is_some() || rested >= 20)
    })?;
    // One that has failed was not meant to.
    Ok(server.ended().and_then(Ending::status).is_some_and(|status| status.success()))
}

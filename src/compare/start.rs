//! What a command does before it is a server: the loader, an interpreter, a script that looks for the
//! interpreter. None of that is compared.

use std::collections::{BTreeMap, BTreeSet};

use super::normalise::{Happened, Made, descriptor};
use super::parse::{Call, Event, Outcome};

/// Where the start of a command ends, and who took part in nothing else.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Start {
    /// How many of the events belong to it.
    pub length: usize,
    /// The process that everybody who has a socket comes from.
    pub server: u32,
    /// The processes that were there before and never had one of those sockets.
    pub helpers: BTreeSet<u32>,
}

/// The start ends with the call that makes the first socket of the internet that is bound to a port or
/// listens; where there is none, with the first of the internet; without one there is no start. The sockets
/// of a name service or of the system's log (AF_UNIX, AF_NETLINK) are none of these.
pub(super) fn find(events: &[Happened<'_>], tasks: &BTreeMap<u32, Made>, root: u32) -> Start {
    let Some(length) = first_socket(events) else {
        return Start { server: root, ..Start::default() };
    };
    let (before, after) = events.split_at(length);
    let leader = |pid| leader(tasks, pid);
    let having: BTreeSet<u32> = after
        .iter()
        .filter(|happened| matches!(happened.event, Event::Call(call) if is_of_the_internet(call)))
        .map(|happened| leader(happened.pid))
        .collect();
    let lineages: Vec<Vec<u32>> = having.iter().map(|&pid| lineage(tasks, pid)).collect();
    let is_common = |pid: &&u32| lineages.iter().all(|lineage| lineage.contains(pid));
    let server = lineages.first().and_then(|lineage| lineage.iter().find(is_common));
    let server = server.copied().unwrap_or(root);

    let alive: BTreeSet<u32> = after.iter().map(|happened| happened.pid).collect();
    let mut old: BTreeSet<u32> = before.iter().map(|happened| happened.pid).collect();
    old.extend(before.iter().filter_map(|happened| made(happened.event)));
    let helpers = old.into_iter().filter(|&pid| {
        let process = leader(pid);
        !alive.contains(&pid) || process != server && !having.contains(&process)
    });
    Start { length, server, helpers: helpers.filter(|&pid| pid != server).collect() }
}

/// The place of the call that makes the first socket that clients can reach.
fn first_socket(events: &[Happened<'_>]) -> Option<usize> {
    // Those of the internet: their place, their number, what strace says of them.
    let mut sockets: Vec<(usize, u32, &str)> = Vec::new();
    let mut reachable: Option<usize> = None;
    for (at, happened) in events.iter().enumerate() {
        let Event::Call(call) = happened.event else { continue };
        match (call.name.as_str(), &call.outcome) {
            ("socket", Outcome::Returned(value, _)) if is_of_the_internet(call) => {
                let number = value.split('<').next().and_then(|number| number.parse().ok());
                let what = descriptor(value).map_or("", |(_, what, _)| what);
                sockets.extend(number.map(|number| (at, number, what)));
            }
            ("bind" | "listen", Outcome::Returned(..)) => {
                let Some(arg) = call.args.first() else { continue };
                let (number, what) = match descriptor(arg) {
                    Some((number, what, _)) => (Some(number), what),
                    None => (arg.parse().ok(), ""),
                };
                // As long as it has no address it is named after its inode.
                let is_it = |&&(_, other, named): &&(usize, u32, &str)| {
                    Some(other) == number && (what == named || !is_inode(what))
                };
                let made = sockets.iter().rev().find(is_it).map(|socket| socket.0);
                reachable = [reachable, made].into_iter().flatten().min();
            }
            _ => {}
        }
    }
    reachable.or(sockets.first().map(|socket| socket.0))
}

/// `TCP:[12345]`, and not `TCP:[127.0.0.1:9000]`.
fn is_inode(what: &str) -> bool {
    let inode = what.split_once(":[").and_then(|(_, inode)| inode.strip_suffix(']'));
    inode.is_some_and(|inode| inode.bytes().all(|byte| byte.is_ascii_digit()))
}

fn is_of_the_internet(call: &Call) -> bool {
    const OPEN: &[&str] = &["<TCP:", "<TCPv6:", "<UDP:", "<UDPv6:"];
    let is_made = call.name == "socket"
        && call.args.first().is_some_and(|family| matches!(&**family, "AF_INET" | "AF_INET6"));
    let is_open = |text: &String| OPEN.iter().any(|open| text.contains(open));
    is_made || call.args.iter().any(is_open)
}

/// Whom a call has made.
pub(super) fn made(event: &Event) -> Option<u32> {
    const MAKERS: &[&str] = &["clone", "clone3", "fork", "vfork"];
    match event {
        Event::Call(Call { name, outcome: Outcome::Returned(value, _), .. })
            if MAKERS.contains(&name.as_str()) =>
        {
            value.parse().ok()
        }
        _ => None,
    }
}

/// The process that a thread belongs to.
fn leader(tasks: &BTreeMap<u32, Made>, pid: u32) -> u32 {
    let mut pid = pid;
    while let Some(Made { by: Some(by), is_thread: true, .. }) = tasks.get(&pid) {
        pid = *by;
    }
    pid
}

/// A process, the one that made it, and so on.
fn lineage(tasks: &BTreeMap<u32, Made>, pid: u32) -> Vec<u32> {
    let mut lineage = vec![pid];
    let mut last = pid;
    while let Some(by) = tasks.get(&last).and_then(|made| made.by) {
        last = leader(tasks, by);
        // A number may have been given a second time.
        if lineage.contains(&last) {
            break;
        }
        lineage.push(last);
    }
    lineage
}

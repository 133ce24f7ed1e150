//! What the descriptors of a server say of the way in which it waits.

use super::kind::{Design, Kind};
use super::scene::Scene;
use crate::examine::server::Server;
use crate::subject::watch::{self, Doing, Task};

/// The calls that wait at an epoll.
const EPOLL: &[&str] = &["epoll_wait", "epoll_pwait", "epoll_pwait2"];
/// The calls in which one task waits for many clients.
const LOOPS: &[(Kind, &[&str])] = &[
    (Kind::Epoll, EPOLL),
    (Kind::IoUring, &["io_uring_enter"]),
    (Kind::Select, &["select", "pselect6"]),
    (Kind::Poll, &["poll", "ppoll"]),
    (Kind::Nonblocking, &["clock_nanosleep", "nanosleep"]),
];
const EPOLLET: u64 = 1 << 31;
/// `IORING_OP_ACCEPT` and `IORING_OP_RECV`, of io_uring_enter(2).
const ON_CLIENTS: [u32; 2] = [13, 27];

/// Which loop has the clients, and how many such loops there are.
pub(super) fn tell(design: &mut Design, scene: &Scene, server: &Server) {
    // A runtime may have loops of its own, for timers or files.
    let of_sockets = server.tasks().iter().filter(|task| is_loop_of_sockets(task)).count();
    let mut waiting = LOOPS.iter().filter(|(_, calls)| scene.blocked_in(calls) > 0);
    let first = waiting.next();
    let found = match first {
        Some((Kind::Epoll, _)) if of_sockets == 0 => waiting.next().or(first),
        first => first,
    };
    design.kind = found.map_or(Kind::Events, |(kind, _)| *kind);
    design.workers = match found {
        Some((Kind::Epoll, _)) if of_sockets > 0 => of_sockets,
        Some((_, calls)) => scene.blocked_in(calls),
        None => 1,
    };
    for &pid in &scene.processes {
        for (fd, link) in watch::descriptors(pid) {
            let Some(info) = watch::fdinfo(pid, fd) else { continue };
            if link == "anon_inode:[io_uring]" {
                ring(design, &info, &format!("descriptor {fd} of process {pid}"), of_sockets);
            } else if link == "anon_inode:[eventpoll]" && design.kind == Kind::Epoll {
                epoll(design, &info, &format!("descriptor {fd} of process {pid}"));
            }
        }
    }
    design.evidence.truncate(8);
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

fn epoll(design: &mut Design, info: &str, name: &str) {
    let watched: Vec<&str> = info.lines().filter(|line| line.starts_with("tfd:")).collect();
    let is_edge = |line: &&&str| {
        let mask = line.split_once("events:").and_then(|(_, rest)| rest.split_whitespace().next());
        let mask = mask.and_then(|mask| u64::from_str_radix(mask, 16).ok());
        mask.is_some_and(|mask| mask & EPOLLET != 0)
    };
    let edge = watched.iter().filter(is_edge).count();
    design.is_edge_triggered |= edge > 1;
    let all = watched.len();
    design.evidence.push(format!(
        "{name} is an epoll that watches {all} descriptors, {edge} of them edge-triggered"
    ));
}

/// A ring may be there for files alone, beside a loop that has the clients.
fn ring(design: &mut Design, info: &str, name: &str, of_sockets: usize) {
    let op = |line: &str| -> Option<u32> {
        let (_, rest) = line.trim().split_once("op=")?;
        rest.split(',').next()?.trim().parse().ok()
    };
    let asked = info.lines().filter_map(op).filter(|op| ON_CLIENTS.contains(op)).count();
    let has_another = match design.kind {
        Kind::Epoll => of_sockets > 0,
        Kind::Select | Kind::Poll | Kind::Nonblocking => true,
        _ => false,
    };
    if asked > 0 || !has_another {
        design.kind = Kind::IoUring;
        design.evidence.push(format!("{name} is an io_uring, {asked} accept and recv under way"));
    } else {
        design.evidence.push(format!("{name} is an io_uring, at which no client is waited for"));
    }
}

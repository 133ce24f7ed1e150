//! E7: children that keep the listening socket.

use crate::examine::design::Kind;
use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};
use crate::subject::watch;

pub(in crate::examine) const CHECK: Check = Check {
    id: "E7",
    name: "listening socket in children",
    does: "holds three silent clients, each with a process of its own",
    sees: "whether these processes have the listening socket among their descriptors",
    matters: "as long as one child has it, the port is taken: when the server has ended, clients still connect, nobody accepts \
              them, and a new server can't bind",
    remedy: "close(listenfd) in the child, first of all; or SOCK_CLOEXEC where a program is executed",
    source: "slide 'Forked server'; fork(2); UNIX Network Programming 4.8",
    over: Over::Tcp,
    is_quick: true,
    on_running: OnRunning::Made,
    run,
};

/// How many clients are held, if it takes so many at once.
const CLIENTS: usize = 3;

fn run(exam: &Exam) -> Result<Outcome, Trouble> {
    if exam.is_single_use()? {
        return Ok(Outcome::not_applicable("it serves once"));
    }
    if let Some(outcome) = exam.speaks_first()? {
        return Ok(outcome);
    }
    let design = exam.design()?;
    if !matches!(design.kind, Kind::Forked | Kind::ForkExec) {
        return Ok(Outcome::not_applicable(format!("no process is made for a client: {design}")));
    }
    let server = exam.start()?;
    server.until_at_rest()?;
    let before = server.processes();
    let mut silent = vec![server.connect_accepted()?];
    while silent.len() < CLIENTS {
        let client = server.connect()?;
        server.until_or_at_rest(server.patience, 40, || server.is_accepted(&client))?;
        if !server.is_accepted(&client)? {
            // It takes one after the other.
            break;
        }
        silent.push(client);
    }
    let made =
        || server.processes().into_iter().filter(|pid| !before.contains(pid)).collect::<Vec<u32>>();
    if !server.until(|| Ok(made().len() >= silent.len()))? || !server.until_at_rest()? {
        return Err(Trouble::Broken(String::from(
            "the children of silent clients are not to be seen",
        )));
    }
    let listening: Vec<u32> = server.listeners()?.iter().map(|row| row.idiag_inode).collect();
    let holds = |pid: u32| {
        let fds = watch::descriptors(pid);
        let found = fds.iter().find(|(_, link)| {
            watch::socket_in(link).is_some_and(|inode| listening.contains(&inode))
        });
        found.map(|(fd, link)| format!("process {pid} has {link} as descriptor {fd}"))
    };
    let children = made();
    if children.iter().all(|&pid| watch::descriptors(pid).is_empty()) {
        return Err(Trouble::Blocked(String::from("the system hides the children's descriptors")));
    }
    let lines: Vec<String> = children.iter().filter_map(|&pid| holds(pid)).collect();
    let count = children.len();
    Ok(if lines.is_empty() {
        let children: Vec<String> = children.iter().map(u32::to_string).collect();
        let sockets: Vec<String> =
            listening.iter().map(|inode| format!("socket:[{inode}]")).collect();
        let (children, sockets) = (children.join(", "), sockets.join(", "));
        Outcome::pass(format!("none of {count} children has the listening socket"))
            .with(format!("processes {children}: {sockets} is among the descriptors of none"))
    } else {
        let what = format!("{} of {count} children have the listening socket", lines.len());
        Outcome::fail(what).with_all(lines)
    })
}

//! C4: what its descriptors are.

use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};
use crate::report::Verdict;
use crate::subject::watch::{descriptors, fdinfo, flags, socket_in};

pub(in crate::examine) const CHECK: Check = Check {
    id: "C4",
    name: "mechanism",
    does: "looks at the descriptors of the server",
    sees: "what each is open on, what an epoll watches, which operations of an io_uring wait, whether the listening socket blocks",
    matters: "an epoll or an io_uring is a descriptor and can be seen; so can O_NONBLOCK, without which a loop of events can \
              be made to wait in accept()",
    remedy: "in a loop of events set O_NONBLOCK on the listening socket: a client may be gone before it is accepted",
    source: "slide 'Non-blocking sockets'; proc_pid_fdinfo(5); UNIX Network Programming 16.6",
    over: Over::Tcp,
    is_quick: true,
    on_running: OnRunning::Made,
    run,
};

const O_NONBLOCK: u32 = 0o4000;

fn run(exam: &Exam) -> Result<Outcome, Trouble> {
    let design = exam.design()?;
    let server = exam.start()?;
    server.until_at_rest()?;
    let listening: Vec<u32> = server.listeners()?.iter().map(|row| row.idiag_inode).collect();
    let (mut found, mut evidence, mut blocks) = (Vec::new(), Vec::new(), None);
    for pid in server.processes() {
        for (fd, link) in descriptors(pid) {
            if let Some(name) = link.strip_prefix("anon_inode:") {
                let info = fdinfo(pid, fd).unwrap_or_default();
                evidence.push(format!("descriptor {fd} of process {pid} is {name}"));
                evidence.extend(watched(&info).take(4));
                found.push(name.trim_matches(['[', ']']).to_owned());
            } else if socket_in(&link).is_some_and(|inode| listening.contains(&inode)) {
                let Some(flags) = flags(pid, fd) else { continue };
                let does_block = flags & O_NONBLOCK == 0;
                blocks = Some(blocks.unwrap_or(false) || does_block);
                let how = if does_block { "blocks" } else { "does not block" };
                evidence.push(format!("the listening socket, descriptor {fd} of process {pid}, {how} (flags {flags:o})"));
            }
        }
    }
    let Some(blocks) = blocks else {
        return Err(Trouble::Blocked(String::from(
            "the server's descriptors may not be looked at",
        )));
    };
    found.sort();
    found.dedup();
    evidence.truncate(12);
    let mechanism = if found.is_empty() { String::from("sockets alone") } else { found.join(", ") };
    let how = if blocks { "blocks" } else { "does not block" };
    let what = format!("{mechanism}; the listening socket {how}");
    let is_weak = blocks
        && design.kind.is_loop()
        && !matches!(design.kind, crate::examine::design::Kind::IoUring);
    let verdict = if is_weak { Verdict::Weak } else { Verdict::Info };
    Ok(Outcome::new(verdict, what).with_all(evidence))
}

/// What an epoll watches, and of an io_uring the thread that submits, if there is one, and the operations that wait.
fn watched(info: &str) -> impl Iterator<Item = String> {
    const LINES: [&str; 3] = ["tfd:", "SqThread:", "op="];
    let lines = info.lines().map(str::trim_start);
    let lines = lines.filter(|line| LINES.iter().any(|start| line.starts_with(start)));
    lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_watched() {
        let epoll = "pos:\t0\nflags:\t02\ntfd:        3 events:       19 data:                3  pos:0 ino:8 sdev:9\n";
        assert_eq!(
            watched(epoll).collect::<Vec<_>>(),
            ["tfd: 3 events: 19 data: 3 pos:0 ino:8 sdev:9"]
        );
        let ring = "SqTail:\t2\nSqThread:\t-1\nSqThreadCpu:\t-1\nPollList:\n  op=13, task_works=0\n  op=27, task_works=0\n\
                    CqOverflowList:\n";
        assert_eq!(
            watched(ring).collect::<Vec<_>>(),
            ["SqThread: -1", "op=13, task_works=0", "op=27, task_works=0"]
        );
    }
}

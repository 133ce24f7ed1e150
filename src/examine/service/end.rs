//! B2: after the answer, the end.

use crate::examine::client::{Client, End};
use crate::examine::design::Kind;
use crate::examine::protocol::Shape;
use crate::examine::server::Server;
use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};
use crate::subject::watch;

pub(in crate::examine) const CHECK: Check = Check {
    id: "B2",
    name: "end of file after the answer",
    does: "asks, and reads until the end",
    sees: "the bytes, and how the connection ends",
    matters: "a client that reads until the end of file waits for ever if somebody still has the connected socket: a \
              loop or a thread that does not close it, or one of two processes after fork()",
    remedy: "close the connected socket once the answer is sent, in every process that has it",
    source: "slide 'Forked server'; UNIX Network Programming 4.8; close(2)",
    over: Over::Tcp,
    is_quick: true,
    on_running: OnRunning::Made,
    run,
};

fn run(exam: &Exam) -> Result<Outcome, Trouble> {
    if exam.shape()? == Shape::Persistent {
        return Ok(Outcome::not_applicable("a connection stays open for further requests"));
    }
    let server = exam.start()?;
    let mut client = server.connect()?;
    client.send(&server.protocol.request)?;
    server.until(|| Ok(client.take()?.end != End::Open))?;
    let answer = client.take()?;
    Ok(match answer.end {
        End::Eof if server.protocol.is_right(&answer.bytes) => {
            Outcome::pass("the answer, then the end of file")
        }
        End::Open if server.protocol.is_right(&answer.bytes) => {
            let holders = holders(&server, &client)?;
            let scene = server.scene();
            drop(server);
            let outcome = Outcome::fail(
                "the answer comes, but no end of file: somebody still has the connected socket",
            )
            .with(answer.words())
            .with_all(holders)
            .with_all(scene);
            match exam.design().ok().and_then(|design| remedy(design.kind)) {
                Some(remedy) => outcome.mended_by(remedy),
                None => outcome,
            }
        }
        _ => Outcome::fail(format!("the answer is {}", answer.words())),
    })
}

/// Who has a client's connection open, a line each.
fn holders(server: &Server, client: &Client) -> Result<Vec<String>, Trouble> {
    let Some(inode) = server.row(client)?.map(|row| row.idiag_inode).filter(|&inode| inode != 0)
    else {
        return Ok(Vec::new());
    };
    let of = |pid| {
        let fds = watch::descriptors(pid).into_iter();
        let own = fds.filter(move |(_, link)| watch::socket_in(link) == Some(inode));
        own.map(move |(fd, _)| format!("process {pid} has it open, as descriptor {fd}"))
    };
    Ok(server.processes().into_iter().flat_map(of).collect())
}

/// Who is to close it, in a design of this kind; nothing where that can't be told.
const fn remedy(kind: Kind) -> Option<&'static str> {
    Some(match kind {
        Kind::Iterative => {
            "close the connected socket once the answer is sent, before the next accept()"
        }
        Kind::Forked | Kind::ForkExec => {
            "close the connected socket in both processes: in the parent right after fork(), in the child at its end"
        }
        Kind::Preforked => {
            "let the worker close the connected socket once the answer is sent; where the parent hands it over, let that \
             close its copy"
        }
        Kind::Threaded | Kind::Prethreaded => {
            "let the thread that serves a client close its socket once the answer is sent: the threads share one \
             descriptor, and nobody else is to close it; shutdown(SHUT_WR) ends the answer where it has to stay open"
        }
        Kind::Select => {
            "once the answer is sent, close the connected socket and take it out of the set (FD_CLR)"
        }
        Kind::Poll => {
            "once the answer is sent, close the connected socket and take its entry out of the array"
        }
        Kind::Epoll => {
            "once the answer is sent, close the connected socket; epoll forgets it with its last descriptor"
        }
        Kind::Nonblocking => {
            "once the answer is sent, close the connected socket and take it off the list of those that are asked"
        }
        Kind::IoUring => {
            "once the answer is sent, close the connected socket: close(), or IORING_OP_CLOSE; a request that is under way \
             holds it too"
        }
        Kind::Hybrid
        | Kind::Events
        | Kind::Concurrent
        | Kind::Pool
        | Kind::Datagrams
        | Kind::DatagramBatches
        | Kind::Unknown => return None,
    })
}

//! A4: started again at once.

use crate::examine::client::End;
use crate::examine::server::Probe;
use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};
use crate::linux::sock_diag::state;
use crate::linux::tcp_info::TCP_TIME_WAIT;
use crate::posix::signal::{SIGKILL, SIGTERM};
use crate::subject;

pub(in crate::examine) const CHECK: Check = Check {
    id: "A4",
    name: "SO_REUSEADDR",
    does: "lets the server serve one client, stops it, and starts it again on the same port",
    sees: "the row in TIME_WAIT that the server's own close has left, and whether the second start can bind",
    matters: "for a minute after a connection that the server has closed first its port can't be bound again, unless it says \
              that it knows: a server that is restarted is away for that minute",
    remedy: "setsockopt(listenfd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) before bind()",
    source: "slide 'Socket options: SO_REUSEADDR'; socket(7); UNIX Network Programming 7.5",
    over: Over::Tcp,
    is_quick: true,
    on_running: OnRunning::Never,
    run,
};

fn run(exam: &Exam) -> Result<Outcome, Trouble> {
    let is_single_use = exam.is_single_use()?;
    let server = exam.start()?;
    let mut client = server.connect()?;
    client.send(&server.protocol.request)?;
    let probe = server.outcome(&mut client)?;
    if probe != Probe::Right {
        return Err(Trouble::Broken(format!("a good request is {}", probe.words())));
    }
    // Whoever closes first has the TIME_WAIT: the server by itself, or when it is stopped.
    if client.take()?.end == End::Open && !is_single_use {
        server.signal(SIGTERM)?;
        // Where it ends and says nothing, another process of it still has the connection.
        server.until_or_stuck(|| Ok(client.is_told()? || server.ended().is_some()))?;
        client.take()?;
    }
    client.close();
    if server.ended().is_none() {
        // It may have ended between the two.
        let _ = server.signal(SIGTERM);
        if !server.until_or_stuck(|| Ok(server.ended().is_some()))? {
            // So here.
            let _ = server.signal(SIGKILL);
            server.until_ended(server.patience)?;
        }
    }
    // A connection that the client has closed first is gone once the server closes it too, and never waits.
    let mut waits = false;
    server.until(|| {
        let rows = server.connections()?;
        waits = rows.iter().any(|row| state(row.idiag_state) == state(TCP_TIME_WAIT));
        Ok(waits || rows.is_empty())
    })?;
    if !waits {
        return Ok(Outcome::not_applicable(
            "the server closes no connection first: no TIME_WAIT is left",
        ));
    }
    let row = format!("port {} has a connection in TIME_WAIT", server.addr.port());
    drop(server);
    match exam.restart() {
        Ok(_again) => Ok(Outcome::pass("it can be started again at once").with(row)),
        // Not its doing.
        Err(
            trouble @ (Trouble::Call(_)
            | Trouble::Blocked(_)
            | Trouble::Subject(subject::Trouble::Start(..) | subject::Trouble::Call(_))),
        ) => Err(trouble),
        Err(trouble) => Ok(Outcome::fail(format!("the second start: {trouble}")).with(row)),
    }
}

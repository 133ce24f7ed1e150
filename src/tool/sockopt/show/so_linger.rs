//! `SO_LINGER`: a farewell, a reset, or a close that waits.

use std::thread;
use std::time::{Duration, Instant};

use super::{Demonstration, Journal};
use crate::posix::Result;
use crate::posix::poll::POLLERR;
use crate::posix::sys_socket::{MSG_NOSIGNAL, recv, send};
use crate::posix::unistd::close;
use crate::tool::loopback::*;
use crate::tool::returned::{done, said};

pub(super) const DEMONSTRATION: Demonstration = Demonstration {
    name: "SO_LINGER",
    shows: "what close() does: FIN and TIME_WAIT, or RST, or it waits",
    also: &[],
    run,
    inside: run,
};

fn run(journal: &mut Journal<'_>) -> Result<()> {
    by_default(journal)?;
    reset_at_once(journal)?;
    runs_out(journal)?;
    is_in_time(journal)
}

fn by_default(journal: &mut Journal<'_>) -> Result<()> {
    journal.case("off, the default: the connection ends with a FIN");
    let (client, server) = connected()?;
    let (near, far) = (name(&server)?, name(&client)?);
    send(&server, b"last", 0)?;
    journal.is("close() returns", done(close(server)), 0);
    let (count, then) = drain(&client);
    journal.is(
        "the peer receives",
        format!("{count} bytes, then {then}"),
        "4 bytes, then end of file",
    );
    until(|| Ok(state_between(near, far) == "FIN_WAIT2"))?;
    journal.is("this end is then in", state_between(near, far), "FIN_WAIT2");
    close(client)?;
    until(|| Ok(state_between(near, far) == "TIME_WAIT"))?;
    journal.is("and when the peer closes too, in", state_between(near, far), "TIME_WAIT");
    Ok(())
}

fn reset_at_once(journal: &mut Journal<'_>) -> Result<()> {
    journal.case("on, 0 s: the connection is reset");
    let (client, server) = connected()?;
    let (near, far) = (name(&server)?, name(&client)?);
    send(&server, b"last", 0)?;
    wait_for_bytes(&client, 4)?;
    set_linger(&server, 0)?;
    journal.is("close() returns", done(close(server)), 0);
    wait_for(&client, POLLERR)?;
    let (count, then) = drain(&client);
    journal.is(
        "the peer receives",
        format!("{count} bytes, then {then}"),
        "4 bytes, then ECONNRESET",
    );
    journal.is("its next recv()", received(recv(&client, &mut [0; 8], 0)), "0, end of file");
    journal.is("its send()", said(send(&client, b"x", MSG_NOSIGNAL)), "EPIPE");
    journal.is("what is left of this end", state_between(near, far), "none");
    close(client)?;
    journal.is("and of the peer's, once closed", state_between(far, near), "none");
    Ok(())
}

fn runs_out(journal: &mut Journal<'_>) -> Result<()> {
    journal.case("on, 1 s, and the peer does not read: close() waits in vain");
    let (client, server) = connected()?;
    set_nonblocking(&server)?;
    let queued = fill_up(&server)?;
    set_linger(&server, 1)?;
    let start = Instant::now();
    let closed = done(close(server));
    let took = start.elapsed();
    journal.is("on this non-blocking socket close() returns", closed, 0);
    let long = took >= Duration::from_millis(900);
    journal.holds("after", seconds(took), "at least 0.9 s", long);
    let (count, then) = drain(&client);
    let expected = format!("{queued} bytes, then end of file");
    journal.is(
        "what was queued is not lost: the peer receives",
        format!("{count} bytes, then {then}"),
        expected,
    );
    Ok(())
}

fn is_in_time(journal: &mut Journal<'_>) -> Result<()> {
    journal.case("on, 60 s, and the peer reads: close() waits for its acknowledgement");
    let (client, server) = connected()?;
    let (near, far) = (name(&server)?, name(&client)?);
    let queued = fill_up(&server)?;
    set_linger(&server, 60)?;
    let start = Instant::now();
    let (closed, state, took, (count, then)) = thread::scope(|scope| {
        let reader = scope.spawn(|| drain(&client));
        let closed = done(close(server));
        let took = start.elapsed();
        // Not FIN_WAIT1: whatever was sent, the FIN last, is acknowledged.
        let state = state_between(near, far);
        (closed, state, took, reader.join().unwrap_or_default())
    });
    journal.is("close() returns", closed, 0);
    journal.holds("after", seconds(took), "less than 60 s", took < Duration::from_secs(60));
    journal.is("when this end is in", state, "FIN_WAIT2");
    let expected = format!("{queued} bytes, then end of file");
    journal.is("the peer receives", format!("{count} bytes, then {then}"), expected);
    Ok(())
}

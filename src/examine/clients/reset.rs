//! D10: connections that are reset.

use super::{
    Deed, computing, half, left_out, reset, survives, until_computed, until_read, while_computing,
};
use crate::examine::server::Server;
use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};

pub(in crate::examine) const CHECK: Check = Check {
    id: "D10",
    name: "reset",
    does: "resets a connection (SO_LINGER of 0, close): at once, in the middle of a request, and while the answer is computed; \
           with a good client after each",
    sees: "whether the process lives and sleeps, and the good clients' answers",
    matters: "recv() and send() fail with ECONNRESET or EPIPE then: one client's loss, which must not end the server",
    remedy: "let an error of recv() or send() end that connection alone: close it and go on",
    source: "slide 'Error handling'; recv(2), send(2), ERRORS; socket(7), SO_LINGER; UNIX Network Programming 5.13",
    over: Over::Tcp,
    is_quick: true,
    on_running: OnRunning::Made,
    run,
};

fn run(exam: &Exam) -> Result<Outcome, Trouble> {
    if exam.is_single_use()? {
        return Ok(Outcome::not_applicable("it serves once"));
    }
    if let Some(outcome) = exam.speaks_first()? {
        return Ok(outcome);
    }
    let heavy = computing(exam)?;
    let at_once = |server: &Server| reset(server, server.connect_accepted()?);
    let half = half(exam)?;
    let midway = |server: &Server, half: &[u8]| {
        let client = server.connect_accepted()?;
        client.send(half)?;
        until_read(server, &client)?;
        reset(server, client)
    };
    let mut deeds: Vec<Deed<'_>> = vec![(String::from("a reset at once"), Box::new(at_once))];
    if let Some(half) = &half {
        let deed = move |server: &Server| midway(server, half);
        deeds.push((String::from("a reset in mid-request"), Box::new(deed)));
    }
    if let Some(heavy) = &heavy {
        let waiting = move |server: &Server| {
            while_computing(server, heavy, |client| reset(server, client))?;
            until_computed(server, heavy)
        };
        deeds.push((String::from("a reset while the answer is computed"), Box::new(waiting)));
    }
    Ok(survives(exam, &deeds)?.with_all(left_out(half.is_some(), heavy.is_some())))
}

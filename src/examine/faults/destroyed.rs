//! F11: a connection that the system ends.

use crate::examine::client::{Client, End};
use crate::examine::clients::{
    Deed, computing, half, left_out, survives, until_computed, until_read, while_computing,
};
use crate::examine::server::Server;
use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};
use crate::linux::sock_diag::{destroy, sock_diag};
use crate::posix::error::{EOPNOTSUPP, EPERM};

pub(in crate::examine) const CHECK: Check = Check {
    id: "F11",
    name: "connection destroyed",
    does: "has the kernel end the server's side of a connection (SOCK_DESTROY, as ss -K does): at once, in the middle of a request, \
           and while the answer is computed",
    sees: "whether the process lives and sleeps, and whether the next client is answered",
    matters: "recv() and send() fail with ECONNABORTED then, an error that no client can bring about: an administrator, or the end of \
              a network, does",
    remedy: "let any error of recv() or send() end that connection alone: close it and go on",
    source: "slide 'Error handling'; sock_diag(7); ss(8), -K",
    over: Over::Tcp,
    is_quick: false,
    on_running: OnRunning::Never,
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
    let at_once = |server: &Server| {
        let client = server.connect_accepted()?;
        server.settles()?;
        end(server, client)
    };
    let half = half(exam)?;
    let midway = |server: &Server, half: &[u8]| {
        let client = server.connect_accepted()?;
        client.send(half)?;
        until_read(server, &client)?;
        end(server, client)
    };
    let mut deeds: Vec<Deed<'_>> =
        vec![(String::from("the end of a silent client's connection"), Box::new(at_once))];
    if let Some(half) = &half {
        let deed = move |server: &Server| midway(server, half);
        deeds.push((String::from("the end of one in mid-request"), Box::new(deed)));
    }
    if let Some(heavy) = &heavy {
        let waiting = move |server: &Server| {
            while_computing(server, heavy, |client| end(server, client))?;
            until_computed(server, heavy)
        };
        deeds
            .push((String::from("the end of one while the answer is computed"), Box::new(waiting)));
    }
    Ok(survives(exam, &deeds)?.with_all(left_out(half.is_some(), heavy.is_some())))
}

/// Has the kernel end the server's side of a connection.
///
/// # Errors
///
/// [`Trouble::Blocked`] if it refuses; [`Trouble::Broken`] if there is no connection, or it does not end.
fn end(server: &Server, mut client: Client) -> Result<(), Trouble> {
    let Some(row) = server.row(&client)? else {
        return Err(Trouble::Broken(format!("{} has no connection any more", client.name())));
    };
    let kernel = sock_diag()?;
    destroy(&kernel, &row).map_err(|error| match error.errno() {
        EPERM | EOPNOTSUPP => Trouble::Blocked(format!("SOCK_DESTROY: {error}")),
        _ => error.into(),
    })?;
    client.say("has its connection destroyed by the kernel, on the server's side");
    let answer = client.hear(server.patience)?;
    if answer.is_some_and(|answer| answer.end == End::Reset) {
        return Ok(());
    }
    Err(Trouble::Broken(format!("the connection of {} was not reset", client.name())))
}

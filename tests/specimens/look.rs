//! What can be concluded from looks at a server: that it waits, that it spins, that it will not answer.

use std::thread::yield_now;

use nix::libc;

use crate::diag;
use crate::support::Server;
use crate::watch::{Doing, Task, state, tasks, ticks, until};
use crate::wire::{Client, End};

/// How many looks in a row have to show the same.
const LOOKS: u32 = 300;

/// How much CPU time says that somebody spins, in clock ticks: some hundred times what a request costs.
const SPIN: u64 = 30;

/// Whether a server has ended: its process is a zombie, which is ours to wait for, or gone.
pub(crate) fn has_ended(server: &Server) -> bool {
    state(server.pid()).is_none_or(|state| state == "Z")
}

/// Whether a task waits for somebody else, and not for its own time to be over.
fn waits(task: Task) -> bool {
    match task.doing() {
        Doing::Blocked(libc::SYS_poll, args) => args[2] as i32 == -1,
        Doing::Blocked(libc::SYS_rt_sigtimedwait, args) => args[2] == 0,
        Doing::Blocked(..) => true,
        Doing::Ended => state(task.tid).is_none_or(|state| state == "Z"),
        Doing::Running => false,
    }
}

/// What a server has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rest {
    /// Each task waits for somebody else.
    Waits,
    /// It uses the CPU all the time.
    Spins,
    /// It has ended.
    Ended,
}

/// Looks until a server has come to something.
pub(crate) fn settled(server: &Server) -> Rest {
    settled_or(server, || false).expect("nothing else ends it")
}

/// The same, or `None` once something is so.
pub(crate) fn settled_or(server: &Server, mut is_so: impl FnMut() -> bool) -> Option<Rest> {
    let begun = ticks(server);
    let mut looks = 0;
    let mut before = Vec::new();
    let mut rest = None;
    until("the server waits, spins or ends", || {
        if is_so() {
            return true;
        }
        let now = tasks(server);
        if has_ended(server) {
            rest = Some(Rest::Ended);
        } else if ticks(server) >= begun + SPIN {
            rest = Some(Rest::Spins);
        } else if now == before && now.iter().all(|task| waits(*task)) {
            looks += 1;
            if looks == LOOKS {
                rest = Some(Rest::Waits);
            }
        } else {
            looks = 0;
            before = now;
        }
        rest.is_some()
    });
    rest
}

/// What a client gets.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Got {
    /// An answer, or nothing, and the end of the connection.
    End(String, End),
    /// Not even a connection.
    Refused,
    /// Nothing; the server has settled without a word to this client.
    Nothing(Rest),
}

/// What a client gets who has asked.
pub(crate) fn got(server: &Server, client: &Client) -> Got {
    match settled_or(server, || client.has_answer()) {
        // Settled at the moment at which it has answered.
        Some(rest) if !client.has_answer() && rest != Rest::Ended => Got::Nothing(rest),
        _ => {
            let (answer, end) = client.read();
            Got::End(answer, end)
        }
    }
}

/// A new client with this request.
pub(crate) fn ask(server: &Server, request: &[u8]) -> Got {
    let Ok(client) = Client::connect_at_once(server.addr) else { return Got::Refused };
    // It may be gone already.
    let _ = std::io::Write::write_all(&mut &client.stream, request);
    got(server, &client)
}

/// An answer, and the end of the file.
pub(crate) fn answer(text: &str) -> Got {
    Got::End(text.to_owned(), End::Closed)
}

/// Whether a good client is served.
pub(crate) fn serves(server: &Server) -> bool {
    ask(server, b"10\n") == answer("55")
}

/// Whether somebody listens at a server's address.
pub(crate) fn is_listening(server: &Server) -> bool {
    diag::listening(server.addr).is_some()
}

/// Finds an n whose computing lasts long enough for `attempt`, which says whether it did.
pub(crate) fn while_computing(server: &Server, end: &[u8], attempt: impl Fn(Client, Task) -> bool) {
    for n in (31..45).step_by(2) {
        let client = Client::connect(server);
        client.send(format!("{n}\n").as_bytes());
        if end.is_empty() {
            client.finish();
        }
        client.until_consumed();
        let mut found = None;
        until("the server computes or has answered", || {
            found = crate::watch::computing(server);
            found.is_some() || client.has_answer()
        });
        if let Some(task) = found
            && attempt(client, task)
        {
            return;
        }
    }
    panic!("the server was never seen computing");
}

/// Yields the CPU once.
pub(crate) fn breathe() {
    yield_now();
}

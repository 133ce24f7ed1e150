//! G2: very many clients within a moment.

use std::time::Instant;

use crate::examine::client::{Client, End};
use crate::examine::counters::counter;
use crate::examine::server::Server;
use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};
use crate::linux::tcp_info::TCP_SYN_RECV;
use crate::report::Verdict;
use crate::report::plural::counted;
use crate::subject::is_end;

pub(in crate::examine) const CHECK: Check = Check {
    id: "G2",
    name: "200 clients within a moment",
    does: "begins to connect with 200 clients at once (O_NONBLOCK), and lets each ask as soon as it is connected; while as many \
           connect as the queue has room for, the server is stopped (SIGSTOP), if it bears that",
    sees: "how many are connected at once, what the kernel has turned away (ListenOverflows), and the answers",
    matters: "for whom the queue of the listening socket has no room, the kernel does not answer: it tries again after a second, \
              and after three",
    remedy: "a larger backlog: listen(listenfd, SOMAXCONN); and accept() until there is nobody left",
    source: "slide 'listen'; listen(2); tcp(7), tcp_abort_on_overflow; UNIX Network Programming 4.5",
    over: Over::Tcp,
    is_quick: false,
    on_running: OnRunning::Made,
    run,
};

const CLIENTS: usize = 200;

fn run(exam: &Exam) -> Result<Outcome, Trouble> {
    if exam.is_single_use()? {
        return Ok(Outcome::not_applicable("it serves once"));
    }
    // Whoever is fast enough would take in each before the next one comes, and is stopped meanwhile.
    let is_stopped = exam.starts_anew() && matches!(exam.harm_of_stops(), Ok(None));
    let server = exam.start()?;
    server.settles()?;
    let backlog = server.listeners()?.iter().map(|row| row.idiag_wqueue).min().unwrap_or(0);
    let before = (counter("TcpExt", "ListenOverflows")?, counter("TcpExt", "ListenDrops")?);
    let at_once = if is_stopped { CLIENTS.min(backlog as usize) } else { 0 };
    let (mut connecting, waited) = queued(&server, at_once)?;
    for _ in at_once..CLIENTS {
        connecting.extend(server.begin_connect()?);
    }
    if connecting.len() < CLIENTS {
        return Err(Trouble::Broken(format!(
            "{} of {CLIENTS} clients found a listening socket",
            connecting.len()
        )));
    }
    let (mut asking, mut answered, mut turned_away) = (Vec::new(), 0, 0);
    let mut progress = Instant::now();
    while connecting.len() + asking.len() > 0 && server.ended().is_none() {
        let left = connecting.len() + asking.len();
        let mut still = Vec::new();
        for client in connecting {
            if !client.is_connected()? {
                still.push(client);
            } else if client.until_connected()? {
                client.send(&server.protocol.request)?;
                asking.push(client);
                progress = Instant::now();
            } else {
                turned_away += 1;
            }
        }
        connecting = still;
        let mut still = Vec::new();
        for mut client in asking {
            if !client.is_told()? {
                still.push(client);
                continue;
            }
            let answer = client.take()?;
            if server.protocol.is_right(&answer.bytes) {
                answered += 1;
            } else if answer.end == End::Open {
                still.push(client);
            } else {
                let what = format!(
                    "beside 200 others {} is answered with {}",
                    client.name(),
                    answer.words()
                );
                return Ok(Outcome::fail(what));
            }
        }
        asking = still;
        if connecting.len() + asking.len() < left {
            progress = Instant::now();
            continue;
        }
        // Nobody is waited for whom the server does not have: the kernel lets those try again when a second has passed.
        let quiet = progress.elapsed();
        let is_rested = quiet > server.patience / 10 && server.is_at_rest();
        if quiet > server.patience || is_rested && arrived(&server, &asking)? == 0 {
            break;
        }
        server.pass(std::time::Duration::from_millis(1))?;
    }
    if let Some(status) = server.ended() {
        return Ok(server
            .died(status)
            .with(format!("{answered} of {CLIENTS} clients were answered")));
    }
    let unanswered = arrived(&server, &asking)?;
    let others = if exam.plan.is_alone() { "" } else { " (other servers' among them)" };
    let line = format!(
        "{waited}{answered} answered at once, {} not connected yet, {turned_away} refused; backlog {backlog}, ListenOverflows {}, \
         ListenDrops {}{others}",
        connecting.len() + asking.len() - unanswered,
        counter("TcpExt", "ListenOverflows")? - before.0,
        counter("TcpExt", "ListenDrops")? - before.1
    );
    if unanswered > 0 {
        let what = format!(
            "{} not answered in time",
            counted(unanswered, "connected client is", "connected clients are")
        );
        return Ok(Outcome::fail(what).with(line).with_all(server.scene()));
    }
    drop((connecting, asking));
    if let Some(ill) = server.ailment()? {
        return Ok(ill.with(line));
    }
    Ok(if answered == CLIENTS {
        Outcome::pass(format!("{CLIENTS} clients come at once, and all are answered"))
    } else {
        let what = format!("of {CLIENTS} clients that come at once {answered} are answered at once: the backlog is {backlog}");
        Outcome::new(Verdict::Info, what)
    }
    .with(line))
}

/// Clients that have come while the server was stopped, and how many of them were in its queue, in words.
fn queued(server: &Server, count: usize) -> Result<(Vec<Client>, String), Trouble> {
    if count == 0 {
        return Ok(Default::default());
    }
    server.while_stopped(|| {
        let mut clients: Vec<Client> = Vec::new();
        for _ in 0..count {
            clients.extend(server.begin_connect()?);
        }
        let are_there = || clients.iter().try_fold(true, |all, one| Ok(all && one.is_connected()?));
        server.until(are_there)?;
        let waiting: u32 = server.listeners()?.iter().map(|row| row.idiag_rqueue).sum();
        Ok((clients, format!("{waiting} waited in the queue when it went on; ")))
    })
}

/// How many of these are connected for the server too: a client is so when its SYN is answered, but where the queue
/// has filled up meanwhile, the kernel has dropped what completes the handshake, and the request behind it.
fn arrived(server: &Server, clients: &[Client]) -> Result<usize, Trouble> {
    let rows = server.connections()?;
    let is_there = |client: &&Client| {
        rows.iter()
            .any(|row| is_end(row, client.peer, client.addr) && row.idiag_state != TCP_SYN_RECV)
    };
    Ok(clients.iter().filter(is_there).count())
}

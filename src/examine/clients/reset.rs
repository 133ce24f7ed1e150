//! D10: connections that are reset.

use super::{
    Deed, computing, half, left_out, reset, survives, until_computed, until_read, while_computing,
};
use crate::examine::leaks::{Ground, Look, plus};
use crate::examine::server::Server;
use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};
use crate::report::Verdict;

pub(in crate::examine) const CHECK: Check = Check {
    id: "D10",
    name: "reset",
    does: "resets a connection (SO_LINGER of 0, close): at once, in the middle of a request, and while the answer is computed; \
           with a good client after each; then resets eight of each of the first two kinds, and where something has grown forty more",
    sees: "whether the process lives and sleeps, the good clients' answers, and what the resets leave: descriptors, threads, zombies",
    matters: "recv() and send() fail with ECONNRESET or EPIPE then: one client's loss, which must neither end the server nor cost \
              it anything for ever",
    remedy: "let an error of recv() or send() end that connection alone: close it and go on",
    source: "slide 'Error handling'; recv(2), send(2), ERRORS; socket(7), SO_LINGER; UNIX Network Programming 5.13",
    over: Over::Tcp,
    is_quick: true,
    on_running: OnRunning::Made,
    run,
};

/// So many resets of each kind; then so many more where something has grown: a pool that is filled when it is needed is
/// full by then.
const ROUNDS: [usize; 2] = [8, 40];
const NAMES: [&str; 3] = ["descriptors", "threads", "zombies"];
const LOOK: Look =
    |ground| Ok(vec![ground.descriptors().unwrap_or(0), ground.threads(), ground.zombies()]);
/// Of what stays open, and what else may be left.
const CLOSE: &str = "close the connected socket on every way out, an error of recv() included; end its thread, wait for its child";

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
    let cheap = deeds.len();
    if let Some(heavy) = &heavy {
        let waiting = move |server: &Server| {
            while_computing(server, heavy, |client| reset(server, client))?;
            until_computed(server, heavy)
        };
        deeds.push((String::from("a reset while the answer is computed"), Box::new(waiting)));
    }
    let outcome = survives(exam, &deeds)?.with_all(left_out(half.is_some(), heavy.is_some()));
    if outcome.verdict != Verdict::Pass {
        return Ok(outcome);
    }
    match leaves(exam, &deeds[..cheap]) {
        // That they are survived is known in any case.
        Err(Trouble::Broken(why)) => {
            Ok(outcome.with(format!("what they leave could not be counted: {why}")))
        }
        Ok(Ok(line)) => Ok(outcome.with(line)),
        Ok(Err(leak)) => Ok(leak.with(format!("otherwise {}", outcome.what))),
        Err(trouble) => Err(trouble),
    }
}

/// What is left of resets, one after the other: a line that it is nothing, or else an outcome.
fn leaves(exam: &Exam, deeds: &[Deed<'_>]) -> Result<Result<String, Outcome>, Trouble> {
    let ground = Ground::of(exam.start()?, true)?;
    let resets = |times: usize| -> Result<(), Trouble> {
        (0..times).flat_map(|_| deeds).try_for_each(|(_, deed)| deed(&ground.server))?;
        ground.rests()
    };
    // What the first ones make it set up is not left behind by them.
    resets(1)?;
    ground.server.probe()?;
    ground.rests()?;
    let mut before = LOOK(&ground)?;
    let (mut count, mut leak) = (0, Vec::new());
    for times in ROUNDS {
        count = times * deeds.len();
        resets(times)?;
        if let Some(ending) = ground.server.ended() {
            return Ok(Err(ground.server.died(ending)));
        }
        // Those of one kind would be enough; half of them may be about to be tidied up.
        let most = plus(&before, times as u64 / 2);
        let after = ground.settled(LOOK, &most)?;
        let line = |at: usize| format!("{} {} before, {} after", before[at], NAMES[at], after[at]);
        let grown = (0..NAMES.len()).filter(|&at| after[at] > most[at]);
        leak = grown.map(line).collect();
        if leak.is_empty() {
            let hidden = ground.hides().then(|| String::from("its descriptors are hidden"));
            let seen = (usize::from(hidden.is_some())..NAMES.len()).map(line);
            let lines: Vec<String> = hidden.into_iter().chain(seen).collect();
            return Ok(Ok(format!("{count} more resets: {}", lines.join("; "))));
        }
        before = after;
    }
    let what = format!("{count} clients that reset leave something behind: {}", leak.join("; "));
    Ok(Err(Outcome::fail(what).mended_by(CLOSE)))
}

//! J6: two of the same talk to each other.

use super::ONCE;
use crate::examine::counters;
use crate::examine::loose::Loose;
use crate::examine::server::Sleep;
use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};

pub(in crate::examine) const CHECK: Check = Check {
    id: "J6",
    name: "loop between two servers",
    does: "stops the server (SIGSTOP), sends it a request from a port, closes that, starts a second server of the same on that \
           port, and lets the first go on",
    sees: "how many datagrams the two exchange until both rest: InDatagrams of the network, in which there is nobody else",
    matters: "whoever answers anything answers answers too: one datagram with a forged sender makes two servers talk to each \
              other for ever, with all of the CPU and the network (CVE-2024-2169, Loop DoS)",
    remedy: "answer only what is a request and can be no answer (a fixed word), and no port below 1024",
    source: "CVE-2024-2169; RFC 862 to 868; CERT CA-1996-01",
    over: Over::Udp,
    is_quick: false,
    on_running: OnRunning::Never,
    run,
};

/// So many datagrams are no conversation that would end by itself; nor are so many if a program is started for each, which
/// takes its time.
const LOOP: u64 = 1000;
const LOOP_OF_STARTS: u64 = 40;

fn run(exam: &Exam) -> Result<Outcome, Trouble> {
    if !exam.plan.is_alone() {
        return Err(Trouble::Blocked(String::from(
            "without a network of its own other datagrams are counted too",
        )));
    }
    if exam.is_single_use()? {
        return Ok(Outcome::not_applicable(ONCE));
    }
    let first = exam.start()?;
    first.settles()?;
    let forged = Loose::open(&first.addr, first.addr.port() ^ 1, &first.log)?;
    let port = forged.addr.port();
    let second = first.while_stopped(|| {
        forged.send(&first.protocol.request, &first.addr)?;
        forged.close();
        let second = exam.start_another(port)?;
        if let Some(second) = &second {
            second.settles()?;
        }
        Ok((second, counters::udp("InDatagrams")?))
    });
    let (Some(second), before) = second? else {
        return Ok(Outcome::not_applicable(
            "it has one port only: no second one can run beside it",
        ));
    };
    let most = if exam.starts_often() { LOOP_OF_STARTS } else { LOOP };
    let exchanged = || Ok::<_, Trouble>(counters::udp("InDatagrams")?.saturating_sub(before));
    // While one is at it, the other sleeps; either may sleep before it answers.
    let (mut sleep, mut last) = (Sleep::default(), 0);
    let tasks = || [first.tasks(), second.tasks()].concat();
    let is_over = first.until_within(first.patience * 2, || {
        let count = exchanged()?;
        let is_silent = count == std::mem::replace(&mut last, count);
        let is_asleep = is_silent && first.is_at_rest() && second.is_at_rest();
        Ok(count >= most || sleep.is_long(is_asleep, tasks, first.patience))
    })?;
    let count = exchanged()?;
    let goes_on = || first.until_within(first.patience, || Ok(exchanged()? > count));
    let line = format!("{count} datagrams were read, by ports {} and {port}", first.addr.port());
    if count >= most || !is_over && goes_on()? {
        let what = format!(
            "two of it answer each other without an end: {count} datagrams for one request"
        );
        return Ok(Outcome::fail(what).with(line));
    }
    if count < 2 {
        return Err(Trouble::Broken(format!(
            "no answer reached the second server: {count} datagrams were read"
        )));
    }
    for server in [&first, &second] {
        if let Some(ill) = server.ailment()? {
            return Ok(ill.with(line).with(format!("the one on port {}", server.addr.port())));
        }
    }
    Ok(Outcome::pass("an answer is not answered: the two are silent at once").with(line))
}

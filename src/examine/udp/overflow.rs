//! J8: more datagrams than there is room for.

use std::time::Duration;

use super::ONCE;
use crate::examine::counters;
use crate::examine::loose::Loose;
use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};
use crate::report::Verdict;

pub(in crate::examine) const CHECK: Check = Check {
    id: "J8",
    name: "overflow of the receive buffer",
    does: "stops the server (SIGSTOP), sends good requests until the kernel has dropped a hundred, and lets the server go on",
    sees: "what was sent, what the kernel dropped (RcvbufErrors, and the socket's own count in /proc/net/udp), and the answers",
    matters: "UDP drops what has no room, without a word to either side; what was not dropped has to be answered",
    remedy: "read all that is there before anything that takes time; SO_RCVBUF for a larger buffer",
    source: "slide 'UDP'; udp(7); UNIX Network Programming 8.13",
    over: Over::Udp,
    is_quick: false,
    on_running: OnRunning::Never,
    run,
};

/// So many are dropped, that it is no accident.
const DROPPED: u64 = 100;
/// More than any buffer of usual size has room for.
const MOST: u64 = 100_000;

fn run(exam: &Exam) -> Result<Outcome, Trouble> {
    if !exam.plan.is_alone() {
        return Err(Trouble::Blocked(String::from(
            "without a network of its own other datagrams are counted too",
        )));
    }
    if exam.is_single_use()? {
        return Ok(Outcome::not_applicable(ONCE));
    }
    let server = exam.start()?;
    server.settles()?;
    let client = Loose::open(&server.addr, 0, &server.log)?;
    let before = counters::udp("RcvbufErrors")?;
    let dropped = || Ok::<_, Trouble>(counters::udp("RcvbufErrors")?.saturating_sub(before));
    let inodes: Vec<u32> = server.listeners()?.iter().map(|row| row.idiag_inode).collect();
    let mut drops = 0;
    let (sent, lost) = server.while_stopped(|| {
        let mut sent = 0;
        while dropped()? < DROPPED && sent < MOST {
            for _ in 0..10 {
                client.send_unsaid(&server.protocol.request, &server.addr)?;
                sent += 1;
            }
        }
        drops = counters::drops(&inodes);
        Ok((sent, dropped()?))
    })?;
    if lost < DROPPED {
        return Err(Trouble::Broken(format!("{sent} datagrams had room: nothing was dropped")));
    }
    let waited = sent - lost;
    let mut answered = 0;
    // Of the answers the kernel may drop some too, where they come faster than they are read.
    server.until_or_stuck(|| {
        while client.hear_unsaid(Duration::ZERO)?.is_some() {
            answered += 1;
        }
        Ok(server.ended().is_some() || answered + dropped()? - lost >= waited)
    })?;
    let missed = dropped()? - lost;
    let line = format!(
        "{sent} sent, {lost} dropped (RcvbufErrors; {drops} by its socket), {waited} waited; {answered} answers, {missed} more \
         were dropped unread"
    );
    server.log.say(&line);
    if let Some(ill) = server.ailment()? {
        return Ok(ill.with(line));
    }
    Ok(if answered + missed >= waited {
        Outcome::pass(format!("of {sent} requests {lost} had no room, and all others are answered"))
    } else {
        let what = format!("of {waited} requests that had room {answered} are answered");
        Outcome::new(Verdict::Info, what)
    }
    .with(line))
}

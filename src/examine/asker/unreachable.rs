//! K2: nobody listens, over UDP.

use super::complaint;
use super::exam::{ClientExam, Counter};
use crate::examine::{Check, OfClient, OnRunning, Outcome, Over, Trouble};
use crate::report::Verdict;

pub(in crate::examine) const CHECK: Check<OfClient> = Check {
    id: "K2",
    name: "closed port over UDP",
    does: "starts the client where no socket has its server's port: its datagram is answered with ICMP, port unreachable",
    sees: "whether it ends and says so, or waits for an answer that can't come",
    matters: "the kernel tells only a connected socket (or one with IP_RECVERR) of an ICMP error: another waits until its time is over, or for ever",
    remedy: "connect() the socket of UDP, then send() and recv(); ECONNREFUSED is the server's absence: perror(\"recv\"), exit(1)",
    source: "slide 'Return to sender'; udp(7), error handling; UNIX Network Programming 8.9, 8.11",
    over: Over::Udp,
    is_quick: true,
    on_running: OnRunning::Never,
    run,
};

fn run(exam: &ClientExam) -> Result<Outcome, Trouble> {
    let refused = exam.refuse(&Counter::UDP)?;
    let told = format!("{} of Udp: {}", Counter::UDP.name, refused.times);
    let run = &refused.run;
    let is_told = String::from_utf8_lossy(&run.stderr).to_lowercase();
    let is_told = ["refused", "errno 111", "os error 111", "unreachable"]
        .iter()
        .any(|word| is_told.contains(word));
    let outcome = complaint(run, "where no socket has the port").with(told);
    if is_told || run.spinning.is_some() {
        return Ok(outcome);
    }
    let what = match run.status {
        None => format!(
            "it is not told that the port is closed, and waits: it has not ended within {} s",
            run.patience.as_secs_f32()
        ),
        Some(_) if outcome.verdict == Verdict::Fail => return Ok(outcome),
        Some(status) => format!(
            "it is not told that the port is closed, and ends ({status}) with another reason: {}",
            run.complaint()
        ),
    };
    Ok(Outcome { verdict: Verdict::Fail, what, ..outcome }.with_all(refused.seen))
}

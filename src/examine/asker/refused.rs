//! K1: nobody listens, over TCP.

use super::complaint;
use super::exam::{ClientExam, Counter};
use crate::examine::{Check, OfClient, OnRunning, Outcome, Over, Trouble};
use crate::report::Verdict;

pub(in crate::examine) const CHECK: Check<OfClient> = Check {
    id: "K1",
    name: "closed port",
    does: "starts the client where nobody listens: its SYN is answered with RST",
    sees: "whether it ends, with which status, and whether standard error says why; how often it has tried",
    matters: "whoever gets status 0 takes nothing for an answer, and whoever gets no word looks for the fault elsewhere",
    remedy: "after connect() has failed with ECONNREFUSED on every address: perror(\"connect\"), exit(1)",
    source: "slide 'Return to sender'; connect(2), ECONNREFUSED; UNIX Network Programming 4.3",
    over: Over::Tcp,
    is_quick: true,
    on_running: OnRunning::Never,
    run,
};

fn run(exam: &ClientExam) -> Result<Outcome, Trouble> {
    let refused = exam.refuse(&Counter::TCP)?;
    let tried = format!("{} of Tcp: {}", Counter::TCP.name, refused.times);
    if refused.run.status.is_none() && refused.run.spinning.is_none() {
        let within = refused.run.patience.as_secs_f32();
        let what = format!("it knocks for ever: {} times in {within} s", refused.times);
        return Ok(Outcome::fail(what).with(tried).with_all(refused.run.scene));
    }
    let outcome = complaint(&refused.run, "where nobody listens").with(tried);
    if outcome.verdict == Verdict::Pass && !says_why(&refused.run.stderr) {
        let what = format!("it does not say that nobody listens, but: {}", refused.run.complaint());
        return Ok(Outcome { verdict: Verdict::Weak, what, ..outcome });
    }
    Ok(outcome)
}

/// The words of a failed connection.
const WHY: &[&str] =
    &["refused", "connect", "errno 111", "os error 111", "unreachable", "no answer"];

fn says_why(stderr: &[u8]) -> bool {
    let text = String::from_utf8_lossy(stderr).to_lowercase();
    WHY.iter().any(|word| text.contains(word))
}

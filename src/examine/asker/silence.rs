//! K5: a server that says nothing.

use super::complaint;
use super::exam::ClientExam;
use crate::examine::{Check, OfClient, OnRunning, Outcome, Over, Trouble};
use crate::report::Verdict;

pub(in crate::examine) const CHECK: Check<OfClient> = Check {
    id: "K5",
    name: "silence",
    does: "takes the request, and says nothing for as long as --wait allows",
    sees: "whether the client gives up with a failure and says so; else in which call it is blocked",
    matters: "a server that hangs, or a datagram that is lost, is told to nobody: without a limit of its own a client waits for ever",
    remedy: "SO_RCVTIMEO, or poll() with a time before each recv(), or alarm(); over UDP ask again a few times first",
    source: "slide 'Not to block (for too long): timeouts'; socket(7), SO_RCVTIMEO; UNIX Network Programming 14.2, 8.7",
    over: Over::Both,
    is_quick: false,
    on_running: OnRunning::Never,
    run,
};

fn run(exam: &ClientExam) -> Result<Outcome, Trouble> {
    let run = if exam.is_tcp() {
        exam.serve(|_client, _connection| Ok(()))?
    } else {
        exam.hear(|_client, _door, _datagram| Ok(()))?
    };
    let times = if run.asked == 1 { "once".into() } else { format!("{} times", run.asked) };
    let line = format!("it has asked {times}");
    // Whoever waits for longer than this waits for a longer limit; a shorter one has passed, and nothing came of it.
    if let (None, None, Some((limit, by))) = (run.status, run.spinning, run.limit)
        && limit > run.patience
    {
        let (limit, wait) = (limit.as_secs_f32(), limit.as_secs() + 2);
        let what =
            format!("it waits for up to {limit} s ({by}): --wait {wait} tells what it does then");
        return Ok(Outcome::new(Verdict::Info, what).with_all(run.scene).with(line));
    }
    Ok(complaint(&run, "when the server says nothing").with(line))
}

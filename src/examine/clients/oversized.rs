//! D6: a line without an end.

use super::reply;
use crate::examine::client::End;
use crate::examine::server::Server;
use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};
use crate::report::Verdict;
use crate::subject::watch;

pub(in crate::examine) const CHECK: Check = Check {
    id: "D6",
    name: "oversized line",
    does: "sends 100 kB without a newline; to a server that still waits for one then, 2 MiB more; then leaves",
    sees: "whether the client is refused or cut, how much memory the server uses, and whether it is well after that",
    matters: "who keeps all that comes until there is a newline gives every client as much memory as it likes",
    remedy: "give the line a longest length (a request has 3 bytes), and refuse or close beyond it",
    source: "slide 'recv'; UNIX Network Programming 3.9, readline; CWE-770, allocation without limits",
    over: Over::Tcp,
    is_quick: true,
    on_running: OnRunning::Made,
    run,
};

const LONG: usize = 100_000;
const LONGER: usize = 2 << 20;

fn run(exam: &Exam) -> Result<Outcome, Trouble> {
    if exam.is_single_use()? {
        return Ok(Outcome::not_applicable("it serves once"));
    }
    if let Some(outcome) = exam.speaks_first()? {
        return Ok(outcome);
    }
    let server = exam.start()?;
    let byte = if server.protocol.is_fibonacci { b'0' } else { b'x' };
    let mut client = server.connect_accepted()?;
    let at_first = in_use(&server);
    let sent = client.send_all(&vec![byte; LONG])?;
    let answer = reply(&server, &mut client, server.patience)?;
    let outcome = if answer.end != End::Open || !answer.bytes.is_empty() {
        let line = format!(
            "{} kB in use (VmRSS) before the line, {} kB after it",
            at_first >> 10,
            in_use(&server) >> 10
        );
        Outcome::pass(format!("the client gets {}", answer.words())).with(line)
    } else if server.has_read(&client)? {
        let before = in_use(&server);
        let more = client.send_all(&vec![byte; LONGER])?;
        server.until_at_rest()?;
        let (taken, grown) = (sent + more, in_use(&server).saturating_sub(before));
        let line = format!("{} kB more in use after {} kB more", grown >> 10, more >> 10);
        if client.is_told()? {
            let answer = client.take()?;
            Outcome::new(Verdict::Weak, format!("cut only after {taken} bytes: {}", answer.words()))
        } else if grown >= more as u64 / 2 {
            Outcome::fail(format!("it keeps all of {taken} bytes and waits for a newline"))
        } else {
            let what =
                format!("it has read {taken} bytes and waits for a newline; none are refused");
            Outcome::new(Verdict::Weak, what)
        }
        .with(line)
    } else {
        let what = "it neither reads all of the line nor refuses it";
        Outcome::new(Verdict::Weak, what).with_all(server.scene())
    };
    client.close();
    Ok(match server.health()? {
        Err(ailment) => ailment.with(format!("before the client left: {}", outcome.what)),
        Ok(line) => outcome.with(line),
    })
}

/// The memory in use by all of its processes.
fn in_use(server: &Server) -> u64 {
    server.processes().iter().filter_map(|&pid| watch::size(pid, "VmRSS")).sum()
}

//! H4: a request that is being computed when the stop comes.

use super::settled;
use crate::examine::client::End;
use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};
use crate::posix::signal::SIGTERM;
use crate::report::Verdict;

pub(in crate::examine) const CHECK: Check = Check {
    id: "H4",
    name: "request under way at the stop",
    does: "sends a costly request, waits until the server has read it, and sends SIGTERM",
    sees: "whether the answer still comes, and whether the server ends then",
    matters: "who restarts a server does not want to break what it has begun: the client can't know whether it may ask again",
    remedy: "at the stop, close the listening socket, answer what has been read, and end then",
    source: "signal(7); UNIX Network Programming 5.9",
    over: Over::Tcp,
    is_quick: true,
    on_running: OnRunning::Never,
    run,
};

fn run(exam: &Exam) -> Result<Outcome, Trouble> {
    let Some(heavy) = exam.heavy()? else {
        return exam.without_heavy();
    };
    let server = settled(exam)?;
    let mut client = server.connect_accepted()?;
    client.send(&heavy.request)?;
    if !server.until(|| Ok(server.has_read(&client)? || client.is_told()?))? {
        return Err(Trouble::Broken(String::from("the costly request is never read")));
    }
    if client.is_told()? {
        return Err(Trouble::Broken(format!("{} was answered before the signal", heavy.name)));
    }
    server.signal(SIGTERM)?;
    let answer = client.all_within(server.patience + heavy.alone * 20)?;
    let ended = server.until_ended(server.patience)?;
    let line = format!(
        "{}, which takes {:.2} s alone: {}",
        heavy.name,
        heavy.alone.as_secs_f64(),
        answer.words()
    );
    let is_answered = server.protocol.is_answer_to(&heavy.request, &answer.bytes);
    Ok(match (is_answered, answer.end, ended) {
        (true, _, Some(_)) => Outcome::pass("it is answered, and then the server ends"),
        (true, _, None) => {
            Outcome::fail("it is answered, and the server goes on").with_all(server.scene())
        }
        (false, End::Open, _) => {
            Outcome::fail("its client is told nothing, neither an answer nor an end")
                .with_all(server.scene())
        }
        (false, ..) if !answer.bytes.is_empty() => {
            Outcome::fail(format!("its client gets {}", answer.words()))
        }
        (false, ..) => {
            Outcome::new(Verdict::Weak, format!("it is cut: its client gets {}", answer.words()))
        }
    }
    .with(line))
}

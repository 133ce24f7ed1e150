//! K8: an answer from somebody else, over UDP.

use super::complaint;
use super::exam::ClientExam;
use crate::examine::counters;
use crate::examine::log::quoted;
use crate::examine::loose::Loose;
use crate::examine::{Check, OfClient, OnRunning, Outcome, Over, Trouble};

pub(in crate::examine) const CHECK: Check<OfClient> = Check {
    id: "K8",
    name: "answer of a stranger",
    does: "answers from another port than the one that was asked, and then from that one",
    sees: "which answer the client prints, and whether the stranger's came to it at all: to a connected socket it does not",
    matters: "an unconnected socket takes a datagram from anybody: whoever guesses the port answers in the server's place",
    remedy: "connect() the socket of UDP, or compare the address that recvfrom() tells with the server's",
    source: "slide 'UDP Time Service', the client; udp(7); connect(2); UNIX Network Programming 8.8, 8.11",
    over: Over::Udp,
    is_quick: true,
    on_running: OnRunning::Never,
    run,
};

fn run(exam: &ClientExam) -> Result<Outcome, Trouble> {
    let reply = exam.reply();
    let (mut port, mut refused) = (None, false);
    let run = exam.hear(|client, door, datagram| {
        if port.is_none() {
            let stranger = Loose::open(&datagram.from, 0, &exam.log())?;
            port = Some(stranger.addr.port());
            let (closed, read) = (counters::udp("NoPorts")?, counters::udp("InDatagrams")?);
            stranger.send(&reply.strange, &datagram.from)?;
            client.until(|| {
                refused = counters::udp("NoPorts")? > closed;
                Ok(refused || counters::udp("InDatagrams")? > read)
            })?;
        }
        door.answer(datagram, &reply.long)
    })?;
    let line = if refused {
        "NoPorts of Udp: for the stranger the client's port is closed, its socket is connected"
    } else {
        "the stranger's datagram came to the client's socket, which is not connected"
    };
    if reply.is_strange_shown(&run) {
        let what = format!(
            "it takes the answer of a stranger for its server's: {}",
            quoted(&reply.strange)
        );
        return Ok(Outcome::fail(what).with(line).with_all(run.words()));
    }
    Ok(match reply.is_shown(&reply.long, &run) {
        Some(true) => Outcome::pass("it shows its server's answer, not that of a stranger"),
        None => Outcome::not_applicable(
            "what it prints is not what it is answered: --expect tells what that has to be",
        ),
        Some(false) if run.status.is_some_and(|status| !status.success()) => {
            let what = format!("the datagram of a stranger ends it: {}", run.complaint());
            Outcome::new(crate::report::Verdict::Weak, what)
        }
        Some(false) => complaint(&run, "after the datagram of a stranger"),
    }
    .with(line)
    .with_all(run.words()))
}

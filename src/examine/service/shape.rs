//! B4: how many requests a connection carries.

use crate::examine::client::{Answer, End};
use crate::examine::clients::reply;
use crate::examine::protocol::Shape;
use crate::examine::server::Server;
use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};
use crate::report::Verdict;

pub(in crate::examine) const CHECK: Check = Check {
    id: "B4",
    name: "requests of a connection",
    does: "sends a request, waits for the answer, and sends another one on the same connection, and then a third",
    sees: "how many are answered, and whether the connection ends; where --persistent or --one-shot says it, whether that is so",
    matters: "other checks depend on it: a server that keeps connections has to keep their state, and can be made to wait for a \
              client that does not read",
    remedy: "none is needed; if it is not as the command line says, say what it is",
    source: "slide 'Fibonacci server'; RFC 9112, 9.3, for HTTP",
    over: Over::Tcp,
    is_quick: true,
    on_running: OnRunning::Made,
    run,
};

/// So many are asked on one connection.
const REQUESTS: usize = 3;

fn run(exam: &Exam) -> Result<Outcome, Trouble> {
    let said = exam.plan.protocol.as_ref().and_then(|protocol| protocol.shape);
    let found = exam.shape()?;
    let server = exam.start()?;
    let (answered, answer) = count(&server)?;
    let line =
        format!("of {REQUESTS} requests on a connection, {answered} answered: {}", answer.words());
    Ok(match (said, answered) {
        (_, 0) => Outcome::fail("a good request is not answered"),
        (Some(Shape::Persistent), 1..REQUESTS) => {
            Outcome::fail("--persistent says several; a connection does not carry them")
        }
        (Some(Shape::OneShot), 2..) => {
            Outcome::fail("--one-shot says one; a connection carries more")
        }
        (_, 1) if answer.end == End::Open => {
            let what = "one: a second one is not answered, and the connection stays open";
            Outcome::new(Verdict::Info, what)
        }
        (_, 1) => {
            Outcome::new(Verdict::Info, "one: the server closes the connection after its answer")
        }
        (_, REQUESTS..) if found == Shape::Persistent => Outcome::new(Verdict::Info, "several"),
        (_, answered) => Outcome::new(Verdict::Info, format!("{answered}, and no more")),
    }
    .with(line))
}

/// How many requests on one connection are answered, one after the other, and all that comes.
fn count(server: &Server) -> Result<(usize, Answer), Trouble> {
    let mut client = server.connect()?;
    let (mut answered, mut length) = (0, 0);
    loop {
        client.send(&server.protocol.request)?;
        let answer = reply(server, &mut client, server.patience)?;
        let is_more = answer.bytes.len() > length;
        answered += usize::from(is_more);
        length = answer.bytes.len();
        if !is_more || answer.end != End::Open || answered == REQUESTS {
            return Ok((answered, answer));
        }
    }
}

//! B4: how many requests a connection carries.

use crate::examine::protocol::Shape;
use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};
use crate::report::Verdict;

pub(in crate::examine) const CHECK: Check = Check {
    id: "B4",
    name: "requests of a connection",
    does: "sends a request, waits for the answer, and sends another one on the same connection",
    sees: "whether the second is answered, or the connection ends after the first",
    matters: "other checks depend on it: a server that keeps connections has to keep their state, and can be made to wait for a \
              client that does not read",
    remedy: "none is needed",
    source: "slide 'Fibonacci server'; RFC 9112, 9.3, for HTTP",
    over: Over::Tcp,
    is_quick: true,
    on_running: OnRunning::Made,
    run,
};

fn run(exam: &Exam) -> Result<Outcome, Trouble> {
    let what = match exam.shape()? {
        Shape::OneShot => "one: the server closes the connection after its answer",
        Shape::Persistent => "several",
    };
    let told = exam.plan.protocol.as_ref().is_some_and(|protocol| protocol.shape.is_some());
    let how = if told { "as the command line says" } else { "as the second request has shown" };
    Ok(Outcome::new(Verdict::Info, what).with(how))
}

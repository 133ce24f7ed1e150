//! K: what is examined is a client, and the examiner plays its server.

pub(super) mod exam;
pub(super) mod reply;

mod connection;
mod door;
mod run;

pub(super) mod cut;
pub(super) mod half;
pub(super) mod pieces;
pub(super) mod refused;
pub(super) mod silence;
pub(super) mod stranger;
pub(super) mod unreachable;
pub(super) mod whole;

use std::os::unix::process::ExitStatusExt;

use super::Outcome;
use super::log::quoted;
use crate::report::Verdict;
use run::Run;

/// What is said of a client that a server has failed: it has to end, with a status that is not 0 and a word about it
/// on standard error. `when` says how it was failed.
fn complaint(run: &Run, when: &str) -> Outcome {
    let Some(status) = run.status else {
        let how = match run.spinning {
            Some(share) => format!("spins: {share:.0} % of a CPU"),
            None => format!("goes on: it has not ended within {} s", run.patience.as_secs_f32()),
        };
        return Outcome::fail(format!("{when} it {how}")).with_all(run.scene.iter().cloned());
    };
    let outcome = if let Some(signal) = status.signal() {
        Outcome::fail(format!("{when} it is killed by signal {signal}"))
    } else if status.success() {
        Outcome::fail(format!("{when} it ends with status 0, as if it had its answer"))
    } else if run.complaint().is_empty() {
        let what = format!("{when} it ends ({status}) without a word on standard error");
        Outcome::fail(what)
    } else if is_trace(&run.stderr) {
        let what = format!(
            "{when} it ends ({status}) with a stack of calls, which says more of the program than of what happened: {}",
            run.complaint()
        );
        Outcome::new(Verdict::Weak, what)
    } else {
        Outcome::pass(format!("{when} it ends ({status}) and says: {}", run.complaint()))
    };
    outcome.with_all(run.words())
}

/// The first words of a stack of calls: Python's, Rust's, Go's, Java's, Node's.
const TRACES: &[&str] = &[
    "Traceback (most recent call last)",
    " panicked at ",
    "goroutine 1 [",
    "Exception in thread ",
    "\n    at ",
    "\n\tat ",
    "AddressSanitizer",
];

fn is_trace(stderr: &[u8]) -> bool {
    let text = String::from_utf8_lossy(stderr);
    TRACES.iter().any(|trace| text.contains(trace))
}

/// What is said of a client whose answer has come whole, however it came.
fn shown(run: &Run, reply: &reply::Reply, answer: &[u8], how: &str) -> Outcome {
    let outcome = match (reply.is_shown(answer, run), run.status) {
        (Some(true), None) => Outcome::pass(format!(
            "{how} the answer is shown; that it does not end then is no matter of this check"
        )),
        (Some(true), Some(status)) if status.success() => {
            Outcome::pass(format!("{how} the answer is shown: {}", quoted(answer)))
        }
        (Some(true), Some(status)) => Outcome::new(
            Verdict::Weak,
            format!("{how} the answer is shown, and yet it ends with a failure ({status})"),
        ),
        (None, _) => {
            return Outcome::not_applicable(
                "what it prints is not what it is answered: --expect tells what that has to be",
            );
        }
        (Some(false), None) => {
            let outcome = complaint(run, &format!("{how} the answer is not shown, and"));
            return outcome.with_all(run.words());
        }
        (Some(false), Some(status)) => {
            let part = reply.part_shown(answer, run);
            let what = match part {
                0 => format!("{how} the answer is not shown ({status})"),
                part => format!(
                    "{how} only {} of {} is shown ({status})",
                    quoted(&answer[..part]),
                    quoted(answer)
                ),
            };
            Outcome::fail(what)
        }
    };
    outcome.with_all(run.words())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stacks_of_calls() {
        for trace in [
            "Traceback (most recent call last):\n  File \"x.py\", line 1\nValueError: no",
            "\nthread 'main' panicked at src/main.rs:1:1:\nno\n",
            "panic: no\n\ngoroutine 1 [running]:\nmain.main()\n",
            "Exception in thread \"main\" java.net.ConnectException: Connection refused\n\tat X.main(X.java:1)\n",
            "Error: connect ECONNREFUSED 127.0.0.1:9000\n    at TCPConnectWrap.afterConnect\n",
        ] {
            assert!(is_trace(trace.as_bytes()), "{trace:?}");
        }
        assert!(!is_trace(b"connect: Connection refused (localhost port 9000)\n"));
    }
}

//! A signal that asks for the end, while there is no client.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Instant;

use super::settled;
use crate::examine::{Exam, Outcome, Trouble};
use crate::posix::signal::SIGINT;
use crate::report::Verdict;
use crate::subject::watch::has_signal;

/// What a process does about a signal, as /proc/PID/status has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Attitude {
    Ignores,
    /// It has a handler, or asks for it: signalfd, sigwait.
    Heeds,
    /// The default action.
    Leaves,
}

impl Attitude {
    fn of(pid: u32, signum: i32) -> Result<Self, Trouble> {
        let has = |mask| {
            has_signal(pid, mask, signum)
                .ok_or_else(|| Trouble::Blocked(format!("/proc/{pid}/status has no {mask}")))
        };
        Ok(if has("SigIgn")? {
            Self::Ignores
        } else if has("SigCgt")? || has("SigBlk")? {
            Self::Heeds
        } else {
            Self::Leaves
        })
    }

    const fn words(self) -> &'static str {
        match self {
            Self::Ignores => "is ignored",
            Self::Heeds => "has a handler, or is held back to be asked for",
            Self::Leaves => "has its default action",
        }
    }
}

/// Sends a signal to a server that has no client, and judges how it ends.
pub(super) fn asked(exam: &Exam, signum: i32, name: &str) -> Result<Outcome, Trouble> {
    let server = settled(exam)?;
    let attitude = Attitude::of(server.pid(), signum)?;
    let line = format!("{name} {}", attitude.words());
    if signum == SIGINT {
        server.signal_group(signum)?;
    } else {
        server.signal(signum)?;
    }
    let begun = Instant::now();
    // What is ignored is never heard.
    let ended = if attitude == Attitude::Ignores {
        server.until_or_stuck(|| Ok(server.ended().is_some()))?;
        server.ended()
    } else {
        server.until_ended(server.patience)?
    };
    let Some(status) = ended else {
        let what = format!("it goes on after {name}");
        return Ok(Outcome::fail(what).with(line).with_all(server.scene()));
    };
    let Some(told) = status.status() else { return Err(Trouble::Blocked(status.to_string())) };
    let (verdict, what) = judge(told, attitude, signum);
    let after = begun.elapsed().as_secs_f64() * 1e3;
    Ok(Outcome::new(verdict, what).with(line).with(format!("{status}, after {after:.0} ms")))
}

/// What a status says of somebody who was asked to end.
fn judge(status: ExitStatus, attitude: Attitude, signum: i32) -> (Verdict, String) {
    let by_signal = status.signal() == Some(signum);
    match (status.code(), attitude) {
        (Some(0), _) => (Verdict::Pass, String::from("it ends, with status 0")),
        // As a shell says it, and Java.
        (Some(code), Attitude::Heeds) if code == 128 + signum => {
            (Verdict::Pass, format!("it ends, with status {code}: 128 and the signal's number"))
        }
        (_, Attitude::Heeds) if by_signal => (
            Verdict::Pass,
            String::from("it ends by the signal, once it has done what it does then"),
        ),
        _ if by_signal => (
            Verdict::Weak,
            String::from("the signal's default action ends it, in the middle of whatever it does"),
        ),
        _ => (Verdict::Fail, format!("asked to end, it says that it has failed ({status})")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::posix::signal::{SIGKILL, SIGTERM};

    #[test]
    fn verdicts() {
        let exit = |code: i32| ExitStatus::from_raw(code << 8);
        let verdict = |status, attitude| judge(status, attitude, SIGTERM).0;
        for attitude in [Attitude::Heeds, Attitude::Leaves, Attitude::Ignores] {
            assert_eq!(verdict(exit(0), attitude), Verdict::Pass);
            assert_eq!(verdict(exit(1), attitude), Verdict::Fail);
            assert_eq!(verdict(ExitStatus::from_raw(SIGKILL), attitude), Verdict::Fail);
        }
        assert_eq!(verdict(exit(128 + SIGTERM), Attitude::Heeds), Verdict::Pass);
        assert_eq!(verdict(ExitStatus::from_raw(SIGTERM), Attitude::Heeds), Verdict::Pass);
        assert_eq!(verdict(ExitStatus::from_raw(SIGTERM), Attitude::Leaves), Verdict::Weak);
        assert_eq!(verdict(exit(128 + SIGTERM), Attitude::Leaves), Verdict::Fail);
    }
}

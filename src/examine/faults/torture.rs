//! F10: every call of one request fails, with every error that it may have.

use std::time::{Duration, Instant};

use super::{
    ACCEPT, Blow, Errno, Felt, MAKE, RECEIVE, Right, SEND, WAIT, behind, calls_of, excluded,
    strike, verdict,
};
use crate::examine::design::Kind;
use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};
use crate::posix::error::{
    EAGAIN, ECONNABORTED, ECONNRESET, EINTR, EMFILE, ENFILE, ENOBUFS, ENOMEM, ENOTCONN, EPIPE,
    EPROTO, ETIMEDOUT,
};
use crate::report::Verdict;
use crate::subject::gate::Only;

pub(in crate::examine) const CHECK: Check = Check {
    id: "F10",
    name: "torture",
    does: "makes each call of one request fail, with each error that its manual page has for it, a fresh server every time, until \
           all were tried or five seconds are over",
    sees: "whether the process lives and sleeps, and whether the next client is answered",
    matters: "what is hardly ever executed is hardly ever tested: the way out of an error",
    remedy: "look at what each call returns, and let its failure end that connection alone",
    source: "slide 'Error handling'; the manual pages' ERRORS",
    over: Over::Tcp,
    is_quick: false,
    on_running: OnRunning::Never,
    run,
};

/// For how long.
const ENOUGH: Duration = Duration::from_secs(5);

/// Which errors each call may have.
const ERRORS: &[(&[&str], &[Errno])] = &[
    (
        ACCEPT,
        &[
            ("EINTR", EINTR),
            ("ECONNABORTED", ECONNABORTED),
            ("EMFILE", EMFILE),
            ("ENFILE", ENFILE),
            ("ENOBUFS", ENOBUFS),
            ("ENOMEM", ENOMEM),
            ("EPROTO", EPROTO),
        ],
    ),
    (
        RECEIVE,
        &[
            ("EINTR", EINTR),
            ("ECONNRESET", ECONNRESET),
            ("ETIMEDOUT", ETIMEDOUT),
            ("EAGAIN", EAGAIN),
            ("ENOMEM", ENOMEM),
        ],
    ),
    (
        SEND,
        &[
            ("EINTR", EINTR),
            ("EPIPE", EPIPE),
            ("ECONNRESET", ECONNRESET),
            ("EAGAIN", EAGAIN),
            ("ENOBUFS", ENOBUFS),
            ("ENOMEM", ENOMEM),
        ],
    ),
    (WAIT, &[("EINTR", EINTR)]),
    (MAKE, &[("EAGAIN", EAGAIN), ("ENOMEM", ENOMEM)]),
    (&["shutdown", "getpeername"], &[("ENOTCONN", ENOTCONN)]),
    (&["getsockname"], &[("ENOBUFS", ENOBUFS)]),
    (&["setsockopt", "epoll_ctl"], &[("ENOMEM", ENOMEM)]),
    (&["wait4", "waitid"], &[("EINTR", EINTR)]),
];

fn run(exam: &Exam) -> Result<Outcome, Trouble> {
    if let Some(outcome) = excluded(exam)? {
        return Ok(outcome);
    }
    let blows = blows(exam)?;
    let is_pool = exam.design()?.kind == Kind::Preforked;
    let begun = Instant::now();
    let mut harmed: Vec<(String, Outcome)> = Vec::new();
    let (mut tried, mut felt) = (0, 0);
    for blow in &blows {
        if begun.elapsed() > ENOUGH {
            break;
        }
        let (server, tap) = behind(exam, &calls_of(std::slice::from_ref(blow)))?;
        tried += 1;
        match strike(&server, &tap, blow, is_pool)? {
            // It had to do with what the client did, or with the time.
            Felt::Nothing => continue,
            Felt::Survived => {}
            // A worker that is replaced is no harm to others.
            Felt::Harm(harm) if harm.verdict == Verdict::Weak => {}
            Felt::Harm(harm) => harmed.push((blow.name(), harm)),
        }
        felt += 1;
    }
    if felt == 0 {
        return Err(Trouble::Broken(String::from("no call that was to fail was made again")));
    }
    let outcome = if harmed.is_empty() {
        Outcome::pass(format!("{felt} failures survived, and the next client served after each"))
    } else {
        verdict(harmed, felt, felt)
    };
    let left = blows.len() - tried;
    Ok(if left == 0 {
        outcome
    } else {
        outcome.with(format!("{left} of {} more were not tried: the time was over", blows.len()))
    })
}

/// All of them: of every call the first error before of any the second, so that most is known when the time is
/// over.
fn blows(exam: &Exam) -> Result<Vec<Blow>, Trouble> {
    let habits = exam.habits()?;
    let mut ranked: Vec<(usize, Blow)> = Vec::new();
    for (names, errors) in ERRORS {
        let is_io = names == &RECEIVE || names == &SEND;
        let calls: Vec<_> = if is_io {
            let calls = habits.on_descriptors(names).into_iter();
            calls.map(|(call, fd)| (call, Only { fd: Some(fd), ..Only::default() })).collect()
        } else {
            habits.among(names).into_iter().map(|call| (call, Only::default())).collect()
        };
        for (call, only) in calls {
            for (rank, &errno) in errors.iter().enumerate() {
                ranked.push((rank, Blow::new(&[call], only, errno, Right::Nothing)));
            }
        }
    }
    ranked.sort_by_key(|(rank, _)| *rank);
    Ok(ranked.into_iter().map(|(_, blow)| blow).collect())
}

//! F10: every call of one request fails, with every error that it may have.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::{
    ACCEPT, Blow, CLOSE, Errno, Felt, MAKE, RECEIVE, Right, SEND, WAIT, behind, calls_of, excluded,
    strike_once, verdict,
};
use crate::examine::design::Kind;
use crate::examine::server::Server;
use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};
use crate::posix::error::{
    EAGAIN, ECONNABORTED, ECONNRESET, EINTR, EIO, EMFILE, ENFILE, ENOBUFS, ENOMEM, ENOTCONN, EPIPE,
    EPROTO, ETIMEDOUT,
};
use crate::report::Verdict;
use crate::report::plural::counted;
use crate::subject::gate::{Only, Tap};

pub(in crate::examine) const CHECK: Check = Check {
    id: "F10",
    name: "torture",
    does: "makes each call of one request fail, accept() and recv() to fork() and close(), with each error that its manual page \
           has for it and a server can meet, one after the other; a server that has come to harm is started anew; until all \
           were tried or thirty seconds are over",
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
const ENOUGH: Duration = Duration::from_secs(30);

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
    (CLOSE, &[("EINTR", EINTR), ("EIO", EIO)]),
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
    let calls = calls_of(&blows);
    let begun = Instant::now();
    let mut well: Option<(Server, Tap)> = None;
    let mut harmed: Vec<(String, Outcome)> = Vec::new();
    let (mut felt, mut unfelt) = (Vec::new(), Vec::new());
    for blow in &blows {
        if begun.elapsed() > ENOUGH {
            break;
        }
        match strike_once(&mut well, || behind(exam, &calls), blow, is_pool)? {
            // It had to do with what the client did, or with the time.
            Felt::Nothing => {
                unfelt.push(blow);
                continue;
            }
            Felt::Survived(_) => {}
            // A worker that is replaced is no harm to others.
            Felt::Harm(harm) if harm.verdict == Verdict::Weak => {}
            Felt::Harm(harm) => harmed.push((blow.name(), harm)),
        }
        felt.push(blow);
    }
    if felt.is_empty() {
        return Err(Trouble::Broken(String::from("no call that was to fail was made again")));
    }
    Ok(judged(harmed, &felt, &unfelt, blows.len()))
}

/// What is said when of so many blows these were felt, and these not; no part of them is passed off as all.
fn judged(harmed: Vec<(String, Outcome)>, felt: &[&Blow], unfelt: &[&Blow], of: usize) -> Outcome {
    let left = of - felt.len() - unfelt.len();
    let tried = counted(felt.len(), "failure", "failures");
    let unmade = match unfelt.len() {
        0 => String::new(),
        count => format!("; {count} more were of calls that were not made again"),
    };
    let outcome = if !harmed.is_empty() {
        verdict(harmed, felt.len(), felt.len()).with(format!("{tried} of {of} were tried"))
    } else if left > 0 {
        let what = format!("{tried} survived; {left} were not tried: the time was over");
        Outcome::new(Verdict::Info, what)
    } else {
        let what = format!("{tried} survived, and the next client served after each{unmade}");
        Outcome::pass(what)
    };
    let rest = (left > 0)
        .then(|| format!("{left} of {of} were not tried: {} s were over", ENOUGH.as_secs()));
    let never = (!unfelt.is_empty())
        .then(|| format!("not made again, and so not tried: {}", listed(unfelt)));
    outcome.with(format!("tried: {}", listed(felt))).with_all(never).with_all(rest)
}

/// The calls of some blows, each with its errors.
fn listed(blows: &[&Blow]) -> String {
    let mut all: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for blow in blows {
        for call in &blow.fault.calls {
            let errors = all.entry(call.name()).or_default();
            if !errors.contains(&blow.errno) {
                errors.push(blow.errno);
            }
        }
    }
    let words = all.into_iter().map(|(call, errors)| format!("{call}: {}", errors.join(" ")));
    words.collect::<Vec<_>>().join("; ")
}

/// All of them: of every call the first error before of any the second, so that most is known when the time is
/// over.
fn blows(exam: &Exam) -> Result<Vec<Blow>, Trouble> {
    let habits = exam.habits()?;
    let mut ranked: Vec<(usize, Blow)> = Vec::new();
    for (names, errors) in ERRORS {
        let is_io = [RECEIVE, SEND, CLOSE].contains(names);
        for call in habits.among(names) {
            for (rank, &errno) in errors.iter().enumerate() {
                let blow = if is_io {
                    Blow::of_client(call, errno, Right::Nothing)
                } else {
                    Blow::new(&[call], Only::default(), errno, Right::Nothing)
                };
                ranked.push((rank, blow));
            }
        }
    }
    ranked.sort_by_key(|(rank, _)| *rank);
    Ok(ranked.into_iter().map(|(_, blow)| blow).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subject::gate::Sysno;

    #[test]
    fn a_part_is_not_passed_off_as_all() {
        let blow = |call, errno| {
            let calls = Sysno::all(&[call]);
            Blow::new(&calls, Only::default(), errno, Right::Nothing)
        };
        let blows = [blow("read", ("EINTR", EINTR)), blow("read", ("EAGAIN", EAGAIN))];
        let last = blow("close", ("EIO", EIO));
        let felt: Vec<&Blow> = blows.iter().collect();
        let outcome = judged(Vec::new(), &felt, &[&last], 3);
        assert_eq!(outcome.verdict, Verdict::Pass);
        assert!(outcome.what.starts_with("2 failures survived"), "{outcome:?}");
        assert!(outcome.what.ends_with("1 more were of calls that were not made again"));
        let wanted = ["tried: read: EINTR EAGAIN", "not made again, and so not tried: close: EIO"];
        assert_eq!(outcome.evidence, wanted);
        let outcome = judged(Vec::new(), &felt, &[], 3);
        assert_eq!(outcome.verdict, Verdict::Info);
        assert!(outcome.what.ends_with("1 were not tried: the time was over"), "{outcome:?}");
        let harm = vec![(last.name(), Outcome::fail("it spins"))];
        let outcome = judged(harm, &felt, &[], 3);
        assert_eq!(outcome.verdict, Verdict::Fail);
        assert!(outcome.evidence.iter().any(|line| line.starts_with("1 of 3 were not tried")));
    }
}

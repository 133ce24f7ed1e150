//! H9: asked twice.

use std::os::unix::process::ExitStatusExt;

use super::settled;
use crate::examine::costly::Heaviness;
use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};
use crate::posix::signal::SIGTERM;
use crate::report::Verdict;
use crate::subject::account::Account;

pub(in crate::examine) const CHECK: Check = Check {
    id: "H9",
    name: "second signal",
    does: "sends SIGTERM while a costly request is computed, or beside a silent client if none is known, and SIGTERM once more \
           while the server is still there",
    sees: "whether it ends, whether the answer came first, and how much it has computed since the second signal",
    matters: "who asks twice does not want to wait any longer; else only SIGKILL is left, which nobody can tidy up after",
    remedy: "let the second signal find its default action: SA_RESETHAND, or signal(SIGTERM, SIG_DFL) in the handler",
    source: "sigaction(2), SA_RESETHAND; signal(7)",
    over: Over::Tcp,
    is_quick: true,
    on_running: OnRunning::Never,
    run,
};

fn run(exam: &Exam) -> Result<Outcome, Trouble> {
    let heavy = exam.heavy()?;
    let server = settled(exam)?;
    let mut client = server.connect_accepted()?;
    let mut time = server.patience;
    if let Some(heavy) = heavy {
        client.send(&heavy.request)?;
        if !server.until(|| Ok(server.has_read(&client)? || client.is_told()?))? {
            return Err(Trouble::Broken(String::from("the costly request is never read")));
        }
        time += heavy.alone * 20;
    } else {
        server.settles()?;
    }
    server.signal(SIGTERM)?;
    // Long enough for one that ends at once, short enough that nothing is computed by then.
    let moment = heavy.map_or(server.patience / 10, |heavy| heavy.alone / 4);
    let computed = heavy.filter(|heavy| heavy.is_computed());
    let mut account = Account::of(&server.processes());
    server.until_within(moment, || {
        account.look(&server.processes());
        let is_much = |heavy: &Heaviness| account.demand().cpu >= heavy.cpu / 4;
        Ok(server.ended().is_some() || computed.is_some_and(is_much))
    })?;
    if let Some(status) = server.ended() {
        return Ok(Outcome::pass("it ends at the first signal already").with(status.to_string()));
    }
    let mut account = Account::of(&server.processes());
    // It may end just now.
    if server.signal(SIGTERM).is_err() && server.ended().is_none() {
        return Err(Trouble::Broken(String::from("the second signal could not be sent")));
    }
    crate::subject::until(time, || {
        account.look(&server.processes());
        let is_told = client.is_told().unwrap_or(true);
        Ok((is_told || server.ended().is_some()).then_some(()))
    })?;
    let answer = client.take()?;
    let is_answered =
        heavy.is_some_and(|heavy| server.protocol.is_answer_to(&heavy.request, &answer.bytes));
    let line = format!("its client gets {}", answer.words());
    let Some(status) = server.until_ended(server.patience)? else {
        return Ok(Outcome::fail("two signals do not end it").with(line).with_all(server.scene()));
    };
    if is_answered {
        let what = "it answers what it has begun, however often it is asked to end, and ends then";
        return Ok(Outcome::new(Verdict::Info, what).with(line).with(status.to_string()));
    }
    let by_signal = status.status().and_then(|status| status.signal()) == Some(SIGTERM);
    let spent = account.demand().cpu;
    // A third of a request is no tidying up, and most of it was still to be computed.
    Ok(match computed {
        Some(heavy) if !by_signal && spent >= heavy.cpu / 3 => {
            let what = "it ends once it has computed, and does not answer; the second signal hastens nothing";
            let spent = format!(
                "{:.2} s of CPU time from the second signal to its end; the whole request costs {:.2} s",
                spent.as_secs_f64(),
                heavy.cpu.as_secs_f64(),
            );
            Outcome::new(Verdict::Info, what).with(spent)
        }
        _ => Outcome::pass("the second signal ends it at once"),
    }
    .with(line)
    .with(status.to_string()))
}

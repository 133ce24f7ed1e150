//! F12: a limit of memory.

use super::limits::{Lowered, served_once};
use super::tasks::{SPARE, occupied, one_more, recovered};
use crate::examine::design::Kind;
use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};
use crate::posix::sys_resource::RLIMIT_AS;
use crate::subject::watch;

pub(in crate::examine) const CHECK: Check = Check {
    id: "F12",
    name: "no memory left",
    does: "lowers the limit of addresses (prlimit, RLIMIT_AS) of the running server to those that it has and 1.5 MB more, lets silent \
           clients come until there is no stack for one more thread, and restores it",
    sees: "whether the process lives and sleeps, whether that client is told, and whether the next one is answered after that",
    matters: "each thread takes a stack, of 8 MB of addresses unless it is told otherwise: so many clients fill a container",
    remedy: "if pthread_create() fails, close the connected socket, report it, and go on; pthread_attr_setstacksize()",
    source: "slide 'Threaded server'; getrlimit(2), RLIMIT_AS; pthread_create(3), ERRORS",
    over: Over::Tcp,
    is_quick: false,
    on_running: OnRunning::Never,
    run,
};

/// So many stacks may have been kept by the C library for the next threads, or fit into what is left.
const MOST: usize = 192;
/// What is left for what else a client takes: less than the stack of a thread, which is of 2 MB or 8 MB as a rule.
const SPARED: u64 = 3 << 19;

fn run(exam: &Exam) -> Result<Outcome, Trouble> {
    if exam.is_single_use()? {
        return Ok(Outcome::not_applicable("it serves once"));
    }
    if exam.design()?.kind != Kind::Threaded {
        return Ok(Outcome::not_applicable("it makes no thread for a client"));
    }
    let server = served_once(exam)?;
    let Some((mut held, made)) = occupied(&server)? else {
        return Ok(Outcome::not_applicable(SPARE));
    };
    let addresses = |pid| Some(watch::size(pid, "VmSize")? + SPARED);
    let lowered = Lowered::to(&server, RLIMIT_AS, "bytes of addresses", addresses)?;
    let most = held.len() + MOST;
    let refused = loop {
        let (client, got) = one_more(&server, &mut held)?;
        if !got || server.ended().is_some() {
            break client;
        }
        if held.is_empty() {
            let what =
                "it has one client at a time, whose thread takes the stack of the one before";
            return Ok(Outcome::not_applicable(what));
        }
        held.extend(client);
        if held.len() >= most {
            let what = format!("{MOST} threads were made though there is no memory for them");
            return Err(Trouble::Broken(what));
        }
    };
    if let Some(status) = server.ended() {
        return Ok(server.died(status).with(made).with("there was no memory for one more thread"));
    }
    let spins = server.spins()?;
    lowered.restore(&server)?;
    drop(held);
    if let Some(spins) = spins {
        return Ok(spins.with(made).with("while there was no memory for one more thread"));
    }
    Ok(recovered(&server, refused)?.with(made))
}

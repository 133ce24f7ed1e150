//! F2: accept() that fails because of a client, or of the network.

use super::Errno;
use super::shortage::failing;
use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};
use crate::posix::error::{
    ECONNABORTED, EHOSTDOWN, EHOSTUNREACH, ENETDOWN, ENETUNREACH, ENONET, ENOPROTOOPT, EOPNOTSUPP,
    EPERM, EPROTO,
};

pub(in crate::examine) const CHECK: Check = Check {
    id: "F2",
    name: "accept: one client's trouble",
    does: "makes accept() fail once with each error that says something of one client or of its way here: ECONNABORTED, EPROTO, \
           EPERM, ENETDOWN and so on",
    sees: "whether the process lives and sleeps, and whether the next client is answered",
    matters: "what is wrong with one connection is told by accept(), of which the server has to know that it is not its own failure",
    remedy: "treat these errors of accept() like EAGAIN: call it again",
    source: "accept(2), 'Error handling'; UNIX Network Programming 5.11",
    over: Over::Tcp,
    is_quick: false,
    on_running: OnRunning::Never,
    run,
};

const TROUBLES: &[Errno] = &[
    ("ECONNABORTED", ECONNABORTED),
    ("EPROTO", EPROTO),
    ("EPERM", EPERM),
    ("ENETDOWN", ENETDOWN),
    ("ENOPROTOOPT", ENOPROTOOPT),
    ("EHOSTDOWN", EHOSTDOWN),
    ("ENONET", ENONET),
    ("EHOSTUNREACH", EHOSTUNREACH),
    ("EOPNOTSUPP", EOPNOTSUPP),
    ("ENETUNREACH", ENETUNREACH),
];

fn run(exam: &Exam) -> Result<Outcome, Trouble> {
    failing(exam, TROUBLES)
}

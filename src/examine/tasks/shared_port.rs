//! C6: how many sockets listen on its port.

use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};
use crate::report::Verdict;
use crate::subject::watch::sockets;

pub(in crate::examine) const CHECK: Check = Check {
    id: "C6",
    name: "SO_REUSEPORT",
    does: "counts the sockets on the server's port, at one address",
    sees: "the kernel's table of sockets, and which process has which",
    matters: "with several the kernel shares the clients out among them by a hash of the addresses: nobody wakes in vain, and \
              a client waits for its worker even if another one is idle",
    remedy: "none is needed",
    source: "socket(7), SO_REUSEPORT; The Linux Programming Interface 61.10",
    over: Over::Both,
    is_quick: true,
    on_running: OnRunning::Made,
    run,
};

fn run(exam: &Exam) -> Result<Outcome, Trouble> {
    let server = exam.start()?;
    server.until_at_rest()?;
    let rows = server.sharing()?;
    let others = server.listeners()?.len() - rows.len();
    let mut evidence = Vec::new();
    for pid in server.processes() {
        let own = sockets(&[pid]);
        let count = rows.iter().filter(|row| own.contains(&row.idiag_inode)).count();
        if count > 0 {
            evidence.push(format!("process {pid} has {count} of them"));
        }
    }
    let what = match rows.len() {
        0 => {
            return Err(Trouble::Broken(String::from(
                "the kernel lists no socket of the server any more",
            )));
        }
        1 if evidence.len() > 1 => String::from("one socket, which several processes share"),
        1 => String::from("one socket"),
        count => format!("{count} sockets"),
    };
    let others = (others > 0).then(|| format!("{others} more at other addresses"));
    Ok(Outcome::new(Verdict::Info, what).with_all(evidence).with_all(others))
}

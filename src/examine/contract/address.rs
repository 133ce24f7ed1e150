//! A2: on which addresses it listens.

use std::net::Ipv6Addr;

use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};
use crate::posix::sys_socket::AF_INET;
use crate::report::Verdict;

pub(in crate::examine) const CHECK: Check = Check {
    id: "A2",
    name: "address",
    does: "looks at the address that the server is bound to",
    sees: "the kernel's table of sockets",
    matters: "a server on the wildcard address answers whoever reaches the machine by any of its interfaces",
    remedy: "bind to the loopback address unless the user asks for another",
    source: "slide 'bind'; ip(7), INADDR_ANY; UNIX Network Programming 4.4",
    over: Over::Both,
    is_quick: true,
    on_running: OnRunning::Made,
    run,
};

fn run(exam: &Exam) -> Result<Outcome, Trouble> {
    let server = exam.start()?;
    let mut open = Vec::new();
    let mut all = Vec::new();
    for row in server.listeners()? {
        let ip = Ipv6Addr::from(row.idiag_src);
        let [a, b, c, d, ..] = row.idiag_src;
        let (text, is_open) = if i32::from(row.idiag_family) == AF_INET {
            (format!("{a}.{b}.{c}.{d}"), a != 127)
        } else {
            // Java binds 127.0.0.1 as ::ffff:127.0.0.1.
            (format!("[{ip}]"), !ip.to_canonical().is_loopback())
        };
        if is_open {
            open.push(text.clone());
        }
        all.push(format!("a socket is bound to {text}:{}", server.addr.port()));
    }
    if all.is_empty() {
        return Err(Trouble::Broken(String::from(
            "the kernel lists no socket of the server any more",
        )));
    }
    let outcome = match open.first() {
        None => Outcome::pass("bound to the loopback address only"),
        Some(text) => Outcome::new(
            Verdict::Weak,
            format!("bound to {text}: anybody who reaches the machine can ask"),
        ),
    };
    Ok(outcome.with_all(all))
}

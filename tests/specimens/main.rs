//! The specimens of `c-compat/broken`: the table in its README, the files, and each fault, shown by a client
//! that the specimen fails and its sound twin does not.
//!
//! Nothing here sleeps: what has to have happened first is looked up in /proc and in the kernel's socket table.
//! That something will never happen is concluded from many looks in a row at a server whose every task is
//! blocked, or from the CPU time that it has used.

#[path = "../support/mod.rs"]
mod support;

#[allow(dead_code, reason = "shared with the conformance tests")]
#[path = "../conformance/diag.rs"]
mod diag;
#[allow(dead_code, reason = "shared with the conformance tests")]
#[path = "../conformance/tools.rs"]
mod tools;
#[allow(dead_code, reason = "shared with the conformance tests")]
#[path = "../conformance/watch.rs"]
mod watch;
#[allow(dead_code, reason = "shared with the conformance tests")]
#[path = "../conformance/wire.rs"]
mod wire;

mod attached;
mod clients;
mod commands;
mod evidence;
mod examined;
mod examined_clients;
mod inetd;
mod killed;
mod lecture;
mod look;
mod ordinary;
mod strangers;
mod table;
mod tcp;
mod udp;

use std::process::Command;

use crate::support::Server;

/// A program of `c-compat`, by its name below `target/c`.
fn program(name: &str) -> Command {
    Command::new(support::c_program(name))
}

/// A specimen, or its twin, on a free port.
fn start(name: &str) -> Server {
    start_at(name, 0)
}

/// The same on this port.
fn start_at(name: &str, port: u16) -> Server {
    let mut command = program(name);
    command.args(["--port", &port.to_string()]);
    Server::spawn(command)
}

/// Runs three at a time; all that fail are named.
fn all<T: Sync>(cases: &[T], name: impl Fn(&T) -> String + Sync, run: impl Fn(&T) + Sync) {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};

    let next = AtomicUsize::new(0);
    let failed = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| run(case))) {
                        let why = panic
                            .downcast_ref::<String>()
                            .cloned()
                            .or_else(|| panic.downcast_ref::<&str>().map(|why| (*why).to_owned()));
                        failed.lock().expect("no panic here").push((name(case), why));
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().expect("no panic here");
    assert!(failed.is_empty(), "{failed:#?}");
}

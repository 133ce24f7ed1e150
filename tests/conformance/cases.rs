//! The cases: each design in each language, chosen by what the design is, never by its name.

use std::fmt;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use nix::sys::signal::Signal;
use socklab::server::{DESIGNS, Design, PerClient, Pool, Silent, Transport};

use crate::support::{Ended, Language, Server, refused};
use crate::wire::Client;

/// How many cases of one test run at a time.
const WORKERS: usize = 3;

/// How many workers a pool has here, unless a test says otherwise.
pub(crate) const POOL: usize = 2;

/// One design in one language.
#[derive(Clone, Copy)]
pub(crate) struct Case {
    pub(crate) language: Language,
    pub(crate) design: &'static Design,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}", self.language, self.design.name)
    }
}

impl Case {
    /// The case's server on a free port of 127.0.0.1.
    pub(crate) fn start(&self) -> Server {
        self.start_with(&[])
    }

    /// The same with further arguments.
    pub(crate) fn start_with(&self, args: &[&str]) -> Server {
        let mut args = args.to_vec();
        let workers = POOL.to_string();
        if self.design.promises.pool != Pool::None && !args.contains(&"--workers") {
            args.extend(["--workers", &workers]);
        }
        Server::start_with(self.language, self.design, &args)
    }

    /// The case's server with one task that serves: a pool of one.
    pub(crate) fn start_single(&self) -> Server {
        let single: &[&str] = &["--workers", "1"];
        self.start_with(if self.design.promises.pool == Pool::None { &[] } else { single })
    }

    /// Stops its server with SIGTERM and waits.
    pub(crate) fn stop(&self, server: Server) -> Ended {
        server.signal(Signal::SIGTERM);
        self.heed(&server);
        server.wait()
    }

    /// gcc's thread sanitizer holds a signal back until the call that it has interrupted returns, so
    /// a server that is blocked in accept() needs a client to notice it. Any other notices it alone.
    pub(crate) fn heed(&self, server: &Server) {
        if self.language == Language::ThreadSanitized {
            // It may be gone already.
            drop(Client::connect_at_once(server.addr));
        }
    }

    /// Whether it answers a second client beside a silent one.
    pub(crate) fn is_concurrent(&self) -> bool {
        self.design.promises.silent == Silent::Harmless
    }
}

pub(crate) fn is_tcp(design: &Design) -> bool {
    design.transport == Transport::Tcp
}

pub(crate) fn is_udp(design: &Design) -> bool {
    design.transport == Transport::Udp
}

pub(crate) fn has_threads(design: &Design) -> bool {
    design.promises.per_client == PerClient::Thread || design.promises.pool == Pool::Threads
}

/// Every case whose design is meant: Rust, C, and C under the sanitizers that fit it.
pub(crate) fn all(meant: impl Fn(&Design) -> bool) -> Vec<Case> {
    let mut cases = Vec::new();
    for design in DESIGNS.iter().filter(|design| meant(design)) {
        if let Some(why) = refused(design) {
            skip(design.name, why);
            continue;
        }
        let mut languages = vec![Language::Rust, Language::C, Language::Sanitized];
        if has_threads(design) {
            languages.push(Language::ThreadSanitized);
        }
        cases.extend(languages.into_iter().map(|language| Case { language, design }));
    }
    assert!(!cases.is_empty(), "no design is meant");
    cases
}

/// Runs `body` for every case whose design is meant, a few at a time, and fails with the names of
/// all that failed.
pub(crate) fn each(meant: impl Fn(&Design) -> bool, body: impl Fn(&Case) + Sync) {
    run(&all(meant), |case| case.to_string(), body);
}

/// Runs `body` for every item, a few at a time, each in a thread of its name.
pub(crate) fn run<T: Sync>(
    items: &[T],
    name: impl Fn(&T) -> String + Sync,
    body: impl Fn(&T) + Sync,
) {
    let next = AtomicUsize::new(0);
    let failures = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..WORKERS.min(items.len()) {
            scope.spawn(|| {
                while let Some(item) = items.get(next.fetch_add(1, Ordering::SeqCst)) {
                    let done = thread::scope(|scope| {
                        thread::Builder::new()
                            .name(name(item))
                            .spawn_scoped(scope, || body(item))
                            .expect("a thread")
                            .join()
                    });
                    if let Err(panic) = done {
                        let why = panic
                            .downcast_ref::<String>()
                            .map(String::as_str)
                            .or_else(|| panic.downcast_ref::<&str>().copied())
                            .unwrap_or("?");
                        failures.lock().unwrap().push(format!("{}: {why}", name(item)));
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(
        failures.is_empty(),
        "{} of {} failed:\n{}",
        failures.len(),
        items.len(),
        failures.join("\n")
    );
}

/// Runs a part of a case and, if it fails, says which part it was.
pub(crate) fn part<R>(name: &str, body: impl FnOnce() -> R) -> R {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(value) => value,
        Err(panic) => {
            let why = panic
                .downcast_ref::<String>()
                .cloned()
                .or_else(|| panic.downcast_ref::<&str>().map(|&why| why.to_owned()));
            match why {
                Some(why) => panic!("{name}: {why}"),
                None => resume_unwind(panic),
            }
        }
    }
}

/// Says why something was not tested. Straight to standard error, which the test harness does not
/// hold back.
pub(crate) fn skip(what: impl fmt::Display, why: impl fmt::Display) {
    let _ = writeln!(std::io::stderr(), "skipped: {what}: {why}");
}

/// A seeded stream of numbers: splitmix64.
pub(crate) struct Seeded(pub(crate) u64);

impl Seeded {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `limit`.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}

//! The generator of load: one thread that never waits for a server.
//!
//! Cheap requests start at a constant rate, whatever becomes of those before them, and the latency of
//! each is counted from the moment at which it should have started: a server that stops for a while
//! can't stop the clock (no coordinated omission). Beside them a crowd of clients asks costly
//! requests, each its next one when the last is answered.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use super::client::Client;

/// A request and its answer.
pub(crate) type Exchange = (&'static [u8], &'static [u8]);

/// What is asked of a server.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    pub(crate) cheap: Exchange,
    /// Cheap requests in a second.
    pub(crate) rate: u32,
    pub(crate) costly: Exchange,
    /// How many clients ask costly requests.
    pub(crate) crowd: usize,
    /// For how long requests are started.
    pub(crate) length: Duration,
    /// For how long after that answers are waited for.
    pub(crate) patience: Duration,
}

/// What came of it.
pub(crate) struct Outcome {
    /// Of the cheap requests, in nanoseconds. One that is not answered in the end counts with its age.
    pub(crate) latencies: Histogram<u64>,
    pub(crate) costly: u64,
    /// Costly requests in a second, until the last of them was answered.
    pub(crate) costly_rate: f64,
    pub(crate) wrong: u64,
    pub(crate) errors: BTreeMap<String, u64>,
    pub(crate) unfinished: u64,
    /// Cheap requests that the generator started more than a millisecond late.
    pub(crate) late: u64,
}

const LATE: Duration = Duration::from_millis(1);

struct Active {
    client: Client,
    /// When it should have started; a costly request has no such time.
    intended: Option<Instant>,
}

struct Generator {
    load: Load,
    server: SocketAddr,
    epoll: Epoll,
    active: HashMap<RawFd, Active>,
    outcome: Outcome,
}

/// A histogram of latencies from a microsecond to a minute.
pub(crate) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1_000, 60_000_000_000, 3).expect("bounds")
}

/// Runs the load against a server.
pub(crate) fn run(load: Load, server: SocketAddr) -> Outcome {
    let outcome = Outcome {
        latencies: histogram(),
        costly: 0,
        costly_rate: 0.0,
        wrong: 0,
        errors: BTreeMap::new(),
        unfinished: 0,
        late: 0,
    };
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).expect("an epoll");
    Generator { load, server, epoll, active: HashMap::new(), outcome }.run()
}

impl Generator {
    fn run(mut self) -> Outcome {
        let begin = Instant::now();
        let (length, patience) = (self.load.length, self.load.patience);
        let count = (f64::from(self.load.rate) * length.as_secs_f64()) as u32;
        let intended = |number: u32| begin + length / count.max(1) * number;
        let mut started = 0;
        let mut last_costly = begin;
        for _ in 0..self.load.crowd {
            self.start(None);
        }
        let mut events = [EpollEvent::empty(); 256];
        loop {
            let mut now = Instant::now();
            while started < count && intended(started) <= now {
                self.outcome.late += u64::from(now - intended(started) > LATE);
                self.start(Some(intended(started)));
                started += 1;
                now = Instant::now();
            }
            if started == count && self.active.is_empty() || now >= begin + length + patience {
                break;
            }
            let next = if started < count { intended(started) } else { begin + length + patience };
            let mut fds = [PollFd::new(self.epoll.0.as_fd(), PollFlags::POLLIN)];
            // Fails when a signal comes.
            let _ = ppoll(&mut fds, Some(next.saturating_duration_since(now).into()), None);
            let ready = self.epoll.wait(&mut events, EpollTimeout::ZERO).unwrap_or(0);
            for event in &events[..ready] {
                let fd = event.data() as RawFd;
                let Some(active) = self.active.get_mut(&fd) else { continue };
                if !active.client.has_ended() {
                    continue;
                }
                let active = self.active.remove(&fd).expect("just seen");
                let now = Instant::now();
                let costly = active.intended.is_none();
                self.end(active, now);
                if costly {
                    last_costly = now;
                    if now < begin + length {
                        self.start(None);
                    }
                }
            }
        }
        let end = Instant::now();
        let unfinished: Vec<Active> = self.active.drain().map(|(_, active)| active).collect();
        self.outcome.unfinished = unfinished.len() as u64;
        for intended in unfinished.iter().filter_map(|active| active.intended) {
            self.outcome.latencies.saturating_record((end - intended).as_nanos() as u64);
        }
        let seconds = (last_costly - begin).as_secs_f64();
        self.outcome.costly_rate =
            if seconds > 0.0 { self.outcome.costly as f64 / seconds } else { 0.0 };
        self.outcome
    }

    fn start(&mut self, intended: Option<Instant>) {
        let (request, _) = if intended.is_some() { self.load.cheap } else { self.load.costly };
        let client = match Client::connect(self.server, request) {
            Ok(client) => client,
            Err(error) => return self.error(error.kind().to_string()),
        };
        // Once for each change: the next try to send, and the answer with the end of file.
        let events = EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT | EpollFlags::EPOLLET;
        let fd = client.as_fd().as_raw_fd();
        let event = EpollEvent::new(events, fd as u64);
        self.epoll.add(&client, event).expect("a new descriptor");
        self.active.insert(fd, Active { client, intended });
    }

    /// Counts what has ended. Its socket, which is closed here, leaves the epoll by itself.
    fn end(&mut self, active: Active, now: Instant) {
        let (_, expected) =
            if active.intended.is_some() { self.load.cheap } else { self.load.costly };
        match active.client.end().expect("ended") {
            (Err(error), _) => self.error(error.to_string()),
            (Ok(()), answer) if answer != expected => self.outcome.wrong += 1,
            (Ok(()), _) => match active.intended {
                Some(intended) => {
                    let latency = (now - intended).as_nanos() as u64;
                    self.outcome.latencies.saturating_record(latency);
                }
                None => self.outcome.costly += 1,
            },
        }
    }

    fn error(&mut self, what: String) {
        *self.outcome.errors.entry(what).or_default() += 1;
    }
}

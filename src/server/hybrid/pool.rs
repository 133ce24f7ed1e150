//! The threads that compute, and the queue before them.
//!
//! The loop and a thread have no memory in common, so nothing to lock: a number goes to the thread
//! through one counter of the kernel's, its Fibonacci number comes back through another, for which the
//! loop waits as for any client. A lock would be worse than slow here. The threads have the lowest
//! priority that there is, and one that is put aside while it holds a lock makes the loop wait until
//! nobody else wants the processor.
//!
//! The queue is the loop's own.

#![forbid(unsafe_code)]

use std::collections::VecDeque;
use std::ffi::c_int;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use super::RESULTS;
use crate::linux::epoll::*;
use crate::linux::eventfd::*;
use crate::posix::Result;
use crate::posix::error::EINTR;
use crate::posix::pthread::*;
use crate::posix::unistd::*;
use crate::server::lifecycle;
use crate::service::fibonacci::{LARGEST_N, fib};

/// From this n on a number is computed by the pool. Handing it over and back takes four calls and two
/// changes of thread, measured as 10 to 30 microseconds of processor time; so long takes fib(20), too,
/// and each 5 more take ten times as long.
pub(super) const COSTLY: u64 = 20;

/// A client and the number that it asks for.
pub(super) struct Job {
    pub(super) client: c_int,
    pub(super) n: u64,
}

/// A counter for the way there, a counter for the way back. 0 is nothing to read, so one is added.
struct Channel {
    jobs: OwnedFd,
    results: OwnedFd,
}

struct Worker {
    thread: pthread_t,
    channel: Arc<Channel>,
    /// Whose number it computes.
    client: Option<c_int>,
}

pub(super) struct Pool {
    workers: Vec<Worker>,
    idle: Vec<usize>,
    queue: VecDeque<Job>,
}

/// Ends a thread; no request.
const END: u64 = LARGEST_N + 1;

impl Pool {
    pub(super) fn start(workers: usize, epfd: &OwnedFd) -> Result<Self> {
        let mut pool = Self { workers: vec![], idle: vec![], queue: VecDeque::new() };
        let mut attr = pthread_attr_init()?;
        pthread_attr_setstacksize(&mut attr, lifecycle::STACK_SIZE)?;
        for i in 0..workers {
            let channel = Arc::new(Channel { jobs: eventfd(0, 0)?, results: eventfd(0, 0)? });
            let thread = pthread_create(Some(&attr), start, Arc::clone(&channel))
                .map_err(|(error, _)| error)?;
            // It has begun: with the lowest priority that might take long.
            take(&channel.results)?;
            // Whatever it computes, whoever else wants the processor has it at once.
            pthread_setschedparam(&thread, SCHED_IDLE, &sched_param { sched_priority: 0 })?;
            let event = epoll_event::new(EPOLLIN, RESULTS + i as u64);
            epoll_ctl(epfd, EPOLL_CTL_ADD, &channel.results, Some(&event))?;
            pool.workers.push(Worker { thread, channel, client: None });
            pool.idle.push(i);
        }
        pthread_attr_destroy(attr)?;
        Ok(pool)
    }

    /// Gives a job to a thread that has none, or puts it into the queue; or returns false, if so many
    /// are queued already.
    pub(super) fn submit(&mut self, job: Job, most: usize) -> Result<bool> {
        if let Some(i) = self.idle.pop() {
            self.give(i, &job)?;
        } else if self.queue.len() < most {
            self.queue.push_back(job);
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    /// Takes the result of a thread, whose it is and what, and gives it the next job.
    pub(super) fn finish(&mut self, i: usize) -> Result<Option<(c_int, u64)>> {
        let number = take(&self.workers[i].channel.results)?;
        let client = self.workers[i].client.take();
        match self.queue.pop_front() {
            Some(job) => self.give(i, &job)?,
            None => self.idle.push(i),
        }
        Ok(client.map(|client| (client, number)))
    }

    /// Takes a client's number out of the queue, if it is still there.
    pub(super) fn withdraw(&mut self, client: c_int) -> bool {
        let found = self.queue.iter().position(|job| job.client == client);
        found.and_then(|at| self.queue.remove(at)).is_some()
    }

    fn give(&mut self, i: usize, job: &Job) -> Result<()> {
        self.workers[i].client = Some(job.client);
        put(&self.workers[i].channel.jobs, job.n)
    }

    pub(super) fn queued(&self) -> usize {
        self.queue.len()
    }

    pub(super) fn computing(&self) -> usize {
        self.workers.len() - self.idle.len()
    }

    /// Ends the threads and waits for them; but one that computes can't be told, and ends with the
    /// process.
    pub(super) fn end(self) -> Result<()> {
        for worker in self.workers {
            if worker.client.is_none() {
                put(&worker.channel.jobs, END)?;
                pthread_join(worker.thread)?;
            }
        }
        Ok(())
    }
}

fn start(channel: Arc<Channel>) {
    compute(&channel).unwrap_or_else(|error| lifecycle::die(error));
}

fn compute(channel: &Channel) -> Result<()> {
    put(&channel.results, 0)?;
    loop {
        let n = take(&channel.jobs)?;
        if n == END {
            return Ok(());
        }
        put(&channel.results, fib(n))?;
    }
}

fn put(counter: &OwnedFd, number: u64) -> Result<()> {
    write(counter, &(number + 1).to_ne_bytes())?;
    Ok(())
}

fn take(counter: &OwnedFd) -> Result<u64> {
    let mut bytes = [0; 8];
    while let Err(error) = read(counter, &mut bytes) {
        if error.errno() != EINTR {
            return Err(error);
        }
    }
    Ok(u64::from_ne_bytes(bytes) - 1)
}

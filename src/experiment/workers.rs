//! Threads that wait for connections, and a client that makes one whenever all of them are asleep.

use std::os::fd::OwnedFd;
use std::sync::{Mutex, mpsc};
use std::thread::{self, Builder};

use super::task::{Task, all_asleep, failed, thread_self};
use super::way::Way;
use super::{loopback, port};
use crate::posix::error::{EAGAIN, ECONNABORTED, ECONNRESET, EINTR, EINVAL, ESRCH};
use crate::posix::sys_socket::*;
use crate::posix::unistd::close;
use crate::posix::{Error, Result};

/// As many workers as a byte can number.
pub const WORKERS_MAX: usize = 256;

/// What became of one connection.
pub(super) struct Served {
    /// Who got it.
    pub(super) by: u8,
    /// How often each worker was woken for it.
    pub(super) wakeups: Vec<u64>,
}

/// Lets workers serve so many connections, one at a time; `each` is called for every one.
pub(super) fn serve(
    way: Way,
    workers: usize,
    connections: usize,
    mut each: impl FnMut(Served),
) -> Result<()> {
    let sockets = way.listen(workers)?;
    let servaddr = loopback(port(&sockets[0])?);
    let mutex = Mutex::new(());
    thread::scope(|scope| {
        let stop = Stop(&sockets);
        let (mut threads, mut tasks) = (Vec::new(), Vec::new());
        let mut start = |number: usize| {
            let (tell, told) = mpsc::channel();
            let listenfd = &sockets[number % sockets.len()];
            let (sockets, mutex) = (&sockets, &mutex);
            let spawned = Builder::new().spawn_scoped(scope, move || {
                let _stop = Stop(sockets);
                let epfd = way.epoll(listenfd)?;
                let _ = tell.send(thread_self()?);
                work(number as u8, || way.wait(listenfd, epfd.as_ref(), mutex))
            });
            threads.push(spawned.map_err(|error| failed("pthread_create", &error))?);
            let thread = told.recv().map_err(|_| Error::new("pthread_create", ESRCH))?;
            tasks.push(Task::open(&thread)?);
            // One after the other, so that they queue up in the order of their numbers.
            all_asleep(&tasks[number..]).map(drop)
        };
        let started = (0..workers).try_for_each(&mut start);
        let served = started.and_then(|()| {
            let mut before = all_asleep(&tasks)?;
            for _ in 0..connections {
                let by = connect_once(&servaddr)?;
                let after = all_asleep(&tasks)?;
                let wakeups = after.iter().zip(&before).map(|(after, before)| after - before);
                each(Served { by, wakeups: wakeups.collect() });
                before = after;
            }
            Ok(())
        });
        drop(stop);
        // What a worker has ended with is the cause of what the client has seen.
        for thread in threads {
            thread.join().unwrap_or(Err(Error::new("pthread_join", ESRCH)))?;
        }
        served
    })
}

/// A worker: each connection gets its number and is closed.
fn work(number: u8, mut wait: impl FnMut() -> Result<OwnedFd>) -> Result<()> {
    loop {
        match wait() {
            Ok(connfd) => {
                send(&connfd, &[number], 0)?;
                close(connfd)?;
            }
            Err(error) => match error.errno() {
                EAGAIN | EINTR | ECONNABORTED => {}
                // The socket does not listen any more.
                EINVAL if error.call == "accept" => return Ok(()),
                _ => return Err(error),
            },
        }
    }
}

/// The client: connects, waits until it is served and let go, and says by whom.
fn connect_once(servaddr: &sockaddr_storage) -> Result<u8> {
    let sockfd = socket(AF_INET, SOCK_STREAM, 0)?;
    // A reset at the end, which leaves no TIME_WAIT behind.
    setsockopt(&sockfd, SOL_SOCKET, SO_LINGER, &linger { l_onoff: 1, l_linger: 0 })?;
    connect(&sockfd, servaddr)?;
    let mut by = [0];
    if recv(&sockfd, &mut by, MSG_WAITALL)? == 0 || recv(&sockfd, &mut [0], 0)? != 0 {
        return Err(Error::new("recv", ECONNRESET));
    }
    close(sockfd)?;
    Ok(by[0])
}

/// Ends the workers: those that wait, and those that are about to.
struct Stop<'a>(&'a [OwnedFd]);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        for listenfd in self.0 {
            // It may have been stopped before.
            let _ = shutdown(listenfd, SHUT_RD);
        }
    }
}

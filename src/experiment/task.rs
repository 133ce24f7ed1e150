//! A thread of this process as /proc shows it: whether it sleeps, and how often it has gone to sleep.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::thread::yield_now;

use crate::posix::error::EIO;
use crate::posix::{Error, Result};

/// A thread that is watched.
pub(super) struct Task {
    syscall: File,
    status: File,
}

/// How the calling thread is called in /proc.
pub(super) fn thread_self() -> Result<String> {
    let link = fs::read_link("/proc/thread-self").map_err(|e| failed("/proc/thread-self", &e))?;
    Ok(format!("/proc/{}", link.display()))
}

impl Task {
    pub(super) fn open(thread: &str) -> Result<Self> {
        let open = |file: &str| File::open(format!("{thread}/{file}"));
        let syscall = open("syscall").map_err(|e| failed("/proc/self/task/*/syscall", &e))?;
        let status = open("status").map_err(|e| failed("/proc/self/task/*/status", &e))?;
        Ok(Self { syscall, status })
    }

    /// Off its CPU, in a system call, with no reason yet to come back.
    fn is_asleep(&self) -> Result<bool> {
        let mut buf = [0];
        // The call's number; for one that has something to do, "running".
        read(&self.syscall, &mut buf, "/proc/self/task/*/syscall")?;
        Ok(buf[0].is_ascii_digit())
    }

    /// How often it has gone to sleep since it began.
    fn sleeps(&self) -> Result<u64> {
        let mut buf = [0; 16384];
        let length = read(&self.status, &mut buf, "/proc/self/task/*/status")?;
        String::from_utf8_lossy(&buf[..length])
            .lines()
            .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))
            .and_then(|count| count.trim().parse().ok())
            .ok_or(Error::new("/proc/self/task/*/status", EIO))
    }
}

/// Waits until all tasks are asleep at the same moment; returns how often each has gone to sleep.
pub(super) fn all_asleep(tasks: &[Task]) -> Result<Vec<u64>> {
    loop {
        // Whoever slept in both looks and has not gone to sleep between them slept all the while.
        if let Some(sleeps) = look(tasks)?
            && look(tasks)?.as_ref() == Some(&sleeps)
        {
            return Ok(sleeps);
        }
        yield_now();
    }
}

fn look(tasks: &[Task]) -> Result<Option<Vec<u64>>> {
    for task in tasks {
        if !task.is_asleep()? {
            return Ok(None);
        }
    }
    tasks.iter().map(Task::sleeps).collect::<Result<_>>().map(Some)
}

fn read(file: &File, buf: &mut [u8], name: &'static str) -> Result<usize> {
    file.read_at(buf, 0).map_err(|error| failed(name, &error))
}

pub(super) fn failed(call: &'static str, error: &io::Error) -> Error {
    Error::new(call, error.raw_os_error().unwrap_or(EIO))
}

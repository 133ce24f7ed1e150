//! How the commands have ended that a super-server of ours has started with its socket, one after the other: it tells
//! each end through a pipe, as nobody else is told.

#![forbid(unsafe_code)]

use std::cell::RefCell;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use nix::fcntl::OFlag;
use nix::unistd::pipe2;

use crate::posix::signal::SIGALRM;
use crate::posix::unistd::{read, write};
use crate::posix::{Error, Result};

/// How one of them has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    /// Its status.
    pub status: ExitStatus,
    /// How many in a row, this one the last, have ended while what they were started for still waited.
    pub in_vain: u32,
}

impl End {
    /// Whether it has ended of its own accord: with status 0, or by the clock that it has set itself.
    pub fn is_ordinary(self) -> bool {
        self.status.success() || self.status.signal() == Some(SIGALRM)
    }
}

/// All ends so far.
pub struct Ends {
    told: OwnedFd,
    so_far: RefCell<Vec<End>>,
}

/// A status and a count.
const WORD: usize = size_of::<i32>() + size_of::<u32>();

impl Ends {
    /// None so far, and where they are to be told: neither end of the pipe waits.
    pub(super) fn new() -> Result<(Self, OwnedFd)> {
        let (told, teller) = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)
            .map_err(|errno| Error::new("pipe2", errno as i32))?;
        Ok((Self { told, so_far: RefCell::default() }, teller))
    }

    /// All that have been told by now, the first one first.
    pub fn all(&self) -> Vec<End> {
        let mut so_far = self.so_far.borrow_mut();
        // What is written at once, as little as that, is read as a whole.
        let mut words = [0; 64 * WORD];
        while let Ok(length @ 1..) = read(&self.told, &mut words) {
            so_far.extend(words[..length].as_chunks::<WORD>().0.iter().map(of_word));
        }
        so_far.clone()
    }
}

/// Tells of an end. Allocates nothing.
pub(super) fn tell(teller: &OwnedFd, wstatus: i32, in_vain: u32) {
    let mut word = [0; WORD];
    let (status, count) = word.split_at_mut(size_of::<i32>());
    status.copy_from_slice(&wstatus.to_ne_bytes());
    count.copy_from_slice(&in_vain.to_ne_bytes());
    // Nobody may be there to read it.
    let _ = write(teller, &word);
}

fn of_word(word: &[u8; WORD]) -> End {
    let [a, b, c, d, e, f, g, h] = *word;
    let status = ExitStatus::from_raw(i32::from_ne_bytes([a, b, c, d]));
    End { status, in_vain: u32::from_ne_bytes([e, f, g, h]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_heard() {
        let (ends, teller) = Ends::new().unwrap();
        assert!(ends.all().is_empty());
        for (wstatus, in_vain) in [(0, 0), (SIGALRM, 1), (1 << 8, u32::MAX)] {
            tell(&teller, wstatus, in_vain);
        }
        let all = ends.all();
        assert_eq!(all.iter().map(|end| end.in_vain).collect::<Vec<_>>(), [0, 1, u32::MAX]);
        assert_eq!(
            all.iter().map(|end| end.is_ordinary()).collect::<Vec<_>>(),
            [true, true, false]
        );
        drop(teller);
        assert_eq!(ends.all(), all);
    }
}

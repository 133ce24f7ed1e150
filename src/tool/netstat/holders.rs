//! Who holds a socket: the descriptors of all processes, looked through once.
//!
//! `/proc/PID/fd` is a folder of links, and one that says `socket:[18870106]` leads to the socket with this
//! inode. That is a system call for each descriptor of each process, and nearly all the time that a netstat
//! takes: so the links are read relative to their folder, into one buffer, and where there are many, by as
//! many threads as there are processors. A socket may be held many times, so none is skipped.

use std::collections::{HashMap, HashSet};
use std::ffi::{CStr, c_int};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;

use serde::Serialize;

use super::Row;
use crate::linux::dirent::{getdents64, names};
use crate::posix::Result;
use crate::posix::error::EACCES;
use crate::posix::unistd::readlinkat;

/// A process that holds a socket.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Holder {
    /// Its id.
    pub pid: c_int,
    /// What it calls itself, as it is: of a path that begins with a `/` the last part of `argv[0]`, and if it
    /// has none, what the kernel calls it.
    pub name: String,
}

/// Fills in the holders; returns whether some are missing that may be in a process into which we may not look.
pub(super) fn find(rows: &mut [Row]) -> bool {
    // What nobody holds is never looked up.
    let mut wanted: Vec<u32> =
        rows.iter().map(|row| row.inode).filter(|&inode| inode != 0).collect();
    wanted.sort_unstable();
    wanted.dedup();
    if wanted.is_empty() {
        return false;
    }
    let wanted: Arc<[u32]> = wanted.into();
    let (threads, others) = without_kernel_threads(pids());
    let mut found = search(others, &wanted);
    // They hold none; whatever else may be among them counts where somebody is missing.
    if !wanted.iter().all(|&inode| found.holds(inode)) {
        found.merge(search(threads, &wanted));
        found.held.sort_unstable();
        found.held.dedup();
    }
    let mut processes: HashMap<c_int, String> = HashMap::new();
    let mut missing = false;
    for row in rows.iter_mut().filter(|row| row.inode != 0) {
        let first = found.held.partition_point(|&(inode, _)| inode < row.inode);
        let held = found.held.get(first..).unwrap_or(&[]);
        let held = held.iter().take_while(|&&(inode, _)| inode == row.inode);
        let holders: Vec<Holder> = held
            .map(|&(_, pid)| {
                let name = processes.entry(pid).or_insert_with(|| name(pid)).clone();
                Holder { pid, name }
            })
            .collect();
        missing |= holders.is_empty();
        row.holders = (!holders.is_empty()).then_some(holders);
    }
    missing && found.refused
}

/// All processes.
fn pids() -> Vec<c_int> {
    let mut pids = Vec::new();
    if let Ok(proc) = File::open("/proc") {
        let mut dirents = [0; FEW];
        // Where that fails half-way, those found so far are looked at.
        while let Ok(true) = numbers(&proc, &mut dirents, &mut pids) {}
    }
    pids
}

/// The children of kthreadd, which are the kernel's own threads, and all other processes. The former are most
/// of the processes of a small machine, and told in one file.
fn without_kernel_threads(pids: Vec<c_int>) -> (Vec<c_int>, Vec<c_int>) {
    // In a namespace of its own, the second process is one like any other.
    if !fs::read_to_string("/proc/2/stat").is_ok_and(|stat| is_kernel_thread(&stat)) {
        return (Vec::new(), pids);
    }
    let children = fs::read_to_string("/proc/2/task/2/children").unwrap_or_default();
    let children: HashSet<c_int> =
        children.split_ascii_whitespace().filter_map(|pid| number(pid.as_bytes())).collect();
    pids.into_iter().partition(|pid| children.contains(pid))
}

/// Whether `/proc/PID/stat` is that of a kernel thread: the flag `PF_KTHREAD` in its ninth field.
fn is_kernel_thread(stat: &str) -> bool {
    const PF_KTHREAD: u32 = 0x0020_0000;
    // The second field, a name in parentheses, may have anything in it.
    let flags = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(6));
    flags
        .and_then(|flags| number::<u32>(flags.as_bytes()))
        .is_some_and(|flags| flags & PF_KTHREAD != 0)
}

/// More than the longest entry of a folder takes: where so much room is left, there was no further entry.
const ENTRY_MAX: usize = 280;

/// The next entries of a folder whose names are numbers; returns whether there may be more.
fn numbers(folder: &File, dirents: &mut [u8], into: &mut Vec<c_int>) -> Result<bool> {
    let length = getdents64(folder, dirents)?;
    let entries = names(dirents.get(..length).unwrap_or(dirents));
    into.extend(entries.filter_map(|name| number::<c_int>(name.to_bytes())));
    Ok(length + ENTRY_MAX > dirents.len())
}

#[derive(Debug, Default)]
struct Found {
    /// Inodes with who holds them, sorted, each pair once.
    held: Vec<(u32, c_int)>,
    /// Whether some process could not be looked into.
    refused: bool,
}

impl Found {
    fn holds(&self, inode: u32) -> bool {
        let first = self.held.partition_point(|&(held, _)| held < inode);
        self.held.get(first).is_some_and(|&(held, _)| held == inode)
    }

    fn merge(&mut self, other: Self) {
        self.held.extend(other.held);
        self.refused |= other.refused;
    }
}

/// Room for some 300 descriptors. A process with more is left for all threads to share.
const FEW: usize = 8 * 1024;

/// How many descriptors a thread follows before it takes the next so many.
const SHARE: usize = 512;

/// With fewer shares than this, another thread does not pay.
const FEW_SHARES: usize = 4;

/// Nor with fewer processes than this.
const FEW_PROCESSES: usize = 32;

/// A process with many descriptors.
#[derive(Debug)]
struct Large {
    pid: c_int,
    /// All below this are looked for, without a list: so many as there are, and some for gaps. 0 if the kernel
    /// does not say how many there are, before Linux 6.2.
    dense: usize,
    /// How many of these there were; `None` if none may be looked at.
    seen: Option<usize>,
}

fn search(pids: Vec<c_int>, wanted: &Arc<[u32]>) -> Found {
    let mut found = Found::default();
    let mut large = Vec::new();
    let workers = if pids.len() < FEW_PROCESSES { 1 } else { processors() };
    let wanted_by_all = Arc::clone(wanted);
    for (more, rest) in in_parallel(workers, pids.len(), 2, move |range| {
        let (mut found, mut large) = (Found::default(), Vec::new());
        for &pid in pids.get(range).unwrap_or(&[]) {
            large.extend(look_into(pid, &wanted_by_all, &mut found));
        }
        (found, large)
    }) {
        found.merge(more);
        large.extend(rest);
    }
    if !large.is_empty() {
        search_large(&mut large, wanted, &mut found);
    }
    found.held.sort_unstable();
    found.held.dedup();
    found
}

/// Follows the descriptors of a process, unless they are many.
fn look_into(pid: c_int, wanted: &[u32], found: &mut Found) -> Option<Large> {
    let folder = match descriptors_of(pid) {
        Ok(folder) => folder,
        Err(error) => {
            // It may as well have ended.
            found.refused |= error.kind() == io::ErrorKind::PermissionDenied;
            return None;
        }
    };
    // Where none may be looked at, a list of them would be in vain, and takes the longest of all.
    follow(pid, &folder, &[0], wanted, found)?;
    let mut dirents = [0; FEW];
    let mut fds = Vec::new();
    if numbers(&folder, &mut dirents, &mut fds).ok()? {
        let count = count(&folder);
        let gaps = if count > 0 { count / 32 + 64 } else { 0 };
        return Some(Large { pid, dense: count + gaps, seen: Some(0) });
    }
    fds.retain(|&fd| fd != 0);
    follow(pid, &folder, &fds, wanted, found);
    None
}

/// Those with many: first the numbers that are most likely there, without a list of them, which takes a
/// quarter of the time; then, where that was not all, those that are left of the list.
fn search_large(large: &mut [Large], wanted: &Arc<[u32]>, found: &mut Found) {
    let fds = |large: &Large| (0..large.dense).filter_map(|fd| fd.try_into().ok()).collect();
    share(large, wanted, found, fds);
    share(large, wanted, found, |large| {
        let mut fds = Vec::new();
        let (Ok(folder), Some(seen)) = (descriptors_of(large.pid), large.seen) else { return fds };
        if seen > 0 && seen >= count(&folder) {
            return fds;
        }
        let mut dirents = [0; 32 * 1024];
        // Where that fails, the process has ended.
        while let Ok(true) = numbers(&folder, &mut dirents, &mut fds) {}
        fds.retain(|fd| usize::try_from(*fd).is_ok_and(|fd| fd >= large.dense));
        fds
    });
}

/// Follows some descriptors of each process, with all processors.
fn share(
    large: &mut [Large],
    wanted: &Arc<[u32]>,
    found: &mut Found,
    fds: impl Fn(&Large) -> Vec<c_int>,
) {
    let mut shares: Vec<(usize, c_int, Vec<c_int>)> = Vec::new();
    for (at, large) in large.iter().enumerate() {
        shares.extend(fds(large).chunks(SHARE).map(|fds| (at, large.pid, fds.to_vec())));
    }
    let workers = if shares.len() < FEW_SHARES { 1 } else { processors() };
    let wanted = Arc::clone(wanted);
    for done in in_parallel(workers, shares.len(), 1, move |range| {
        let (at, pid, fds) = shares.get(range.start)?;
        let folder = descriptors_of(*pid).ok()?;
        let mut found = Found::default();
        let seen = follow(*pid, &folder, fds, &wanted, &mut found);
        Some((*at, seen, found))
    }) {
        let Some((at, seen, more)) = done else { continue };
        if let Some(large) = large.get_mut(at) {
            large.seen = large.seen.zip(seen).map(|(before, more)| before + more);
        }
        found.merge(more);
    }
}

fn descriptors_of(pid: c_int) -> io::Result<File> {
    File::open(format!("/proc/{pid}/fd"))
}

/// How many descriptors a process has, as the size of the folder says.
fn count(folder: &File) -> usize {
    folder.metadata().ok().and_then(|metadata| metadata.len().try_into().ok()).unwrap_or(0)
}

/// Notes which of these descriptors are wanted; returns how many there are, or `None` if none may be looked
/// at.
fn follow(
    pid: c_int,
    folder: &File,
    fds: &[c_int],
    wanted: &[u32],
    found: &mut Found,
) -> Option<usize> {
    let mut seen = 0;
    let mut link = [0; 32];
    for fd in fds {
        let mut digits = [0; 12];
        let Ok(()) = write!(&mut digits[..], "{fd}") else { continue };
        let Ok(name) = CStr::from_bytes_until_nul(&digits) else { continue };
        match readlinkat(folder, name, &mut link) {
            Ok(length) => {
                seen += 1;
                if let Some(inode) = inode(link.get(..length).unwrap_or(&link))
                    && wanted.binary_search(&inode).is_ok()
                {
                    found.held.push((inode, pid));
                }
            }
            // The folder may be listed by more than may look at what it leads to.
            Err(error) if error.errno() == EACCES => {
                found.refused = true;
                return None;
            }
            // It may have been closed since, or never been open.
            Err(_) => {}
        }
    }
    Some(seen)
}

/// The inode in `socket:[18870106]`.
fn inode(link: &[u8]) -> Option<u32> {
    let digits = link.strip_prefix(b"socket:[")?.strip_suffix(b"]")?;
    number(digits)
}

/// Decimal digits and nothing else.
fn number<N: TryFrom<u64>>(digits: &[u8]) -> Option<N> {
    if digits.is_empty() {
        return None;
    }
    let number = digits.iter().try_fold(0_u64, |number, digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })?;
    number.try_into().ok()
}

fn processors() -> usize {
    thread::available_parallelism().map_or(1, usize::from).min(16)
}

/// Runs `work`, which never panics, on the ranges of so many things, `step` at a time, by so many threads of which the
/// calling one is the first. It waits for what others have begun, but not for a thread that comes late: on a busy
/// machine it may be so late that nothing is left.
fn in_parallel<T: Send + 'static>(
    workers: usize,
    things: usize,
    step: usize,
    work: impl Fn(Range<usize>) -> T + Send + Sync + 'static,
) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let shared = Arc::new((next, Mutex::new((0, Vec::new())), Condvar::new(), work));
    let take_turns = {
        let shared = Arc::clone(&shared);
        move || {
            let (next, results, all_done, work) = &*shared;
            loop {
                let first = next.fetch_add(step, Ordering::Relaxed);
                if first >= things {
                    return;
                }
                let range = first..things.min(first + step);
                let count = range.len();
                let result = work(range);
                let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
                results.0 += count;
                results.1.push(result);
                if results.0 == things {
                    all_done.notify_all();
                }
            }
        }
    };
    for _ in 1..workers {
        // Where no thread can be had, those that there are do the work.
        if thread::Builder::new().spawn(take_turns.clone()).is_err() {
            break;
        }
    }
    take_turns();
    let (_, results, all_done, _) = &*shared;
    let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
    while results.0 < things {
        results = all_done.wait(results).unwrap_or_else(PoisonError::into_inner);
    }
    std::mem::take(&mut results.1)
}

/// What a process calls itself.
fn name(pid: c_int) -> String {
    let mut beginning = [0; 4096];
    // A process that has ended has no name any more.
    let read =
        File::open(format!("/proc/{pid}/cmdline")).and_then(|mut file| file.read(&mut beginning));
    let beginning = beginning.get(..read.unwrap_or(0)).unwrap_or(&[]);
    let argument = beginning.split(|&byte| byte == 0).next().unwrap_or_default();
    let name = if argument.starts_with(b"/") {
        argument.rsplit(|&byte| byte == b'/').next().unwrap_or_default()
    } else {
        argument
    };
    if !name.is_empty() {
        return String::from_utf8_lossy(name).into_owned();
    }
    let comm = fs::read(format!("/proc/{pid}/comm")).unwrap_or_default();
    let comm = comm.strip_suffix(b"\n").unwrap_or(&comm);
    String::from_utf8_lossy(comm).into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn kernel_threads() {
        assert!(is_kernel_thread("2 (kthreadd) S 0 0 0 0 -1 2129984 0 0 0 0\n"));
        assert!(is_kernel_thread("2 (a) S 1 (b) S 0 0 0 0 -1 2129984 0 0 0 0\n"));
        for other in ["2 (kthreadd) S 1 2 2 0 -1 4194560 0\n", "2 (x) S 0 0 0 0 -1", "2", ""] {
            assert!(!is_kernel_thread(other), "{other:?}");
        }
        // None is lost, and none is invented.
        let (threads, others) = without_kernel_threads(vec![1, 2, c_int::MAX]);
        assert!(threads.len() + others.len() == 3 && others.contains(&1));
    }

    #[test]
    fn links() {
        assert_eq!(inode(b"socket:[18870106]"), Some(18_870_106));
        for other in [
            &b"socket:[]"[..],
            b"socket:[12",
            b"socket:[4294967296]",
            b"socket:[-1]",
            b"socket:[+1]",
            b"pipe:[12]",
            b"/dev/null",
            b"",
        ] {
            assert_eq!(inode(other), None, "{other:?}");
        }
    }

    #[test]
    fn all_is_done_once_by_however_many() {
        for (workers, things, step) in [(1, 10, 3), (4, 1000, 7), (3, 0, 1), (8, 2, 1)] {
            let ranges = in_parallel(workers, things, step, |range| range);
            let mut done: Vec<usize> = ranges.into_iter().flatten().collect();
            done.sort_unstable();
            assert_eq!(done, (0..things).collect::<Vec<_>>());
        }
    }

    proptest! {
        #[test]
        fn no_link_is_too_strange(link: Vec<u8>, number: u64) {
            inode(&link);
            inode(format!("socket:[{number}]").as_bytes());
        }
    }
}

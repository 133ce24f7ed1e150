//! `/proc/self/task/TID/children`: which children a process has.
//! [proc_tid_children(5)](https://man7.org/linux/man-pages/man5/proc_tid_children.5.html)

use crate::posix::unistd::{getpid, pid_t};

/// The children of this process's main thread. The list is whole while none of them is being
/// reaped: zombies are in it.
pub fn children() -> std::io::Result<Vec<pid_t>> {
    let list = std::fs::read_to_string(format!("/proc/self/task/{}/children", getpid()))?;
    Ok(list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect())
}

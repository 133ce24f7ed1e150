//! `<linux/close_range.h>`

use nix::fcntl::{FcntlArg, fcntl};
use socklab::linux::close_range::close_range;
use socklab::posix::error::EINVAL;
use socklab::posix::sys_wait::{WEXITSTATUS, WIFEXITED, waitpid};
use std::os::fd::BorrowedFd;

use crate::support::{alone, forked};

#[test]
fn what_is_in_the_range_is_closed() {
    alone(|| {
        let childpid = forked(|| {
            let is_open = |fd: i32| {
                // SAFETY: a number to ask about; nobody else has descriptors in this process.
                let fd = unsafe { BorrowedFd::borrow_raw(fd) };
                fcntl(fd, FcntlArg::F_GETFD).is_ok()
            };
            let was_open = is_open(0) && is_open(1) && is_open(2);
            // SAFETY: this process ends without using them.
            let refused = unsafe { close_range(2, 1) };
            // SAFETY: as above.
            let closed = unsafe { close_range(1, u32::MAX) };
            let is_refused = refused.is_err_and(|error| error.errno() == EINVAL);
            let is_done = closed.is_ok() && is_open(0) && !is_open(1) && !is_open(2);
            i32::from(!(was_open && is_refused && is_done))
        });
        let (_, wstatus) = waitpid(childpid, 0).expect("the child");
        assert!(WIFEXITED(wstatus) && WEXITSTATUS(wstatus) == 0, "{wstatus}");
    });
}

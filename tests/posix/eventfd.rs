//! Linux's eventfd.

use socklab::linux::eventfd::{EFD_CLOEXEC, EFD_NONBLOCK, EFD_SEMAPHORE, eventfd};
use socklab::posix::error::{EAGAIN, EINVAL};
use socklab::posix::poll::{POLLIN, POLLOUT, poll, pollfd};
use socklab::posix::unistd::{read, write};

use crate::support::row;

fn taken(counter: &std::os::fd::OwnedFd) -> u64 {
    let mut bytes = [0; 8];
    assert_eq!(read(counter, &mut bytes), Ok(8));
    u64::from_ne_bytes(bytes)
}

#[test]
fn what_was_added_is_taken_at_once() {
    let counter = eventfd(3, EFD_NONBLOCK | EFD_CLOEXEC).expect("eventfd");
    assert_eq!(write(&counter, &5_u64.to_ne_bytes()), Ok(8));
    assert_eq!(taken(&counter), 8);
    row("read", "nothing to take", read(&counter, &mut [0; 8]), EAGAIN);
    let mut fds = [pollfd::new(&counter, POLLIN | POLLOUT)];
    assert_eq!((poll(&mut fds, 0), fds[0].revents()), (Ok(1), POLLOUT));
    assert_eq!(write(&counter, &1_u64.to_ne_bytes()), Ok(8));
    assert_eq!((poll(&mut fds, 0), fds[0].revents()), (Ok(1), POLLIN | POLLOUT));
}

#[test]
fn a_semaphore_is_taken_one_by_one() {
    let counter = eventfd(2, EFD_NONBLOCK | EFD_SEMAPHORE).expect("eventfd");
    assert_eq!((taken(&counter), taken(&counter)), (1, 1));
    row("read", "nothing to take", read(&counter, &mut [0; 8]), EAGAIN);
}

#[test]
fn refusals() {
    let counter = eventfd(0, EFD_NONBLOCK).expect("eventfd");
    row("eventfd", "a flag that there is not", eventfd(0, 2), EINVAL);
    row("read", "less than eight bytes", read(&counter, &mut [0; 7]), EINVAL);
    row("write", "less than eight bytes", write(&counter, &[0; 7]), EINVAL);
    row("write", "the one number that there is not", write(&counter, &[0xff; 8]), EINVAL);
    let most = (u64::MAX - 1).to_ne_bytes();
    assert_eq!(write(&counter, &most), Ok(8));
    row("write", "no room", write(&counter, &1_u64.to_ne_bytes()), EAGAIN);
}

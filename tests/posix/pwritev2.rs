//! A write that does not block, on a pipe that does; and how much a pipe holds.

use std::io::IoSlice;

use socklab::linux::pipe::{F_GETPIPE_SZ, F_SETPIPE_SZ, fcntl_pipe};
use socklab::linux::pwritev2::{RWF_NOWAIT, pwritev2};
use socklab::posix::error::{EAGAIN, EBADF, EINVAL, EOPNOTSUPP, EPIPE};
use socklab::posix::unistd::{close, pipe, read};

#[test]
fn a_full_pipe_is_not_waited_for() {
    let [reading, writing] = pipe().expect("pipe");
    let bytes = vec![7; 1 << 20];
    let written = match pwritev2(&writing, &[IoSlice::new(&bytes)], -1, RWF_NOWAIT) {
        Err(error) if error.errno() == EOPNOTSUPP => {
            return eprintln!("skipped: this kernel's pipes know no RWF_NOWAIT");
        }
        written => written.expect("pwritev2"),
    };
    assert_eq!(written, 64 * 1024, "as much as a pipe holds");
    let again = pwritev2(&writing, &[IoSlice::new(&bytes)], -1, RWF_NOWAIT);
    assert_eq!(again.map_err(|error| error.errno()), Err(EAGAIN));
    assert_eq!(read(&reading, &mut [0; 4096]), Ok(4096));
    let two = [IoSlice::new(&bytes[..4000]), IoSlice::new(&bytes[..96])];
    assert_eq!(pwritev2(&writing, &two, -1, RWF_NOWAIT), Ok(4096));
    assert_eq!(
        pwritev2(&writing, &two, -1, 1 << 30).map_err(|error| error.errno()),
        Err(EOPNOTSUPP)
    );
    assert_eq!(pwritev2(&writing, &two, -2, 0).map_err(|error| error.errno()), Err(EINVAL));
    close(reading).expect("close");
    // A child that another test forks has a copy of the reading end, for a while.
    let end = loop {
        match pwritev2(&writing, &two, -1, RWF_NOWAIT).map_err(|error| error.errno()) {
            Err(EAGAIN) => std::thread::yield_now(),
            end => break end,
        }
    };
    assert_eq!(end, Err(EPIPE));
}

#[test]
fn a_pipe_is_made_larger() {
    let [reading, writing] = pipe().expect("pipe");
    assert_eq!(fcntl_pipe(&reading, F_GETPIPE_SZ, 0), Ok(64 * 1024));
    assert_eq!(fcntl_pipe(&writing, F_SETPIPE_SZ, 128 * 1024), Ok(128 * 1024));
    assert_eq!(fcntl_pipe(&reading, F_GETPIPE_SZ, 0), Ok(128 * 1024));
    assert_eq!(fcntl_pipe(&reading, 0, 0).map_err(|error| error.errno()), Err(EINVAL));
    let null = std::fs::File::open("/dev/null").expect("there");
    assert_eq!(fcntl_pipe(&null, F_SETPIPE_SZ, 4096).map_err(|error| error.errno()), Err(EBADF));
}

//! `<sys/pidfd.h>`

use socklab::linux::pidfd::pidfd_open;
use socklab::posix::error::{EINVAL, ESRCH};
use socklab::posix::poll::{POLLIN, poll, pollfd};
use socklab::posix::signal::{SIGKILL, kill};
use socklab::posix::sys_wait::waitpid;

use crate::support::{alone, forked};

#[test]
fn it_is_readable_once_the_process_has_ended() {
    alone(|| {
        let childpid = forked(|| {
            // For ever.
            i32::from(poll(&mut [], -1).is_ok())
        });
        let pidfd = pidfd_open(childpid, 0).expect("it is there");
        let mut fds = [pollfd::new(&pidfd, POLLIN)];
        assert_eq!(poll(&mut fds, 0), Ok(0));
        kill(childpid, SIGKILL).expect("it is ours");
        assert_eq!(poll(&mut fds, -1), Ok(1));
        // A zombie is enough; and what it stands for does not change when the number is free again.
        waitpid(childpid, 0).expect("the child");
        assert_eq!(poll(&mut fds, 0), Ok(1));
        let gone = pidfd_open(childpid, 0);
        assert_eq!(gone.map(|_| ()).map_err(|error| error.errno()), Err(ESRCH));
        assert_eq!(pidfd_open(0, 0).map(|_| ()).map_err(|error| error.errno()), Err(EINVAL));
    });
}

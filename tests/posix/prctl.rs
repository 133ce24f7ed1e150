//! Linux's prctl.

use socklab::linux::prctl::{PR_SET_NO_NEW_PRIVS, PR_SET_PDEATHSIG, prctl};
use socklab::posix::error::EINVAL;
use socklab::posix::signal::{SIGKILL, kill};
use socklab::posix::sys_wait::waitpid;
use socklab::posix::unistd::{_exit, close, fork, pipe, read, write};

use crate::support::{alone, errno_of, forked, row, skip};

#[test]
fn a_child_ends_with_its_parent() {
    alone(|| {
        let [end, alive] = pipe().expect("pipe");
        let [_nothing, never] = pipe().expect("pipe");
        let parent = forked(|| {
            // SAFETY: the only other thread waits for this one and holds no lock of the C library.
            match unsafe { fork() } {
                Ok(0) => {
                    let _ = write(&alive, &[u8::from(prctl(PR_SET_PDEATHSIG, SIGKILL).is_ok())]);
                }
                Ok(_) => {}
                Err(_) => _exit(100),
            }
            errno_of(read(&_nothing, &mut [0]))
        });
        close(alive).expect("close");
        let mut said = [0];
        assert_eq!((read(&end, &mut said), said), (Ok(1), [1]));
        kill(parent, SIGKILL).expect("kill");
        waitpid(parent, 0).expect("waitpid");
        // The child's end of the pipe is closed: it is gone too.
        assert_eq!(read(&end, &mut said), Ok(0));
        close(never).expect("close");
    });
}

/// The line of /proc that says whether a program can still give this process a privilege.
#[test]
fn privileges_are_given_up() {
    alone(|| {
        let is_set = || {
            let status = std::fs::read_to_string("/proc/thread-self/status").expect("status");
            status.lines().any(|line| line == "NoNewPrivs:\t1")
        };
        let before = is_set();
        assert_eq!(prctl(PR_SET_NO_NEW_PRIVS, 1), Ok(()));
        assert!(is_set());
        row("prctl", "taken back", prctl(PR_SET_NO_NEW_PRIVS, 0), EINVAL);
        if before {
            skip("how it is before", "the tests run without new privileges");
        }
    });
}

#[test]
fn refusals() {
    row("prctl", "a signal that there is not", prctl(PR_SET_PDEATHSIG, 4000), EINVAL);
    row("prctl", "a negative number", prctl(PR_SET_PDEATHSIG, -1), EINVAL);
    row("prctl", "another operation", prctl(0, 0), EINVAL);
}

//! `<sys/resource.h>`

use socklab::posix::error::{EINVAL, EPERM};
use socklab::posix::sys_resource::{RLIMIT_NOFILE, getrlimit, rlimit, setrlimit};

#[test]
fn limits() {
    let now = getrlimit(RLIMIT_NOFILE).expect("a limit");
    assert!(now.rlim_cur > 0 && now.rlim_cur <= now.rlim_max);
    // As it was: the other tests of this process keep their descriptors.
    setrlimit(RLIMIT_NOFILE, &now).expect("set");
    let wrong = rlimit { rlim_cur: now.rlim_max, rlim_max: now.rlim_max - 1 };
    assert_eq!(setrlimit(RLIMIT_NOFILE, &wrong).expect_err("above the hard limit").errno(), EINVAL);
    let higher = rlimit { rlim_cur: now.rlim_cur, rlim_max: u64::MAX - 1 };
    // Beyond what the kernel allows at all, whoever asks.
    assert_eq!(setrlimit(RLIMIT_NOFILE, &higher).expect_err("too many").errno(), EPERM);
    assert_eq!(getrlimit(-1).expect_err("no limit").errno(), EINVAL);
}

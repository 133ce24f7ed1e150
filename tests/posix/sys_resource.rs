//! `<sys/resource.h>`, Linux's part of it too.

use socklab::linux::sys_resource::prlimit;
use socklab::posix::error::{EINVAL, EPERM, ESRCH};
use socklab::posix::sys_resource::{
    RLIMIT_AS, RLIMIT_NOFILE, RLIMIT_NPROC, getrlimit, rlimit, setrlimit,
};

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

#[test]
fn limits_of_another_process() {
    let mut child = std::process::Command::new("cat")
        .stdin(std::process::Stdio::piped())
        .spawn()
        .expect("cat starts");
    let pid = child.id() as i32;
    for resource in [RLIMIT_NOFILE, RLIMIT_NPROC, RLIMIT_AS] {
        let before = prlimit(pid, resource, None).expect("a limit");
        let own = getrlimit(resource).expect("a limit");
        assert_eq!((before.rlim_cur, before.rlim_max), (own.rlim_cur, own.rlim_max));
        let lower = rlimit { rlim_cur: 3, ..before };
        let replaced = prlimit(pid, resource, Some(&lower)).expect("lowered");
        assert_eq!(replaced.rlim_cur, before.rlim_cur);
        assert_eq!(prlimit(pid, resource, Some(&before)).expect("restored").rlim_cur, 3);
        assert_eq!(getrlimit(resource).expect("a limit").rlim_cur, own.rlim_cur, "ours stays");
    }
    assert_eq!(prlimit(pid, -1, None).expect_err("no limit").errno(), EINVAL);
    drop(child.stdin.take());
    assert!(child.wait().expect("it ends").success());
    assert_eq!(prlimit(pid, RLIMIT_NOFILE, None).expect_err("it is gone").errno(), ESRCH);
}

//! Flags of descriptors, and record locks.

use std::ffi::{c_int, c_short};
use std::os::fd::{AsFd, OwnedFd};

use nix::fcntl::{FcntlArg, fcntl as nix_fcntl};
use socklab::linux::sys_mman::{MFD_CLOEXEC, memfd_create};
use socklab::posix::error::{EAGAIN, EBADF, EDEADLK, EINTR, EINVAL};
use socklab::posix::fcntl::{
    F_GETFD, F_GETFL, F_GETLK, F_GETOWN, F_RDLCK, F_SETFD, F_SETFL, F_SETLK, F_SETLKW, F_SETOWN,
    F_UNLCK, F_WRLCK, FD_CLOEXEC, O_ACCMODE, O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY, SEEK_SET,
    fcntl, fcntl_lock, flock,
};
use socklab::posix::signal::{SIGKILL, SIGUSR1, handler, kill, sigaction, sigemptyset};
use socklab::posix::sys_wait::waitpid;
use socklab::posix::unistd::{close, getpid, pipe, read, write};

use crate::support::{alone, errno_of, forked, not_open, row, status, tcp, until_blocked};

#[test]
fn flags_of_the_open_file() {
    alone(|| {
        let [reading, writing] = pipe().expect("pipe");
        let fd = tcp();
        for (fd, mode) in [(&reading, O_RDONLY), (&writing, O_WRONLY), (&fd, O_RDWR)] {
            let flags = fcntl(fd, F_GETFL, 0).expect("fcntl");
            assert_eq!((flags & O_ACCMODE, flags & O_NONBLOCK), (mode, 0));
            assert_eq!(fcntl(fd, F_SETFL, flags | O_NONBLOCK), Ok(0));
            assert_eq!(fcntl(fd, F_GETFL, 0), Ok(flags | O_NONBLOCK));
            assert_eq!(fcntl(fd, F_GETFL, 0).ok(), nix_fcntl(fd, FcntlArg::F_GETFL).ok());
            assert_eq!(fcntl(fd, F_SETFL, flags), Ok(0));
            assert_eq!(fcntl(fd, F_GETFL, 0), Ok(flags));
        }
        let copy = reading.try_clone().expect("dup");
        fcntl(&copy, F_SETFL, O_NONBLOCK).expect("fcntl");
        let flags = fcntl(&reading, F_GETFL, 0).expect("fcntl");
        assert_eq!(flags & O_NONBLOCK, O_NONBLOCK, "two names, one open file");
    });
}

#[test]
fn flags_of_the_descriptor() {
    alone(|| {
        let fd = tcp();
        assert_eq!(fcntl(&fd, F_GETFD, 0), Ok(0), "no FD_CLOEXEC that was not asked for");
        assert_eq!(fcntl(&fd, F_SETFD, FD_CLOEXEC), Ok(0));
        assert_eq!(fcntl(&fd, F_GETFD, 0), Ok(FD_CLOEXEC));
        assert_eq!(fcntl(&fd, F_GETOWN, 0), Ok(0), "nobody gets its signals");
        assert_eq!(fcntl(&fd, F_SETOWN, getpid()), Ok(0));
        assert_eq!(fcntl(&fd, F_GETOWN, 0), Ok(getpid()));
    });
}

#[test]
fn errors() {
    alone(|| {
        for cmd in [F_GETFD, F_GETFL, F_GETOWN] {
            row("fcntl", "not open", fcntl(not_open(), cmd, 0), EBADF);
        }
        for cmd in [F_SETFD, F_SETFL, F_SETOWN] {
            row("fcntl", "not open", fcntl(not_open(), cmd, 0), EBADF);
        }
        let fd = tcp();
        let (f_dupfd, f_getlk, f_setlk, f_getown_ex, f_dupfd_cloexec) = (0, 5, 6, 16, 1030);
        for cmd in [f_dupfd, f_getlk, f_setlk, f_getown_ex, f_dupfd_cloexec, -1, 9999] {
            let what =
                format!("command {cmd}, which takes a pointer, makes a descriptor or is none");
            row("fcntl", &what, fcntl(&fd, cmd, 0), EINVAL);
        }
    });
}

fn file() -> OwnedFd {
    memfd_create(c"locked", MFD_CLOEXEC).expect("memfd_create")
}

fn of_type(l_type: c_int) -> flock {
    let l_whence = SEEK_SET as c_short;
    flock { l_type: l_type as c_short, l_whence, l_start: 0, l_len: 0, l_pid: 0 }
}

fn lock(fd: impl AsFd, cmd: c_int, l_type: c_int) -> socklab::posix::Result<c_int> {
    fcntl_lock(fd, cmd, &mut of_type(l_type))
}

/// Who keeps us from such a lock: 0 is nobody.
fn holder(fd: impl AsFd, l_type: c_int) -> i32 {
    let mut found = of_type(l_type);
    assert_eq!(fcntl_lock(fd, F_GETLK, &mut found), Ok(0));
    if c_int::from(found.l_type) == F_UNLCK { 0 } else { found.l_pid }
}

#[test]
fn a_lock_is_one_processs() {
    alone(|| {
        let fd = file();
        assert_eq!(holder(&fd, F_WRLCK), 0, "nobody");
        assert_eq!(lock(&fd, F_SETLK, F_WRLCK), Ok(0));
        assert_eq!(lock(&fd, F_SETLK, F_WRLCK), Ok(0), "our own is never in our way");
        let parent = getpid();
        let child = forked(|| c_int::from(holder(&fd, F_RDLCK) != parent));
        assert_eq!(status(child), 0, "a child does not inherit it, and sees whose it is");
        let child = forked(|| errno_of(lock(&fd, F_SETLK, F_RDLCK)));
        assert_eq!(status(child), EAGAIN);
        assert_eq!(lock(&fd, F_SETLK, F_RDLCK), Ok(0), "to one that others may share");
        let child = forked(|| errno_of(lock(&fd, F_SETLK, F_RDLCK)));
        assert_eq!(status(child), 0);
        let child = forked(|| errno_of(lock(&fd, F_SETLK, F_WRLCK)));
        assert_eq!(status(child), EAGAIN);
        close(fd.try_clone().expect("dup")).expect("close");
        let child = forked(|| errno_of(lock(&fd, F_SETLK, F_WRLCK)));
        assert_eq!(status(child), 0, "it is lost with any descriptor of the file");
    });
}

#[test]
fn a_lock_is_waited_for() {
    alone(|| {
        let fd = file();
        for killed in [false, true] {
            let [locked, report] = pipe().expect("pipe");
            let [never, hold] = pipe().expect("pipe");
            let first = forked(|| {
                let taken = lock(&fd, F_SETLKW, F_WRLCK);
                let _ = write(&report, &[0]);
                let _ = read(&never, &mut [0]);
                errno_of(taken) + errno_of(lock(&fd, F_SETLKW, F_UNLCK))
            });
            assert_eq!(read(&locked, &mut [1]), Ok(1));
            let second = forked(|| {
                let taken = lock(&fd, F_SETLKW, F_WRLCK);
                errno_of(taken) + c_int::from(holder(&fd, F_WRLCK) != 0)
            });
            until_blocked(second);
            assert_eq!(holder(&fd, F_WRLCK), first);
            if killed {
                kill(first, SIGKILL).expect("kill");
                waitpid(first, 0).expect("waitpid");
            } else {
                assert_eq!(write(&hold, &[0]), Ok(1));
                assert_eq!(status(first), 0);
            }
            assert_eq!(status(second), 0, "its turn");
        }
        assert_eq!(holder(&fd, F_WRLCK), 0, "a process gives its locks up when it ends");
    });
}

#[test]
fn errors_of_locks() {
    alone(|| {
        let [one, other] = [file(), file()];
        for cmd in [F_GETFL, F_SETFD, 0, -1, 9999] {
            row("fcntl", "no command of locks", lock(&one, cmd, F_WRLCK), EINVAL);
        }
        row("fcntl", "no such lock", lock(&one, F_SETLK, 99), EINVAL);
        let mut before = of_type(F_WRLCK);
        before.l_start = -1;
        row("fcntl", "before the file", fcntl_lock(&one, F_SETLK, &mut before), EINVAL);
        let [reading, writing] = pipe().expect("pipe");
        row("fcntl", "to read", lock(&writing, F_SETLK, F_RDLCK), EBADF);
        row("fcntl", "to write", lock(&reading, F_SETLK, F_WRLCK), EBADF);
        row("fcntl", "not open", lock(not_open(), F_SETLK, F_WRLCK), EBADF);

        assert_eq!(lock(&one, F_SETLK, F_WRLCK), Ok(0));
        extern "C" fn nothing(_signum: c_int) {}
        let waiting = forked(|| {
            let act =
                sigaction { sa_handler: handler(nothing), sa_mask: sigemptyset(), sa_flags: 0 };
            // SAFETY: the handler does nothing.
            unsafe { sigaction(SIGUSR1, Some(&act)) }.expect("sigaction");
            errno_of(lock(&one, F_SETLKW, F_WRLCK))
        });
        until_blocked(waiting);
        kill(waiting, SIGUSR1).expect("kill");
        assert_eq!(status(waiting), EINTR, "a signal ends the wait");

        let waiting = forked(|| {
            let first = errno_of(lock(&other, F_SETLK, F_WRLCK));
            first + errno_of(lock(&one, F_SETLKW, F_WRLCK))
        });
        until_blocked(waiting);
        row("fcntl", "each waits for the other", lock(&other, F_SETLKW, F_WRLCK), EDEADLK);
        assert_eq!(lock(&one, F_SETLK, F_UNLCK), Ok(0));
        assert_eq!(status(waiting), 0);
    });
}

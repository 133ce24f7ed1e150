//! Flags of descriptors.

use nix::fcntl::{FcntlArg, fcntl as nix_fcntl};
use socklab::posix::error::{EBADF, EINVAL};
use socklab::posix::fcntl::{
    F_GETFD, F_GETFL, F_GETOWN, F_SETFD, F_SETFL, F_SETOWN, FD_CLOEXEC, O_ACCMODE, O_NONBLOCK,
    O_RDONLY, O_RDWR, O_WRONLY, fcntl,
};
use socklab::posix::unistd::{getpid, pipe};

use crate::support::{alone, not_open, row, tcp};

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

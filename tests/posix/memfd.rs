//! Linux's files without a name.

use socklab::linux::sys_mman::{MFD_CLOEXEC, memfd_create};
use socklab::posix::error::{EINVAL, EMFILE};
use socklab::posix::fcntl::{F_GETFD, FD_CLOEXEC, fcntl};
use socklab::posix::unistd::{read, write};

use crate::support::{alone, limit_files, row};

#[test]
fn a_file_in_memory() {
    alone(|| {
        let fd = memfd_create(c"first", 0).expect("memfd_create");
        assert_eq!(fcntl(&fd, F_GETFD, 0), Ok(0), "no FD_CLOEXEC that was not asked for");
        assert_eq!((write(&fd, b"abc"), read(&fd, &mut [0; 4])), (Ok(3), Ok(0)), "behind the end");
        let same = memfd_create(c"first", MFD_CLOEXEC).expect("the name is no name");
        assert_eq!(fcntl(&same, F_GETFD, 0), Ok(FD_CLOEXEC));
        assert_eq!(read(&same, &mut [0; 4]), Ok(0), "another file");
        let name = std::ffi::CString::new("x".repeat(250)).expect("without a NUL");
        row("memfd_create", "a long name", memfd_create(&name, 0), EINVAL);
        row("memfd_create", "no such flag", memfd_create(c"first", 1 << 15), EINVAL);
        let before = limit_files(0);
        row("memfd_create", "no descriptor left", memfd_create(c"first", 0), EMFILE);
        limit_files(before);
    });
}

//! Processes, and reading and writing descriptors.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use socklab::posix::error::{E2BIG, EACCES, EAGAIN, EBADF, EINVAL, EMFILE, ENOENT, EPIPE};
use socklab::posix::fcntl::{F_GETFD, fcntl};
use socklab::posix::signal::{SIG_DFL, SIGALRM, SIGPIPE, signal};
use socklab::posix::sys_wait::{WIFSIGNALED, WTERMSIG, waitpid};
use socklab::posix::unistd::{
    _exit, alarm, close, dup2, execv, fork, getpid, getppid, pid_t, pipe, read, readlinkat, write,
};

use crate::support::{
    alone, alone_with_output, fill, forked, limit_files, not_open, row, set_nonblocking, status,
    unix_pair,
};

#[test]
fn fork_returns_twice() {
    alone(|| {
        let [reading, writing] = pipe().expect("pipe");
        let parent = getpid();
        assert_eq!(parent as u32, std::process::id());
        // SAFETY: the only other thread of this process waits for this one.
        let child = match unsafe { fork() }.expect("fork") {
            0 => {
                let ids = [getpid(), getppid()].map(pid_t::to_ne_bytes).concat();
                _exit(if write(&writing, &ids) == Ok(8) { 7 } else { 1 })
            }
            child => child,
        };
        assert_eq!(status(child), 7, "the status given to _exit()");
        let mut ids = [0; 8];
        assert_eq!(read(&reading, &mut ids), Ok(8));
        assert_eq!(ids[..4], child.to_ne_bytes(), "getpid() in the child");
        assert_eq!(ids[4..], parent.to_ne_bytes(), "getppid() in the child");
        assert_eq!(getppid() as u32, std::os::unix::process::parent_id());
        assert_eq!(status(forked(|| 256 + 3)), 3, "only eight bits of a status arrive");
    });
}

#[test]
fn pipes_carry_bytes() {
    alone(|| {
        let [reading, writing] = pipe().expect("pipe");
        assert_eq!(write(&writing, b"abcdef"), Ok(6));
        let mut buf = [0; 4];
        assert_eq!(read(&reading, &mut buf), Ok(4));
        assert_eq!(&buf, b"abcd");
        assert_eq!(read(&reading, &mut buf), Ok(2), "what there is");
        assert_eq!(read(&reading, &mut []), Ok(0), "no room");
        assert_eq!(fcntl(&reading, F_GETFD, 0), Ok(0), "pipe() does not ask for FD_CLOEXEC");
        close(writing).expect("close");
        assert_eq!(read(&reading, &mut buf), Ok(0), "the end of file");
        let [one, other] = unix_pair();
        assert_eq!(write(&one, b"xy"), Ok(2), "write() works on sockets");
        assert_eq!(read(&other, &mut buf), Ok(2), "so does read()");
    });
}

#[test]
fn errors() {
    alone(|| {
        let mut buf = [0; 4];
        let [reading, writing] = pipe().expect("pipe");
        row("read", "the writing end", read(&writing, &mut buf), EBADF);
        row("write", "the reading end", write(&reading, b"x"), EBADF);
        row("read", "not open", read(not_open(), &mut buf), EBADF);
        row("write", "not open", write(not_open(), b"x"), EBADF);
        set_nonblocking(&reading);
        row("read", "empty, non-blocking", read(&reading, &mut buf), EAGAIN);
        let [one, _other] = unix_pair();
        fill(&one);
        set_nonblocking(&one);
        row("write", "full, non-blocking", write(&one, b"x"), EAGAIN);
        close(reading).expect("close");
        row("write", "no reader, SIGPIPE ignored", write(&writing, b"x"), EPIPE);
        row("dup2", "not open", dup2(not_open(), &writing), EBADF);
        row("dup2", "to a number beyond the limit", dup2(&writing, not_open()), EBADF);
        // SAFETY: not -1; close() finds nothing under this number.
        let nothing = unsafe { OwnedFd::from_raw_fd(i32::MAX) };
        row("close", "not open", close(nothing), EBADF);
        let before = limit_files(0);
        row("pipe", "no descriptor left", pipe(), EMFILE);
        limit_files(before);
    });
}

#[test]
fn sigpipe_kills_who_does_not_ignore_it() {
    alone(|| {
        let [reading, writing] = pipe().expect("pipe");
        close(reading).expect("close");
        let child = forked(|| {
            signal(SIGPIPE, SIG_DFL).expect("signal");
            write(&writing, b"x").map_or(1, |_| 2)
        });
        let (_, wstatus) = waitpid(child, 0).expect("waitpid");
        assert!(WIFSIGNALED(wstatus) && WTERMSIG(wstatus) == SIGPIPE);
    });
}

#[test]
fn dup2_gives_another_name() {
    let output = alone_with_output(|| {
        let [reading, writing] = pipe().expect("pipe");
        let [other_reading, other_writing] = pipe().expect("pipe");
        assert_eq!(dup2(&writing, &other_writing), Ok(other_writing.as_raw_fd()));
        assert_eq!(dup2(&writing, &writing), Ok(writing.as_raw_fd()), "onto itself");
        assert_eq!(write(&other_writing, b"abc"), Ok(3));
        assert_eq!(read(&reading, &mut [0; 4]), Ok(3), "it is the first pipe now");
        assert_eq!(read(&other_reading, &mut [0; 4]), Ok(0), "and the second was closed");
        close(writing).expect("close");
        assert_eq!(write(&other_writing, b"abc"), Ok(3), "each name is closed for itself");
        // The way of inetd: a forked child's standard output becomes its socket.
        let [one, other] = unix_pair();
        let child = forked(|| match dup2(&one, std::io::stdout()) {
            Ok(1) => write(std::io::stdout(), b"to the socket").map_or(2, |_| 0),
            _ => 1,
        });
        assert_eq!(status(child), 0);
        let mut buf = [0; 16];
        assert_eq!(read(&other, &mut buf), Ok(13));
        assert_eq!(&buf[..13], b"to the socket");
    });
    let stdout = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    assert!(stdout.is_none_or(|text| !text.contains("to the socket")));
}

#[test]
fn exit_skips_what_exit_would_do() {
    alone(|| {
        struct Loud;
        impl Drop for Loud {
            fn drop(&mut self) {
                std::process::abort();
            }
        }
        let child = forked(|| {
            let _loud = Loud;
            _exit(5)
        });
        assert_eq!(status(child), 5);
    });
}

#[test]
fn alarm_rings_once() {
    alone(|| {
        assert_eq!(alarm(100), 0, "none was set");
        assert!((99..=100).contains(&alarm(0)), "what was left");
        assert_eq!(alarm(0), 0);
        let child = forked(|| {
            let [reading, _writing] = pipe().expect("pipe");
            alarm(1);
            read(&reading, &mut [0; 1]).map_or(1, |_| 2)
        });
        let (_, wstatus) = waitpid(child, 0).expect("waitpid");
        assert!(WIFSIGNALED(wstatus) && WTERMSIG(wstatus) == SIGALRM, "it ends who does not care");
    });
}

#[test]
fn execv_takes_this_processs_place() {
    alone(|| {
        let [reading, writing] = pipe().expect("pipe");
        let child = forked(|| {
            dup2(&writing, std::io::stdout()).expect("dup2");
            let script = c"echo $$ $0 $1 ${SOCKLAB_POSIX_CASE:+set}; exit 3";
            let error = execv(c"/bin/sh", &[c"sh", c"-c", script, c"name", c"a b"]);
            error.errno()
        });
        assert_eq!(status(child), 3, "the program's status");
        let mut buf = [0; 64];
        let count = read(&reading, &mut buf).expect("read");
        let said = format!("{child} name a b set\n");
        assert_eq!(&buf[..count], said.as_bytes(), "the same process and environment");
    });
}

#[test]
fn errors_of_execv() {
    alone(|| {
        let large = std::ffi::CString::new("x".repeat(1 << 20)).expect("without a NUL");
        for (path, what, argv, errno) in [
            (c"/no/such/program", "nothing there", &[c"x"][..], ENOENT),
            (c"/etc", "a folder", &[c"x"], EACCES),
            (c"/etc/passwd", "no program", &[c"x"], EACCES),
            (c"/bin/true", "an argument of a mebibyte", &[c"x", &large], E2BIG),
        ] {
            row::<()>("execv", what, Err(execv(path, argv)), errno);
        }
    });
}

#[test]
fn readlinkat_says_where_a_link_leads() {
    let folder = std::fs::File::open("/proc/self").expect("a folder");
    let expected = std::env::current_exe().expect("a path");
    let expected = expected.as_os_str().as_encoded_bytes();
    let mut buf = [0; 4096];
    assert_eq!(readlinkat(&folder, c"exe", &mut buf), Ok(expected.len()));
    assert_eq!(&buf[..expected.len()], expected);
    assert_eq!(readlinkat(&folder, c"exe", &mut buf[..3]), Ok(3), "as much as there is room for");
    row("readlinkat", "no link", readlinkat(&folder, c"stat", &mut buf), EINVAL);
    row("readlinkat", "nothing", readlinkat(&folder, c"nosuch", &mut buf), ENOENT);
    row("readlinkat", "no room", readlinkat(&folder, c"exe", &mut []), EINVAL);
    row("readlinkat", "not open", readlinkat(not_open(), c"exe", &mut buf), EBADF);
}

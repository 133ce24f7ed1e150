//! Landlock and seccomp: what is given up is given up.

use std::fs::File;
use std::io::ErrorKind;

use nix::libc;
use socklab::linux::eventfd::eventfd;
use socklab::linux::sandbox::{forbid_calls, forbid_files};
use socklab::posix::signal::kill;
use socklab::posix::sys_socket::{AF_INET, SOCK_STREAM, recv, send, shutdown, socket};
use socklab::posix::sys_wait::{WIFSIGNALED, WTERMSIG, waitpid};
use socklab::posix::unistd::{close, fork, getppid, read, write};

use crate::support::{alone, forked, status, unix_pair};

fn is_denied<T>(result: std::io::Result<T>) -> bool {
    result.is_err_and(|error| error.kind() == ErrorKind::PermissionDenied)
}

/// Without Landlock forbid_files() says so, and the rest can't be tried.
fn has_landlock() -> bool {
    // SAFETY: with a null pointer and this flag it only returns a version.
    let version = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, 0, 0, 1) };
    if version < 1 {
        eprintln!("skipped: files that can't be opened: this kernel has no Landlock");
    }
    version >= 1
}

#[test]
fn no_file_can_be_opened() {
    alone(|| {
        if !has_landlock() {
            assert!(forbid_files().is_err());
            return;
        }
        let child = forked(|| {
            let before = File::open("/proc/self/status").is_ok();
            let done = forbid_files().is_ok();
            let program = std::env::current_exe().unwrap_or_default();
            let denied = is_denied(File::open("/proc/self/status"))
                && is_denied(File::open(program))
                && is_denied(std::fs::create_dir("/tmp/socklab-never"));
            i32::from(!(before && done && denied))
        });
        assert_eq!(status(child), 0);
    });
}

/// The signal that ends a child, or 0.
fn ended_by(body: impl FnOnce() -> i32) -> i32 {
    let (_, wstatus) = waitpid(forked(body), 0).expect("waitpid");
    if WIFSIGNALED(wstatus) { WTERMSIG(wstatus) } else { 0 }
}

#[test]
fn other_calls_end_the_process() {
    type Attempt = (&'static str, fn());
    let attempts: &[Attempt] = &[
        ("a socket", || drop(socket(AF_INET, SOCK_STREAM, 0))),
        ("a file", || drop(File::open("/dev/null"))),
        ("a counter", || drop(eventfd(0, 0))),
        // SAFETY: the child has one thread.
        ("a process", || assert!(unsafe { fork() }.is_err())),
        ("a thread", || drop(std::thread::Builder::new().spawn(|| ()))),
        ("a signal", || assert!(kill(getppid(), 0).is_err())),
        ("a program", || {
            let nothing = [std::ptr::null()];
            // SAFETY: two arrays of pointers that end in null.
            unsafe {
                libc::execve(c"/bin/true".as_ptr(), nothing.as_ptr(), nothing.as_ptr());
            }
        }),
        ("memory to be executed", || {
            let protection = libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC;
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
            // SAFETY: new memory where the kernel likes.
            unsafe { libc::mmap(std::ptr::null_mut(), 4096, protection, flags, -1, 0) };
        }),
    ];
    alone(|| {
        for (what, attempt) in attempts {
            let signal = ended_by(|| {
                if forbid_calls().is_ok() {
                    attempt();
                }
                0
            });
            assert_eq!(signal, libc::SIGSYS, "{what}");
        }
    });
}

#[test]
fn what_a_server_does_goes_on() {
    alone(|| {
        let [one, other] = unix_pair();
        let counter = eventfd(0, 0).expect("eventfd");
        let child = forked(|| {
            let done = forbid_calls().is_ok();
            let talks = send(&one, b"1", 0) == Ok(1) && recv(&other, &mut [0; 8], 0) == Ok(1);
            let counts = write(&counter, &[1; 8]) == Ok(8) && read(&counter, &mut [0; 8]) == Ok(8);
            let ends = shutdown(&one, libc::SHUT_WR).is_ok() && close(one).is_ok();
            let memory = vec![1_u8; 1 << 24].iter().all(|&byte| byte == 1);
            i32::from(!(done && talks && counts && ends && memory))
        });
        assert_eq!(status(child), 0);
    });
}

//! Linux's seccomp user notification: calls that wait until another process has answered.

use std::ffi::{c_int, c_long, c_ulong};
use std::io::IoSliceMut;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::libc;
use socklab::linux::eventfd::{EFD_CLOEXEC, eventfd};
use socklab::linux::prctl::{PR_SET_NO_NEW_PRIVS, prctl};
use socklab::linux::seccomp_notify::{
    AUDIT_ARCH, SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP,
    SECCOMP_USER_NOTIF_FLAG_CONTINUE, close_past, notify_program, seccomp_data,
    seccomp_get_notif_sizes, seccomp_new_listener, seccomp_notif, seccomp_notif_id_valid,
    seccomp_notif_recv, seccomp_notif_resp, seccomp_notif_send, seccomp_notif_set_flags,
    seccomp_notif_setfd, sendmsg_past, sock_filter,
};
use socklab::linux::sys_syscall::{CALLS, name, number};
use socklab::linux::sys_uio::process_vm_readv;
use socklab::posix::error::{
    EACCES, EBADF, EBUSY, EFAULT, EINPROGRESS, EINVAL, EMFILE, ENOENT, ENOSYS, EPIPE, ESRCH, Error,
};
use socklab::posix::poll::{POLLHUP, POLLIN, POLLOUT, poll, pollfd};
use socklab::posix::signal::{SIGCHLD, SIGKILL, kill};
use socklab::posix::sys_socket::{MSG_CMSG_CLOEXEC, msghdr, recvmsg, send, sendmsg};
use socklab::posix::sys_wait::waitpid;
use socklab::posix::unistd::{close, getppid, pid_t};

use crate::support::{
    alone, become_nobody, errno_of, forked, not_open, row, skip, status, unix_pair, wait_for,
};

const PASS: u64 = 0x0123_4567_89ab_cdef;

fn numbers(calls: &[&str]) -> Vec<c_long> {
    calls.iter().map(|call| number(call).expect("this architecture has it")).collect()
}

/// A child about whose calls we are asked, and who asks us: it runs `body` and ends with its status.
fn watched(calls: &[&str], body: impl FnOnce() -> c_int) -> (pid_t, OwnedFd) {
    let program = notify_program(&numbers(calls), PASS);
    let [ours, theirs] = unix_pair();
    let child = forked(|| {
        if prctl(PR_SET_NO_NEW_PRIVS, 1).is_err() {
            return 200;
        }
        let Ok(listener) = seccomp_new_listener(0, &program) else { return 201 };
        if sendmsg_past(&theirs, b"x", Some(listener.as_fd()), PASS) != Ok(1) {
            return 202;
        }
        // What the kernel keeps of it is the parent's alone.
        if close_past(listener, PASS).is_err() {
            return 203;
        }
        body()
    });
    let mut byte = [0];
    let mut control = [0; 64];
    let iov = &mut [IoSliceMut::new(&mut byte)];
    let (received, mut message) =
        recvmsg(&ours, iov, &mut control, MSG_CMSG_CLOEXEC).expect("recvmsg");
    assert_eq!(received, 1);
    (child, message.msg_rights.pop().expect("the listener"))
}

fn ppid() -> c_int {
    // SAFETY: takes nothing and touches no memory; not through the C library, which may know it.
    unsafe { libc::syscall(libc::SYS_getppid) as c_int }
}

fn answer(id: u64, error: c_int, flags: c_ulong) -> seccomp_notif_resp {
    seccomp_notif_resp { id, val: 0, error: -error, flags: flags as u32 }
}

fn go_on(id: u64) -> seccomp_notif_resp {
    answer(id, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE)
}

fn events(fd: &OwnedFd) -> i16 {
    let mut fds = [pollfd::new(fd, POLLIN | POLLOUT)];
    poll(&mut fds, 0).expect("poll");
    fds[0].revents()
}

#[test]
fn a_call_fails_or_is_made_as_the_supervisor_says() {
    alone(|| {
        let (child, listener) = watched(&["sendto"], || {
            let [one, other] = unix_pair();
            let failed = errno_of(send(&one, b"1", 0)) == EPIPE;
            let made = send(&one, b"23", 0) == Ok(2);
            let mut buf = [0; 4];
            let got = socklab::posix::sys_socket::recv(&other, &mut buf, 0) == Ok(2);
            i32::from(!(failed && made && got && &buf[..2] == b"23"))
        });
        wait_for(&listener, POLLIN);
        let first = seccomp_notif_recv(&listener).expect("ioctl");
        assert_eq!(events(&listener), POLLOUT, "received, so it can be answered");
        assert_eq!(first.pid, child as u32);
        assert_eq!((first.flags, first.data.arch), (0, AUDIT_ARCH));
        assert_eq!(c_long::from(first.data.nr), libc::SYS_sendto);
        assert_eq!(first.data.args[2..], [1, 0, 0, 0], "length, flags, no address");
        assert_eq!(seccomp_notif_id_valid(&listener, first.id), Ok(()));
        seccomp_notif_send(&listener, &answer(first.id, EPIPE, 0)).expect("ioctl");

        let second = seccomp_notif_recv(&listener).expect("ioctl");
        assert_ne!(second.id, first.id);
        assert_eq!(second.data.args[2], 2);
        seccomp_notif_send(&listener, &go_on(second.id)).expect("ioctl");
        assert_eq!(status(child), 0);
        wait_for(&listener, POLLHUP);
    });
}

#[test]
fn only_what_is_listed_is_asked_about() {
    alone(|| {
        let (child, listener) = watched(&["getsockname", "sendmsg", "close"], || {
            let [one, other] = unix_pair();
            let unlisted = send(&one, b"1", 0) == Ok(1) && ppid() == getppid();
            // The same with the word, and with another.
            let past = sendmsg_past(&one, b"1", None, PASS) == Ok(1);
            let asked = [PASS ^ 1, PASS ^ 1 << 32, 0]
                .map(|word| errno_of(sendmsg_past(&one, b"1", None, word)) == EMFILE);
            let message = msghdr::default();
            let plain = errno_of(sendmsg(&one, &message, 0)) == EMFILE;
            // SAFETY: the number of x32's sendmsg(), or none; with null pointers no memory is touched.
            let x32 = unsafe { libc::syscall(0x4000_0000 | libc::SYS_sendmsg, -1, 0, 0) };
            let closes = errno_of(close(other)) == EMFILE && close_past(one, PASS).is_ok();
            i32::from(!(unlisted && past && asked == [true; 3] && plain && x32 == -1 && closes))
        });
        let sendmsg = libc::SYS_sendmsg;
        for expected in [sendmsg, sendmsg, sendmsg, sendmsg, libc::SYS_close] {
            let asked = seccomp_notif_recv(&listener).expect("ioctl");
            assert_eq!(c_long::from(asked.data.nr), expected);
            seccomp_notif_send(&listener, &answer(asked.id, EMFILE, 0)).expect("ioctl");
        }
        assert_eq!(status(child), 0);
        wait_for(&listener, POLLHUP);
        assert_eq!(events(&listener) & POLLIN, 0, "nothing else was asked");
    });
}

/// A descriptor is exchanged under a call that waits.
#[test]
fn a_descriptor_in_the_place_of_another() {
    alone(|| {
        let [one, _other] = unix_pair();
        let number = one.as_raw_fd();
        let (child, listener) = watched(&["close"], move || {
            // The word is in its register still.
            let _ = sendmsg_past(&one, b"1", None, 0);
            i32::from(errno_of(close(one)) != EMFILE)
        });
        let asked = seccomp_notif_recv(&listener).expect("ioctl");
        assert_eq!(asked.data.args[0], number as u64);
        let nothing = eventfd(0, EFD_CLOEXEC).expect("eventfd");
        assert_eq!(seccomp_notif_setfd(&listener, asked.id, &nothing, number as u32), Ok(()));
        let beyond = seccomp_notif_setfd(&listener, asked.id, &nothing, u32::MAX);
        row("ioctl", "beyond the limit", beyond, EBADF);
        seccomp_notif_send(&listener, &answer(asked.id, EMFILE, 0)).expect("ioctl");
        assert_eq!(status(child), 0);
        let gone = seccomp_notif_setfd(&listener, asked.id, &nothing, number as u32);
        row("ioctl", "it is gone", gone, ENOENT);
    });
}

/// What is on the other side of a pointer is read before the answer, of a process that still waits.
#[test]
fn the_memory_of_a_call_that_waits() {
    alone(|| {
        let (child, listener) = watched(&["sendto"], || {
            let [one, _other] = unix_pair();
            i32::from(send(&one, b"what is sent", 0) != Ok(12))
        });
        let asked = seccomp_notif_recv(&listener).expect("ioctl");
        let (pid, at) = (asked.pid as pid_t, asked.data.args[1]);
        let mut bytes = [0; 12];
        assert_eq!(process_vm_readv(pid, &mut bytes, at), Ok(12));
        assert_eq!(seccomp_notif_id_valid(&listener, asked.id), Ok(()));
        assert_eq!(&bytes, b"what is sent");
        row("process_vm_readv", "no such address", process_vm_readv(pid, &mut bytes, 8), EFAULT);
        seccomp_notif_send(&listener, &go_on(asked.id)).expect("ioctl");
        assert_eq!(status(child), 0);
        row("process_vm_readv", "it is gone", process_vm_readv(pid, &mut bytes, at), ESRCH);
    });
}

#[test]
fn a_call_that_is_given_up_has_no_answer() {
    alone(|| {
        let (child, listener) = watched(&["sendto"], || {
            let [one, _other] = unix_pair();
            i32::from(send(&one, b"1", 0).is_ok())
        });
        let asked = seccomp_notif_recv(&listener).expect("ioctl");
        kill(child, SIGKILL).expect("kill");
        waitpid(child, 0).expect("waitpid");
        let valid = seccomp_notif_id_valid(&listener, asked.id);
        row("ioctl", "whether it waits", valid, ENOENT);
        row("ioctl", "an answer", seccomp_notif_send(&listener, &go_on(asked.id)), ENOENT);
        assert_eq!(events(&listener) & POLLHUP, POLLHUP);
    });
}

#[test]
fn without_a_supervisor_the_calls_do_not_exist() {
    alone(|| {
        let (child, listener) = watched(&["sendto"], || {
            let [one, _other] = unix_pair();
            let waited = errno_of(send(&one, b"1", 0)) == ENOSYS;
            i32::from(!(waited && errno_of(send(&one, b"1", 0)) == ENOSYS))
        });
        wait_for(&listener, POLLIN);
        close(listener).expect("close");
        assert_eq!(status(child), 0);
    });
}

#[test]
fn refused_answers() {
    alone(|| {
        let (child, listener) = watched(&["sendto"], || {
            let [one, _other] = unix_pair();
            i32::from(send(&one, b"1", 0) != Ok(1))
        });
        let asked = seccomp_notif_recv(&listener).expect("ioctl");
        let both = answer(asked.id, EPIPE, SECCOMP_USER_NOTIF_FLAG_CONTINUE);
        row("ioctl", "go on and fail", seccomp_notif_send(&listener, &both), EINVAL);
        let unknown = answer(asked.id, EPIPE, 1 << 7);
        row("ioctl", "an unknown flag", seccomp_notif_send(&listener, &unknown), EINVAL);
        let other = go_on(asked.id.wrapping_add(1));
        row("ioctl", "another's", seccomp_notif_send(&listener, &other), ENOENT);
        seccomp_notif_send(&listener, &go_on(asked.id)).expect("ioctl");
        let again = seccomp_notif_send(&listener, &go_on(asked.id)).map_err(|error| error.errno());
        assert!(matches!(again, Err(EINPROGRESS | ENOENT)), "{again:?}");
        assert_eq!(status(child), 0);
        row("ioctl", "no listener", seccomp_notif_recv(not_open()).map(|_| ()), EBADF);
    });
}

/// Linux 6.6 and later know the flag, and no other.
#[test]
fn who_answers_gives_his_processor_away() {
    alone(|| {
        let (child, listener) = watched(&["getsockname"], || 0);
        match seccomp_notif_set_flags(&listener, SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP) {
            Ok(()) => assert_eq!(seccomp_notif_set_flags(&listener, 0), Ok(())),
            Err(error) => {
                assert_eq!(error.errno(), EINVAL);
                skip("SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP", "Linux older than 6.6");
            }
        }
        row("ioctl", "an unknown flag", seccomp_notif_set_flags(&listener, 1 << 7), EINVAL);
        assert_eq!(status(child), 0);
    });
}

#[test]
fn errors_of_the_filter() {
    alone(|| {
        let program = notify_program(&numbers(&["accept4"]), PASS);
        let long = vec![program[0]; 1 << 16];
        let broken = [program[0]];
        let install = |program: &[sock_filter]| {
            prctl(PR_SET_NO_NEW_PRIVS, 1)?;
            seccomp_new_listener(0, program)
        };
        // All but those with which the child, its own supervisor, gives it up and ends.
        let ends = numbers(&["close", "exit", "exit_group"]);
        let all: Vec<c_long> = CALLS.iter().map(|call| call.1).collect();
        let all: Vec<c_long> = all.into_iter().filter(|call| !ends.contains(call)).collect();
        let everything = notify_program(&all, PASS);
        let children = [
            (0, errno_child(|| install(&everything))),
            (EINVAL, errno_child(|| install(&[]))),
            (EINVAL, errno_child(|| install(&long))),
            (EINVAL, errno_child(|| install(&broken))),
            // SECCOMP_FILTER_FLAG_TSYNC, with which it would return something else.
            (EINVAL, errno_child(|| seccomp_new_listener(1, &program))),
            (
                EBUSY,
                errno_child(|| {
                    let _first = install(&program)?;
                    install(&program)
                }),
            ),
            (
                EACCES,
                errno_child(|| {
                    become_nobody();
                    if no_new_privileges() {
                        skip("without PR_SET_NO_NEW_PRIVS", "the tests run with it");
                        return Err(Error::new("seccomp", EACCES));
                    }
                    seccomp_new_listener(0, &program)
                }),
            ),
        ];
        for (at, (expected, child)) in children.into_iter().enumerate() {
            assert_eq!(status(child), expected, "child {at}");
        }
    });
}

fn no_new_privileges() -> bool {
    let status = std::fs::read_to_string("/proc/thread-self/status").expect("status");
    status.lines().any(|line| line == "NoNewPrivs:\t1")
}

fn errno_child(body: impl FnOnce() -> socklab::posix::Result<OwnedFd>) -> pid_t {
    forked(|| errno_of(body()))
}

/// Where the kernel knows the flag (Linux 5.19), a signal does not take a call back that was received.
#[test]
fn a_signal_lets_a_received_call_wait() {
    alone(|| {
        let program = notify_program(&numbers(&["sendto"]), PASS);
        let [ours, theirs] = unix_pair();
        let child = forked(|| {
            let flags = SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
            if prctl(PR_SET_NO_NEW_PRIVS, 1).is_err() {
                return 200;
            }
            let listener = match seccomp_new_listener(flags, &program) {
                Ok(listener) => listener,
                Err(error) => return errno_of::<()>(Err(error)),
            };
            if sendmsg_past(&theirs, b"x", Some(listener.as_fd()), PASS).is_err() {
                return 202;
            }
            // SAFETY: a handler that does nothing.
            let handled = unsafe {
                nix::sys::signal::signal(
                    nix::sys::signal::Signal::SIGCHLD,
                    nix::sys::signal::SigHandler::Handler(nothing),
                )
            };
            let [one, _other] = unix_pair();
            i32::from(handled.is_err() || send(&one, b"1", 0) != Ok(1))
        });
        drop(theirs);
        let (mut byte, mut control) = ([0], [0; 64]);
        let iov = &mut [IoSliceMut::new(&mut byte)];
        let (received, mut message) = recvmsg(&ours, iov, &mut control, 0).expect("recvmsg");
        if received == 0 {
            assert_eq!(status(child), EINVAL);
            return skip("SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", "Linux older than 5.19");
        }
        let listener = message.msg_rights.pop().expect("the listener");
        let asked = seccomp_notif_recv(&listener).expect("ioctl");
        for _ in 0..20 {
            kill(child, SIGCHLD).expect("kill");
        }
        assert_eq!(seccomp_notif_id_valid(&listener, asked.id), Ok(()));
        seccomp_notif_send(&listener, &go_on(asked.id)).expect("ioctl");
        assert_eq!(status(child), 0);
    });
}

extern "C" fn nothing(_signum: c_int) {}

#[test]
fn structures_are_as_long_as_the_kernel_says() {
    let sizes = seccomp_get_notif_sizes().expect("seccomp");
    // A later kernel may have longer ones, but not shorter.
    assert!(usize::from(sizes.seccomp_notif) >= size_of::<seccomp_notif>());
    assert!(usize::from(sizes.seccomp_notif_resp) >= size_of::<seccomp_notif_resp>());
    assert!(usize::from(sizes.seccomp_data) >= size_of::<seccomp_data>());
}

#[test]
fn calls_have_one_name_and_one_number() {
    for &(call, is) in CALLS {
        assert_eq!((number(call), name(is)), (Some(is), Some(call)));
    }
    assert_eq!((number("no such call"), name(-1)), (None, None));
    assert_eq!(number("accept4"), Some(libc::SYS_accept4));
}

//! Where a sandbox refuses what a design is made of: one line that says what, why and what to do.

use std::process::Command;

use nix::libc::{EINVAL, ENOMEM, ENOSYS, EPERM};

use crate::support;

/// Runs a program under a filter (seccomp) that answers a system call with an errno.
const FILTER: &str = "
import ctypes, os, struct, sys
call, errno, command = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
# Load the call's number; unless it is this one, allow; answer with the errno.
instructions = [(0x20, 0, 0, 0), (0x15, 0, 1, call), (0x06, 0, 0, 0x50000 | errno), (0x06, 0, 0, 0x7fff0000)]
code = ctypes.create_string_buffer(b''.join(struct.pack('=HBBI', *one) for one in instructions))
program = ctypes.create_string_buffer(struct.pack('@HP', len(instructions), ctypes.addressof(code)))
prctl = ctypes.CDLL(None, use_errno=True).prctl
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
for arguments in ((PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program, 0, 0)):
    if prctl(*arguments) != 0:
        sys.exit('prctl: ' + os.strerror(ctypes.get_errno()))
os.execv(command[0], command)
";

/// The same numbers on every architecture.
const IO_URING_SETUP: i64 = 425;
const IO_URING_REGISTER: i64 = 427;

const FORBIDDEN: &str = "Operation not permitted (forbidden by kernel.io_uring_disabled or by a \
    container's filter: allow it there or take another design)";
const UNKNOWN: &str = "Function not implemented (the kernel has no io_uring or a container's filter \
    hides it: allow it there or take another design)";
const OLD: &str = "Invalid argument (what this design uses of io_uring came with Linux 6.1: take \
    another design)";
const LOCKED: &str =
    "Cannot allocate memory (its rings are locked memory: raise that limit, `ulimit -l`)";

#[test]
fn io_uring_refused() {
    let mut rust = support::socklab();
    rust.args(["serve", "uring"]);
    for server in [rust, Command::new(support::c_program("uring"))] {
        for (name, call, errno, says) in [
            ("io_uring_setup", IO_URING_SETUP, EPERM, FORBIDDEN),
            ("io_uring_setup", IO_URING_SETUP, ENOSYS, UNKNOWN),
            ("io_uring_setup", IO_URING_SETUP, EINVAL, OLD),
            ("io_uring_setup", IO_URING_SETUP, ENOMEM, LOCKED),
            ("io_uring_register", IO_URING_REGISTER, EPERM, FORBIDDEN),
        ] {
            let mut python = Command::new("python3");
            python.args(["-c", FILTER, &call.to_string(), &errno.to_string()]);
            python.arg(server.get_program()).args(server.get_args()).args(["--port", "0"]);
            let output = python.output().expect("python3 runs");
            let stderr = String::from_utf8_lossy(&output.stderr);
            if stderr.starts_with("prctl: ") {
                eprintln!("skipped: no filter can be set here: {stderr}");
                return;
            }
            assert_eq!(stderr, format!("{name}: {says}\n"), "{server:?}");
            assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{server:?}");
        }
    }
}

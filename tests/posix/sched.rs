//! Linux's `<sched.h>`: namespaces.

use std::fs::File;

use socklab::linux::sched::{CLONE_NEWNET, setns};
use socklab::posix::error::{EINVAL, EPERM};
use socklab::posix::unistd::pipe;

use crate::support::{alone, become_nobody, row, skip};

#[test]
fn a_namespace_of_ones_own() {
    alone(|| {
        let here = File::open("/proc/thread-self/ns/net").expect("a namespace");
        let [reading, _writing] = pipe().expect("pipe");
        row("setns", "a pipe", setns(&reading, CLONE_NEWNET), EINVAL);
        if nix::unistd::geteuid().is_root() {
            match setns(&here, CLONE_NEWNET) {
                Ok(()) => {}
                Err(error) => {
                    assert_eq!(error.errno(), EPERM, "{error}");
                    skip("setns to where it is", "this root may not");
                }
            }
        }
        if become_nobody() {
            row("setns", "without privilege", setns(&here, CLONE_NEWNET), EPERM);
        }
    });
}

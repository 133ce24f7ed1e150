//! `<sys/pidfd.h>`: pidfd_getfd().

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;

use socklab::linux::pidfd::{pidfd_getfd, pidfd_open};
use socklab::posix::error::{EBADF, EINVAL, ESRCH};

#[test]
fn a_copy_of_a_descriptor() {
    let this = std::process::id() as i32;
    let pidfd = pidfd_open(this, 0).expect("this process");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a socket");
    let addr = listener.local_addr().expect("an address");
    let copy = pidfd_getfd(&pidfd, listener.as_raw_fd(), 0).expect("our own");
    assert_ne!(copy.as_raw_fd(), listener.as_raw_fd());
    drop(listener);
    // The copy still listens.
    let listener = TcpListener::from(copy);
    let mut client = TcpStream::connect(addr).expect("it listens");
    client.write_all(b"x").expect("sent");
    let mut byte = [0];
    listener.accept().expect("a client").0.read_exact(&mut byte).expect("a byte");
    assert_eq!(byte, *b"x");
}

#[test]
fn refusals() {
    let errno = |result: socklab::posix::Result<_>| result.map(drop).unwrap_err().errno();
    assert_eq!(errno(pidfd_open(-1, 0)), EINVAL);
    // More than any process has.
    assert_eq!(errno(pidfd_open(i32::MAX, 0)), ESRCH);
    let pidfd = pidfd_open(std::process::id() as i32, 0).expect("this process");
    assert_eq!(errno(pidfd_getfd(&pidfd, i32::MAX, 0)), EBADF);
    assert_eq!(errno(pidfd_getfd(&pidfd, 0, 1)), EINVAL);
}

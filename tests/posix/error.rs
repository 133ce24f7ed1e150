//! Errors print what C prints.

use std::ffi::{c_char, c_int};
use std::io::Write;

use socklab::posix::Error;
use socklab::posix::error::{
    Cause, EAGAIN, ECONNREFUSED, Errno, errno, hstrerror, set_errno, strerror,
};
use socklab::posix::netdb::{EAI_NONAME, EAI_SYSTEM, gai_strerror};

use crate::support::alone_with_output;

unsafe extern "C" {
    fn perror(s: *const c_char);
    fn herror(s: *const c_char);
    fn __h_errno_location() -> *mut c_int;
}

/// Lines in pairs, on standard error: C's and ours.
#[test]
fn each_error_prints_what_c_prints() {
    let output = alone_with_output(|| {
        let mut ours = std::io::stderr();
        for number in (0..=134).chain([512, -1]) {
            set_errno(Errno(number));
            // SAFETY: the string ends in NUL.
            unsafe { perror(c"connect".as_ptr()) };
            writeln!(ours, "{}", Error::new("connect", number)).expect("standard error");
        }
        for number in -1..=5 {
            // SAFETY: takes nothing and can't fail.
            let h_errno = unsafe { __h_errno_location() };
            // SAFETY: this thread's own h_errno.
            unsafe { *h_errno = number };
            // SAFETY: the string ends in NUL.
            unsafe { herror(c"gethostbyname".as_ptr()) };
            let error = Error { call: "gethostbyname", cause: Cause::Host(number) };
            writeln!(ours, "{error}").expect("standard error");
        }
    });
    let Some(output) = output else { return };
    let stderr = String::from_utf8(output.stderr).expect("ASCII");
    let lines: Vec<&str> = stderr.lines().collect();
    assert_eq!(lines.len(), 2 * (137 + 7));
    for pair in lines.chunks(2) {
        assert_eq!(pair[0], pair[1]);
    }
}

#[test]
fn texts() {
    let gai = |code, number| {
        let cause = Cause::Resolver(code, Errno(number));
        Error { call: "getaddrinfo", cause }.to_string()
    };
    let host = |code| Error { call: "gethostbyname", cause: Cause::Host(code) }.to_string();
    assert_eq!(Error::new("connect", ECONNREFUSED).to_string(), "connect: Connection refused");
    assert_eq!(Error::new("recv", EAGAIN).to_string(), "recv: Resource temporarily unavailable");
    assert_eq!(gai(EAI_NONAME, 0), "getaddrinfo: Name or service not known");
    assert_eq!(gai(EAI_SYSTEM, ECONNREFUSED), "getaddrinfo: Connection refused");
    assert_eq!(gai(12345, 0), "getaddrinfo: Unknown error");
    assert_eq!(host(1), "gethostbyname: Unknown host");
    assert_eq!(strerror(ECONNREFUSED).as_c_str(), c"Connection refused");
    assert_eq!(
        strerror(524).as_c_str(),
        c"Unknown error 524",
        "one that the kernel keeps to itself"
    );
    for code in -120..20 {
        if code != EAI_SYSTEM {
            let text = gai_strerror(code).to_str().expect("ASCII");
            assert_eq!(gai(code, 0), format!("getaddrinfo: {text}"));
        }
        let text = hstrerror(code).to_str().expect("ASCII");
        assert_eq!(host(code), format!("gethostbyname: {text}"));
    }
}

#[test]
fn errno_is_the_last_number_of_this_thread() {
    set_errno(Errno(ECONNREFUSED));
    assert_eq!(errno(), Errno(ECONNREFUSED));
    assert_eq!(Error::last("connect"), Error::new("connect", ECONNREFUSED));
    std::thread::scope(|scope| {
        let elsewhere = scope.spawn(|| {
            set_errno(Errno(EAGAIN));
            errno()
        });
        assert_eq!(elsewhere.join().expect("join"), Errno(EAGAIN));
    });
    set_errno(Errno(0));
    assert_eq!(errno(), Errno(0));
    assert_eq!(Error { call: "gethostbyname", cause: Cause::Host(1) }.errno(), 0);
}

//! `<linux/seccomp.h>`: system calls about which another process is asked before they are made.
//! [seccomp_unotify(2)](https://man7.org/linux/man-pages/man2/seccomp_unotify.2.html)

use std::ffi::{c_int, c_long, c_uint, c_ulong, c_ushort};
use std::mem::{MaybeUninit, offset_of};
use std::os::fd::{AsFd, BorrowedFd, IntoRawFd, OwnedFd};

use libc::{
    BPF_ABS, BPF_JA, BPF_JEQ, BPF_JMP, BPF_K, BPF_LD, BPF_RET, BPF_W,
    SECCOMP_FILTER_FLAG_NEW_LISTENER, SECCOMP_RET_ALLOW, SECCOMP_RET_USER_NOTIF,
};
pub use libc::{
    SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, SECCOMP_USER_NOTIF_FLAG_CONTINUE, seccomp_data,
    seccomp_notif, seccomp_notif_addfd, seccomp_notif_resp, seccomp_notif_sizes, sock_filter,
};

use crate::posix::Result;
use crate::posix::error::{EINVAL, Error};
use crate::posix::ffi::{self, raw};
use crate::posix::sys_socket::{CMSG_LEN, CMSG_SPACE, MSG_NOSIGNAL, SCM_RIGHTS, SOL_SOCKET};

/// The architecture for which this program is built, as the kernel's audit names it; 0, which none is,
/// where it is not known here.
pub const AUDIT_ARCH: u32 = if cfg!(all(target_arch = "x86_64", target_pointer_width = "64")) {
    0xc000_003e
} else if cfg!(target_arch = "aarch64") {
    0xc000_00b7
} else if cfg!(target_arch = "riscv64") {
    0xc000_00f3
} else {
    0
};

/// With it a supervisor's answer wakes its target on the supervisor's own processor.
pub const SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP: u64 = 1;

const fn load(offset: usize) -> sock_filter {
    sock_filter { code: (BPF_LD | BPF_W | BPF_ABS) as u16, jt: 0, jf: 0, k: offset as u32 }
}

/// Goes on if it is equal, else jumps over so many instructions.
const fn equal(k: u32, or_else: u8) -> sock_filter {
    sock_filter { code: (BPF_JMP | BPF_JEQ | BPF_K) as u16, jt: 0, jf: or_else, k }
}

const fn ret(k: c_uint) -> sock_filter {
    sock_filter { code: (BPF_RET | BPF_K) as u16, jt: 0, jf: 0, k }
}

/// Jumps over so many instructions.
const fn over(instructions: usize) -> sock_filter {
    sock_filter { code: (BPF_JMP | BPF_JA) as u16, jt: 0, jf: 0, k: instructions as u32 }
}

/// The program of a filter that asks about these calls and allows all others. Allowed unasked are also
/// those of another architecture, of i386 and of x32 beside x86-64, whose numbers mean something else;
/// and those whose sixth argument is `pass`, as [`sendmsg_past`] and [`close_past`] make them, which have
/// no use for one. The word may stay in its register and let the thread's next calls through too: exec
/// takes it away.
pub fn notify_program(calls: &[c_long], pass: u64) -> Vec<sock_filter> {
    // The half that counts less comes first, on all three.
    const SIXTH: usize = offset_of!(seccomp_data, args) + 5 * size_of::<u64>();
    let (ask, allow) = (ret(SECCOMP_RET_USER_NOTIF), ret(SECCOMP_RET_ALLOW));
    let ours = sock_filter { jt: 1, ..equal(AUDIT_ARCH, 0) };
    let mut program = vec![load(offset_of!(seccomp_data, arch)), ours, allow];
    // Of a call that is not listed no argument is looked at: so the kernel knows in advance that it is
    // allowed, and does not run the program for it.
    program.push(load(offset_of!(seccomp_data, nr)));
    for (at, &call) in calls.iter().enumerate() {
        program.extend([equal(call as u32, 1), over(2 * (calls.len() - at) - 1)]);
    }
    let (low, high) = (pass as u32, (pass >> 32) as u32);
    program.extend([allow, load(SIXTH), equal(low, 3)]);
    program.extend([load(SIXTH + size_of::<u32>()), equal(high, 1), allow, ask]);
    program
}

/// `int seccomp(SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER | flags, const struct sock_fprog
/// *args)`: from here on each call of this thread, and of all that it makes, goes through the filter;
/// returns the listener, which says about which of them the filter asks. It is closed by exec. Needs
/// `PR_SET_NO_NEW_PRIVS` or CAP_SYS_ADMIN (`EACCES`); a second one below another is refused (`EBUSY`).
/// Knows one flag, `SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV`, and refuses others, `EINVAL`. Allocates
/// nothing.
/// [seccomp(2)](https://man7.org/linux/man-pages/man2/seccomp.2.html)
pub fn seccomp_new_listener(flags: c_ulong, filter: &[sock_filter]) -> Result<OwnedFd> {
    let (Ok(len), 0 | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV) =
        (c_ushort::try_from(filter.len()), flags)
    else {
        return Err(Error::new("seccomp", EINVAL));
    };
    let program = libc::sock_fprog { len, filter: filter.as_ptr().cast_mut() };
    let operation = libc::SECCOMP_SET_MODE_FILTER;
    let flags = SECCOMP_FILTER_FLAG_NEW_LISTENER | flags;
    // SAFETY: `program` is a whole struct and points to `len` borrowed instructions, which the kernel
    // copies and checks.
    let returned =
        unsafe { libc::syscall(libc::SYS_seccomp, operation, flags, &raw const program) };
    // SAFETY: seccomp() has just made this descriptor for us.
    unsafe { ffi::fd("seccomp", returned as c_int) }
}

/// `int seccomp(SECCOMP_GET_NOTIF_SIZES, 0, struct seccomp_notif_sizes *args)`: how long this kernel's
/// structures are.
/// [seccomp(2)](https://man7.org/linux/man-pages/man2/seccomp.2.html)
pub fn seccomp_get_notif_sizes() -> Result<seccomp_notif_sizes> {
    let mut sizes = MaybeUninit::<seccomp_notif_sizes>::zeroed();
    let operation = libc::SECCOMP_GET_NOTIF_SIZES;
    // SAFETY: `sizes` has room for the struct, whose own size never changes.
    let returned =
        unsafe { libc::syscall(libc::SYS_seccomp, operation, 0 as c_ulong, sizes.as_mut_ptr()) };
    ffi::unit("seccomp", returned as c_int)?;
    // SAFETY: three integers, zeroed and then written.
    Ok(unsafe { sizes.assume_init() })
}

// The size of what they point to is part of the requests below: a kernel whose structures are longer
// knows these requests by the old ones.

/// `int ioctl(int fd, SECCOMP_IOCTL_NOTIF_RECV, struct seccomp_notif *req)`: waits for a call about which
/// the filter asks. `ENOENT` if it has been given up meanwhile.
/// [seccomp_unotify(2)](https://man7.org/linux/man-pages/man2/seccomp_unotify.2.html)
pub fn seccomp_notif_recv(fd: impl AsFd) -> Result<seccomp_notif> {
    let mut req = MaybeUninit::<seccomp_notif>::zeroed();
    let request = libc::SECCOMP_IOCTL_NOTIF_RECV;
    // SAFETY: `req` has room for the struct, and is zeroed, as the kernel wants it.
    let returned = unsafe { libc::ioctl(raw(&fd), request, req.as_mut_ptr()) };
    ffi::unit("ioctl", returned)?;
    // SAFETY: integers, zeroed and then written.
    Ok(unsafe { req.assume_init() })
}

/// `int ioctl(int fd, SECCOMP_IOCTL_NOTIF_SEND, const struct seccomp_notif_resp *resp)`: answers. `ENOENT`
/// if the call has been given up meanwhile, because of a signal.
/// [seccomp_unotify(2)](https://man7.org/linux/man-pages/man2/seccomp_unotify.2.html)
pub fn seccomp_notif_send(fd: impl AsFd, resp: &seccomp_notif_resp) -> Result<()> {
    let request = libc::SECCOMP_IOCTL_NOTIF_SEND;
    // SAFETY: `resp` is a whole struct, which the kernel only reads.
    let returned = unsafe { libc::ioctl(raw(&fd), request, &raw const *resp) };
    ffi::unit("ioctl", returned)
}

/// `int ioctl(int fd, SECCOMP_IOCTL_NOTIF_ID_VALID, const __u64 *id)`: whether this call still waits for
/// its answer, `ENOENT` if not: what has been read of its process before this was of that process.
/// [seccomp_unotify(2)](https://man7.org/linux/man-pages/man2/seccomp_unotify.2.html)
pub fn seccomp_notif_id_valid(fd: impl AsFd, id: u64) -> Result<()> {
    let request = libc::SECCOMP_IOCTL_NOTIF_ID_VALID;
    // SAFETY: `id` is eight bytes, which the kernel only reads.
    let returned = unsafe { libc::ioctl(raw(&fd), request, &raw const id) };
    ffi::unit("ioctl", returned)
}

/// `int ioctl(int fd, SECCOMP_IOCTL_NOTIF_ADDFD, { id, SECCOMP_ADDFD_FLAG_SETFD, srcfd, newfd, O_CLOEXEC })`: puts a
/// descriptor of ours in the place of one of the process whose call waits, as `dup3` would, since Linux 5.9. `ENOENT` if the
/// call has been given up meanwhile, `EBADF` if the number is beyond the process's limit.
/// [seccomp_unotify(2)](https://man7.org/linux/man-pages/man2/seccomp_unotify.2.html)
pub fn seccomp_notif_setfd(fd: impl AsFd, id: u64, srcfd: impl AsFd, newfd: u32) -> Result<()> {
    let added = seccomp_notif_addfd {
        id,
        flags: libc::SECCOMP_ADDFD_FLAG_SETFD as u32,
        srcfd: raw(&srcfd) as u32,
        newfd,
        newfd_flags: libc::O_CLOEXEC as u32,
    };
    let request = libc::SECCOMP_IOCTL_NOTIF_ADDFD;
    // SAFETY: `added` is a whole struct, which the kernel only reads.
    let returned = unsafe { libc::ioctl(raw(&fd), request, &raw const added) };
    if returned == -1 { ffi::unit("ioctl", returned) } else { Ok(()) }
}

/// `int ioctl(int fd, SECCOMP_IOCTL_NOTIF_SET_FLAGS, unsigned long flags)`: sets
/// [`SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP`] or clears it, since Linux 6.6.
/// [The kernel](https://docs.kernel.org/userspace-api/seccomp_filter.html)
pub fn seccomp_notif_set_flags(fd: impl AsFd, flags: u64) -> Result<()> {
    let request = libc::SECCOMP_IOCTL_NOTIF_SET_FLAGS;
    // SAFETY: takes the flags themselves and touches no memory of ours.
    let returned = unsafe { libc::ioctl(raw(&fd), request, flags as c_ulong) };
    ffi::unit("ioctl", returned)
}

/// `ssize_t sendmsg(int sockfd, const struct msghdr *msg, MSG_NOSIGNAL)` as a filter of
/// [`notify_program`] lets it through unasked: with `pass` in a sixth argument, at which the kernel does
/// not look. So the listener gets to its supervisor, who can't be asked before he has it. Allocates
/// nothing.
/// [sendmsg(2)](https://man7.org/linux/man-pages/man2/sendmsg.2.html)
pub fn sendmsg_past(
    sockfd: impl AsFd,
    buf: &[u8],
    listener: Option<BorrowedFd<'_>>,
    pass: u64,
) -> Result<usize> {
    const INT: usize = size_of::<c_int>();
    const LENGTH: usize = size_of::<usize>();
    let mut control = [0_u8; CMSG_SPACE(INT)];
    let iov = libc::iovec { iov_base: buf.as_ptr().cast_mut().cast(), iov_len: buf.len() };
    // SAFETY: null pointers and zero lengths are an empty msghdr.
    let mut header: libc::msghdr = unsafe { MaybeUninit::zeroed().assume_init() };
    header.msg_iov = (&raw const iov).cast_mut();
    header.msg_iovlen = 1;
    if let Some(listener) = listener {
        let mut after = &mut control[..];
        for piece in [
            &CMSG_LEN(INT).to_ne_bytes()[..LENGTH],
            &SOL_SOCKET.to_ne_bytes(),
            &SCM_RIGHTS.to_ne_bytes(),
            &raw(&listener).to_ne_bytes(),
        ] {
            let (place, rest) = after.split_at_mut(piece.len());
            place.copy_from_slice(piece);
            after = rest;
        }
        header.msg_control = control.as_mut_ptr().cast();
        header.msg_controllen = control.len();
    }
    let (number, fd, flags) = (libc::SYS_sendmsg, raw(&sockfd), MSG_NOSIGNAL);
    const NOTHING: c_ulong = 0;
    // SAFETY: every pointer in `header` is to a borrowed slice with its true length, and sendmsg() only
    // reads through them.
    let returned =
        unsafe { libc::syscall(number, fd, &raw const header, flags, NOTHING, NOTHING, pass) };
    ffi::size("sendmsg", returned as isize)
}

/// `int close(int fd)`, unasked as [`sendmsg_past`]: a target that keeps its own listener would wait for
/// ever when nobody else has it.
/// [close(2)](https://man7.org/linux/man-pages/man2/close.2.html)
pub fn close_past(fd: OwnedFd, pass: u64) -> Result<()> {
    const NOTHING: c_ulong = 0;
    let (number, fd) = (libc::SYS_close, fd.into_raw_fd());
    // SAFETY: ours alone until this call, and nobody's after it: into_raw_fd forgot the owner.
    let returned = unsafe { libc::syscall(number, fd, NOTHING, NOTHING, NOTHING, NOTHING, pass) };
    ffi::unit("close", returned as c_int)
}

//! io_uring: requests to the kernel in one ring, their completions in another, one system call for
//! both. What liburing does in C; the names are liburing's where a function does the same.
//! [io_uring(7)](https://man7.org/linux/man-pages/man7/io_uring.7.html)
//!
//! A request goes on after the call that made it, so nothing that it needs is borrowed from the
//! caller: a connected socket belongs to the ring until the completion hands it back, what is
//! received comes out of the ring's own buffers, what is sent is copied. The memory that the kernel
//! may still use when a ring is gone, those buffers and copies, lives as long as the process; and it
//! consists of atomics, since the kernel is to this program what another thread is.

use std::ffi::c_int;
use std::marker::PhantomData;
use std::mem::size_of;
use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicI64, AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering};

use ::io_uring::{IoUring, cqueue, opcode, squeue, types};

use crate::posix::error::{EBUSY, EINVAL, EIO, EMSGSIZE};
use crate::posix::ffi;
use crate::posix::sys_mman::{MAP_PRIVATE, Zeroed, mmap};
use crate::posix::sys_socket::MSG_WAITALL;
use crate::posix::{Error, Result};

/// Only one thread submits and waits.
pub const IORING_SETUP_SINGLE_ISSUER: u32 = 1 << 12;
/// The kernel works at a request only while that thread is in `io_uring_enter`. Linux 6.1.
pub const IORING_SETUP_DEFER_TASKRUN: u32 = 1 << 13;

/// How many buffers the kernel has to receive into, for all clients together.
pub const BUFFERS: u16 = 128;
/// What fits one of them, so what one recv may bring, in bytes.
pub const BUFFER_SIZE: usize = 64;
/// The most that can be sent, in bytes.
pub const SEND_MAX: usize = 96;

/// Both rings, and all that the requests in flight need.
///
/// Dropped, it ends them: its sockets are closed.
pub struct Ring<'fd> {
    uring: IoUring,
    buffers: Option<&'static Buffers>,
    timeout: &'static Timespec,
    /// At each descriptor's number.
    sockets: Vec<Socket>,
    listenfd: PhantomData<&'fd OwnedFd>,
}

/// A connected socket's part in requests.
#[derive(Default)]
struct Socket {
    /// While a recv is in flight.
    connfd: Option<OwnedFd>,
    /// What is sent through it, and kept for the next one of that number.
    answer: Option<&'static [AtomicU8; SEND_MAX]>,
}

/// What the kernel receives into, and the ring that tells it which of that is free.
#[repr(C)]
struct Buffers {
    ring: [Buffer; BUFFERS as usize],
    bytes: [[AtomicU8; BUFFER_SIZE]; BUFFERS as usize],
}

/// `struct io_uring_buf`; in the ring's first one the last field is the ring's tail.
#[repr(C)]
struct Buffer {
    addr: AtomicU64,
    len: AtomicU32,
    bid: AtomicU16,
    tail: AtomicU16,
}

/// `struct __kernel_timespec`
#[repr(C)]
#[derive(Default)]
struct Timespec {
    tv_sec: AtomicI64,
    tv_nsec: AtomicI64,
}

const _: () = assert!(size_of::<Buffer>() == size_of::<types::BufRingEntry>());
const _: () = assert!(size_of::<Timespec>() == size_of::<types::Timespec>());
const _: () = assert!(BUFFERS.is_power_of_two());

// SAFETY: numbers, each of which may be zero; a page is aligned for all of them.
unsafe impl Zeroed for Buffers {}

/// A request that is complete.
pub enum Completion {
    /// An accept: a connected socket, or what went wrong; and whether it has come to its end, so that
    /// no more of them will come unless asked for anew.
    Accept(Result<OwnedFd>, bool),
    /// A recv: the socket, back from the ring, and what it brought.
    Recv(OwnedFd, Result<Received>),
    /// A time that has passed.
    Timeout,
    /// A send or a close that failed; those that succeed are not told.
    Failed(Error),
}

/// The bytes of one recv; none at the end of file.
pub struct Received {
    bytes: [u8; BUFFER_SIZE],
    count: usize,
}

impl Received {
    /// As a slice.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.count]
    }
}

const ACCEPT: u64 = 0;
const RECV: u64 = 1;
const SEND: u64 = 2;
const CLOSE: u64 = 3;
const TIMEOUT: u64 = 4;

/// What a completion tells of its request: what was asked of which descriptor.
fn user_data(operation: u64, fd: RawFd) -> u64 {
    operation << 32 | u64::from(fd.cast_unsigned())
}

fn error(call: &'static str, error: &std::io::Error) -> Error {
    Error::new(call, error.raw_os_error().unwrap_or(EIO))
}

/// `int io_uring_queue_init(unsigned entries, struct io_uring *ring, unsigned flags)`: makes the
/// rings: `io_uring_setup`, and maps them. Knows the two flags above and refuses others, `EINVAL`.
/// [io_uring_setup(2)](https://man7.org/linux/man-pages/man2/io_uring_setup.2.html)
pub fn io_uring_queue_init<'fd>(entries: u32, flags: u32) -> Result<Ring<'fd>> {
    let mut builder = IoUring::builder();
    if flags & !(IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN) != 0 {
        return Err(Error::new("io_uring_setup", EINVAL));
    }
    if flags & IORING_SETUP_SINGLE_ISSUER != 0 {
        builder.setup_single_issuer();
    }
    if flags & IORING_SETUP_DEFER_TASKRUN != 0 {
        builder.setup_defer_taskrun();
    }
    let uring = builder.build(entries).map_err(|e| error("io_uring_setup", &e))?;
    Ok(Ring {
        uring,
        buffers: None,
        timeout: Box::leak(Box::default()),
        sockets: Vec::new(),
        listenfd: PhantomData,
    })
}

/// Gives the kernel buffers to receive into: an idle client holds none of them.
/// [io_uring_register_buf_ring(3)](https://man7.org/linux/man-pages/man3/io_uring_register_buf_ring.3.html)
pub fn provide_buffers(ring: &mut Ring<'_>) -> Result<()> {
    let buffers: &'static Buffers = mmap::<Buffers>(MAP_PRIVATE)?;
    let addr = std::ptr::from_ref(buffers) as u64;
    // SAFETY: so many entries, at the beginning of a mapping that is never unmapped.
    unsafe { ring.uring.submitter().register_buf_ring_with_flags(addr, BUFFERS, 0, 0) }
        .map_err(|e| error("io_uring_register", &e))?;
    ring.buffers = Some(buffers);
    for i in 0..BUFFERS {
        buffers.provide(i);
    }
    Ok(())
}

impl Buffers {
    /// Gives a buffer to the kernel.
    fn provide(&'static self, i: u16) {
        let tail = self.ring[0].tail.load(Ordering::Relaxed);
        let buffer = &self.ring[usize::from(tail % BUFFERS)];
        let bytes = std::ptr::from_ref(&self.bytes[usize::from(i)]);
        buffer.addr.store(bytes as u64, Ordering::Relaxed);
        buffer.len.store(BUFFER_SIZE as u32, Ordering::Relaxed);
        buffer.bid.store(i, Ordering::Relaxed);
        self.ring[0].tail.store(tail.wrapping_add(1), Ordering::Release);
    }

    fn copy(&'static self, i: u16, count: usize) -> Received {
        let mut received = Received { bytes: [0; BUFFER_SIZE], count };
        for (to, from) in received.bytes[..count].iter_mut().zip(&self.bytes[usize::from(i)]) {
            *to = from.load(Ordering::Relaxed);
        }
        received
    }
}

/// Puts entries into the submission queue, all of them or, if there is no room, none: `EBUSY`.
///
/// # Safety
///
/// What an entry points to lives as long as the process; its descriptor is open until it is submitted.
unsafe fn push(ring: &mut Ring<'_>, entries: &[squeue::Entry]) -> Result<()> {
    // SAFETY: the caller's contract.
    unsafe { ring.uring.submission().push_multiple(entries) }
        .map_err(|_| Error::new("io_uring_get_sqe", EBUSY))
}

/// Asks for every connection to come, not for one: a completion for each.
/// [io_uring_prep_multishot_accept(3)](https://man7.org/linux/man-pages/man3/io_uring_prep_multishot_accept.3.html)
pub fn prep_accept<'fd>(ring: &mut Ring<'fd>, listenfd: &'fd OwnedFd) -> Result<()> {
    let entry = opcode::AcceptMulti::new(types::Fd(listenfd.as_raw_fd())).build();
    // SAFETY: no address is asked for, so it points to nothing; the descriptor outlives the ring.
    unsafe { push(ring, &[entry.user_data(user_data(ACCEPT, listenfd.as_raw_fd()))]) }
}

/// Asks for what a client says, into one of the ring's buffers.
/// [io_uring_prep_recv(3)](https://man7.org/linux/man-pages/man3/io_uring_prep_recv.3.html)
pub fn prep_recv(ring: &mut Ring<'_>, connfd: OwnedFd) -> Result<()> {
    let fd = connfd.as_raw_fd();
    let entry = opcode::Recv::new(types::Fd(fd), std::ptr::null_mut(), BUFFER_SIZE as u32)
        .buf_group(0)
        .build()
        .flags(squeue::Flags::BUFFER_SELECT)
        .user_data(user_data(RECV, fd));
    // SAFETY: the buffers are never unmapped; the ring keeps the descriptor open.
    unsafe { push(ring, &[entry]) }?;
    ring.socket(fd).connfd = Some(connfd);
    Ok(())
}

impl Ring<'_> {
    fn socket(&mut self, fd: RawFd) -> &mut Socket {
        let at = fd as usize;
        if at >= self.sockets.len() {
            self.sockets.resize_with(at + 1, Socket::default);
        }
        &mut self.sockets[at]
    }
}

/// Asks to close a connected socket.
/// [io_uring_prep_close(3)](https://man7.org/linux/man-pages/man3/io_uring_prep_close.3.html)
pub fn prep_close(ring: &mut Ring<'_>, connfd: OwnedFd) -> Result<()> {
    // SAFETY: it points to nothing; from here on nobody but the kernel closes the descriptor.
    unsafe { push(ring, &[close_entry(&connfd)]) }?;
    let _ = connfd.into_raw_fd();
    Ok(())
}

fn close_entry(connfd: &OwnedFd) -> squeue::Entry {
    opcode::Close::new(types::Fd(connfd.as_raw_fd()))
        .build()
        .flags(squeue::Flags::SKIP_SUCCESS)
        .user_data(user_data(CLOSE, connfd.as_raw_fd()))
}

/// Asks to send all of the bytes, at most [`SEND_MAX`], and then to close: two requests, linked.
///
/// No completion tells that they are done. The copy of the bytes stays as it is until the number of
/// the descriptor is given out again, and that is after the close, which comes after the send.
/// [io_uring_prep_send(3)](https://man7.org/linux/man-pages/man3/io_uring_prep_send.3.html)
pub fn prep_send_and_close(ring: &mut Ring<'_>, connfd: OwnedFd, bytes: &[u8]) -> Result<()> {
    if bytes.len() > SEND_MAX {
        return Err(Error::new("send", EMSGSIZE));
    }
    let fd = connfd.as_raw_fd();
    let answer = *ring
        .socket(fd)
        .answer
        .get_or_insert_with(|| Box::leak(Box::new([const { AtomicU8::new(0) }; SEND_MAX])));
    for (to, from) in answer.iter().zip(bytes) {
        to.store(*from, Ordering::Relaxed);
    }
    let send = opcode::Send::new(types::Fd(fd), answer.as_ptr().cast(), bytes.len() as u32)
        .flags(MSG_WAITALL)
        .build()
        .flags(squeue::Flags::IO_HARDLINK | squeue::Flags::SKIP_SUCCESS)
        .user_data(user_data(SEND, fd));
    // SAFETY: `answer` is never freed; from here on nobody but the kernel closes the descriptor.
    unsafe { push(ring, &[send, close_entry(&connfd)]) }?;
    let _ = connfd.into_raw_fd();
    Ok(())
}

/// Asks to be told when so much time has passed.
/// [io_uring_prep_timeout(3)](https://man7.org/linux/man-pages/man3/io_uring_prep_timeout.3.html)
pub fn prep_timeout(ring: &mut Ring<'_>, milliseconds: c_int) -> Result<()> {
    let milliseconds = i64::from(milliseconds);
    ring.timeout.tv_sec.store(milliseconds / 1000, Ordering::Relaxed);
    ring.timeout.tv_nsec.store(milliseconds % 1000 * 1_000_000, Ordering::Relaxed);
    let timeout = std::ptr::from_ref(ring.timeout).cast();
    let entry = opcode::Timeout::new(timeout).build().user_data(user_data(TIMEOUT, -1));
    // SAFETY: `timeout` is never freed.
    unsafe { push(ring, &[entry]) }
}

/// `int io_uring_submit_and_wait(struct io_uring *ring, unsigned wait_nr)`: submits what was
/// prepared and waits until there are so many completions; returns how many were submitted.
/// [io_uring_enter(2)](https://man7.org/linux/man-pages/man2/io_uring_enter.2.html)
pub fn io_uring_submit_and_wait(ring: &mut Ring<'_>, wait_nr: u32) -> Result<usize> {
    ring.uring.submit_and_wait(wait_nr as usize).map_err(|e| error("io_uring_enter", &e))
}

/// `int io_uring_submit(struct io_uring *ring)`: submits what was prepared, if anything was.
/// [io_uring_enter(2)](https://man7.org/linux/man-pages/man2/io_uring_enter.2.html)
pub fn io_uring_submit(ring: &mut Ring<'_>) -> Result<usize> {
    if ring.uring.submission().is_empty() {
        return Ok(0);
    }
    ring.uring.submit().map_err(|e| error("io_uring_enter", &e))
}

/// The next completion, unless there is none, or no room for the two entries that it may lead to.
/// [io_uring_peek_cqe(3)](https://man7.org/linux/man-pages/man3/io_uring_peek_cqe.3.html)
pub fn next_completion(ring: &mut Ring<'_>) -> Option<Completion> {
    let submission = ring.uring.submission();
    if submission.capacity() - submission.len() < 2 {
        return None;
    }
    drop(submission);
    let cqe = ring.uring.completion().next()?;
    let fd = cqe.user_data() as RawFd;
    let result = cqe.result();
    let failed = |call| Error::new(call, -result);
    Some(match cqe.user_data() >> 32 {
        ACCEPT if result < 0 => Completion::Accept(Err(failed("accept")), is_over(&cqe)),
        // SAFETY: the kernel has just made this descriptor for us.
        ACCEPT => Completion::Accept(unsafe { ffi::fd("accept", result) }, is_over(&cqe)),
        RECV => {
            let received = ring.receive(&cqe);
            let connfd = ring.socket(fd).connfd.take()?;
            Completion::Recv(connfd, if result < 0 { Err(failed("recv")) } else { Ok(received) })
        }
        TIMEOUT => Completion::Timeout,
        SEND => Completion::Failed(failed("send")),
        _ => Completion::Failed(failed("close")),
    })
}

fn is_over(cqe: &cqueue::Entry) -> bool {
    !cqueue::more(cqe.flags())
}

impl Ring<'_> {
    /// What came in a buffer, if one was used; and it is free again.
    fn receive(&self, cqe: &cqueue::Entry) -> Received {
        let (Some(i), Some(buffers)) = (cqueue::buffer_select(cqe.flags()), self.buffers) else {
            return Received { bytes: [0; BUFFER_SIZE], count: 0 };
        };
        let received = buffers.copy(i, cqe.result().max(0) as usize);
        buffers.provide(i);
        received
    }
}

/// `void io_uring_queue_exit(struct io_uring *ring)`: unmaps the rings and closes them.
/// [io_uring_queue_exit(3)](https://man7.org/linux/man-pages/man3/io_uring_queue_exit.3.html)
pub fn io_uring_queue_exit(ring: Ring<'_>) {
    drop(ring);
}

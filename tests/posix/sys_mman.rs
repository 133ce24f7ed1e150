//! Shared memory.

use std::sync::atomic::{AtomicI32, Ordering::SeqCst};

use socklab::posix::error::EINVAL;
use socklab::posix::sys_mman::{MAP_PRIVATE, MAP_SHARED, Zeroed, mmap};

use crate::support::{alone, forked, row, status};

struct Counter(AtomicI32);
// SAFETY: an integer.
unsafe impl Zeroed for Counter {}

struct Enormous(#[expect(dead_code, reason = "only its size matters")] [u8; (1 << 47) - 1]);
// SAFETY: bytes.
unsafe impl Zeroed for Enormous {}

#[test]
fn memory_is_shared_with_children_or_not() {
    alone(|| {
        for (flags, expected) in [(MAP_SHARED, 8), (MAP_PRIVATE, 7)] {
            let counter: &Counter = mmap(flags).expect("mmap");
            assert_eq!(counter.0.swap(7, SeqCst), 0, "fresh memory is zero");
            assert_eq!(status(forked(|| counter.0.fetch_add(1, SeqCst))), 7);
            assert_eq!(counter.0.load(SeqCst), expected);
        }
    });
}

#[test]
fn errors_of_mmap() {
    row("mmap", "neither shared nor private", mmap::<Counter>(0), EINVAL);
    let enormous = mmap::<Enormous>(MAP_SHARED);
    row("mmap", "more than there is", enormous, socklab::posix::error::ENOMEM);
}

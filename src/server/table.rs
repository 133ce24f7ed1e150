//! What a server has to remember by descriptor: a table in blocks, so that nothing moves when it grows
//! and there is hardly room for nobody. Its counterpart in C is `c-compat/table.c`.

#![forbid(unsafe_code)]

use std::ffi::c_int;

/// How many descriptors a block is for.
const BLOCK: usize = 64;

/// A table by descriptor.
pub(super) struct Table<T> {
    blocks: Vec<Box<[Option<T>]>>,
}

impl<T> Table<T> {
    /// Nothing yet, with room for some.
    pub(super) fn new() -> Self {
        Self { blocks: vec![block()] }
    }

    /// Remembers something of a descriptor.
    pub(super) fn insert(&mut self, fd: c_int, value: T) {
        let i = fd as usize;
        while i / BLOCK >= self.blocks.len() {
            self.blocks.push(block());
        }
        self.blocks[i / BLOCK][i % BLOCK] = Some(value);
    }

    /// What is remembered of a descriptor.
    pub(super) fn get(&self, fd: c_int) -> Option<&T> {
        let i = fd as usize;
        self.blocks.get(i / BLOCK)?[i % BLOCK].as_ref()
    }

    /// The same, to be changed.
    pub(super) fn get_mut(&mut self, fd: c_int) -> Option<&mut T> {
        let i = fd as usize;
        self.blocks.get_mut(i / BLOCK)?[i % BLOCK].as_mut()
    }

    /// Forgets a descriptor and returns what was remembered of it.
    pub(super) fn take(&mut self, fd: c_int) -> Option<T> {
        let i = fd as usize;
        self.blocks.get_mut(i / BLOCK)?[i % BLOCK].take()
    }

    /// Every descriptor that there is room for.
    pub(super) fn descriptors(&self) -> std::ops::Range<c_int> {
        0..(self.blocks.len() * BLOCK) as c_int
    }
}

fn block<T>() -> Box<[Option<T>]> {
    (0..BLOCK).map(|_| None).collect()
}

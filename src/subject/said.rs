//! What a command writes.

#![forbid(unsafe_code)]

use std::io::Read;
use std::process::Child;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// An output of a command, and who reads it.
pub(super) struct Output {
    said: Arc<Mutex<Said>>,
    reader: JoinHandle<()>,
}

/// What a command wrote to one of its outputs: the beginning and the end of it.
#[derive(Default)]
struct Said {
    first: Vec<u8>,
    last: Vec<u8>,
}

impl Said {
    /// As much as the answer to a client, and a good deal around it.
    const FIRST: usize = 65536;
    /// As much as a line or two of a last word needs.
    const LAST: usize = 4096;

    fn add(&mut self, bytes: &[u8]) {
        let room = Self::FIRST - self.first.len();
        let (first, last) = bytes.split_at(room.min(bytes.len()));
        self.first.extend_from_slice(first);
        self.last.extend_from_slice(last);
        let surplus = self.last.len().saturating_sub(Self::LAST);
        self.last.drain(..surplus);
    }
}

impl Output {
    fn of(mut output: impl Read + Send + 'static) -> Self {
        let said = Arc::new(Mutex::new(Said::default()));
        let shared = Arc::clone(&said);
        let reader = std::thread::spawn(move || {
            let mut buffer = [0; 65536];
            while let Ok(length @ 1..) = output.read(&mut buffer) {
                shared.lock().unwrap_or_else(PoisonError::into_inner).add(&buffer[..length]);
            }
        });
        Self { said, reader }
    }

    /// Whether nobody writes any more, and all is read.
    pub(super) fn is_over(&self) -> bool {
        self.reader.is_finished()
    }

    /// What has been read so far.
    pub(super) fn so_far(&self) -> Vec<u8> {
        Self::text(&self.said)
    }

    /// What has been read when nobody writes any more.
    pub(super) fn whole(self) -> Vec<u8> {
        let Self { said, reader } = self;
        // A thread that only reads does not panic.
        let _ = reader.join();
        Self::text(&said)
    }

    fn text(said: &Mutex<Said>) -> Vec<u8> {
        let said = said.lock().unwrap_or_else(PoisonError::into_inner);
        [&said.first[..], &said.last[..]].concat()
    }
}

/// Standard output's, where somebody reads it, and standard error's.
pub(super) fn listen(child: &mut Child) -> Vec<Output> {
    let stdout = child.stdout.take().map(Output::of);
    let stderr = child.stderr.take().map(Output::of);
    stdout.into_iter().chain(stderr).collect()
}

/// The last line that isn't blank: of a stack of calls it says why.
pub fn last_line(said: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(said);
    text.lines().rfind(|line| !line.trim().is_empty()).map(str::to_owned)
}

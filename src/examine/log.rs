//! The transcript: what the clients of a check did and saw, with the time since the check began.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Instant;

/// Shared by all clients of a check.
#[derive(Debug, Clone)]
pub struct Log(Rc<RefCell<Lines>>);

#[derive(Debug)]
struct Lines {
    begun: Instant,
    clients: usize,
    lines: Vec<String>,
}

/// The most that a reader would go through; what follows is counted.
const MOST: usize = 200;
/// The most of a message that is shown.
const SHOWN: usize = 60;

impl Log {
    /// An empty one, from now on.
    pub fn new() -> Self {
        let lines = Lines { begun: Instant::now(), clients: 0, lines: Vec::new() };
        Self(Rc::new(RefCell::new(lines)))
    }

    /// Adds a line.
    pub fn say(&self, what: impl AsRef<str>) {
        let mut all = self.0.borrow_mut();
        let at = all.begun.elapsed().as_secs_f64() * 1e3;
        if all.lines.len() < MOST {
            all.lines.push(format!("{at:8.1} ms  {}", what.as_ref()));
        } else if all.lines.len() == MOST {
            all.lines.push(String::from("             and so on"));
        }
    }

    /// The number of a new client.
    pub fn client(&self) -> usize {
        let mut all = self.0.borrow_mut();
        all.clients += 1;
        all.clients
    }

    /// Whether nothing has happened yet.
    pub fn is_empty(&self) -> bool {
        self.0.borrow().lines.is_empty()
    }

    /// Has the lines of another one behind its own.
    pub(super) fn take_over(&self, other: &Self) {
        let theirs = other.lines();
        let mut all = self.0.borrow_mut();
        let room = (MOST + 1).saturating_sub(all.lines.len());
        all.lines.extend(theirs.into_iter().take(room));
    }

    /// All lines so far.
    pub fn lines(&self) -> Vec<String> {
        self.0.borrow().lines.clone()
    }
}

impl Default for Log {
    fn default() -> Self {
        Self::new()
    }
}

/// Bytes as C would write them, cut where they are long.
pub fn quoted(bytes: &[u8]) -> String {
    let shown = &bytes[..bytes.len().min(SHOWN)];
    let more =
        if bytes.len() > SHOWN { format!("... ({} bytes)", bytes.len()) } else { String::new() };
    format!("\"{}\"{more}", shown.escape_ascii())
}

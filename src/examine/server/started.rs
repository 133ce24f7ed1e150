//! A server that a super-server of ours starts again and again with its socket: its ends.

use super::{Held, Server};
use crate::examine::Outcome;
use crate::subject::{End, Ending, IN_VAIN};

impl Server {
    /// Whether its end is followed by another start of it.
    pub fn is_started_again(&self) -> bool {
        matches!(&self.held, Held::Own(subject) if subject.borrow().ends().is_some())
    }

    /// How it has ended so far, as often as it was started; nothing of a server that is started once.
    pub fn ends(&self) -> Vec<End> {
        match &self.held {
            Held::Own(subject) => {
                subject.borrow().ends().map(|ends| ends.all()).unwrap_or_default()
            }
            Held::Running(_) => Vec::new(),
        }
    }

    /// The end that is one: what it takes, when nothing more will start it; after a signal of ours, whichever comes; and of
    /// one that stays for its clients, one that is no ordinary end.
    pub(super) fn untimely(&self) -> Option<Ending> {
        let ends = self.ends();
        if let Some(last) = ends.last().filter(|end| end.in_vain >= IN_VAIN) {
            return Some(Ending::InVain(last.in_vain, last.status));
        }
        let asked = self.asked.get().and_then(|before| ends.get(before));
        let failed = ends.iter().find(|end| self.is_lasting && !end.is_ordinary());
        failed.or(asked).map(|end| Ending::Status(end.status))
    }

    /// From here on any end of it is the one that was asked for.
    pub(super) fn is_asked(&self) {
        self.asked.set(Some(self.asked.get().unwrap_or_else(|| self.ends().len())));
    }

    /// What has to be known of a death after which it is started again.
    pub(super) fn then(&self, death: Outcome) -> Outcome {
        if !self.is_started_again() {
            return death;
        }
        death.with("inetd starts it again at the next request; whom it had as clients, it has lost")
    }
}

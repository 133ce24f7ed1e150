//! What tasks have wanted of the CPUs: what they had, and what they waited for.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::iter::Sum;
use std::time::{Duration, Instant};

use super::watch::{self, Scheduled, Task};

/// CPU time that was wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Demand {
    /// Spent on a CPU.
    pub cpu: Duration,
    /// Spent waiting for one; no time where the kernel does not tell.
    pub waited: Duration,
    /// What it would have computed on a machine of its own: the CPU time, and of the waiting what did not follow on a sleep.
    /// Whoever looks for a lock now and then also waits for a CPU each time, and could not use it if he had it.
    pub computing: Duration,
}

impl Sum for Demand {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, one| Self {
            cpu: sum.cpu + one.cpu,
            waited: sum.waited + one.waited,
            computing: sum.computing + one.computing,
        })
    }
}

/// What is known of a task at a moment.
#[derive(Clone, Copy, Default)]
struct Known {
    scheduled: Scheduled,
    naps: u64,
    runs: bool,
    /// Whether it would go on if the machine let it: it runs, or waits for a CPU or for a disk.
    wants: bool,
    /// For how long it was seen to run, or to wait for a CPU, without any of that being accounted: waiting is once it is over.
    open: Duration,
}

impl Known {
    fn of(task: &Task) -> Self {
        let state = task.state();
        Self {
            scheduled: watch::scheduled(*task),
            naps: watch::naps_of(task).unwrap_or_default(),
            runs: state == Some('R'),
            wants: matches!(state, Some('R' | 'D')),
            open: Duration::ZERO,
        }
    }

    /// The same, so much later than it was this.
    fn after(self, time: Duration, last: &Self) -> Self {
        let is_open = self.runs && last.runs && self.scheduled == last.scheduled;
        Self { open: if is_open { last.open + time } else { Duration::ZERO }, ..self }
    }

    fn since(&self, before: &Self) -> Demand {
        let (now, then) = (self.scheduled, before.scheduled);
        let cpu = now.cpu.saturating_sub(then.cpu);
        let waited = now.waited.saturating_sub(then.waited) + self.open;
        let turns = now.turns.saturating_sub(then.turns).max(1);
        // Each sleep is followed by a turn, unless it still lasts.
        let naps = self.naps.saturating_sub(before.naps).min(turns);
        let computing = cpu + waited.mul_f64((turns - naps) as f64 / turns as f64);
        Demand { cpu, waited, computing }
    }
}

/// An account of what some tasks want from a moment on. Unlike a [meter](watch::Meter) it also has what those wanted that
/// have ended, as far as it was looked at.
pub struct Account {
    before: BTreeMap<u32, Known>,
    last: BTreeMap<u32, Known>,
    looked: Instant,
    /// For how long whoever looks had waited for a CPU himself when he last looked.
    starved: Duration,
    /// Whether anybody wanted to go on then.
    wants: bool,
    /// For how long somebody did, or may have while nobody could look.
    wanted: Duration,
}

impl Account {
    /// From now on, with the tasks that some processes have now.
    pub fn of(processes: &[u32]) -> Self {
        let before = known(processes).collect();
        let (looked, starved) = (Instant::now(), watch::starved(Task::mine()));
        let (last, wanted) = (BTreeMap::new(), Duration::ZERO);
        Self { before, last, looked, starved, wants: false, wanted }
    }

    /// Looks at the tasks that some processes have now.
    pub fn look(&mut self, processes: &[u32]) {
        let (time, starved) = (self.looked.elapsed(), watch::starved(Task::mine()));
        self.looked += time;
        let unseen = starved.saturating_sub(std::mem::replace(&mut self.starved, starved));
        self.note(time, unseen, known(processes));
    }

    /// What is seen so long after the last look; for a part of that nobody could look.
    fn note(
        &mut self,
        time: Duration,
        unseen: Duration,
        known: impl Iterator<Item = (u32, Known)>,
    ) {
        let wanted_before = std::mem::take(&mut self.wants);
        for (tid, known) in known {
            self.wants |= known.wants;
            let last = self.last.entry(tid).or_default();
            // Of one that ends at this moment nothing is known any more.
            if known.scheduled.cpu >= last.scheduled.cpu {
                *last = known.after(time, last);
            }
        }
        self.wanted += if self.wants && wanted_before { time } else { unseen };
    }

    /// What all together have wanted, of each until it was last looked at.
    pub fn demand(&self) -> Demand {
        let before = |tid| self.before.get(tid).copied().unwrap_or_default();
        self.last.iter().map(|(tid, known)| known.since(&before(tid))).sum()
    }

    /// For how long all together were kept from going on by others, who had the CPUs or the disk: each may have ended that
    /// another waited for. The kernel accounts what is spent a little late, so that only the whole says something.
    pub fn kept(&self) -> Duration {
        self.wanted.saturating_sub(self.demand().cpu)
    }
}

/// A span of time, without that for which some tasks are kept from going on by others: of that there may be nine times as much.
pub struct Patience {
    time: Duration,
    begun: Instant,
    account: Account,
}

impl Patience {
    /// From now on, with the tasks that some processes have now.
    pub fn of(time: Duration, processes: &[u32]) -> Self {
        Self { time, begun: Instant::now(), account: Account::of(processes) }
    }

    /// Whether it is over, after one more look at the tasks; for so long they were kept besides by somebody else who was.
    pub fn is_over(&mut self, processes: &[u32], besides: Duration) -> bool {
        let passed = self.begun.elapsed();
        self.account.look(processes);
        passed >= self.time * 10 || passed >= self.time + self.account.kept() + besides
    }
}

fn known(processes: &[u32]) -> impl Iterator<Item = (u32, Known)> {
    watch::tasks(processes).into_iter().map(|task| (task.tid, Known::of(&task)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn kept_is_who_wants_and_does_not_get() {
        let mut account = Account::of(&[]);
        let mut note = |time, unseen, wants, cpu: &[(u32, u64)]| {
            let known = cpu.iter().map(|&(tid, cpu)| {
                let scheduled = Scheduled { cpu: MS(cpu), ..Scheduled::default() };
                (tid, Known { scheduled, wants, ..Known::default() })
            });
            account.note(MS(time), MS(unseen), known);
            account.kept()
        };
        assert_eq!(note(5, 0, true, &[(7, 0)]), MS(0), "it may only now have begun to run");
        assert_eq!(note(40, 9, true, &[(7, 0)]), MS(40), "others had the CPU");
        assert_eq!(note(4, 0, true, &[(7, 4)]), MS(40), "it had one");
        assert_eq!(note(30, 0, false, &[(7, 4)]), MS(40), "it has slept, or for part of that");
        assert_eq!(note(1, 0, true, &[(7, 4), (8, 0)]), MS(40), "its child runs");
        assert_eq!(note(60, 0, true, &[(7, 4), (8, 2)]), MS(98), "and waits");
        assert_eq!(note(10, 0, true, &[(7, 9)]), MS(103), "and has ended; what it waited counts");
        assert_eq!(note(2, 0, true, &[(7, 13)]), MS(101), "and is accounted late");
        assert_eq!(note(90, 80, false, &[(7, 13)]), MS(181), "it sleeps, and nobody has looked");
    }
}

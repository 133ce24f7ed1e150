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
    /// For how long it was seen to run, or to wait for a CPU, without any of that being accounted: waiting is once it is over.
    open: Duration,
}

impl Known {
    fn of(task: &Task) -> Self {
        Self {
            scheduled: watch::scheduled(*task),
            naps: watch::naps_of(task).unwrap_or_default(),
            runs: task.runs(),
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
}

impl Account {
    /// From now on, with the tasks that some processes have now.
    pub fn of(processes: &[u32]) -> Self {
        let before = known(processes).collect();
        Self { before, last: BTreeMap::new(), looked: Instant::now() }
    }

    /// Looks at the tasks that some processes have now.
    pub fn look(&mut self, processes: &[u32]) {
        let time = self.looked.elapsed();
        self.looked += time;
        for (tid, known) in known(processes) {
            let last = self.last.entry(tid).or_default();
            // Of one that ends at this moment nothing is known any more.
            if known.scheduled.cpu >= last.scheduled.cpu {
                *last = known.after(time, last);
            }
        }
    }

    /// What all together have wanted, of each until it was last looked at.
    pub fn demand(&self) -> Demand {
        let before = |tid| self.before.get(tid).copied().unwrap_or_default();
        self.last.iter().map(|(tid, known)| known.since(&before(tid))).sum()
    }
}

/// For how long some tasks were kept from going on by others, who had the CPUs or the disk: from look to look, since each
/// may have ended that another waited for.
pub struct Starvation {
    looked: Instant,
    /// For how long whoever looks had been kept from it.
    unseen: Duration,
    /// Whether anybody wanted to go on.
    wants: bool,
    /// The CPU time of each.
    had: BTreeMap<u32, Duration>,
    wanted: Duration,
    spent: Duration,
}

/// What was seen in one look.
struct Look {
    /// How long after the last one.
    time: Duration,
    /// For how long of that nobody could look.
    unseen: Duration,
    wants: bool,
    has: BTreeMap<u32, Duration>,
}

impl Starvation {
    /// From now on.
    pub fn begin() -> Self {
        let (had, none) = (BTreeMap::new(), Duration::ZERO);
        let (looked, unseen) = (Instant::now(), watch::starved(Task::mine()));
        Self { looked, unseen, wants: false, had, wanted: none, spent: none }
    }

    /// Looks at the tasks that some processes have now; how long it has been until now, all together.
    pub fn look(&mut self, processes: &[u32]) -> Duration {
        let time = self.looked.elapsed();
        let mine = watch::starved(Task::mine());
        let unseen = mine.saturating_sub(self.unseen);
        (self.looked, self.unseen) = (self.looked + time, mine);
        let tasks = watch::tasks(processes);
        let has = tasks.iter().map(|task| (task.tid, watch::scheduled(*task).cpu)).collect();
        self.note(Look { time, unseen, wants: tasks.iter().any(Task::wants), has })
    }

    /// The kernel accounts what is spent a little late: only all of it says something.
    fn note(&mut self, look: Look) -> Duration {
        self.wanted += if look.wants && self.wants { look.time } else { look.unseen };
        let before = |tid: &u32| self.had.get(tid).copied().unwrap_or_default();
        let spent = |(tid, cpu): (&u32, &Duration)| cpu.saturating_sub(before(tid));
        self.spent += look.has.iter().map(spent).sum::<Duration>();
        (self.wants, self.had) = (look.wants, look.has);
        self.wanted.saturating_sub(self.spent)
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
    fn starved_is_who_wants_and_does_not_get() {
        let mut starvation = Starvation::begin();
        let mut note = |time, unseen, wants, cpu: &[(u32, u64)]| {
            let has = cpu.iter().map(|&(tid, cpu)| (tid, MS(cpu))).collect();
            starvation.note(Look { time: MS(time), unseen: MS(unseen), wants, has })
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

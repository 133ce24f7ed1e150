//! The machine that the figures are of, and what it does besides.

use std::fs;
use std::time::{Duration, Instant};

use nix::libc;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SigSet, Signal, killpg};
use nix::unistd::Pid;

use crate::support::children;

/// `2 CPUs (AMD EPYC), Linux 6.18.44`
pub(crate) fn description() -> String {
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("of an unknown kind", |(_, model)| model.trim());
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let kernel = kernel.trim();
    format!("{cpus} CPUs ({model}), Linux {kernel}")
}

/// What others do on this machine, looked at in pauses in which nothing of ours runs.
#[derive(Default)]
pub(crate) struct Foreign {
    busy: f64,
    paused: f64,
}

impl Foreign {
    /// Pauses and looks.
    pub(crate) fn pause(&mut self, length: Duration) {
        let (before, start) = (busy(), Instant::now());
        std::thread::sleep(length);
        self.paused += start.elapsed().as_secs_f64();
        self.busy += busy() - before;
    }

    /// How many cores they keep busy.
    pub(crate) fn cores(&self) -> f64 {
        if self.paused > 0.0 { self.busy / self.paused } else { 0.0 }
    }

    /// The figure, and the doubt that follows from it.
    pub(crate) fn report(&self) -> String {
        let (cores, paused) = (self.cores(), self.paused);
        let doubt = if cores > 0.1 { "; doubt: the machine is not ours alone" } else { "" };
        format!("foreign load: {cores:.2} cores, seen in {paused:.1} s of pauses{doubt}")
    }
}

/// The seconds of all CPUs together that were not idle, since the start of the machine.
fn busy() -> f64 {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let line = text.lines().next().unwrap_or_default();
    let ticks: Vec<f64> = line.split_whitespace().skip(1).flat_map(str::parse).collect();
    // user nice system idle iowait irq softirq steal, in hundredths of a second
    let of = |at: usize| ticks.get(at).copied().unwrap_or(0.0);
    (of(0) + of(1) + of(2) + of(5) + of(6) + of(7)) / 100.0
}

/// How many connections have found the queue of a listening socket full, in this network namespace:
/// the kernel of such a client tries again after 1, 3, 7 s.
pub(crate) fn full_queues() -> u64 {
    let text = fs::read_to_string("/proc/net/netstat").unwrap_or_default();
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("TcpExt: "));
    let (Some(names), Some(numbers)) = (lines.next(), lines.next()) else { return 0 };
    let mut pairs = names.split(' ').zip(numbers.split(' '));
    let found = pairs.find(|(name, _)| *name == "ListenOverflows");
    found.and_then(|(_, number)| number.parse().ok()).unwrap_or(0)
}

/// Whether the calling thread now runs before all others, those that compute included.
pub(crate) fn real_time() -> bool {
    let param = libc::sched_param { sched_priority: 1 };
    // SAFETY: `param` is a whole struct, which the kernel only reads; 0 is this thread.
    unsafe { libc::sched_setscheduler(0, libc::SCHED_RR, &raw const param) == 0 }
}

/// Raises the soft limit of descriptors, which the servers inherit, to the hard one, and returns it.
pub(crate) fn descriptors() -> usize {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).expect("not beyond the hard limit");
    usize::try_from(hard).unwrap_or(usize::MAX)
}

/// From here on SIGINT, SIGTERM and SIGHUP end this process and all that its main thread has started.
pub(crate) fn heed_interrupts() {
    let mut signals = SigSet::empty();
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        signals.add(signal);
    }
    signals.thread_block().expect("a mask");
    std::thread::spawn(move || {
        let signal = signals.wait().expect("a signal");
        for child in children(std::process::id().try_into().expect("a pid")) {
            // Each has a group of its own.
            let _ = killpg(Pid::from_raw(child), Signal::SIGKILL);
        }
        std::process::exit(128 + signal as i32);
    });
}

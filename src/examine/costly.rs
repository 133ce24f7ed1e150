//! Requests that cost the server something.

use std::time::{Duration, Instant};

use super::Trouble;
use super::client::{Client, End};
use super::protocol::{Heavy, Protocol};
use super::server::{Probe, Server};
use crate::net::Deadline;
use crate::subject::account::Account;
use crate::subject::watch::Meter;

/// A request that takes the server about a second, alone.
#[derive(Debug, Clone, PartialEq)]
pub struct Heaviness {
    /// The request.
    pub request: Vec<u8>,
    /// How it is named in a report.
    pub name: String,
    /// How long it takes alone.
    pub alone: Duration,
    /// The CPU time that it was seen to cost, which a busy machine does not add to.
    pub cpu: Duration,
}

impl Heaviness {
    /// Whether it is computed: some only take time.
    pub fn is_computed(&self) -> bool {
        is_computed(self.cpu)
    }

    /// What has been spent once it is begun: of the CPU where it is computed, since beside others it takes far longer.
    fn part(&self) -> Duration {
        if self.is_computed() { self.cpu / PARTS } else { self.alone / PARTS }
    }
}

/// The largest Fibonacci number that is asked for: a lecture's server need not go further.
const LARGEST: u32 = 45;
/// And none below this is costly.
const LEAST: u32 = 21;

/// The least that may take long, of what a server is asked.
pub(super) fn least(protocol: &Protocol) -> Vec<u8> {
    match &protocol.heavy {
        Some(Heavy::Fibonacci) => format!("{LEAST}\n").into_bytes(),
        Some(Heavy::Bytes(request)) => request.clone(),
        None => protocol.request.clone(),
    }
}

/// What a request has cost.
struct Cost {
    /// How long it took.
    time: Duration,
    /// For how long of that others kept the server, or the examiner, from going on.
    kept: Duration,
    /// The CPU time that it was seen to take.
    cpu: Duration,
}

impl Cost {
    /// How long it takes alone, or so. Beside others it takes many times that, and up to twice is near enough.
    fn alone(&self) -> Duration {
        if is_computed(self.cpu) {
            self.time.min(self.cpu * 2)
        } else {
            self.time.saturating_sub(self.kept)
        }
    }
}

/// Whether so much CPU time is more than any request takes to be received and answered.
fn is_computed(cpu: Duration) -> bool {
    cpu >= COSTLY / 2
}

/// What a request costs, if it is answered.
fn cost(server: &Server, request: &[u8]) -> Result<Option<Cost>, Trouble> {
    let patience = server.patience.max(Duration::from_secs(10));
    let mut client = server.connect()?;
    let mut account = Account::of(&server.processes());
    let begun = Instant::now();
    client.send(request)?;
    let is_answered = loop {
        // Whoever is started for one client may be gone once that is answered.
        server.until_within(patience * 3, || {
            account.look(&server.processes());
            Ok(client.is_told()? || begun.elapsed().saturating_sub(account.kept()) >= patience)
        })?;
        match client.hear(Duration::ZERO)? {
            Some(answer) if answer.bytes.first().is_some_and(u8::is_ascii_digit) => break true,
            Some(answer) if !answer.bytes.is_empty() && !server.protocol.is_fibonacci => {
                break true;
            }
            Some(answer) if answer.end == End::Open && answer.bytes.is_empty() => {}
            _ => break false,
        }
    };
    let (time, kept, cpu) = (begun.elapsed(), account.kept(), account.demand().cpu);
    Ok(is_answered.then_some(Cost { time, kept, cpu }))
}

/// So often a costly request has to take long, and something is tried that a busy machine may spoil.
const TIMES: usize = 6;

/// Whether a costly request takes at least twice as long as a cheap one, each time that both are asked: where each has
/// a program started for it, its start may be what takes long.
pub(super) fn outweighs(server: &Server, heavy: &Heaviness) -> Result<bool, Trouble> {
    for _ in 0..TIMES {
        let (costly, cheap) =
            (cost(server, &heavy.request)?, cost(server, &server.protocol.request)?);
        if costly.zip(cheap).is_none_or(|(costly, cheap)| costly.time < cheap.time * 2) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// So long at least a request takes that is costly,
const COSTLY: Duration = Duration::from_millis(50);
/// and so long one that need not take longer.
const ENOUGH: Duration = Duration::from_millis(700);

/// Finds a request that takes about a second.
pub(super) fn weigh(server: &Server) -> Result<Option<Heaviness>, Trouble> {
    let found = match &server.protocol.heavy {
        None => None,
        Some(Heavy::Bytes(request)) => Some(given(server, request)?),
        Some(Heavy::Fibonacci) => number(server)?,
    };
    let Some(mut heavy) = found else { return Ok(None) };
    // A busy machine may have made a cheap one look costly.
    for _ in 0..TIMES {
        if (COSTLY..ENOUGH).contains(&heavy.alone) {
            let Some(Cost { time, cpu, .. }) = cost(server, &heavy.request)? else {
                return Ok(None);
            };
            heavy.alone = heavy.alone.min(time);
            heavy.cpu = heavy.cpu.max(cpu);
        }
    }
    Ok((heavy.alone >= COSTLY).then_some(heavy))
}

/// The one that was given.
fn given(server: &Server, request: &[u8]) -> Result<Heaviness, Trouble> {
    let name = super::log::quoted(request);
    match cost(server, request)? {
        Some(Cost { time, cpu, .. }) => {
            Ok(Heaviness { request: request.to_vec(), name, alone: time, cpu })
        }
        None => Err(Trouble::Broken(format!("the request of --heavy, {name}, is not answered"))),
    }
}

/// The first Fibonacci number that takes enough, or the largest that is answered.
fn number(server: &Server) -> Result<Option<Heaviness>, Trouble> {
    let mut best = None;
    let mut n = LEAST;
    while n <= LARGEST {
        let request = format!("{n}\n").into_bytes();
        let Some(seen) = cost(server, &request)? else { break };
        let alone = seen.alone();
        best =
            Some(Heaviness { request, name: format!("fib({n})"), alone: seen.time, cpu: seen.cpu });
        if alone >= ENOUGH || n == LARGEST {
            break;
        }
        // Each step costs 1.618 times the one before.
        let missing = ENOUGH.as_secs_f64() / alone.as_secs_f64().max(1e-6);
        let enough = |steps: &u32| 1.618_f64.powi(steps.cast_signed()) >= missing;
        let steps = (1..).find(enough).unwrap_or(1);
        // What takes next to nothing says little about what the next ones take.
        let most = if alone < Duration::from_millis(20) { 4 } else { LARGEST };
        n = (n + steps.clamp(1, most)).min(LARGEST);
    }
    Ok(best)
}

/// About a quarter of a costly request, where that can be had; else the same.
pub(super) fn quarter(heavy: &Heaviness) -> Heaviness {
    // Three steps of Fibonacci's are a factor of 4.2.
    const STEPS: u32 = 3;
    const FACTOR: f64 = 4.2;
    let number =
        std::str::from_utf8(&heavy.request).ok().and_then(|n| n.trim().parse::<u32>().ok());
    match number {
        Some(n)
            if heavy.name == format!("fib({n})") && heavy.alone >= Duration::from_millis(600) =>
        {
            let n = n.saturating_sub(STEPS);
            Heaviness {
                request: format!("{n}\n").into_bytes(),
                name: format!("fib({n})"),
                alone: heavy.alone.div_f64(FACTOR),
                cpu: heavy.cpu.div_f64(FACTOR),
            }
        }
        _ => heavy.clone(),
    }
}

/// Whoever has computed one of so many parts of a costly request is busy with it.
const PARTS: u32 = 25;

/// How many of some cheap requests wait for costly ones that came before: the order of the answers tells, and whether much
/// was still to be computed. `None` if that could not be seen, each time.
///
/// # Errors
///
/// [`Trouble::Broken`] if the costly requests are not begun, or anything is not answered.
pub(super) fn waiting(
    server: &Server,
    heavy: &Heaviness,
    costly: usize,
    cheap: usize,
) -> Result<Option<usize>, Trouble> {
    for _ in 0..TIMES {
        let waiting = overtaking(server, heavy, costly, cheap)?;
        if waiting.is_some() {
            return Ok(waiting);
        }
    }
    Ok(None)
}

/// The same once; `None` if a costly request was answered before the cheap ones came, or was mostly computed while nobody
/// looked.
fn overtaking(
    server: &Server,
    heavy: &Heaviness,
    costly: usize,
    cheap: usize,
) -> Result<Option<usize>, Trouble> {
    let patience = server.patience + heavy.alone * 20;
    let mut first: Vec<Client> = Vec::new();
    for _ in 0..costly {
        let client = server.connect()?;
        client.send(&heavy.request)?;
        let is_taken = || Ok(server.has_read(&client)? || client.is_told()?);
        if !server.until_within(patience, is_taken)? {
            return Err(Trouble::Broken(format!(
                "the costly request of {} is never read",
                client.name()
            )));
        }
        // Between reading and computing others may still come first, at a lock for instance. It has begun once each that
        // computes has got its part of the CPU, however long others have it; and one that only waits for something never
        // computes.
        let meter = Meter::of(&server.processes());
        let part = heavy.part() * (first.len() as u32 + 1);
        let mut rested = 0;
        let is_begun = server.until_within(patience, || {
            rested += u32::from(server.is_at_rest());
            let spent = meter.spent(&server.processes());
            Ok(spent >= part || rested >= 40 || client.is_told()?)
        })?;
        if !is_begun {
            let what = format!("the costly request of {} is read, and never begun", client.name());
            return Err(Trouble::Broken(what));
        }
        first.push(client);
    }
    let mut probes = Vec::new();
    for _ in 0..cheap {
        let probe = server.connect()?;
        probe.send(&server.protocol.request)?;
        probes.push(probe);
    }
    let is_any_told = || -> Result<bool, Trouble> {
        Ok(first.iter().map(Client::is_told).collect::<Result<Vec<_>, _>>()?.contains(&true))
    };
    if is_any_told()? {
        return Ok(None);
    }
    let end = Deadline::after(patience);
    // Between a computation's end and its answer others may come first, who have waited until then: on a busy machine that is
    // a long time, in which next to nothing is computed.
    let rest = if heavy.is_computed() { heavy.cpu / 10 } else { Duration::ZERO };
    let mut account = Account::of(&server.processes());
    // What had been computed when they were answered.
    let mut answered: Vec<Duration> = Vec::new();
    let mut before = Duration::ZERO;
    loop {
        // Looked at in this order: whoever is told before one that is not told after that was the first.
        let told = probes.iter().map(Client::is_told).collect::<Result<Vec<_>, _>>()?;
        let is_over = is_any_told()?;
        account.look(&server.processes());
        let computed = account.demand().cpu;
        let unseen = computed.saturating_sub(before);
        if is_over && told.contains(&true) && heavy.is_computed() && unseen > rest {
            return Ok(None);
        }
        before = computed;
        let mut waiting = Vec::new();
        for (mut probe, is_told) in probes.into_iter().zip(told) {
            if is_over || !is_told {
                waiting.push(probe);
                continue;
            }
            if !server.protocol.is_right(&probe.take()?.bytes) {
                let outcome = server.outcome(&mut probe)?;
                if outcome != Probe::Right {
                    let what = format!("beside a costly request a good one is {}", outcome.words());
                    return Err(Trouble::Broken(what));
                }
            }
            answered.push(computed);
        }
        let late = answered.iter().filter(|&&then| computed.saturating_sub(then) < rest).count();
        if is_over {
            for client in first.iter_mut().chain(&mut waiting) {
                client.take()?;
            }
            return Ok(Some(waiting.len() + late));
        }
        probes = waiting;
        if probes.is_empty() && late == 0 {
            return Ok(Some(0));
        }
        if end.is_over() {
            return Err(Trouble::Broken(String::from("a costly request was never answered")));
        }
        server.pass(Duration::from_millis(1))?;
    }
}

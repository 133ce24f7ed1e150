//! Requests that cost the server something.

use std::time::{Duration, Instant};

use super::Trouble;
use super::client::{Client, End};
use super::protocol::{Heavy, Protocol};
use super::server::{Probe, Server};
use crate::net::Deadline;
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

/// How long a request takes, if it is answered.
fn time(server: &Server, request: &[u8]) -> Result<Option<Duration>, Trouble> {
    let mut client = server.connect()?;
    let begun = Instant::now();
    client.send(request)?;
    let is_answered = loop {
        match client.hear(server.patience.max(Duration::from_secs(10)))? {
            Some(answer) if answer.bytes.first().is_some_and(u8::is_ascii_digit) => break true,
            Some(answer) if !answer.bytes.is_empty() && !server.protocol.is_fibonacci => {
                break true;
            }
            Some(answer) if answer.end == End::Open && answer.bytes.is_empty() => {}
            _ => break false,
        }
    };
    Ok(is_answered.then(|| begun.elapsed()))
}

/// So often a costly request has to take long, and something is tried that a busy machine may spoil.
const TIMES: usize = 6;

/// Whether a costly request takes at least twice as long as a cheap one, each time that both are asked: where each has
/// a program started for it, its start may be what takes long.
pub(super) fn outweighs(server: &Server, heavy: &Heaviness) -> Result<bool, Trouble> {
    for _ in 0..TIMES {
        let (costly, cheap) =
            (time(server, &heavy.request)?, time(server, &server.protocol.request)?);
        if costly.zip(cheap).is_none_or(|(costly, cheap)| costly < cheap * 2) {
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
            let Some(alone) = time(server, &heavy.request)? else { return Ok(None) };
            heavy.alone = heavy.alone.min(alone);
        }
    }
    Ok((heavy.alone >= COSTLY).then_some(heavy))
}

/// The one that was given.
fn given(server: &Server, request: &[u8]) -> Result<Heaviness, Trouble> {
    let name = super::log::quoted(request);
    match time(server, request)? {
        Some(alone) => Ok(Heaviness { request: request.to_vec(), name, alone }),
        None => Err(Trouble::Broken(format!("the request of --heavy, {name}, is not answered"))),
    }
}

/// The first Fibonacci number that takes enough, or the largest that is answered.
fn number(server: &Server) -> Result<Option<Heaviness>, Trouble> {
    let mut best = None;
    let mut n = LEAST;
    while n <= LARGEST {
        let request = format!("{n}\n").into_bytes();
        let Some(alone) = time(server, &request)? else { break };
        best = Some(Heaviness { request, name: format!("fib({n})"), alone });
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
                alone: heavy.alone.div_f64(4.2),
            }
        }
        _ => heavy.clone(),
    }
}

/// Whoever has computed one of so many parts of a costly request is busy with it.
const PARTS: u32 = 25;

/// How many of some cheap requests wait for costly ones that came before: the order of the answers tells. `None` if a
/// costly one was answered before the cheap ones came, each time.
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

/// The same once; `None` if a costly request was answered before the cheap ones came.
fn overtaking(
    server: &Server,
    heavy: &Heaviness,
    costly: usize,
    cheap: usize,
) -> Result<Option<usize>, Trouble> {
    let mut first: Vec<Client> = Vec::new();
    for _ in 0..costly {
        let client = server.connect()?;
        client.send(&heavy.request)?;
        if !server.until(|| Ok(server.has_read(&client)? || client.is_told()?))? {
            return Err(Trouble::Broken(format!(
                "the costly request of {} is never read",
                client.name()
            )));
        }
        // Between reading and computing others may still come first, at a lock for instance. It has begun once each that
        // computes has got its part of the CPU; where others have the CPU, that takes a part of the time; and one that only
        // waits for something never computes.
        let meter = Meter::of(&server.processes());
        let part = heavy.alone / PARTS * (first.len() as u32 + 1);
        let mut rested = 0;
        server.until_within(heavy.alone, || {
            rested += u32::from(server.is_at_rest());
            let spent = meter.spent(&server.processes());
            Ok(spent >= part || rested >= 40 || client.is_told()?)
        })?;
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
    let end = Deadline::after(server.patience + heavy.alone * 20);
    loop {
        // Looked at in this order: whoever is told before one that is not told after that was the first.
        let told = probes.iter().map(Client::is_told).collect::<Result<Vec<_>, _>>()?;
        let is_over = is_any_told()?;
        let mut waiting = Vec::new();
        for (mut probe, is_told) in probes.into_iter().zip(told) {
            if is_over || !is_told {
                waiting.push(probe);
            } else if !server.protocol.is_right(&probe.take()?.bytes) {
                let outcome = server.outcome(&mut probe)?;
                if outcome != Probe::Right {
                    let what = format!("beside a costly request a good one is {}", outcome.words());
                    return Err(Trouble::Broken(what));
                }
            }
        }
        if is_over {
            for client in first.iter_mut().chain(&mut waiting) {
                client.take()?;
            }
            return Ok(Some(waiting.len()));
        }
        probes = waiting;
        if probes.is_empty() {
            return Ok(Some(0));
        }
        if end.is_over() {
            return Err(Trouble::Broken(String::from("a costly request was never answered")));
        }
        server.pass(Duration::from_millis(1))?;
    }
}

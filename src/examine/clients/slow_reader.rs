//! D3: a client that asks and asks, and does not read.

use std::time::{Duration, Instant};

use super::reply;
use crate::examine::client::{Client, End, Manner};
use crate::examine::protocol::Shape;
use crate::examine::server::{Probe, Server};
use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};
use crate::report::Verdict;
use crate::subject::account::Patience;
use crate::subject::watch;

pub(in crate::examine) const CHECK: Check = Check {
    id: "D3",
    name: "slow reader",
    does: "sends requests over one connection, with a small receive buffer, and reads no answer, until the server takes no more; \
           then asks with another client, and at last reads all that comes",
    sees: "where the server waits, how much memory it uses, the other client's answer, and, where the same request has the same \
           answer each time, whether as many answers come as requests were read",
    matters: "when the buffers are full, a blocking send() waits for the slowest reader, and with it everybody whom the same loop \
              serves; who keeps the answers instead gives a client as much memory as it likes; and a non-blocking send() takes \
              a part or nothing",
    remedy: "make connected sockets non-blocking, wait for writable ones too, and don't read from who does not read",
    source: "slide 'I/O Multiplexing'; send(2), EAGAIN; UNIX Network Programming 16.2",
    over: Over::Tcp,
    is_quick: false,
    on_running: OnRunning::Made,
    run,
};

/// More than the kernel keeps for one connection.
const MOST: usize = 16 << 20;
/// TCP asks after a fifth of a second whether there is room again, then after two fifths.
const STILL: Duration = Duration::from_millis(500);
/// On a busy machine a time says little.
const LOOKS: u32 = 60;
/// Of the client, once it reads.
const ROOM: i32 = 1 << 20;
const KEEP: &str = "send() may take a part of an answer, or with EAGAIN nothing: keep the rest, and send it when the socket is writable";

fn run(exam: &Exam) -> Result<Outcome, Trouble> {
    if exam.shape()? == Shape::OneShot {
        let why = "a connection carries one request, and its answer has always room";
        return Ok(Outcome::not_applicable(why));
    }
    let design = exam.design()?;
    let server = exam.start()?;
    let answer = countable(&server)?;
    let manner = Manner { receive_buffer: Some(2304), segment: Some(536), ..Manner::default() };
    let Some(mut client) = server.connect_as(manner)? else {
        return Err(Trouble::Broken(String::from("a client could not connect")));
    };
    if !server.until_accepted(&client)? {
        return Err(Trouble::Broken(format!("{} was never accepted", client.name())));
    }
    let before = in_use(&server);
    let begun = Instant::now();
    let (sent, is_full) = flood(&server, &client)?;
    let taken = begun.elapsed().as_secs_f64();
    let grown = in_use(&server).saturating_sub(before);
    let held = server.held_by(&client)?;
    let is_cut = server.row(&client)?.is_none();
    let keeps = grown >= 1 << 20 && grown >= sent as u64 / 4;
    if !is_full && !keeps && !is_cut {
        // It may have much to read yet, and does so.
        let time = server.patience * 6;
        if let Some(outcome) = lost(&server, &mut client, sent, answer.as_deref(), time)? {
            return Ok(outcome);
        }
        let why = if sent < MOST { "the time was over" } else { "they were too few" };
        return Err(Trouble::Broken(format!(
            "the buffers could not be filled: {sent} bytes of requests in {taken:.1} s, and {why}"
        )));
    }
    let mut probe = server.connect()?;
    probe.send(&server.protocol.request)?;
    let found = server.outcome(&mut probe)?;
    let line = format!("{} kB of requests sent, {} kB more in use", sent >> 10, grown >> 10);
    if found == Probe::Right {
        let time = server.patience;
        if !is_cut && let Some(outcome) = lost(&server, &mut client, sent, answer.as_deref(), time)?
        {
            return Ok(outcome.with_all(held).with(line));
        }
        client.close();
        let outcome = if keeps && !is_full {
            let what = "the others are served, but the answers are kept in memory without a limit";
            Outcome::new(Verdict::Weak, what)
        } else if is_cut {
            Outcome::pass("it is cut, and the others are served")
        } else {
            Outcome::pass("the others are served beside it")
        };
        return server.if_well(outcome.with_all(held).with(line));
    }
    client.close();
    let reason = design.one_at_a_time().filter(|_| design.workers <= 1);
    let verdict = if reason.is_some() { Verdict::ByDesign } else { Verdict::Fail };
    let what = format!("beside one who does not read a good client is {}", found.words());
    let outcome = Outcome::new(verdict, what).with_all(reason).with_all(held).with(line);
    if verdict == Verdict::Fail {
        return Ok(outcome);
    }
    Ok(server.ailment()?.unwrap_or(outcome))
}

/// Sends requests until the server takes no more, or it has been enough: how many bytes, and which of the two.
fn flood(server: &Server, client: &Client) -> Result<(usize, bool), Trouble> {
    let mut end = Patience::of(server.patience, &server.processes());
    let requests = server.protocol.request.repeat(4096);
    let (mut sent, mut at) = (0, 0);
    while sent < MOST && !end.is_over(&server.processes(), Duration::ZERO) {
        let more = client.send(&requests[at..])?;
        (sent, at) = (sent + more, (at + more) % requests.len());
        if more > 0 {
            continue;
        }
        // Idle beside requests that lie there: it does not want them. TCP pauses too, while it asks whether there
        // is room again, so that has to last, and nothing may move.
        let mut still: Option<((u32, u32), Instant, u32)> = None;
        server.until(|| {
            let queues =
                server.row(client)?.map_or((1, 0), |row| (row.idiag_rqueue, row.idiag_wqueue));
            let is_idle = queues.0 > 0 && server.is_at_rest();
            still = match still {
                Some((before, since, looks)) if is_idle && before == queues => {
                    Some((before, since, looks + 1))
                }
                _ if is_idle => Some((queues, Instant::now(), 1)),
                _ => None,
            };
            Ok(is_full(still) || client.is_connected()?)
        })?;
        if is_full(still) {
            return Ok((sent, true));
        }
    }
    Ok((sent, false))
}

/// Whether nothing has moved for long enough, looked at often enough.
fn is_full(still: Option<((u32, u32), Instant, u32)>) -> bool {
    still.is_some_and(|(_, since, looks)| since.elapsed() >= STILL && looks >= LOOKS)
}

/// The memory in use by all of its processes.
fn in_use(server: &Server) -> u64 {
    server.processes().iter().filter_map(|&pid| watch::size(pid, "VmRSS")).sum()
}

/// The answer to a good request, if one who asks again and again and reads at once gets it as often and nothing else: then
/// answers can be counted.
fn countable(server: &Server) -> Result<Option<Vec<u8>>, Trouble> {
    // Any buffer has room for so many bytes.
    const ROOM: usize = 16 << 10;
    let request = &server.protocol.request;
    let mut client = server.connect_accepted()?;
    client.send(request)?;
    let one = reply(server, &mut client, server.patience)?;
    client.close();
    if one.end != End::Open || one.bytes.is_empty() || !server.protocol.is_right(&one.bytes) {
        return Ok(None);
    }
    let several = (ROOM / one.bytes.len()).clamp(3, 4096);
    let expected = one.bytes.repeat(several);
    let mut client = server.connect_accepted()?;
    client.send(&request.repeat(several))?;
    server.until_or_stuck(|| {
        Ok(client.read()? != End::Open || client.got().len() >= expected.len())
    })?;
    let is_so = client.got() == expected;
    client.close();
    Ok(is_so.then_some(one.bytes))
}

/// Lets the client read all that comes in some time: an outcome if that is less than the answers to what the server has read. One that
/// ends the connection has a limit, and loses nothing.
fn lost(
    server: &Server,
    client: &mut Client,
    sent: usize,
    answer: Option<&[u8]>,
    time: Duration,
) -> Result<Option<Outcome>, Trouble> {
    let Some(answer) = answer else { return Ok(None) };
    client.say("reads all that comes");
    client.receive_into(ROOM)?;
    let mut end = Patience::of(time, &server.processes());
    let mut is_all = false;
    while !is_all && client.got().len() < MOST && !end.is_over(&server.processes(), Duration::ZERO)
    {
        is_all = !server.until_or_stuck(|| client.is_told())?;
        if client.read()? != End::Open {
            client.say("is told the end of the connection");
            return Ok(None);
        }
    }
    client.say(&format!("has read {} bytes", client.got().len()));
    let Some(Count { whole, torn }) = count(client.got(), answer) else { return Ok(None) };
    let unread = if is_all && server.is_at_rest() { server.unread(client)? } else { None };
    let read = unread.map(|unread| (sent - unread) / server.protocol.request.len());
    let what = match read {
        Some(read) if whole < read => format!("{read} requests are read, and {whole} answered"),
        _ if torn > 0 => format!("of {} {torn} break off where the next begins", whole + torn),
        _ => return Ok(None),
    };
    let what = format!("answers to one who reads late are lost: {what}");
    Ok(Some(Outcome::fail(what).mended_by(KEEP)))
}

/// Of answers that came one after the other.
#[derive(Debug, PartialEq, Eq)]
struct Count {
    whole: usize,
    /// Where some were not whole, though another one has come behind them.
    torn: usize,
}

/// How many answers there are, each of them this one; `None` if there is something else among them.
fn count(bytes: &[u8], answer: &[u8]) -> Option<Count> {
    let (mut left, mut count) = (bytes, Count { whole: 0, torn: 0 });
    while !answer.starts_with(left) {
        let at = left.windows(answer.len()).position(|window| window == answer);
        let (gap, rest) = left.split_at(at.unwrap_or(left.len()));
        if !are_pieces(gap, answer) {
            return None;
        }
        count.torn += usize::from(!gap.is_empty());
        count.whole += usize::from(at.is_some());
        left = rest.get(answer.len()..).unwrap_or_default();
    }
    count.whole += usize::from(left == answer);
    Some(count)
}

/// Whether these bytes are beginnings of an answer, one after the other.
fn are_pieces(bytes: &[u8], answer: &[u8]) -> bool {
    let mut ends = vec![false; bytes.len() + 1];
    ends[0] = true;
    for at in 0..bytes.len() {
        let same = bytes[at..].iter().zip(answer).take_while(|(one, other)| one == other).count();
        if ends[at] {
            ends[at + 1..=at + same].fill(true);
        }
    }
    ends[bytes.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_is_counted() {
        let of = |bytes: &[u8]| count(bytes, b"55\n").map(|count| (count.whole, count.torn));
        assert_eq!(of(b""), Some((0, 0)));
        assert_eq!(of(b"55\n55\n"), Some((2, 0)));
        assert_eq!(of(b"55\n55"), Some((1, 0)), "the rest may come");
        assert_eq!(of(b"55\n5555\n"), Some((2, 1)));
        assert_eq!(of(b"555\n555\n55\n"), Some((3, 2)));
        assert_eq!(of(b"5555"), Some((0, 1)), "no beginning of one answer");
        assert_eq!(of(b"55\nerror\n55\n"), None);
        assert_eq!(of(b"55\n\n55\n"), None, "an end is no beginning");
    }
}

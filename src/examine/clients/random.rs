//! D19: what nobody thought of.

use std::time::Duration;

use super::reply;
use crate::examine::client::Manner;
use crate::examine::log::quoted;
use crate::examine::server::Server;
use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};

pub(in crate::examine) const CHECK: Check = Check {
    id: "D19",
    name: "random bytes",
    does: "sends 200 short inputs, each with the end of file behind it, the same ones each time, and asks with a good client now \
           and then",
    sees: "whether the process lives and sleeps, and the good clients' answers; of what does harm, which input it was",
    matters: "whoever can reach the port can send anything: a server has to survive what nobody thought of",
    remedy: "check a request as a whole before using it, and let an error end that connection alone",
    source: "slide 'Fibonacci server'; CWE-20, improper input validation; B. P. Miller et al., An Empirical Study of the \
             Reliability of UNIX Utilities",
    over: Over::Tcp,
    is_quick: true,
    on_running: OnRunning::Made,
    run,
};

const INPUTS: usize = 200;
/// A good client follows so many of them.
const TOGETHER: usize = 20;
/// A server with more tasks than that is started anew for the next of them.
const MANY: usize = 32;

fn run(exam: &Exam) -> Result<Outcome, Trouble> {
    if exam.is_single_use()? {
        return Ok(Outcome::not_applicable("it serves once"));
    }
    let mut server = exam.start()?;
    let (mut sent, mut anew, mut health) = (0, 0, None);
    for (number, batch) in inputs().chunks(TOGETHER).enumerate() {
        // What clients leave behind is group E's; a look at so many tasks would only take long.
        if exam.starts_anew() && server.tasks().len() > MANY {
            drop(server);
            server = exam.start()?;
            anew += 1;
        }
        for input in batch {
            if !send(&server, input)? {
                break;
            }
            sent += 1;
        }
        exam.until_started(&server)?;
        let well = server.health()?;
        health = well.as_ref().ok().cloned();
        if let Err(ailment) = well {
            let first = number * TOGETHER + 1;
            let last = first + batch.len() - 1;
            drop(server);
            let culprit = if exam.starts_anew() { culprit(exam, batch)? } else { None };
            return Ok(culprit.unwrap_or_else(|| {
                let what = format!("after inputs {first} to {last} {}", ailment.what);
                Outcome::fail(what).with_all(ailment.evidence)
            }));
        }
    }
    if sent < INPUTS {
        let what = format!("{sent} of {INPUTS} inputs could be sent: others were not connected");
        return Err(Trouble::Broken(what));
    }
    let what = format!("{INPUTS} inputs survived, and the clients between them served");
    let anew = (anew > 0).then(|| {
        format!("started anew {anew} times, with more than {MANY} tasks left: see group E")
    });
    let health = health.map(|line| format!("in the end: {line}"));
    Ok(Outcome::pass(what).with_all(anew).with_all(health))
}

/// What the first of some inputs does that does harm by itself.
fn culprit(exam: &Exam, inputs: &[Vec<u8>]) -> Result<Option<Outcome>, Trouble> {
    let server = exam.start()?;
    for input in inputs {
        send(&server, input)?;
        if let Some(ailment) = server.ailment()? {
            let what = format!("after {} {}", quoted(input), ailment.what);
            return Ok(Some(Outcome::fail(what).with_all(ailment.evidence)));
        }
    }
    Ok(None)
}

/// Sends an input; false if nobody takes it.
fn send(server: &Server, input: &[u8]) -> Result<bool, Trouble> {
    let Some(mut client) = server.connect_as(Manner::default())? else { return Ok(false) };
    client.send_last(input)?;
    reply(server, &mut client, Duration::from_millis(300))?;
    client.close();
    Ok(true)
}

/// The same at each call: half of them any bytes, a quarter what requests are made of, a quarter almost
/// requests; none that costs a server much.
fn inputs() -> Vec<Vec<u8>> {
    const ALPHABET: &[u8] = b"0123456789-+.,eExX_ \t\r\n\0%nsd'\"\\;\xff\xc3\x80";
    let mut state = 0x5eed_u64;
    // SplitMix64.
    let mut next = move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    };
    let mut all = Vec::new();
    for number in 0..INPUTS {
        if number % 4 == 3 {
            // Almost a request.
            const BEFORE: [&str; 8] = ["", "-", "+", " ", "--", "0x", "\u{2212}", "\t-"];
            const BEHIND: [&str; 8] = ["", "\r", " ", ".5", "e9", "\0", "L", "-1"];
            let (before, digit, behind) = (next() % 8, next() % 10, next() % 8);
            let (before, behind) = (BEFORE[before as usize], BEHIND[behind as usize]);
            all.push(format!("{before}{digit}{behind}\n").into_bytes());
            continue;
        }
        let length = 1 + next() as usize % 32;
        let mut input: Vec<u8> = Vec::with_capacity(length);
        for _ in 0..length {
            let byte = match next() {
                any if number % 2 == 0 => any as u8,
                any => ALPHABET[any as usize % ALPHABET.len()],
            };
            // Two digits could be a costly number.
            let is_second = byte.is_ascii_digit() && input.last().is_some_and(u8::is_ascii_digit);
            input.push(if is_second { b'-' } else { byte });
        }
        if next() % 4 > 0 {
            input.push(b'\n');
        }
        all.push(input);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_inputs_are_the_same_and_none_is_costly() {
        let all = inputs();
        assert_eq!(all, inputs());
        assert_eq!(all.len(), INPUTS);
        for input in &all {
            assert!((1..=33).contains(&input.len()));
            assert!(!input.windows(2).any(|two| two.iter().all(u8::is_ascii_digit)), "{input:?}");
        }
        assert!(all.iter().any(|input| matches!(input[..], [b'-', b'1'..=b'9', b'\n'])));
    }
}

//! J9: datagrams that are no request.

use super::{ONCE, deliver};
use crate::examine::log::quoted;
use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};

pub(in crate::examine) const CHECK: Check = Check {
    id: "J9",
    name: "garbage over UDP",
    does: "sends a dozen datagrams that are no request, each followed by a good one, and then a hundred of random bytes",
    sees: "whether the process lives, whether it sleeps, and the answers to the good ones",
    matters: "anybody can send anything; one datagram must not end a service for all",
    remedy: "check the length and each byte before anything is made of them, and be silent about what is no request",
    source: "slide 'Never trust the client'; RFC 8085 3",
    over: Over::Udp,
    is_quick: true,
    on_running: OnRunning::Made,
    run,
};

const GARBAGE: &[&[u8]] = &[
    b"\0",
    b"\xff\xfe\xfd",
    b"\n",
    b"\r\n\r\n",
    b"-1\n",
    b"99999999999999999999",
    b"%s%s%s%n",
    b"../../../etc/passwd",
    b"\xc3\x28 no UTF-8",
    b"time\0time",
    &[b'A'; 1472],
    &[0; 4096],
];
const RANDOM: usize = 100;

fn run(exam: &Exam) -> Result<Outcome, Trouble> {
    if exam.is_single_use()? {
        return Ok(Outcome::not_applicable(ONCE));
    }
    let server = exam.start()?;
    for garbage in GARBAGE {
        let client = server.connect()?;
        deliver(&server, &client, garbage)?;
        if let Some(ill) = server.ailment()? {
            return Ok(ill.with(format!("after {}", quoted(garbage))));
        }
    }
    let mut seed = 1;
    for number in 1..=RANDOM {
        let client = server.connect()?;
        let datagram: Vec<u8> = (0..number).map(|_| random(&mut seed)).collect();
        deliver(&server, &client, &datagram)?;
        if let Some(status) = server.ended() {
            return Ok(server.died(status).with(format!("after {}", quoted(&datagram))));
        }
    }
    let count = GARBAGE.len() + RANDOM;
    let what = format!("after {count} datagrams of garbage good ones are answered");
    server.if_well(Outcome::pass(what))
}

/// The same bytes each time: Knuth's linear congruential generator.
fn random(seed: &mut u64) -> u8 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*seed >> 56) as u8
}

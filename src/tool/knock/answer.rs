//! What came back from a port: the verdict, and the evidence for it.

use std::net::SocketAddr;

use serde::Serialize;

use super::Plan;
use crate::net;
use crate::posix::Error;
use crate::posix::error::*;
use crate::tool::icmp::{Icmp, Meaning};

/// What is known of a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Somebody is there.
    Open,
    /// Answered with RST, by the host or in its name.
    Closed,
    /// ICMP: no such port, or a rule against it.
    Refused,
    /// No way to the host, or nobody there.
    Unreachable,
    /// This host itself has not let it out.
    Blocked,
    /// Nothing came back.
    #[serde(rename = "no answer")]
    Silent,
}

impl Verdict {
    /// In a word or two.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::Blocked => "blocked",
            Self::Silent => "no answer",
        }
    }
}

/// What came back from one port of one address.
#[derive(Debug, Clone, Serialize)]
pub struct Answer {
    /// The address, with its interface where it is one of a link.
    pub address: String,
    /// The port.
    pub port: u16,
    /// `tcp` or `udp`.
    pub protocol: &'static str,
    /// What is known.
    pub verdict: Verdict,
    /// What was seen, in words.
    pub evidence: String,
    /// The ICMP error, if that is what came.
    pub icmp: Option<Icmp>,
    /// The call that failed, if it failed here.
    pub error: Option<String>,
    /// From the first datagram or segment until the answer; none where nothing was answered.
    pub milliseconds: Option<f64>,
    /// How many datagrams were sent, or how many SYN segments.
    pub sent: u32,
}

/// The status of a process that has seen these: 0 where something is open, otherwise 1 where anything
/// came back, otherwise 2.
pub fn status(verdicts: impl IntoIterator<Item = Verdict>) -> u8 {
    let status = |verdict| match verdict {
        Verdict::Open => 0,
        Verdict::Silent => 2,
        _ => 1,
    };
    verdicts.into_iter().map(status).min().unwrap_or(2)
}

/// What was seen.
pub(super) enum Found {
    Connected,
    /// The connection was there, and then reset.
    Reset,
    /// The kernel has given the socket the very port that it asks.
    Itself,
    Rst,
    Datagram(usize),
    Icmp(Icmp),
    Failed(Error),
    Nothing,
}

impl Answer {
    pub(super) fn new(
        plan: &Plan,
        addr: &SocketAddr,
        found: Found,
        time: Option<f64>,
        sent: u32,
    ) -> Self {
        let wait = plan.wait.as_secs_f64();
        let (mut icmp, mut error) = (None, None);
        let what = if plan.udp { "datagram" } else { "segment" };
        let what = format!("{sent} {what}{}", if sent == 1 { "" } else { "s" });
        let again = sent > 1 && !matches!(found, Found::Nothing);
        let (verdict, mut evidence) = match found {
            Found::Connected => (Verdict::Open, String::from("connected")),
            Found::Reset => (Verdict::Open, String::from("connected, and reset at once")),
            Found::Itself => (
                Verdict::Closed,
                String::from("nobody has the port: the kernel gave it to the socket that asked"),
            ),
            Found::Rst => (Verdict::Closed, String::from("answered with RST")),
            Found::Datagram(bytes) => {
                (Verdict::Open, format!("answered with a datagram of {bytes} bytes"))
            }
            Found::Icmp(found) => {
                icmp = Some(found);
                let refused = found.meaning() == Meaning::Refused;
                let verdict = if refused { Verdict::Refused } else { Verdict::Unreachable };
                (verdict, found.to_string())
            }
            Found::Failed(found) => {
                error = Some(found.to_string());
                let (verdict, why) = local(found.errno());
                (verdict, format!("{found}{why}"))
            }
            Found::Nothing => {
                let may_be =
                    if plan.udp { "open or filtered" } else { "filtered, or nobody there" };
                (Verdict::Silent, format!("nothing in {wait} s for {what}: {may_be}"))
            }
        };
        if again {
            evidence.push_str(&format!(" (after {what})"));
        }
        Self {
            address: net::numeric(addr),
            port: addr.port(),
            protocol: if plan.udp { "udp" } else { "tcp" },
            verdict,
            evidence,
            icmp,
            error,
            milliseconds: time,
            sent,
        }
    }
}

/// What the kernel here means by it.
fn local(errno: i32) -> (Verdict, &'static str) {
    match errno {
        EPERM => (Verdict::Blocked, " (a rule of this host)"),
        EACCES => (Verdict::Blocked, " (a rule of this host, or a broadcast address)"),
        ECONNREFUSED => (Verdict::Refused, ""),
        ETIMEDOUT => (Verdict::Silent, " (TCP has given up)"),
        ENETUNREACH => (Verdict::Unreachable, " (this host has no route to it)"),
        EAFNOSUPPORT | EADDRNOTAVAIL => (
            Verdict::Unreachable,
            " (this host has no such protocol, or no address of its own for it)",
        ),
        EINVAL => {
            (Verdict::Unreachable, " (an address of a link needs its interface: fe80::1%eth0)")
        }
        _ => (Verdict::Unreachable, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_answer_is_the_status() {
        use Verdict::*;
        for (verdicts, expected) in [
            (&[Open][..], 0),
            (&[Silent, Closed, Open], 0),
            (&[Silent, Refused], 1),
            (&[Closed], 1),
            (&[Unreachable], 1),
            (&[Blocked], 1),
            (&[Silent, Silent], 2),
        ] {
            assert_eq!(status(verdicts.iter().copied()), expected, "{verdicts:?}");
        }
    }
}

//! What the clients of a run did, on the clock of its trace.

use super::normalise::Recorded;
use super::parse::{Event, Outcome};

/// A client, and what it did.
#[derive(Debug, Clone, PartialEq)]
pub struct Client {
    /// What the script calls it.
    pub name: String,
    /// Whether it speaks TCP.
    pub is_tcp: bool,
    /// Its port.
    pub port: u16,
    /// Which of the server's connections it had: 3 for `connfd 3`.
    pub connection: Option<usize>,
    /// What it did, in order.
    pub acts: Vec<Act>,
}

/// Something that a client did.
#[derive(Debug, Clone, PartialEq)]
pub struct Act {
    /// The script's word: `connect`, `send`.
    pub word: &'static str,
    /// All of it: `send "10\n"`.
    pub text: String,
    /// When it began, in seconds since the trace did.
    pub at: f64,
    /// How long it took, in seconds.
    pub spent: f64,
}

/// Puts the clients, whose clock counts from 1970 on, on the trace's clock, and finds their connections.
pub(super) fn settle_in(clients: &mut [Client], recorded: &[Recorded]) {
    let lines = || recorded.iter().flat_map(|task| &task.lines);
    let begin = lines().filter_map(|line| line.at).fold(f64::INFINITY, f64::min);
    let begin = if begin.is_finite() { begin } else { 0.0 };
    let mut accepted: Vec<(f64, u16)> = lines()
        .filter_map(|line| {
            let Event::Call(call) = &line.event else { return None };
            let Outcome::Returned(value, _) = &call.outcome else { return None };
            let is_accept = matches!(call.name.as_str(), "accept" | "accept4");
            let at = line.at.unwrap_or(0.0) + call.spent.unwrap_or(0.0);
            is_accept.then(|| peer(value).map(|port| (at, port)))?
        })
        .collect();
    accepted.sort_by(|one, other| one.0.total_cmp(&other.0));
    for client in clients {
        let met = accepted.iter().position(|&(_, port)| port == client.port);
        client.connection = met.map(|number| number + 1);
        for act in &mut client.acts {
            act.at = (act.at - begin).max(0.0);
        }
    }
}

/// The port of the other end: 40000 of `4<TCP:[127.0.0.1:9000->127.0.0.1:40000]>`.
fn peer(value: &str) -> Option<u16> {
    let (_, other) = value.rsplit_once("->")?;
    other.trim_end_matches([']', '>']).rsplit_once(':')?.1.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::super::parse::parse;
    use super::*;

    #[test]
    fn a_client_finds_its_connection_by_its_port() {
        let text = "\
100.5 socket(AF_INET, SOCK_STREAM, IPPROTO_IP) = 3<TCP:[1]> <0.1>
101.0 accept(3<TCP:[127.0.0.1:9000]>, NULL, NULL) = 4<TCP:[127.0.0.1:9000->127.0.0.1:40001]> <0.5>
102.0 accept(3<TCP:[127.0.0.1:9000]>, NULL, NULL) = -1 EAGAIN (Resource temporarily unavailable) <0.1>
103.0 accept4(3<TCPv6:[[::1]:9000]>, NULL, NULL, 0) = 5<TCPv6:[[::1]:9000->[::1]:40000]> <0.5>
";
        let recorded = [Recorded { pid: 1, lines: parse(text).expect("strace's") }];
        let client = |port| {
            let act = Act { word: "connect", text: "connect".into(), at: 103.25, spent: 0.0 };
            Client { name: "a".into(), is_tcp: true, port, connection: None, acts: vec![act] }
        };
        let mut clients = [client(40000), client(40001), client(40002)];
        settle_in(&mut clients, &recorded);
        let found: Vec<Option<usize>> = clients.iter().map(|client| client.connection).collect();
        assert_eq!(found, [Some(2), Some(1), None]);
        assert_eq!(clients[0].acts[0].at, 2.75);
    }
}

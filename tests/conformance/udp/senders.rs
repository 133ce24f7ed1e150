//! Whom the time service does not answer, in a network of one's own.

use std::env;
use std::fs;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::process::{Command, Stdio};

use super::{Asker, FORMATS, has_ipv6, serves_once, unread, until_quiet};
use crate::cases::{Case, all, is_udp, part, skip};
use crate::watch::{rest, serving_task, stopped, until};

const INSIDE: &str = "SOCKLAB_OWN_NETWORK";

/// Runs a test of this program in a network namespace, where every port may be bound and nobody else's
/// datagrams are counted. Returns false, having said why, where there is none to be had.
pub(crate) fn in_own_network(test: &str, body: impl FnOnce()) -> bool {
    if env::var(INSIDE).is_ok_and(|inside| inside == test) {
        body();
        return true;
    }
    let unshare = |rest: &[&str]| {
        let mut command = Command::new("unshare");
        command.args(["-Urn", "sh", "-c", "ip link set lo up && exec \"$@\"", "sh"]).args(rest);
        command.env(INSIDE, test).stdin(Stdio::null()).output()
    };
    match unshare(&["true"]) {
        Ok(probe) if probe.status.success() => {}
        Ok(probe) => {
            let why = String::from_utf8_lossy(&probe.stderr);
            skip(format_args!("{test} in a network of its own"), why.trim());
            return false;
        }
        Err(error) => {
            skip(format_args!("{test} in a network of its own"), format_args!("unshare: {error}"));
            return false;
        }
    }
    let program = env::current_exe().expect("this program");
    let program = program.to_str().expect("its path");
    let done = unshare(&[program, "--exact", test, "--nocapture"]).expect("unshare");
    let (stdout, stderr) =
        (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(
        done.status.success() && stdout.contains("test result: ok. 1 passed"),
        "in a network of its own: {stdout}\n{stderr}"
    );
    // What was skipped in there.
    for line in stderr.lines().filter(|line| line.starts_with("skipped: ")) {
        let _ = writeln!(std::io::stderr(), "{line}");
    }
    true
}

/// Datagrams delivered, datagrams for nobody, datagrams sent, since this network is.
fn counted() -> [u64; 3] {
    let text = fs::read_to_string("/proc/net/snmp").expect("the counters");
    let mut rows = text.lines().filter_map(|line| line.strip_prefix("Udp: "));
    let (names, values) = (rows.next().expect("names"), rows.next().expect("values"));
    ["InDatagrams", "NoPorts", "OutDatagrams"].map(|name| {
        let mut pairs = names.split_whitespace().zip(values.split_whitespace());
        let (_, value) = pairs.find(|pair| pair.0 == name).expect("such a counter");
        value.parse().expect("a number")
    })
}

#[test]
fn well_known_ports_are_not_answered() {
    in_own_network("udp::senders::well_known_ports_are_not_answered", || {
        // One after the other: they need the same ports.
        for case in all(is_udp) {
            for host in [IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()] {
                if host.is_ipv6() && !has_ipv6() {
                    skip(format_args!("{case} on ::1"), "there is no IPv6 here");
                    continue;
                }
                part(&format!("{case} on {host}"), || answers_unprivileged_ports(&case, host));
            }
        }
    });
}

fn answers_unprivileged_ports(case: &Case, host: IpAddr) {
    let server = case.start_with(&["--bind", &host.to_string()]);
    for port in [1, 7, 13, 37, 123, 1023] {
        let low = Asker::from(&server, SocketAddr::new(host, port));
        low.send(b"\n");
        until_quiet(&server);
        part(&format!("port {port}"), || low.assert_empty());
        if !serves_once(case) {
            Asker::new(&server).next_answer(&server);
            low.assert_empty();
        }
    }
    let high = Asker::from(&server, SocketAddr::new(host, 1024));
    high.send(b"\n");
    high.answer();
}

/// Two servers of which the second has the port from which the first one is asked: the first one's
/// answer goes to the second, as it would if the request's sender had been forged.
#[test]
fn two_servers_do_not_answer_each_other() {
    let counts = env::var_os(INSIDE).is_some();
    let all_pairs = || {
        // One after the other: the datagrams are counted.
        for case in all(is_udp) {
            for first in FORMATS {
                for second in FORMATS {
                    part(&format!("{case}: {first} to {second}"), || {
                        does_not_bounce(&case, first, second, counts);
                    });
                }
            }
        }
    };
    if !in_own_network("udp::senders::two_servers_do_not_answer_each_other", all_pairs) {
        skip("udp::senders::two_servers_do_not_answer_each_other", "the datagrams are not counted");
        all_pairs();
    }
}

fn does_not_bounce(case: &Case, first: &str, second: &str, counts: bool) {
    // Two addresses, so that nobody takes the port before the second server does.
    let victim = UdpSocket::bind("127.0.0.2:0").expect("a port");
    let port = victim.local_addr().expect("an address").port().to_string();
    let a = case.start_with(&["--format", first]);
    let before = counted();
    let (b, wakes) = stopped(&a, || {
        victim.send_to(b"\n", a.addr).expect("sent");
        until("the request waits", || unread(a.addr).is_some_and(|unread| unread > 0));
        drop(victim);
        let b = case.start_with(&["--bind", "127.0.0.2", "--port", &port, "--format", second]);
        rest(&b);
        let wakes = serving_task(&b).status("voluntary_ctxt_switches");
        (b, wakes)
    });
    until("the second server reads the first one's answer", || {
        serving_task(&b).status("voluntary_ctxt_switches") > wakes
    });
    let grown = |expected: [u64; 3]| {
        if counts {
            let now = counted();
            let grown = [0, 1, 2].map(|i| now[i] - before[i]);
            assert_eq!(grown, expected, "datagrams delivered, for nobody, sent");
        }
    };
    until_quiet(&b);
    let mut asked = 2;
    if serves_once(case) {
        a.wait().assert_clean();
        grown([asked, 0, asked]);
        Asker::new(&b).only_answer(b);
    } else {
        until_quiet(&a);
        grown([asked, 0, asked]);
        Asker::new(&a).next_answer(&a);
        Asker::new(&b).next_answer(&b);
        asked += 2;
    }
    // A request and an answer each.
    asked += 2;
    grown([asked, 0, asked]);
}

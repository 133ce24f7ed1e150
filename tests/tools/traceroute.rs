//! `socklab traceroute`: beside traceroute(8), over three routers, without a capability.

use std::io::{BufRead, BufReader};
use std::process::{Output, Stdio};

use crate::network::{Network, Rights, network, stderr, stdout};
use crate::support;

/// What it shows, with `#` for each time.
fn timeless(text: &str) -> String {
    let word = |word: &str| {
        let time = word.split_once('.').is_some_and(|(_, rest)| rest.len() == 3);
        if time && word.parse::<f64>().is_ok() { String::from("#") } else { word.to_owned() }
    };
    let line = |line: &str| line.split(' ').map(word).collect::<Vec<_>>().join(" ");
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// The original, which needs all rights for TCP, and which waits as long as it is told to.
fn original(network: &Network, args: &str) -> Output {
    let mut command = network.command("client", Rights::All, "traceroute");
    command.args(["-w", "60,0,0"]).args(args.split_whitespace()).output().expect("it runs")
}

/// What both of them show, and what ours complains of.
fn same(network: &Network, args: &str, status: i32) -> (String, String) {
    let ours = network.socklab(&format!("traceroute -w 60 {args}"));
    let theirs = original(network, args);
    assert_eq!(timeless(&stdout(&ours)), timeless(&stdout(&theirs)), "{args}: {}", stderr(&ours));
    assert_eq!(ours.status.code(), Some(status), "{args}: {}", stderr(&ours));
    assert_eq!(stderr(&ours).is_empty(), status == 0, "{args}: {}", stderr(&ours));
    (timeless(&stdout(&ours)), stderr(&ours))
}

#[test]
fn the_same_hops_as_the_original() {
    let network = network!();
    for family in ["-4", "-6"] {
        for probes in ["", "-T -p 9001", "-U -p 9001", "-q 1", "-T -p 1003 -q 2"] {
            for names in ["", "-n"] {
                let (text, _) = same(&network, &format!("{family} {probes} {names} server"), 0);
                assert_eq!(text.lines().count(), 5, "a line for each hop: {text}");
            }
        }
    }
    let (text, _) = same(&network, "-4 -q 1 server", 0);
    assert_eq!(
        text,
        "traceroute to server (10.0.4.2), 30 hops max, 60 byte packets\n 1  router1 (10.0.1.2)  # \
         ms\n 2  router2 (10.0.2.2)  # ms\n 3  router3 (10.0.3.2)  # ms\n 4  server (10.0.4.2)  # ms"
    );
}

/// Where the way ends too early, the original's status is 0 all the same.
#[test]
fn the_same_notes_as_the_original() {
    let network = network!();
    for (args, note, line) in [
        (
            "-m 1 -q 1 -n 10.9.0.1",
            "!N",
            "error: 10.9.0.1 was not reached: the last answer is ICMP net unreachable (3/0) from \
             10.0.1.2",
        ),
        (
            "-m 2 -q 1 -n 10.8.2.1",
            "!H",
            "error: 10.8.2.1 was not reached: the last answer is ICMP host unreachable (3/1) from \
             10.0.2.2",
        ),
        (
            "-m 3 -q 1 -n 10.8.3.1",
            "!X",
            "error: 10.8.3.1 was not reached: the last answer is ICMP communication \
             administratively prohibited (3/13) from 10.0.3.2",
        ),
        (
            "-n fd09::1",
            "!N",
            "error: fd09::1 was not reached: the last answer is ICMPv6 no route to destination \
             (1/0) from fd00:1::2",
        ),
        (
            "-n fd08:3::1",
            "!X",
            "error: fd08:3::1 was not reached: the last answer is ICMPv6 communication \
             administratively prohibited (1/1) from fd00:3::2",
        ),
        (
            "-4 -T -p 3002 server",
            "!X",
            "error: 10.0.4.2 was not reached: the last answer is ICMP communication \
             administratively prohibited (3/13) from 10.0.2.2",
        ),
        (
            "-4 -n -U -p 3001 server",
            "ms",
            "error: 10.0.4.2 was not reached: the last answer is ICMP port unreachable (3/3) from \
             10.0.2.2",
        ),
    ] {
        let (text, error) = same(&network, args, 1);
        assert!(text.ends_with(note), "{text}");
        assert_eq!(error, format!("{line}\n"));
    }
    // The target itself may be the one that prohibits: it was reached.
    for (args, note) in [("-4 -n -U -p 1004 server", "!X"), ("-4 -n -U -p 1007 server", "!P")] {
        assert!(same(&network, args, 0).0.ends_with(note), "{args}");
    }
}

/// What router2 drops after it has counted the TTL is silence from the third hop on.
#[test]
fn silent_hops() {
    let network = network!();
    for (family, from) in [("-4", "10.0"), ("-6", "fd00:")] {
        let output =
            network.socklab(&format!("traceroute {family} -n -q 1 -U -p 3003 -m 12 -w 3 server"));
        let text = timeless(&stdout(&output));
        let lines: Vec<&str> = text.lines().skip(1).collect();
        assert_eq!(lines.len(), 12, "{text}");
        assert!(lines[1].starts_with(&format!(" 2  {from}")), "{text}");
        for (at, line) in lines.iter().enumerate().skip(2) {
            assert_eq!(*line, format!("{:2}  *", at + 1));
        }
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains(" was not reached: the last answer is ICMP"));
    }
    let output = network.socklab("traceroute -n -m 2 -w 0.5 -q 1 fd08:4::1 -T");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
}

/// However long it would have waited for an answer.
#[test]
fn nobody_reads_any_more() {
    let network = network!();
    for how in ["-U", "-T", "--json"] {
        let mut command = network.command("client", Rights::None, env!("CARGO_BIN_EXE_socklab"));
        command.args(["traceroute", "-n", "-w", "100000", how, "10.8.4.1"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("it runs");
        let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
        if how != "--json" {
            stdout.read_line(&mut String::new()).expect("a line");
        }
        drop(stdout);
        let output = child.wait_with_output().expect("it ends");
        assert_eq!((output.status.code(), stderr(&output)), (Some(1), String::new()), "{how}");
    }
}

#[test]
fn for_a_program() {
    let network = network!();
    let output = network.socklab("traceroute -6 -q 2 -w 60 --json server");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let traced: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(
        (&traced["host"], &traced["address"], &traced["reached"]),
        (&"server".into(), &"fd00:4::2".into(), &true.into())
    );
    let hops = traced["hops"].as_array().expect("a list");
    assert_eq!(hops.len(), 4);
    for (at, hop) in hops.iter().enumerate() {
        let number = at + 1;
        assert_eq!(hop["ttl"], number);
        let replies = hop["replies"].as_array().expect("a list");
        assert_eq!(replies.len(), 2);
        for reply in replies {
            assert_eq!(reply["from"], format!("fd00:{number}::2"));
            assert_eq!((&reply["reached"], &reply["last"]), (&(at == 3).into(), &(at == 3).into()));
            assert!(reply["milliseconds"].is_f64() && reply["note"].is_null());
            let icmp = if at == 3 { [1, 4] } else { [3, 0] };
            assert_eq!(
                serde_json::json!([reply["icmp"]["type"], reply["icmp"]["code"]]),
                serde_json::json!(icmp)
            );
        }
    }
    assert_eq!(traced["names"]["fd00:2::2"], "router2");
}

#[test]
fn what_this_host_does_not_let_out() {
    let network = network!();
    let mut command = network.command("alone", Rights::None, env!("CARGO_BIN_EXE_socklab"));
    let output = command.args(["traceroute", "10.0.4.2"]).output().expect("it runs");
    let line = "connect: Network is unreachable (10.0.4.2: this host has no route to it)\n";
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(1), line));
    let output = network.socklab("traceroute 10.0.1.255");
    let line = "connect: Permission denied (10.0.1.255: a rule of this host forbids it, or it is a \
                broadcast address)\n";
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(1), line));
    let output = network.socklab("traceroute -4 -U -p 2001 server");
    let line = "send: Operation not permitted (10.0.4.2: a rule of this host forbids it)\n";
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(1), line));
}

#[test]
fn mistakes() {
    for (args, line) in [
        ("", "error: the following required arguments were not provided: <HOST>"),
        ("-4 ::1", "getaddrinfo: Address family for hostname not supported (::1)"),
        (
            "127.0.0.1 -p 70000",
            "error: port 70000 is out of range: a port is a number from 1 to 65535",
        ),
        ("127.0.0.1 -p 1-2", "error: -p takes one port, not 1-2"),
        (
            "127.0.0.1 -p 65500",
            "error: 90 probes need as many ports from 65500 on, and the last is 65535: a lower -p, or -U",
        ),
        (
            "127.0.0.1 -q 11",
            "error: invalid value '11' for '--queries <N>': the number of probes for a hop is one \
             from 1 to 10",
        ),
        (
            "127.0.0.1 -m 0",
            "error: invalid value '0' for '--max-hops <TTL>': the number of hops is one from 1 to 255",
        ),
    ] {
        let output = support::socklab().arg("traceroute").args(args.split_whitespace()).output();
        let output = output.expect("it runs");
        assert_eq!((output.status.code(), stdout(&output)), (Some(2), String::new()), "{args}");
        assert_eq!(stderr(&output), format!("{line}\n"), "{args}");
    }
    // Whatever the resolver says of it, a terminal obeys none of it.
    let output = support::socklab().args(["traceroute", "no\u{1b}[2J\nsuch"]).output();
    let output = output.expect("it runs");
    let line = stderr(&output);
    assert!(line.ends_with(" (no?[2J?such)\n") && line.lines().count() == 1, "{line:?}");
    assert_eq!(output.status.code(), Some(2));
}

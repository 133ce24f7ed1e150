//! `socklab knock`: the table of what can be told apart, row by row, over three routers.

use std::net::{TcpListener, UdpSocket};
use std::process::Output;

use crate::network::{Rights, network, stderr, stdout};
use crate::support;

/// Its lines, without the times.
fn lines(output: &Output) -> Vec<String> {
    let text = stdout(output);
    let timeless = |line: &str| match line.rsplit_once(", ") {
        Some((line, time)) if time.ends_with(" ms") => line.to_owned(),
        _ => line.to_owned(),
    };
    text.lines().map(timeless).collect()
}

fn assert_lines(output: &Output, status: i32, expected: &[&str]) {
    assert_eq!(lines(output), expected, "{}", stderr(output));
    assert_eq!((output.status.code(), stderr(output)), (Some(status), String::new()));
}

#[test]
fn tcp_row_by_row() {
    let network = network!();
    let ports = "9000 9001 1002 1003 1004 1005 1006 1007 3001 3002 2002";
    assert_lines(
        &network.socklab(&format!("knock -4 -w 60 server {ports}")),
        0,
        &[
            "10.0.4.2 9000/tcp open: connected",
            "10.0.4.2 9001/tcp closed: answered with RST",
            "10.0.4.2 1002/tcp refused: ICMP port unreachable (3/3) from 10.0.4.2",
            "10.0.4.2 1003/tcp closed: answered with RST",
            "10.0.4.2 1004/tcp refused: ICMP communication administratively prohibited (3/13) from \
             10.0.4.2",
            "10.0.4.2 1005/tcp unreachable: ICMP host unreachable (3/1) from 10.0.4.2",
            "10.0.4.2 1006/tcp unreachable: ICMP net unreachable (3/0) from 10.0.4.2",
            "10.0.4.2 1007/tcp refused: ICMP protocol unreachable (3/2) from 10.0.4.2",
            "10.0.4.2 3001/tcp refused: ICMP port unreachable (3/3) from 10.0.2.2",
            "10.0.4.2 3002/tcp refused: ICMP communication administratively prohibited (3/13) from \
             10.0.2.2",
            "10.0.4.2 2002/tcp blocked: ICMP port unreachable (3/3) from 10.0.1.1, which is this \
             host",
        ],
    );
    assert_lines(
        &network.socklab(&format!("knock -6 -w 60 server {ports}")),
        0,
        &[
            "fd00:4::2 9000/tcp open: connected",
            "fd00:4::2 9001/tcp closed: answered with RST",
            "fd00:4::2 1002/tcp refused: ICMPv6 port unreachable (1/4) from fd00:4::2",
            "fd00:4::2 1003/tcp closed: answered with RST",
            "fd00:4::2 1004/tcp refused: ICMPv6 communication administratively prohibited (1/1) \
             from fd00:4::2",
            "fd00:4::2 1005/tcp unreachable: ICMPv6 address unreachable (1/3) from fd00:4::2",
            "fd00:4::2 1006/tcp unreachable: ICMPv6 no route to destination (1/0) from fd00:4::2",
            "fd00:4::2 1007/tcp closed: answered with RST",
            "fd00:4::2 3001/tcp refused: ICMPv6 port unreachable (1/4) from fd00:2::2",
            "fd00:4::2 3002/tcp refused: ICMPv6 communication administratively prohibited (1/1) \
             from fd00:2::2",
            "fd00:4::2 2002/tcp blocked: ICMPv6 port unreachable (1/4) from fd00:1::1, which is \
             this host",
        ],
    );
}

#[test]
fn udp_row_by_row() {
    let network = network!();
    let ports = "9000 9001 1002 1004 1005 1006 1007 3001 3002 2001 2002";
    assert_lines(
        &network.socklab(&format!("knock -4 -w 60 -u server {ports}")),
        0,
        &[
            "10.0.4.2 9000/udp open: answered with a datagram of 25 bytes",
            "10.0.4.2 9001/udp refused: ICMP port unreachable (3/3) from 10.0.4.2",
            "10.0.4.2 1002/udp refused: ICMP port unreachable (3/3) from 10.0.4.2",
            "10.0.4.2 1004/udp refused: ICMP communication administratively prohibited (3/13) from \
             10.0.4.2",
            "10.0.4.2 1005/udp unreachable: ICMP host unreachable (3/1) from 10.0.4.2",
            "10.0.4.2 1006/udp unreachable: ICMP net unreachable (3/0) from 10.0.4.2",
            "10.0.4.2 1007/udp refused: ICMP protocol unreachable (3/2) from 10.0.4.2",
            "10.0.4.2 3001/udp refused: ICMP port unreachable (3/3) from 10.0.2.2",
            "10.0.4.2 3002/udp refused: ICMP communication administratively prohibited (3/13) from \
             10.0.2.2",
            "10.0.4.2 2001/udp blocked: send: Operation not permitted (a rule of this host)",
            "10.0.4.2 2002/udp blocked: ICMP port unreachable (3/3) from 10.0.1.1, which is this \
             host",
        ],
    );
    assert_lines(
        &network.socklab("knock -6 -w 60 -u server 9000 9001 1002 1004 1005 3001 2001"),
        0,
        &[
            "fd00:4::2 9000/udp open: answered with a datagram of 25 bytes",
            "fd00:4::2 9001/udp refused: ICMPv6 port unreachable (1/4) from fd00:4::2",
            "fd00:4::2 1002/udp refused: ICMPv6 port unreachable (1/4) from fd00:4::2",
            "fd00:4::2 1004/udp refused: ICMPv6 communication administratively prohibited (1/1) \
             from fd00:4::2",
            "fd00:4::2 1005/udp unreachable: ICMPv6 address unreachable (1/3) from fd00:4::2",
            "fd00:4::2 3001/udp refused: ICMPv6 port unreachable (1/4) from fd00:2::2",
            "fd00:4::2 2001/udp blocked: send: Operation not permitted (a rule of this host)",
        ],
    );
}

/// Dropped at the server, at a router, and, of TCP, at the client.
#[test]
fn silence_is_called_silence() {
    let network = network!();
    let silent = "nothing in 0.3 s for 1 segment: filtered, or nobody there";
    let lines = |addr: &str, ports: &[u16]| -> Vec<String> {
        ports.iter().map(|port| format!("{addr} {port}/tcp no answer: {silent}")).collect()
    };
    let ports = [1001, 3003, 2001];
    let expected = [lines("fd00:4::2", &ports), lines("10.0.4.2", &ports)].concat();
    let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
    let output = network.socklab("knock -w 0.3 server 1001 3003 2001");
    assert_lines(&output, 2, &expected);
    assert_lines(
        &network.socklab("knock -w 0.3 -u -4 server 1001 3003"),
        2,
        &[
            "10.0.4.2 1001/udp no answer: nothing in 0.3 s for 3 datagrams: open or filtered",
            "10.0.4.2 3003/udp no answer: nothing in 0.3 s for 3 datagrams: open or filtered",
        ],
    );
    assert_lines(
        &network.socklab("knock -w 0.3 --tries 1 -u -6 server 1001"),
        2,
        &["fd00:4::2 1001/udp no answer: nothing in 0.3 s for 1 datagram: open or filtered"],
    );
}

#[test]
fn what_the_routers_do_not_route() {
    let network = network!();
    for (args, status, expected) in [
        ("10.9.0.1", 1, "10.9.0.1 80/tcp unreachable: ICMP net unreachable (3/0) from 10.0.1.2"),
        ("-u 10.9.0.1", 1, "10.9.0.1 80/udp unreachable: ICMP net unreachable (3/0) from 10.0.1.2"),
        ("10.8.2.1", 1, "10.8.2.1 80/tcp unreachable: ICMP host unreachable (3/1) from 10.0.2.2"),
        (
            "10.8.3.1",
            1,
            "10.8.3.1 80/tcp refused: ICMP communication administratively prohibited (3/13) from \
             10.0.3.2",
        ),
        (
            "fd09::1",
            1,
            "fd09::1 80/tcp unreachable: ICMPv6 no route to destination (1/0) from fd00:1::2",
        ),
        (
            "-u fd08:2::1",
            1,
            "fd08:2::1 80/udp unreachable: ICMPv6 no route to destination (1/0) from fd00:2::2",
        ),
        (
            "-u fd08:3::1",
            1,
            "fd08:3::1 80/udp refused: ICMPv6 communication administratively prohibited (1/1) from \
             fd00:3::2",
        ),
        // Nobody has the address: the last router, or this host itself, asks for it three times.
        (
            "-u 10.0.4.99",
            1,
            "10.0.4.99 80/udp unreachable: ICMP host unreachable (3/1) from 10.0.3.2",
        ),
        (
            "-u fd00:1::99",
            1,
            "fd00:1::99 80/udp unreachable: ICMPv6 address unreachable (1/3) from fd00:1::1, which \
             is this host",
        ),
    ] {
        assert_lines(&network.socklab(&format!("knock -w 60 {args} 80")), status, &[expected]);
    }
    for (args, expected) in [
        (
            "10.8.4.1",
            "10.8.4.1 80/tcp no answer: nothing in 0.3 s for 1 segment: filtered, or nobody there",
        ),
        (
            "fd08:4::1",
            "fd08:4::1 80/tcp no answer: nothing in 0.3 s for 1 segment: filtered, or nobody there",
        ),
    ] {
        assert_lines(&network.socklab(&format!("knock -w 0.3 {args} 80")), 2, &[expected]);
    }
    // A namespace whose only interface is that of itself.
    let mut command = network.command("alone", Rights::None, env!("CARGO_BIN_EXE_socklab"));
    let output = command.args(["knock", "10.0.4.2", "80"]).output().expect("it runs");
    let line = "10.0.4.2 80/tcp unreachable: connect: Network is unreachable (this host has no \
                route to it)";
    assert_lines(&output, 1, &[line]);
}

/// Every second packet is lost: the kernel sends a SYN again, and knock a datagram.
#[test]
fn what_is_lost_is_sent_again() {
    let network = network!();
    assert_lines(
        &network.socklab("knock -w 3 -u -4 server 1008"),
        1,
        &[
            "10.0.4.2 1008/udp refused: ICMP port unreachable (3/3) from 10.0.4.2 (after 2 datagrams)",
        ],
    );
    assert_lines(
        &network.socklab("knock -w 60 -4 server 1009"),
        1,
        &["10.0.4.2 1009/tcp closed: answered with RST (after 2 segments)"],
    );
    let output = network.socklab("traceroute -4 -T -p 1009 -q 1 -w 60 --json server");
    let traced: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    // The probes behind it are counted too.
    let sent = traced["hops"][3]["replies"][0]["sent"].as_u64();
    assert!(sent.is_some_and(|sent| sent > 1), "{traced}");
}

/// Where the kernel has one port only to give, it gives it to whoever asks that port.
#[test]
fn a_connection_to_itself_is_no_open_port() {
    let network = network!();
    for (protocol, more) in [("tcp", &[][..]), ("udp", &["-u"])] {
        let mut command = network.command("alone", Rights::None, env!("CARGO_BIN_EXE_socklab"));
        command.args(["knock", "127.0.0.1", "40000"]).args(more);
        let line = format!(
            "127.0.0.1 40000/{protocol} closed: nobody has the port: the kernel gave it to the \
             socket that asked"
        );
        assert_lines(&command.output().expect("it runs"), 1, &[&line]);
    }
}

/// An address of IPv4 in the clothes of IPv6.
#[test]
fn a_mapped_address_is_one_of_ipv4() {
    let network = network!();
    let line = "10.0.4.2 1002/tcp refused: ICMP port unreachable (3/3) from 10.0.4.2";
    assert_lines(&network.socklab("knock -w 60 ::ffff:10.0.4.2 1002"), 1, &[line]);
    let output = network.socklab("traceroute -n -q 1 -w 60 ::ffff:10.0.4.2");
    assert_eq!(output.status.code(), Some(0));
    assert!(stdout(&output).contains("\n 3  10.0.3.2  "), "{output:?}");
}

#[test]
fn for_a_program() {
    let network = network!();
    let output = network.socklab("knock -w 60 -u -4 --json server 9001 9000");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let knocked: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((knocked["host"].as_str(), knocked["wait"].as_f64()), (Some("server"), Some(60.0)));
    let answers = knocked["answers"].as_array().expect("a list");
    assert_eq!(answers.len(), 2);
    let (refused, open) = (&answers[0], &answers[1]);
    assert_eq!(refused["verdict"], "refused");
    assert_eq!((&refused["address"], &refused["port"]), (&"10.0.4.2".into(), &9001.into()));
    let icmp = serde_json::json!({
        "version": 4, "type": 3, "code": 3, "name": "port unreachable", "from": "10.0.4.2",
        "mtu": null
    });
    assert_eq!(refused["icmp"], icmp);
    assert_eq!((&open["verdict"], &open["protocol"]), (&"open".into(), &"udp".into()));
    assert!(open["icmp"].is_null() && open["sent"] == 1 && open["milliseconds"].is_f64());
}

/// More ports than may be asked at once, and than there are descriptors: in their order all the same.
#[test]
fn many_ports() {
    let network = network!();
    for limit in ["1024", "16"] {
        let mut command = network.command("client", Rights::None, "sh");
        let script =
            format!("ulimit -n {limit} && exec \"$0\" knock -w 60 -4 server 4001-5000 9000");
        let output =
            command.args(["-c", &script, env!("CARGO_BIN_EXE_socklab")]).output().expect("it runs");
        let expected = (4001..=5000)
            .map(|port| format!("10.0.4.2 {port}/tcp closed: answered with RST"))
            .chain([String::from("10.0.4.2 9000/tcp open: connected")]);
        assert!(lines(&output).into_iter().eq(expected), "{output:?}");
        assert_eq!(output.status.code(), Some(0));
    }
}

/// What a host that counts its errors leaves unsaid is not called open.
#[test]
fn refused_and_silent_ports_of_one_host_are_doubted() {
    let network = network!();
    let output = network.socklab("knock -w 3 -u -4 server 9001 1001");
    assert_eq!(output.status.code(), Some(1));
    let note = "note: 10.0.4.2 refused 1 and left 1 without an answer; most hosts send few ICMP \
                errors a second, so ask the silent ones again, one by one\n";
    assert_eq!(stderr(&output), note);
}

#[test]
fn on_loopback() {
    let tcp = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = tcp.local_addr().expect("bound").port();
    let knock = |args: &str| {
        let mut command = support::socklab();
        command.arg("knock").args(args.split_whitespace()).output().expect("it runs")
    };
    let open = format!("127.0.0.1 {port}/tcp open: connected");
    assert_lines(&knock(&format!("127.0.0.1 {port} -w 60")), 0, &[&open]);
    // Bound, and neither read nor answered.
    let udp = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let port = udp.local_addr().expect("bound").port();
    let silent = format!(
        "127.0.0.1 {port}/udp no answer: nothing in 0.2 s for 2 datagrams: open or filtered"
    );
    assert_lines(&knock(&format!("127.0.0.1 {port} -u -w 0.2 --tries 2")), 2, &[&silent]);
    let mut bytes = [0; 16];
    for _ in 0..2 {
        assert_eq!(udp.recv(&mut bytes).expect("a datagram"), 0, "it is empty");
    }
}

#[test]
fn mistakes_have_a_status_of_their_own() {
    for (args, line) in [
        ("", "error: the following required arguments were not provided: <HOST> <PORT>..."),
        ("localhost", "error: the following required arguments were not provided: <PORT>..."),
        (
            "127.0.0.1 99999",
            "error: port 99999 is out of range: a port is a number from 1 to 65535",
        ),
        ("127.0.0.1 0", "error: port 0 is out of range: a port is a number from 1 to 65535"),
        ("127.0.0.1 9-8", "error: ports 9-8: the first is the larger one"),
        ("-4 ::1 80", "getaddrinfo: Address family for hostname not supported (::1)"),
        (
            "127.0.0.1 80 -w 0",
            "error: invalid value '0' for '--wait <S>': a time is a number of seconds greater than \
             0, such as 0.5",
        ),
    ] {
        let output = support::socklab().arg("knock").args(args.split_whitespace()).output();
        let output = output.expect("it runs");
        assert_eq!((output.status.code(), stdout(&output)), (Some(3), String::new()), "{args}");
        assert_eq!(stderr(&output), format!("{line}\n"), "{args}");
    }
}

//! `socklab netstat` beside netstat, ss and /proc/net: the same sockets, however they are looked at; and
//! what netstat hides.
//!
//! The sockets are made in a network of its own, by this program once more.

use std::any::type_name;
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::libc;
use serde_json::Value;
use socklab::net::{family, from_c, to_c};
use socklab::posix::error::ENETUNREACH;
use socklab::posix::netinet_in::{IPPROTO_IPV6, IPV6_V6ONLY};
use socklab::posix::sys_socket::{
    SO_REUSEADDR, SOCK_CLOEXEC, SOCK_DGRAM, SOCK_STREAM, SOL_SOCKET, accept4, bind, connect,
    getsockname, listen, send, setsockopt, socket,
};

use crate::support::{Server, socklab, tree};

const CASE: &str = "SOCKLAB_NETSTAT_CASE";

/// Runs the body of the calling test in a network of its own, with a long address, as its root.
fn in_a_network<F: FnOnce()>(body: F) {
    let name = type_name::<F>();
    let name = name.split_once("::").map_or(name, |(_, path)| path);
    let name = name.trim_end_matches("::{{closure}}");
    if std::env::var(CASE).is_ok_and(|case| case == name) {
        // The kernel makes the route to a new address ready in its own time.
        let long = SocketAddr::new(v6(LONG).ip(), 9);
        let probe = of(SOCK_DGRAM, &long, true);
        while connect(&probe, &to_c(&long)).is_err() {
            std::thread::yield_now();
        }
        drop(probe);
        return body();
    }
    let program = std::env::current_exe().expect("the path of this program");
    let script = format!(
        "ip link set lo up && ip -6 addr add {LONG}/128 dev lo nodad || exit 77; exec \"$0\" \"$@\""
    );
    let output = Command::new("unshare")
        .args(["-Urn", "sh", "-c", &script])
        .arg(program)
        .args(["--exact", name, "--nocapture"])
        .env(CASE, name)
        .output()
        .expect("unshare runs");
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    if !stdout.contains("running 1 test") {
        return eprintln!("skipped: no network with IPv6 of its own can be had here: {stderr}");
    }
    assert!(output.status.success() && stdout.contains("1 passed"), "{name}: {stdout}\n{stderr}");
    eprint!("{stderr}");
}

/// An address that netstat cuts.
const LONG: &str = "fd00:1234:5678:9abc:def0:1234:5678:9abc";

fn v4(last: u8, port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, last], port))
}

fn v6(ip: &str) -> SocketAddr {
    SocketAddr::new(ip.parse::<Ipv6Addr>().expect("an address").into(), 0)
}

/// A socket of this kind that no program inherits.
fn of(kind: i32, addr: &SocketAddr, v6only: bool) -> OwnedFd {
    let fd = socket(family(addr), kind | SOCK_CLOEXEC, 0).expect("socket");
    if addr.is_ipv6() {
        setsockopt(&fd, IPPROTO_IPV6, IPV6_V6ONLY, &i32::from(v6only)).expect("setsockopt");
    }
    fd
}

fn bound(kind: i32, addr: &SocketAddr, v6only: bool) -> OwnedFd {
    let fd = of(kind, addr, v6only);
    setsockopt(&fd, SOL_SOCKET, SO_REUSEADDR, &1).expect("setsockopt");
    bind(&fd, &to_c(addr)).expect("bind");
    fd
}

fn listening(addr: &SocketAddr, v6only: bool, backlog: i32) -> OwnedFd {
    let fd = bound(SOCK_STREAM, addr, v6only);
    listen(&fd, backlog).expect("listen");
    fd
}

fn address(fd: &OwnedFd) -> SocketAddr {
    from_c(&getsockname(fd).expect("getsockname")).expect("of the Internet")
}

fn connected(kind: i32, to: &SocketAddr) -> OwnedFd {
    let fd = of(kind, to, false);
    // The route to the long address may go once more while the network is being set up.
    while let Err(error) = connect(&fd, &to_c(to)) {
        assert_eq!(error.errno(), ENETUNREACH, "{error}");
        std::thread::yield_now();
    }
    fd
}

fn accepted(listenfd: &OwnedFd) -> OwnedFd {
    accept4(listenfd, SOCK_CLOEXEC).expect("accept").0
}

/// A process that holds a socket of ours until it is dropped.
struct Holder(Child);

impl Holder {
    fn new(mut command: Command, shared: &OwnedFd) -> Self {
        fcntl(shared, FcntlArg::F_SETFD(FdFlag::empty())).expect("inherited");
        // It writes what it reads: when the byte comes back, it is the program that it will be.
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it runs");
        fcntl(shared, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).expect("not inherited");
        let mut holder = Self(child);
        let stdin = holder.0.stdin.as_mut().expect("piped");
        std::io::Write::write_all(stdin, b"x").expect("it reads");
        holder.0.stdout.as_mut().expect("piped").read_exact(&mut [0]).expect("it writes");
        holder
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// splitmix64
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }
}

#[derive(Default)]
struct Population {
    sockets: Vec<OwnedFd>,
    holders: Vec<Holder>,
}

impl Population {
    /// Some sockets, by chance; each number of `kind` once if there are enough.
    fn new(seed: u64, count: u64) -> Self {
        let mut random = Random(seed);
        let mut all = Self::default();
        for number in 0..count {
            let kind = if number < 14 { number } else { random.below(14) };
            all.add(kind, &mut random);
        }
        all.settle();
        all
    }

    fn add(&mut self, kind: u64, random: &mut Random) {
        let here = v4(1 + random.below(200) as u8, 0);
        let backlog = random.below(100) as i32;
        let long = v6(LONG);
        match kind {
            0 => self.sockets.push(listening(&here, false, backlog)),
            1 => self.sockets.push(listening(&v6("::"), false, backlog)),
            2 => self.sockets.push(listening(&v6("::"), true, backlog)),
            3 => self.sockets.push(listening(&long, true, backlog)),
            4 => self.sockets.push(bound(SOCK_DGRAM, &here, false)),
            5 => self.sockets.push(bound(SOCK_DGRAM, &v6("::"), random.below(2) == 0)),
            6 => self.sockets.push(bound(SOCK_STREAM, &here, false)),
            7 => self.sockets.push(bound(SOCK_STREAM, &v6("::1"), true)),
            8 | 9 => {
                let one = bound(SOCK_DGRAM, if kind == 8 { &here } else { &long }, true);
                let other = connected(SOCK_DGRAM, &address(&one));
                let unread = vec![0; random.below(500) as usize];
                send(&other, &unread, 0).expect("send");
                self.sockets.extend([one, other]);
            }
            10 => {
                // An IPv4 peer of an IPv6 socket, and what it has not read.
                let dual = listening(&v6("::"), false, backlog);
                let client = connected(SOCK_STREAM, &v4(1, address(&dual).port()));
                send(&client, &vec![0; random.below(5000) as usize], 0).expect("send");
                let server = accepted(&dual);
                self.sockets.extend([dual, client, server]);
            }
            11 => {
                // TIME_WAIT at the server's end, and CLOSE_WAIT with FIN_WAIT2 of another.
                let listenfd = listening(if random.below(2) == 0 { &here } else { &long }, true, 5);
                let (one, other) =
                    (connected(SOCK_STREAM, &address(&listenfd)), accepted(&listenfd));
                drop(other);
                drop(one);
                let waiting = connected(SOCK_STREAM, &address(&listenfd));
                drop(accepted(&listenfd));
                self.sockets.extend([listenfd, waiting]);
            }
            12 => {
                // Some that nobody has accepted yet.
                let listenfd = listening(&here, false, 5);
                for _ in 0..=random.below(4) {
                    self.sockets.push(connected(SOCK_STREAM, &address(&listenfd)));
                }
                self.sockets.push(listenfd);
            }
            _ => {
                let shared = listening(&here, false, backlog);
                for _ in 0..1 + random.below(4) {
                    self.holders.push(Holder::new(Command::new("cat"), &shared));
                }
                self.sockets.push(shared);
            }
        }
    }

    /// Waits until no connection is on its way into another state.
    fn settle(&self) {
        const PASSING: [&str; 5] = ["02", "03", "04", "09", "0B"];
        let passes = |path: &str| {
            let text = std::fs::read_to_string(path).expect("a table");
            text.lines()
                .skip(1)
                .any(|line| PASSING.contains(&line.split_whitespace().nth(3).expect("a state")))
        };
        while passes("/proc/net/tcp") || passes("/proc/net/tcp6") {
            std::thread::yield_now();
        }
    }
}

fn run(command: &mut Command) -> Output {
    let output = command.env("LC_ALL", "C").output().expect("it runs");
    assert!(output.status.success(), "{command:?}: {output:?}");
    output
}

fn text(command: &mut Command) -> String {
    String::from_utf8(run(command).stdout).expect("UTF-8")
}

fn ours(options: &[&str]) -> String {
    text(socklab().arg("netstat").args(options))
}

fn netstat(options: &[&str]) -> String {
    text(Command::new("netstat").args(options))
}

/// The sockets, as `--json` has them.
fn sockets(options: &[&str]) -> Vec<Value> {
    let text = ours(&[options, &["--json"]].concat());
    assert_eq!(text.lines().count(), 1);
    let value: Value = serde_json::from_str(&text).expect("JSON");
    value["sockets"].as_array().expect("an array").clone()
}

/// A row whose column of programs, the last, has only the first holder, as netstat's.
fn first_holder(line: &str) -> String {
    let Some((before, _)) = line.split_once(',') else { return line.to_owned() };
    let column = before.rfind(' ').expect("a column before it") + 1;
    format!("{before:0$}", column + 20)
}

#[test]
fn the_rows_are_netstats() {
    in_a_network(|| {
        for seed in [1, 2] {
            let population = Population::new(seed, 40);
            for options in [
                &["-tulpn"][..],
                &["-tuanp"],
                &["-tunp"],
                &["-tan", "-4"],
                &["-uan6"],
                &["-lnt46"],
                &["-tua", "-4"],
                &["-t", "-6", "-l"],
                &["--tcp", "--udp", "--all", "--numeric", "--programs"],
            ] {
                // Ours cuts no address anyway; what its -W is for is not what netstat's is.
                let theirs = netstat(&[options, &["-W"]].concat());
                let ours = ours(options);
                let ours: Vec<String> = ours
                    .lines()
                    .filter(|line| !line.contains(" BOUND "))
                    .map(first_holder)
                    .collect();
                let theirs: Vec<&str> = theirs.lines().collect();
                assert!(theirs.len() > 5, "{options:?}: {theirs:?}");
                assert_eq!(ours, theirs, "{options:?}: ours is left, netstat's right");
            }
            drop(population);
        }
    });
}

#[test]
fn what_e_adds_stands_behind() {
    in_a_network(|| {
        let _population = Population::new(3, 30);
        let theirs = netstat(&["-tuaneW"]);
        let ours = ours(&["-tuaneW"]);
        let mut ours = ours.lines().filter(|line| !line.contains(" BOUND "));
        for line in theirs.lines() {
            let ours = ours.next().expect("as many rows");
            let rest = ours.strip_prefix(line).expect(line);
            let words: Vec<&str> = rest.split_whitespace().collect();
            match words[..] {
                [] => assert!(line.starts_with("Active")),
                ["Backlog", "Stack"] => {}
                [backlog, stack] => {
                    assert_eq!(backlog.contains('/'), line.contains(" LISTEN "), "{ours}");
                    assert!(["-", "dual", "v6only", "v4-mapped"].contains(&stack), "{ours}");
                }
                _ => panic!("{ours}"),
            }
        }
        assert_eq!(ours.next(), None);
    });
}

/// A socket, as every source can tell it: protocol, state, the two queues, the two addresses, the inode,
/// and who holds it.
type Told = (String, String, u64, u64, String, String, u64, BTreeSet<i64>);

fn told(socket: &Value) -> Told {
    let word = |value: &Value| value.as_str().expect("text").to_owned();
    let address = |value: &Value| match value {
        Value::Null => String::from("*"),
        value => format!("{} {}", word(&value["address"]), value["port"]),
    };
    let state = match &socket["state"] {
        Value::Null => String::from("UNCONN"),
        state => word(state),
    };
    let limit = socket["backlog"]["limit"].as_u64();
    let holders = socket["holders"].as_array().map(Vec::as_slice).unwrap_or_default();
    (
        word(&socket["protocol"]) + if socket["family"] == "IPv6" { "6" } else { "" },
        state,
        socket["recv_q"].as_u64().expect("a number"),
        limit.unwrap_or_else(|| socket["send_q"].as_u64().expect("a number")),
        address(&socket["local"]),
        address(&socket["remote"]),
        socket["inode"].as_u64().expect("a number"),
        holders.iter().map(|holder| holder["pid"].as_i64().expect("a pid")).collect(),
    )
}

/// A row of `ss -tuanpeHO`.
fn told_by_ss(line: &str) -> Told {
    let words: Vec<&str> = line.split_whitespace().collect();
    let state = match words[1] {
        "ESTAB" => String::from("ESTABLISHED"),
        "FIN-WAIT-1" => String::from("FIN_WAIT1"),
        "FIN-WAIT-2" => String::from("FIN_WAIT2"),
        state => state.replace('-', "_"),
    };
    let is_v6 = words[4].starts_with(['[', '*']);
    let address = |word: &str| {
        let (ip, port) = word.rsplit_once(':').expect("a port");
        let ip = ip.trim_start_matches('[').trim_end_matches(']');
        match (ip, port) {
            (_, "*") => String::from("*"),
            ("*", port) => format!(":: {port}"),
            (ip, port) => format!("{ip} {port}"),
        }
    };
    let number = |key: &str| {
        words
            .iter()
            .find_map(|word| word.strip_prefix(key))
            .map_or(0, |word| word.parse().expect(key))
    };
    let holders = line
        .split("pid=")
        .skip(1)
        .map(|rest| rest.split(',').next().and_then(|pid| pid.parse().ok()).expect("a pid"));
    (
        words[0].to_owned() + if is_v6 { "6" } else { "" },
        state,
        words[2].parse().expect("Recv-Q"),
        words[3].parse().expect("Send-Q"),
        address(words[4]),
        address(words[5]),
        number("ino:"),
        holders.collect(),
    )
}

#[test]
fn the_sockets_are_those_of_ss() {
    in_a_network(|| {
        for seed in [4, 5] {
            let _population = Population::new(seed, 60);
            let rows = text(Command::new("ss").args(["-tuanpeHO"]));
            let theirs: BTreeSet<Told> = rows.lines().map(told_by_ss).collect();
            assert_eq!(theirs.len(), rows.lines().count(), "none twice");
            let ours = sockets(&["-tuanp"]);
            let ours = ours.iter().filter(|socket| socket["state"] != "BOUND").map(told);
            let ours: BTreeSet<Told> = ours.collect();
            let (more, less): (Vec<_>, Vec<_>) =
                (ours.difference(&theirs).collect(), theirs.difference(&ours).collect());
            assert!(
                more.is_empty() && less.is_empty(),
                "only ours: {more:#?}\nonly of ss: {less:#?}"
            );
        }
    });
}

/// Protocol, both addresses, state and inode, as /proc/net has them.
type Line = (String, String, String, String, u64);

#[test]
fn the_sockets_are_those_of_proc_net() {
    in_a_network(|| {
        let _population = Population::new(6, 60);
        let mut theirs: BTreeSet<Line> = BTreeSet::new();
        for protocol in ["tcp", "tcp6", "udp", "udp6"] {
            let table = std::fs::read_to_string(format!("/proc/net/{protocol}")).expect("a table");
            for line in table.lines().skip(1) {
                let words: Vec<&str> = line.split_whitespace().collect();
                let word = |at: usize| words[at].to_owned();
                let inode = words[9].parse().expect("an inode");
                theirs.insert((protocol.to_owned(), word(1), word(2), word(3), inode));
            }
        }
        let address = |value: &Value, is_v6: bool| {
            let ip = value["address"].as_str().unwrap_or(if is_v6 { "::" } else { "0.0.0.0" });
            let bytes: Vec<u8> = match ip.parse().expect("an address") {
                std::net::IpAddr::V4(ip) => ip.octets().to_vec(),
                std::net::IpAddr::V6(ip) => ip.octets().to_vec(),
            };
            let words =
                bytes.chunks(4).map(|word| u32::from_ne_bytes(word.try_into().expect("four")));
            let words: Vec<String> = words.map(|word| format!("{word:08X}")).collect();
            format!("{}:{:04X}", words.concat(), value["port"].as_u64().unwrap_or(0))
        };
        let ours = sockets(&["-tuan"]);
        let ours = ours.iter().filter(|socket| socket["state"] != "BOUND").map(|socket| {
            let (protocol, state, _, _, _, _, inode, _) = told(socket);
            let state = match state.as_str() {
                "ESTABLISHED" => "01",
                "FIN_WAIT2" => "05",
                "TIME_WAIT" => "06",
                "UNCONN" => "07",
                "CLOSE_WAIT" => "08",
                "LISTEN" => "0A",
                other => panic!("{other}"),
            };
            let is_v6 = socket["family"] == "IPv6";
            let (local, remote) =
                (address(&socket["local"], is_v6), address(&socket["remote"], is_v6));
            (protocol, local, remote, state.to_owned(), inode)
        });
        assert_eq!(ours.collect::<BTreeSet<Line>>(), theirs);
    });
}

#[test]
fn what_is_only_bound_is_seen() {
    in_a_network(|| {
        let fd = bound(SOCK_STREAM, &v4(1, 0), false);
        let addr = address(&fd).to_string();
        for (options, shown) in [
            (&[][..], true),
            (&["-lne"], true),
            (&["-an"], true),
            (&["-tulpn"], false),
            (&["-n"], false),
        ] {
            let text = ours(options);
            let row = text.lines().find(|line| line.contains(&addr));
            if shown && row.is_none() {
                return eprintln!("skipped: the kernel tells of no bound socket before Linux 6.8");
            }
            assert_eq!(row.is_some(), shown, "{options:?}: {text}");
            assert!(row.is_none_or(|row| row.contains(" BOUND ")), "{text}");
        }
        let pid = u64::from(std::process::id());
        let all = sockets(&[]);
        let [socket] = &all[..] else { panic!("{all:?}") };
        assert_eq!((&socket["state"], &socket["remote"]), (&"BOUND".into(), &Value::Null));
        assert_eq!(socket["holders"][0]["pid"], pid);
    });
}

#[test]
fn the_backlog_and_the_stack_are_seen() {
    in_a_network(|| {
        let dual = listening(&v6("::"), false, 7);
        let only = listening(&v6("::"), true, 4096);
        let clients: Vec<_> =
            (0..3).map(|_| connected(SOCK_STREAM, &v4(1, address(&dual).port()))).collect();
        for (fd, backlog, stack) in [(&dual, "3/7", "dual"), (&only, "0/4096", "v6only")] {
            let text = ours(&["-lnte"]);
            let port = format!(":::{} ", address(fd).port());
            let row = text.lines().find(|line| line.contains(&port)).expect("a row");
            let words: Vec<&str> = row.split_whitespace().collect();
            assert_eq!(words[words.len() - 2..], [backlog, stack], "{row}");
        }
        let text = ours(&["-nte"]);
        assert_eq!(text.lines().filter(|line| line.ends_with(" v4-mapped")).count(), clients.len());
    });
}

#[test]
fn every_holder_of_a_shared_listener_is_seen() {
    in_a_network(|| {
        let mut command = socklab();
        command.args(["serve", "preforked", "--port", "0", "--workers", "7"]);
        let server = Server::spawn(command);
        // All of them are there: as many as hold the socket, when none is missing.
        let mut pids: Vec<i32> = tree(server.pid());
        while pids.len() < 8 {
            pids = tree(server.pid());
        }
        pids.sort_unstable();
        let all = sockets(&["-tlnp"]);
        let [socket] = &all[..] else { panic!("{all:?}") };
        let holders = socket["holders"].as_array().expect("holders");
        let seen: Vec<i64> = holders.iter().map(|holder| holder["pid"].as_i64().unwrap()).collect();
        assert_eq!(seen, pids.iter().copied().map(i64::from).collect::<Vec<_>>());
        assert!(holders.iter().all(|holder| holder["name"] == "socklab"), "{holders:?}");
        // In one row, in the column where netstat has one of them.
        let text = ours(&["-tlnp"]);
        let row = text.lines().nth(2).expect("a row");
        let expected: Vec<String> = pids.iter().map(|pid| format!("{pid}/socklab")).collect();
        assert_eq!(row.split_whitespace().nth(6), Some(expected.join(",").as_str()));
        server.stop().assert_clean();
    });
}

#[test]
fn a_process_with_many_descriptors_and_gaps() {
    in_a_network(|| {
        // More than one look at its folder tells, and some far above the others.
        let mut sockets: Vec<OwnedFd> =
            (0..900).map(|_| bound(SOCK_DGRAM, &v4(1, 0), false)).collect();
        let far = bound(SOCK_DGRAM, &v4(2, 0), false);
        let copy = fcntl(&far, FcntlArg::F_DUPFD_CLOEXEC(1000)).expect("below the usual limit");
        let inode = |fd: i32| {
            let link = std::fs::read_link(format!("/proc/self/fd/{fd}")).expect("a link");
            let link = link.to_str().expect("UTF-8");
            link.trim_start_matches("socket:[").trim_end_matches(']').parse().expect("an inode")
        };
        for number in (0..800).rev().step_by(2) {
            sockets.remove(number);
        }
        let mut expected: BTreeSet<u64> = sockets.iter().map(|fd| inode(fd.as_raw_fd())).collect();
        expected.insert(inode(copy));
        drop(far);
        let pid = i64::from(std::process::id());
        let held: BTreeSet<u64> = self::sockets(&["-uanp"])
            .iter()
            .map(told)
            .filter(|(.., holders)| *holders == BTreeSet::from([pid]))
            .map(|(.., inode, _)| inode)
            .collect();
        assert_eq!(held, expected);
        nix::unistd::close(copy).expect("open");
    });
}

/// What a program might call itself to be seen where it is not.
const HOSTILE: &str = "x\n\u{1b}[2Jtcp 0 0 0.0.0.0:1\r\u{202e}\u{7f}\u{9b}31m";

#[test]
fn no_name_of_a_process_gets_out_of_its_place() {
    in_a_network(|| {
        let shared = listening(&v4(1, 0), false, 5);
        let mut named = Command::new("cat");
        named.arg0(HOSTILE);
        // One without arguments has the name of its file.
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("netstat-names");
        let _ = std::fs::create_dir(&folder);
        let file = folder.join("a\nb\u{1b}[31m");
        let _ = std::fs::remove_file(&file);
        let cat = ["/bin/cat", "/usr/bin/cat"].into_iter().find(|path| Path::new(path).exists());
        symlink(cat.expect("cat"), &file).expect("a link");
        let mut nameless = Command::new(&file);
        nameless.arg0("");
        // Where one program is many, it looks at its name first.
        let (named, nameless) = (Holder::new(named, &shared), try_holder(nameless, &shared));
        for options in [&["-tulpn"][..], &["-tulpnW"], &[]] {
            let text = ours(options);
            assert_eq!(text.lines().count(), 3, "{text:?}");
            assert!(
                !text.chars().any(|c| c.is_control() && c != '\n' || c == '\u{202e}'),
                "{text:?}"
            );
            let pid = named.0.id();
            assert!(text.contains(&format!("{pid}/x??[2J")), "{text}");
        }
        let whole = ours(&["-tulpnW"]);
        assert!(whole.contains("/x??[2Jtcp 0 0 0.0.0.0:1????31m"), "{whole}");
        let all = sockets(&["-tulpn"]);
        let name = |pid: u32| {
            let holders = all[0]["holders"].as_array().expect("holders").clone();
            let holder =
                holders.into_iter().find(|holder| holder["pid"] == pid).expect("it holds it");
            holder["name"].as_str().expect("a name").to_owned()
        };
        assert_eq!(name(named.0.id()), HOSTILE);
        match nameless {
            Some(nameless) => {
                assert_eq!(name(nameless.0.id()), "a\nb\u{1b}[31m");
                assert!(whole.contains(&format!("{}/a?b?[31m", nameless.0.id())), "{whole}");
            }
            None => eprintln!("skipped: this cat does not run without a name"),
        }
    });
}

/// [`Holder::new`], if the program runs under any name.
fn try_holder(mut command: Command, shared: &OwnedFd) -> Option<Holder> {
    let mut tried = Command::new(command.get_program());
    tried.arg0("").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.stderr(Stdio::null());
    tried.status().expect("it runs").success().then(|| Holder::new(command, shared))
}

#[test]
fn addresses_are_never_cut() {
    in_a_network(|| {
        let fd = listening(&v6(LONG), true, 5);
        let row = format!("{LONG}:{}", address(&fd).port());
        assert!(ours(&["-tln"]).contains(&row));
        assert!(!netstat(&["-tln"]).contains(&row), "netstat cuts it: else this says nothing");
        let scoped = SocketAddrV6::new(LONG.parse().expect("an address"), 0, 0, 0);
        assert!(scoped.ip().to_string() == LONG);
    });
}

#[test]
fn without_privilege_one_notice() {
    in_a_network(|| {
        let fd = listening(&v4(1, 0), false, 5);
        let addr = address(&fd).to_string();
        // The root of a namespace below ours may not look at us.
        let mut command = Command::new("unshare");
        command.args(["-Ur", env!("CARGO_BIN_EXE_socklab"), "netstat", "-tulpn"]);
        let output = run(&mut command);
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        let row = text.lines().find(|line| line.contains(&addr)).expect("a row");
        assert_eq!(row.split_whitespace().last(), Some("-"), "{text}");
        let notice = String::from_utf8(output.stderr).expect("UTF-8");
        assert_eq!(notice.matches("Not all processes could be identified").count(), 1, "{notice}");
        // Nobody needs to be told who does not ask.
        let mut command = Command::new("unshare");
        command.args(["-Ur", env!("CARGO_BIN_EXE_socklab"), "netstat", "-tuln"]);
        assert!(run(&mut command).stderr.is_empty());
        let ours = run(socklab().args(["netstat", "-tulpn"]));
        assert!(ours.stderr.is_empty(), "{ours:?}");
    });
}

/// Refuses `call`, of a process that is about to be another program.
fn refuse(call: libc::c_long, errno: i32) -> std::io::Result<()> {
    const LOAD: u16 = 0x20;
    const EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    let filter = [
        libc::sock_filter { code: LOAD, jt: 0, jf: 0, k: 0 },
        libc::sock_filter { code: EQUAL, jt: 0, jf: 1, k: call as u32 },
        libc::sock_filter { code: RETURN, jt: 0, jf: 0, k: 0x0005_0000 | errno as u32 },
        libc::sock_filter { code: RETURN, jt: 0, jf: 0, k: 0x7fff_0000 },
    ];
    let program = libc::sock_fprog { len: 4, filter: filter.as_ptr().cast_mut() };
    // SAFETY: numbers only.
    let done = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    if done != 0 {
        return Err(std::io::Error::last_os_error());
    }
    // SAFETY: `program` points to four whole instructions, which are copied.
    let done =
        unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) };
    if done == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}

#[test]
fn without_netlink_it_reads_proc_net() {
    in_a_network(|| {
        let _population = Population::new(7, 40);
        for (call, errno) in [(libc::SYS_socket, libc::EPERM), (libc::SYS_recvfrom, libc::EACCES)] {
            for options in [&["-tuanp"][..], &["-tulpn"], &["-tun"]] {
                let mut command = socklab();
                command.arg("netstat").args(options);
                // SAFETY: two system calls, between fork and exec.
                unsafe { command.pre_exec(move || refuse(call, errno)) };
                let output = match command.output() {
                    Ok(output) => output,
                    Err(error) => return eprintln!("skipped: no filter can be set here: {error}"),
                };
                let notice = String::from_utf8(output.stderr).expect("UTF-8");
                assert!(output.status.success(), "{notice}");
                assert!(notice.contains("read from /proc/net"), "{notice}");
                assert_eq!(notice.lines().count(), 1, "{notice}");
                let text = String::from_utf8(output.stdout).expect("UTF-8");
                let whole = ours(options);
                let whole: Vec<&str> =
                    whole.lines().filter(|line| !line.contains(" BOUND ")).collect();
                assert_eq!(text.lines().collect::<Vec<_>>(), whole, "{options:?}");
            }
        }
    });
}

#[test]
fn it_watches_until_nobody_reads() {
    in_a_network(|| {
        let fd = listening(&v4(1, 0), false, 5);
        let addr = address(&fd).to_string();
        let watch = |seconds: &str| {
            let mut command = socklab();
            command.args(["netstat", "-tln", "--watch", seconds]);
            let mut child =
                command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs");
            let stdout = BufReader::new(child.stdout.take().expect("piped"));
            (child, stdout)
        };
        let (child, stdout) = watch("0.01");
        let mut rows = stdout.lines().map(|line| line.expect("text"));
        for _ in 0..3 {
            assert!(rows.any(|line| line.contains(&addr)), "again");
        }
        drop(rows);
        let ended = child.wait_with_output().expect("it ends");
        assert_eq!((ended.status.code(), ended.stderr.len()), (Some(1), 0));
        // It does not wait for its time to notice.
        let (child, mut stdout) = watch("100000");
        let mut lines = String::new();
        while !lines.contains(&addr) {
            stdout.read_line(&mut lines).expect("text");
        }
        drop(stdout);
        let ended = child.wait_with_output().expect("it ends");
        assert_eq!((ended.status.code(), ended.stderr.len()), (Some(1), 0));
    });
}

/// netstat adds them where neither TCP nor UDP is asked for.
#[test]
fn the_unix_domain_is_left_to_ss() {
    let help = text(socklab().args(["netstat", "--help"]));
    assert!(help.contains("Unix domain") && help.contains("ss -x"), "{help}");
    let _unix = std::os::unix::net::UnixDatagram::unbound().expect("a socket");
    for options in ["-p", "-a", "-lp"] {
        let rows = ours(&[options, "-n"]);
        let others =
            rows.lines().skip(2).filter(|row| !row.starts_with("tcp") && !row.starts_with("udp"));
        assert_eq!(others.count(), 0, "{rows}");
    }
}

#[test]
fn a_mistake_is_one_line_and_netstats_status() {
    for (args, line) in [
        (&["-z"][..], "error: unexpected argument '-z' found"),
        (&["-tulpnz"], "error: unexpected argument '-z' found"),
        (&["more"], "error: unexpected argument 'more' found"),
        (
            &["--watch", "0"],
            "error: invalid value '0' for '--watch <SECONDS>': a time is a number of seconds \
             greater than 0, such as 0.5",
        ),
    ] {
        let output = socklab().arg("netstat").args(args).output().expect("it runs");
        assert_eq!(output.status.code(), Some(3), "{args:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), format!("{line}\n"), "{args:?}");
        assert!(output.stdout.is_empty());
    }
    let theirs = Command::new("netstat").arg("-z").output().expect("netstat runs");
    assert_eq!(theirs.status.code(), Some(3));
    // Twice is as good as once.
    assert!(run(socklab().args(["netstat", "-ttlnn"])).stderr.is_empty());
}

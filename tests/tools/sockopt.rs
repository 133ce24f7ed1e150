//! `socklab sockopt`: its readings against another program's, its errors, its demonstrations, and a
//! kernel that does otherwise.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use socklab::tool::sockopt::show::DEMONSTRATIONS;

use crate::support;

fn sockopt(args: &[&str]) -> Output {
    let mut command = support::socklab();
    command.arg("sockopt").args(args).stdin(Stdio::null());
    command.output().expect("the program runs")
}

fn stdout(output: &Output) -> &str {
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    std::str::from_utf8(&output.stdout).expect("UTF-8")
}

fn json(args: &[&str]) -> Value {
    let output = sockopt(&[args, &["--json"]].concat());
    let text = stdout(&output);
    assert_eq!(text.lines().count(), 1, "{text}");
    serde_json::from_str(text).expect("JSON")
}

/// Reads what the list has, by Python's socket module, and sets it; prints what is not the same.
const PYTHON: &str = r#"
import errno, json, socket, struct, sys
LEVELS = {"SOL_SOCKET": 1, "IPPROTO_IP": 0, "IPPROTO_IPV6": 41, "IPPROTO_TCP": 6, "IPPROTO_UDP": 17}
# Read under the number of another.
BY = {"SO_RCVBUFFORCE": socket.SO_RCVBUF, "SO_SNDBUFFORCE": socket.SO_SNDBUF}
def error(e):
    name = errno.errorcode[e.errno]
    return "EOPNOTSUPP" if name == "ENOTSUP" else name
def value(kind, raw):
    if kind in ("flag", "int"): return struct.unpack("i", raw)[0]
    if kind == "unsigned": return struct.unpack("I", raw)[0]
    if kind == "linger": return dict(zip(("l_onoff", "l_linger"), struct.unpack("ii", raw)))
    if kind == "timeval": return dict(zip(("tv_sec", "tv_usec"), struct.unpack("ll", raw)))
    if kind == "string": return raw.split(b"\0")[0].decode()
    if kind == "in_addr": return socket.inet_ntoa(raw)
    if kind in ("ulong", "64 bits"): return struct.unpack("Q", raw)[0]
    if kind == "2 ints": return list(struct.unpack("ii", raw))
    if kind == "tcp_info": return {7: "CLOSE"}[raw[0]]
    if kind == "9 ints": return list(struct.unpack("9I", raw))
    raise ValueError(kind)
SIZES = {"linger": 8, "timeval": 16, "string": 16, "ulong": 8, "64 bits": 8, "2 ints": 8,
         "tcp_info": 32, "9 ints": 36}
compared = 0
for row in json.load(sys.stdin)["options"]:
    name, kind = row["option"], row["type"]
    if hasattr(socket, name) and getattr(socket, name) != row["number"]:
        print(name, row["number"], "is", getattr(socket, name))
    for cell in row["sockets"]:
        family = {"ipv4": socket.AF_INET, "ipv6": socket.AF_INET6}[cell["family"]]
        sort = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}[cell["protocol"]]
        s = socket.socket(family, sort)
        level, number = LEVELS[row["level"]], row["number"]
        try:
            raw = s.getsockopt(level, BY.get(name, number), SIZES.get(kind, 4))
            found = {"default": value(kind, raw)}
            if name in ("SO_COOKIE", "TCP_TIMESTAMP"): found["default"] = cell.get("default")
            if kind == "string": raw = raw.ljust(16, b"\0")
            if kind in ("tcp_info", "9 ints"): raw = bytes(4)
            try:
                s.setsockopt(level, number, raw)
                found["set"] = "yes"
            except OSError as e: found["set"] = {"no": error(e)}
        except OSError as e: found = {"error": error(e)}
        seen = {key: cell[key] for key in ("default", "error", "set") if key in cell}
        compared += 1
        if found != seen: print(name, cell, found)
        s.close()
print(compared)
"#;

#[test]
fn every_reading_is_pythons() {
    let list = sockopt(&["list", "--json"]);
    let parsed: Value = serde_json::from_str(stdout(&list)).expect("JSON");
    let rows = parsed["options"].as_array().expect("options");
    assert!(rows.len() > 130, "{} options", rows.len());
    let cells: usize =
        rows.iter().map(|row| row["sockets"].as_array().expect("sockets").len()).sum();
    let mut python = Command::new("python3")
        .args(["-c", PYTHON])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3");
    python.stdin.take().expect("piped").write_all(&list.stdout).expect("python reads");
    let output = python.wait_with_output().expect("python ends");
    assert_eq!(String::from_utf8_lossy(&output.stdout), format!("{cells}\n"));
}

#[test]
fn the_table_has_a_row_for_each_and_fits() {
    let output = sockopt(&["list"]);
    let table = stdout(&output);
    assert!(table.lines().all(|line| line.chars().count() <= 100), "{table}");
    let json = json(&["list"]);
    for row in json["options"].as_array().expect("options") {
        let name = format!(" {} ", row["option"].as_str().expect("a name"));
        assert_eq!(table.lines().filter(|line| line.starts_with(&name)).count(), 1, "{name}");
    }
    let row = |name: &str| {
        let name = format!(" {name} ");
        table.lines().find(|line| line.starts_with(&name)).map(str::to_owned).expect("a row")
    };
    assert!(row("SO_SNDLOWAT").contains("ENOPROTOOPT"), "{table}");
    assert!(row("IP_RECVIF").contains(" none "), "{table}");
    // The error is that of the sockets that it is made for.
    assert!(row("IPV6_MTU").contains(" ENOTCONN  "), "{table}");
    assert_eq!(json["absent"]["option"], "IP_RECVIF");
    let output = sockopt(&["list", "udp_"]);
    assert_eq!(stdout(&output).lines().filter(|line| line.starts_with(" UDP_")).count(), 6);
}

#[test]
fn get_and_set() {
    let output = sockopt(&["get", "so_type", "--udp", "-6"]);
    assert_eq!(stdout(&output), "SO_TYPE = 2 (UDP over IPv6)\n");
    assert_eq!(json(&["get", "SO_DOMAIN"])["value"], 2);
    let output = sockopt(&["get", "IPV6_V6ONLY"]);
    assert_eq!(stdout(&output), "IPV6_V6ONLY = 0 (TCP over IPv6)\n");

    for (setting, after) in [
        ("SO_RCVBUF=50000", "100000"),
        ("SO_SNDBUF=0", "4608"),
        ("SO_KEEPALIVE=42", "1"),
        ("SO_KEEPALIVE=on", "1"),
        ("SO_LINGER=on,5", "on,5"),
        ("SO_LINGER=off", "off"),
        ("SO_RCVTIMEO=2.5", "2.5"),
        ("SO_RCVLOWAT=0", "1"),
        ("IP_TTL=255", "255"),
        ("IP_TOS=0x10", "16"),
        ("IP_MULTICAST_IF=127.0.0.1", "127.0.0.1"),
        ("SO_MAX_PACING_RATE=1000", "1000"),
        ("TCP_CONGESTION=reno", "reno"),
        ("IPV6_UNICAST_HOPS=0", "0"),
    ] {
        let output = sockopt(&["set", setting]);
        let lines: Vec<&str> = stdout(&output).lines().collect();
        assert_eq!(
            lines.get(3),
            Some(&format!("after   {after}").as_str()),
            "{setting}: {lines:?}"
        );
        assert!(lines[1].starts_with("before  ") && lines[2].starts_with("asked   "), "{lines:?}");
    }
    let doubled = json(&["set", "SO_RCVBUF=50000", "--udp"]);
    assert_eq!((&doubled["asked"], &doubled["after"]), (&50_000.into(), &100_000.into()));
    assert!(doubled["note"].as_str().is_some_and(|note| note.contains("doubles")), "{doubled}");
    assert!(json(&["set", "IP_TTL=7"]).get("note").is_none());
    // It can be set, but not be read.
    assert_eq!(json(&["set", "IPV6_MTU=1280"])["after"]["error"], "ENOTCONN");
}

/// What the registry says that an option takes: the last values that are taken, and the first that are not.
#[test]
fn the_bounds_that_are_named_are_the_kernels() {
    for (name, taken, refused) in [
        ("IP_TTL", &["-1", "1", "255"][..], &["-2", "0", "256"][..]),
        ("IP_MINTTL", &["0", "255"], &["-1", "256"]),
        ("IP_MULTICAST_TTL", &["-1", "0", "255"], &["-2", "256"]),
        ("IP_MTU_DISCOVER", &["0", "5"], &["-1", "6"]),
        ("IPV6_UNICAST_HOPS", &["-1", "0", "255"], &["-2", "256"]),
        ("IPV6_TCLASS", &["-1", "0", "255"], &["-2", "256"]),
        ("IPV6_MINHOPCOUNT", &["0", "255"], &["-1", "256"]),
        ("IPV6_MTU", &["1280"], &["1279"]),
        ("SO_BUF_LOCK", &["0", "3"], &["4", "-1"]),
        ("TCP_MAXSEG", &["0", "88", "32767"], &["87", "32768"]),
        ("TCP_KEEPIDLE", &["1", "32767"], &["0", "32768"]),
        ("TCP_KEEPINTVL", &["1", "32767"], &["0", "32768"]),
        ("TCP_KEEPCNT", &["1", "127"], &["0", "128"]),
        ("TCP_SYNCNT", &["1", "127"], &["0", "128"]),
        ("TCP_USER_TIMEOUT", &["0", "2147483647"], &["-1"]),
        ("SO_RCVTIMEO", &["0", "0.999999", "0,999999"], &["0,1000000", "0,-1"]),
    ] {
        for value in taken {
            let setting = format!("{name}={value}");
            let output = sockopt(&["set", &setting]);
            assert!(stdout(&output).contains("asked"), "{setting}");
        }
        for value in refused {
            let setting = format!("{name}={value}");
            let output = sockopt(&["set", &setting]);
            let line = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "{setting}: {output:?}");
            assert!(line.contains(&format!("{name} takes ")), "{setting}: {line}");
        }
    }
}

#[test]
fn what_the_kernel_refuses_is_said_with_value_and_remedy() {
    for (args, line) in [
        (
            &["set", "SO_SNDLOWAT=5"][..],
            "setsockopt SO_SNDLOWAT=5: ENOPROTOOPT (Protocol not available): Linux has it at 1 and lets \
             nobody set it; TCP_NOTSENT_LOWAT is its nearest\n",
        ),
        (
            &["set", "IP_TTL=256"],
            "setsockopt IP_TTL=256: EINVAL (Invalid argument): IP_TTL takes 1 to 255, or -1 for \
             net.ipv4.ip_default_ttl\n",
        ),
        (
            &["set", "SO_TYPE=1"],
            "setsockopt SO_TYPE=1: ENOPROTOOPT (Protocol not available): SO_TYPE can only be read\n",
        ),
        (
            &["get", "TCP_NODELAY", "--udp"],
            "getsockopt TCP_NODELAY: EOPNOTSUPP (Operation not supported): TCP_NODELAY is for other \
             sockets: try --tcp\n",
        ),
        (
            &["get", "UDP_GRO", "--tcp", "-6"],
            "getsockopt UDP_GRO: ENOPROTOOPT (Protocol not available): UDP_GRO is for other sockets: \
             try --udp\n",
        ),
        (
            &["get", "IP_MTU"],
            "getsockopt IP_MTU: ENOTCONN (Transport endpoint is not connected): only a connected \
             socket has it, and a fresh one is not\n",
        ),
        (
            &["set", "SO_RCVTIMEO=0,1000000"],
            "setsockopt SO_RCVTIMEO=0,1000000: EDOM (Numerical argument out of domain): SO_RCVTIMEO \
             takes seconds, and 0 to 999999 microseconds; rounded up to the kernel's clock\n",
        ),
        (
            &["set", "TCP_CONGESTION=nosuch"],
            "setsockopt TCP_CONGESTION=nosuch: ENOENT (No such file or directory): TCP_CONGESTION \
             takes a name of /proc/sys/net/ipv4/tcp_available_congestion_control\n",
        ),
        (
            &["set", "SO_BINDTODEVICE=nosuch"],
            "setsockopt SO_BINDTODEVICE=nosuch: ENODEV (No such device): `ip link` lists the \
             interfaces\n",
        ),
    ] {
        let output = sockopt(args);
        assert_eq!(String::from_utf8_lossy(&output.stderr), line, "{args:?}");
        assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{args:?}");
    }
}

#[test]
fn without_privilege_the_kernel_refuses_more() {
    for (setting, name) in [("SO_DEBUG=1", "EACCES"), ("SO_MARK=1", "EPERM")] {
        match crate::without_privilege(&["sockopt", "set", setting]) {
            Ok(output) => {
                let line = String::from_utf8_lossy(&output.stderr);
                assert!(line.contains(name) && line.contains("privilege"), "{setting}: {line}");
                assert_eq!(output.status.code(), Some(1));
            }
            Err(why) => eprintln!("skipped: {setting} without privilege: {why}"),
        }
    }
}

#[test]
fn hostile_arguments_are_one_line_and_status_2() {
    for args in [
        &["get"][..],
        &["get", ""],
        &["get", "\u{1b}[31m"],
        &["get", "SO_NOSUCH"],
        &["get", "IP_RECVIF"],
        &["get", "SO_TYPE", "--tcp", "--udp"],
        &["set", "SO_RCVBUF"],
        &["set", "="],
        &["set", "SO_RCVBUF="],
        &["set", "SO_RCVBUF=99999999999999999999999"],
        &["set", "SO_RCVBUF=1\n2"],
        &["set", "SO_LINGER=on"],
        &["set", "SO_RCVTIMEO=inf"],
        &["set", "TCP_CONGESTION=much too long a name"],
        &["show", "SO_TYPE"],
        &["show", "nosuch\r\n"],
        &["list", "\u{1b}]0;x\u{7}"],
        &["nosuch"],
    ] {
        let output = sockopt(args);
        let line = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), line.lines().count()), (Some(2), 1), "{args:?}: {line}");
        let controls = line.trim_end().chars().filter(|c| c.is_control()).count();
        assert!(output.stdout.is_empty() && controls == 0, "{args:?}: {line:?}");
    }
    let output = sockopt(&["set", "TCP_CONGESTION=\u{1b}[2J"]);
    let line = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && !line.contains('\u{1b}'), "{line:?}");
}

/// A test for each, so that they run beside one another.
macro_rules! demonstrations {
    ($($test:ident $name:literal;)*) => {
        const SHOWN: &[&str] = &[$($name),*];
        $(#[test] fn $test() { shows($name); })*
    };
}

demonstrations! {
    linger "SO_LINGER";
    keepalive "SO_KEEPALIVE";
    rcvbuf "SO_RCVBUF";
    sndbuf "SO_SNDBUF";
    rcvlowat "SO_RCVLOWAT";
    rcvtimeo "SO_RCVTIMEO";
    reuseaddr "SO_REUSEADDR";
    ttl "IP_TTL";
    pktinfo "IP_PKTINFO";
    user_timeout "TCP_USER_TIMEOUT";
}

fn shows(name: &str) {
    let outcome = json(&["show", name]);
    let observations = outcome["observations"].as_array().expect("observations");
    assert!(observations.len() > 4, "{outcome}");
    for seen in observations {
        assert_eq!(seen["as_expected"], true, "{seen}");
    }
    for reason in outcome["left_out"].as_array().expect("reasons") {
        eprintln!("skipped: {name}: {reason}");
    }
}

/// Nobody else's ports are in its way, nor is the state of the machine's network.
#[test]
fn reuseaddr_is_shown_in_a_network_of_its_own() {
    let has = Command::new("unshare")
        .args(["-Urn", "unshare", "-Urn", "ip", "link", "set", "lo", "up"])
        .output();
    if !has.is_ok_and(|has| has.status.success()) {
        return eprintln!("skipped: no network of its own can be had here");
    }
    let mut command = Command::new("unshare");
    // Its loopback interface is down.
    command.args(["-Urn", env!("CARGO_BIN_EXE_socklab"), "sockopt", "show", "SO_REUSEADDR"]);
    let output = command.stdin(Stdio::null()).output().expect("it runs");
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn who_has_no_privilege_sees_the_same() {
    for name in ["SO_KEEPALIVE", "TCP_USER_TIMEOUT", "IP_TTL"] {
        let output = match crate::without_privilege(&["sockopt", "show", name]) {
            Ok(output) => output,
            Err(why) => return eprintln!("skipped: without privilege: {why}"),
        };
        let text = String::from_utf8_lossy(&output.stdout);
        let said = String::from_utf8_lossy(&output.stderr);
        if text.contains("left out: ") {
            eprintln!("skipped: {name} without privilege: {text}");
        } else {
            assert!(output.status.success() && said.is_empty(), "{name}: {said}{text}");
        }
    }
}

#[test]
fn every_demonstration_is_tested_and_listed() {
    let names: Vec<&str> = DEMONSTRATIONS.iter().map(|demonstration| demonstration.name).collect();
    assert_eq!(names, SHOWN);
    let output = sockopt(&["show"]);
    let listed: Vec<&str> =
        stdout(&output).lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(listed, names);
    assert_eq!(json(&["show"]).as_array().map(Vec::len), Some(names.len()));
}

/// A C library whose setsockopt does nothing for one option, and says that all is well.
const LIAR: &str = r#"
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/socket.h>

int setsockopt(int fd, int level, int optname, const void *optval, socklen_t optlen)
{
	int (*next)(int, int, int, const void *, socklen_t);
	*(void **)&next = dlsym(RTLD_NEXT, "setsockopt");
	if (level == atoi(getenv("LIE_LEVEL")) && optname == atoi(getenv("LIE_OPTNAME")))
		return 0;
	return next(fd, level, optname, optval, optlen);
}
"#;

fn liar() -> Option<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let library = folder.join(format!("liar-{}.so", std::process::id()));
    let mut cc = Command::new("cc")
        .args(["-shared", "-fPIC", "-D_GNU_SOURCE", "-x", "c", "-", "-o"])
        .arg(&library)
        .arg("-ldl")
        .stdin(Stdio::piped())
        .spawn()
        .ok()?;
    cc.stdin.take().expect("piped").write_all(LIAR.as_bytes()).expect("cc reads");
    cc.wait().expect("cc ends").success().then_some(library)
}

#[test]
fn a_kernel_that_does_otherwise_is_found_out() {
    if cfg!(target_feature = "crt-static") {
        return eprintln!("skipped: a kernel that does otherwise: the C library is linked in");
    }
    let Some(library) = liar() else {
        return eprintln!("skipped: a kernel that does otherwise: no C compiler");
    };
    let lied_to = |args: &[&str], level: &str, optname: &str| {
        let mut command = support::socklab();
        // Without `unshare`, so without the part that is run in namespaces.
        command.args(args).env("PATH", "/nonexistent").env("LD_PRELOAD", &library);
        command.env("LIE_LEVEL", level).env("LIE_OPTNAME", optname).stdin(Stdio::null());
        command.output().expect("the program runs")
    };
    for (name, level, optname) in [
        ("SO_RCVLOWAT", "1", "18"),
        ("SO_REUSEADDR", "1", "2"),
        ("SO_RCVBUF", "1", "8"),
        ("SO_SNDBUF", "1", "7"),
        ("IP_TTL", "0", "2"),
        ("IP_PKTINFO", "0", "8"),
    ] {
        let output = lied_to(&["sockopt", "show", name], level, optname);
        let (text, line) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(1), "{name}: {text}{line}");
        assert!(line.starts_with(&format!("{name}: ")) && line.contains(" differ: "), "{line}");
        assert!(text.lines().any(|line| line.starts_with("! ")), "{name}: {text}");
        // Nothing else is lied about.
        let output = lied_to(&["sockopt", "show", name], "999", "0");
        assert!(output.status.success(), "{name}: {output:?}");
    }
    let output = lied_to(&["readiness"], "1", "18");
    let line = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && line.contains("SO_RCVLOWAT is 10"), "{output:?}");
    std::fs::remove_file(library).expect("removed");
}

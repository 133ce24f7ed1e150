//! The resolver's functions by their C names, in Rust and in C, over hosts, services and protocols of
//! their own: the same bytes and the same exit status, and the values that Python and getent find.

mod dns;
mod hostile;
mod manners;
mod peers;
mod values;

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::support;

const FUNCTIONS: [&str; 8] = [
    "gethostbyname",
    "gethostbyaddr",
    "getservbyname",
    "getservbyport",
    "getprotobyname",
    "getprotobynumber",
    "getaddrinfo",
    "getnameinfo",
];

/// Names of the lecture, names with several addresses, and names that a terminal would obey.
const HOSTS: &[u8] = b"\
127.0.0.1 localhost
127.0.1.1 thishost.mydomain.org thishost
192.168.1.10 foo.mydomain.org foo
192.168.1.13 bar.mydomain.org bar
192.168.1.14 bar.mydomain.org baz
::1 localhost ip6-localhost
2001:db8::7 six.mydomain.org six
::1.2.3.4 compatible
192.0.2.66 e\x1b[31mvil.example \xc2\x9b2J del\x7f e\xffvil \xe2\x82 r\xc3\xa9al
192.0.2.67 return\r\x08 end\r
192.0.2.68 LONG
";

const SERVICES: &[u8] = b"\
ssh 22/tcp
time 37/tcp timserver
domain 53/tcp
domain 53/udp
tftp 69/udp
http 80/tcp www www-http
Case 4000/tcp
e\x1bvil 4001/tcp \xff
associations 5000/sctp
";

const PROTOCOLS: &[u8] = b"\
ip 0 IP
icmp 1 ICMP
tcp 6 TCP
udp 17 UDP
ipv6-icmp 58 IPv6-ICMP
multipath 262 MPTCP
e\x1bvil 77 \xff
";

const SOURCES: &str = "hosts: files\nservices: files\nprotocols: files\nnetworks: files\n";

/// What a program said.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Said {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    status: i32,
}

impl Said {
    fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }
}

type Words = Vec<OsString>;

fn words<S: AsRef<OsStr>>(words: &[S]) -> Words {
    words.iter().map(|word| word.as_ref().to_owned()).collect()
}

/// A word as a shell reads it.
fn quoted(word: &OsStr) -> Vec<u8> {
    let mut quoted = vec![b'\''];
    for &byte in word.as_bytes() {
        if byte == b'\'' {
            quoted.extend(b"'\\''");
        } else {
            quoted.push(byte);
        }
    }
    quoted.push(b'\'');
    quoted
}

/// Runs commands where only the files above are asked.
fn run_all(commands: &[Words]) -> Option<Vec<Said>> {
    run_in(SOURCES, "", commands)
}

/// Runs commands, one after the other, in a mount namespace and a network of their own, where the files
/// above are the machine's, and so are the sources; some lines of shell come first. None, and why on
/// standard error, where there can be no such namespace.
fn run_in(sources: &str, before: &str, commands: &[Words]) -> Option<Vec<Said>> {
    static FOLDERS: AtomicU32 = AtomicU32::new(0);
    let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
    let folder = format!("resolve-{}-{number}", std::process::id());
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(folder);
    fs::create_dir_all(&folder).expect("a folder");
    let hosts = String::from_utf8_lossy(HOSTS).contains("LONG").then(|| {
        let at = HOSTS.windows(4).position(|word| word == b"LONG").expect("LONG");
        [&HOSTS[..at], &long_name(), &HOSTS[at + 4..]].concat()
    });
    let mut script = b"set -u\n".to_vec();
    for (name, text) in [
        ("hosts", hosts.expect("a line for it").as_slice()),
        ("services", SERVICES),
        ("protocols", PROTOCOLS),
        ("nsswitch.conf", sources.as_bytes()),
    ] {
        fs::write(folder.join(name), text).expect("written");
        writeln!(script, "mount --bind {name} /etc/{name} || exit 42").expect("written");
    }
    writeln!(script, "ip link set lo up || exit 42\n{before}").expect("written");
    for (at, command) in commands.iter().enumerate() {
        let command: Vec<Vec<u8>> = command.iter().map(|word| quoted(word)).collect();
        script.extend(command.join(&b' '));
        writeln!(script, " </dev/null >{at}.out 2>{at}.err; echo $? >{at}.status")
            .expect("written");
    }
    fs::write(folder.join("script"), script).expect("written");
    let mut unshare = Command::new("unshare");
    unshare.args(["-Urnm", "--map-root-user", "sh", "script"]).current_dir(&folder);
    let tried = unshare
        .env("LC_ALL", "C")
        .env("RESOLV_MULTI", "on")
        .env_remove("HOSTALIASES")
        .output()
        .expect("unshare");
    if !tried.status.success() {
        let why = String::from_utf8_lossy(&tried.stderr);
        // unshare's status, and that of the script above.
        assert!(matches!(tried.status.code(), Some(1 | 42)), "{why}");
        eprintln!("skipped: no files of its own: {why}");
        fs::remove_dir_all(folder).expect("removed");
        return None;
    }
    let said = |at: usize| {
        let read = |what: &str| fs::read(folder.join(format!("{at}.{what}"))).expect("written");
        let status = String::from_utf8(read("status")).expect("digits");
        let status = status.trim().parse().expect("a status");
        Said { stdout: read("out"), stderr: read("err"), status }
    };
    let said = (0..commands.len()).map(said).collect();
    fs::remove_dir_all(folder).expect("removed");
    Some(said)
}

/// Longer than any name of DNS, and than any buffer that a first try of the C library has.
fn long_name() -> Vec<u8> {
    b"long.".repeat(2000)
}

/// A function's three programs: Rust, C, and C under the sanitizers.
fn programs(function: &str) -> [Words; 3] {
    let c = |kind: &str| support::c_program(&format!("{kind}resolve/{function}")).into();
    let rust: OsString = support::socklab().get_program().to_owned();
    [vec![rust, function.into()], vec![c("")], vec![c("sanitized/")]]
}

/// What Rust says, once all three have said the same. The first word of each is the function.
fn alike(asked: &[Words]) -> Option<Vec<Said>> {
    alike_in(SOURCES, "", asked)
}

fn alike_in(sources: &str, before: &str, asked: &[Words]) -> Option<Vec<Said>> {
    let mut commands = Vec::new();
    for words in asked {
        let function = words[0].to_str().expect("a function");
        for mut program in programs(function) {
            program.extend_from_slice(&words[1..]);
            commands.push(program);
        }
    }
    let said = run_in(sources, before, &commands)?;
    let mut first = Vec::new();
    for (words, said) in asked.iter().zip(said.chunks(3)) {
        assert_eq!(said[0], said[1], "{words:?}: Rust (left) and C (right)");
        assert_eq!(said[1], said[2], "{words:?}: C (left) and the same, sanitized (right)");
        assert!((0..=2).contains(&said[0].status), "{words:?}: {:?}", said[0]);
        first.push(said[0].clone());
    }
    Some(first)
}

#[track_caller]
fn assert_all(rows: &[(&[&str], i32, &str)]) {
    assert_all_in(SOURCES, "", rows);
}

#[track_caller]
fn assert_all_in(sources: &str, before: &str, rows: &[(&[&str], i32, &str)]) {
    let asked: Vec<Words> = rows.iter().map(|(asked, ..)| words(asked)).collect();
    let Some(said) = alike_in(sources, before, &asked) else { return };
    for ((asked, status, text), said) in rows.iter().zip(said) {
        let (shown, other) = if *status == 0 {
            (said.stdout(), said.stderr())
        } else {
            (said.stderr(), said.stdout())
        };
        assert_eq!(
            (said.status, shown.trim_end(), other.as_str()),
            (*status, *text, ""),
            "{asked:?}"
        );
    }
}

//! `socklab examine --inetd`: what a program does that finds its client, or the socket, at its descriptors 0, 1 and 2.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use serde_json::Value;

use crate::all;
use crate::support::{c_program, python, socklab};

/// Examines a command that is started as these options say.
fn examine_as(style: &[&str], options: &[&str], command: &[&str]) -> Output {
    let mut examiner = socklab();
    examiner.args(["examine", "--json"]).args(style).args(options).arg("--").args(command);
    examiner.stdin(Stdio::null()).output().expect("socklab runs")
}

fn read(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)))
}

/// Examines a command that is started for each client.
fn examine(options: &[&str], command: &[&str]) -> Output {
    examine_as(&["--inetd"], options, command)
}

fn examined(options: &[&str], command: &[&str]) -> Value {
    read(&examine(options, command))
}

fn word<'a>(finding: &'a Value, field: &str) -> &'a str {
    finding[field].as_str().expect("text")
}

/// Each check that is not N/A, with its verdict; what was N/A was so because of inetd, or of something else.
fn judged(found: &Value) -> Vec<(String, String)> {
    let findings = found["findings"].as_array().expect("findings").iter();
    let judged = findings.filter(|finding| word(finding, "verdict") != "n/a");
    judged.map(|finding| (word(finding, "id").into(), word(finding, "verdict").into())).collect()
}

fn assert_well(found: &Value) {
    assert_eq!(found["trouble"], Value::Null);
    for finding in found["findings"].as_array().expect("findings") {
        assert!(["pass", "info", "n/a"].contains(&word(finding, "verdict")), "{finding}");
    }
}

/// What doesn't take long; the script that doesn't limit its line, and what waits for ever, are told elsewhere.
const CHECKS: &str = "A,B,C,D1,D7,D8,D9,D10,D11,D12,D13,D17,D18,E,F6,H,I";

#[test]
fn designs_and_their_super_server() {
    let c = c_program("inetd").display().to_string();
    let cases = [vec![c.as_str()], vec![env!("CARGO_BIN_EXE_socklab"), "serve", "inetd"]];
    all(
        &cases,
        |command| format!("{command:?}"),
        |command| {
            let found = examined(&["--only", CHECKS, "--claims", "inetd"], command);
            assert_well(&found);
            let identity = word(&found["identity"], "design");
            assert_eq!(identity, "fork and exec: a program for each client, by inetd");
            assert!(word(&found, "isolation").contains("(inetd, nowait)"), "{found}");
            let made: Vec<String> = judged(&found).into_iter().map(|(id, _)| id).collect();
            for own in ["A1", "B1", "B2", "C10", "D1", "D10", "D12", "D18", "E1", "E6"] {
                assert!(made.iter().any(|id| id == own), "{own} is not judged: {made:?}");
            }
            for finding in found["findings"].as_array().expect("findings") {
                let (id, what) = (word(finding, "id"), word(finding, "what"));
                let is_its = ["A2", "A3", "A4", "C3", "E2", "H1", "H2", "I1"].contains(&id);
                assert!(!is_its || what == "that is inetd's part", "{id}: {what}");
            }
        },
    );
}

#[test]
fn an_echo() {
    let options = ["--send", "hello\\n", "--expect", "hello"];
    let found = examined(&[&options[..], &["--only", CHECKS]].concat(), &["cat"]);
    assert_well(&found);
    // Each piece of a line comes back at once, and all of it in the end.
    let found = examined(&[&options[..], &["--only", "D4,D5"]].concat(), &["cat"]);
    let wanted = [("D4", "pass"), ("D5", "pass")].map(|(id, verdict)| (id.into(), verdict.into()));
    assert_eq!(judged(&found), wanted, "{found}");
}

/// Whoever answers unasked waits for nobody: it is a program for each client all the same.
#[test]
fn a_program_that_asks_nothing() {
    let options = ["--send", "", "--expect", ".", "--only", "C10,D1,D2,D8,D10"];
    let found = examined(&options, &["date"]);
    let wanted = [("C10", "info"), ("D8", "pass")];
    let wanted = wanted.map(|(id, verdict)| (id.into(), verdict.into()));
    assert_eq!(judged(&found), wanted, "{found}");
    let design = found["identity"]["design"].as_str().expect("text");
    assert!(design.starts_with("fork and exec"), "{design}");
}

/// A file of a test's, removed with it.
struct Script(PathBuf);

impl Script {
    fn new(name: &str, text: &str) -> Self {
        let path =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{name}", std::process::id()));
        std::fs::write(&path, text).expect("a file");
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().expect("UTF-8")
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn a_script_of_a_shell() {
    let script = Script::new("says.sh", "read -r line && echo \"you said $line\"\n");
    let options = ["--send", "hello\\n", "--expect", "you said hello", "--only", CHECKS];
    assert_well(&examined(&options, &["sh", script.path()]));
}

#[test]
fn a_script_of_a_shell_that_leaves_a_child() {
    let text = "read -r line && echo \"you said $line\"; sleep 1000 >/dev/null 2>&1 </dev/null &\n";
    let script = Script::new("leaves.sh", text);
    let options = ["--send", "hello\\n", "--expect", "you said hello", "--only", "A1,E1,E6"];
    let found = examined(&options, &["sh", script.path()]);
    let wanted = [("A1", "pass"), ("E1", "pass"), ("E6", "fail")];
    assert_eq!(judged(&found), wanted.map(|(id, verdict)| (id.into(), verdict.into())), "{found}");
}

#[test]
fn a_script_in_python() {
    let script = Script::new(
        "fib.py",
        "import sys\na, b = 0, 1\nfor _ in range(int(sys.stdin.readline())):\n    a, b = b, a + b\nprint(a)\n",
    );
    let options = ["--wait", "30", "--only", "A1,B1,B2,C10,D1,D8,D9,D12,D15,E1,E6"];
    let found = examined(&options, &[python(), script.path()]);
    assert_well(&found);
    // What takes long is to be started, and not to be computed.
    assert!(judged(&found).iter().all(|(id, _)| id != "D15"), "{found}");
}

#[test]
fn what_can_not_be_started_is_told() {
    for (command, why) in [
        ("nosuch", "No such file"),
        ("./nosuch", "No such file"),
        ("/etc/passwd", "Permission denied"),
    ] {
        let output = examine(&[], &[command]);
        let found: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let trouble = word(&found, "trouble");
        assert!(trouble.starts_with(command) && trouble.contains(why), "{trouble}");
        assert_eq!(output.status.code(), Some(2));
    }
    let mut wrong = socklab();
    let output = wrong.args(["examine", "--inetd", "forked"]).output().expect("socklab runs");
    assert_eq!(output.status.code(), Some(2));
}

/// Started with the socket, of TCP and of UDP.
const TCP: &[&str] = &["--inetd=wait", "--wait=30"];
const UDP: &[&str] = &["--inetd=wait", "--udp", "--wait=30"];

/// What a script has before it comes to its clients, and how it serves one of them.
const SERVE: &str = r#"
import socket, sys, time
s = socket.socket(fileno=0)

def fib(n):
    a, b = 0, 1
    for _ in range(n): a, b = b, a + b
    return a

def serve(client):
    line = b""
    while not line.endswith(b"\n"):
        more = client.recv(64)
        if not more: break
        line += more
    client.sendall(b"%d\n" % fib(int(line)))

def careful(client):
    try: serve(client)
    except (ValueError, OSError): pass
    client.close()
"#;

const ONCE: &str = "careful(s.accept()[0])\n";

/// It waits for so many seconds for the next one.
const IDLE: &str = "
while True:
    s.settimeout(float(sys.argv[1]))
    try: client, _ = s.accept()
    except TimeoutError: break
    client.settimeout(None)
    careful(client)
";

const CARELESS: &str = "
while True: serve(s.accept()[0])
";

const TIME_ONCE: &str = "
word, peer = s.recvfrom(64)
if word == b'time': s.sendto(time.ctime().encode(), peer)
";

const TIME_IDLE: &str = "
s.settimeout(float(sys.argv[1]))
while True:
    try: word, peer = s.recvfrom(64)
    except TimeoutError: break
    if word == b'time': s.sendto(time.ctime().encode(), peer)
";

const ANY_TIME: &str = "
_, peer = s.recvfrom(64)
s.sendto(time.ctime().encode(), peer)
";

fn serving(name: &str, rest: &str) -> Script {
    Script::new(name, &format!("{SERVE}{rest}"))
}

/// What each check comes to, with the words that it is to say.
fn assert_found(found: &Value, wanted: &[(&str, &str, &str)]) {
    assert_eq!(found["trouble"], Value::Null);
    let findings = found["findings"].as_array().expect("findings");
    for (id, verdict, says) in wanted {
        let finding = findings.iter().find(|finding| word(finding, "id") == *id);
        let finding = finding.unwrap_or_else(|| panic!("{id} is not there: {found}"));
        assert_eq!(word(finding, "verdict"), *verdict, "{finding}");
        assert!(finding.to_string().contains(says), "{id} does not say {says}: {finding}");
    }
    assert_eq!(findings.len(), wanted.len(), "{found}");
}

fn ids(wanted: &[(&str, &str, &str)]) -> String {
    wanted.iter().map(|(id, ..)| *id).collect::<Vec<_>>().join(",")
}

fn assert_judged(style: &[&str], command: &[&str], wanted: &[(&str, &str, &str)]) -> Value {
    let found = read(&examine_as(style, &["--only", &ids(wanted)], command));
    assert_found(&found, wanted);
    found
}

const PART: &str = "that is inetd's part";
const BETWEEN: &str = "it ends after each request";

#[test]
fn started_with_the_listening_socket_for_each_client() {
    let script = serving("once.py", ONCE);
    let wanted = [
        ("A1", "pass", "inetd listens on 127.0.0.1"),
        ("A2", "n/a", PART),
        ("A3", "n/a", PART),
        ("A5", "n/a", BETWEEN),
        ("A6", "n/a", BETWEEN),
        ("B1", "pass", ""),
        ("B2", "pass", ""),
        ("C3", "n/a", BETWEEN),
        ("C10", "pass", "iterative, started by inetd (wait)"),
        ("D1", "by-design", "until it had asked, too"),
        ("D8", "pass", ""),
        ("D10", "pass", ""),
        ("D11", "pass", ""),
        ("D12", "pass", ""),
        ("E1", "pass", ""),
        ("E2", "n/a", BETWEEN),
        ("E6", "pass", ""),
        ("E7", "n/a", PART),
        ("F6", "n/a", BETWEEN),
        ("G1", "n/a", BETWEEN),
        ("H2", "n/a", BETWEEN),
        ("H6", "n/a", PART),
        ("I1", "n/a", PART),
    ];
    let style = [TCP, &["--claims", "iterative"]].concat();
    let found = assert_judged(&style, &[python(), script.path()], &wanted);
    assert!(word(&found, "isolation").contains("its listening socket (inetd, wait)"), "{found}");
}

#[test]
fn started_with_the_listening_socket_until_it_is_idle() {
    let script = serving("idle.py", IDLE);
    let wanted = [
        ("A1", "pass", "and stays"),
        ("A4", "n/a", PART),
        ("A5", "pass", "SIGPIPE is ignored"),
        ("A6", "pass", "it sleeps"),
        ("C2", "info", "0 processes and 0 threads"),
        ("C3", "info", "poll(nfds=1)"),
        ("C10", "pass", "at rest: 1 process"),
        ("D1", "by-design", "until it had asked, too"),
        ("D8", "pass", ""),
        ("D11", "pass", ""),
        ("D12", "pass", ""),
        ("E2", "pass", ""),
        ("E6", "pass", ""),
        // The error ends it, and whoever comes next has it started again.
        ("F1", "fail", "inetd starts it again"),
        ("F6", "pass", ""),
        ("H2", "weak", "default action"),
        ("H3", "pass", "end of file"),
        ("H5", "pass", ""),
        ("H7", "pass", ""),
    ];
    let style = [TCP, &["--claims", "iterative"]].concat();
    assert_judged(&style, &[python(), script.path(), "60"], &wanted);
    // A shell that waits for it is no part of its design.
    let line = format!("{} {} 60; true", python(), script.path());
    assert_judged(&style, &["sh", "-c", &line], &[("C10", "pass", "at rest: 1 process")]);
}

/// That one ends is no fault of it, and what can't be seen because of that is not said to be so.
#[test]
fn an_end_of_its_own_is_no_death() {
    let script = serving("soon.py", IDLE);
    let wanted = [
        ("A1", "pass", ""),
        ("A6", "n/a", "it ended by itself meanwhile (exit status: 0)"),
        ("B1", "pass", ""),
    ];
    assert_judged(TCP, &[python(), script.path(), "0.8"], &wanted);
}

#[test]
fn a_death_is_told_though_it_is_started_again() {
    let script = serving("careless.py", CARELESS);
    let wanted = [
        ("A1", "pass", ""),
        ("B1", "pass", ""),
        ("D7", "fail", "the server ended (exit status: 1)"),
        ("D8", "fail", "inetd starts it again at the next request"),
        ("D17", "pass", ""),
    ];
    assert_judged(TCP, &[python(), script.path()], &wanted);
    // It answers, and its status says that it has failed.
    let failing = serving("failing.py", "careful(s.accept()[0])\nsys.exit(3)\n");
    let wanted = [("A1", "weak", "exit status: 3"), ("D8", "pass", "")];
    assert_judged(TCP, &[python(), failing.path()], &wanted);
}

#[test]
fn designs_with_the_listening_socket() {
    let c = c_program("inetd").display().to_string();
    let cases = [vec![c.as_str()], vec![env!("CARGO_BIN_EXE_socklab"), "serve", "inetd"]];
    all(
        &cases,
        |command| format!("{command:?}"),
        |command| {
            let options = ["--only", "A,B,C,D1,D8,D9,D10,D11,D12,D18,E,F6,F11,H"];
            let found = read(&examine_as(TCP, &options, command));
            let identity = word(&found["identity"], "design");
            assert_eq!(identity, "iterative, started by inetd (wait)");
            for (id, verdict) in judged(&found) {
                let may: &[&str] =
                    if id == "D1" { &["by-design"] } else { &["pass", "info", "blocked"] };
                assert!(may.contains(&verdict.as_str()), "{id} is {verdict}: {found}");
            }
        },
    );
}

#[test]
fn started_with_a_socket_of_udp() {
    let once = serving("time.py", TIME_ONCE);
    let idle = serving("times.py", TIME_IDLE);
    let wanted = |verdict, says| {
        [
            ("A1", "pass", "inetd is bound to 127.0.0.1"),
            ("A2", "n/a", PART),
            ("A6", verdict, says),
            ("C10", "info", "iterative, over UDP, started by inetd (wait)"),
            ("J1", "pass", "from where it was asked"),
            ("J2", "pass", ""),
            ("J3", "pass", ""),
            ("J4", "pass", ""),
            ("J5", "pass", ""),
            ("J6", "pass", ""),
            ("J7", "pass", ""),
        ]
    };
    let found = assert_judged(UDP, &[python(), once.path()], &wanted("n/a", BETWEEN));
    assert!(word(&found, "isolation").contains("its socket of UDP (inetd, wait)"), "{found}");
    assert_judged(UDP, &[python(), idle.path(), "60"], &wanted("pass", "it sleeps"));
    // Whoever answers answers has his like started by each of his own.
    let any = serving("any.py", ANY_TIME);
    assert_judged(UDP, &[python(), any.path()], &[("J6", "fail", "without an end")]);
}

#[test]
fn what_takes_nothing_is_started_so_often_and_no_more() {
    let cases: [(&[&str], &[&str], &str); 4] = [
        (TCP, &["cat"], "without taking the connection that waits: accept() it"),
        (TCP, &["true"], "is for --inetd=nowait"),
        (
            TCP,
            &["sh", "-c", "exit 3"],
            "sh was started 20 times in a row, and ended (exit status: 3)",
        ),
        (UDP, &["true"], "without taking the datagram that waits: read it"),
    ];
    for (style, command, why) in cases {
        let output = examine_as(style, &[], command);
        let found = read(&output);
        let trouble = word(&found, "trouble");
        assert!(trouble.contains(why), "{command:?}: {trouble}");
        assert!(judged(&found).is_empty(), "{found}");
        assert_eq!(output.status.code(), Some(2));
    }
    // This one takes it, and says nothing: that is a fault, and no riddle.
    let output = examine_as(UDP, &["--only", "A1"], &["head", "-c", "1"]);
    let found = read(&output);
    assert_found(&found, &[("A1", "fail", "not answered")]);
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn styles_that_are_none() {
    for (style, why) in [
        (&["--inetd=often"][..], "possible values: nowait, wait"),
        (&["--inetd=nowait", "--udp"], "--inetd=wait"),
        (&["--inetd", "--udp"], "--inetd=wait"),
        (&["--udp"], "--udp is for --inetd=wait"),
    ] {
        let output = examine_as(style, &[], &["cat"]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(why) && said.lines().count() == 1, "{style:?}: {said}");
        assert_eq!(output.status.code(), Some(2));
    }
}

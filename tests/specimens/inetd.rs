//! `socklab examine --inetd`: what a program does that finds its client at its descriptors 0, 1 and 2.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use serde_json::Value;

use crate::all;
use crate::support::{c_program, socklab};

/// Examines a command that is started for each client.
fn examine(options: &[&str], command: &[&str]) -> Output {
    let mut examiner = socklab();
    examiner.args(["examine", "--json", "--inetd"]).args(options).arg("--").args(command);
    examiner.stdin(Stdio::null()).output().expect("socklab runs")
}

fn examined(options: &[&str], command: &[&str]) -> Value {
    let output = examine(options, command);
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)))
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
    for (id, verdict) in judged(found) {
        assert!(["pass", "info"].contains(&verdict.as_str()), "{id} is {verdict}: {found}");
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
    let found = examined(&options, &["python3", script.path()]);
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

//! `socklab examine --attach`: a server that runs already is found to be the same as one that is started, and is left as
//! it was.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid};
use serde_json::Value;
use socklab::server::find;

use crate::examined::stranger;
use crate::look::{Rest, serves, settled};
use crate::support::{Language, Server, c_program, command, python, socklab, tids, tree};
use crate::watch::{descriptors, state, until, until_some};
use crate::{all, start};

fn attach(pid: i32, options: &[&str]) -> Command {
    let mut examiner = socklab();
    examiner.args(["examine", "--json", "--attach", &pid.to_string()]).args(options);
    examiner.stdin(Stdio::null());
    examiner
}

fn found(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        panic!("{error}: {}{}", said(&output.stdout), said(&output.stderr))
    })
}

fn examined(mut examiner: Command) -> Value {
    found(&examiner.output().expect("socklab runs"))
}

/// Each check's name, its verdict, and why.
fn verdicts(found: &Value) -> Vec<(String, String, String)> {
    let findings = found["findings"].as_array().expect("findings").iter();
    let word = |finding: &Value, field: &str| finding[field].as_str().expect("text").to_owned();
    findings
        .map(|finding| {
            let why = format!("{} {}", finding["what"], finding["evidence"]);
            (word(finding, "id"), word(finding, "verdict"), why)
        })
        .collect()
}

/// The one line that is said instead of an examination.
fn refused(mut examiner: Command) -> String {
    let output = examiner.output().expect("socklab runs");
    let said = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!((output.status.code(), &*output.stdout), (Some(2), &b""[..]), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    said
}

/// How many processes, threads and descriptors a server has.
fn census(server: &Server) -> [usize; 3] {
    let processes = tree(server.pid());
    let threads = processes.iter().map(|&pid| tids(pid).len()).sum();
    [processes.len(), threads, processes.iter().map(|&pid| descriptors(pid).len()).sum()]
}

/// What neither takes long nor leaves anything to chance, of what is made in both ways.
const CHECKS: &str = "A1,A2,A5,A6,B,C1,C3,C4,C5,C6,C7,C10,D1,D4,D5,D6,D7,D8,D9,D13,D14,D17,E,I,J";

#[test]
fn it_is_found_to_be_the_same() {
    let cases = [
        (Language::C, "iterative", &[][..]),
        (Language::Rust, "forked", &[]),
        (Language::C, "threaded", &[]),
        (Language::Rust, "preforked", &["--workers", "3"]),
        (Language::C, "epoll", &[]),
        (Language::Rust, "udp_iterative", &[]),
    ];
    all(
        &cases,
        |case| format!("{case:?}"),
        |&(language, name, options)| {
            let design = find(name).expect("a design");
            let server = Server::start_with(language, design, options);
            // Whatever it sets up for its first client is there then.
            if name != "udp_iterative" {
                assert!(serves(&server));
            }
            // The last client's connection may still be open when it has its answer.
            assert_eq!(settled(&server), Rest::Waits);
            let before = census(&server);
            let here = examined(attach(server.pid(), &["--only", CHECKS]));
            until("it is as before", || census(&server) == before);
            server.stop().assert_clean();

            let made = verdicts(&here);
            assert!(made.len() >= 15, "{made:?}");
            let ids: Vec<&str> = made.iter().map(|(id, ..)| id.as_str()).collect();
            let mut examiner = socklab();
            examiner.args(["examine", "--json", "--only", &ids.join(","), "--"]);
            let program = command(language, design);
            examiner.arg(program.get_program()).args(program.get_args());
            examiner.args(["--port", "{port}"]).args(options);
            let anew = examined(examiner);
            assert_eq!(here["identity"]["design"], anew["identity"]["design"]);
            assert_eq!(
                here["isolation"],
                format!("as it runs already: process {}", before_pid(&here))
            );
            let wanted = verdicts(&anew);
            for ((id, verdict, why), (other, wanted, reason)) in made.iter().zip(&wanted) {
                assert_eq!((id, verdict), (other, wanted), "attached: {why}; started: {reason}");
            }
        },
    );
}

/// The process id that the report has in the server's name.
fn before_pid(found: &Value) -> String {
    let name = found["server"].as_str().expect("text");
    name.rsplit_once("(process ").expect("a process").1.trim_end_matches(')').to_owned()
}

#[test]
fn what_it_dies_of_is_its_fault_and_the_rest_is_not_made() {
    let server = start("broken/dies_of_garbage");
    let found = examined(attach(server.pid(), &["--only", "A1,D4,D7,D8,D9"]));
    let verdicts = verdicts(&found);
    let words: Vec<&str> = verdicts.iter().map(|(_, verdict, _)| verdict.as_str()).collect();
    assert_eq!(words, ["pass", "pass", "fail", "blocked", "blocked"], "{verdicts:?}");
    let (_, _, why) = &verdicts[2];
    assert!(
        why.contains(&format!("process {} has ended, as its pidfd says", server.pid())),
        "{why}"
    );
    // That is its parent's to know: this test's, and not the examiner's.
    assert!(!why.contains("exit status") && !why.contains("signal"), "{why}");
    assert!(verdicts[3].2.contains("the server has ended (in D7)"), "{verdicts:?}");
    assert_eq!(found["status"], 1);
    assert!(!server.wait().left);
}

/// What ends it while its design is found out is told as what it was, and not as the check that asked for the design.
#[test]
fn what_it_dies_of_while_its_design_is_found_out() {
    let mut program = Command::new(python());
    let program = program.arg("-B").arg(stranger("touchy.py")).arg("0").stderr(Stdio::null());
    let server = Running::start(program);
    let found: Value = until_some("it listens", || {
        let output = attach(server.pid(), &["--only", "C1,D8"]).output().expect("socklab runs");
        serde_json::from_slice(&output.stdout).ok()
    });
    let words: Vec<String> = verdicts(&found).into_iter().map(|(_, verdict, _)| verdict).collect();
    let finding = &found["findings"][0];
    assert_eq!(words, ["fail", "blocked"], "{found}");
    let text = |field: &str| finding[field].to_string();
    assert!(text("evidence").contains("by clients like those of D8"), "{found}");
    assert!(text("remedy").contains("treat 0 from recv() as the client's end"), "{found}");
    assert!(text("transcript").contains("closes the connection"), "{found}");
}

#[test]
fn what_does_it_harm_is_not_blamed_on_the_next() {
    let server = start("broken/spins_on_empty");
    let found = examined(attach(server.pid(), &["--only", "D4,D8,D9,D17"]));
    let verdicts = verdicts(&found);
    let words: Vec<&str> = verdicts.iter().map(|(_, verdict, _)| verdict.as_str()).collect();
    assert_eq!(words, ["pass", "fail", "broken", "broken"], "{verdicts:?}");
    assert!(verdicts[2].2.contains("has not been well since D8: it spins"), "{verdicts:?}");
    assert_eq!(found["status"], 2);
}

/// A program that is ended with the test.
struct Running(Child);

impl Running {
    fn start(program: &mut Command) -> Self {
        program.stdin(Stdio::null()).stdout(Stdio::null()).process_group(0);
        Self(program.spawn().expect("it starts"))
    }

    fn pid(&self) -> i32 {
        self.0.id().try_into().expect("a pid")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = nix::sys::signal::killpg(Pid::from_raw(self.pid()), Signal::SIGKILL);
        let _ = self.0.wait();
    }
}

#[test]
fn who_is_no_server_is_told_from_one() {
    let says = |examiner: Command, words: &[&str]| {
        let said = refused(examiner);
        assert!(words.iter().all(|word| said.contains(word)), "{words:?} in {said}");
    };
    says(attach(i32::MAX, &[]), &["there is no process"]);
    let own = std::process::id().to_string();
    says(attach(own.parse().expect("a pid"), &[]), &[&own, "has this examiner below it"]);
    let mut itself = Command::new("sh");
    let script = "exec \"$0\" examine --attach $$";
    itself.args(["-c", script, env!("CARGO_BIN_EXE_socklab")]).stdin(Stdio::null());
    says(itself, &["is this examiner itself"]);
    let idle = Running::start(Command::new("sleep").arg("1000"));
    until("it is a program", || descriptors(idle.pid()).len() >= 3);
    says(attach(idle.pid(), &[]), &["has no socket that clients can reach"]);
    kill(Pid::from_raw(idle.pid()), Signal::SIGKILL).expect("it lives");
    until("it is a zombie", || state(idle.pid()).is_some_and(|state| state == "Z"));
    says(attach(idle.pid(), &[]), &["(sleep) has ended", "has not waited for it"]);
    // Some sandboxes show none.
    let is_kernels =
        |pid: &i32| state(*pid).is_some() && fs::read_link(format!("/proc/{pid}/exe")).is_err();
    match Some(2).filter(is_kernels) {
        Some(pid) => says(attach(pid, &[]), &["is a thread of the kernel's"]),
        None => eprintln!("skipped: no thread of the kernel's is to be seen"),
    }
}

#[test]
fn who_is_stopped_is_told_how_to_go_on() {
    let server = start("iterative");
    let pid = Pid::from_raw(server.pid());
    kill(pid, Signal::SIGSTOP).expect("it lives");
    until("it is stopped", || state(server.pid()).is_some_and(|state| state == "T"));
    let said = refused(attach(server.pid(), &["--only", "A1,D1"]));
    let remedy = format!("kill -CONT {pid}");
    assert!(said.contains("is stopped (state T in /proc/") && said.contains(&remedy), "{said}");
    kill(pid, Signal::SIGCONT).expect("it lives");
    until("it goes on", || state(server.pid()).is_some_and(|state| state == "S"));
    assert_eq!(verdicts(&examined(attach(server.pid(), &["--only", "A1"])))[0].1, "pass");
    server.stop().assert_clean();
}

/// Another server on the same port, which has accepted a client from every port that the kernel gives to anybody here.
const BESIDE: &str = r#"
import socket, subprocess, sys
pool, examiner = sys.argv[1:]
first, last = 40000, 40063
open("/proc/sys/net/ipv4/ip_local_port_range", "w").write(f"{first} {last}")
server = subprocess.Popen([pool, "--port", "9000", "--workers", "4"], stdout=subprocess.PIPE)
server.stdout.readline()
beside = socket.create_server(("127.0.0.2", 9000), backlog=100)
held = []
for port in range(first, last + 1):
    client = socket.socket()
    # IP_BIND_ADDRESS_NO_PORT: connect() gives the port, each once.
    client.setsockopt(socket.IPPROTO_IP, 24, 1)
    client.bind(("127.0.0.3", 0))
    client.connect(("127.0.0.2", 9000))
    held += [client, beside.accept()]
subprocess.run([examiner, "examine", "--attach", str(server.pid), "--json", "--only", "C5,D1,D8"])
server.kill()
"#;

#[test]
fn another_server_of_the_same_port_is_not_looked_at() {
    let mut program = Command::new("unshare");
    program.args(if Uid::effective().is_root() { &["-n"][..] } else { &["-Urn"] });
    let up = "ip link set lo up && exec \"$@\"";
    program.args(["sh", "-c", up, "sh", "python3", "-c", BESIDE]);
    program.arg(c_program("prethreaded")).arg(env!("CARGO_BIN_EXE_socklab")).stdin(Stdio::null());
    let output = program.output().expect("unshare runs");
    if output.stdout.is_empty() {
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("unshare"), "{said}");
        return eprintln!("skipped: no network of its own: {said}");
    }
    let found = found(&output);
    let verdicts = verdicts(&found);
    let words: Vec<&str> = verdicts.iter().map(|(_, verdict, _)| verdict.as_str()).collect();
    assert_eq!(words, ["info", "by-design", "pass"], "{verdicts:?}");
    assert!(verdicts[0].2.contains("4 workers"), "{verdicts:?}");
    assert_eq!(found["identity"]["design"], "prethreaded: a pool of 4 threads");
}

#[test]
fn the_port_says_which_of_several_sockets() {
    let program = |port: &str| format!("{} --port {port} & ", c_program("iterative").display());
    let script = format!("{}{}wait", program("0"), program("0"));
    let two = Running::start(Command::new("sh").args(["-c", &script]));
    let said = until_some("both listen", || {
        let output = attach(two.pid(), &["--only", "A1"]).output().expect("socklab runs");
        let said = String::from_utf8(output.stderr).expect("UTF-8");
        said.contains("can be asked at").then_some(said)
    });
    assert!(said.contains("--port says at which"), "{said}");
    for word in said.split("127.0.0.1:").skip(1) {
        let port: String = word.chars().take_while(char::is_ascii_digit).collect();
        let found = examined(attach(two.pid(), &["--only", "A1", "--port", &port]));
        let (_, verdict, why) = &verdicts(&found)[0];
        assert!(verdict == "pass" && why.contains(&format!("127.0.0.1:{port}")), "{why}");
    }
    let said = refused(attach(two.pid(), &["--port", "1"]));
    assert!(said.contains("has no socket on port 1, but on 127.0.0.1:"), "{said}");
}

#[test]
fn a_thread_is_no_process() {
    let server = Server::start(Language::C, find("prethreaded").expect("a design"));
    let thread =
        until_some("a thread", || tids(server.pid()).into_iter().find(|tid| *tid != server.pid()));
    let said = refused(attach(thread, &[]));
    assert!(said.contains(&format!("is a thread of process {}", server.pid())), "{said}");
}

#[test]
fn what_takes_a_server_of_its_own_is_refused_by_name() {
    let server = start("iterative");
    let said = refused(attach(server.pid(), &["--only", "D1,F1"]));
    assert!(said.contains("F1 is not made on a server that runs already"), "{said}");
    let said = refused(attach(server.pid(), &["--only", "F,H"]));
    assert!(said.contains("none of these checks"), "{said}");
    // What may leave a computation behind is made if it is named, and not with its group.
    let found = examined(attach(server.pid(), &["--only", "B"]));
    assert!(verdicts(&found).iter().all(|(id, ..)| id != "B5"), "{found}");
    let found = examined(attach(server.pid(), &["--only", "B5,D16"]));
    assert_eq!(verdicts(&found).len(), 2, "{found}");
    assert!(serves(&server));
    server.stop().assert_clean();
}

#[test]
fn another_network_is_entered_first() {
    let mut program = Command::new("unshare");
    program.args(if Uid::effective().is_root() { &["-n"][..] } else { &["-Urn"] });
    let program = program.arg(c_program("iterative")).args(["--port", "0"]);
    let away = Running::start(program);
    let pid = away.pid();
    let name = || fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    until("it runs, or is refused", || {
        name() == "iterative\n" || state(pid).is_none_or(|state| state == "Z")
    });
    if name() != "iterative\n" {
        return eprintln!("skipped: no network of its own");
    }
    let said = refused(attach(pid, &[]));
    assert!(said.contains("is in another network namespace"), "{said}");
    let remedy = said.split('`').nth(1).expect("a command");
    assert!(
        remedy.starts_with(&format!("nsenter -t {pid}")) && remedy.contains("-n socklab"),
        "{said}"
    );
    let remedy = remedy.replace("socklab", env!("CARGO_BIN_EXE_socklab"));
    let mut words = remedy.split(' ');
    let mut examiner = Command::new(words.next().expect("a program"));
    // Its loopback interface is down: it is looked at, and not asked.
    examiner.args(words).args(["--json", "--only", "A2"]).stdin(Stdio::null());
    let found = until_some("it listens", || {
        let output = examiner.output().expect("nsenter runs");
        (output.status.code() == Some(0)).then(|| found(&output))
    });
    assert_eq!(verdicts(&found)[0].1, "pass");
}

#[test]
fn somebody_elses_is_seen_as_far_as_it_can_be() {
    if !Uid::effective().is_root() {
        return eprintln!("skipped: only the superuser can become two users");
    }
    let server = start("forked");
    let stranger = |options: &[&str]| {
        let mut examiner = attach(server.pid(), options);
        examiner.uid(65534).gid(65534);
        examiner
    };
    let said = refused(stranger(&[]));
    assert!(said.contains("may not be looked at") && said.contains("--port says"), "{said}");
    let port = server.addr.port().to_string();
    let found = examined(stranger(&[
        "--port",
        &port,
        "--only",
        "A1,A2,A5,C3,C4,C8,C10,D8,D18,E1,E2,E3,E5,E6",
    ]));
    let verdicts = verdicts(&found);
    let words: Vec<&str> = verdicts.iter().map(|(_, verdict, _)| verdict.as_str()).collect();
    // Of the tasks their states are seen, of the connections all; what calls and descriptors there are is hidden.
    let wanted = [
        "pass", "pass", "pass", "blocked", "blocked", "info", "info", "pass", "pass", "pass",
        "blocked", "pass", "pass", "pass",
    ];
    assert_eq!(words, wanted, "{verdicts:?}");
    let method = found["identity"]["method"].as_str().expect("text");
    assert!(method.contains("what its tasks do is hidden"), "{method}");
    assert!(
        found["isolation"].as_str().is_some_and(|text| text.contains("descriptors are hidden"))
    );
    server.stop().assert_clean();
}

/// What contradicts a claim can be seen of somebody else's too; what can't be seen contradicts none.
#[test]
fn claims_of_somebody_elses() {
    if !Uid::effective().is_root() {
        return eprintln!("skipped: only the superuser can become two users");
    }
    let cases = [
        ("forked", "forked", "pass"),
        ("forked", "epoll", "fail"),
        ("inetd", "inetd", "pass"),
        ("threaded", "threaded", "pass"),
        ("iterative", "iterative", "pass"),
        ("iterative", "timeout", "fail"),
        ("timeout", "timeout", "pass"),
        ("iterative", "epoll", "fail"),
        ("preforked", "preforked_mutex", "blocked"),
        ("preforked", "prethreaded", "fail"),
        ("prethreaded", "prethreaded", "blocked"),
        ("epoll", "epoll", "blocked"),
        ("epoll", "forked", "fail"),
        ("epoll_shared", "epoll_shared", "pass"),
        ("reuseport", "reuseport", "pass"),
        ("select", "select", "blocked"),
        ("hybrid", "hybrid", "pass"),
        ("udp_batch", "udp_batch", "blocked"),
        ("udp_iterative", "forked", "fail"),
    ];
    all(
        &cases,
        |case| format!("{case:?}"),
        |&(name, claim, expected)| {
            let server = start(name);
            let port = server.addr.port().to_string();
            let options = ["--port", &port, "--only", "C10", "--claims", claim];
            let mut examiner = attach(server.pid(), &options);
            examiner.uid(65534).gid(65534);
            let (_, verdict, why) = &verdicts(&examined(examiner))[0];
            assert_eq!(verdict, expected, "{why}");
            server.stop().assert_clean();
        },
    );
}

#[test]
fn an_interrupt_leaves_the_server_as_it_is() {
    let server = start("forked");
    assert_eq!(settled(&server), Rest::Waits);
    let before = census(&server);
    let mut examiner = attach(server.pid(), &["--only", "D2"]);
    let mut examiner =
        Running(examiner.stdout(Stdio::null()).process_group(0).spawn().expect("socklab"));
    until("it has a client", || !server.children().is_empty());
    kill(Pid::from_raw(examiner.pid()), Signal::SIGINT).expect("it runs");
    assert_eq!(examiner.0.wait().expect("our child").code(), Some(130));
    until("its client is gone", || census(&server) == before);
    assert!(serves(&server));
    server.stop().assert_clean();
}

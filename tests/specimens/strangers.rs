//! Servers as others write them: what `socklab examine` is not to say of them.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::all;
use crate::examined::{alone, c, examine, server, stranger, verdicts};
use crate::support::{c_program, python};

/// A program of `tests/strangers` or of `c-compat`, what `examine` is told about it, and each check with what it may come to.
type Case =
    (&'static str, &'static [&'static str], &'static [(&'static str, &'static [&'static str])]);

const ECHO: &[&str] = &[r"--send=hello\n", r"--expect=^hello\n", "--persistent"];

const CASES: &[Case] = &[
    // It is on the loopback address, whatever that is called.
    ("mapped.py", &[], &[("A2", &["pass"])]),
    // Who pauses after a shortage is not stuck.
    ("pausing.py", &[], &[("F1", &["pass", "blocked"])]),
    // Nor is who lets some time pass before it ends a connection that has failed.
    ("napping.py", &[], &[("F6", &["pass", "blocked"])]),
    // Each piece is answered, which is no fault of an echo, and no end of its connection.
    ("echo.py", ECHO, &[("D4", &["pass"]), ("D5", &["pass"]), ("D10", &["pass"])]),
    // A child is made while another is waited for: as many as before, and yet one more. The superuser has no limit.
    ("forking.py", &[], &[("F8", &["pass", "blocked"])]),
    // What it keeps for ever is told, and nothing else is blamed on it.
    (
        "keeping.py threads",
        ECHO,
        &[
            ("D19", &["pass"]),
            ("E1", &["pass"]),
            ("E2", &["fail"]),
            ("E3", &["fail"]),
            ("E5", &["fail"]),
            ("E6", &["pass"]),
        ],
    ),
    // Who serves the next client while a child of its own has the connection is not waited for.
    ("keeping.py processes", ECHO, &[("A4", &["n/a"]), ("E1", &["pass"]), ("E6", &["fail"])]),
    // A client's descriptor is another each time where its thread opens something else.
    ("opening.py", &[], &[("F3", &["pass"]), ("F6", &["pass"]), ("F10", &["pass"])]),
    // What is on a client's connection fails, and nothing beside it; and no client of ours resets where that is not the point.
    (
        "telling.py",
        &["--persistent"],
        &[("F1", &["pass"]), ("F3", &["pass"]), ("F6", &["fail"]), ("F10", &["fail"])],
    ),
    ("quiet.py", &[], &[("A5", &["pass"]), ("D12", &["pass"])]),
    ("loops.py", &["--claims=epoll"], &[("C10", &["pass"]), ("E4", &["pass"])]),
    // Who asks from where decides; the catalogue's group of reach has no other server that fails.
    (
        "picky.py",
        &[],
        &[("I1", &["fail"]), ("I2", &["fail"]), ("I3", &["fail"]), ("I4", &["fail"])],
    ),
    // A listening socket that blocks stalls the loop if the client has gone before accept().
    ("../lecture/select_server.py", &[], &[("C4", &["weak"])]),
    // Threads that wait for the next client are no thread that could not be made. The superuser has no limit of tasks.
    (
        "cached.py",
        &["--claims=threaded"],
        &[("C10", &["pass"]), ("F8", &["pass", "blocked"]), ("F12", &["pass"])],
    ),
    (
        "fifty.py",
        &["--claims=prethreaded"],
        &[("C5", &["info"]), ("C10", &["pass"]), ("D1", &["by-design"]), ("D15", &["by-design"])],
    ),
    (
        "executor.py",
        &["--claims=prethreaded_queue"],
        &[("C1", &["info"]), ("C10", &["pass"]), ("F12", &["n/a"])],
    ),
    (
        "sharing.py",
        &["--claims=preforked"],
        &[("C1", &["info"]), ("C10", &["pass"]), ("D1", &["by-design"]), ("D15", &["by-design"])],
    ),
    ("addresses.py", &["--claims=epoll"], &[("C6", &["info"]), ("C10", &["pass"])]),
    // A NUL behind the newline is the next request, where there can be one.
    ("broken/sound_persistent", &[], &[("B3", &["pass"])]),
];

#[test]
fn strangers_are_not_misjudged() {
    if !alone() {
        return;
    }
    all(
        CASES,
        |(name, ..)| (*name).to_owned(),
        |(name, options, expected)| {
            let ids: Vec<String> = expected.iter().map(|(id, _)| (*id).to_owned()).collect();
            let found = verdicts(&ids, options, &server(name));
            assert_eq!(found.len(), expected.len(), "{found:?}");
            for (id, verdict, why) in found {
                let (_, may) =
                    expected.iter().find(|(expected, _)| *expected == id).expect("asked");
                assert!(may.contains(&verdict.as_str()), "{id} is {verdict}: {why}");
            }
        },
    );
}

/// What `examine` finds with one check.
fn finding(id: &str, options: &[&str], command: &[String]) -> Value {
    let output = examine(&[id.to_owned()], options, command);
    let found: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    found["findings"][0].clone()
}

/// What is said to be costly is weighed before anything stands on it.
#[test]
fn costly_requests_that_are_given() {
    if !alone() {
        return;
    }
    let server = server("costly.py");
    let with = |id: &str, heavy: &str| {
        let heavy = format!("--heavy={heavy}");
        finding(id, &[ECHO, &[&heavy]].concat(), &server)
    };
    let found = with("D15", r"work\n");
    assert_eq!(found["verdict"], "by-design", "{found}");
    let found = with("D15", r"hello\n");
    assert_eq!(found["verdict"], "blocked", "{found}");
    assert!(found["what"].to_string().contains("costs the server next to nothing"), "{found}");
    // It ignores the signal, as Python does, and dies of the error.
    let found = with("D12", r"work\n");
    assert_eq!(found["verdict"], "fail", "{found}");
    assert!(found["evidence"].to_string().contains("ignores SIGPIPE"), "{found}");
    assert!(found["remedy"].to_string().contains("BrokenPipeError"), "{found}");
}

/// Whose threads keep each other from a CPU, or want none, is told from who computes two requests at once.
#[test]
fn what_is_computed_at_once() {
    if !alone() {
        return;
    }
    if std::thread::available_parallelism().is_ok_and(|cpus| cpus.get() == 1) {
        return eprintln!("skipped: with one CPU nothing is computed at once");
    }
    let options = [ECHO, &[r"--heavy=work\n"]].concat();
    let cases = [
        (server("turns.py compute"), &options[..], "one after the other, on one CPU"),
        (server("turns.py sleep"), &options, "it waits, and computes next to nothing: "),
        (c("threaded"), &[], "two at once"),
    ];
    all(
        &cases,
        |(command, ..)| command.join(" "),
        |(command, options, what)| {
            let found = finding("C8", options, command);
            assert_eq!(found["verdict"], "info", "{found}");
            assert!(found["what"].as_str().is_some_and(|text| text.starts_with(what)), "{found}");
        },
    );
}

/// Who looks only when it has computed whether it is to end is not hurried by being asked twice.
#[test]
fn a_second_signal_that_hastens_nothing() {
    if !alone() {
        return;
    }
    let options = [ECHO, &[r"--heavy=work\n"]].concat();
    let cases = [("flagged.py", "info", "hastens nothing"), ("flagged.py exit", "pass", "at once")];
    all(
        &cases,
        |(name, ..)| (*name).to_owned(),
        |(name, verdict, what)| {
            let found = finding("H9", &options, &server(name));
            assert_eq!(found["verdict"], *verdict, "{found}");
            assert!(found["what"].as_str().is_some_and(|text| text.ends_with(what)), "{found}");
        },
    );
}

/// Who dies of EPIPE without the signal is not told to do without the signal.
#[test]
fn who_dies_of_what_without_sigpipe() {
    if !alone() {
        return;
    }
    let found = finding("D12", ECHO, &server("nosignal.py"));
    assert_eq!(found["verdict"], "fail", "{found}");
    assert!(found["evidence"].to_string().contains("leaves SIGPIPE at its default"), "{found}");
    assert!(found["what"].to_string().contains("exit status: 4"), "{found}");
    assert!(found["remedy"].to_string().contains("SIGPIPE does not end it"), "{found}");
}

/// A deadline for a whole request is seen where its rest lies in the server's memory.
#[test]
fn deadlines_that_run_down() {
    if !alone() {
        return;
    }
    all(
        &["select", "ppoll"],
        |how| (*how).to_owned(),
        |how| {
            let found = finding("D2", &[], &server(&format!("deadline.py {how}")));
            assert_eq!(found["verdict"], "pass", "{found}");
            let line = found["evidence"].to_string();
            assert!(line.contains("it waits with a time limit of"), "{found}");
            assert!(line.contains(if *how == "select" { "select" } else { "ppoll" }), "{found}");
        },
    );
}

/// Who asks sockets that are not ready is found, whatever it waits in; who waits in nothing can't do otherwise.
#[test]
fn who_reads_without_readiness() {
    if !alone() {
        return;
    }
    let cases = [
        (server("eager.py epoll"), "fail"),
        (server("eager.py select"), "fail"),
        (c("nonblocking"), "by-design"),
        (c("epoll"), "pass"),
    ];
    all(
        &cases,
        |(command, _)| command.join(" "),
        |(command, verdict)| {
            let found = finding("C9", &[], command);
            assert_eq!(found["verdict"], *verdict, "{found}");
        },
    );
}

/// Who is to close a connection depends on the design.
#[test]
fn who_is_to_close_a_connection() {
    if !alone() {
        return;
    }
    let cases = [
        (server("held.py threads"), "let the thread that serves a client close"),
        (server("held.py select"), "FD_CLR"),
        (c("broken/no_eof"), "in the parent right after fork()"),
    ];
    all(
        &cases,
        |(command, _)| command.join(" "),
        |(command, remedy)| {
            let found = finding("B2", &[], command);
            assert_eq!(found["verdict"], "fail", "{found}");
            assert!(found["remedy"].as_str().is_some_and(|text| text.contains(remedy)), "{found}");
            assert!(
                found["evidence"].to_string().contains("has it open, as descriptor"),
                "{found}"
            );
        },
    );
}

/// However a check comes to know that the server has ended, it is told how, and its last words.
#[test]
fn a_death_has_its_last_words() {
    if !alone() {
        return;
    }
    all(
        &["D2", "D4", "D9"],
        |id| (*id).to_owned(),
        |id| {
            let found = finding(id, &[], &server("fragile.py"));
            assert_eq!(found["verdict"], "fail", "{found}");
            let words = format!("{}{}", found["what"], found["evidence"]);
            assert!(words.contains("the server ended (exit status: 1)"), "{found}");
            assert!(words.contains("it said: no line ends here"), "{found}");
        },
    );
}

/// What many clients do alike is told once.
#[test]
fn transcripts_are_short() {
    if !alone() {
        return;
    }
    all(
        &["E2", "E4", "E6", "D18"],
        |id| (*id).to_owned(),
        |id| {
            let found = finding(id, &[], &c("forked"));
            let lines = found["transcript"].as_array().expect("lines");
            // Untold repeats would be more than two hundred.
            assert!((1..110).contains(&lines.len()), "{found}");
            assert!(found["transcript"].to_string().contains(" times more, until "), "{found}");
        },
    );
}

/// Over UDP there is no connection to be spoken of.
#[test]
fn datagrams_are_no_connections() {
    if !alone() {
        return;
    }
    let like = c("udp_iterative").join(" ");
    let command = c("broken/udp_dies_of_empty_datagram");
    let found = finding("B6", &["--like", &like], &command);
    assert_eq!(found["verdict"], "fail", "{found}");
    for field in ["what", "evidence", "transcript"] {
        let words = found[field].to_string();
        assert!(!words.contains("connect") && !words.contains("end of file"), "{field}: {words}");
    }
}

/// Every call of a request fails with every error, and what was tried is listed.
#[test]
fn torture_says_what_was_tried() {
    if !alone() {
        return;
    }
    let found = finding("F10", &[], &c("iterative"));
    if found["verdict"] == "blocked" {
        return eprintln!("skipped: {}", found["what"]);
    }
    assert_eq!(found["verdict"], "pass", "{found}");
    let words = found["evidence"].to_string();
    for wanted in
        ["EINTR ECONNABORTED EMFILE", "EINTR ECONNRESET ETIMEDOUT", "EPIPE", "close: EINTR EIO"]
    {
        assert!(words.contains(wanted), "{wanted}: {found}");
    }
}

/// How many workers there are, however many that is, and whoever gives them their clients.
#[test]
fn workers_are_counted() {
    if !alone() {
        return;
    }
    let cases = [
        ("fifty.py", "a pool of 50 threads"),
        ("executor.py", "a pool of 50 threads, which take their clients from a queue"),
        ("unending.py", "a pool of 64 threads, which take their clients from a queue"),
        ("sharing.py", "a pool of 4 processes, 4 listening sockets"),
    ];
    all(
        &cases,
        |(name, _)| (*name).to_owned(),
        |(name, design)| {
            let found = verdicts(&["C10".to_owned()], &[], &server(name));
            assert!(found[0].2.contains(design), "{found:?}");
        },
    );
}

/// Who has its clients itself, one after the other, has no pool, whatever else runs beside it. With a single worker, a pool
/// is one all the same.
#[test]
fn helpers_are_no_workers() {
    if !alone() {
        return;
    }
    let single = |name| [c(name), ["--workers", "1"].map(String::from).to_vec()].concat();
    let cases = [
        (server("helper.py child"), "iterative"),
        (server("helper.py thread"), "iterative"),
        (server("helper.py limit"), "timeout"),
        (single("preforked"), "preforked"),
        (single("preforked_passing"), "preforked_passing"),
        (single("prethreaded"), "prethreaded"),
        (single("prethreaded_queue"), "prethreaded_queue"),
    ];
    all(
        &cases,
        |(command, _)| command.join(" "),
        |(command, claim)| {
            let claims = format!("--claims={claim}");
            let (_, verdict, why) = &verdicts(&["C10".to_owned()], &[&claims], command)[0];
            assert_eq!(verdict, "pass", "{why}");
            assert_eq!(why.contains("the others have none"), command[0] == python(), "{why}");
        },
    );
}

/// As many slow clients as there are workers keep everybody else out.
#[test]
fn slow_clients_fill_a_pool() {
    if !alone() {
        return;
    }
    let found = finding("D2", &[], &server("sharing.py"));
    assert_eq!(found["verdict"], "weak", "{found}");
    assert!(found["what"].to_string().contains("4 clients with an unfinished request"), "{found}");
    assert!(found["evidence"].to_string().contains("all others waited for 4 clients"), "{found}");
}

/// What is near to a claim is not what is claimed; what adds something to it is.
#[test]
fn near_claims_are_told_apart() {
    if !alone() {
        return;
    }
    let cases = [
        ("iterative", "timeout", "fail"),
        ("timeout", "timeout", "pass"),
        ("timeout", "iterative", "pass"),
        ("epoll", "reuseport", "fail"),
        ("epoll", "epoll_shared", "fail"),
        ("epoll", "epoll_edge", "fail"),
        ("epoll_edge", "epoll", "pass"),
        ("preforked", "preforked_fcntl", "fail"),
        ("preforked", "preforked_mutex", "fail"),
        ("preforked", "preforked_passing", "fail"),
        ("preforked_fcntl", "preforked_mutex", "fail"),
        ("preforked_mutex", "preforked_fcntl", "fail"),
        ("preforked_passing", "preforked_fcntl", "fail"),
        ("prethreaded", "prethreaded_queue", "fail"),
        ("inetd", "forked", "fail"),
    ];
    // On one CPU one loop is as many as there are to be.
    let is_small = std::thread::available_parallelism().is_ok_and(|cpus| cpus.get() == 1);
    all(
        &cases,
        |case| format!("{case:?}"),
        |&(name, claim, expected)| {
            let may_be = is_small && ["reuseport", "epoll_shared"].contains(&claim);
            let claims = format!("--claims={claim}");
            let (_, verdict, why) = &verdicts(&["C10".to_owned()], &[&claims], &c(name))[0];
            assert!(verdict == expected || may_be, "{verdict}: {why}");
        },
    );
}

/// On one CPU a server with a loop for each has one.
#[test]
fn one_cpu_has_one_loop() {
    if !alone() {
        return;
    }
    let claim = ["taskset", "-c", "0", env!("CARGO_BIN_EXE_socklab"), "examine", "--json"];
    let mut examiner = Command::new(claim[0]);
    examiner.args(&claim[1..]).args(["--only=C10", "--claims=reuseport", "--"]).args(c("epoll"));
    let output = examiner.output().expect("taskset runs");
    let found = String::from_utf8_lossy(&output.stdout);
    assert!(found.contains("\"pass\"") && found.contains("there is one CPU"), "{found}");
}

/// A loop that has no clients is none of the server's.
#[test]
fn loops_without_clients_are_not_counted() {
    if !alone() {
        return;
    }
    let command = server("loops.py");
    let found = verdicts(&["C10".to_owned()], &["--claims=reuseport"], &command);
    let (_, _, why) = &found[0];
    assert!(!why.contains("loops"), "{why}");
}

/// A shell that waits for the server is no process of its design.
#[test]
fn a_shell_around_a_server() {
    if !alone() {
        return;
    }
    for (name, design) in [("forked", "--claims=forked"), ("iterative", "--claims=iterative")] {
        let line = format!("{} --port $PORT; true", c(name)[0]);
        let command = ["sh", "-c", &line].map(String::from);
        let ids = ["C10", "H7"].map(String::from);
        for (id, verdict, why) in verdicts(&ids, &[design], &command) {
            assert_eq!(verdict, "pass", "{name}: {id}: {why}");
        }
    }
}

/// The address that a datagram has come to is not the one that its answer leaves from.
#[test]
fn an_answer_from_another_address() {
    if !alone() {
        return;
    }
    let mut command = c("udp_iterative");
    command.extend(["--bind", "0.0.0.0"].map(String::from));
    let found = verdicts(&["I3".to_owned()], &[], &command);
    let (_, verdict, why) = &found[0];
    assert_eq!(verdict, "weak", "{why}");
}

/// What a stranger could do to the machine is bounded.
#[test]
fn limits() {
    if !alone() {
        return;
    }
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").expect("a kernel");
    let mut numbers = release.split(['.', '-']).map_while(|number| number.parse::<u32>().ok());
    let has_own = (numbers.next(), numbers.next()) >= (Some(6), Some(14));
    let tasks = if has_own { "8192" } else { r"\d+" };
    let command = server("limits.py");
    let expect = format!("--expect=^{tasks} 8589934592 1000\n$");
    let found = verdicts(&["B1".to_owned()], &[r"--send=limits\n", &expect], &command);
    let (_, verdict, why) = &found[0];
    assert_eq!(verdict, "pass", "{why}");
}

/// A server that lets nobody look at its descriptors is known by its port, where there are no namespaces for it.
#[test]
fn hidden_descriptors_are_no_reason_not_to_examine() {
    let own = stranger("shy.py");
    let line = format!(
        "echo 0 > /proc/sys/user/max_user_namespaces && exec setpriv --bounding-set=-all --inh-caps=-all --no-new-privs \
         {} examine --json --only A1,C8,D8,E1,E2,E6 -- python3 -B {} '{{port}}'",
        env!("CARGO_BIN_EXE_socklab"),
        own.display()
    );
    let mut examiner = Command::new("unshare");
    let output = examiner.args(["--user", "--map-root-user", "sh", "-c", &line]).output();
    let output = output.expect("unshare, of util-linux, runs");
    let Ok(found) = serde_json::from_slice::<Value>(&output.stdout) else {
        return eprintln!("skipped: {}", String::from_utf8_lossy(&output.stderr));
    };
    let isolation = found["isolation"].as_str().unwrap_or_default();
    assert!(isolation.starts_with("the machine's own network"), "{isolation}");
    assert_eq!(found["trouble"], Value::Null);
    let findings = found["findings"].as_array().expect("findings").iter();
    let verdicts: Vec<_> = findings.map(|finding| finding["verdict"].as_str()).collect();
    let wanted = ["pass", "n/a", "pass", "pass", "blocked", "pass"].map(Some);
    assert_eq!(verdicts, wanted, "{found}");
}

/// Where servers would be in one network, one is examined after the other.
#[test]
fn a_suite_without_namespaces_takes_turns() {
    let quiet = stranger("quiet.py");
    let line = |name| format!("{name}: python3 -B {} {{port}}\n", quiet.display());
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("turns.txt");
    std::fs::write(&file, ["anna", "bert", "carl"].map(line).concat()).expect("a file");
    let mut examiner = without_namespaces(&format!("--only A1 --suite {}", file.display()));
    let output = examiner.output().expect("unshare, of util-linux, runs");
    let Ok(found) = serde_json::from_slice::<Value>(&output.stdout) else {
        return eprintln!("skipped: {}", String::from_utf8_lossy(&output.stderr));
    };
    let all = found["examinations"].as_array().expect("three");
    assert!(all.iter().all(|one| one["counts"]["pass"] == 1), "{found}");
    let sum: f64 = all.iter().filter_map(|one| one["seconds"].as_f64()).sum();
    let seconds = found["seconds"].as_f64().expect("seconds");
    assert!(sum <= seconds, "{sum} s in {seconds} s");
}

/// Each has its own port, and looks at its own server.
#[test]
fn two_examiners_beside_each_other_without_namespaces() {
    let beside = |design: &str| {
        let command = c(design).join(" ");
        let mut examiner =
            without_namespaces(&format!("--only A1,B1,C10,D1,D8,E1,F6,H2 -- {command}"));
        examiner.stdout(Stdio::piped()).stderr(Stdio::piped());
        examiner.spawn().expect("unshare, of util-linux, runs")
    };
    for examiner in ["forked", "epoll"].map(beside) {
        let output = examiner.wait_with_output().expect("waited for");
        let Ok(found) = serde_json::from_slice::<Value>(&output.stdout) else {
            return eprintln!("skipped: {}", String::from_utf8_lossy(&output.stderr));
        };
        let isolation = found["isolation"].to_string();
        assert!(isolation.contains("the machine's own network"), "{isolation}");
        for finding in found["findings"].as_array().expect("findings") {
            let verdict = finding["verdict"].as_str().expect("a word");
            assert!(["pass", "info"].contains(&verdict), "{finding}");
        }
    }
}

/// What a check wants to know besides is not found out beside a server that has the one port.
#[test]
fn a_port_of_its_own_without_namespaces() {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|socket| socket.local_addr());
    let port = free.expect("a free port").port();
    for id in ["C3", "G2"] {
        let server = c_program("epoll").display().to_string();
        let command = format!("--only {id} --port {port} -- {server} --port {port}");
        let output = without_namespaces(&command).output().expect("unshare, of util-linux, runs");
        let Ok(found) = serde_json::from_slice::<Value>(&output.stdout) else {
            return eprintln!("skipped: {}", String::from_utf8_lossy(&output.stderr));
        };
        let verdict = found["findings"][0]["verdict"].as_str();
        assert!(matches!(verdict, Some("info" | "pass")), "{found}");
    }
}

/// An examiner that the system refuses namespaces.
fn without_namespaces(arguments: &str) -> Command {
    let line = format!(
        "echo 0 > /proc/sys/user/max_user_namespaces && exec setpriv --bounding-set=-all --inh-caps=-all --no-new-privs \
         {} examine --json {arguments}",
        env!("CARGO_BIN_EXE_socklab"),
    );
    let mut examiner = Command::new("unshare");
    examiner.args(["--user", "--map-root-user", "sh", "-c", &line]).stdin(Stdio::null());
    examiner
}

/// Two that sleep before they answer each other are at it for ever, too.
#[test]
fn a_loop_between_two_that_sleep() {
    if !alone() {
        return;
    }
    let command = server("drowsy.py");
    let options = ["--send=once more", "--expect=^once more$", "--wait=2"];
    let found = verdicts(&["J6".to_owned()], &options, &command);
    let (_, verdict, why) = &found[0];
    assert_eq!(verdict, "fail", "{why}");
}

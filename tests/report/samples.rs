//! Examinations that never took place.

use proptest::collection::vec;
use proptest::prelude::*;
use socklab::report::{Examination, Finding, Identity, Role, Suite, Verdict};

pub(crate) fn finding(id: &str, name: &str, verdict: Verdict, what: &str) -> Finding {
    Finding {
        id: id.into(),
        name: name.into(),
        verdict,
        what: what.into(),
        evidence: Vec::new(),
        transcript: Vec::new(),
        seconds: 0.25,
        source: "slide: TCP Fibonacci Service - Iterative".into(),
        remedy: None,
        repeat: format!("socklab examine --only {id} -- python3 fib.py {{port}}"),
    }
}

fn lines(lines: &[&str]) -> Vec<String> {
    lines.iter().map(|line| (*line).to_owned()).collect()
}

/// One verdict of each kind.
pub(crate) fn lecture() -> Examination {
    let mut findings = vec![
        finding("A1", "ready", Verdict::Pass, "listens on 127.0.0.1 after 31 ms"),
        finding("A2", "address", Verdict::Weak, "listens on every address, 0.0.0.0"),
        finding(
            "A3",
            "backlog",
            Verdict::Info,
            "listen(1): 2 clients wait, the next gets no answer",
        ),
        finding("C1", "design", Verdict::Pass, "one client at a time, with and without --claims"),
        finding(
            "D1",
            "silent client",
            Verdict::ByDesign,
            "a client that says nothing keeps all others waiting, as it must in an iterative server",
        ),
        finding(
            "D3",
            "slow reader",
            Verdict::NotApplicable,
            "an answer is shorter than the smallest buffer",
        ),
        finding(
            "D8",
            "empty connection",
            Verdict::Fail,
            "computes for ever after a client that connects and closes: 99 % of a CPU",
        ),
        finding(
            "F1",
            "accept EMFILE",
            Verdict::Blocked,
            "the kernel refuses the seccomp listener: EBUSY",
        ),
        finding("H1", "SIGINT", Verdict::Broken, "the server was gone before the signal was sent"),
    ];
    findings[1].remedy = Some("bind() to 127.0.0.1".into());
    findings[6].evidence = lines(&[
        "/proc/4711/schedstat: 964 ms of 970 ms",
        "/proc/4711/syscall: recvfrom(4) = 0, again and again",
        "it said: Traceback (most recent call last):\n  File \"fib.py\", line 7\nKeyboardInterrupt\n",
    ]);
    findings[6].transcript =
        lines(&["connect 127.0.0.1:9000", "close", "probe \"10\\n\": no answer in 0.97 s"]);
    findings[6].remedy =
        Some("recv() == 0 is the end of the client: close, and accept the next".into());
    findings[6].seconds = 0.97;
    Examination {
        role: Role::Server,
        server: "python3 fib.py".into(),
        command: lines(&["python3", "fib.py", "{port}"]),
        isolation: "namespaces of its own".into(),
        identity: Some(Identity {
            design: "iterative".into(),
            method: "by what the kernel shows of its tasks".into(),
            workers: Some(1),
            evidence: lines(&["1 task, blocked in recvfrom(4)", "40 clients: 1 descriptor more"]),
        }),
        findings,
        trouble: None,
        seconds: 12.34,
    }
}

/// A server that does nothing wrong.
pub(crate) fn sound() -> Examination {
    let mut examination = lecture();
    examination.server = "anna".into();
    for finding in &mut examination.findings {
        finding.verdict = Verdict::Pass;
    }
    examination
}

/// A client, with one fault.
pub(crate) fn client() -> Examination {
    let mut examination = lecture();
    examination.role = Role::Client;
    examination.server = "./ask".into();
    examination.command = lines(&["./ask", "{host}", "{port}"]);
    examination.identity = Some(Identity {
        design: "UDP client, unconnected socket".into(),
        method: "by what the kernel shows of its socket".into(),
        workers: None,
        evidence: lines(&["sends \"time\""]),
    });
    let what = "it is not told that the port is closed, and waits";
    examination.findings = vec![finding("K2", "closed port over UDP", Verdict::Fail, what)];
    examination
}

/// A server that could not be examined.
pub(crate) fn absent() -> Examination {
    Examination {
        role: Role::Server,
        server: "bert".into(),
        command: lines(&["./bert"]),
        isolation: "none".into(),
        identity: None,
        findings: Vec::new(),
        trouble: Some("execve(./bert): No such file or directory".into()),
        seconds: 0.01,
    }
}

/// What a server might say to whoever prints it.
pub(crate) const HOSTILE: &[&str] = &[
    "",
    " ",
    "\0",
    "\x1b[31mred\x1b[0m \x1b]0;title\x07 \u{9b}2J",
    "]]> </failure> <![CDATA[",
    "<script>alert(1)</script>",
    "\"quotes\" and 'quotes' & &amp; &lt;",
    "two\nlines\r\nthree\rfour\u{2028}five",
    "漢字とかな, half and 全角, 👩‍👩‍👧 and e\u{301}",
    "\u{202e}gpj.exe \u{2066}\u{feff}\u{fffe}\u{ffff}\u{e0041}",
    "ok 1 # SKIP # TODO \\# \\",
    "...",
    "---",
    "key: value: \"more\"",
    "{{ template }} {% raw %}",
    "=cmd|'/c calc'!A1",
    "+1-1",
    "@SUM(1)",
    "-2",
    "\t=1",
    "Bail out! now",
    "1..9",
    "--><!--",
    "a,b;c\"d",
];

/// Every hostile string in every place, and a very long one.
pub(crate) fn hostile() -> Examination {
    let long = "漢 x".repeat(5000) + &"y".repeat(20_000);
    let mut examination = lecture();
    let all: Vec<String> = HOSTILE.iter().map(|text| (*text).into()).chain([long]).collect();
    examination.findings = all
        .iter()
        .zip(Verdict::ALL.into_iter().cycle())
        .map(|(text, verdict)| Finding {
            id: text.chars().take(12).collect(),
            name: text.clone(),
            verdict,
            what: text.clone(),
            evidence: all.clone(),
            transcript: all.clone(),
            seconds: f64::NAN,
            source: text.clone(),
            remedy: Some(text.clone()),
            repeat: text.clone(),
        })
        .collect();
    examination.server = all.join("");
    examination.command = all.clone();
    examination.isolation = all.join("");
    examination.identity = Some(Identity {
        design: all.join(""),
        method: all.join(""),
        workers: None,
        evidence: all.clone(),
    });
    examination.trouble = Some(all.join(""));
    examination.seconds = f64::INFINITY;
    examination
}

pub(crate) fn suite() -> Suite {
    Suite { examinations: vec![lecture(), sound(), absent()], seconds: 13.5 }
}

/// As large as they come: 100 servers, 85 checks.
pub(crate) fn class() -> Suite {
    let groups = [6, 6, 10, 19, 7, 12, 4, 9, 3, 9];
    let checks =
        groups.iter().zip('A'..).flat_map(|(count, letter)| (1..=*count).map(move |n| (letter, n)));
    let checks: Vec<(char, u32)> = checks.collect();
    assert_eq!(checks.len(), 85);
    let server = |number: usize| {
        let mut examination = lecture();
        examination.server = format!("submission-{number:03}");
        let failed = examination.findings[6].clone();
        let checks = checks.iter().enumerate();
        examination.findings = checks
            .map(|(at, (letter, n))| {
                let verdict = match (number * 31 + at * 17) % 97 {
                    0..=60 => Verdict::Pass,
                    61..=70 => Verdict::NotApplicable,
                    71..=78 => Verdict::ByDesign,
                    79..=84 => Verdict::Info,
                    85..=89 => Verdict::Weak,
                    90..=94 => Verdict::Fail,
                    95 => Verdict::Blocked,
                    _ => Verdict::Broken,
                };
                let id = format!("{letter}{n}");
                let mut finding = finding(&id, "empty connection", verdict, &failed.what);
                finding.evidence.clone_from(&failed.evidence);
                finding
            })
            .collect();
        examination
    };
    Suite { examinations: (1..=100).map(server).collect(), seconds: 431.0 }
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        proptest::sample::select(HOSTILE).prop_map(String::from),
        any::<String>(),
        vec(any::<char>(), 0..200).prop_map(String::from_iter),
        "[A-Z][0-9]{1,2}",
        "(\\PC|[漢字 -]){0,80}",
    ]
}

fn any_finding() -> impl Strategy<Value = Finding> {
    let texts = vec(any_text(), 5);
    let lists = (vec(any_text(), 0..4), vec(any_text(), 0..4));
    let verdict = proptest::sample::select(&Verdict::ALL[..]);
    let remedy = proptest::option::of(any_text());
    (texts, lists, verdict, remedy, any::<f64>()).prop_map(
        |(texts, lists, verdict, remedy, seconds)| {
            let [id, name, what, source, repeat]: [String; 5] = texts.try_into().unwrap();
            let (evidence, transcript) = lists;
            Finding {
                id,
                name,
                verdict,
                what,
                evidence,
                transcript,
                seconds,
                source,
                remedy,
                repeat,
            }
        },
    )
}

pub(crate) fn any_examination() -> impl Strategy<Value = Examination> {
    let identity =
        (any_text(), any_text(), vec(any_text(), 0..3)).prop_map(|(design, method, evidence)| {
            Identity { design, method, workers: None, evidence }
        });
    let identity = proptest::option::of(identity);
    let trouble = proptest::option::of(any_text());
    let command = vec(any_text(), 0..4);
    let findings = vec(any_finding(), 0..6);
    (any_text(), command, any_text(), identity, findings, trouble, any::<f64>()).prop_map(
        |(server, command, isolation, identity, findings, trouble, seconds)| Examination {
            role: Role::Server,
            server,
            command,
            isolation,
            identity,
            findings,
            trouble,
            seconds,
        },
    )
}

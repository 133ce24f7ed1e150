//! What strace prints, from recordings and made up.

use proptest::prelude::*;
use socklab::compare::normalise::{Recorded, normalise};
use socklab::compare::parse::{Call, Event, Line, Outcome, parse};

macro_rules! recordings {
    ($($name:literal)*) => {
        [$(($name, include_str!(concat!("data/", $name, ".strace")))),*]
    };
}

const RECORDINGS: [(&str, &str); 9] = recordings!("hostile" "descriptors" "restarts" "processes" "execve"
    "execve-thread" "execve-leader" "uring" "detached");

fn recording(name: &str) -> Vec<Line> {
    let (_, text) = RECORDINGS.into_iter().find(|(other, _)| *other == name).expect(name);
    parse(text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn calls(lines: &[Line]) -> Vec<&Call> {
    let call = |line| match line {
        &Line { event: Event::Call(ref call), .. } => Some(call),
        _ => None,
    };
    lines.iter().filter_map(call).collect()
}

fn outcome(call: &Call) -> String {
    match &call.outcome {
        Outcome::Returned(value, note) if note.is_empty() => value.clone(),
        Outcome::Returned(value, note) => format!("{value} {note}"),
        Outcome::Failed(errno) => format!("-1 {errno}"),
        Outcome::Restarted(code) => format!("? {code}"),
        Outcome::Never => String::from("?"),
    }
}

/// Each line is an event, unless it ends a call that another line has begun; and what it says is in the
/// event, whole.
#[test]
fn nothing_of_a_recording_is_lost() {
    for (name, text) in RECORDINGS {
        let lines = recording(name);
        let whole: Vec<&str> = text.lines().filter(|line| !line.contains(" <... ")).collect();
        // Where a thread's execve() goes on as the first one's, its end has no beginning.
        let orphans = text.matches("<... execve resumed>").count();
        assert_eq!(lines.len(), whole.len() + orphans, "{name}");
        let begun: Vec<&Line> = lines
            .iter()
            .filter(|line| {
                !matches!(&line.event, Event::Call(call) if call.args.is_empty() && call.name == "execve")
            })
            .collect();
        assert_eq!(begun.len(), whole.len(), "{name}");
        for (line, said) in begun.iter().zip(whole) {
            let Event::Call(call) = &line.event else {
                assert!(said.ends_with("---") || said.ends_with("+++"), "{name}: {said}");
                continue;
            };
            // Of an interrupted call this line has only the beginning.
            if said.ends_with("...>") || said.contains("<unfinished ...>)") {
                assert!(said.contains(&format!("{}(", call.name)), "{name}: {said}");
                continue;
            }
            let called = format!("{}({})", call.name, call.args.join(", "));
            let (_, after) =
                said.split_once(&called).unwrap_or_else(|| panic!("{name}: {said}\n{called}"));
            let came = after.trim_start().strip_prefix("= ").expect(said);
            assert!(came.starts_with(&outcome(call)), "{name}: {said}\n{call:?}");
            let is_timed = said.ends_with('>') && !matches!(call.outcome, Outcome::Never);
            assert_eq!(call.spent.is_some(), is_timed, "{name}: {said}");
        }
    }
}

/// What the files are called, what the sockets are.
#[test]
fn what_descriptors_are_open_on() {
    let lines = recording("hostile");
    let opened: Vec<String> = calls(&lines)
        .iter()
        .filter(|call| call.name == "openat")
        .map(|call| outcome(call))
        .collect();
    for name in [
        "3</srv/odd/a\\76b>",
        "3</srv/odd/a-\\76b>",
        "3</srv/odd/q\\\"uote>",
        "3</srv/odd/br{ace], (x>",
        "3</srv/odd/x = 3) = -1 EPERM>",
        "3</dev/null<char 1:3>>",
    ] {
        assert!(opened.contains(&String::from(name)), "{name}: {opened:?}");
    }
    let written: Vec<&Call> =
        calls(&lines).into_iter().filter(|call| call.name == "write").collect();
    assert!(written.iter().all(|call| call.args.len() == 3));
    let says = |text: &str| written.iter().any(|call| call.args[1] == text);
    assert!(says(r#""\"\"\"\"\"\"\"\"\"\"{[(<\n<... read resumed>\\) = 0 <0.1>""#));
    assert!(written.iter().any(|call| call.args[1].ends_with("AAA\"...") && call.args[2] == "300"));

    let lines = recording("descriptors");
    let closed: Vec<&str> = calls(&lines)
        .into_iter()
        .filter(|call| call.name == "close" || call.name == "ioctl")
        .map(|call| call.args[0].as_str())
        .collect();
    for kind in [
        "<TCP:[127.0.0.1:41879->127.0.0.1:46686]>",
        "<TCPv6:[[::1]:51565->[::1]:36920]>",
        "<UNIX-STREAM:[46695302->46695299,@\"abstract<x>\"]>",
        "<UNIX-STREAM:[46695322->46695319,\"/srv/odd/->a\"]>",
        "<NETLINK:[46695240]>",
        "<anon_inode:[eventpoll]>",
        "</memfd:me\\76m\\\"f>(deleted)",
        "<pid:16212>",
    ] {
        assert!(
            closed.iter().any(|closed| closed.trim_start_matches(char::is_numeric) == kind),
            "{kind}"
        );
    }
}

#[test]
fn restarts_and_ends() {
    let lines = recording("restarts");
    let count = |wanted: &str| calls(&lines).iter().filter(|call| outcome(call) == wanted).count();
    assert_eq!((count("? ERESTARTSYS"), count("? ERESTARTNOHAND"), count("-1 ENOSYS")), (3, 3, 1));
    assert!(
        lines.iter().any(|line| matches!(&line.event, Event::Signal(name, _) if name == "SIGALRM"))
    );

    let lines = recording("processes");
    let never: Vec<&str> = calls(&lines)
        .into_iter()
        .filter(|call| call.outcome == Outcome::Never)
        .map(|call| call.name.as_str())
        .collect();
    assert!(never.contains(&"read") && never.contains(&"exit_group"), "{never:?}");
    let killed = |line: &Line| matches!(&line.event, Event::Killed(signal) if signal == "SIGKILL");
    assert!(lines.iter().any(killed));
    assert!(lines.iter().any(|line| line.event == Event::Superseded));
    let is_read = |call: &&Call| call.name == "read" && outcome(call) == "1";
    let read = calls(&lines).into_iter().find(is_read).expect("a read()");
    assert_eq!((read.args.len(), read.args[1].as_str(), read.spent), (3, "\"2\"", Some(0.030813)));
}

/// A recording as a whole becomes text in which no number of a process, port or pointer is left.
#[test]
fn recordings_are_normalised() {
    for (name, text) in RECORDINGS {
        let recorded = [Recorded { pid: 16275, lines: parse(text).expect(name) }];
        let trace = normalise(&recorded, 16275);
        assert_eq!(trace.tasks.len(), 1, "{name}");
        for step in &trace.tasks[0].steps {
            assert!(
                !step.text.contains("<TCP:") && !step.text.contains('\u{1}'),
                "{name}: {}",
                step.text
            );
        }
    }
}

/// As strace writes bytes.
fn quoted(bytes: &[u8]) -> String {
    let mut text = String::from("\"");
    for &byte in bytes {
        match byte {
            b'"' | b'\\' => text.extend(['\\', byte as char]),
            b'\n' => text += "\\n",
            b' '..=b'~' => text.push(byte as char),
            _ => text += &format!("\\{byte:03o}"),
        }
    }
    text + "\""
}

/// The same of a name in angle brackets, which are escaped.
fn name(bytes: &[u8]) -> String {
    let text = quoted(bytes);
    text[1..text.len() - 1].replace('<', "\\74").replace('>', "\\76")
}

fn argument() -> impl Strategy<Value = String> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..12);
    let flat = prop_oneof![
        any::<i64>().prop_map(|number| number.to_string()),
        any::<u32>().prop_map(|number| format!("{number:#x}")),
        "[A-Z_]{1,8}(\\|[A-Z_]{1,8})?",
        bytes().prop_map(|bytes| quoted(&bytes)),
        bytes().prop_map(|bytes| quoted(&bytes) + "..."),
        (0_u32..99, bytes()).prop_map(|(fd, bytes)| format!("{fd}</{}>", name(&bytes))),
        (0_u32..99, bytes()).prop_map(|(fd, bytes)| format!("{fd}</{}>(deleted)", name(&bytes))),
        (0_u32..99, bytes())
            .prop_map(|(fd, bytes)| format!("{fd}<UNIX-STREAM:[1->2,{}]>", quoted(&bytes))),
        (0_u32..99, any::<u16>())
            .prop_map(|(fd, port)| format!("{fd}<TCP:[127.0.0.1:{port}->127.0.0.1:1]>")),
        Just(String::from("5</dev/pts/0<char 136:0>>")),
        Just(String::from("0x7ffe /* 40 vars, (more */")),
        Just(String::from("~[RT_1]")),
    ];
    flat.prop_recursive(3, 24, 4, |inner| {
        let some = || prop::collection::vec(inner.clone(), 0..4);
        prop_oneof![
            some().prop_map(|all| format!("[{}]", all.join(", "))),
            some().prop_map(|all| {
                let fields = all.iter().enumerate().map(|(at, value)| format!("f{at}={value}"));
                format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
            }),
            some().prop_map(|all| format!("htons({})", all.join(", "))),
        ]
    })
}

fn result() -> impl Strategy<Value = (String, Outcome)> {
    let returned = |value: String, note: &str| {
        let text = format!("{value} {note}");
        (text.trim_end().to_owned(), Outcome::Returned(value, note.to_owned()))
    };
    prop_oneof![
        any::<u32>().prop_map(move |value| returned(value.to_string(), "")),
        any::<u32>()
            .prop_map(move |value| returned(value.to_string(), "([{fd=3, revents=POLLIN}])")),
        prop::collection::vec(any::<u8>(), 0..9)
            .prop_map(move |bytes| returned(format!("7</{}>", name(&bytes)), "")),
        Just((String::from("-1 EAGAIN (Try again)"), Outcome::Failed("EAGAIN".into()))),
        Just((String::from("? ERESTARTSYS (To be)"), Outcome::Restarted("ERESTARTSYS".into()))),
        Just((String::from("?"), Outcome::Never)),
    ]
}

proptest! {
    /// What goes in comes out: whatever is in a string or in a file's name.
    #[test]
    fn calls_come_out_as_they_went_in(
        args in prop::collection::vec(argument(), 0..5),
        (came, outcome) in result(),
        spent in 0_u32..1000,
    ) {
        let line = format!("1.5 name({}) = {came} <0.{spent:06}>\n", args.join(", "));
        let lines = parse(&line).map_err(|error| TestCaseError::fail(error.to_string()))?;
        let Event::Call(call) = &lines[0].event else { panic!("{lines:?}") };
        prop_assert_eq!(&call.args, &args);
        prop_assert_eq!(&call.outcome, &outcome);
        prop_assert_eq!(call.spent, Some(f64::from(spent) / 1e6));
    }

    /// Wherever strace has to let another line in, the call is the same.
    #[test]
    fn an_interrupted_call_is_the_whole_call(
        args in prop::collection::vec(argument(), 1..5),
        (came, _) in result(),
        at in 0_usize..5,
    ) {
        let at = at.min(args.len());
        let (begun, rest) = args.split_at(at);
        let comma = if begun.is_empty() || rest.is_empty() { "" } else { ", " };
        let whole = format!("7 name({}) = {came}\n", args.join(", "));
        let text = format!(
            "7 name({}{comma} <unfinished ...>\n8 getpid() = 8\n7 <... name resumed>{}) = {came}\n",
            begun.join(", "), rest.join(", "),
        );
        let lines = parse(&text).map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(lines.len(), 2);
        prop_assert_eq!(&lines[0].event, &parse(&whole).expect("a line")[0].event);
    }

    /// A recording with damage in it is read to its end, or the line that makes no sense is named.
    #[test]
    fn damage_is_named(which in 0_usize..9, at in any::<prop::sample::Index>(), noise in "[\\PC]{1,3}") {
        let (_, text) = RECORDINGS[which];
        let mut at = at.index(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        let damaged = format!("{}{noise}{}", &text[..at], &text[at..]);
        match parse(&damaged) {
            Ok(lines) => drop(normalise(&[Recorded { pid: 1, lines }], 1)),
            Err(nonsense) => {
                let line = damaged.lines().nth(nonsense.number - 1);
                prop_assert_eq!(line, Some(nonsense.line.as_str()));
            }
        }
    }
}

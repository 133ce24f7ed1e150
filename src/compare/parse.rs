//! What strace printed, line by line, as typed events.
//! [strace(1)](https://man7.org/linux/man-pages/man1/strace.1.html)
//!
//! A call that another line interrupted (`<unfinished ...>`, `<... resumed>`) is one call. A line that makes
//! no sense is an error that names it; none is dropped.

use std::collections::HashMap;
use std::fmt;

/// A process or thread, as strace names it; none where a file is one process's own.
pub type Pid = Option<u32>;

/// One event of one process or thread.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// Whose it is.
    pub pid: Pid,
    /// When it began, in seconds; the clock is strace's.
    pub at: Option<f64>,
    /// What happened.
    pub event: Event,
}

/// What a line can say.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A system call.
    Call(Call),
    /// A signal was delivered: its name, and what `siginfo_t` says.
    Signal(String, String),
    /// It was stopped by this signal.
    Stopped(String),
    /// It ended with this status.
    Exited(i32),
    /// This signal ended it.
    Killed(String),
    /// Another thread's execve() has taken its place.
    Superseded,
    /// What strace says of its instruction set: `runs in 32 bit mode.`
    Mode(String),
}

/// A system call.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// Its name.
    pub name: String,
    /// Its arguments, as strace prints them.
    pub args: Vec<String>,
    /// What came of it.
    pub outcome: Outcome,
    /// How long the kernel had it, in seconds.
    pub spent: Option<f64>,
    /// Whether strace forged the outcome.
    pub is_injected: bool,
}

/// What came of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It returned a value, which strace may explain.
    Returned(String, String),
    /// It failed with this `errno`.
    Failed(String),
    /// A signal interrupted it, and the kernel begins it anew where the handler allows that.
    Restarted(String),
    /// It never returned: the process ended in it, or is still there.
    Never,
}

/// A line that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nonsense {
    /// Which line it is, from 1 on.
    pub number: usize,
    /// The line.
    pub line: String,
}

impl fmt::Display for Nonsense {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} is none of strace's: {:?}", self.number, self.line)
    }
}

impl std::error::Error for Nonsense {}

/// All events of an output of strace, in the order in which they began.
///
/// # Errors
///
/// The first line that makes no sense.
pub fn parse(text: &str) -> Result<Vec<Line>, Nonsense> {
    let mut lines: Vec<Line> = Vec::new();
    // Calls that another line has interrupted: where they stand, and their text so far.
    let mut open: HashMap<Pid, (usize, String)> = HashMap::new();
    let count = text.lines().count();
    for (at, line) in text.lines().enumerate() {
        let nonsense = || Nonsense { number: at + 1, line: line.to_owned() };
        let (pid, time, body) = prefix(line);
        if body.is_empty() {
            continue;
        }
        let is_last = at + 1 == count && !text.ends_with('\n');
        if let Some(begun) = interrupted(body, is_last) {
            let event = Event::Call(call(&format!("{begun}) = ?")).ok_or_else(nonsense)?);
            open.insert(pid, (lines.len(), begun.to_owned()));
            lines.push(Line { pid, at: time, event });
        } else if let Some(rest) = body.strip_prefix("<... ") {
            let (name, rest) = rest.split_once(" resumed>").ok_or_else(nonsense)?;
            let rest = rest.trim_start();
            let rest = rest.strip_prefix(UNFINISHED).unwrap_or(rest);
            // A call that had begun before strace came has no beginning here.
            let (index, begun) = open.remove(&pid).unwrap_or_else(|| {
                let call = Call::never(name);
                lines.push(Line { pid, at: time, event: Event::Call(call) });
                (lines.len() - 1, format!("{name}("))
            });
            let begun = begun.trim_end();
            let space = if begun.ends_with(',') { " " } else { "" };
            let whole = call(&format!("{begun}{space}{rest}"));
            lines[index].event = Event::Call(whole.ok_or_else(nonsense)?);
        } else {
            let event = event(body).ok_or_else(nonsense)?;
            lines.push(Line { pid, at: time, event });
        }
    }
    Ok(lines)
}

const UNFINISHED: &str = "<unfinished ...>";

/// The beginning of a call that has not returned yet, or not before strace left, or whose line is the
/// last one and cut.
fn interrupted(body: &str, is_last: bool) -> Option<&str> {
    let begun = body.strip_suffix(UNFINISHED).or(body.strip_suffix("<detached ...>"));
    // A thread whose execve() succeeds goes on as the first one.
    let changed = body.rsplit_once("<pid changed to ").filter(|(_, to)| to.ends_with(" ...>"));
    begun
        .or(changed.map(|(begun, _)| begun))
        .or_else(|| (is_last && body.contains('(') && event(body).is_none()).then_some(body))
}

/// `[pid 12]`, `12` and the time of `-t`, `-tt`, `-ttt`, if they are there, and what follows.
fn prefix(line: &str) -> (Pid, Option<f64>, &str) {
    let mut body = line.trim();
    let mut pid = None;
    if let Some((number, rest)) = body.strip_prefix("[pid ").and_then(|rest| rest.split_once(']')) {
        (pid, body) = (number.trim().parse().ok(), rest.trim_start());
    } else if let Some((word, rest)) = body.split_once(' ')
        && let Ok(number) = word.parse()
    {
        (pid, body) = (Some(number), rest.trim_start());
    }
    match body.split_once(' ').map(|(word, rest)| (clock(word), rest)) {
        Some((Some(time), rest)) => (pid, Some(time), rest.trim_start()),
        _ => (pid, None, body),
    }
}

/// `1795887686.675808`, `10:20:30.123456` or `10:20:30`, in seconds.
fn clock(word: &str) -> Option<f64> {
    if !word.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.' || byte == b':') {
        return None;
    }
    if !word.contains(':') {
        return word.contains('.').then(|| word.parse().ok())?;
    }
    let mut parts = word.split(':').map(|part| part.parse::<f64>().ok());
    let (hours, minutes, seconds) = (parts.next()??, parts.next()??, parts.next()??);
    parts.next().is_none().then_some((hours * 60.0 + minutes) * 60.0 + seconds)
}

fn event(body: &str) -> Option<Event> {
    if let Some(said) = body.strip_prefix("--- ") {
        let said = said.strip_suffix(" ---")?;
        if let Some(signal) = said.strip_prefix("stopped by ") {
            return Some(Event::Stopped(signal.to_owned()));
        }
        let (name, info) = said.split_once(' ').unwrap_or((said, ""));
        return name.starts_with("SIG").then(|| Event::Signal(name.into(), info.into()));
    }
    if let Some(said) = body.strip_prefix("+++ ") {
        let said = said.strip_suffix(" +++")?;
        if let Some(status) = said.strip_prefix("exited with ") {
            return status.parse().ok().map(Event::Exited);
        }
        if let Some(signal) = said.strip_prefix("killed by ") {
            return Some(Event::Killed(signal.to_owned()));
        }
        return said.starts_with("superseded by execve in pid ").then_some(Event::Superseded);
    }
    if let Some(said) = body.strip_prefix("[ Process PID=") {
        let said = said.strip_suffix(" ]")?;
        return said.split_once(' ').map(|(_, said)| Event::Mode(said.to_owned()));
    }
    call(body).map(Event::Call)
}

impl Call {
    /// One that has not returned.
    fn never(name: &str) -> Self {
        let (args, outcome) = (Vec::new(), Outcome::Never);
        Self { name: name.to_owned(), args, outcome, spent: None, is_injected: false }
    }
}

/// `name(args) = outcome`
fn call(text: &str) -> Option<Call> {
    let (name, rest) = text.split_once('(')?;
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '?';
    if name.is_empty() || !name.chars().all(is_name) {
        return None;
    }
    let (args, rest) = arguments(rest)?;
    let mut call = Call { args, ..Call::never(name) };
    if call.args.last().is_some_and(|arg| arg == UNFINISHED) {
        call.args.pop();
    }
    let mut rest = rest.trim_start().strip_prefix('=')?.trim();
    rest = rest.strip_suffix("<unavailable>").unwrap_or(rest).trim_end();
    if let Some((before, spent)) = rest.strip_suffix('>').and_then(|rest| rest.rsplit_once(" <"))
        && let Ok(spent) = spent.parse()
    {
        (rest, call.spent) = (before.trim_end(), Some(spent));
    }
    for mark in ["(INJECTED)", "(DELAYED)"] {
        if let Some(before) = rest.strip_suffix(mark) {
            (rest, call.is_injected) = (before.trim_end(), true);
        }
    }
    call.outcome = outcome(rest)?;
    Some(call)
}

fn outcome(text: &str) -> Option<Outcome> {
    // What it is open on may have a space in it.
    let opened = text.find(|c: char| !c.is_ascii_digit()).map_or(0, |at| at + opened(&text[at..]));
    let end = text[opened..].find(' ').map_or(text.len(), |at| opened + at);
    let (value, note) = (&text[..end], text[end..].trim());
    if value == "?" {
        let code = note.split(' ').next().unwrap_or_default();
        return Some(if code.starts_with("ERESTART") {
            Outcome::Restarted(code.to_owned())
        } else {
            Outcome::Never
        });
    }
    if value == "-1" && note.starts_with('E') {
        let errno = note.split(' ').next().unwrap_or_default();
        return Some(Outcome::Failed(errno.to_owned()));
    }
    let begins_well = value.starts_with(|c: char| c.is_ascii_digit() || c == '-' || c == '"');
    begins_well.then(|| Outcome::Returned(value.to_owned(), note.to_owned()))
}

/// How long is what a descriptor is open on, which stands behind its number: `<TCP:[127.0.0.1:9000]>`,
/// `</dev/null<char 1:3>>`, `</tmp/gone>(deleted)`; 0 where there is none.
///
/// strace escapes angle brackets and quotes in a file's name, but neither in that of a UNIX socket, which
/// is quoted, nor the arrow between the two ends of a connection.
pub(super) fn opened(text: &str) -> usize {
    if !text.starts_with('<') || text.starts_with("<<") {
        return 0;
    }
    let is_file = text.starts_with("</");
    let mut depth = 0_usize;
    let mut is_quoted = false;
    let mut bytes = text.bytes().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'\\' => drop(bytes.next()),
            b'"' => is_quoted = !is_quoted,
            _ if is_quoted => {}
            b'-' if !is_file && text[at + 1..].starts_with('>') => drop(bytes.next()),
            b'<' => depth += 1,
            b'>' if depth > 1 => depth -= 1,
            b'>' => {
                let is_gone = text[at + 1..].starts_with(DELETED);
                return at + 1 + if is_gone { DELETED.len() } else { 0 };
            }
            _ => {}
        }
    }
    0
}

const DELETED: &str = "(deleted)";

/// The arguments up to the parenthesis that closes them, and what follows it.
pub(super) fn arguments(text: &str) -> Option<(Vec<String>, &str)> {
    let mut args = Vec::new();
    let (mut depth, mut start) = (0_usize, 0);
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => loop {
                match chars.next()?.1 {
                    '\\' => drop(chars.next()?),
                    '"' => break,
                    _ => {}
                }
            },
            '<' if text[..at].ends_with(|c: char| c.is_ascii_digit() || c == 'D') => {
                let end = at + opened(&text[at..]);
                while chars.clone().next().is_some_and(|(next, _)| next < end) {
                    chars.next();
                }
            }
            '/' if chars.as_str().starts_with('*') => {
                let end = chars.as_str().find("*/")?;
                while chars.clone().next().is_some_and(|(next, _)| next < at + 1 + end + 2) {
                    chars.next();
                }
            }
            '(' | '[' | '{' => depth += 1,
            ')' if depth == 0 => {
                let last = text[start..at].trim();
                if !(last.is_empty() && args.is_empty()) {
                    args.push(last.to_owned());
                }
                return Some((args, &text[at + 1..]));
            }
            ')' | ']' | '}' => depth = depth.checked_sub(1)?,
            ',' if depth == 0 => {
                args.push(text[start..at].trim().to_owned());
                start = at + 1;
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn one(text: &str) -> Event {
        let lines = parse(text).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(lines.len(), 1, "{lines:?}");
        lines.into_iter().next().unwrap().event
    }

    fn one_call(text: &str) -> Call {
        let Event::Call(call) = one(text) else { panic!("{text} is no call") };
        call
    }

    #[test]
    fn calls_and_what_came_of_them() {
        let returned = |value: &str, note: &str| Outcome::Returned(value.into(), note.into());
        for (text, args, outcome) in [
            ("getpid() = 3065", 0, returned("3065", "")),
            (
                "close(4<TCP:[127.0.0.1:9555->127.0.0.1:38766]>) = 0 <0.000058>",
                1,
                returned("0", ""),
            ),
            (
                "accept(3<TCP:[127.0.0.1:9555]>, {sa_family=AF_INET, sin_port=htons(38766), \
                 sin_addr=inet_addr(\"127.0.0.1\")}, [128 => 16]) = \
                 4<TCP:[127.0.0.1:9555->127.0.0.1:38766]> <0.915582>",
                3,
                returned("4<TCP:[127.0.0.1:9555->127.0.0.1:38766]>", ""),
            ),
            ("recvfrom(4, \"a, (b\\\")\", 64, 0, NULL, NULL) = 6", 6, returned("6", "")),
            (
                "recvfrom(4, 0x7ffd, 64, 0, NULL, NULL) = -1 EAGAIN (Resource temporarily \
              unavailable)",
                6,
                Outcome::Failed("EAGAIN".into()),
            ),
            (
                "accept(3, NULL, NULL) = ? ERESTARTSYS (To be restarted if SA_RESTART is set)",
                3,
                Outcome::Restarted("ERESTARTSYS".into()),
            ),
            ("exit_group(0) = ?", 1, Outcome::Never),
            (
                "poll([{fd=3, events=POLLIN}], 1, -1) = 1 ([{fd=3, revents=POLLIN}])",
                3,
                returned("1", "([{fd=3, revents=POLLIN}])"),
            ),
            ("pselect6(4, [3], NULL, NULL, NULL, NULL) = 1 (in [3])", 6, returned("1", "(in [3])")),
            (
                "mmap(NULL, 8192, PROT_READ, MAP_PRIVATE, -1, 0) = 0x7fb8fcbab000",
                6,
                returned("0x7fb8fcbab000", ""),
            ),
            (
                "openat(AT_FDCWD</tmp/a b>, \"x\", O_RDONLY) = 3</tmp/a b/x>",
                3,
                returned("3</tmp/a b/x>", ""),
            ),
            ("fcntl(3, F_GETFL) = 0x2 (flags O_RDWR)", 2, returned("0x2", "(flags O_RDWR)")),
            ("restart_syscall(<... resuming interrupted poll ...>) = 1", 1, returned("1", "")),
            (
                "execve(\"./a\", [\"./a\"], 0x7ffc /* 10 vars, and (more */) = 0",
                3,
                returned("0", ""),
            ),
            ("io_uring_enter(4, 1, 1, IORING_ENTER_GETEVENTS, NULL, 8) = 1", 6, returned("1", "")),
        ] {
            let call = one_call(text);
            assert_eq!((call.args.len(), &call.outcome), (args, &outcome), "{text}: {call:?}");
        }
        let forged = one_call("accept(3, 0x1, [128]) = -1 EPROTO (Protocol error) (INJECTED)");
        assert!(forged.is_injected && forged.outcome == Outcome::Failed("EPROTO".into()));
        assert_eq!(one_call("close(4) = 0 <0.000058>").spent, Some(0.000058));
    }

    #[test]
    fn signals_and_ends() {
        assert_eq!(
            one("--- SIGINT {si_signo=SIGINT, si_code=SI_USER} ---"),
            Event::Signal("SIGINT".into(), "{si_signo=SIGINT, si_code=SI_USER}".into())
        );
        assert_eq!(one("--- stopped by SIGSTOP ---"), Event::Stopped("SIGSTOP".into()));
        assert_eq!(one("+++ exited with 3 +++"), Event::Exited(3));
        assert_eq!(one("+++ killed by SIGKILL +++"), Event::Killed("SIGKILL".into()));
        assert_eq!(
            one("+++ killed by SIGSEGV (core dumped) +++"),
            Event::Killed("SIGSEGV (core dumped)".into())
        );
        assert_eq!(one("+++ superseded by execve in pid 7 +++"), Event::Superseded);
    }

    #[test]
    fn whose_and_when() {
        for (text, pid, at) in [
            ("getpid() = 1", None, None),
            ("12 getpid() = 12", Some(12), None),
            ("[pid    12] getpid() = 12", Some(12), None),
            ("1795887686.5 getpid() = 1", None, Some(1_795_887_686.5)),
            ("12 1795887686.5 getpid() = 12", Some(12), Some(1_795_887_686.5)),
            ("12 01:02:03 getpid() = 12", Some(12), Some(3723.0)),
            ("[pid 12] 01:02:03.25 getpid() = 12", Some(12), Some(3723.25)),
        ] {
            let line = &parse(text).unwrap()[0];
            assert_eq!((line.pid, line.at), (pid, at), "{text}");
        }
    }

    #[test]
    fn interrupted_lines_are_one_call() {
        let text = "\
7 accept(3, <unfinished ...>
8 getpid() = 8
7 <... accept resumed>NULL, NULL) = 4
8 recvfrom(4, <unfinished ...>
8 <... recvfrom resumed>\"10\\n\", 64, 0, NULL, NULL) = 3 <0.1>
9 <... wait4 resumed>NULL, 0, NULL) = 8
8 read(0,  <unfinished ...>) = ?
8 +++ killed by SIGKILL +++
";
        let lines = parse(text).unwrap();
        let calls: Vec<&Call> = lines
            .iter()
            .filter_map(|line| match &line.event {
                Event::Call(call) => Some(call),
                _ => None,
            })
            .collect();
        let names: Vec<&str> = calls.iter().map(|call| call.name.as_str()).collect();
        assert_eq!(names, ["accept", "getpid", "recvfrom", "wait4", "read"]);
        assert_eq!(calls[0].args, ["3", "NULL", "NULL"]);
        assert_eq!(calls[2].args[1], "\"10\\n\"");
        assert_eq!(calls[4].outcome, Outcome::Never);
    }

    #[test]
    fn nonsense_is_named() {
        for text in
            ["hello", "close(4) 0", "close(4", "--- ---", "+++ gone +++", "x = 3", "f(]) = 0"]
        {
            let error = parse(&format!("getpid() = 1\n{text}\n")).expect_err(text);
            assert_eq!((error.number, error.line.as_str()), (2, text));
        }
    }

    proptest! {
        #[test]
        fn hostile_text_never_panics(text in "\\PC{0,200}", bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&text);
            let _ = parse(&String::from_utf8_lossy(&bytes));
        }

        #[test]
        fn pieces_of_lines_never_panic(cut in 0_usize..200, extra in "[\\[\\]{}()<>\"\\\\/*, =?]{0,20}") {
            let line = "7 1.5 accept(3<TCP:[1.2.3.4:5->6.7.8.9:1]>, {sa=\"x\\\"\"}, [1 => 2]) = 4<a> <0.1>";
            let cut = cut.min(line.len());
            let _ = parse(&format!("{}{extra}{}", &line[..cut], &line[cut..]));
            let _ = parse(&line[..cut]);
        }
    }
}

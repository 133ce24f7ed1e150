//! What the clients do: a script, which waits for events and never for time.

use std::collections::BTreeSet;
use std::fmt;

use regex::bytes::{Regex, RegexBuilder};

use crate::report::unescape;

/// Something that a client does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Connects; over UDP, makes its socket.
    Connect,
    /// Connects and sends these bytes: they are there before the server can look.
    Ask(Vec<u8>),
    /// Waits until the server has accepted it.
    Accepted,
    /// Sends these bytes.
    Send(Vec<u8>),
    /// Sends no more: half-closes.
    Finish,
    /// Waits for these bytes; for none, for whatever comes.
    Expect(Vec<u8>),
    /// Waits until what has come is like this.
    Match(Pattern),
    /// Waits for the end of the connection, whatever comes before it.
    End,
    /// Ends the connection with a reset.
    Reset,
    /// Closes.
    Close,
}

impl Action {
    /// The script's word for it.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Ask(_) => "ask",
            Self::Accepted => "accepted",
            Self::Send(_) => "send",
            Self::Finish => "finish",
            Self::Expect(_) => "expect",
            Self::Match(_) => "match",
            Self::End => "end",
            Self::Reset => "reset",
            Self::Close => "close",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())?;
        match self {
            Self::Send(bytes) | Self::Expect(bytes) if !bytes.is_empty() => {
                write!(f, " \"{}\"", bytes.escape_ascii())
            }
            Self::Match(pattern) => write!(f, " {pattern}"),
            _ => Ok(()),
        }
    }
}

/// A regular expression for bytes.
#[derive(Debug, Clone)]
pub struct Pattern(Regex);

impl Pattern {
    /// # Errors
    ///
    /// What is wrong with the expression, in words.
    pub fn new(text: &str) -> Result<Self, String> {
        let built = RegexBuilder::new(text).unicode(false).build();
        built.map(Self).map_err(|error| error.to_string().replace('\n', " "))
    }

    /// Whether there is what it means somewhere in these bytes.
    pub fn is_match(&self, bytes: &[u8]) -> bool {
        self.0.is_match(bytes)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl Eq for Pattern {}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

/// What one client does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Which client.
    pub client: String,
    /// What it does.
    pub action: Action,
}

/// One good request, two overlapping ones, a silent client that leaves, a reset in mid-request, a bad
/// request.
pub const TCP: &str = "\
good connect
good send 10\\n
good expect 55
good end

first connect
second connect
first send 20\\n
second send 1\\n
first expect 6765
first end
second expect 1
second end

silent connect
silent accepted
silent close

reset connect
reset send 1
reset accepted
reset reset

bad connect
bad send twenty\\n
bad end
";

/// Two requests, one after the other.
pub const UDP: &str = "\
one connect
one send \\n
one expect

two connect
two send \\n
two expect
";

/// The usual clients with a request of one's own, for a server of which nobody knows who ends a connection: each
/// closes when it has its answer. Over UDP two, one after the other.
pub fn asking(request: &[u8], answer: &Pattern, is_tcp: bool) -> Vec<Step> {
    let step = |client: &str, action| Step { client: client.to_owned(), action };
    let send = |client| step(client, Action::Send(request.to_vec()));
    let answered = |client| step(client, Action::Match(answer.clone()));
    let one = |client| {
        [step(client, Action::Connect), send(client), answered(client), step(client, Action::Close)]
    };
    if !is_tcp {
        return [one("one"), one("two")].concat();
    }
    let part = request.get(..1).unwrap_or_default().to_vec();
    let others = [
        step("first", Action::Connect),
        step("second", Action::Connect),
        send("first"),
        send("second"),
        answered("first"),
        step("first", Action::Close),
        answered("second"),
        step("second", Action::Close),
        step("silent", Action::Connect),
        step("silent", Action::Accepted),
        step("silent", Action::Close),
        step("reset", Action::Connect),
        step("reset", Action::Send(part)),
        step("reset", Action::Accepted),
        step("reset", Action::Reset),
    ];
    one("good").into_iter().chain(others).collect()
}

/// How many clients are connected at once, at most.
pub fn most_at_once(steps: &[Step]) -> usize {
    let mut there: BTreeSet<&str> = BTreeSet::new();
    let counts = steps.iter().map(|step| {
        match step.action {
            Action::Reset | Action::Close => there.remove(step.client.as_str()),
            _ => there.insert(&step.client),
        };
        there.len()
    });
    counts.max().unwrap_or(0)
}

/// A line of a script that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Which line, from 1 on.
    pub number: usize,
    /// What is wrong with it.
    pub why: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.number, self.why)
    }
}

impl std::error::Error for Mistake {}

const ACTIONS: &str = "connect, ask BYTES, accepted, send BYTES, finish, expect BYTES, match REGEX, end, reset, close";

/// The longest script, in bytes.
pub const LONGEST: u64 = 1 << 20;

/// Reads a script: a line is a client's name, an action and, for those that take them, bytes with C's escapes,
/// which begin behind one blank; empty lines and what follows a `#` at the beginning of a line are left out.
///
/// # Errors
///
/// The first line that makes no sense.
pub fn parse(text: &str) -> Result<Vec<Step>, Mistake> {
    let mut steps = Vec::new();
    let mut connected: BTreeSet<&str> = BTreeSet::new();
    // Some editors put a mark of the byte order at the beginning.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (at, line) in text.lines().enumerate() {
        let line = line.trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let mistake = |why: String| Mistake { number: at + 1, why };
        let (client, rest) = line.split_once([' ', '\t']).unwrap_or((line, ""));
        let rest = rest.trim_start();
        let (word, rest) = rest.split_once([' ', '\t']).unwrap_or((rest, ""));
        let bytes = || unescape(rest);
        let none = |action: Action| match rest.trim() {
            "" => Ok(action),
            rest => Err(format!("{word} takes nothing, so leave {rest:?} out")),
        };
        let action = match word {
            "connect" => none(Action::Connect),
            "ask" => bytes().map(Action::Ask),
            "accepted" => none(Action::Accepted),
            "send" => bytes().map(Action::Send),
            "finish" => none(Action::Finish),
            "expect" => bytes().map(Action::Expect),
            "match" => Pattern::new(rest).map(Action::Match),
            "end" => none(Action::End),
            "reset" => none(Action::Reset),
            "close" => none(Action::Close),
            "" => Err(format!("{client} does nothing; a line is a client and one of {ACTIONS}")),
            other => Err(format!("no action {other:?}; there are {ACTIONS}")),
        };
        let action = action.map_err(mistake)?;
        let is_there = match action {
            Action::Connect | Action::Ask(_) if !connected.insert(client) => {
                let what = "is connected already; let it close first, or give the other client a name of its own";
                return Err(mistake(format!("{client} {what}")));
            }
            Action::Connect | Action::Ask(_) => true,
            Action::Reset | Action::Close => connected.remove(client),
            _ => connected.contains(client),
        };
        if !is_there {
            return Err(mistake(format!("{client} is not connected; let it connect first")));
        }
        steps.push(Step { client: client.to_owned(), action });
    }
    Ok(steps)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_script() {
        let steps = parse("# one\na connect\n\na send 1\\x30\\n\na expect\na end").unwrap();
        let actions: Vec<Action> = steps.into_iter().map(|step| step.action).collect();
        let sent = Action::Send(b"10\n".to_vec());
        assert_eq!(actions, [Action::Connect, sent, Action::Expect(vec![]), Action::End]);
        assert!(parse(TCP).is_ok() && parse(UDP).is_ok());
    }

    #[test]
    fn an_action_in_words() {
        assert_eq!(Action::Send(b"10\n\0\"".to_vec()).to_string(), r#"send "10\n\x00\"""#);
        assert_eq!(Action::Expect(Vec::new()).to_string(), "expect");
        for step in parse(TCP).unwrap() {
            assert!(step.action.to_string().starts_with(step.action.word()));
        }
    }

    #[test]
    fn mistakes_are_named() {
        for (text, words) in [
            ("a jump", "line 1: no action \"jump\""),
            ("a", "line 1: a does nothing"),
            ("a send 1", "line 1: a is not connected"),
            ("a connect\na send \\q", "line 2: \\q is no escape"),
            ("a connect\na send \\x4", "line 2: \\x takes two"),
            ("a connect\na send \\x+4", "line 2: \\x takes two"),
            ("a connect extra", "line 1: connect takes nothing, so leave \"extra\" out"),
            ("a connect\na connect", "line 2: a is connected already"),
            ("a connect\na close\na end", "line 3: a is not connected"),
            ("a connect\na match (", "line 2: "),
        ] {
            let mistake = parse(text).expect_err(text).to_string();
            assert!(mistake.starts_with(words), "{mistake}");
        }
    }

    #[test]
    fn blanks_marks_and_names_that_come_again() {
        let steps = parse("\u{feff}a connect\r\n  a\t send  1\r\na close \na connect").unwrap();
        let actions: Vec<Action> = steps.into_iter().map(|step| step.action).collect();
        let sent = Action::Send(b" 1".to_vec());
        assert_eq!(actions, [Action::Connect, sent, Action::Close, Action::Connect]);
    }

    #[test]
    fn clients_with_a_request_of_ones_own() {
        let pattern = Pattern::new("^PONG").unwrap();
        for is_tcp in [true, false] {
            let steps = asking(b"PING\r\n", &pattern, is_tcp);
            let text: Vec<String> =
                steps.iter().map(|step| format!("{} {}", step.client, step.action)).collect();
            assert!(text[1].ends_with(r#" send "PING\r\n""#) && text[2].ends_with(" match ^PONG"));
            assert_eq!(most_at_once(&steps), 1 + usize::from(is_tcp));
        }
        assert!(pattern.is_match(b"PONG\n") && !pattern.is_match(b"-ERR PONG"));
    }

    proptest! {
        #[test]
        fn hostile_scripts_never_panic(text in "\\PC{0,80}", escape in "a connect\na send [\\\\x0-9a-f]{0,9}") {
            let _ = (parse(&text), parse(&escape));
        }
    }
}

//! What the clients do: a script, which waits for events and never for time.

use std::fmt;

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
            _ => Ok(()),
        }
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

const ACTIONS: &str =
    "connect, ask BYTES, accepted, send BYTES, finish, expect BYTES, end, reset, close";

/// Reads a script: a line is a client's name, an action and, for `send` and `expect`, bytes with C's
/// escapes; empty lines and what follows a `#` at the beginning of a line are left out.
///
/// # Errors
///
/// The first line that makes no sense.
pub fn parse(text: &str) -> Result<Vec<Step>, Mistake> {
    let mut steps = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let mistake = |why: String| Mistake { number: at + 1, why };
        let mut words = line.splitn(3, ' ');
        let (client, action) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let bytes = words.next().unwrap_or_default();
        let bytes = || unescaped(bytes).map_err(&mistake);
        let action = match action.trim_end() {
            "connect" => Action::Connect,
            "ask" => Action::Ask(bytes()?),
            "accepted" => Action::Accepted,
            "send" => Action::Send(bytes()?),
            "finish" => Action::Finish,
            "expect" => Action::Expect(bytes()?),
            "end" => Action::End,
            "reset" => Action::Reset,
            "close" => Action::Close,
            other => return Err(mistake(format!("no action {other:?}; there are {ACTIONS}"))),
        };
        let is_there = steps.iter().any(|step: &Step| step.client == client);
        if !is_there && !matches!(action, Action::Connect | Action::Ask(_)) {
            return Err(mistake(format!("{client} has not connected yet")));
        }
        steps.push(Step { client: client.to_owned(), action });
    }
    Ok(steps)
}

fn unescaped(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            bytes.extend(c.encode_utf8(&mut [0; 4]).bytes());
            continue;
        }
        bytes.push(match chars.next() {
            Some('n') => b'\n',
            Some('r') => b'\r',
            Some('t') => b'\t',
            Some('0') => 0,
            Some('\\') => b'\\',
            Some('x') => {
                let digits: String = chars.by_ref().take(2).collect();
                u8::from_str_radix(&digits, 16).map_err(|_| format!("\\x{digits} is no byte"))?
            }
            other => {
                let other = other.map_or(String::new(), String::from);
                return Err(format!("no escape \\{other}; there are \\n \\r \\t \\0 \\\\ \\xHH"));
            }
        });
    }
    Ok(bytes)
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
        for (text, word) in
            [("a jump", "jump"), ("a send 1", "not connected"), ("a connect\na send \\q", "\\q")]
        {
            let mistake = parse(text).expect_err(text);
            assert!(mistake.to_string().contains(word), "{mistake}");
        }
    }

    proptest! {
        #[test]
        fn hostile_scripts_never_panic(text in "\\PC{0,80}", escape in "a connect\na send [\\\\x0-9a-f]{0,9}") {
            let _ = (parse(&text), parse(&escape));
        }
    }
}

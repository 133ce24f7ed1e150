//! The text of others, such as a server's answers, in a form that nothing obeys; and what a person escapes, as bytes.

use std::borrow::Cow;
use std::fmt::Write;

/// The text on one line, with an escape (`\n`, `\x1b`, `\u{202e}`) for each character that a terminal, a
/// browser or a reader's eye would follow instead of showing it, and for those that XML and YAML can't have.
/// Backslashes stay as they are: what comes here has mostly been escaped once.
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            // Writing to a String does not fail.
            c if is_hidden(c) && c.is_ascii() => drop(write!(shown, "\\x{:02x}", u32::from(c))),
            c if is_hidden(c) => drop(write!(shown, "\\u{{{:x}}}", u32::from(c))),
            c => shown.push(c),
        }
    }
    Cow::Owned(shown)
}

/// Controls, what turns the direction of writing, separators of lines, and what is no character.
pub(super) fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{fffe}' | '\u{ffff}' | '\u{e0000}'..='\u{e007f}')
}

/// A command as it can be given to a shell again: bash, where a word has control characters.
pub fn shell(words: &[String]) -> String {
    words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
}

fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-{}".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    if !word.chars().any(is_hidden) {
        return format!("'{}'", word.replace('\'', "'\\''"));
    }
    let mut quoted = String::from("$'");
    for c in word.chars() {
        match c {
            '\'' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            c if is_hidden(c) => drop(write!(quoted, "\\U{:08x}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted + "'"
}

/// The bytes that a word with C's escapes means: `\n \r \t \\ \" \' \xHH`, and `\O`, `\OO` and `\OOO` in octal.
///
/// # Errors
///
/// Which escape is none, in words.
pub fn unescape(word: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let mut rest = word.chars().peekable();
    while let Some(c) = rest.next() {
        if c != '\\' {
            bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        bytes.push(match rest.next() {
            Some('n') => b'\n',
            Some('r') => b'\r',
            Some('t') => b'\t',
            Some('\\') => b'\\',
            Some('"') => b'"',
            Some('\'') => b'\'',
            Some(first @ '0'..='7') => {
                let mut octal = String::from(first);
                while let Some(digit) = rest.next_if(|c| octal.len() < 3 && matches!(c, '0'..='7'))
                {
                    octal.push(digit);
                }
                u8::from_str_radix(&octal, 8).map_err(|_| {
                    format!(r"\{octal} is more than a byte; octal escapes go up to \377")
                })?
            }
            Some('x') => {
                let mut digit = || rest.next().and_then(|digit| digit.to_digit(16));
                match (digit(), digit()) {
                    (Some(high), Some(low)) => (high * 16 + low) as u8,
                    _ => return Err(String::from(r"\x takes two hexadecimal digits")),
                }
            }
            Some(other) => {
                return Err(format!(r"\{other} is no escape; use \\ for a backslash"));
            }
            None => return Err(String::from(r"a single backslash at the end; use \\")),
        });
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_is_obeyed() {
        assert_eq!(visible("plain, Grüße, 漢字"), "plain, Grüße, 漢字");
        assert_eq!(visible("\0\x1b[31m\r\n\t\x7f"), r"\x00\x1b[31m\r\n\t\x7f");
        assert_eq!(visible("\u{9b}31m \u{202e}txt.exe"), r"\u{9b}31m \u{202e}txt.exe");
        assert_eq!(visible("\u{feff}\u{fffe}\u{2028}"), r"\u{feff}\u{fffe}\u{2028}");
    }

    #[test]
    fn words_of_a_shell() {
        let words = ["./mine", "{port}", "two words", "it's", "", "a\nb", "~", "$HOME"];
        let words = words.map(String::from);
        assert_eq!(shell(&words), r"./mine {port} 'two words' 'it'\''s' '' $'a\nb' '~' '$HOME'");
        assert_eq!(shell(&["\x1b'\\".into()]), r"$'\U0000001b\'\\'");
    }

    #[test]
    fn escapes() {
        assert_eq!(unescape(r#"a\n\r\t\0\\\"\x7f"#), Ok(b"a\n\r\t\0\\\"\x7f".to_vec()));
        // One to three digits in octal; what follows them is itself.
        assert_eq!(unescape(r"\1\12\060\377\0608\09"), Ok(b"\x01\n0\xff08\x009".to_vec()));
        for wrong in [r"\", r"\q", r"\8", r"\x", r"\x7", r"\xgg", r"\400", r"\777"] {
            assert!(unescape(wrong).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn no_word_panics(word in ".*") {
            let _ = unescape(&word);
        }

        #[test]
        fn what_is_escaped_comes_back(bytes: Vec<u8>) {
            let word: String = bytes.iter().map(|byte| format!("\\x{byte:02x}")).collect();
            prop_assert_eq!(unescape(&word), Ok(bytes));
        }
    }
}

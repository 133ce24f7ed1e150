//! What changes from run to run in the text of a call.

use std::collections::BTreeSet;

use crate::compare::parse::opened;

/// `3<TCP:[127.0.0.1:9000]>` at the beginning of a text: the number, what it is open on, and how long
/// that is.
pub(in crate::compare) fn descriptor(text: &str) -> Option<(u32, &str, usize)> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let fd = text[..digits].parse().ok()?;
    let length = opened(&text[digits..]);
    let what = text[digits..digits + length].strip_prefix('<')?;
    let what = what.trim_end_matches("(deleted)").strip_suffix('>')?;
    Some((fd, what, digits + length))
}

/// How long a quoted string at the beginning of a text is.
pub(super) fn string(text: &str) -> usize {
    let mut bytes = text.bytes().enumerate().skip(1);
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'\\' => drop(bytes.next()),
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// What a descriptor is called that nobody was seen to make.
pub(super) fn kind(what: &str) -> String {
    let kind = what.split([':', '[']).next().unwrap_or_default();
    match kind {
        "TCP" | "TCPv6" | "UDP" | "UDPv6" | "UNIX" | "UNIX-STREAM" | "socket" => "socket".into(),
        "anon_inode" => what.trim_start_matches("anon_inode:").trim_matches(['[', ']']).to_owned(),
        "pipe" => "pipe".into(),
        _ if what.starts_with('/') => what.to_owned(),
        _ => kind.to_owned(),
    }
}

/// Which flags a task was made with: all else of it are pointers.
pub(super) fn flags(args: &[String]) -> String {
    let flags = args.iter().find_map(|arg| {
        let after = arg.split_once("flags=")?.1;
        after.split([',', '}']).next()
    });
    format!("flags={}", flags.unwrap_or_default())
}

pub(super) fn numbers_after<'a>(text: &'a str, before: &'a str) -> impl Iterator<Item = u32> + 'a {
    text.split(before).skip(1).filter_map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        rest[..end].parse().ok()
    })
}

/// Whether a text may have something in it that changes from run to run.
pub(super) fn has_changing(text: &str) -> bool {
    text.bytes().any(|byte| matches!(byte, b':' | b'=' | b'(' | b'x'))
}

/// Behind these is a number that the kernel or the clock has chosen, or that only an event carries.
const CHOSEN: [&str; 5] = ["htons(", "u32=", "u64=", "tv_sec=", "tv_nsec="];

/// The server's ports, those of clients, what events carry, times of day, wherever they are said, and
/// pointers.
pub(super) fn without_changing(text: &str, ports: &BTreeSet<u32>) -> String {
    let mut whole = String::with_capacity(text.len());
    // Up to here all is in its place; all that is looked for is ASCII.
    let mut done = 0;
    let mut at = 0;
    while let Some(&byte) = text.as_bytes().get(at) {
        let rest = || &text[at..];
        let found = match byte {
            b'0'..=b'9' if is_clock(&text.as_bytes()[at..]) => Some((CLOCK.len(), "HH:MM:SS")),
            b'0' => pointer(rest()).map(|length| (length, "POINTER")),
            b':' => {
                let length = digits(&text[at + 1..]);
                let is_port =
                    text[at + 1..at + 1 + length].parse().is_ok_and(|n| ports.contains(&n));
                is_port.then_some((1 + length, ":PORT"))
            }
            b'h' | b'u' | b't' => {
                let chosen = CHOSEN.iter().find(|word| rest().starts_with(**word));
                chosen.and_then(|word| {
                    whole.push_str(&text[done..at + word.len()]);
                    (done, at) = (at + word.len(), at + word.len());
                    let length = digits(&text[at..]);
                    let number = text[at..at + length].parse::<u32>();
                    match *word {
                        "htons(" if number == Ok(0) => None,
                        "htons(" if number.is_ok_and(|n| ports.contains(&n)) => {
                            Some((length, "PORT"))
                        }
                        "htons(" => Some((length, "CLIENT")),
                        _ => Some((length, "N")),
                    }
                    .filter(|_| length > 0)
                })
            }
            _ => None,
        };
        match found {
            Some((length, name)) => {
                whole.push_str(&text[done..at]);
                whole.push_str(name);
                at += length;
                done = at;
            }
            None => at += 1,
        }
    }
    whole.push_str(text.get(done..).unwrap_or_default());
    whole
}

/// How many digits a text begins with.
fn digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

const CLOCK: &[u8; 8] = b"##:##:##";

/// 10:20:30
fn is_clock(bytes: &[u8]) -> bool {
    let fits = |(byte, shape): (&u8, &u8)| match shape {
        b'#' => byte.is_ascii_digit(),
        shape => byte == shape,
    };
    bytes.len() >= CLOCK.len() && bytes.iter().zip(CLOCK).all(fits)
}

/// A pointer is a hexadecimal number of more than six digits: how long it is.
pub(super) fn pointer(text: &str) -> Option<usize> {
    let digits = text.strip_prefix("0x")?.bytes().take_while(u8::is_ascii_hexdigit).count();
    (digits > 6).then_some(2 + digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_from_run_to_run() {
        let ports = BTreeSet::from([9000, 10]);
        for (text, named) in [
            ("{sin_port=htons(9000), x}", "{sin_port=htons(PORT), x}"),
            ("{sin_port=htons(40001)}", "{sin_port=htons(CLIENT)}"),
            ("{sin_port=htons(0)}", "{sin_port=htons(0)}"),
            ("\"on 127.0.0.1:9000\\n\"", "\"on 127.0.0.1:PORT\\n\""),
            (":90001", ":90001"),
            ("at 10:20:30, 1:2", "at HH:MM:SS, 1:2"),
            ("{u32=7, u64=71}", "{u32=N, u64=N}"),
            ("{tv_sec=1, tv_nsec=2}", "{tv_sec=N, tv_nsec=N}"),
            ("0x7fb8fcbab000 0x802", "POINTER 0x802"),
            ("htons(", "htons("),
            ("\u{20ac}:9000\u{20ac}", "\u{20ac}:PORT\u{20ac}"),
        ] {
            assert_eq!(without_changing(text, &ports), named);
        }
    }
}

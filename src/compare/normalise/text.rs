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

/// The numbers that the kernel has chosen for this run.
#[derive(Default)]
pub(super) struct Known {
    /// The server's ports.
    pub ports: BTreeSet<u32>,
    /// The ports of those who talked to it.
    pub clients: BTreeSet<u32>,
    /// The processes and threads.
    pub tasks: BTreeSet<u32>,
    /// Those that it has asked for and that are no part of it, with groups and sessions.
    pub others: BTreeSet<u32>,
}

/// Whether a call on this descriptor carries what is said between the server and others: there a number means
/// what it says.
pub(super) fn is_data(arg: &str) -> bool {
    let what = arg.trim_start_matches(|c: char| c.is_ascii_digit());
    ["<TCP", "<UDP", "<UNIX", "<socket"].iter().any(|kind| what.starts_with(kind))
}

/// In a path or in what is written to a file: the tasks' ids, ports and times of day. A number counts as a
/// whole, and not as a part of a fraction.
pub(super) fn named_in(text: &str, known: &Known, now: f64, is_path: bool) -> String {
    let bytes = text.as_bytes();
    let mut whole = String::with_capacity(text.len());
    let (mut at, mut done) = (0, 0);
    while at < bytes.len() {
        if !is_path && bytes[at] == b'\\' {
            at += escape(&bytes[at..]);
            continue;
        }
        let length = bytes[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        if length == 0 {
            at += 1;
            continue;
        }
        let is_digit = |place: Option<usize>| {
            place.and_then(|place| bytes.get(place)).is_some_and(u8::is_ascii_digit)
        };
        let follows_point = at > 0 && bytes[at - 1] == b'.' && is_digit(at.checked_sub(2));
        let end = at + length;
        let has_fraction = bytes.get(end) == Some(&b'.') && is_digit(Some(end + 1));
        let number = text[at..end].parse::<u32>().unwrap_or(0);
        let begins = |word: &str| text[..at].ends_with(word);
        let mut until = end;
        let name = if length == 10 && (f64::from(number) - now).abs() < 86_400.0 {
            if has_fraction {
                until = end + 1 + digits(&text[end + 1..]);
            }
            Some(String::from("N"))
        } else if follows_point || has_fraction {
            None
        } else if number >= 1024 && known.clients.contains(&number) {
            Some(String::from("CLIENT"))
        } else if number >= 1024 && known.ports.contains(&number) {
            Some(String::from("PORT"))
        } else if known.tasks.contains(&number) && (length > 2 || begins("/proc/")) {
            Some(format!("\u{1}p{number}\u{1}"))
        } else if known.others.contains(&number) && length > 2 {
            Some(String::from("OUTSIDE"))
        } else {
            None
        };
        if let Some(name) = name {
            whole.push_str(&text[done..at]);
            whole.push_str(&name);
            done = until;
        }
        at = until;
    }
    whole.push_str(&text[done..]);
    whole
}

/// How long an escape of C's at the beginning of a text is.
fn escape(bytes: &[u8]) -> usize {
    match bytes.get(1) {
        Some(b'x') => 4,
        Some(b'0'..=b'7') => {
            1 + bytes[1..].iter().take(3).take_while(|byte| matches!(byte, b'0'..=b'7')).count()
        }
        _ => 2,
    }
}

/// A text with `N` for the numbers behind these words.
pub(super) fn without_numbers(text: &str, words: &[&str]) -> String {
    words.iter().fold(text.to_owned(), |text, word| {
        let mut pieces = text.split(word);
        let mut whole = String::from(pieces.next().unwrap_or_default());
        for piece in pieces {
            let length = digits(piece);
            let number = if length > 0 { "N" } else { "" };
            whole.extend([word, number, &piece[length..]]);
        }
        whole
    })
}

/// Whether a text may have something in it that changes from run to run.
pub(super) fn has_changing(text: &str) -> bool {
    text.bytes().any(|byte| matches!(byte, b':' | b'=' | b'(' | b'x'))
}

/// Behind these is a number that the kernel or the clock has chosen, or that only an event carries.
const CHOSEN: [&str; 7] =
    ["htons(", "si_stime=", "si_utime=", "tv_nsec=", "tv_sec=", "u32=", "u64="];

/// The server's ports, those of clients, what events carry, times of day, wherever they are said, and
/// pointers.
pub(super) fn without_changing(text: &str, known: &Known) -> String {
    let mut whole = String::with_capacity(text.len());
    // Up to here all is in its place; all that is looked for is ASCII.
    let mut done = 0;
    let mut at = 0;
    while let Some(&byte) = text.as_bytes().get(at) {
        let rest = || &text[at..];
        let found = match byte {
            b'0'..=b'9' if is_clock(&text.as_bytes()[at..]) => {
                // With the part of a second, if it is there.
                let rest = &text[at + CLOCK.len()..];
                let part = rest.strip_prefix(['.', ',']).map_or(0, digits);
                Some((CLOCK.len() + if part > 0 { 1 + part } else { 0 }, "HH:MM:SS"))
            }
            b'0' => pointer(rest()).map(|length| (length, "POINTER")),
            b':' => {
                let length = digits(&text[at + 1..]);
                let port = text[at + 1..at + 1 + length].parse().unwrap_or(0);
                if known.ports.contains(&port) {
                    Some((1 + length, ":PORT"))
                } else {
                    known.clients.contains(&port).then_some((1 + length, ":CLIENT"))
                }
            }
            b'h' | b'u' | b't' | b's' => {
                let chosen = CHOSEN.iter().find(|word| rest().starts_with(**word));
                chosen.and_then(|word| {
                    whole.push_str(&text[done..at + word.len()]);
                    (done, at) = (at + word.len(), at + word.len());
                    let length = digits(&text[at..]);
                    let number = text[at..at + length].parse::<u32>();
                    match *word {
                        "htons(" if number == Ok(0) => None,
                        "htons(" if number.is_ok_and(|n| known.ports.contains(&n)) => {
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
        let clients = BTreeSet::from([40002]);
        let known = Known { ports, clients, ..Known::default() };
        for (text, named) in [
            ("{sin_port=htons(9000), x}", "{sin_port=htons(PORT), x}"),
            ("{sin_port=htons(40001)}", "{sin_port=htons(CLIENT)}"),
            ("{sin_port=htons(0)}", "{sin_port=htons(0)}"),
            ("\"on 127.0.0.1:9000\\n\"", "\"on 127.0.0.1:PORT\\n\""),
            (":90001", ":90001"),
            ("at 10:20:30, 1:2", "at HH:MM:SS, 1:2"),
            ("10:20:30,123 10:20:30.5", "HH:MM:SS HH:MM:SS"),
            ("127.0.0.1:40002, 1:40003", "127.0.0.1:CLIENT, 1:40003"),
            ("{si_utime=3, si_stime=0}", "{si_utime=N, si_stime=N}"),
            ("{u32=7, u64=71}", "{u32=N, u64=N}"),
            ("{tv_sec=1, tv_nsec=2}", "{tv_sec=N, tv_nsec=N}"),
            ("0x7fb8fcbab000 0x802", "POINTER 0x802"),
            ("htons(", "htons("),
            ("\u{20ac}:9000\u{20ac}", "\u{20ac}:PORT\u{20ac}"),
        ] {
            assert_eq!(without_changing(text, &known), named);
        }
    }

    #[test]
    fn numbers_in_strings_have_names_only_as_a_whole() {
        let known = Known {
            ports: BTreeSet::from([9000, 80]),
            clients: BTreeSet::from([40001]),
            tasks: BTreeSet::from([15962, 7]),
            ..Known::default()
        };
        for (text, named) in [
            ("\"[15962] from 127.0.0.1:40001\"", "\"[\u{1}p15962\u{1}] from 127.0.0.1:CLIENT\""),
            ("\"('127.0.0.1', 40001)\"", "\"('127.0.0.1', CLIENT)\""),
            ("\"/tmp/x.15962\"", "\"/tmp/x.\u{1}p15962\u{1}\""),
            ("\"/proc/7/maps\"", "\"/proc/\u{1}p7\u{1}/maps\""),
            ("\"7 of 80, 159620, 15962.5, 0.15962\"", "\"7 of 80, 159620, 15962.5, 0.15962\""),
            ("\"\\00015962 \\159\"", "\"\\000\u{1}p15962\u{1} \\159\""),
            ("\"at 1795887686.25 and 1795887\"", "\"at N and 1795887\""),
            ("\"port 9000\\n\"", "\"port PORT\\n\""),
        ] {
            assert_eq!(named_in(text, &known, 1_795_887_000.0, false), named);
        }
    }

    #[test]
    fn what_is_said_to_clients_is_data() {
        assert!(is_data("4<TCP:[127.0.0.1:9000->127.0.0.1:40001]>") && is_data("3<UDP:[1]>"));
        assert!(!is_data("2</dev/null>") && !is_data("1<pipe:[7]>") && !is_data("\"/tmp/x\""));
    }
}

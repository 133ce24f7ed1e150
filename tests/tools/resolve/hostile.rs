//! Names that a terminal would obey, names that are very long, and any words at all.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use proptest::prelude::*;

use super::{FUNCTIONS, Words, alike, long_name, words};

#[test]
fn nothing_that_a_terminal_would_obey() {
    let evil = OsStr::from_bytes(b"no\x1b[2J\xffsuch\nline\x7f\xc2\x9b");
    let asked = [
        words(&["gethostbyaddr", "192.0.2.66"]),
        words(&["gethostbyaddr", "192.0.2.67"]),
        words(&["getservbyport", "4001"]),
        words(&["getprotobynumber", "77"]),
        words(&["getnameinfo", "192.0.2.66", "4001"]),
        vec!["gethostbyname".into(), evil.into()],
        vec!["getservbyname".into(), evil.into(), evil.into()],
        vec!["getprotobyname".into(), evil.into()],
        vec!["getaddrinfo".into(), evil.into(), "80".into(), "--flags".into(), "canonname".into()],
        vec!["getaddrinfo".into(), "foo".into(), "--type".into(), evil.into()],
        vec!["getaddrinfo".into(), "foo".into(), "--flags".into(), evil.into()],
        vec!["getnameinfo".into(), evil.into(), "80".into()],
        vec!["getnameinfo".into(), "::1".into(), evil.into()],
        vec!["getprotobynumber".into(), evil.into()],
    ];
    let Some(said) = alike(&asked) else { return };
    for (asked, said) in asked.iter().zip(&said) {
        for text in [&said.stdout, &said.stderr] {
            let text = std::str::from_utf8(text).expect("UTF-8");
            assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{asked:?}: {text:?}");
            assert!(said.status == 0 || text.lines().count() <= 1, "{asked:?}: {text:?}");
        }
    }
    let aliases =
        "h_name: e?[31mvil.example\nh_aliases: ?2J del? e\u{fffd}vil \u{fffd} r\u{e9}al\n";
    assert!(said[0].stdout().starts_with(aliases), "{}", said[0].stdout());
    assert!(said[1].stdout().starts_with("h_name: return\nh_aliases: ? end\n"), "{:?}", said[1]);
    let line = "gethostbyname: Unknown host (no?[2J\u{fffd}such?line??)\n";
    assert_eq!((said[5].stderr().as_str(), said[5].status), (line, 2));
}

#[test]
fn very_long_names() {
    let long = OsString::from(String::from_utf8(long_name()).expect("ASCII"));
    let longer: OsString = "a".repeat(100_000).into();
    let digits: OsString = "1".repeat(100_000).into();
    let mut asked =
        vec![words(&["gethostbyaddr", "192.0.2.68"]), words(&["getnameinfo", "192.0.2.68", "1"])];
    for word in [&long, &longer, &digits] {
        for function in FUNCTIONS {
            let mut words = vec![function.into(), word.clone()];
            if function == "getnameinfo" {
                words.push("80".into());
            }
            asked.push(words);
        }
        asked.push(vec!["getservbyname".into(), "http".into(), word.clone()]);
        asked.push(vec!["getaddrinfo".into(), "foo".into(), word.clone()]);
        asked.push(vec!["getaddrinfo".into(), "foo".into(), "--flags".into(), word.clone()]);
    }
    let Some(said) = alike(&asked) else { return };
    let shown = format!("h_name: {}\n", long.to_str().expect("ASCII"));
    assert!(said[0].stdout().starts_with(&shown), "{} bytes", said[0].stdout.len());
    // NI_MAXHOST is 1025.
    let line = said[1].stderr();
    assert!(line.ends_with(" (192.0.2.68, 1; the name is too long)\n"), "{line}");
}

/// A word for any place of a command line; none has a NUL.
fn word() -> impl Strategy<Value = OsString> {
    let known = prop::sample::select(vec![
        "foo",
        "bar",
        "localhost",
        "six",
        "LocalHost",
        "127.1",
        "0x7f.1",
        "::1",
        "fe80::1%lo",
        "fe80::1%9",
        "192.168.1.10",
        "192.0.2.66",
        "2001:db8::7",
        "http",
        "WWW",
        "domain",
        "tftp",
        "tcp",
        "udp",
        "TCP",
        "80",
        "22",
        "0",
        "65535",
        "65536",
        "99999",
        "4001",
        "77",
        "6",
        "-",
        "*",
        "",
        " 80",
        "+80",
        "-80",
        "0x50",
        "--",
        "--help",
        "-h",
        "010",
        "1.2.3.4.5",
        "256.0.0.1",
        "::ffff:1.2.3.4",
        "foo.",
        ".",
        "..",
        "[::1]",
    ]);
    prop_oneof![
        4 => known.prop_map(OsString::from),
        2 => prop::collection::vec(1_u8..=255, 0..24).prop_map(|bytes| OsStr::from_bytes(&bytes).to_owned()),
        1 => "[-+ ]{0,2}[0-9]{1,22}".prop_map(OsString::from),
        1 => "[0-9.:a-fx%]{1,20}".prop_map(OsString::from),
        1 => "\\PC{1,12}".prop_map(OsString::from),
        1 => ("[a-z0-9.]", 1_usize..3000).prop_map(|(c, n)| c.repeat(n).into()),
    ]
}

/// The value of an option.
fn value() -> impl Strategy<Value = OsString> {
    let known = prop::sample::select(vec![
        "inet",
        "AF_INET6",
        "AF_UNSPEC",
        "unix",
        "stream",
        "SOCK_DGRAM",
        "raw",
        "seqpacket",
        "dccp",
        "tcp",
        "IPPROTO_UDP",
        "sctp",
        "udplite",
        "ip",
        "0",
        "1",
        "2",
        "6",
        "10",
        "17",
        "99",
        "2147483647",
        "2147483648",
        "AI_PASSIVE",
        "canonname",
        "AI_NUMERICHOST|AI_NUMERICSERV",
        "v4mapped,all",
        "addrconfig | passive",
        "NI_DGRAM",
        "namereqd",
        "numerichost,numericserv",
        "nofqdn|dgram",
        "passive|",
        "",
    ]);
    prop_oneof![4 => known.prop_map(OsString::from), 1 => word()]
}

fn command() -> impl Strategy<Value = Words> {
    let options = prop::sample::select(vec!["--family", "--type", "--proto", "--flags"]);
    let option = (options, value()).prop_map(|(name, value)| {
        let mut option = OsString::from(name);
        option.push("=");
        option.push(value);
        option
    });
    let function = prop::sample::select(FUNCTIONS.to_vec());
    let options = prop::collection::vec(option, 0..3);
    (function, options, prop::collection::vec(word(), 0..3)).prop_map(
        |(function, options, words)| {
            let mut command = vec![OsString::from(function)];
            // The others have no options.
            if matches!(function, "getaddrinfo" | "getnameinfo") {
                let flags = |option: &OsString| option.as_bytes().starts_with(b"--flags");
                command.extend(
                    options.into_iter().filter(|it| function == "getaddrinfo" || flags(it)),
                );
            }
            command.push("--".into());
            command.extend(words);
            command
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4, max_shrink_iters: 30, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_asked_both_say_the_same(commands in prop::collection::vec(command(), 40)) {
        alike(&commands);
    }
}

//! `--json`, and the same values from Python and from getent.

use std::ffi::OsString;
use std::process::Command;

use serde_json::{Value, json};

use super::{Said, Words, run_all, words};
use crate::support;

/// A command as `socklab ... --json`, and its answer.
fn json_of(commands: &[Words], more: &[Words]) -> Option<(Vec<Value>, Vec<Said>)> {
    let socklab: OsString = support::socklab().get_program().to_owned();
    let mut all: Vec<Words> = Vec::new();
    for words in commands {
        let mut command = vec![socklab.clone(), words[0].clone(), "--json".into()];
        command.extend_from_slice(&words[1..]);
        all.push(command);
    }
    all.extend_from_slice(more);
    let mut said = run_all(&all)?;
    let others = said.split_off(commands.len());
    let value = |said: Said| {
        if said.status != 0 {
            return Value::Null;
        }
        assert_eq!(said.stdout().lines().count(), 1, "{said:?}");
        assert!(!said.stdout().trim_end().chars().any(char::is_control), "{said:?}");
        serde_json::from_slice(&said.stdout).expect("JSON")
    };
    Some((said.into_iter().map(value).collect(), others))
}

#[test]
fn json_has_the_fields_of_c() {
    let asked = [
        words(&["gethostbyname", "foo"]),
        words(&["getservbyname", "www"]),
        words(&["getprotobynumber", "17"]),
        words(&["getaddrinfo", "fe80::1%lo", "80", "--type=stream", "--flags=canonname"]),
        words(&["getnameinfo", "127.0.0.1", "80"]),
        words(&["gethostbyaddr", "192.0.2.66"]),
        words(&["gethostbyname", "nosuch"]),
        words(&["getaddrinfo", "127.0.0.1", "80", "--proto=tcp"]),
    ];
    let Some((values, _)) = json_of(&asked, &[]) else { return };
    let aliases = ["\u{9b}2J", "del\u{7f}", "e\u{fffd}vil", "\u{fffd}", "r\u{e9}al"];
    for (asked, (value, expected)) in asked.iter().zip(values.iter().zip([
        json!({"h_name": "foo.mydomain.org", "h_aliases": ["foo"], "h_addrtype": "AF_INET",
               "h_length": 4, "h_addr_list": ["192.168.1.10"]}),
        json!({"s_name": "http", "s_aliases": ["www", "www-http"], "s_port": 80, "s_proto": "tcp"}),
        json!({"p_name": "udp", "p_aliases": ["UDP"], "p_proto": 17}),
        json!([{"ai_family": "AF_INET6", "ai_socktype": "SOCK_STREAM", "ai_protocol": "IPPROTO_TCP",
                "ai_canonname": "fe80::1%lo", "ai_addr": {"sin6_addr": "fe80::1", "sin6_port": 80,
                "sin6_flowinfo": 0, "sin6_scope_id": 1}}]),
        json!({"host": "localhost", "serv": "http"}),
        json!({"h_name": "e\u{1b}[31mvil.example", "h_aliases": aliases, "h_addrtype": "AF_INET",
               "h_length": 4, "h_addr_list": ["192.0.2.66"]}),
        Value::Null,
        json!([{"ai_family": "AF_INET", "ai_socktype": "SOCK_STREAM", "ai_protocol": "IPPROTO_TCP",
                "ai_canonname": null, "ai_addr": {"sin_addr": "127.0.0.1", "sin_port": 80}}]),
    ])) {
        assert_eq!(*value, expected, "{asked:?}");
    }
}

/// Prints, for each line that it is given, what Python's socket module finds, in the form of our JSON.
const PYTHON: &str = r#"
import json, socket, sys
PROTOCOLS = {0: '0', 6: 'IPPROTO_TCP', 17: 'IPPROTO_UDP', 132: 'IPPROTO_SCTP', 136: 'IPPROTO_UDPLITE'}
def answer(f, family, kind, proto, name, addr):
    sockaddr = ({'sin_addr': addr[0], 'sin_port': addr[1]} if len(addr) == 2 else
        {'sin6_addr': addr[0].split('%')[0], 'sin6_port': addr[1], 'sin6_flowinfo': addr[2], 'sin6_scope_id': addr[3]})
    return {'ai_family': family.name, 'ai_socktype': kind.name, 'ai_protocol': PROTOCOLS[proto],
            'ai_canonname': name or None, 'ai_addr': sockaddr}
def ask(function, *args):
    if function == 'gethostbyname':
        name, aliases, addresses = socket.gethostbyname_ex(*args)
        return [name, aliases, addresses]
    if function == 'gethostbyaddr':
        name, aliases, addresses = socket.gethostbyaddr(*args)
        return [name, aliases, addresses]
    if function == 'getservbyport':
        return socket.getservbyport(int(args[0]), *args[1:])
    if function == 'getnameinfo':
        host, serv = socket.getnameinfo((args[0], int(args[1])), 0)
        return {'host': host, 'serv': serv}
    if function == 'getaddrinfo':
        host, service, *options = args
        family = kind = proto = flags = 0
        for option in options:
            name, value = option.split('=')
            if name == '--family': family = getattr(socket, value)
            if name == '--type': kind = getattr(socket, value)
            if name == '--proto': proto = getattr(socket, value)
            if name == '--flags':
                for flag in value.split('|'): flags |= getattr(socket, flag)
        return [answer(function, *found) for found in
                socket.getaddrinfo(None if host == '-' else host, service, family, kind, proto, flags)]
    return getattr(socket, function)(*args)
for line in json.loads(sys.argv[1]):
    try: print(json.dumps(ask(*line)))
    except (OSError, OverflowError): print('null')
"#;

#[test]
fn python_finds_the_same() {
    let python = Command::new("python3").arg("--version").output();
    if !python.is_ok_and(|output| output.status.success()) {
        return eprintln!("skipped: there is no python3 here");
    }
    const PASSIVE: &str = "--flags=AI_PASSIVE";
    const MIXED: &str = "--flags=AI_V4MAPPED|AI_ALL|AI_CANONNAME";
    let asked: Vec<&[&str]> = vec![
        &["gethostbyname", "localhost"],
        &["gethostbyname", "bar"],
        &["gethostbyname", "thishost"],
        &["gethostbyname", "nosuch"],
        &["gethostbyaddr", "192.168.1.14"],
        &["gethostbyaddr", "2001:db8::7"],
        &["gethostbyaddr", "192.0.2.200"],
        &["getservbyname", "ssh"],
        &["getservbyname", "domain", "udp"],
        &["getservbyname", "timserver", "tcp"],
        &["getservbyname", "SSH"],
        &["getservbyname", "associations", "sctp"],
        &["getservbyport", "80", "tcp"],
        &["getservbyport", "69"],
        &["getservbyport", "80", "udp"],
        &["getservbyport", "65536"],
        &["getprotobyname", "TCP"],
        &["getprotobyname", "ipv6-icmp"],
        &["getprotobyname", "Tcp"],
        &["getaddrinfo", "localhost", "http"],
        &["getaddrinfo", "localhost", "80"],
        &["getaddrinfo", "localhost", "53", "--type=SOCK_DGRAM"],
        &["getaddrinfo", "bar", "domain", "--family=AF_INET"],
        &["getaddrinfo", "bar", "ssh", "--proto=IPPROTO_TCP", "--flags=AI_CANONNAME"],
        &["getaddrinfo", "bar", "ssh", "--family=AF_INET6", MIXED],
        &["getaddrinfo", "six", "5000", "--type=SOCK_STREAM"],
        &["getaddrinfo", "-", "80", PASSIVE],
        &["getaddrinfo", "-", "80"],
        &["getaddrinfo", "127.1", "80"],
        &["getaddrinfo", "127.0.0.1", "80", "--family=AF_INET6"],
        &["getaddrinfo", "::1", "http", "--flags=AI_NUMERICHOST"],
        &["getaddrinfo", "foo", "http", "--flags=AI_NUMERICHOST"],
        &["getaddrinfo", "foo", "http", "--type=SOCK_DGRAM"],
        &["getnameinfo", "192.168.1.13", "80"],
        &["getnameinfo", "::1", "4711"],
    ];
    let commands: Vec<Words> = asked.iter().map(|asked| words(asked)).collect();
    let python = words(&["python3", "-c", PYTHON, &json!(asked).to_string()]);
    let Some((ours, python)) = json_of(&commands, &[python]) else { return };
    assert_eq!(python[0].status, 0, "{}", python[0].stderr());
    let text = python[0].stdout();
    assert_eq!(text.lines().count(), asked.len());
    for ((asked, ours), line) in asked.iter().zip(ours).zip(text.lines()) {
        // Of a struct Python returns a part.
        let part = match (asked[0], &ours) {
            (_, Value::Null) => Value::Null,
            ("gethostbyname" | "gethostbyaddr", host) => {
                json!([host["h_name"], host["h_aliases"], host["h_addr_list"]])
            }
            ("getservbyname", service) => service["s_port"].clone(),
            ("getservbyport", service) => service["s_name"].clone(),
            ("getprotobyname", protocol) => protocol["p_proto"].clone(),
            _ => ours,
        };
        let theirs: Value = serde_json::from_str(line).expect("JSON");
        assert_eq!(part, theirs, "{asked:?}: ours (left) and Python's (right)");
    }
}

#[test]
fn getent_finds_the_same_with_the_same_status() {
    if Command::new("getent").arg("--help").output().is_err() {
        return eprintln!("skipped: there is no getent here");
    }
    let rows: [(&[&str], &[&str]); 12] = [
        (&["gethostbyaddr", "192.168.1.10"], &["hosts", "192.168.1.10"]),
        (&["gethostbyaddr", "192.0.2.200"], &["hosts", "192.0.2.200"]),
        (&["gethostbyname", "foo"], &["hosts", "foo"]),
        (&["gethostbyname", "nosuch"], &["hosts", "nosuch"]),
        (&["getservbyname", "www"], &["services", "www"]),
        (&["getservbyname", "domain", "udp"], &["services", "domain/udp"]),
        (&["getservbyname", "HTTP"], &["services", "HTTP"]),
        (&["getservbyport", "69"], &["services", "69"]),
        (&["getprotobyname", "TCP"], &["protocols", "TCP"]),
        (&["getprotobynumber", "262"], &["protocols", "262"]),
        (&["getprotobynumber", "200"], &["protocols", "200"]),
        (&["getaddrinfo", "bar"], &["ahosts", "bar"]),
    ];
    let ours: Vec<Words> = rows.iter().map(|(ours, _)| words(ours)).collect();
    let theirs = |(_, theirs): &(&[&str], &[&str])| words(&[&["getent"], *theirs].concat());
    let theirs: Vec<Words> = rows.iter().map(theirs).collect();
    let Some((ours, theirs)) = json_of(&ours, &theirs) else { return };
    for (((asked, _), ours), theirs) in rows.iter().zip(ours).zip(theirs) {
        let text = theirs.stdout();
        let shown: Vec<&str> = text.split_whitespace().collect();
        let word = |value: &Value| match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let all = |list: &Value| -> Vec<String> {
            list.as_array().expect("a list").iter().map(word).collect()
        };
        let expected = match (asked[0], &ours) {
            (_, Value::Null) => {
                assert_eq!((theirs.status, text.as_str()), (2, ""), "{asked:?}");
                continue;
            }
            ("gethostbyname" | "gethostbyaddr", host) => {
                [all(&host["h_addr_list"]), vec![word(&host["h_name"])], all(&host["h_aliases"])]
                    .concat()
            }
            ("getservbyname" | "getservbyport", service) => {
                let port = format!("{}/{}", service["s_port"], word(&service["s_proto"]));
                [vec![word(&service["s_name"]), port], all(&service["s_aliases"])].concat()
            }
            ("getaddrinfo", answers) => {
                let row = |ai: &Value| {
                    let kind = word(&ai["ai_socktype"]).replace("SOCK_", "");
                    [word(&ai["ai_addr"]["sin_addr"]), kind]
                };
                let mut rows = answers.as_array().expect("a list").iter().flat_map(row);
                // getent shows the canonical name in the first row.
                let first: Vec<String> = rows.by_ref().take(2).collect();
                [first, vec!["bar.mydomain.org".into()], rows.collect()].concat()
            }
            (_, protocol) => {
                let number = word(&protocol["p_proto"]);
                [vec![word(&protocol["p_name"]), number], all(&protocol["p_aliases"])].concat()
            }
        };
        assert_eq!(
            (shown, theirs.status),
            (expected.iter().map(String::as_str).collect(), 0),
            "{asked:?}"
        );
    }
}

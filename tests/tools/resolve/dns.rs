//! With a name server: one that the test plays, and one that is not there.

use std::process::Command;

use super::{alike_in, assert_all_in, words};

const SOURCES: &str = "hosts: files dns\nservices: files\nprotocols: files\nnetworks: files\n";

const ASK_HERE: &str = "\
printf 'nameserver 127.0.0.1\\nsearch .\\noptions timeout:1 attempts:1\\n' >resolv.conf
mount --bind resolv.conf /etc/resolv.conf || exit 42
unset LOCALDOMAIN RES_OPTIONS
";

/// Says on standard output when it can be asked; answers until it is ended.
const SERVER: &str = r#"
import socket, struct, sys
def name(text): return b"".join(bytes([len(part)]) + part for part in text.split(b".") if part) + b"\0"
A, CNAME, PTR, AAAA = 1, 5, 12, 28
HOST, SIX = b"host.example", bytes.fromhex("20010db8000000000000000000000080")
ANSWERS = {
    (b"host.example", A): [(b"host.example", A, bytes([192, 0, 2, 80]))],
    (b"host.example", AAAA): [(b"host.example", AAAA, SIX)],
    (b"www.example", A): [(b"www.example", CNAME, name(HOST)), (HOST, A, bytes([192, 0, 2, 80]))],
    (b"www.example", AAAA): [(b"www.example", CNAME, name(HOST)), (HOST, AAAA, SIX)],
    (b"six.example", AAAA): [(b"six.example", AAAA, SIX)],
    (b"six.example", A): [],
    (b"empty.example", A): [],
    (b"empty.example", AAAA): [],
    (b"evil.example", A): [(b"evil.example", CNAME, name(b"e\x1b[2Jvil\n.example")),
                           (b"e\x1b[2Jvil\n.example", A, bytes([192, 0, 2, 66]))],
    (b"evil.example", AAAA): [],
    (b"80.2.0.192.in-addr.arpa", PTR): [(b"80.2.0.192.in-addr.arpa", PTR, name(HOST))],
    (b"77.2.0.192.in-addr.arpa", PTR): [(b"77.2.0.192.in-addr.arpa", PTR, name(b"e\x1b[2Jvil.example"))],
}
FAILS = {b"broken.example": 2, b"refused.example": 5}
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", 53))
print("ready", flush=True)
while True:
    query, client = server.recvfrom(4096)
    parts, at = [], 12
    while query[at]:
        parts.append(query[at + 1:at + 1 + query[at]])
        at += 1 + query[at]
    asked = b".".join(parts).lower()
    kind = struct.unpack("!H", query[at + 1:at + 3])[0]
    answers = ANSWERS.get((asked, kind))
    code = FAILS.get(asked, 3) if answers is None else 0
    answer = query[:2] + struct.pack("!HHHHH", 0x8580 | code, 1, len(answers or []), 0, 0) + query[12:at + 5]
    for owner, kind, data in answers or []:
        answer += name(owner) + struct.pack("!HHIH", kind, 1, 60, len(data)) + data
    server.sendto(answer, client)
"#;

#[test]
fn no_name_server_answers() {
    assert_all_in(
        SOURCES,
        ASK_HERE,
        &[
            (
                &["gethostbyname", "www.example"],
                2,
                "gethostbyname: Host name lookup failure (www.example; no name server has an answer)",
            ),
            (
                &["gethostbyaddr", "192.0.2.80"],
                2,
                "gethostbyaddr: Host name lookup failure (192.0.2.80; no name server has an answer)",
            ),
            (
                &["getaddrinfo", "www.example", "80"],
                2,
                "getaddrinfo: Temporary failure in name resolution (www.example, 80; no name server has an \
                 answer)",
            ),
            (
                &["getnameinfo", "192.0.2.80", "80", "--flags", "namereqd"],
                2,
                "getnameinfo: Temporary failure in name resolution (192.0.2.80, 80; no name server has an \
                 answer)",
            ),
            // It need not have a name, but whether it has one must be known.
            (
                &["getnameinfo", "192.0.2.80", "80"],
                2,
                "getnameinfo: Temporary failure in name resolution (192.0.2.80, 80; no name server has \
                 an answer)",
            ),
            (
                &["getnameinfo", "192.0.2.80", "80", "--flags", "numerichost"],
                0,
                "host: 192.0.2.80
serv: http",
            ),
        ],
    );
}

#[test]
fn a_name_server_answers() {
    let python = Command::new("python3").arg("--version").output();
    if !python.is_ok_and(|output| output.status.success()) {
        return eprintln!("skipped: there is no python3 here");
    }
    let server = SERVER.replace('\'', "'\\''");
    let before = format!(
        "{ASK_HERE}mkfifo ready || exit 42\npython3 -c '{server}' >ready </dev/null &\n\
         trap 'kill '$! EXIT\nread -r ready <ready\n"
    );
    let host = "h_aliases:\nh_addrtype: AF_INET\nh_length: 4\nh_addr_list: 192.0.2.80";
    assert_all_in(
        SOURCES,
        &before,
        &[
            (&["gethostbyname", "host.example"], 0, &format!("h_name: host.example\n{host}")),
            // The name that was asked for is an alias of the one that it leads to.
            (
                &["gethostbyname", "www.example"],
                0,
                &format!("h_name: host.example\n{}", host.replace(":\n", ": www.example\n")),
            ),
            (&["gethostbyaddr", "192.0.2.80"], 0, &format!("h_name: host.example\n{host}")),
            (
                &[
                    "getaddrinfo",
                    "www.example",
                    "80",
                    "--proto=tcp",
                    "--flags=canonname",
                    "--family=inet",
                ],
                0,
                "ai_family  ai_socktype     ai_protocol      ai_canonname  ai_addr\n\
                 AF_INET    SOCK_STREAM     IPPROTO_TCP      host.example  192.0.2.80:80",
            ),
            (&["getnameinfo", "192.0.2.80", "80"], 0, "host: host.example\nserv: http"),
            (
                &["gethostbyname", "six.example"],
                2,
                "gethostbyname: No address associated with name (six.example)",
            ),
            (
                &["getaddrinfo", "empty.example", "80"],
                2,
                "getaddrinfo: No address associated with hostname (empty.example, 80)",
            ),
            (
                &["gethostbyname", "nosuch.example"],
                2,
                "gethostbyname: Unknown host (nosuch.example)",
            ),
            (
                &["getaddrinfo", "nosuch.example", "80"],
                2,
                "getaddrinfo: Name or service not known (nosuch.example, 80)",
            ),
            (
                &["gethostbyname", "broken.example"],
                2,
                "gethostbyname: Host name lookup failure (broken.example; no name server has an answer)",
            ),
            (
                &["getaddrinfo", "broken.example", "80"],
                2,
                "getaddrinfo: Temporary failure in name resolution (broken.example, 80; no name server has an \
                 answer)",
            ),
        ],
    );
    // What the C library makes of such names, and in which words it refuses, differs from one to the next.
    let asked = [
        words(&["gethostbyname", "evil.example"]),
        words(&["gethostbyaddr", "192.0.2.77"]),
        words(&["getaddrinfo", "evil.example", "80", "--flags=canonname"]),
        words(&["getnameinfo", "192.0.2.77", "80"]),
        words(&["gethostbyname", "refused.example"]),
        words(&["getaddrinfo", "refused.example"]),
    ];
    for said in alike_in(SOURCES, &before, &asked).unwrap_or_default() {
        let text = said.stdout() + &said.stderr();
        assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
        assert!(said.status == 0 || text.lines().count() == 1, "{text:?}");
    }
}

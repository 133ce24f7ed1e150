//! Hosts, services and protocols. Nothing here asks a name server.

use std::ffi::{CStr, CString};

use socklab::posix::Result;
use socklab::posix::arpa_inet::{htons, inet_ntop};
use socklab::posix::error::Cause;
use socklab::posix::netdb::{
    AI_CANONNAME, AI_NUMERICHOST, AI_NUMERICSERV, AI_PASSIVE, AI_V4MAPPED, EAI_ADDRFAMILY,
    EAI_BADFLAGS, EAI_FAMILY, EAI_NONAME, EAI_SERVICE, EAI_SOCKTYPE, HOST_NOT_FOUND, NI_DGRAM,
    NI_NAMEREQD, NI_NUMERICHOST, NI_NUMERICSERV, addrinfo, freeaddrinfo, gai_strerror, getaddrinfo,
    gethostbyaddr, gethostbyname, getnameinfo, getprotobyname, getprotobynumber, getservbyname,
    getservbyport, servent,
};
use socklab::posix::netinet_in::{
    IPPROTO_SCTP, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_UDPLITE, as_sockaddr_in, as_sockaddr_in6,
};
use socklab::posix::sys_socket::{
    AF_INET, AF_INET6, AF_UNIX, AF_UNSPEC, SOCK_DCCP, SOCK_DGRAM, SOCK_RAW, SOCK_SEQPACKET,
    SOCK_STREAM, sockaddr_storage,
};

use crate::support::{loopback, loopback6, skip};

#[derive(Clone, Copy)]
struct Hints(i32, i32, i32, i32);

fn hints(Hints(ai_flags, ai_family, ai_socktype, ai_protocol): Hints) -> addrinfo<'static> {
    addrinfo { ai_flags, ai_family, ai_socktype, ai_protocol, ..addrinfo() }
}

/// Each answer: address, port, type, protocol.
fn answers(node: Option<&CStr>, service: Option<&CStr>, wanted: Hints) -> Vec<String> {
    let list = getaddrinfo(node, service, Some(&hints(wanted))).expect("getaddrinfo");
    let text = |ai: addrinfo<'_>| {
        let (host, port) = match as_sockaddr_in(&ai.ai_addr) {
            Some(addr) => (inet_ntop(AF_INET, &addr.sin_addr), addr.sin_port),
            None => {
                let addr = as_sockaddr_in6(&ai.ai_addr).expect("an address of the Internet");
                (inet_ntop(AF_INET6, &addr.sin6_addr), addr.sin6_port)
            }
        };
        let host = host.expect("inet_ntop").into_string().expect("ASCII");
        format!("{host} {} {} {}", u16::from_be(port), ai.ai_socktype, ai.ai_protocol)
    };
    let texts = list.iter().map(text).collect();
    freeaddrinfo(list);
    texts
}

#[test]
fn addresses_without_a_resolver() {
    let (any, numeric) = (AF_UNSPEC, AI_NUMERICHOST);
    type Row<'a> = (Option<&'a CStr>, Option<&'a CStr>, Hints, &'a [&'a str]);
    let rows: [Row<'_>; 11] = [
        (
            Some(c"127.0.0.1"),
            Some(c"80"),
            Hints(numeric, any, SOCK_STREAM, 0),
            &["127.0.0.1 80 1 6"],
        ),
        (Some(c"::1"), Some(c"80"), Hints(numeric, any, SOCK_DGRAM, 0), &["::1 80 2 17"]),
        (Some(c"127.0.0.1"), None, Hints(numeric, any, SOCK_STREAM, 0), &["127.0.0.1 0 1 6"]),
        (
            Some(c"127.0.0.1"),
            Some(c"7"),
            Hints(numeric | AI_NUMERICSERV, AF_INET, 0, 0),
            &["127.0.0.1 7 1 6", "127.0.0.1 7 2 17", "127.0.0.1 7 3 0"],
        ),
        (Some(c"1.2.3.4"), None, Hints(0, any, 0, IPPROTO_UDP), &["1.2.3.4 0 2 17"]),
        (Some(c"127.1"), None, Hints(numeric, any, SOCK_STREAM, 0), &["127.0.0.1 0 1 6"]),
        (Some(c"0x7f000001"), None, Hints(numeric, any, SOCK_STREAM, 0), &["127.0.0.1 0 1 6"]),
        (None, Some(c"80"), Hints(0, AF_INET, SOCK_STREAM, 0), &["127.0.0.1 80 1 6"]),
        (None, Some(c"80"), Hints(AI_PASSIVE, AF_INET, SOCK_STREAM, 0), &["0.0.0.0 80 1 6"]),
        (None, Some(c"80"), Hints(AI_PASSIVE, AF_INET6, SOCK_STREAM, 0), &[":: 80 1 6"]),
        (
            Some(c"1.2.3.4"),
            None,
            Hints(numeric | AI_V4MAPPED, AF_INET6, SOCK_STREAM, 0),
            &["::ffff:1.2.3.4 0 1 6"],
        ),
    ];
    for (node, service, wanted, expected) in rows {
        assert_eq!(answers(node, service, wanted), expected, "{node:?} {service:?}");
    }
    let wrapped = answers(Some(c"127.0.0.1"), Some(c"65536"), Hints(0, any, SOCK_STREAM, 0));
    assert_eq!(wrapped, ["127.0.0.1 0 1 6"], "glibc wraps a service beyond 65535");
    let empty = answers(Some(c"127.0.0.1"), Some(c""), Hints(0, any, SOCK_STREAM, 0));
    assert_eq!(empty, ["127.0.0.1 0 1 6"], "and takes an empty one for 0");
    let signed = answers(Some(c"127.0.0.1"), Some(c" +80"), Hints(0, any, SOCK_STREAM, 0));
    assert_eq!(signed, ["127.0.0.1 80 1 6"], "it is read with strtoul()");
    let star = answers(Some(c"*"), Some(c"80"), Hints(AI_PASSIVE, AF_INET, SOCK_STREAM, 0));
    assert_eq!(star, ["0.0.0.0 80 1 6"], "* is NULL");
    let both = answers(None, Some(c"80"), Hints(AI_PASSIVE, any, SOCK_STREAM, 0));
    assert_eq!(both, ["0.0.0.0 80 1 6", ":: 80 1 6"], "IPv4 first");
    let list = getaddrinfo(Some(c"127.0.0.1"), None, None).expect("getaddrinfo");
    assert_eq!((&list).into_iter().count(), 3, "without hints: streams, datagrams, raw");
}

/// Kinds of sockets that nobody gets who does not ask for them.
#[test]
fn other_protocols() {
    let numeric = AI_NUMERICHOST | AI_NUMERICSERV;
    for (socktype, protocol, expected) in [
        (SOCK_DCCP, 0, "1.2.3.4 80 6 33"),
        (SOCK_SEQPACKET, 0, "1.2.3.4 80 5 132"),
        (SOCK_STREAM, IPPROTO_SCTP, "1.2.3.4 80 1 132"),
        (SOCK_DGRAM, IPPROTO_UDPLITE, "1.2.3.4 80 2 136"),
        (SOCK_DGRAM, IPPROTO_UDP, "1.2.3.4 80 2 17"),
    ] {
        let wanted = Hints(numeric, AF_INET, socktype, protocol);
        assert_eq!(answers(Some(c"1.2.3.4"), Some(c"80"), wanted), [expected]);
    }
}

/// An address of a link is one with its interface.
#[test]
fn the_scope_of_an_address() {
    let numeric = NI_NUMERICHOST | NI_NUMERICSERV;
    for (node, scope) in [(c"fe80::1%lo", 1), (c"fe80::1%1", 1), (c"fe80::1", 0)] {
        let wanted = hints(Hints(AI_NUMERICHOST, AF_INET6, SOCK_STREAM, 0));
        let list = getaddrinfo(Some(node), None, Some(&wanted)).expect("a literal address");
        let addr = list.iter().next().expect("an answer").ai_addr;
        let found = as_sockaddr_in6(&addr).expect("IPv6").sin6_scope_id;
        assert_eq!(found, scope, "{node:?}");
        let (host, _) = getnameinfo(&addr, numeric).expect("getnameinfo");
        let text = if scope == 0 { c"fe80::1" } else { c"fe80::1%lo" };
        assert_eq!(host.as_c_str(), text);
    }
    let wanted = hints(Hints(AI_NUMERICHOST, AF_INET6, SOCK_STREAM, 0));
    let nowhere = getaddrinfo(Some(c"fe80::1%no-such-link"), None, Some(&wanted));
    row("getaddrinfo", "no such interface", nowhere, EAI_NONAME);
}

#[test]
fn localhost_and_services_by_name() {
    let stream = |flags, family| Hints(flags, family, SOCK_STREAM, 0);
    let found = answers(Some(c"localhost"), Some(c"http"), stream(0, AF_INET));
    assert_eq!(found, ["127.0.0.1 80 1 6"]);
    let wanted = hints(stream(AI_CANONNAME, AF_INET));
    let list = getaddrinfo(Some(c"localhost"), None, Some(&wanted)).expect("getaddrinfo");
    let first = list.iter().next().expect("an answer");
    assert_eq!(first.ai_canonname, Some(c"localhost"));
    let wanted = hints(stream(0, AF_INET));
    let list = getaddrinfo(Some(c"localhost"), None, Some(&wanted)).expect("getaddrinfo");
    assert_eq!(list.iter().next().expect("an answer").ai_canonname, None);
}

/// One row of an error table of the resolver: the `EAI_` code and its text.
#[track_caller]
fn row<T>(call: &str, what: &str, result: Result<T>, code: i32) {
    let Err(error) = result else { panic!("{call}, {what}: succeeded") };
    assert_eq!(error.call, call, "{what}");
    let Cause::Resolver(found, errno) = error.cause else { panic!("{call}, {what}: {error}") };
    let name = |code| gai_strerror(code).to_str().expect("ASCII");
    assert_eq!((found, errno.0), (code, 0), "{call}, {what}: {} for {}", name(found), name(code));
    assert_eq!(error.to_string(), format!("{call}: {}", name(code)));
    assert_eq!(error.errno(), 0);
}

#[test]
fn errors_of_getaddrinfo() {
    let (host, port) = (Some(c"127.0.0.1"), Some(c"80"));
    let none = Hints(0, 0, 0, 0);
    type Row<'a> = (&'a str, Option<&'a CStr>, Option<&'a CStr>, Hints, i32);
    let rows: [Row<'_>; 16] = [
        ("neither host nor service", None, None, none, EAI_NONAME),
        (
            "a name as a number",
            Some(c"localhost"),
            None,
            Hints(AI_NUMERICHOST, 0, 0, 0),
            EAI_NONAME,
        ),
        ("not a number", Some(c"256.0.0.1"), None, Hints(AI_NUMERICHOST, 0, 0, 0), EAI_NONAME),
        (
            "a named numeric service",
            host,
            Some(c"http"),
            Hints(AI_NUMERICSERV, 0, 0, 0),
            EAI_NONAME,
        ),
        ("no such service", host, Some(c"no-such-service"), none, EAI_SERVICE),
        ("a negative number", host, Some(c"-1"), none, EAI_SERVICE),
        ("a service of raw sockets", host, Some(c"http"), Hints(0, 0, SOCK_RAW, 0), EAI_SERVICE),
        ("TCP has no tftp", host, Some(c"tftp"), Hints(0, 0, SOCK_STREAM, 0), EAI_SERVICE),
        ("no such type", host, port, Hints(0, 0, 99, 0), EAI_SOCKTYPE),
        ("UDP as a stream", host, port, Hints(0, 0, SOCK_STREAM, IPPROTO_UDP), EAI_SOCKTYPE),
        ("no such family", host, port, Hints(0, 99, 0, 0), EAI_FAMILY),
        ("AF_UNIX", host, port, Hints(0, AF_UNIX, 0, 0), EAI_FAMILY),
        ("no such flag", host, port, Hints(0x4000_0000, 0, 0, 0), EAI_BADFLAGS),
        ("the name of no host", None, port, Hints(AI_CANONNAME, 0, 0, 0), EAI_BADFLAGS),
        ("IPv6 as IPv4", Some(c"::1"), None, Hints(AI_NUMERICHOST, AF_INET, 0, 0), EAI_ADDRFAMILY),
        ("IPv4 as IPv6", host, None, Hints(AI_NUMERICHOST, AF_INET6, 0, 0), EAI_ADDRFAMILY),
    ];
    for (what, node, service, wanted, code) in rows {
        row("getaddrinfo", what, getaddrinfo(node, service, Some(&hints(wanted))), code);
    }
}

#[test]
fn names_of_addresses() {
    let numeric = NI_NUMERICHOST | NI_NUMERICSERV;
    let pair = |host: &str, serv: &str| {
        Ok((CString::new(host).expect("text"), CString::new(serv).expect("text")))
    };
    assert_eq!(getnameinfo(&loopback(80), numeric), pair("127.0.0.1", "80"));
    assert_eq!(getnameinfo(&loopback6(0), numeric), pair("::1", "0"));
    assert_eq!(getnameinfo(&loopback(80), NI_NUMERICSERV), pair("localhost", "80"));
    assert_eq!(getnameinfo(&loopback(80), NI_NUMERICHOST), pair("127.0.0.1", "http"));
    assert_eq!(getnameinfo(&loopback(69), NI_NUMERICHOST), pair("127.0.0.1", "69"), "UDP's only");
    let datagrams = getnameinfo(&loopback(69), NI_NUMERICHOST | NI_DGRAM);
    assert_eq!(datagrams, pair("127.0.0.1", "tftp"));
    let mut addr = sockaddr_storage();
    row("getnameinfo", "AF_UNSPEC", getnameinfo(&addr, numeric), EAI_FAMILY);
    addr.ss_family = 99;
    row("getnameinfo", "no such family", getnameinfo(&addr, numeric), EAI_FAMILY);
    row("getnameinfo", "no such flag", getnameinfo(&loopback(80), 1 << 20), EAI_BADFLAGS);
    let contradiction = getnameinfo(&loopback(80), NI_NUMERICHOST | NI_NAMEREQD);
    row("getnameinfo", "a number that is to be a name", contradiction, EAI_NONAME);
}

#[test]
fn hosts_from_static_storage() {
    let host = gethostbyname(c"localhost").expect("/etc/hosts");
    assert_eq!(
        (host.h_name.as_c_str(), host.h_addrtype, host.h_length),
        (c"localhost", AF_INET, 4)
    );
    assert!(host.h_addr_list.contains(&vec![127, 0, 0, 1]));
    let host = gethostbyname(c"192.0.2.7").expect("a literal address");
    assert_eq!((host.h_name.as_c_str(), host.h_aliases.len()), (c"192.0.2.7", 0));
    assert_eq!(host.h_addr_list, [[192, 0, 2, 7]]);
    let host = gethostbyaddr(&[127, 0, 0, 1], AF_INET).expect("/etc/hosts");
    assert_eq!((host.h_name.as_c_str(), host.h_addrtype), (c"localhost", AF_INET));
    assert_eq!(host.h_addr_list, [[127, 0, 0, 1]]);
    // An IPv6 address is none of its names, and to it only digits and dots are an address.
    for name in [c"256.256.256.256", c"1.2.3.4.5", c"::1"] {
        let error = gethostbyname(name).expect_err("no address");
        assert_eq!((error.call, error.cause), ("gethostbyname", Cause::Host(HOST_NOT_FOUND)));
        assert_eq!(error.to_string(), "gethostbyname: Unknown host");
        assert_eq!(error.errno(), 0);
    }
    let nobody = gethostbyaddr(&[0; 16], AF_INET6).expect_err("not an address of a host");
    assert_eq!((nobody.call, nobody.cause), ("gethostbyaddr", Cause::Host(HOST_NOT_FOUND)));
    assert_eq!(nobody.to_string(), "gethostbyaddr: Unknown host");
    let wrong = gethostbyaddr(&[127, 0, 0, 1], AF_UNIX);
    assert!(wrong.is_err_and(|error| matches!(error.cause, Cause::Host(_))));
}

#[test]
fn answers_are_copies() {
    let first = gethostbyname(c"192.0.2.1").expect("a literal address");
    let second = gethostbyname(c"192.0.2.2").expect("a literal address");
    assert_ne!(first, second);
    let ask = |host: u8| {
        let name = CString::new(format!("192.0.2.{host}")).expect("text");
        (0..200).all(|_| {
            gethostbyname(&name).is_ok_and(|found| found.h_addr_list == [[192, 0, 2, host]])
        })
    };
    std::thread::scope(|scope| {
        let threads = [1, 2, 3].map(|host| scope.spawn(move || ask(host)));
        assert!(threads.into_iter().all(|thread| thread.join().expect("join")));
    });
}

#[test]
fn services() {
    if getservbyname(c"http", None).is_none() {
        return skip("getservbyname", "no /etc/services here");
    }
    let key =
        |entry: Option<servent>| entry.map(|entry| (entry.s_name, entry.s_port, entry.s_proto));
    let is = |name: &CStr, port: u16, proto: &CStr| {
        Some((name.to_owned(), i32::from(htons(port)), proto.to_owned()))
    };
    let port = |port| i32::from(htons(port));
    assert_eq!(key(getservbyname(c"http", Some(c"tcp"))), is(c"http", 80, c"tcp"));
    assert_eq!(key(getservbyname(c"tftp", Some(c"udp"))), is(c"tftp", 69, c"udp"));
    assert_eq!(key(getservbyname(c"tftp", None)), is(c"tftp", 69, c"udp"));
    assert_eq!(key(getservbyport(port(80), Some(c"tcp"))), is(c"http", 80, c"tcp"));
    assert_eq!(key(getservbyport(port(69), None)), is(c"tftp", 69, c"udp"));
    let alias = getservbyname(c"www", Some(c"tcp")).expect("an alias of http");
    assert_eq!(alias.s_name.as_c_str(), c"http");
    assert!(alias.s_aliases.contains(&c"www".to_owned()));
    assert_eq!(getservbyname(c"no-such-service", None), None);
    assert_eq!(getservbyname(c"tftp", Some(c"tcp")), None, "not of that protocol");
    assert_eq!(getservbyname(c"http", Some(c"no-such-protocol")), None);
    assert_eq!(getservbyport(port(80).swap_bytes(), None), None, "not in network byte order");
}

#[test]
fn protocols() {
    if getprotobyname(c"tcp").is_none() {
        return skip("getprotobyname", "no /etc/protocols here");
    }
    for (name, number) in [(c"ip", 0), (c"icmp", 1), (c"tcp", IPPROTO_TCP), (c"udp", IPPROTO_UDP)] {
        let by_name = getprotobyname(name).expect("by name");
        assert_eq!((by_name.p_name.as_c_str(), by_name.p_proto), (name, number));
        assert_eq!(getprotobynumber(number), Some(by_name));
    }
    let alias = getprotobyname(c"TCP").expect("an alias");
    assert_eq!((alias.p_proto, alias.p_aliases), (IPPROTO_TCP, vec![c"TCP".to_owned()]));
    assert_eq!(getprotobyname(c"no-such-protocol"), None);
    assert_eq!((getprotobynumber(-1), getprotobynumber(9999)), (None, None));
}

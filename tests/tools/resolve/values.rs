//! What each function finds, and what it says when it does not.

use super::assert_all;

#[test]
fn hosts_by_name_and_by_address() {
    let foo = "h_name: foo.mydomain.org\nh_aliases: foo\nh_addrtype: AF_INET\nh_length: 4\n\
               h_addr_list: 192.168.1.10";
    let bar = "h_name: bar.mydomain.org\nh_aliases: bar baz\nh_addrtype: AF_INET\nh_length: 4\n\
               h_addr_list: 192.168.1.13 192.168.1.14";
    let six = "h_name: six.mydomain.org\nh_aliases: six\nh_addrtype: AF_INET6\nh_length: 16\n\
               h_addr_list: 2001:db8::7";
    // As C writes it; the standard library would write ::102:304.
    let compatible = "h_name: compatible\nh_aliases:\nh_addrtype: AF_INET6\nh_length: 16\n\
                      h_addr_list: ::1.2.3.4";
    let literal = "h_name: 127.1\nh_aliases:\nh_addrtype: AF_INET\nh_length: 4\n\
                   h_addr_list: 127.0.0.1";
    let unknown = "gethostbyname: Unknown host (nosuch)";
    let no_address = "error: invalid value '127.1' for '<ADDR>': an address is one of IPv4, such as \
                      192.0.2.1, or of IPv6, such as 2001:db8::1";
    assert_all(&[
        (&["gethostbyname", "foo"], 0, foo),
        (&["gethostbyname", "FOO.MyDomain.org"], 0, foo),
        (&["gethostbyaddr", "192.168.1.10"], 0, foo),
        (&["gethostbyname", "bar.mydomain.org"], 0, bar),
        (&["gethostbyaddr", "2001:db8:0::7"], 0, six),
        (&["gethostbyaddr", "::102:304"], 0, compatible),
        (&["gethostbyname", "127.1"], 0, literal),
        (&["gethostbyname", "nosuch"], 2, unknown),
        (&["gethostbyname", ""], 2, "gethostbyname: Unknown host ()"),
        (&["gethostbyname", "six"], 2, "gethostbyname: Unknown host (six)"),
        (&["gethostbyname", "::1"], 2, "gethostbyname: Unknown host (::1)"),
        (&["gethostbyname", "--", "-x"], 2, "gethostbyname: Unknown host (-x)"),
        (&["gethostbyaddr", "192.0.2.1"], 2, "gethostbyaddr: Unknown host (192.0.2.1)"),
        (&["gethostbyaddr", "127.1"], 1, no_address),
    ]);
}

#[test]
fn services_by_name_and_by_port() {
    let http = "s_name: http\ns_aliases: www www-http\ns_port: 80\ns_proto: tcp";
    let domain = "s_name: domain\ns_aliases:\ns_port: 53\ns_proto: udp";
    let case = "s_name: Case\ns_aliases:\ns_port: 4000\ns_proto: tcp";
    let no_port = "error: invalid value '99999' for '<PORT>': a port is a number from 0 to 65535";
    assert_all(&[
        (&["getservbyname", "http"], 0, http),
        (&["getservbyname", "www", "tcp"], 0, http),
        (&["getservbyport", "80"], 0, http),
        (&["getservbyport", "0080", "tcp"], 0, http),
        (&["getservbyname", "domain", "udp"], 0, domain),
        (&["getservbyport", "53", "udp"], 0, domain),
        (&["getservbyname", "Case"], 0, case),
        (
            &["getservbyname", "case"],
            2,
            "getservbyname: not found (case, NULL; upper and lower case differ)",
        ),
        (
            &["getservbyname", "http", "udp"],
            2,
            "getservbyname: not found (http, udp; upper and lower case differ)",
        ),
        (&["getservbyport", "4711"], 2, "getservbyport: not found (4711, NULL)"),
        (&["getservbyport", "80", "TCP"], 2, "getservbyport: not found (80, TCP)"),
        // glibc would take it for 34463.
        (&["getservbyport", "99999"], 1, no_port),
        (&["getservbyport", "+80"], 1, &no_port.replace("99999", "+80")),
        (&["getservbyport", "--", "-1"], 1, &no_port.replace("99999", "-1")),
        (&["getservbyport", ""], 1, &no_port.replace("99999", "")),
    ]);
}

#[test]
fn protocols_by_name_and_by_number() {
    let tcp = "p_name: tcp\np_aliases: TCP\np_proto: 6";
    let large = "error: invalid value '4294967302' for '<NUMBER>': a protocol is a number from 0 to \
                 2147483647, and in the IP header to 255";
    assert_all(&[
        (&["getprotobyname", "tcp"], 0, tcp),
        (&["getprotobyname", "TCP"], 0, tcp),
        (&["getprotobynumber", "6"], 0, tcp),
        (&["getprotobynumber", "262"], 0, "p_name: multipath\np_aliases: MPTCP\np_proto: 262"),
        (&["getprotobyname", "Tcp"], 2, "getprotobyname: not found (Tcp)"),
        (&["getprotobynumber", "255"], 2, "getprotobynumber: not found (255)"),
        // An int would wrap to 6.
        (&["getprotobynumber", "4294967302"], 1, large),
        (&["getprotobynumber", "6.0"], 1, &large.replace("4294967302", "6.0")),
    ]);
}

const HEADER: &str = "ai_family  ai_socktype     ai_protocol      ai_canonname  ai_addr";

#[test]
fn address_information() {
    let stream =
        |addr: &str| format!("AF_INET    SOCK_STREAM     IPPROTO_TCP      NULL          {addr}");
    let three = "\
AF_INET    SOCK_STREAM     IPPROTO_TCP      NULL          192.168.1.10:0
AF_INET    SOCK_DGRAM      IPPROTO_UDP      NULL          192.168.1.10:0
AF_INET    SOCK_RAW        0                NULL          192.168.1.10:0";
    let both = "\
AF_INET6   SOCK_DGRAM      IPPROTO_UDP      NULL          [::1]:53
AF_INET    SOCK_DGRAM      IPPROTO_UDP      NULL          127.0.0.1:53";
    let passive = "\
AF_INET    SOCK_STREAM     IPPROTO_TCP      NULL          0.0.0.0:80
AF_INET6   SOCK_STREAM     IPPROTO_TCP      NULL          [::]:80";
    let wide = "\
ai_family  ai_socktype     ai_protocol      ai_canonname      ai_addr
AF_INET    SOCK_STREAM     IPPROTO_TCP      bar.mydomain.org  192.168.1.13:22
AF_INET    SOCK_STREAM     IPPROTO_TCP      NULL              192.168.1.14:22";
    let mapped =
        "AF_INET6   SOCK_STREAM     IPPROTO_TCP      NULL          [::ffff:192.168.1.10]:80";
    let scoped = "AF_INET6   SOCK_STREAM     IPPROTO_TCP      NULL          [fe80::1%lo]:80";
    let under = |rows: &str| format!("{HEADER}\n{rows}");
    let no_port =
        "error: invalid value '99999' for '[SERVICE]': a port is a number from 0 to 65535";
    let canonname = "AI_CANONNAME|AI_ADDRCONFIG";
    assert_all(&[
        (&["getaddrinfo", "foo"], 0, &under(three)),
        (&["getaddrinfo", "localhost", "domain", "--type", "SOCK_DGRAM"], 0, &under(both)),
        (&["getaddrinfo", "-", "http", "--flags=passive"], 0, &under(passive)),
        (&["getaddrinfo", "bar.mydomain.org", "ssh", "--flags", canonname], 0, wide),
        (&["getaddrinfo", "0x7f.1", "--proto", "tcp"], 0, &under(&stream("127.0.0.1:0"))),
        (&["getaddrinfo", "2130706433", "7", "--type=1"], 0, &under(&stream("127.0.0.1:7"))),
        (&["getaddrinfo", "fe80::1%lo", "80", "--type=stream"], 0, &under(scoped)),
        (
            &["getaddrinfo", "foo", "80", "--type", "stream", "--family=inet6", "--flags=v4mapped"],
            0,
            &under(mapped),
        ),
        // The last one counts.
        (
            &["getaddrinfo", "foo", "80", "--family", "inet6", "--family=inet", "--proto=6"],
            0,
            &under(&stream("192.168.1.10:80")),
        ),
        (&["getaddrinfo"], 2, "getaddrinfo: Name or service not known (NULL, NULL)"),
        (
            &["getaddrinfo", "nosuch", "80"],
            2,
            "getaddrinfo: Name or service not known (nosuch, 80)",
        ),
        (
            &["getaddrinfo", "foo", "nosuch"],
            2,
            "getaddrinfo: Servname not supported for ai_socktype (foo, nosuch; no such service with \
             this --type and --proto)",
        ),
        (
            &["getaddrinfo", "127.0.0.1", "--family", "AF_INET6"],
            2,
            "getaddrinfo: Address family for hostname not supported (127.0.0.1, NULL)",
        ),
        (
            &["getaddrinfo", "foo", "--family", "unix"],
            2,
            "getaddrinfo: ai_family not supported (foo, NULL)",
        ),
        (
            &["getaddrinfo", "foo", "--type", "stream", "--proto", "udp"],
            2,
            "getaddrinfo: ai_socktype not supported (foo, NULL)",
        ),
        (
            &["getaddrinfo", "-", "80", "--flags", "canonname"],
            2,
            "getaddrinfo: Bad value for ai_flags (NULL, 80; AI_CANONNAME needs a host)",
        ),
        (&["getaddrinfo", "foo", "99999"], 1, no_port),
        (&["getaddrinfo", "foo", " 70000"], 1, &no_port.replace("99999", " 70000")),
        (&["getaddrinfo", "foo", "--", "-1"], 1, &no_port.replace("99999", "-1")),
        (
            &["getaddrinfo", "foo", "--flags", "passive|AI_NOSUCH"],
            1,
            "error: invalid value 'passive|AI_NOSUCH' for '--flags <FLAGS>': no flag 'AI_NOSUCH': \
             there are AI_PASSIVE, AI_CANONNAME, AI_NUMERICHOST, AI_V4MAPPED, AI_ALL, \
             AI_ADDRCONFIG, AI_NUMERICSERV, joined by | or ,",
        ),
        (
            &["getaddrinfo", "foo", "--family", "INET"],
            1,
            "error: invalid value 'INET' for '--family <F>': there are AF_UNSPEC, AF_INET, AF_INET6, \
             AF_UNIX, the same without AF_ in small letters, and numbers",
        ),
    ]);
}

#[test]
fn name_information() {
    assert_all(&[
        (&["getnameinfo", "192.168.1.10", "80"], 0, "host: foo.mydomain.org\nserv: http"),
        (&["getnameinfo", "192.168.1.77", "69"], 0, "host: 192.168.1.77\nserv: 69"),
        (&["getnameinfo", "::1", "69", "--flags", "NI_DGRAM"], 0, "host: localhost\nserv: tftp"),
        (
            &["getnameinfo", "fe80::1%lo", "0", "--flags=numerichost,NI_NUMERICSERV"],
            0,
            "host: fe80::1%lo\nserv: 0",
        ),
        (
            &["getnameinfo", "192.168.1.77", "80", "--flags", "namereqd"],
            2,
            "getnameinfo: Name or service not known (192.168.1.77, 80)",
        ),
        (
            &["getnameinfo", "*", "80"],
            1,
            "error: invalid value '*' for '<ADDR>': an address is one of IPv4, such as 192.0.2.1, or \
             of IPv6, such as 2001:db8::1",
        ),
        (
            &["getnameinfo", "foo", "80"],
            1,
            "error: invalid value 'foo' for '<ADDR>': an address is one of IPv4, such as 192.0.2.1, \
             or of IPv6, such as 2001:db8::1",
        ),
        (
            &["getnameinfo", "::1", "65536", "--flags", "nosuch"],
            1,
            "error: invalid value '65536' for '<PORT>': a port is a number from 0 to 65535",
        ),
    ]);
}

//! `socklab gethostbyname` and the other functions of the resolver, by their C names.

use std::ffi::{OsStr, OsString, c_int};
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::{Failure, printable, whole_number};
use crate::posix::Error;
use crate::posix::error::Cause;
use crate::tool::resolve::constants::*;
use crate::tool::resolve::*;

#[derive(Subcommand)]
pub(super) enum Function {
    /// The IPv4 addresses of a host, from the files and from DNS
    #[command(
        args_override_self = true,
        after_help = "\
Examples:
  socklab gethostbyname localhost
  socklab gethostbyname 127.1           an address in short: 127.0.0.1

Prints struct hostent. Exit status: 0 found, 1 a mistake on the command line, 2 not found."
    )]
    Gethostbyname {
        /// The host's name
        name: OsString,
        #[command(flatten)]
        output: Output,
    },
    /// The name of an IPv4 or IPv6 address
    #[command(
        args_override_self = true,
        after_help = "\
Examples:
  socklab gethostbyaddr 127.0.0.1
  socklab gethostbyaddr ::1 --json

Prints struct hostent. Exit status: 0 found, 1 a mistake on the command line, 2 not found."
    )]
    Gethostbyaddr {
        /// The address
        addr: OsString,
        #[command(flatten)]
        output: Output,
    },
    /// A service's port, by its name: upper and lower case differ
    #[command(
        args_override_self = true,
        after_help = "\
Examples:
  socklab getservbyname ssh
  socklab getservbyname domain udp

Prints struct servent, the port in the host's byte order. Exit status: 0 found, 1 a mistake on the
command line, 2 not found."
    )]
    Getservbyname {
        /// The service's name
        name: OsString,
        /// Its protocol: tcp, udp or another [default: NULL, any]
        proto: Option<OsString>,
        #[command(flatten)]
        output: Output,
    },
    /// A service, by its port
    #[command(
        args_override_self = true,
        after_help = "\
Examples:
  socklab getservbyport 22
  socklab getservbyport 53 udp

Prints struct servent, the port in the host's byte order. Exit status: 0 found, 1 a mistake on the
command line, 2 not found."
    )]
    Getservbyport {
        /// The port, 0 to 65535
        port: OsString,
        /// Its protocol: tcp, udp or another [default: NULL, any]
        proto: Option<OsString>,
        #[command(flatten)]
        output: Output,
    },
    /// A protocol's number in the IP header, by its name
    #[command(
        args_override_self = true,
        after_help = "\
Examples:
  socklab getprotobyname tcp

Prints struct protoent. Exit status: 0 found, 1 a mistake on the command line, 2 not found."
    )]
    Getprotobyname {
        /// The protocol's name
        name: OsString,
        #[command(flatten)]
        output: Output,
    },
    /// A protocol, by its number in the IP header
    #[command(
        args_override_self = true,
        after_help = "\
Examples:
  socklab getprotobynumber 17

Prints struct protoent. Exit status: 0 found, 1 a mistake on the command line, 2 not found."
    )]
    Getprotobynumber {
        /// The number
        number: OsString,
        #[command(flatten)]
        output: Output,
    },
    /// The addresses of a host and a service, ready for socket() and connect()
    #[command(
        args_override_self = true,
        after_help = "\
Examples:
  socklab getaddrinfo localhost http --type stream
  socklab getaddrinfo - http --flags AI_PASSIVE       what a server binds
  socklab getaddrinfo localhost --family AF_INET6 --flags 'AI_V4MAPPED|AI_CANONNAME'

Prints a line for each struct addrinfo, in their order: without --type three for each address, as C
returns them. Exit status: 0 found, 1 a mistake on the command line, 2 not found."
    )]
    Getaddrinfo {
        /// A name or an address; - for NULL, which is this host
        host: Option<OsString>,
        /// A service's name or a port, 0 to 65535; - for NULL
        service: Option<OsString>,
        /// AF_INET, AF_INET6, in short inet, inet6, or a number [default: any]
        #[arg(long, allow_hyphen_values = true, value_name = "F")]
        family: Option<OsString>,
        /// SOCK_STREAM, SOCK_DGRAM, in short stream, dgram, or a number [default: any]
        #[arg(long = "type", allow_hyphen_values = true, value_name = "T")]
        socktype: Option<OsString>,
        /// IPPROTO_TCP, IPPROTO_UDP, in short tcp, udp, or a number [default: any]
        #[arg(long, allow_hyphen_values = true, value_name = "P")]
        proto: Option<OsString>,
        /// AI_PASSIVE, AI_CANONNAME and so on, joined by | or ,
        #[arg(long, allow_hyphen_values = true, value_name = "FLAGS")]
        flags: Option<OsString>,
        #[command(flatten)]
        output: Output,
    },
    /// The names of an address and a port
    #[command(
        args_override_self = true,
        after_help = "\
Examples:
  socklab getnameinfo 127.0.0.1 22
  socklab getnameinfo ::1 53 --flags NI_DGRAM,NI_NUMERICHOST

Exit status: 0 found, 1 a mistake on the command line, 2 not found."
    )]
    Getnameinfo {
        /// The address
        addr: OsString,
        /// The port, 0 to 65535
        port: OsString,
        /// NI_NUMERICHOST, NI_DGRAM and so on, joined by | or ,
        #[arg(long, allow_hyphen_values = true, value_name = "FLAGS")]
        flags: Option<OsString>,
        #[command(flatten)]
        output: Output,
    },
}

#[derive(Args)]
pub(super) struct Output {
    /// Print one line of JSON, with C's field names
    #[arg(long)]
    json: bool,
    /// What is too much
    #[arg(hide = true)]
    more: Vec<OsString>,
}

impl Output {
    /// Before anything is asked.
    fn refuse_more(&self) -> Result<(), Failure> {
        self.more.first().map_or(Ok(()), |more| {
            let more = shown(more.as_bytes());
            Err(Failure { line: format!("error: unexpected argument '{more}' found"), status: 1 })
        })
    }
}

pub(super) fn run(function: &Function) -> Result<(), Failure> {
    match function {
        Function::Gethostbyname { name, output } => {
            output.refuse_more()?;
            let found = gethostbyname(name.as_bytes());
            print(output, &asked(found, "<NAME>", &[Some(name)])?, host)
        }
        Function::Gethostbyaddr { addr, output } => {
            output.refuse_more()?;
            let found = gethostbyaddr(addr.as_bytes());
            print(output, &asked(found, "<ADDR>", &[Some(addr)])?, host)
        }
        Function::Getservbyname { name, proto, output } => {
            output.refuse_more()?;
            let found = getservbyname(name.as_bytes(), bytes(proto));
            print(output, &asked(found, "<NAME>", &[Some(name), proto.as_deref()])?, service)
        }
        Function::Getservbyport { port, proto, output } => {
            output.refuse_more()?;
            let found = getservbyport(port_of(port)?, bytes(proto));
            print(output, &asked(found, "<PORT>", &[Some(port), proto.as_deref()])?, service)
        }
        Function::Getprotobyname { name, output } => {
            output.refuse_more()?;
            let found = getprotobyname(name.as_bytes());
            print(output, &asked(found, "<NAME>", &[Some(name)])?, protocol)
        }
        Function::Getprotobynumber { number, output } => {
            output.refuse_more()?;
            let found = getprotobynumber(protocol_of(number)?);
            print(output, &asked(found, "<NUMBER>", &[Some(number)])?, protocol)
        }
        Function::Getaddrinfo { host, service, family, socktype, proto, flags, output } => {
            output.refuse_more()?;
            let hints = Hints {
                ai_family: number("--family <F>", FAMILIES, family)?,
                ai_socktype: number("--type <T>", TYPES, socktype)?,
                ai_protocol: number("--proto <P>", PROTOCOLS, proto)?,
                ai_flags: self::flags(AI_FLAGS, flags)?,
            };
            let (host, service) = (or_null(host), or_null(service));
            let found = getaddrinfo(host.map(OsStr::as_bytes), service.map(OsStr::as_bytes), hints);
            print(output, &asked(found, "[SERVICE]", &[host, service])?, addresses)
        }
        Function::Getnameinfo { addr, port, flags, output } => {
            output.refuse_more()?;
            let number = port_of(port)?;
            let flags = self::flags(NI_FLAGS, flags)?;
            let found = getnameinfo(addr.as_bytes(), number, flags);
            print(output, &asked(found, "<ADDR>", &[Some(addr), Some(port)])?, info)
        }
    }
}

fn bytes(word: &Option<OsString>) -> Option<&[u8]> {
    word.as_deref().map(OsStr::as_bytes)
}

/// What stands for C's NULL: nothing, or a dash.
fn or_null(word: &Option<OsString>) -> Option<&OsStr> {
    word.as_deref().filter(|word| *word != "-")
}

/// One line, with nothing that a terminal would obey.
fn shown(name: &[u8]) -> String {
    printable(name).replace('\n', "?")
}

fn invalid(value: &OsStr, option: &str, why: &str) -> Failure {
    let value = shown(value.as_bytes());
    Failure { line: format!("error: invalid value '{value}' for '{option}': {why}"), status: 1 }
}

const NO_PORT: &str = "a port is a number from 0 to 65535";

/// What was found; or the line that says why not, with what was asked for.
fn asked<T>(found: Found<T>, value: &str, words: &[Option<&OsStr>]) -> Result<T, Failure> {
    let said = |word: &Option<&OsStr>| {
        word.map_or_else(|| String::from("NULL"), |word| shown(word.as_bytes()))
    };
    let words_said: Vec<String> = words.iter().map(said).collect();
    let words_said = words_said.join(", ");
    let first = words.first().copied().flatten().unwrap_or_default();
    let line = match found {
        Ok(found) => return Ok(found),
        Err(Unresolved::NoAddress) => {
            let why =
                "an address is one of IPv4, such as 192.0.2.1, or of IPv6, such as 2001:db8::1";
            return Err(invalid(first, value, why));
        }
        Err(Unresolved::NoPort) => {
            let service = words.last().copied().flatten().unwrap_or_default();
            return Err(invalid(service, value, NO_PORT));
        }
        Err(Unresolved::Failed(error)) => format!("{error} ({words_said}{})", remedy(&error)),
        Err(Unresolved::Null(call @ "getservbyname")) => {
            format!("{call}: not found ({words_said}; upper and lower case differ)")
        }
        Err(Unresolved::Null(call)) => format!("{call}: not found ({words_said})"),
    };
    Err(Failure { line, status: 2 })
}

/// What can be done about an error, where its words do not say it.
fn remedy(error: &Error) -> &'static str {
    use crate::posix::netdb::{EAI_AGAIN, EAI_BADFLAGS, EAI_OVERFLOW, EAI_SERVICE, TRY_AGAIN};
    match error.cause {
        Cause::Host(TRY_AGAIN) | Cause::Resolver(EAI_AGAIN, _) => "; no name server has an answer",
        Cause::Resolver(EAI_SERVICE, _) => "; no such service with this --type and --proto",
        Cause::Resolver(EAI_BADFLAGS, _) => "; AI_CANONNAME needs a host",
        // Not every glibc has words for it.
        Cause::Resolver(EAI_OVERFLOW, _) => "; the name is too long",
        _ => "",
    }
}

/// `<PORT>`
fn port_of(text: &OsStr) -> Result<u16, Failure> {
    let number = text.to_str().and_then(whole_number);
    let port = number.and_then(|number| u16::try_from(number).ok());
    port.ok_or_else(|| invalid(text, "<PORT>", NO_PORT))
}

/// `<NUMBER>`
fn protocol_of(text: &OsStr) -> Result<c_int, Failure> {
    let number = text.to_str().and_then(whole_number);
    let protocol = number.and_then(|number| c_int::try_from(number).ok());
    let why = "a protocol is a number from 0 to 2147483647, and in the IP header to 255";
    protocol.ok_or_else(|| invalid(text, "<NUMBER>", why))
}

/// `--family`, `--type`, `--proto`
fn number(option: &str, table: &Table, text: &Option<OsString>) -> Result<c_int, Failure> {
    let Some(text) = text else { return Ok(0) };
    number_of(table, text.as_bytes()).ok_or_else(|| {
        let (names, prefix) = (names(table), prefix(table));
        let why =
            format!("there are {names}, the same without {prefix} in small letters, and numbers");
        invalid(text, option, &why)
    })
}

/// `--flags`
fn flags(table: &Table, text: &Option<OsString>) -> Result<c_int, Failure> {
    let Some(text) = text else { return Ok(0) };
    flags_of(table, text.as_bytes()).map_err(|name| {
        let (name, names) = (shown(name), names(table));
        let why = format!("no flag '{name}': there are {names}, joined by | or ,");
        invalid(text, "--flags <FLAGS>", &why)
    })
}

fn print<T: Serialize>(output: &Output, found: &T, text: fn(&T) -> String) -> Result<(), Failure> {
    let text = if output.json { json(found)? } else { text(found) };
    Ok(io::stdout().write_all(text.as_bytes())?)
}

/// One line. JSON escapes some of what a terminal would obey, but not DEL nor what follows it.
fn json<T: Serialize>(found: &T) -> Result<String, Failure> {
    let text = serde_json::to_string(found).map_err(io::Error::from)?;
    let mut line = String::with_capacity(text.len() + 1);
    for c in text.chars() {
        if c.is_control() {
            // Writing to a String never fails.
            let _ = write!(line, "\\u{:04x}", u32::from(c));
        } else {
            line.push(c);
        }
    }
    Ok(line + "\n")
}

/// Each with a blank before it.
fn list<'a>(names: impl IntoIterator<Item = &'a Name>) -> String {
    names.into_iter().map(|name| format!(" {}", shown(name.bytes()))).collect()
}

fn host(host: &Host) -> String {
    format!(
        "h_name: {}\nh_aliases:{}\nh_addrtype: {}\nh_length: {}\nh_addr_list:{}\n",
        shown(host.h_name.bytes()),
        list(&host.h_aliases),
        host.h_addrtype,
        host.h_length,
        host.h_addr_list.iter().map(|addr| format!(" {addr}")).collect::<String>(),
    )
}

fn service(service: &Service) -> String {
    format!(
        "s_name: {}\ns_aliases:{}\ns_port: {}\ns_proto: {}\n",
        shown(service.s_name.bytes()),
        list(&service.s_aliases),
        service.s_port,
        shown(service.s_proto.bytes()),
    )
}

fn protocol(protocol: &Protocol) -> String {
    format!(
        "p_name: {}\np_aliases:{}\np_proto: {}\n",
        shown(protocol.p_name.bytes()),
        list(&protocol.p_aliases),
        protocol.p_proto,
    )
}

fn addresses(answers: &Vec<AddressInfo>) -> String {
    let canonname = |ai: &AddressInfo| {
        ai.ai_canonname.as_ref().map_or_else(|| String::from("NULL"), |name| shown(name.bytes()))
    };
    // Only the first one may have the name.
    let first = answers.first().map_or(0, |ai| canonname(ai).len());
    let width = first.max("ai_canonname".len());
    let mut text = String::new();
    let mut row = |family: &str, socktype: &str, protocol: &str, canonname: &str, addr: &str| {
        // In bytes, as C counts.
        let blanks = width.saturating_sub(canonname.len());
        let _ = writeln!(
            text,
            "{family:<9}  {socktype:<14}  {protocol:<15}  {canonname}{:blanks$}  {addr}",
            ""
        );
    };
    row("ai_family", "ai_socktype", "ai_protocol", "ai_canonname", "ai_addr");
    for ai in answers {
        let addr = ai.ai_addr.text();
        row(&ai.ai_family, &ai.ai_socktype, &ai.ai_protocol, &canonname(ai), addr);
    }
    text
}

fn info(info: &NameInfo) -> String {
    format!("host: {}\nserv: {}\n", shown(info.host.bytes()), shown(info.serv.bytes()))
}

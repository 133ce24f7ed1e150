//! The functions and their arguments.

use std::ffi::OsString;

use clap::{Args, Subcommand};

use crate::cli::Later;

#[derive(Subcommand)]
pub(in crate::cli) enum Function {
    /// The IPv4 addresses of a host, from the files and from DNS
    #[command(
        args_override_self = true,
        after_help = "\
Examples:
  socklab gethostbyname localhost
  socklab gethostbyname 127.1           an address in short: 127.0.0.1

Prints struct hostent. Exit status: 0 found, 1 a mistake on the command line, 2 not found."
    )]
    Gethostbyname(Later<Question<HostName>>),
    /// The name of an IPv4 or IPv6 address
    #[command(
        args_override_self = true,
        after_help = "\
Examples:
  socklab gethostbyaddr 127.0.0.1
  socklab gethostbyaddr ::1 --json

Prints struct hostent. Exit status: 0 found, 1 a mistake on the command line, 2 not found."
    )]
    Gethostbyaddr(Later<Question<HostAddress>>),
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
    Getservbyname(Later<Question<ServiceName>>),
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
    Getservbyport(Later<Question<ServicePort>>),
    /// A protocol's number in the IP header, by its name
    #[command(
        args_override_self = true,
        after_help = "\
Examples:
  socklab getprotobyname tcp

Prints struct protoent. Exit status: 0 found, 1 a mistake on the command line, 2 not found."
    )]
    Getprotobyname(Later<Question<ProtocolName>>),
    /// A protocol, by its number in the IP header
    #[command(
        args_override_self = true,
        after_help = "\
Examples:
  socklab getprotobynumber 17

Prints struct protoent. Exit status: 0 found, 1 a mistake on the command line, 2 not found."
    )]
    Getprotobynumber(Later<Question<ProtocolNumber>>),
    /// The addresses of a host and a service, ready for socket() and connect()
    #[command(
        args_override_self = true,
        after_help = "\
Examples:
  socklab getaddrinfo localhost http --type stream
  socklab getaddrinfo - http --flags AI_PASSIVE       what a server binds
  socklab getaddrinfo localhost --family AF_INET6 --flags 'AI_V4MAPPED|AI_CANONNAME'

Prints a line for each struct addrinfo, in their order: without --type three for each address,
as C returns them. Exit status: 0 found, 1 a mistake on the command line, 2 not found."
    )]
    Getaddrinfo(Later<Question<HostAndService>>),
    /// The names of an address and a port
    #[command(
        args_override_self = true,
        after_help = "\
Examples:
  socklab getnameinfo 127.0.0.1 22
  socklab getnameinfo ::1 53 --flags NI_DGRAM,NI_NUMERICHOST

Exit status: 0 found, 1 a mistake on the command line, 2 not found."
    )]
    Getnameinfo(Later<Question<AddressAndPort>>),
}

// What a function is asked, and how its answer is printed. No doc comment: each function has its own.
#[derive(Args)]
pub(in crate::cli) struct Question<T: Args> {
    #[command(flatten)]
    pub(super) words: T,
    /// Print one line of JSON, with C's field names
    #[arg(long)]
    pub(super) json: bool,
    /// What is too much
    #[arg(hide = true)]
    pub(super) more: Vec<OsString>,
}

#[derive(Args)]
pub(in crate::cli) struct HostName {
    /// The host's name
    pub(super) name: OsString,
}

#[derive(Args)]
pub(in crate::cli) struct HostAddress {
    /// The address
    pub(super) addr: OsString,
}

#[derive(Args)]
pub(in crate::cli) struct ServiceName {
    /// The service's name
    pub(super) name: OsString,
    /// Its protocol: tcp, udp or another [default: NULL, any]
    pub(super) proto: Option<OsString>,
}

#[derive(Args)]
pub(in crate::cli) struct ServicePort {
    /// The port, 0 to 65535
    pub(super) port: OsString,
    /// Its protocol: tcp, udp or another [default: NULL, any]
    pub(super) proto: Option<OsString>,
}

#[derive(Args)]
pub(in crate::cli) struct ProtocolName {
    /// The protocol's name
    pub(super) name: OsString,
}

#[derive(Args)]
pub(in crate::cli) struct ProtocolNumber {
    /// The number
    pub(super) number: OsString,
}

#[derive(Args)]
pub(in crate::cli) struct HostAndService {
    /// A name or an address; - for NULL, which is this host
    pub(super) host: Option<OsString>,
    /// A service's name or a port, 0 to 65535; - for NULL
    pub(super) service: Option<OsString>,
    /// AF_INET, AF_INET6, in short inet, inet6, or a number [default: any]
    #[arg(long, allow_hyphen_values = true, value_name = "F")]
    pub(super) family: Option<OsString>,
    /// SOCK_STREAM, SOCK_DGRAM, in short stream, dgram, or a number [default: any]
    #[arg(long = "type", allow_hyphen_values = true, value_name = "T")]
    pub(super) socktype: Option<OsString>,
    /// IPPROTO_TCP, IPPROTO_UDP, in short tcp, udp, or a number [default: any]
    #[arg(long, allow_hyphen_values = true, value_name = "P")]
    pub(super) proto: Option<OsString>,
    /// AI_PASSIVE, AI_CANONNAME and so on, joined by | or ,
    #[arg(long, allow_hyphen_values = true, value_name = "FLAGS")]
    pub(super) flags: Option<OsString>,
}

#[derive(Args)]
pub(in crate::cli) struct AddressAndPort {
    /// The address
    pub(super) addr: OsString,
    /// The port, 0 to 65535
    pub(super) port: OsString,
    /// NI_NUMERICHOST, NI_DGRAM and so on, joined by | or ,
    #[arg(long, allow_hyphen_values = true, value_name = "FLAGS")]
    pub(super) flags: Option<OsString>,
}

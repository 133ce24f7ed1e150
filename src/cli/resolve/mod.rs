//! `socklab gethostbyname` and the other functions of the resolver, by their C names.

mod arguments;
mod text;

use std::ffi::{OsStr, OsString, c_int};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;

use clap::Args;
use serde::Serialize;

pub(super) use self::arguments::Function;
use self::arguments::Question;
use super::{Failure, Later, printable, whole_number};
use crate::posix::Error;
use crate::posix::error::Cause;
use crate::tool::resolve::constants::*;
use crate::tool::resolve::*;

pub(super) fn run(function: &Function) -> Result<(), Failure> {
    match function {
        Function::Gethostbyname(Later(question)) => answer(question, text::host, |words| {
            let name = &words.name;
            asked(gethostbyname(name.as_bytes()), "<NAME>", &[Some(name)])
        }),
        Function::Gethostbyaddr(Later(question)) => answer(question, text::host, |words| {
            let addr = &words.addr;
            asked(gethostbyaddr(addr.as_bytes()), "<ADDR>", &[Some(addr)])
        }),
        Function::Getservbyname(Later(question)) => answer(question, text::service, |words| {
            let (name, proto) = (&words.name, words.proto.as_deref());
            asked(getservbyname(name.as_bytes(), bytes(proto)), "<NAME>", &[Some(name), proto])
        }),
        Function::Getservbyport(Later(question)) => answer(question, text::service, |words| {
            let (port, proto) = (&words.port, words.proto.as_deref());
            asked(getservbyport(port_of(port)?, bytes(proto)), "<PORT>", &[Some(port), proto])
        }),
        Function::Getprotobyname(Later(question)) => answer(question, text::protocol, |words| {
            let name = &words.name;
            asked(getprotobyname(name.as_bytes()), "<NAME>", &[Some(name)])
        }),
        Function::Getprotobynumber(Later(question)) => answer(question, text::protocol, |words| {
            let number = &words.number;
            asked(getprotobynumber(protocol_of(number)?), "<NUMBER>", &[Some(number)])
        }),
        Function::Getaddrinfo(Later(question)) => answer(question, text::addresses, |words| {
            let hints = Hints {
                ai_family: number("--family <F>", FAMILIES, &words.family)?,
                ai_socktype: number("--type <T>", TYPES, &words.socktype)?,
                ai_protocol: number("--proto <P>", PROTOCOLS, &words.proto)?,
                ai_flags: flags(AI_FLAGS, &words.flags)?,
            };
            let (host, service) = (or_null(&words.host), or_null(&words.service));
            asked(getaddrinfo(bytes(host), bytes(service), hints), "[SERVICE]", &[host, service])
        }),
        Function::Getnameinfo(Later(question)) => answer(question, text::info, |words| {
            let (addr, port) = (&words.addr, &words.port);
            let (number, flags) = (port_of(port)?, flags(NI_FLAGS, &words.flags)?);
            asked(getnameinfo(addr.as_bytes(), number, flags), "<ADDR>", &[Some(addr), Some(port)])
        }),
    }
}

fn answer<Words: Args, Answer: Serialize>(
    question: &Question<Words>,
    text: fn(&Answer) -> String,
    ask: impl FnOnce(&Words) -> Result<Answer, Failure>,
) -> Result<(), Failure> {
    // Before anything is asked.
    if let Some(more) = question.more.first() {
        let more = shown(more.as_bytes());
        let line = format!("error: unexpected argument '{more}' found");
        return Err(Failure { line, status: 1 });
    }
    let found = ask(&question.words)?;
    let text = if question.json { text::json(&found)? } else { text(&found) };
    Ok(io::stdout().write_all(text.as_bytes())?)
}

fn bytes(word: Option<&OsStr>) -> Option<&[u8]> {
    word.map(OsStr::as_bytes)
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

//! What a function returned, field by field or as JSON.

use std::fmt::Write as _;
use std::io;

use serde::Serialize;

use super::shown;
use crate::cli::Failure;
use crate::tool::resolve::*;

/// One line. JSON escapes some of what a terminal would obey, but not DEL nor what follows it.
pub(super) fn json<T: Serialize>(found: &T) -> Result<String, Failure> {
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

pub(super) fn host(host: &Host) -> String {
    format!(
        "h_name: {}\nh_aliases:{}\nh_addrtype: {}\nh_length: {}\nh_addr_list:{}\n",
        shown(host.h_name.bytes()),
        list(&host.h_aliases),
        host.h_addrtype,
        host.h_length,
        host.h_addr_list.iter().map(|addr| format!(" {addr}")).collect::<String>(),
    )
}

pub(super) fn service(service: &Service) -> String {
    format!(
        "s_name: {}\ns_aliases:{}\ns_port: {}\ns_proto: {}\n",
        shown(service.s_name.bytes()),
        list(&service.s_aliases),
        service.s_port,
        shown(service.s_proto.bytes()),
    )
}

pub(super) fn protocol(protocol: &Protocol) -> String {
    format!(
        "p_name: {}\np_aliases:{}\np_proto: {}\n",
        shown(protocol.p_name.bytes()),
        list(&protocol.p_aliases),
        protocol.p_proto,
    )
}

pub(super) fn addresses(answers: &Vec<AddressInfo>) -> String {
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

pub(super) fn info(info: &NameInfo) -> String {
    format!("host: {}\nserv: {}\n", shown(info.host.bytes()), shown(info.serv.bytes()))
}

//! The table in netstat's columns, byte for byte where it has them; what it hides comes behind them.
//!
//! With 40,000 rows it counts how a row is made: by hand, into one buffer.

use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};

use super::Show;
use crate::tool::netstat::names::Names;
use crate::tool::netstat::{Family, Holder, Kind, Protocol, Row};

/// How many characters of a process netstat shows.
const PROGRAM_WIDTH: usize = 19;

/// How much is written at once: what a pipe takes.
const PIECE: usize = 64 * 1024;

/// What makes the rows, and the names that it has looked up for earlier ones.
pub(super) struct Table {
    kind: Kind,
    show: Show,
    names: Names,
}

impl Table {
    pub(super) fn new(kind: Kind, show: Show) -> Self {
        Self { kind, show, names: Names::default() }
    }

    /// Writes it, in large pieces; the last one is left in `text`.
    pub(super) fn print(
        &mut self,
        rows: &[Row],
        text: &mut Vec<u8>,
        out: &mut impl Write,
    ) -> io::Result<()> {
        let kind = match self.kind {
            Kind::Listening => "only servers",
            Kind::Connected => "w/o servers",
            Kind::All => "servers and established",
        };
        put(text, "Active Internet connections (");
        put(text, kind);
        put(
            text,
            ")\nProto Recv-Q Send-Q Local Address           Foreign Address         State      ",
        );
        if self.show.extend {
            put(text, " User       Inode     ");
        }
        if self.show.programs {
            put(text, " PID/Program name    ");
        }
        if self.show.extend {
            put(text, " Backlog    Stack");
        }
        text.push(b'\n');
        for row in rows {
            self.row(row, text);
            if text.len() >= PIECE {
                out.write_all(text)?;
                text.clear();
            }
        }
        Ok(())
    }

    fn row(&mut self, row: &Row, text: &mut Vec<u8>) {
        let protocol = match (row.protocol, row.family) {
            (Protocol::Tcp, Family::IPv4) => "tcp   ",
            (Protocol::Tcp, Family::IPv6) => "tcp6  ",
            (Protocol::Udp, Family::IPv4) => "udp   ",
            (Protocol::Udp, Family::IPv6) => "udp6  ",
        };
        put(text, protocol);
        number(text, row.recv_q, 6);
        text.push(b' ');
        number(text, row.send_q, 6);
        for addr in [&row.local, &row.remote] {
            text.push(b' ');
            column(text, 23, |text| self.address(row.protocol, addr, text));
        }
        text.push(b' ');
        column(text, 11, |text| put(text, row.state.map_or("", |state| state.name())));
        if self.show.extend {
            text.push(b' ');
            column(text, 10, |text| self.user(row.uid, text));
            text.push(b' ');
            column(text, 10, |text| number(text, row.inode, 0));
        }
        if self.show.programs {
            text.push(b' ');
            column(text, 20, |text| self.programs(row.holders.as_deref(), text));
        }
        if self.show.extend {
            text.push(b' ');
            column(text, 10, |text| backlog(row, text));
            text.push(b' ');
            put(text, stack(row));
        }
        text.push(b'\n');
    }

    fn address(&mut self, protocol: Protocol, addr: &SocketAddr, text: &mut Vec<u8>) {
        // As netstat writes IPv4 peers of an IPv6 socket; that they are some, the last column says.
        let ip = addr.ip().to_canonical();
        let name =
            if self.show.numeric || ip.is_unspecified() { None } else { self.names.host(ip) };
        match (name, ip) {
            (Some(name), _) => put(text, &on_a_line(name)),
            (None, IpAddr::V4(ip)) => {
                for (at, byte) in ip.octets().into_iter().enumerate() {
                    if at > 0 {
                        text.push(b'.');
                    }
                    number(text, u32::from(byte), 0);
                }
            }
            (None, IpAddr::V6(ip)) if !self.show.numeric && ip.is_unspecified() => {
                put(text, "[::]");
            }
            // Writing into memory does not fail.
            (None, IpAddr::V6(ip)) => _ = write!(text, "{ip}"),
        }
        text.push(b':');
        let port = addr.port();
        let name = if self.show.numeric { None } else { self.names.service(protocol, port) };
        match name {
            _ if port == 0 => text.push(b'*'),
            Some(name) => put(text, &on_a_line(name)),
            None => number(text, u32::from(port), 0),
        }
    }

    fn user(&mut self, uid: u32, text: &mut Vec<u8>) {
        let name = if self.show.numeric { None } else { self.names.user(uid) };
        match name {
            Some(name) => put(text, &on_a_line(name)),
            None => number(text, uid, 0),
        }
    }

    /// All of them, in one column: a row is a socket.
    fn programs(&self, holders: Option<&[Holder]>, text: &mut Vec<u8>) {
        let holders = holders.unwrap_or_default();
        for (at, holder) in holders.iter().enumerate() {
            if at > 0 {
                text.push(b',');
            }
            let first = text.len();
            number(text, holder.pid.unsigned_abs(), 0);
            text.push(b'/');
            let room = PROGRAM_WIDTH.saturating_sub(text.len() - first);
            let name = on_a_line(&holder.name);
            let end = name.char_indices().nth(room).map(|(end, _)| end);
            match end {
                Some(end) if !self.show.wide => put(text, name.get(..end).unwrap_or(&name)),
                _ => put(text, &name),
            }
        }
        if holders.is_empty() {
            text.push(b'-');
        }
    }
}

/// How many wait, and how many may: of a listening socket.
fn backlog(row: &Row, text: &mut Vec<u8>) {
    let Some(backlog) = row.backlog else { return text.push(b'-') };
    number(text, backlog.waiting, 0);
    text.push(b'/');
    match backlog.limit {
        Some(limit) => number(text, limit, 0),
        None => text.push(b'?'),
    }
}

/// What the addresses don't say.
fn stack(row: &Row) -> &'static str {
    let mapped =
        |addr: &SocketAddr| matches!(addr.ip(), IpAddr::V6(ip) if ip.to_ipv4_mapped().is_some());
    match (row.family, row.v6only) {
        (Family::IPv6, _) if mapped(&row.local) || mapped(&row.remote) => "v4-mapped",
        (Family::IPv6, Some(true)) if row.local.ip().is_unspecified() => "v6only",
        (Family::IPv6, Some(false)) if row.local.ip().is_unspecified() => "dual",
        _ => "-",
    }
}

/// A name that somebody else has chosen, with nothing in it that a terminal would obey, that ends a line, or
/// that turns the order of what follows.
fn on_a_line(name: &str) -> std::borrow::Cow<'_, str> {
    if name.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
        return name.into();
    }
    let turns = |c| {
        matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    name.chars()
        .map(|c| if c.is_control() || turns(c) { '?' } else { c })
        .collect::<String>()
        .into()
}

fn put(text: &mut Vec<u8>, word: &str) {
    text.extend_from_slice(word.as_bytes());
}

/// `%*u`
fn number(text: &mut Vec<u8>, mut number: u32, width: usize) {
    let mut digits = [b' '; 10];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    let first = at.min(digits.len().saturating_sub(width));
    text.extend_from_slice(&digits[first..]);
}

/// `%-*s`: what `fill` writes, and blanks up to the width.
fn column(text: &mut Vec<u8>, width: usize, fill: impl FnOnce(&mut Vec<u8>)) {
    let first = text.len();
    fill(text);
    // Characters, not the bytes of them that only continue one.
    let written = text[first..].iter().filter(|&&byte| byte & 0xc0 != 0x80).count();
    text.resize(text.len() + width.saturating_sub(written), b' ');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_as_in_c() {
        for value in [0, 7, 10, 65535, 999_999, 1_000_000, u32::MAX] {
            for width in [0, 1, 6, 10] {
                let mut text = Vec::new();
                number(&mut text, value, width);
                assert_eq!(String::from_utf8(text).expect("digits"), format!("{value:width$}"));
            }
        }
    }

    #[test]
    fn a_name_stays_on_its_line() {
        let every: String = ('\0'..'\u{3000}').collect();
        let shown = on_a_line(&every);
        assert_eq!(shown.chars().count(), every.chars().count());
        assert!(!shown.chars().any(|c| c.is_control() || ('\u{2028}'..='\u{202e}').contains(&c)));
        assert!(shown.contains(" !\"#") && shown.contains("äåæ"), "the others as they are");
    }

    #[test]
    fn columns() {
        let mut text = Vec::new();
        column(&mut text, 4, |text| put(text, "hé"));
        column(&mut text, 2, |text| put(text, "long"));
        assert_eq!(text, "hé  long".as_bytes());
        assert_eq!(on_a_line("a\u{1b}[2J\nb\u{202e}c d"), "a?[2J?b?c d");
    }
}

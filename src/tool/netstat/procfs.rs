//! The same table as text, for where netlink is refused: `/proc/net/tcp` and its like. It is slower, and
//! has neither the limits of backlogs nor `v6only` nor bound sockets.
//! [proc_net(5)](https://man7.org/linux/man-pages/man5/proc_net.5.html)

use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{Backlog, Family, Kind, Protocol, Row, Selection, State};
use crate::posix::error::EIO;
use crate::posix::{Error, Result};

/// The sockets of one protocol and family. A kernel without IPv6 has no file of it, and no sockets.
pub(super) fn read(
    protocol: Protocol,
    family: Family,
    selection: &Selection,
    rows: &mut Vec<Row>,
) -> Result<()> {
    let path = match (protocol, family) {
        (Protocol::Tcp, Family::IPv4) => "/proc/net/tcp",
        (Protocol::Tcp, Family::IPv6) => "/proc/net/tcp6",
        (Protocol::Udp, Family::IPv4) => "/proc/net/udp",
        (Protocol::Udp, Family::IPv6) => "/proc/net/udp6",
    };
    match fs::read_to_string(path) {
        Ok(text) => {
            let found = text.lines().skip(1).filter_map(|line| row(protocol, family, line));
            rows.extend(found.filter(|row| is_wanted(row, selection.kind)));
            Ok(())
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && family == Family::IPv6 => {
            Ok(())
        }
        Err(error) => Err(Error::new(path, error.raw_os_error().unwrap_or(EIO))),
    }
}

fn is_wanted(row: &Row, kind: Kind) -> bool {
    let listens = match row.protocol {
        Protocol::Tcp => row.state == Some(State::Listen),
        Protocol::Udp => row.state.is_none(),
    };
    match kind {
        Kind::All => true,
        Kind::Listening => listens,
        Kind::Connected => !listens,
    }
}

/// One line below the header; `None` if it is not as it should be.
fn row(protocol: Protocol, family: Family, line: &str) -> Option<Row> {
    // sl local_address rem_address st tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode
    let mut words = line.split_ascii_whitespace().skip(1);
    let local = address(family, words.next()?)?;
    let remote = address(family, words.next()?)?;
    let state = State::of(number(words.next()?)?.try_into().ok()?);
    let (send_q, recv_q) = words.next()?.split_once(':')?;
    let (send_q, recv_q) = (number(send_q)?, number(recv_q)?);
    let uid = words.nth(2)?.parse().ok()?;
    let inode = words.nth(1)?.parse().ok()?;
    let state = match protocol {
        Protocol::Tcp => Some(state),
        Protocol::Udp => (state == State::Established).then_some(state),
    };
    let listens = state == Some(State::Listen);
    let backlog = listens.then_some(Backlog { waiting: recv_q, limit: None });
    let (v6only, holders) = (None, None);
    Some(Row {
        protocol,
        family,
        local,
        remote,
        state,
        recv_q,
        send_q,
        backlog,
        v6only,
        uid,
        inode,
        holders,
    })
}

/// `0100007F:1F90`: each word of the address as the machine has it, then the port.
fn address(family: Family, text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let port = number(port)?.try_into().ok()?;
    match family {
        Family::IPv4 => {
            let ip = (ip.len() == 8).then(|| number(ip))??;
            Some(SocketAddr::new(Ipv4Addr::from(ip.to_ne_bytes()).into(), port))
        }
        Family::IPv6 if ip.len() == 32 => {
            let mut bytes = [0; 16];
            for (at, word) in bytes.chunks_exact_mut(4).enumerate() {
                word.copy_from_slice(&number(ip.get(at * 8..at * 8 + 8)?)?.to_ne_bytes());
            }
            Some(SocketAddr::new(Ipv6Addr::from(bytes).into(), port))
        }
        Family::IPv6 => None,
    }
}

/// Hexadecimal digits and nothing else.
fn number(text: &str) -> Option<u32> {
    let digits = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    digits.then(|| u32::from_str_radix(text, 16).ok())?
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TCP: &str = "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000003 00:00000000 00000000  \
        1000        0 18870106 2 0000000000000000 100 0 0 10 5";
    const TCP6: &str = "   2: 0000000000000000FFFF00000100007F:1F90 0000000000000000FFFF00000100007F:A31C \
        08 00000001:00000005 02:000003E8 00000000     0        0 4242 1 0000000000000000 20 0 0 10 -1";

    #[test]
    fn lines() {
        let listener = row(Protocol::Tcp, Family::IPv4, TCP).expect("a row");
        assert_eq!(listener.local, "127.0.0.1:8080".parse().expect("an address"));
        assert_eq!(listener.remote, "0.0.0.0:0".parse().expect("an address"));
        assert_eq!(listener.state, Some(State::Listen));
        assert_eq!(listener.backlog, Some(Backlog { waiting: 3, limit: None }));
        assert_eq!((listener.uid, listener.inode), (1000, 18_870_106));
        let mapped = row(Protocol::Tcp, Family::IPv6, TCP6).expect("a row");
        assert_eq!(mapped.remote, "[::ffff:127.0.0.1]:41756".parse().expect("an address"));
        assert_eq!(mapped.state, Some(State::CloseWait));
        assert_eq!((mapped.recv_q, mapped.send_q, mapped.inode), (5, 1, 4242));
        assert_eq!(row(Protocol::Tcp, Family::IPv6, TCP), None);
        assert!(is_wanted(&listener, Kind::Listening) && !is_wanted(&mapped, Kind::Listening));
        assert!(is_wanted(&mapped, Kind::Connected) && !is_wanted(&listener, Kind::Connected));
    }

    proptest! {
        #[test]
        fn no_line_is_too_strange(line: String, at in 0..150_usize, byte: char) {
            row(Protocol::Tcp, Family::IPv4, &line);
            row(Protocol::Udp, Family::IPv6, &line);
            for (family, line) in [(Family::IPv4, TCP), (Family::IPv6, TCP6)] {
                let mut line: Vec<char> = line.chars().collect();
                if at < line.len() {
                    line[at] = byte;
                }
                row(Protocol::Tcp, family, &line.iter().collect::<String>());
                let cut: String = line.iter().take(at).collect();
                row(Protocol::Tcp, family, &cut);
            }
        }
    }
}

//! What the kernel counts in the network that this thread is in: /proc/net/snmp and its like.

use std::fs;

use super::Trouble;

/// A counter of /proc/net/snmp or /proc/net/netstat, by protocol and name: `Udp`, `InDatagrams`.
///
/// # Errors
///
/// [`Trouble::Blocked`] if the system does not tell.
pub(super) fn counter(protocol: &str, name: &str) -> Result<u64, Trouble> {
    for file in ["snmp", "netstat"] {
        let text = fs::read_to_string(format!("/proc/thread-self/net/{file}")).unwrap_or_default();
        if let Some(value) = in_columns(&text, protocol, name) {
            return Ok(value);
        }
    }
    Err(Trouble::Blocked(format!("/proc/net/snmp has no {name} of {protocol}")))
}

/// A counter of UDP, over IPv4 and IPv6 together.
///
/// # Errors
///
/// [`Trouble::Blocked`] if the system does not tell.
pub(super) fn udp(name: &str) -> Result<u64, Trouble> {
    // A kernel without IPv6 has no such file.
    let text = fs::read_to_string("/proc/thread-self/net/snmp6").unwrap_or_default();
    Ok(counter("Udp", name)? + in_lines(&text, &format!("Udp6{name}")).unwrap_or(0))
}

/// How many datagrams these sockets of UDP have had no room for: the last column of /proc/net/udp.
pub(super) fn drops(inodes: &[u32]) -> u64 {
    let table = |file| fs::read_to_string(format!("/proc/thread-self/net/{file}"));
    ["udp", "udp6"].map(|file| drops_in(&table(file).unwrap_or_default(), inodes)).iter().sum()
}

fn drops_in(table: &str, inodes: &[u32]) -> u64 {
    let drops = |line: &str| {
        let mut words = line.split_whitespace();
        let inode: u32 = words.nth(9)?.parse().ok()?;
        inodes.contains(&inode).then(|| words.last()?.parse::<u64>().ok())?
    };
    table.lines().filter_map(drops).sum()
}

/// Two lines for each protocol: the names, and below them the values.
fn in_columns(text: &str, protocol: &str, name: &str) -> Option<u64> {
    let mut lines = text.lines().filter_map(|line| line.strip_prefix(protocol)?.strip_prefix(':'));
    let (names, values) = (lines.next()?, lines.next()?);
    let at = names.split_whitespace().position(|other| other == name)?;
    values.split_whitespace().nth(at)?.parse().ok()
}

/// A line for each: the name, and the value.
fn in_lines(text: &str, name: &str) -> Option<u64> {
    let mut lines = text.lines().map(str::split_whitespace);
    lines.find_map(|mut words| (words.next()? == name).then(|| words.next())?)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files() {
        let snmp = "Tcp: RtoMin MaxConn\nTcp: 200 -1\nUdp: InDatagrams NoPorts\nUdp: 12 3\nUdpLite: InDatagrams\nUdpLite: 9\n";
        assert_eq!(in_columns(snmp, "Udp", "InDatagrams"), Some(12));
        assert_eq!(in_columns(snmp, "Udp", "NoPorts"), Some(3));
        assert_eq!(in_columns(snmp, "UdpLite", "InDatagrams"), Some(9));
        assert_eq!(in_columns(snmp, "Tcp", "MaxConn"), None);
        for cut in ["", "Udp: InDatagrams\n", "Udp: InDatagrams\nUdp:\n"] {
            assert_eq!(in_columns(cut, "Udp", "InDatagrams"), None, "{cut:?}");
        }
        let udp = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n\
                    1: 0100007F:2328 00000000:0000 07 00000000:00034400 00:00000000 00000000     0        0 77 2 0000 101\n\
                    2: 0100007F:2329 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 78 2 0000 9\n";
        assert_eq!(drops_in(udp, &[77]), 101);
        assert_eq!(drops_in(udp, &[77, 78]), 110);
        assert_eq!(drops_in(udp, &[7]), 0);
        let snmp6 = "Udp6InDatagrams                 \t7\nUdp6NoPorts 1\n";
        assert_eq!(in_lines(snmp6, "Udp6InDatagrams"), Some(7));
        assert_eq!(in_lines(snmp6, "Udp6InErrors"), None);
    }
}

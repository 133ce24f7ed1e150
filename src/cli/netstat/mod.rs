//! `socklab netstat`: the sockets of this machine.

mod table;

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use clap::Args;
use serde::Serialize;

use self::table::Table;
use super::{Failure, seconds};
use crate::net::{Deadline, wait};
use crate::posix::poll::pollfd;
use crate::posix::sys_socket::timeval;
use crate::tool::netstat::{Kind, Row, Selection, Snapshot, look};

#[derive(Args)]
#[command(
    args_override_self = true,
    after_help = "\
Without -t, -u, -l, -a, -n, -p, -e: -tulpne.

TCP and UDP only: netstat adds the sockets of the Unix domain where neither -t nor -u is given.
They have no port; ss -x lists them.

Examples:
  socklab netstat               who listens where, how full is its queue, what is only bound
  socklab netstat -tulpn        the lecture's line, in netstat's columns
  socklab netstat -tan          all TCP sockets
  socklab netstat --watch 1     again every second
  socklab netstat --json        for a program"
)]
pub(super) struct Arguments {
    /// TCP only
    #[arg(short, long)]
    tcp: bool,
    /// UDP only
    #[arg(short, long)]
    udp: bool,
    /// Those that listen, of UDP those without a peer; otherwise those that are connected
    #[arg(short, long)]
    listening: bool,
    /// Both, and what is only bound
    #[arg(short, long)]
    all: bool,
    /// Numbers in place of names, which may have to be asked of the network
    #[arg(short, long)]
    numeric: bool,
    /// The processes that hold each, all of them
    #[arg(short, long)]
    programs: bool,
    /// User and inode; at the end the backlog and whether :: takes IPv4; and what is only bound
    #[arg(short, long)]
    extend: bool,
    /// The names of programs whole
    #[arg(short = 'W', long)]
    wide: bool,
    /// IPv4 only
    #[arg(short = '4', long)]
    inet: bool,
    /// IPv6 only
    #[arg(short = '6', long)]
    inet6: bool,
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
    /// Look again each time that so many seconds have passed
    #[arg(long, allow_hyphen_values = true, value_name = "SECONDS", value_parser = seconds)]
    watch: Option<timeval>,
}

/// What is shown, once nothing is left to default.
#[derive(Clone, Copy)]
struct Show {
    numeric: bool,
    programs: bool,
    extend: bool,
    wide: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let (selection, show) = meant(arguments);
    let mut table = Table::new(selection.kind, show);
    let mut text = Vec::new();
    let terminal = arguments.watch.is_some() && io::stdout().is_terminal();
    let mut first = true;
    loop {
        let next = arguments.watch.map(|time| Deadline::after(duration(time)));
        let snapshot = look(&selection).map_err(|error| {
            let remedy = "mount /proc, or allow netlink sockets here";
            Failure::new(format!("{error} (neither netlink nor /proc/net: {remedy})"))
        })?;
        text.clear();
        if terminal {
            // From the upper left corner on, and nothing of what was there.
            text.extend_from_slice(b"\x1b[H\x1b[J");
        } else if !first && !arguments.json {
            text.push(b'\n');
        }
        if first {
            notice(&snapshot);
        }
        let mut stdout = io::stdout().lock();
        if arguments.json {
            json(&snapshot, &mut text)?;
        } else {
            table.print(&snapshot.rows, &mut text, &mut stdout)?;
        }
        stdout.write_all(&text)?;
        stdout.flush()?;
        let Some(next) = next else { return Ok(()) };
        first = false;
        // No event is asked for: what there is to hear of is that nobody reads any more.
        let gone = wait(&mut [pollfd::new(&stdout, 0)], next);
        if gone.map_err(|error| Failure::new(error.to_string()))? {
            return Err(io::Error::from(io::ErrorKind::BrokenPipe).into());
        }
    }
}

/// What the options mean together.
fn meant(arguments: &Arguments) -> (Selection, Show) {
    let Arguments { tcp, udp, listening, all, numeric, programs, extend, wide, .. } = *arguments;
    let silent = !(tcp || udp || listening || all || numeric || programs || extend);
    let kind = match (all, listening || silent) {
        (true, _) => Kind::All,
        (false, true) => Kind::Listening,
        (false, false) => Kind::Connected,
    };
    let show = Show {
        numeric: numeric || silent,
        programs: programs || silent,
        extend: extend || silent,
        wide,
    };
    let selection = Selection {
        tcp: tcp || !udp,
        udp: udp || !tcp,
        ipv4: arguments.inet || !arguments.inet6,
        ipv6: arguments.inet6 || !arguments.inet,
        kind,
        bound: all || show.extend && kind == Kind::Listening,
        holders: show.programs,
    };
    (selection, show)
}

fn duration(time: timeval) -> Duration {
    let microseconds = time.tv_sec.saturating_mul(1_000_000).saturating_add(time.tv_usec);
    Duration::from_micros(microseconds.try_into().unwrap_or(0))
}

fn json(snapshot: &Snapshot, text: &mut Vec<u8>) -> Result<(), Failure> {
    #[derive(Serialize)]
    struct Line<'a> {
        sockets: &'a [Row],
    }
    let line = Line { sockets: &snapshot.rows };
    serde_json::to_writer(&mut *text, &line).map_err(io::Error::from)?;
    text.push(b'\n');
    Ok(())
}

/// What can't be seen here, and why.
fn notice(snapshot: &Snapshot) {
    let mut lines = String::new();
    if snapshot.hidden {
        // In netstat's words.
        lines.push_str(
            "(Not all processes could be identified, non-owned process info\n \
             will not be shown, you would have to be root to see it all.)\n",
        );
    }
    if let Some(error) = snapshot.fallback {
        lines.push_str(&format!(
            "({error}: read from /proc/net, which has no limits of backlogs, no v6only, no bound \
             sockets.)\n"
        ));
    }
    // There is nowhere to report that reporting failed.
    let _ = io::stderr().write_all(lines.as_bytes());
}

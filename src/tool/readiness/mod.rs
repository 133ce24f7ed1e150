//! Which sockets are ready for what: the lecture's lists, made with real sockets and asked of `select`,
//! `poll` and epoll.

mod make;
mod situations;

use std::os::fd::{AsRawFd, OwnedFd};

use serde::{Serialize, Serializer};

use self::make::Made;
use self::situations::SITUATIONS;
use super::loopback::{kernel, received, set_nonblocking, wait_for};
use super::returned::{done, name as errno_name, said};
use crate::linux::epoll::*;
use crate::posix::poll::{POLLERR, POLLHUP, POLLIN, POLLOUT, POLLPRI, POLLRDHUP, poll, pollfd};
use crate::posix::sys_select::{FD_ISSET, FD_SET, FD_ZERO, select};
use crate::posix::sys_socket::*;
use crate::posix::{Error, Result};

/// The events that are asked for, and those that come unasked, in the order in which they are written.
const EVENTS: [(&str, i16); 6] = [
    ("IN", POLLIN),
    ("OUT", POLLOUT),
    ("PRI", POLLPRI),
    ("ERR", POLLERR),
    ("HUP", POLLHUP),
    ("RDHUP", POLLRDHUP),
];

/// What `poll` reports; epoll has the same bits under other names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Events(pub i16);

impl Events {
    /// Whether one of them is among these.
    pub const fn has(self, event: i16) -> bool {
        self.0 & event != 0
    }

    /// `IN`, `OUT` and so on; bits without a name here are left out.
    pub fn names(self) -> Vec<&'static str> {
        EVENTS.iter().filter(|(_, bit)| self.has(*bit)).map(|(name, _)| *name).collect()
    }
}

impl Serialize for Events {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        self.names().serialize(serializer)
    }
}

/// Which of `select`'s sets a descriptor is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Sets {
    /// The first.
    pub readable: bool,
    /// The second.
    pub writable: bool,
    /// The third.
    pub exception: bool,
}

/// What the three say of a descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Readiness {
    /// `select`
    pub select: Sets,
    /// `poll`
    pub poll: Events,
    /// `epoll_wait`
    pub epoll: Events,
}

impl Readiness {
    /// Asks them, without waiting.
    pub(super) fn of(sockfd: &OwnedFd) -> Result<Self> {
        let mut sets = [FD_ZERO(); 3];
        for set in &mut sets {
            FD_SET(sockfd, set)?;
        }
        let [r, w, x] = &mut sets;
        let mut timeout = timeval { tv_sec: 0, tv_usec: 0 };
        select(sockfd.as_raw_fd() + 1, Some(r), Some(w), Some(x), Some(&mut timeout))?;
        let [readable, writable, exception] = sets.map(|set| FD_ISSET(sockfd, &set));

        let mut fds = [pollfd::new(sockfd, POLLIN | POLLOUT | POLLPRI | POLLRDHUP)];
        poll(&mut fds, 0)?;

        let epfd = epoll_create1(EPOLL_CLOEXEC)?;
        let wanted = epoll_event::new(EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDHUP, 0);
        epoll_ctl(&epfd, EPOLL_CTL_ADD, sockfd, Some(&wanted))?;
        let mut events = [epoll_event::new(0, 0)];
        epoll_wait(&epfd, &mut events, 0)?;
        Ok(Self {
            select: Sets { readable, writable, exception },
            poll: Events(fds[0].revents()),
            epoll: Events(i16::try_from(events[0].events()).unwrap_or(-1)),
        })
    }
}

/// One of the lecture's lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum List {
    /// Sockets are readable if.
    Readable,
    /// Sockets are writeable if.
    Writable,
    /// Sockets that have an exception.
    Exception,
}

impl List {
    /// In the lecture's words.
    pub const fn heading(self) -> &'static str {
        match self {
            Self::Readable => "Readable if",
            Self::Writable => "Writeable if",
            Self::Exception => "In the third set if",
        }
    }
}

/// A call that is made once the three have been asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Call {
    /// `accept`; the calls after it are made with the socket that it returns.
    Accept,
    Recv,
    RecvOob,
    /// Of one byte.
    Send,
    /// `getsockopt(SO_ERROR)`
    SoError,
    Getpeername,
    /// No call: what is sent next comes after the peer's answer to the last.
    AwaitReset,
}

impl Call {
    const fn name(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Recv => "recv",
            Self::RecvOob => "recv(MSG_OOB)",
            Self::Send => "send",
            Self::SoError => "SO_ERROR",
            Self::Getpeername => "getpeername",
            Self::AwaitReset => "",
        }
    }
}

/// A situation, and what Linux must say of it.
struct Situation {
    list: List,
    /// The lecture's words for it.
    clause: &'static str,
    what: &'static str,
    make: fn() -> Result<Made>,
    /// `rwx` in ones and zeros.
    select: &'static str,
    events: i16,
    then: &'static [(Call, &'static str)],
    /// Where that is not what the lecture says.
    differs: &'static str,
}

/// What was found.
#[derive(Debug, Serialize)]
pub struct Row {
    /// Which list it belongs to.
    pub list: List,
    /// The lecture's words for it.
    pub clause: &'static str,
    /// How the socket was made.
    pub situation: &'static str,
    /// What the three say.
    #[serde(flatten)]
    pub readiness: Readiness,
    /// What calls then return.
    pub then: Vec<Returned>,
    /// Where that is not what the lecture says.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub differs: &'static str,
    /// What Linux must say and does not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub wrong: Vec<String>,
}

/// What a call returned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Returned {
    /// The call.
    pub call: &'static str,
    /// Its value or the name of its error.
    pub returned: String,
}

/// The table.
#[derive(Debug, Serialize)]
pub struct Table {
    /// The release of the Linux kernel.
    pub kernel: String,
    /// In the order of the lecture's lists.
    pub rows: Vec<Row>,
}

impl Table {
    /// How many rows are not what Linux must say.
    pub fn wrong(&self) -> usize {
        self.rows.iter().filter(|row| !row.wrong.is_empty()).count()
    }
}

/// Makes all situations and asks.
///
/// # Errors
///
/// Those of the calls that make a situation.
pub fn table() -> Result<Table> {
    let rows = SITUATIONS.iter().map(row).collect::<Result<_>>()?;
    Ok(Table { kernel: kernel(), rows })
}

fn row(situation: &Situation) -> Result<Row> {
    let made = (situation.make)()?;
    let readiness = Readiness::of(&made.sockfd)?;
    let mut then = Vec::new();
    let mut accepted = None;
    for (call, _) in situation.then {
        let sockfd = accepted.as_ref().unwrap_or(&made.sockfd);
        let returned = match call {
            Call::Accept => {
                set_nonblocking(sockfd)?;
                match accept4(sockfd, SOCK_CLOEXEC) {
                    Ok((connfd, _)) => {
                        accepted = Some(connfd);
                        String::from("a socket")
                    }
                    Err(error) => errno_name(error.errno()),
                }
            }
            Call::Recv => match recv(sockfd, &mut [0; 64], MSG_DONTWAIT) {
                Ok(0) if made.datagrams => String::from("0, empty"),
                result => received(result),
            },
            Call::RecvOob => said(recv(sockfd, &mut [0; 64], MSG_DONTWAIT | MSG_OOB)),
            Call::Send => said(send(sockfd, b"x", MSG_DONTWAIT | MSG_NOSIGNAL)),
            Call::SoError => match getsockopt(sockfd, SOL_SOCKET, SO_ERROR)? {
                0 => String::from("0"),
                number => errno_name(number),
            },
            Call::Getpeername => done(getpeername(sockfd).map(drop)),
            Call::AwaitReset => {
                wait_for(sockfd, POLLHUP)?;
                continue;
            }
        };
        then.push(Returned { call: call.name(), returned });
    }
    let wrong = wrong(situation, &readiness, &then);
    let Situation { list, clause, what, differs, .. } = *situation;
    Ok(Row { list, clause, situation: what, readiness, then, differs, wrong })
}

/// `rwx` in ones and zeros.
fn bits(sets: Sets) -> String {
    let Sets { readable, writable, exception } = sets;
    [readable, writable, exception].map(|set| if set { '1' } else { '0' }).iter().collect()
}

/// In which points this is not what Linux must say.
fn wrong(situation: &Situation, readiness: &Readiness, then: &[Returned]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut is = |who: &str, seen: String, expected: String| {
        if seen != expected {
            wrong.push(format!("{who}: {seen} instead of {expected}"));
        }
    };
    let words = |events: Events| format!("{} ({:#x})", events.names().join(" "), events.0);
    is("select", bits(readiness.select), String::from(situation.select));
    is("poll", words(readiness.poll), words(Events(situation.events)));
    is("epoll", words(readiness.epoll), words(Events(situation.events)));
    let expected = situation.then.iter().filter(|(call, _)| *call != Call::AwaitReset);
    for (seen, (call, expected)) in then.iter().zip(expected) {
        is(call.name(), seen.returned.clone(), String::from(*expected));
    }
    wrong
}

/// What can't be made is an error of its own, not a wrong row.
pub(super) fn never(call: &'static str) -> Error {
    Error::new(call, crate::posix::error::ETIMEDOUT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_list_has_rows_and_what_is_expected_can_be() {
        for list in [List::Readable, List::Writable, List::Exception] {
            assert!(SITUATIONS.iter().any(|situation| situation.list == list), "{list:?}");
        }
        for situation in SITUATIONS {
            let is_rwx = situation.select.bytes().all(|bit| matches!(bit, b'0' | b'1'));
            assert!(is_rwx && situation.select.len() == 3, "{}", situation.what);
            assert!(
                !situation.clause.is_empty() && !situation.then.is_empty(),
                "{}",
                situation.what
            );
        }
    }

    /// A kernel that said otherwise would be found out, point by point.
    #[test]
    fn a_lie_is_found() {
        for situation in SITUATIONS {
            let set = |at: usize| situation.select.as_bytes()[at] == b'1';
            let select = Sets { readable: set(0), writable: set(1), exception: set(2) };
            let events = Events(situation.events);
            let truth = Readiness { select, poll: events, epoll: events };
            let then: Vec<Returned> = situation
                .then
                .iter()
                .filter(|(call, _)| *call != Call::AwaitReset)
                .map(|(call, returned)| Returned {
                    call: call.name(),
                    returned: (*returned).into(),
                })
                .collect();
            assert!(wrong(situation, &truth, &then).is_empty());
            let readable = !truth.select.readable;
            let lies = [
                Readiness { select: Sets { readable, ..select }, ..truth },
                Readiness { poll: Events(events.0 ^ POLLOUT), ..truth },
                Readiness { epoll: Events(events.0 | 0x800), ..truth },
            ];
            for lie in lies {
                assert_eq!(wrong(situation, &lie, &then).len(), 1, "{}", situation.what);
            }
            let mut other = then.clone();
            other[0].returned.push('!');
            assert_eq!(wrong(situation, &truth, &other).len(), 1, "{}", situation.what);
        }
    }
}

//! A run as a sequence: who did what, when, and who caused it.

mod drawing;
mod layout;
mod legend;
mod shapes;
pub mod svg;

use serde::Serialize;

use super::visible;

pub(super) use drawing::{Direction, draw};
pub(super) use legend::legend;

/// One run of a server and its clients.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sequence {
    /// The command that was run.
    pub title: String,
    /// Clients, then the kernel, then the server's processes and threads.
    pub lanes: Vec<Lane>,
    /// What one lane caused in another.
    pub arrows: Vec<Arrow>,
}

/// What one party did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Lane {
    /// `good`, `accept queue`, `parent`, `child 1`.
    pub name: String,
    /// What kind of party it is.
    pub party: Party,
    /// Lanes of one group share a frame: a process with its threads.
    pub group: usize,
    /// In the order in which they began; none overlaps another.
    pub bars: Vec<Bar>,
}

/// Who a lane is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Party {
    /// A client of the script.
    Client,
    /// What waits in the kernel until the server asks for it.
    Kernel,
    /// A process.
    Process,
    /// A thread beside its process's first.
    Thread,
}

/// Something that took time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Bar {
    /// When it began, in seconds.
    pub at: f64,
    /// How long it took, in seconds.
    pub spent: f64,
    /// A word for it.
    pub label: String,
    /// All of it.
    pub text: String,
    /// How it is drawn.
    pub kind: Kind,
    /// The `errno` that it failed with.
    pub error: Option<String>,
    /// Whether the word is to be read at a glance, and not only where there is room for it.
    pub is_key: bool,
}

/// What a bar stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Many calls as one: how a program starts.
    Start,
    /// Many calls as one: the same, again and again.
    Again,
    /// A call that did not wait.
    Quick,
    /// A call that waited.
    Blocked,
    /// A call that is not about sockets, files or processes.
    Aside,
    /// A signal.
    Signal,
    /// The end of a process or thread.
    End,
    /// What waits for somebody to fetch it.
    Waiting,
}

/// What a bar of one lane caused in another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Arrow {
    /// Where it begins.
    pub from: Edge,
    /// Which lane it leads to.
    pub lane: usize,
    /// And there, to which edge of which bar; without one, it arrives when it leaves.
    pub to: Option<Edge>,
    /// What it carries.
    pub cause: Cause,
}

/// The beginning or the end of a bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Edge {
    /// Which lane.
    pub lane: usize,
    /// Which of its bars.
    pub bar: usize,
    /// Its end, or else its beginning.
    pub is_end: bool,
}

/// What an arrow carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// A connection.
    Connection,
    /// Bytes, or the end of them.
    Data,
    /// A new process or thread.
    Birth,
    /// A signal.
    Signal,
}

impl Kind {
    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Again => "again and again",
            Self::Quick => "at once",
            Self::Blocked => "waited",
            Self::Aside => "aside",
            Self::Signal => "signal",
            Self::End => "end",
            Self::Waiting => "waiting",
        }
    }
}

impl Lane {
    /// Its name where nothing else says that it is a client's.
    pub fn full_name(&self) -> String {
        match self.party {
            Party::Client => format!("client {}", self.name),
            _ => self.name.clone(),
        }
    }
}

impl Sequence {
    /// What the picture shows, in a few sentences.
    pub fn summary(&self) -> String {
        let clients = self.lanes.iter().filter(|lane| lane.party == Party::Client).count();
        let mut text = match clients {
            1 => String::from("1 client."),
            _ => format!("{clients} clients."),
        };
        for lane in &self.lanes {
            if !matches!(lane.party, Party::Process | Party::Thread) {
                continue;
            }
            let calls =
                |wanted: &[Kind]| lane.bars.iter().filter(|bar| wanted.contains(&bar.kind)).count();
            let all = calls(&[Kind::Quick, Kind::Blocked, Kind::Aside]);
            let blocked = calls(&[Kind::Blocked]);
            text.push_str(&format!(" {}: {all} calls, of which {blocked} waited.", lane.name));
        }
        text
    }
}

/// A time as a person reads it: `85 µs`, `3.2 ms`, `1.50 s`.
pub fn duration(seconds: f64) -> String {
    let microseconds = (seconds * 1e6).round().max(0.0);
    if microseconds == 0.0 {
        String::from("0")
    } else if microseconds < 1e3 {
        format!("{microseconds} µs")
    } else if microseconds < 1e4 {
        format!("{:.1} ms", microseconds / 1e3)
    } else if microseconds < 1e6 {
        format!("{:.0} ms", microseconds / 1e3)
    } else {
        format!("{:.2} s", microseconds / 1e6)
    }
}

/// A text of others as it is shown.
pub(super) fn shown(text: &str) -> String {
    visible(text).into_owned()
}

/// What the tests of the formats draw.
#[cfg(test)]
pub(crate) mod examples {
    use proptest::prelude::*;

    use super::*;

    /// What nobody should print as it is.
    pub(crate) const HOSTILE: &str = "</title><script>alert(1)</script>\"'&amp;<!-- ]]> \u{1} \u{1b}[2J \u{202e} \u{ffff} \u{85} {{ 1 }}";

    fn bar(at: f64, spent: f64, label: &str, kind: Kind) -> Bar {
        let (label, text) = (label.to_owned(), format!("{label}({at}, {HOSTILE}) = 0"));
        let error = (kind == Kind::Quick && at > 0.02).then(|| String::from("ECHILD"));
        Bar { at, spent, label, text, kind, error, is_key: kind == Kind::Blocked }
    }

    /// A client, the kernel, a process and a thread of it, and another process.
    pub(crate) fn sequence() -> Sequence {
        let lane = |name: &str, party, group, bars| Lane { name: name.into(), party, group, bars };
        let lanes = vec![
            lane(HOSTILE, Party::Client, 0, vec![bar(0.001, 0.0001, "connect", Kind::Quick)]),
            lane("accept queue", Party::Kernel, 1, vec![bar(0.001, 0.02, "a", Kind::Waiting)]),
            lane(
                "parent",
                Party::Process,
                2,
                vec![
                    bar(0.0, 0.0005, "3 calls", Kind::Start),
                    bar(0.0005, 0.0205, "accept", Kind::Blocked),
                    bar(0.0211, 0.00001, "close", Kind::Quick),
                    bar(0.03, 0.0, HOSTILE, Kind::Signal),
                    bar(0.03, 0.0, "end", Kind::End),
                ],
            ),
            lane("thread 1", Party::Thread, 2, vec![bar(0.021, 0.001, "recv", Kind::Blocked)]),
            lane("child 1", Party::Process, 4, vec![bar(0.0212, 0.0, "mmap", Kind::Aside)]),
            lane("child 2", Party::Process, 5, Vec::new()),
        ];
        let edge = |lane, bar, is_end| Edge { lane, bar, is_end };
        let arrow = |from, to: Edge, cause| Arrow { from, lane: to.lane, to: Some(to), cause };
        let arrows = vec![
            arrow(edge(0, 0, false), edge(1, 0, false), Cause::Connection),
            arrow(edge(1, 0, true), edge(2, 1, true), Cause::Connection),
            arrow(edge(2, 2, false), edge(3, 0, false), Cause::Birth),
            arrow(edge(2, 2, false), edge(4, 0, false), Cause::Signal),
            Arrow { from: edge(3, 0, true), lane: 0, to: None, cause: Cause::Data },
        ];
        Sequence { title: format!("./server {HOSTILE}"), lanes, arrows }
    }

    /// Any sequence: bars at the same moment, bars that run into the next, no bars at all.
    pub(crate) fn sequences() -> impl Strategy<Value = Sequence> {
        let kinds = [
            Kind::Start,
            Kind::Again,
            Kind::Quick,
            Kind::Blocked,
            Kind::Aside,
            Kind::Signal,
            Kind::End,
            Kind::Waiting,
        ];
        let bar =
            (0..20_000_u32, 0..30_000_u32, "[a-z<&\u{0}é]{0,12}", 0..kinds.len(), any::<bool>());
        let bar = bar.prop_map(move |(at, spent, label, kind, is_key)| {
            let (at, spent) = (f64::from(at) / 1e6, f64::from(spent) / 1e6);
            let (text, kind, error) = (format!("{label}()"), kinds[kind], None);
            Bar { at, spent, label, text, kind, error, is_key }
        });
        let lane = (proptest::collection::vec(bar, 0..12), 0..4_usize);
        proptest::collection::vec(lane, 0..24).prop_map(|mut lanes| {
            lanes.sort_by_key(|(_, party)| *party);
            let parties = [Party::Client, Party::Kernel, Party::Process, Party::Thread];
            let lanes = lanes.into_iter().enumerate().map(|(number, (mut bars, party))| {
                bars.sort_by(|one: &Bar, other| one.at.total_cmp(&other.at));
                Lane { name: format!("lane {number}"), party: parties[party], group: party, bars }
            });
            Sequence { title: String::from("any"), lanes: lanes.collect(), arrows: Vec::new() }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let said = [0.0, 85e-6, 999.4e-6, 0.001, 0.00325, 0.0105, 0.9994, 1.5, -1.0].map(duration);
        assert_eq!(
            said,
            ["0", "85 µs", "999 µs", "1.0 ms", "3.2 ms", "10 ms", "999 ms", "1.50 s", "0"]
        );
    }

    #[test]
    fn a_summary() {
        let said = examples::sequence().summary();
        assert!(said.starts_with("1 client. parent: 2 calls, of which 1 waited."), "{said}");
    }
}

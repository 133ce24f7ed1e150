//! What is to be drawn of a run: its lanes, their bars, and what caused what.

mod bars;
mod calls;
mod causes;

use std::collections::HashMap;

use super::align;
use super::normalise::{Step, Task, Trace};
use crate::report::comparison::{Comparison, Pair};
use crate::report::repeats::{Part, repeats};
use crate::report::sequence::{Arrow, Bar, Cause, Edge, Kind, Lane, Party, Sequence};

use bars::{act, bar, start};
use calls::{AGAIN, MAKERS, is_one_of, never_returns, outcome};
use causes::{Run, Wait};

/// Two runs, with their commands, and what [`align::align`] has found, as they are shown.
pub fn comparison(runs: [(&str, &Trace); 2], found: &align::Comparison) -> Comparison {
    let tasks =
        found.tasks.iter().map(|pair| Pair { role: pair.role.clone(), rows: pair.rows.clone() });
    Comparison {
        runs: runs.map(|(title, trace)| sequence(title, trace)),
        tasks: tasks.collect(),
        calls: found.calls.clone(),
    }
}

/// A run in which what a task does again and again is one step.
fn folded(trace: &Trace) -> Trace {
    let mut trace = trace.clone();
    for task in &mut trace.tasks {
        let same = |one: &Step, other: &Step| one.text == other.text;
        let steps = &task.steps;
        let parts = repeats(steps, same).into_iter().map(|part| match part {
            Part::Once(at) => steps[at].clone(),
            Part::Again { from, period, times } => {
                let (first, last) = (&steps[from], &steps[from + period * times - 1]);
                let names: Vec<&str> =
                    steps[from..from + period].iter().map(|step| step.call.as_str()).collect();
                let text = format!("{}: {times} times more", names.join(", "));
                let call = format!("{AGAIN}{times}");
                Step {
                    call,
                    text,
                    at: first.at,
                    spent: calls::end(last) - first.at,
                    ..Step::default()
                }
            }
        });
        task.steps = parts.collect();
    }
    trace
}

/// A run as a sequence; the title is its command.
pub fn sequence(title: &str, trace: &Trace) -> Sequence {
    let trace = &folded(trace);
    let tasks = in_groups(trace);
    let run = Run { trace, tasks };
    let mut lanes: Vec<Lane> = Vec::new();
    for (number, client) in trace.clients.iter().enumerate() {
        lanes.push(Lane {
            name: client.name.clone(),
            party: Party::Client,
            group: number,
            bars: client.acts.iter().map(act).collect(),
        });
    }
    let mut arrows = Vec::new();
    let first = lanes.len();
    let waits = run.waits();
    let slots = kernel(&waits, first);
    let server = first + slots.len();
    for (number, wait) in waits.iter().enumerate() {
        lanes[wait.client].bars[wait.act].at = wait.at;
        let slot = slots.iter().position(|(_, members)| members.contains(&number));
        let Some(slot) = slot else { continue };
        let bar = slots[slot].1.iter().position(|&member| member == number).unwrap_or(0);
        let here = |is_end| Edge { lane: first + slot, bar, is_end };
        let from = Edge { lane: wait.client, bar: wait.act, is_end: false };
        let (lane, cause) = (first + slot, wait.cause);
        arrows.push(Arrow { from, lane, to: Some(here(false)), cause });
        if let Some((task, step)) = wait.taken {
            let to = Edge { lane: server + task, bar: step + run.shift(task), is_end: true };
            arrows.push(Arrow { from: here(true), lane: to.lane, to: Some(to), cause });
        }
    }
    lanes.extend(slots.into_iter().map(|(lane, _)| lane));
    let (answers, births, kicks) = (run.answers(), run.births(), run.kicks());
    for (task, step, lane) in answers {
        let from = Edge { lane: server + task, bar: step + run.shift(task), is_end: false };
        arrows.push(Arrow { from, lane, to: None, cause: Cause::Data });
    }
    for (found, cause) in [(births, Cause::Birth), (kicks, Cause::Signal)] {
        arrows.extend(found.into_iter().map(|((from, step), (to, other))| {
            let from = Edge { lane: server + from, bar: step + run.shift(from), is_end: false };
            let to = Edge { lane: server + to, bar: other + run.shift(to), is_end: false };
            Arrow { from, lane: to.lane, to: Some(to), cause }
        }));
    }
    for (number, (task, group)) in run.tasks.iter().enumerate() {
        let is_thread = task.role.starts_with("thread");
        let mut bars: Vec<Bar> = task.steps.iter().map(bar).collect();
        for (step, next) in task.steps.iter().skip(1).enumerate() {
            if never_returns(&task.steps[step]) {
                bars[step].spent = next.at - bars[step].at;
            }
        }
        for wait in &waits {
            if let Some((_, step)) = wait.taken.filter(|taken| taken.0 == number)
                && wait.at > task.steps[step].at
            {
                bars[step].kind = Kind::Blocked;
                bars[step].is_key = true;
            }
        }
        if run.shift(number) > 0 {
            bars.insert(0, start(task));
        }
        lanes.push(Lane {
            name: task.role.clone(),
            party: if is_thread { Party::Thread } else { Party::Process },
            group: server + group,
            bars,
        });
    }
    Sequence { title: title.to_owned(), lanes, arrows }
}

/// The processes in the order of the trace, each followed by its threads, with the number of the process.
fn in_groups(trace: &Trace) -> Vec<(&Task, usize)> {
    let mut makers: HashMap<&str, usize> = HashMap::new();
    for (at, task) in trace.tasks.iter().enumerate() {
        for step in task.steps.iter().filter(|step| is_one_of(MAKERS, step)) {
            makers.entry(outcome(step)).or_insert(at);
        }
    }
    let process = |mut at: usize| {
        // At most as many steps up as there are tasks.
        for _ in &trace.tasks {
            if !trace.tasks[at].role.starts_with("thread") {
                break;
            }
            at = makers.get(trace.tasks[at].role.as_str()).copied().unwrap_or(0);
        }
        at
    };
    let mut tasks: Vec<(&Task, usize)> =
        trace.tasks.iter().enumerate().map(|(at, task)| (task, process(at))).collect();
    tasks.sort_by_key(|(_, group)| *group);
    tasks
}

/// The lanes of the kernel, with the waits that stand in each: as many as are needed so that none overlap.
fn kernel(waits: &[Wait], group: usize) -> Vec<(Lane, Vec<usize>)> {
    let mut slots: Vec<(Lane, Vec<usize>)> = Vec::new();
    let is_tcp = waits.iter().any(|wait| wait.cause == Cause::Connection);
    for (cause, name) in [(Cause::Connection, "accept queue"), (Cause::Data, "receive buffer")] {
        if cause == Cause::Connection && !is_tcp {
            continue;
        }
        let begin = slots.len();
        // What waits at the same time stands in a lane of its own.
        let lane = |number: usize| {
            let name = if number > 1 { format!("{name} {number}") } else { name.to_owned() };
            (Lane { name, party: Party::Kernel, group, bars: Vec::new() }, Vec::new())
        };
        slots.push(lane(1));
        let mut order: Vec<usize> =
            (0..waits.len()).filter(|&number| waits[number].cause == cause).collect();
        order.sort_by(|&one, &other| waits[one].at.total_cmp(&waits[other].at));
        for number in order {
            let wait = &waits[number];
            let is_free = |(lane, _): &(Lane, Vec<usize>)| {
                lane.bars.last().is_none_or(|last| last.at + last.spent < wait.at)
            };
            let slot = slots[begin..].iter().position(is_free).map(|slot| begin + slot);
            let slot = slot.unwrap_or_else(|| {
                slots.push(lane(slots.len() - begin + 1));
                slots.len() - 1
            });
            slots[slot].0.bars.push(Bar {
                at: wait.at,
                spent: wait.end - wait.at,
                label: wait.label.clone(),
                text: wait.text.clone(),
                kind: Kind::Waiting,
                error: None,
                is_key: false,
            });
            slots[slot].1.push(number);
        }
    }
    slots
}

#[cfg(test)]
mod tests {
    use super::super::clients::{Act, Client};
    use super::super::normalise::{Recorded, normalise};
    use super::super::parse::parse;
    use super::*;

    fn trace(tasks: &[(u32, &str)], clients: Vec<Client>) -> Trace {
        let read =
            |&(pid, text): &(u32, &str)| Recorded { pid, lines: parse(text).expect("strace's") };
        let recorded: Vec<Recorded> = tasks.iter().map(read).collect();
        Trace { clients, ..normalise(&recorded, tasks[0].0) }
    }

    fn client(name: &str, connection: Option<usize>, acts: &[(&'static str, &str, f64)]) -> Client {
        let acts =
            acts.iter().map(|&(word, text, at)| Act { word, text: text.into(), at, spent: 0.01 });
        Client { name: name.into(), is_tcp: true, port: 40001, connection, acts: acts.collect() }
    }

    const MAIN: &str = "\
100.0 brk(NULL) = 0x1000 <0.001>
101.0 socket(AF_INET, SOCK_STREAM, IPPROTO_IP) = 3<TCP:[1]> <0.00001>
101.1 bind(3<TCP:[1]>, {sa_family=AF_INET, sin_port=htons(9000)}, 16) = 0 <0.00001>
101.2 listen(3<TCP:[127.0.0.1:9000]>, 5) = 0 <0.00001>
101.3 accept(3<TCP:[127.0.0.1:9000]>, NULL, NULL) = 4<TCP:[127.0.0.1:9000->127.0.0.1:40001]> <0.7>
102.1 MAKER = 201 <0.001>
102.3 accept(3<TCP:[127.0.0.1:9000]>, NULL, NULL) = ? ERESTARTSYS (To be restarted if SA_RESTART is set) <0.9>
103.3 --- SIGINT {si_signo=SIGINT, si_code=SI_USER, si_pid=1, si_uid=0} ---
103.4 kill(201, SIGTERM) = 0 <0.00001>
103.5 wait4(201, NULL, WNOHANG, NULL) = -1 ECHILD (No child processes) <0.00001>
103.6 exit_group(0) = ?
103.7 +++ exited with 0 +++
";
    const WORKER: &str = "\
102.11 set_robust_list(0x7f0000000000, 24) = 0 <0.00001>
102.12 recvfrom(4<TCP:[127.0.0.1:9000->127.0.0.1:40001]>, \"10\\n\", 64, 0, NULL, NULL) = 3 <0.4>
102.6 sendto(4<TCP:[127.0.0.1:9000->127.0.0.1:40001]>, \"55\", 2, 0, NULL, 0) = 2 <0.00001>
103.41 --- SIGTERM {si_signo=SIGTERM, si_code=SI_USER, si_pid=1, si_uid=0} ---
103.42 +++ killed by SIGTERM +++
";

    fn run(maker: &str) -> Sequence {
        let acts = [
            ("connect", "connect", 1.9),
            ("send", "send \"10\\n\"", 2.5),
            ("expect", "expect \"55\"", 2.65),
        ];
        let clients = vec![client("good", Some(1), &acts)];
        let main = MAIN.replace("MAKER", maker);
        sequence("server", &trace(&[(200, &main), (201, WORKER)], clients))
    }

    fn found(sequence: &Sequence, cause: Cause) -> Vec<(String, String)> {
        let bar = |edge: Edge| {
            let lane = &sequence.lanes[edge.lane];
            format!("{} {}", lane.name, lane.bars[edge.bar].label)
        };
        let arrows = sequence.arrows.iter().filter(|arrow| arrow.cause == cause);
        arrows
            .map(|arrow| {
                let to = arrow.to.map_or_else(|| sequence.lanes[arrow.lane].name.clone(), bar);
                (bar(arrow.from), to)
            })
            .collect()
    }

    #[test]
    fn a_forked_and_a_threaded_server_differ_in_whose_frame_the_worker_stands() {
        let forked = run("clone(child_stack=NULL, flags=CLONE_CHILD_SETTID|SIGCHLD)");
        let names: Vec<&str> = forked.lanes.iter().map(|lane| lane.name.as_str()).collect();
        assert_eq!(names, ["good", "accept queue", "receive buffer", "parent", "child 1"]);
        assert_ne!(forked.lanes[3].group, forked.lanes[4].group);
        assert_eq!(forked.lanes[1].group, forked.lanes[2].group);

        let threaded = run("clone3({flags=CLONE_VM|CLONE_THREAD, exit_signal=0}, 88)");
        assert_eq!(threaded.lanes[4].name, "thread 1");
        assert_eq!(threaded.lanes[4].party, Party::Thread);
        assert_eq!(threaded.lanes[3].group, threaded.lanes[4].group);
    }

    #[test]
    fn every_step_is_a_bar() {
        let sequence = run("clone(child_stack=NULL, flags=SIGCHLD)");
        let said = |lane: usize| -> Vec<(&str, Kind)> {
            sequence.lanes[lane].bars.iter().map(|bar| (bar.label.as_str(), bar.kind)).collect()
        };
        let parent = [
            ("1 calls", Kind::Start),
            ("socket", Kind::Quick),
            ("bind", Kind::Quick),
            ("listen", Kind::Quick),
            ("accept", Kind::Blocked),
            ("clone", Kind::Quick),
            ("accept", Kind::Blocked),
            ("SIGINT", Kind::Signal),
            ("kill", Kind::Quick),
            ("waitpid", Kind::Quick),
            ("exit", Kind::Quick),
            ("end", Kind::End),
        ];
        assert_eq!(said(3), parent);
        assert_eq!(sequence.lanes[3].bars[9].error.as_deref(), Some("ECHILD"));
        let child = [
            ("set_robust_list", Kind::Aside),
            ("recv", Kind::Blocked),
            ("send", Kind::Quick),
            ("SIGTERM", Kind::Signal),
            ("end", Kind::End),
        ];
        assert_eq!(said(4), child);
    }

    #[test]
    fn what_caused_what() {
        let sequence = run("clone(child_stack=NULL, flags=SIGCHLD)");
        let pairs = |cause| found(&sequence, cause);
        let pair = |one: &str, other: &str| (one.to_owned(), other.to_owned());
        assert_eq!(
            pairs(Cause::Connection),
            [pair("good connect", "accept queue good"), pair("accept queue good", "parent accept")]
        );
        let data = [
            pair("good send", "receive buffer \"10\\n\""),
            pair("receive buffer \"10\\n\"", "child 1 recv"),
            pair("child 1 send", "good"),
        ];
        assert_eq!(pairs(Cause::Data), data);
        assert_eq!(pairs(Cause::Birth), [pair("parent clone", "child 1 set_robust_list")]);
        assert_eq!(pairs(Cause::Signal), [pair("parent kill", "child 1 SIGTERM")]);
    }

    #[test]
    fn the_end_of_a_connection_that_comes_with_the_end_of_a_process() {
        const MAIN: &str = "\
100.0 socket(AF_INET, SOCK_STREAM, IPPROTO_IP) = 3<TCP:[1]> <0.00001>
101.0 accept(3<TCP:[127.0.0.1:9000]>, NULL, NULL) = 4<TCP:[127.0.0.1:9000->127.0.0.1:40001]> <0.1>
101.2 clone(child_stack=NULL, flags=SIGCHLD) = 201 <0.001>
101.3 close(4<TCP:[127.0.0.1:9000->127.0.0.1:40001]>) = 0 <0.001>
";
        const CHILD: &str = "\
101.31 dup2(4<TCP:[127.0.0.1:9000->127.0.0.1:40001]>, 0</dev/null>) = 0<TCP:[127.0.0.1:9000->127.0.0.1:40001]> <0.001>
101.32 close(4<TCP:[127.0.0.1:9000->127.0.0.1:40001]>) = 0 <0.001>
101.33 read(0<TCP:[127.0.0.1:9000->127.0.0.1:40001]>, \"10\\n\", 64) = 3 <0.4>
101.8 write(0<TCP:[127.0.0.1:9000->127.0.0.1:40001]>, \"55\", 2) = 2 <0.001>
101.9 exit_group(0) = ?
101.91 +++ exited with 0 +++
";
        let acts =
            [("connect", "connect", 1.0), ("send", "send \"10\\n\"", 1.5), ("end", "end", 1.9)];
        let clients = vec![client("a", Some(1), &acts)];
        let sequence = sequence("server", &trace(&[(200, MAIN), (201, CHILD)], clients));
        let pair = |one: &str, other: &str| (one.to_owned(), other.to_owned());
        let data = [
            pair("a send", "receive buffer \"10\\n\""),
            pair("receive buffer \"10\\n\"", "child 1 read"),
            pair("child 1 write", "a"),
            pair("child 1 exit", "a"),
        ];
        assert_eq!(found(&sequence, Cause::Data), data);
    }

    #[test]
    fn what_comes_again_and_again_is_one_bar() {
        let mut text =
            String::from("100.0 socket(AF_INET, SOCK_STREAM, IPPROTO_IP) = 3<TCP:[1]> <0.001>\n");
        for round in 0..1000 {
            let at = 101.0 + f64::from(round) / 1000.0;
            text.push_str(&format!(
                "{at} accept(3<TCP:[127.0.0.1:9000]>, NULL, NULL) = -1 EAGAIN (Resource temporarily unavailable) <0.0001>\n"
            ));
        }
        text.push_str("103.0 close(3<TCP:[127.0.0.1:9000]>) = 0 <0.001>\n");
        let sequence = sequence("server", &trace(&[(1, &text)], Vec::new()));
        let bars = &sequence.lanes.last().expect("a server").bars;
        let said: Vec<&str> = bars.iter().map(|bar| bar.label.as_str()).collect();
        assert_eq!(said, ["socket", "accept", "× 999", "close"]);
        assert_eq!(bars[2].kind, Kind::Again);
        assert!(bars[2].text.starts_with("accept: 999 times more"));
    }

    #[test]
    fn a_call_that_never_returns_waits_to_the_end() {
        let text = "\
100.0 socket(AF_INET, SOCK_STREAM, IPPROTO_IP) = 3<TCP:[1]> <0.00001>
100.5 futex(0x7f0000000000, FUTEX_WAIT, 0, NULL <unfinished ...>) = ?
103.5 +++ exited with 0 +++
";
        let sequence = sequence("server", &trace(&[(1, text)], Vec::new()));
        let bar = &sequence.lanes.last().expect("a server").bars[1];
        assert_eq!((bar.kind, bar.spent), (Kind::Blocked, 3.0));
    }

    #[test]
    fn whoever_gets_what_was_sent_later_has_waited_however_short() {
        let short = |at: f64| {
            let text = "\
100.0 socket(AF_INET, SOCK_STREAM, IPPROTO_IP) = 3<TCP:[1]> <0.00001>
101.0 accept(3<TCP:[127.0.0.1:9000]>, NULL, NULL) = 4<TCP:[127.0.0.1:9000->127.0.0.1:40001]> <0.0001>
101.2 sendto(4<TCP:[127.0.0.1:9000->127.0.0.1:40001]>, \"55\", 2, 0, NULL, 0) = 2 <0.002>
";
            let clients = vec![client("a", Some(1), &[("connect", "connect", at)])];
            sequence("server", &trace(&[(1, text)], clients))
        };
        let kinds = |sequence: Sequence| -> Vec<Kind> {
            let server = sequence.lanes.last().expect("a server");
            server.bars.iter().map(|bar| bar.kind).collect()
        };
        assert_eq!(kinds(short(1.00005)), [Kind::Quick, Kind::Blocked, Kind::Quick]);
        assert_eq!(kinds(short(0.9)), [Kind::Quick, Kind::Quick, Kind::Quick]);
    }

    /// Whoever waits while another waits gets a lane of its own.
    #[test]
    fn waits_of_the_kernel_do_not_overlap() {
        let acts = [("connect", "connect", 1.9), ("end", "end", 2.0)];
        let clients = ["a", "b", "c"].map(|name| client(name, None, &acts));
        let sequence = sequence(
            "server",
            &trace(&[(200, "1.0 socket(1, 2, 0) = 3<TCP:[1]>\n")], clients.into()),
        );
        let queues = sequence.lanes.iter().filter(|lane| lane.name.starts_with("accept queue"));
        let queues: Vec<(&str, usize)> =
            queues.map(|lane| (lane.name.as_str(), lane.bars.len())).collect();
        assert_eq!(queues, [("accept queue", 1), ("accept queue 2", 1), ("accept queue 3", 1)]);
        assert!(sequence.lanes[3].bars[0].text.contains("never taken"));
    }

    #[test]
    fn the_server_of_completions_is_told_by_io_uring_enter() {
        let text = "\
100.0 socket(AF_INET, SOCK_STREAM, IPPROTO_IP) = 3<TCP:[1]> <0.00001>
100.5 io_uring_enter(4<anon_inode:[io_uring]>, 1, 1, IORING_ENTER_GETEVENTS, NULL, 128) = 1 <0.5>
101.0 io_uring_enter(4<anon_inode:[io_uring]>, 1, 1, IORING_ENTER_GETEVENTS, NULL, 128) = 1 <0.5>
101.6 io_uring_enter(4<anon_inode:[io_uring]>, 2, 1, IORING_ENTER_GETEVENTS, NULL, 128) = 2 <0.5>
";
        let acts =
            [("connect", "connect", 0.9), ("send", "send \"1\"", 1.4), ("expect", "expect", 1.7)];
        let sequence = sequence("server", &trace(&[(1, text)], vec![client("a", None, &acts)]));
        let ends: Vec<(usize, bool)> = sequence
            .arrows
            .iter()
            .filter(|arrow| arrow.lane == 3)
            .filter_map(|arrow| arrow.to.map(|to| (to.bar, to.is_end)))
            .collect();
        assert_eq!(ends, [(1, true), (2, true)]);
        let answer = sequence.arrows.iter().find(|arrow| arrow.to.is_none()).expect("an answer");
        assert_eq!(answer.from, Edge { lane: 3, bar: 3, is_end: false });
    }
}

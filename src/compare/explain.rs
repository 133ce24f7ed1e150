//! A trace in plain words: a clause for each call, which depends on who makes it and on what.

use serde::Serialize;

use super::normalise::{Step, Trace};
use super::parse::arguments;

/// A run in words.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explained {
    /// How many other processes its start made use of.
    pub helpers: usize,
    /// Its processes and threads.
    pub tasks: Vec<ExplainedTask>,
}

/// A process or a thread.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExplainedTask {
    /// `parent`, `child 1`, `thread 2` and so on.
    pub role: String,
    /// How many calls belong to its start.
    pub started: usize,
    /// What it did, in order.
    pub steps: Vec<ExplainedStep>,
}

/// An event and what it means.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExplainedStep {
    /// The event.
    #[serde(flatten)]
    pub step: Step,
    /// A clause, or nothing where the call says it all.
    pub words: Option<String>,
}

/// Puts a trace into words, with times since the first socket for clients.
pub fn explain(trace: &Trace) -> Explained {
    let first = trace.tasks.iter().filter_map(|task| task.steps.first());
    let begin = first.map(|step| step.at).fold(f64::INFINITY, f64::min);
    let tasks = trace.tasks.iter().map(|task| {
        let explained = task.steps.iter().map(|step| {
            let words = words(&task.role, step);
            ExplainedStep { step: Step { at: step.at - begin, ..step.clone() }, words }
        });
        ExplainedTask { role: task.role.clone(), started: task.started, steps: explained.collect() }
    });
    Explained { helpers: trace.helpers, tasks: tasks.collect() }
}

/// A call, who makes it and in which trace.
struct Scene<'a> {
    step: &'a Step,
    role: &'a str,
    name: &'a str,
    args: Vec<String>,
    /// What came of it: a value, an error's name, a remark.
    came: &'a str,
}

fn words(role: &str, step: &Step) -> Option<String> {
    if step.call.is_empty() {
        return event(&step.text).map(|words| words + &with_it(step));
    }
    let (name, rest) = step.text.split_once('(')?;
    let (args, rest) = arguments(rest)?;
    let came = rest.trim_start().strip_prefix("= ")?;
    Scene { step, role, name, args, came }.words()
}

/// Of a signal or of an end.
fn event(text: &str) -> Option<String> {
    let word = text.trim_matches(['-', '+', ' ']);
    if let Some(signal) = word.strip_prefix("killed by ") {
        let why = match signal.split(' ').next().unwrap_or_default() {
            "SIGSEGV" | "SIGBUS" => ": it has touched memory that is not its own",
            "SIGABRT" => ": it has given up by itself, as by abort()",
            "SIGFPE" => ": it has divided by zero, or the like",
            "SIGILL" => ": it has met no instruction",
            "SIGKILL" => ": somebody has killed it",
            "SIGPIPE" => ": it has written to somebody who is gone",
            "SIGINT" | "SIGTERM" => ", as it was asked to",
            _ => "",
        };
        return Some(format!("is gone, by a signal{why}"));
    }
    let words = match word {
        "SIGINT" => "is asked to stop, as by Ctrl-C",
        "SIGTERM" => "is asked to stop",
        "SIGHUP" => "is told that its terminal is gone",
        "SIGQUIT" => "is asked to stop and to leave a core",
        "SIGCHLD" => "learns that a child has ended",
        "SIGPIPE" => "has written to somebody who is gone",
        "SIGALRM" => "an alarm that it has set",
        "SIGSEGV" | "SIGBUS" => "has touched memory that is not its own",
        "SIGABRT" => "gives up, as by abort()",
        "SIGFPE" => "has divided by zero, or the like",
        "SIGILL" => "has met no instruction",
        "SIGIO" => "something has come at a descriptor",
        "SIGURG" => "urgent data have come",
        "SIGCONT" => "goes on",
        "SIGUSR1" | "SIGUSR2" => "a signal whose meaning the program defines",
        _ if word.starts_with("exited with 0") => "is gone",
        _ if word.starts_with("exited with ") => "is gone, with a failure",
        _ if word.starts_with("stopped by ") => "stands still until SIGCONT",
        _ => return None,
    };
    Some(words.to_owned())
}

/// The connections that end with a process.
fn with_it(step: &Step) -> String {
    let connections: Vec<String> = step
        .ended
        .iter()
        .filter(|thing| thing.starts_with("connfd"))
        .map(|thing| self::thing(thing))
        .collect();
    match connections.as_slice() {
        [] => String::new(),
        [only] => format!(", and {only} with it"),
        many => format!(", and {} connections with it", many.len()),
    }
}

impl Scene<'_> {
    fn arg(&self, at: usize) -> &str {
        self.args.get(at).map_or("", String::as_str)
    }

    /// What it returned, if it did.
    fn value(&self) -> Option<&str> {
        let is_value = self.errno().is_empty() && !self.is_interrupted() && self.came != "?";
        is_value.then(|| self.came.split(" (").next().unwrap_or_default())
    }

    fn is_interrupted(&self) -> bool {
        self.errno() == "EINTR" || self.came.starts_with("interrupted")
    }

    fn errno(&self) -> &str {
        let is_errno = self.came.len() > 3
            && self.came.starts_with('E')
            && self.came.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
        if is_errno { self.came } else { "" }
    }

    /// Whether any argument has this in it.
    fn says(&self, text: &str) -> bool {
        self.args.iter().any(|arg| arg.contains(text))
    }

    /// Who makes it, as the subject of a clause.
    fn who(&self) -> &str {
        match self.role.split(' ').next() {
            Some("child") => "the child",
            Some("thread") => "the thread",
            _ => "the parent",
        }
    }

    fn words(&self) -> Option<String> {
        if self.came == "?" && !self.name.starts_with("exit") {
            return Some(String::from("never returns: the end comes first"));
        }
        if self.is_interrupted() {
            return Some(String::from("a signal comes meanwhile"));
        }
        let general = match self.errno() {
            "" => None,
            "EMFILE" | "ENFILE" => Some("there is no descriptor left"),
            "EPIPE" => Some("the other end is gone"),
            "ECONNRESET" => Some("the other end has reset the connection"),
            _ => None,
        };
        if let Some(general) = general {
            return Some(general.to_owned());
        }
        self.of_sockets()
            .or_else(|| self.of_clients())
            .or_else(|| self.of_others().map(|words| words.to_owned() + &with_it(self.step)))
    }

    /// Of what makes a server reachable and what waits for clients.
    fn of_sockets(&self) -> Option<String> {
        let on = thing(self.arg(0));
        Some(match self.name {
            "socket" => {
                let inside = matches!(self.arg(0), "AF_UNIX" | "AF_NETLINK" | "AF_PACKET");
                match (inside, self.arg(1).contains("SOCK_STREAM")) {
                    (true, _) => String::from("a socket to talk within this machine"),
                    (false, true) => String::from("a socket for TCP, as yet without an address"),
                    (false, false) => String::from("a socket for UDP, as yet without an address"),
                }
            }
            "setsockopt" => match self.arg(2) {
                "SO_REUSEADDR" => String::from("may take its port again at once after a restart"),
                "SO_REUSEPORT" if self.arg(3) == "[0]" => {
                    String::from("shares its port with nobody")
                }
                "SO_REUSEPORT" => String::from("shares its port with other sockets"),
                "TCP_DEFER_ACCEPT" => {
                    String::from("wants to hear of clients once they say something")
                }
                "SO_RCVTIMEO" | "SO_RCVTIMEO_OLD" => format!("waits at {on} only so long"),
                "SO_SNDTIMEO" | "SO_SNDTIMEO_OLD" => format!("waits to send at {on} only so long"),
                "TCP_NODELAY" => String::from("sends small pieces at once"),
                option => format!("sets {option} of {on}"),
            },
            "getsockopt" => format!("looks at {} of {on}", self.arg(2)),
            "bind" if self.says("AF_UNIX") && self.errno() == "EADDRINUSE" => {
                String::from("the name is there already")
            }
            "bind" if self.says("AF_UNIX") => String::from("takes a name within this machine"),
            "bind" if self.errno() == "EADDRINUSE" => String::from("the port is somebody else's"),
            "bind" if self.says("htons(0)") => String::from("takes an address and any free port"),
            "bind" => String::from("takes its address and its port"),
            "listen" => {
                let most = self.arg(1);
                format!("from here on the kernel takes clients in; {most} may wait to be accepted")
            }
            "getsockname" => format!("asks which address {on} has"),
            "getpeername" => format!("asks who is at the other end of {on}"),
            "accept" | "accept4" => match (self.value(), self.errno()) {
                (_, "EAGAIN") => String::from("nobody waits"),
                (_, "EINVAL") => String::from("the listening socket has been shut down"),
                (_, "ECONNABORTED") => String::from("the client has left before it was accepted"),
                (Some(connfd), "") => format!("accepts a client: {}", thing(connfd)),
                _ => return None,
            },
            "poll" | "ppoll" | "select" | "pselect6" | "epoll_wait" | "epoll_pwait" => {
                match self.value() {
                    Some("0") => String::from("nothing happens in time"),
                    Some(_) => String::from("sleeps until one of its descriptors is ready"),
                    None => return None,
                }
            }
            "epoll_create" | "epoll_create1" => {
                String::from("a list of what to watch, in the kernel")
            }
            "epoll_ctl" => {
                let what = thing(self.arg(2));
                match self.arg(1) {
                    "EPOLL_CTL_ADD" => format!("watches {what} from here on"),
                    "EPOLL_CTL_DEL" => format!("watches {what} no longer"),
                    _ => format!("watches {what} for something else"),
                }
            }
            "fcntl" if self.arg(1) == "F_SETFL" && self.says("O_NONBLOCK") => {
                format!("never waits at {on} from here on")
            }
            "fcntl" if self.arg(1) == "F_SETFL" => {
                format!("waits at {on} from here on, if it must")
            }
            "fcntl" if self.arg(1) == "F_GETFL" => {
                format!("asks how {on} is used, as whether it waits there")
            }
            "fcntl" if self.arg(1) == "F_GETFD" => {
                format!("asks whether {on} is open, and whether execve closes it")
            }
            "fcntl" if self.arg(1) == "F_SETFD" && self.says("FD_CLOEXEC") => {
                format!("another program is not to have {on}")
            }
            "fcntl" if self.arg(1) == "F_SETFD" => format!("another program may have {on}"),
            "fcntl" if self.arg(1).starts_with("F_DUPFD") => {
                format!("has {on} under another number too")
            }
            "ioctl" if self.arg(1) == "FIONBIO" => format!("never waits at {on} from here on"),
            "fcntl" if self.arg(1).starts_with("F_SETLK") && self.says("F_UNLCK") => {
                String::from("gives the lock back")
            }
            "fcntl" if self.arg(1).starts_with("F_SETLK") => String::from("waits for the lock"),
            "io_uring_setup" => String::from("two rings, which it shares with the kernel"),
            "io_uring_enter" => {
                let (calls, done) = (self.arg(1), self.arg(2));
                format!("hands over {calls} of its calls, waits until {done} is done")
            }
            "io_uring_register" => String::from("buffers that the kernel may fill"),
            _ => return None,
        })
    }

    /// Of what is said to clients and of what ends them.
    fn of_clients(&self) -> Option<String> {
        let on = thing(self.arg(0));
        let is_client = self.arg(0).starts_with("connfd");
        Some(match self.name {
            "recvfrom" | "read" | "recvmsg" | "recvmmsg" => match (self.value(), self.errno()) {
                (_, "EAGAIN") => format!("nothing has come on {on}"),
                (Some(_), _) if self.says("SCM_RIGHTS") => String::from("is handed a descriptor"),
                (Some("0"), _) => format!("the end of {on}: the other end says no more"),
                (Some(_), "") if is_client => format!("reads what has come on {on}"),
                (Some(_), "") if self.name == "recvmmsg" => String::from("takes datagrams in"),
                (Some(_), "") if self.arg(0).contains("sockfd") => {
                    String::from("takes a datagram in")
                }
                (Some(_), "") => format!("reads from {on}"),
                _ => return None,
            },
            "sendto" | "write" | "sendmsg" | "sendmmsg" | "writev" => match self.value() {
                Some(_) if self.says("SCM_RIGHTS") => String::from("hands a descriptor over"),
                Some(_) if is_client => format!("answers on {on}"),
                Some(_) if self.name == "sendmmsg" => String::from("answers datagrams"),
                Some(_) if self.arg(0).contains("sockfd") => String::from("answers a datagram"),
                Some(_) if self.says("listening on") => String::from("says where it listens"),
                Some(_) => format!("writes to {on}"),
                None => return None,
            },
            "shutdown" if self.errno() == "ENOTCONN" => format!("ends every wait at {on}"),
            "shutdown" => match self.arg(1) {
                "SHUT_WR" => format!("says no more on {on}, and may still read"),
                "SHUT_RD" => format!("ends every wait at {on}"),
                _ => format!("ends {on} for all who have it"),
            },
            "close" => self.of_close(&on, is_client),
            "clone" | "clone3" | "fork" | "vfork" => match self.value() {
                Some(made) if made.starts_with("thread") => {
                    format!("makes {made}, which has the same descriptors")
                }
                Some(made) => format!("makes {made}, which has a copy of every descriptor"),
                None => return None,
            },
            "wait4" | "waitid" => match (self.value(), self.errno()) {
                (_, "ECHILD") => String::from("has no child"),
                (Some("0"), _) => String::from("no child has ended"),
                (Some(child), "") => format!("takes leave of {child}, which is no zombie any more"),
                _ => return None,
            },
            "dup" => format!("has {on} under another number too"),
            "dup2" | "dup3" => match self.arg(1) {
                number if number.bytes().all(|byte| byte.is_ascii_digit()) => {
                    format!("has {on} as number {number} too")
                }
                stream => format!("has {on} as {} too", thing(stream)),
            },
            "sendfile" => match self.value() {
                Some("0") => format!("has nothing more to send from {}", thing(self.arg(1))),
                Some(_) => format!("sends what {} has on {on}", thing(self.arg(1))),
                None => return None,
            },
            "splice" => format!("moves bytes from {on} to {}", thing(self.arg(2))),
            "lseek" => match (self.arg(1), self.arg(2), self.errno()) {
                (.., "ESPIPE") => format!("learns that {on} has no place to go to"),
                ("0", "SEEK_CUR", _) => format!("asks where it is in {on}"),
                ("0", "SEEK_END", _) => format!("goes to the end of {on}"),
                _ => format!("goes to another place in {on}"),
            },
            "pread64" | "preadv" => format!("reads from {on}, from a place that it names"),
            "pwrite64" | "pwritev" => format!("writes to {on}, to a place that it names"),
            "close_range" if self.says("CLOEXEC") => {
                String::from("another program is not to have these descriptors")
            }
            "close_range" => String::from("gives up all descriptors from one number to another"),
            "kill" | "tgkill" | "tkill" => {
                let (whom, signal) = match self.name {
                    "tgkill" => (self.arg(1), self.arg(2)),
                    _ => (self.arg(0), self.arg(1)),
                };
                let whom = if whom == self.role { "itself" } else { whom };
                match (signal, self.errno()) {
                    (_, "ESRCH") => format!("{whom} is not there any more"),
                    ("0", _) => format!("looks whether {whom} is there"),
                    ("SIGTERM" | "SIGINT", _) => format!("asks {whom} to stop"),
                    ("SIGKILL", _) => format!("kills {whom}"),
                    (signal, _) => format!("sends {signal} to {whom}"),
                }
            }
            _ => return None,
        })
    }

    /// A descriptor that others still have is only given up; the last one ends what it is open on.
    fn of_close(&self, on: &str, is_client: bool) -> String {
        let who = self.who();
        let is_last = self.step.ended.iter().any(|thing| thing == self.arg(0));
        match self.arg(0) {
            _ if self.step.is_kept => format!("{who} still has {on} under another number"),
            "listenfd" if is_last => String::from("listens no more"),
            _ if is_client && is_last => format!("{who} ends {on}"),
            "listenfd" => format!("{who} gives up its copy of {on}"),
            _ if is_client => format!("{who} gives up its copy of {on}"),
            _ => format!("gives up {on}"),
        }
    }

    /// Of signals, memory, threads and the end.
    fn of_others(&self) -> Option<&'static str> {
        Some(match self.name {
            "rt_sigaction" if self.arg(1) == "NULL" => "asks what it does at this signal",
            "rt_sigaction" if self.arg(1).contains("SIG_IGN") => "ignores this signal from here on",
            "rt_sigaction" if self.arg(1).contains("SIG_DFL") => {
                "this signal does what it usually does"
            }
            "rt_sigaction" if self.arg(1).contains("POINTER") => {
                "a function of its own for this signal"
            }
            "rt_sigprocmask" if self.arg(1) == "NULL" => "asks which signals it holds back",
            "rt_sigprocmask" if self.arg(0) == "SIG_BLOCK" => "holds these signals back",
            "rt_sigprocmask" if self.arg(0) == "SIG_UNBLOCK" => "lets these signals in",
            "rt_sigprocmask" => "holds back these signals and no others",
            "rt_sigtimedwait" => "waits for a signal",
            "rt_sigreturn" => "goes on where the signal came",
            "signalfd4" => "signals are to be read from a descriptor",
            "sigaltstack" => "the stack for a report of overflows",
            "getpid" | "getppid" | "gettid" => "asks who it is, or who made it",
            "getpgrp" | "getpgid" | "getsid" => "asks which group or session it is in",
            "setpgid" | "setsid" => "makes a group or a session of its own",
            "getuid" | "geteuid" | "getgid" | "getegid" => "asks whose it is",
            "prctl" if self.arg(0) == "PR_SET_PDEATHSIG" => "is to end when its parent does",
            "set_robust_list" | "rseq" | "set_tid_address" | "arch_prctl" => {
                "the C library makes ready"
            }
            "brk" | "mmap" | "munmap" | "mremap" | "mprotect" | "madvise" => "memory",
            "futex" if self.says("FUTEX_WAKE") => "wakes whoever waits at a lock",
            "futex" => "waits at a lock",
            "socketpair" => "two sockets, connected to each other",
            "pipe" | "pipe2" => "a pipe",
            "eventfd2" => "a counter to wake somebody with",
            "execve" => "becomes another program",
            "clock_nanosleep" | "nanosleep" => "sleeps for a time",
            "exit" => "the thread ends",
            "exit_group" => "the process ends",
            "open" | "openat" if self.errno() == "ENOENT" => "there is no such file",
            "open" | "openat" => "opens a file",
            "access" | "faccessat" | "faccessat2" => {
                "looks whether a file is there and may be used"
            }
            "stat" | "lstat" => "looks what kind of file it is",
            "mkdir" | "mkdirat" => "makes a folder",
            "unlink" | "unlinkat" => "takes a file's name away",
            "getdents64" => "reads a folder",
            "readlink" | "readlinkat" => "asks where a link leads",
            "getcwd" | "chdir" => "asks or says in which folder it is",
            "timerfd_create" => "a timer to be read from a descriptor",
            "timerfd_settime" | "timerfd_gettime" => "sets a timer, or asks for it",
            "alarm" | "setitimer" | "timer_settime" => "sets an alarm",
            "sched_yield" => "lets others run first",
            "sched_getaffinity" => "asks which processors it may use",
            "sched_setaffinity" => "chooses the processors that it uses",
            "sched_getscheduler" | "sched_getparam" => "asks how it is scheduled",
            "sched_setscheduler" | "sched_setparam" => "chooses how it is scheduled",
            "pause" | "rt_sigsuspend" => "sleeps until a signal comes",
            "uname" | "sysinfo" => "asks about the machine",
            "umask" => "says what others may not do with its files",
            "newfstatat" | "fstat" | "statx" => "looks what kind of file it is",
            "getrandom" => "takes random bytes",
            "clock_gettime" | "gettimeofday" | "time" | "times" => "looks at the clock",
            "memfd_create" => "a file without a name, in memory",
            "prlimit64" => "asks for a limit, or sets it",
            _ => return None,
        })
    }
}

/// What a descriptor is, in words.
fn thing(name: &str) -> String {
    match name {
        "listenfd" => String::from("the listening socket"),
        "epfd" => String::from("the list of what it watches"),
        "stdin" => String::from("standard input"),
        "stdout" => String::from("standard output"),
        "stderr" => String::from("standard error"),
        "io_uring" => String::from("the rings"),
        "socket" | "pipe" | "signalfd" | "eventfd" => format!("a {name}"),
        _ => match name.strip_prefix("connfd ") {
            Some(number) => format!("connection {number}"),
            None => name.replacen("sockfd", "the socket", 1),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::super::normalise::{Recorded, Task, normalise};
    use super::super::parse::parse;
    use super::*;

    fn said(roles: &[(&str, &[&str])]) -> Vec<String> {
        let tasks = roles.iter().map(|(role, lines)| {
            let step = |text: &&str| {
                let call = if text.starts_with(['-', '+']) { "" } else { text };
                let call = call.split('(').next().unwrap_or_default().to_owned();
                Step { call, text: (*text).to_owned(), ..Step::default() }
            };
            Task { role: (*role).to_owned(), started: 0, steps: lines.iter().map(step).collect() }
        });
        let trace = Trace { tasks: tasks.collect(), helpers: 0, clients: Vec::new() };
        let steps = explain(&trace).tasks.into_iter().flat_map(|task| task.steps);
        steps.map(|step| step.words.unwrap_or_default()).collect()
    }

    /// What strace has recorded, task by task, in words.
    fn told(tasks: &[(u32, &str)]) -> Vec<String> {
        let read =
            |&(pid, text): &(u32, &str)| Recorded { pid, lines: parse(text).expect("strace's") };
        let recorded: Vec<Recorded> = tasks.iter().map(read).collect();
        let steps = explain(&normalise(&recorded, 1)).tasks.into_iter().flat_map(|task| task.steps);
        steps.filter_map(|step| step.words).collect()
    }

    const ACCEPTED: &str = "\
1.0 socket(AF_INET, SOCK_STREAM, IPPROTO_IP) = 3<TCP:[1]> <0.1>
1.2 listen(3<TCP:[127.0.0.1:9000]>, 5) = 0 <0.1>
1.4 accept(3<TCP:[127.0.0.1:9000]>, NULL, NULL) = 4<TCP:[127.0.0.1:9000->127.0.0.1:40001]> <0.1>
";

    #[test]
    fn a_connection_ends_with_its_last_descriptor() {
        let parent = "\
1.6 clone(child_stack=NULL, flags=SIGCHLD) = 2 <0.01>
1.7 close(4<TCP:[127.0.0.1:9000->127.0.0.1:40001]>) = 0 <0.01>
2.7 close(3<TCP:[127.0.0.1:9000]>) = 0 <0.01>
2.8 exit_group(0) = ?
2.9 +++ exited with 0 +++
";
        let child = "\
1.65 close(3<TCP:[127.0.0.1:9000]>) = 0 <0.01>
1.8 recvfrom(4<TCP:[127.0.0.1:9000->127.0.0.1:40001]>, \"10\\n\", 64, 0, NULL, NULL) = 3 <0.1>
";
        let forked = |parent: &str, end: &str| {
            let (parent, child) = (format!("{ACCEPTED}{parent}"), format!("{child}{end}"));
            told(&[(1, &parent), (2, &child)])[3..].to_vec()
        };
        const CLOSE: &str = "2.0 close(4<TCP:[127.0.0.1:9000->127.0.0.1:40001]>) = 0 <0.1>\n";
        const EXIT: &str = "2.4 exit_group(0) = ?\n2.5 +++ exited with 0 +++\n";
        let birth = "makes child 1, which has a copy of every descriptor";
        let begin = [birth, "the parent gives up its copy of connection 1", "listens no more"];
        let end = ["the process ends", "is gone"];
        let served = [
            "the child gives up its copy of the listening socket",
            "reads what has come on connection 1",
        ];
        assert_eq!(
            forked(parent, &format!("{CLOSE}{EXIT}")),
            [&begin[..], &end, &served, &["the child ends connection 1"], &end].concat()
        );
        assert_eq!(
            forked(parent, EXIT),
            [&begin[..], &end, &served, &["the process ends, and connection 1 with it", "is gone"]]
                .concat()
        );
        // A parent that forgets to close has it to its own end.
        let forgetful: String = parent
            .lines()
            .filter(|line| !line.contains("close(4"))
            .map(|line| format!("{line}\n"))
            .collect();
        assert_eq!(
            forked(&forgetful, &format!("{CLOSE}{EXIT}")),
            [
                &[
                    birth,
                    "listens no more",
                    "the process ends, and connection 1 with it",
                    "is gone"
                ],
                &served[..],
                &["the child gives up its copy of connection 1"],
                &end
            ]
            .concat()
        );
    }

    #[test]
    fn a_descriptor_has_the_same_meaning_under_every_number() {
        const END: &str = "<TCP:[127.0.0.1:9000->127.0.0.1:40001]>";
        let copies = format!(
            "1.6 dup2(4{END}, 0</dev/null>) = 0{END} <0.01>
1.7 dup(4{END}) = 5{END} <0.01>
1.8 fcntl(4{END}, F_DUPFD_CLOEXEC, 40) = 40{END} <0.01>
1.9 dup3(4{END}, 50, O_CLOEXEC) = 50{END} <0.01>
2.0 close(4{END}) = 0 <0.01>
2.1 read(0{END}, \"10\\n\", 64) = 3 <0.01>
2.2 write(5{END}, \"55\", 2) = 2 <0.01>
2.3 close(5{END}) = 0 <0.01>
2.4 execve(\"/bin/true\", [\"true\"], 0x7ffd00000000 /* 9 vars */) = 0 <0.01>
2.5 close(0{END}) = 0 <0.01>
"
        );
        assert_eq!(
            told(&[(1, &format!("{ACCEPTED}{copies}"))])[3..],
            [
                "has connection 1 as standard input too",
                "has connection 1 under another number too",
                "has connection 1 under another number too",
                "has connection 1 as number 50 too",
                "the parent still has connection 1 under another number",
                "reads what has come on connection 1",
                "answers on connection 1",
                "the parent still has connection 1 under another number",
                "becomes another program",
                "the parent ends connection 1",
            ]
        );
    }

    /// While one thread waits for the next client, another closes the number that it will have.
    #[test]
    fn a_number_is_taken_when_the_call_returns() {
        let parent = "\
1.6 clone3({flags=CLONE_VM|CLONE_THREAD}, 88) = 2 <0.01>
1.7 accept(3<TCP:[127.0.0.1:9000]>, NULL, NULL) = 4<TCP:[127.0.0.1:9000->127.0.0.1:40001]> <1.0>
2.8 close(4<TCP:[127.0.0.1:9000->127.0.0.1:40001]>) = 0 <0.01>
";
        let thread = "1.9 close(4<TCP:[127.0.0.1:9000->127.0.0.1:40001]>) = 0 <0.01>\n";
        let told = told(&[(1, &format!("{ACCEPTED}{parent}")), (2, thread)]);
        assert_eq!(told[5..], ["the parent ends connection 2", "the thread ends connection 1"]);
    }

    #[test]
    fn words_depend_on_what_came_of_it() {
        let one = |text| said(&[("parent", &[text])]).remove(0);
        for (text, words) in [
            ("accept(listenfd, NULL, NULL) = connfd 3", "accepts a client: connection 3"),
            ("accept(listenfd, NULL, NULL) = EAGAIN", "nobody waits"),
            ("accept(listenfd, NULL, NULL) = EINTR", "a signal comes meanwhile"),
            ("read(connfd 2, \"\", 64) = 0", "the end of connection 2: the other end says no more"),
            ("read(connfd 2, POINTER, 64) = ECONNRESET", "the other end has reset the connection"),
            ("poll([{fd=listenfd, events=POLLIN}], 1, 9) = 0 (Timeout)", "nothing happens in time"),
            (
                "clone(flags=SIGCHLD) = child 1",
                "makes child 1, which has a copy of every descriptor",
            ),
            ("clone3(flags=CLONE_VM) = thread 1", "makes thread 1, which has the same descriptors"),
            ("wait4(-1, NULL, WNOHANG, NULL) = ECHILD", "has no child"),
            ("read(stdin, ) = ?", "never returns: the end comes first"),
            ("--- SIGINT ---", "is asked to stop, as by Ctrl-C"),
            ("+++ exited with 0 +++", "is gone"),
            ("--- SIGSEGV ---", "has touched memory that is not its own"),
            (
                "+++ killed by SIGABRT +++",
                "is gone, by a signal: it has given up by itself, as by abort()",
            ),
            (
                "rt_sigaction(SIGBUS, NULL, {sa_handler=SIG_DFL}, 8) = 0",
                "asks what it does at this signal",
            ),
            (
                "bind(sockfd 2, {sa_family=AF_UNIX, sun_path=\"x\"}, 5) = 0",
                "takes a name within this machine",
            ),
            (
                "fcntl(connfd 1, F_SETFL, O_RDWR) = 0",
                "waits at connection 1 from here on, if it must",
            ),
            ("kill(child 1, SIGUSR1) = 0", "sends SIGUSR1 to child 1"),
            ("tgkill(parent, parent, SIGABRT) = 0", "sends SIGABRT to itself"),
            ("kill(child 1, SIGTERM) = 0", "asks child 1 to stop"),
            (
                "lseek(stdin, 0, SEEK_CUR) = ESPIPE",
                "learns that standard input has no place to go to",
            ),
            ("sendfile(connfd 1, /tmp/x, NULL, 9) = 9", "sends what /tmp/x has on connection 1"),
            ("unheard_of(1) = 2", ""),
        ] {
            assert_eq!(one(text), words, "{text}");
        }
    }
}

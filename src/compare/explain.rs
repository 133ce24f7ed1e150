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

/// Puts a trace into words.
pub fn explain(trace: &Trace) -> Explained {
    let tasks = trace.tasks.iter().map(|task| {
        let explained = task.steps.iter().map(|step| {
            let words = words(trace, &task.role, step);
            ExplainedStep { step: step.clone(), words }
        });
        ExplainedTask { role: task.role.clone(), started: task.started, steps: explained.collect() }
    });
    Explained { helpers: trace.helpers, tasks: tasks.collect() }
}

/// A call, who makes it and in which trace.
struct Scene<'a> {
    trace: &'a Trace,
    role: &'a str,
    name: &'a str,
    args: Vec<String>,
    /// What came of it: a value, an error's name, a remark.
    came: &'a str,
}

fn words(trace: &Trace, role: &str, step: &Step) -> Option<String> {
    if step.call.is_empty() {
        return event(&step.text).map(String::from);
    }
    let (name, rest) = step.text.split_once('(')?;
    let (args, rest) = arguments(rest)?;
    let came = rest.trim_start().strip_prefix("= ")?;
    Scene { trace, role, name, args, came }.words()
}

/// Of a signal or of an end.
fn event(text: &str) -> Option<&'static str> {
    let word = text.trim_matches(['-', '+', ' ']);
    Some(match word {
        "SIGINT" => "is asked to stop, as by Ctrl-C",
        "SIGTERM" => "is asked to stop",
        "SIGCHLD" => "learns that a child has ended",
        "SIGPIPE" => "has written to somebody who is gone",
        "SIGALRM" => "an alarm that it has set",
        _ if word.starts_with("exited with 0") => "is gone",
        _ if word.starts_with("exited with ") => "is gone, with a failure",
        _ if word.starts_with("killed by ") => "is gone, by a signal",
        _ if word.starts_with("stopped by ") => "stands still until SIGCONT",
        _ => return None,
    })
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
            .or_else(|| self.of_others().map(String::from))
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
            "dup2" | "dup3" => format!("has {on} as {} too", thing(self.arg(1))),
            "kill" | "tgkill" if self.says("SIGTERM") => format!("asks {} to stop", self.arg(0)),
            _ => return None,
        })
    }

    /// A descriptor that others still have is only given up; the last one ends what it is open on.
    fn of_close(&self, on: &str, is_client: bool) -> String {
        let who = self.who();
        let is_forked = self.trace.tasks.iter().any(|task| task.role.starts_with("child"));
        let is_used = |task: &&super::normalise::Task| {
            let used = task.steps.iter().filter(|step| step.call != "close");
            let fd = self.arg(0);
            let begins = |step: &Step| step.text.contains(&format!("({fd},"));
            task.role.starts_with("child") && used.into_iter().any(begins)
        };
        let by_child = is_client && self.trace.tasks.iter().any(|task| is_used(&task));
        match self.arg(0) {
            "listenfd" if self.role.starts_with("child") => {
                String::from("the child gives up its copy of the listening socket")
            }
            "listenfd" if is_forked => String::from("the parent gives up the listening socket"),
            "listenfd" => String::from("listens no more"),
            _ if by_child && who == "the parent" => {
                format!("the parent gives up its copy of {on}")
            }
            _ if is_client => format!("{who} ends {on}"),
            _ => format!("gives up {on}"),
        }
    }

    /// Of signals, memory, threads and the end.
    fn of_others(&self) -> Option<&'static str> {
        Some(match self.name {
            "rt_sigaction" if self.arg(1).contains("SIG_IGN") => "ignores this signal from here on",
            "rt_sigaction" if self.arg(1).contains("SIG_DFL") => {
                "this signal does what it usually does"
            }
            "rt_sigaction" if self.arg(1).contains("POINTER") => {
                "a function of its own for this signal"
            }
            "rt_sigprocmask" if self.arg(0) == "SIG_BLOCK" => "holds these signals back",
            "rt_sigprocmask" if self.arg(0) == "SIG_UNBLOCK" => "lets these signals in",
            "rt_sigprocmask" => "holds back these signals and no others",
            "rt_sigtimedwait" => "waits for a signal",
            "rt_sigreturn" => "goes on where the signal came",
            "signalfd4" => "signals are to be read from a descriptor",
            "sigaltstack" => "the stack for a report of overflows",
            "getpid" | "getppid" | "gettid" => "asks who it is, or who made it",
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
            "open" | "openat" => "opens a file",
            "newfstatat" | "fstat" | "statx" => "looks what kind of file it is",
            "getrandom" => "takes random bytes",
            "clock_gettime" | "gettimeofday" => "looks at the clock",
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
    use super::super::normalise::Task;
    use super::*;

    fn said(roles: &[(&str, &[&str])]) -> Vec<String> {
        let tasks = roles.iter().map(|(role, lines)| {
            let step = |text: &&str| {
                let call = if text.starts_with(['-', '+']) { "" } else { text };
                let call = call.split('(').next().unwrap_or_default().to_owned();
                Step { call, text: (*text).to_owned(), at: 0.0, spent: 0.0 }
            };
            Task { role: (*role).to_owned(), started: 0, steps: lines.iter().map(step).collect() }
        });
        let trace = Trace { tasks: tasks.collect(), helpers: 0, clients: Vec::new() };
        let steps = explain(&trace).tasks.into_iter().flat_map(|task| task.steps);
        steps.map(|step| step.words.unwrap_or_default()).collect()
    }

    #[test]
    fn words_depend_on_who_and_what() {
        let read = "recvfrom(connfd 1, \"10\\n\", 64, 0, NULL, NULL) = 3";
        let forked = said(&[
            ("parent", &["close(connfd 1) = 0", "close(listenfd) = 0"]),
            ("child 1", &["close(listenfd) = 0", read, "close(connfd 1) = 0"]),
        ]);
        assert_eq!(
            forked,
            [
                "the parent gives up its copy of connection 1",
                "the parent gives up the listening socket",
                "the child gives up its copy of the listening socket",
                "reads what has come on connection 1",
                "the child ends connection 1",
            ]
        );
        let threaded =
            said(&[("parent", &["close(listenfd) = 0"]), ("thread 1", &["close(connfd 1) = 0"])]);
        assert_eq!(threaded, ["listens no more", "the thread ends connection 1"]);
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
            ("unheard_of(1) = 2", ""),
        ] {
            assert_eq!(one(text), words, "{text}");
        }
    }
}

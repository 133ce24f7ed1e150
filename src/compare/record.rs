//! One run of a server under strace, with the clients of a script.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use super::clients;
use super::normalise::{Recorded, Trace, normalise};
use super::parse::{Event, Nonsense, parse};
use super::play::{self, Play, hold};
use super::script::{self, Pattern, Step};
use crate::posix::Error;
use crate::posix::error::{EINTR, EMFILE};
use crate::posix::signal::{SIGINT, kill};
use crate::posix::sys_resource::{RLIMIT_NOFILE, getrlimit};
use crate::subject::{Isolation, Limits, Subject, Trouble, Wanted, free_port, tree, until, watch};

/// What is asked of a recording.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What the clients do.
    pub clients: Clients,
    /// How long anything may take.
    pub patience: Duration,
}

/// What the clients do.
#[derive(Debug, Clone)]
pub enum Clients {
    /// They ask for Fibonacci numbers, or over UDP for the time.
    Usual,
    /// They send this request, and the answer is to be like this.
    Asking(Vec<u8>, Pattern),
    /// What a script says.
    Script(Vec<Step>),
}

impl Clients {
    fn steps(&self, is_tcp: bool) -> Vec<Step> {
        match self {
            Self::Usual => {
                script::parse(if is_tcp { script::TCP } else { script::UDP }).unwrap_or_default()
            }
            Self::Asking(request, answer) => script::asking(request, answer, is_tcp),
            Self::Script(steps) => steps.clone(),
        }
    }
}

/// Why there is no recording, or not all of it.
#[derive(Debug)]
pub enum Failure {
    /// strace can't be started.
    NoStrace(io::Error),
    /// The server can't be studied.
    Subject(Trouble),
    /// Something that the script waits for did not happen.
    Script(String),
    /// A client was not answered, or not as it was to be.
    Answer(String),
    /// The process that was started has ended, and others that come from it serve.
    Daemon,
    /// It did not end when it was asked to.
    DidNotStop(Duration),
    /// It never rests, or does too much.
    Endless,
    /// strace printed what is none of its lines.
    Nonsense(Nonsense),
    /// A file could not be read or written.
    File(PathBuf, io::Error),
}

/// A recording that has not come to its end.
#[derive(Debug)]
pub struct Broken {
    /// Why.
    pub why: Failure,
    /// What else there is to say: how the server's processes ended, or what else to try; empty if there is nothing.
    pub remark: String,
    /// What was recorded up to there.
    pub so_far: Option<Box<Trace>>,
}

impl Broken {
    /// Whether the user has ended it.
    pub fn is_interrupt(&self) -> bool {
        self.why.is_interrupt()
    }

    /// Whether the server was there to be asked.
    pub const fn is_reached(&self) -> bool {
        !matches!(self.why, Failure::Subject(_) | Failure::NoStrace(_))
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.why.fmt(f)?;
        if self.remark.is_empty() { Ok(()) } else { write!(f, "; {}", self.remark) }
    }
}

impl std::error::Error for Broken {}

impl<T: Into<Failure>> From<T> for Broken {
    fn from(why: T) -> Self {
        Self { why: why.into(), remark: String::new(), so_far: None }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoStrace(error) if error.kind() == io::ErrorKind::NotFound => write!(
                f,
                "strace: {error}; install it: apt-get install strace, dnf install strace, pacman -S \
                 strace or apk add strace"
            ),
            Self::NoStrace(error) if error.raw_os_error() == Some(EMFILE) => {
                write!(f, "strace can't be started: {error}; raise the limit, as by ulimit -n 1024")
            }
            Self::NoStrace(error) => write!(f, "strace can't be started: {error}"),
            Self::Subject(Trouble::Call(error)) if error.errno() == EMFILE => {
                write!(f, "{error}: raise the limit, as by ulimit -n 1024")
            }
            Self::Subject(trouble) => trouble.fmt(f),
            Self::Script(what) | Self::Answer(what) => f.write_str(what),
            Self::Daemon => f.write_str(
                "the server has made itself a daemon, and was killed; let it run in the foreground",
            ),
            Self::Endless => write!(
                f,
                "the recording is larger than {} MiB: the server does not rest between its clients, or they \
                 are too many; --script gives fewer",
                LIMIT >> 20
            ),
            Self::DidNotStop(patience) => write!(
                f,
                "the server did not end within {} s after SIGINT, and was killed",
                patience.as_secs()
            ),
            Self::Nonsense(nonsense) => write!(f, "strace's output: {nonsense}"),
            Self::File(path, error) => write!(f, "{}: {error}", path.display()),
        }
    }
}

impl std::error::Error for Failure {}

impl Failure {
    /// Whether the user has ended it.
    pub fn is_interrupt(&self) -> bool {
        matches!(self, Self::Subject(Trouble::Call(error)) if error.errno() == EINTR)
    }
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Self {
        Self::Subject(trouble)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Subject(Trouble::Call(error))
    }
}

/// The most that is recorded, in bytes: a hundred thousand lines or two.
const LIMIT: u64 = 16 << 20;

/// A file without a name, in which strace writes and which goes with us, whatever becomes of us.
struct Tape(File);

impl Tape {
    fn new() -> Result<Self, Failure> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("socklab-trace-{}-{}", std::process::id(), NUMBER.fetch_add(1, Relaxed));
        let path = std::env::temp_dir().join(name);
        let made = File::options().read(true).write(true).create_new(true).open(&path);
        let file = made.and_then(|file| fs::remove_file(&path).map(|()| file));
        file.map(Self).map_err(|error| Failure::File(path, error))
    }

    /// Under which name another process can open it.
    fn path(&self) -> PathBuf {
        format!("/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd()).into()
    }

    fn is_full(&self) -> bool {
        self.0.metadata().is_ok_and(|data| data.len() > LIMIT)
    }

    /// What is written up to now, up to the last whole line of what there is room for.
    fn read(&self) -> Result<String, Failure> {
        let failed = |error| Failure::File(self.path(), error);
        let mut bytes = Vec::new();
        let mut file = File::open(self.path()).map_err(failed)?.take(LIMIT);
        file.read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() as u64 == LIMIT {
            let end = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
            bytes.truncate(end);
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// A run that is under way.
struct Run {
    subject: Subject,
    tape: Tape,
    clients: Vec<clients::Client>,
    /// Those of them that are connected: they stay until what they have met is recorded.
    connected: Vec<play::Client>,
}

/// Runs a command under strace, lets the clients ask it, stops it with SIGINT, and returns what it did.
/// `{port}` in an argument, and the variable PORT, are a free port.
///
/// # Errors
///
/// See [`Failure`]; with what was recorded until then.
pub fn record(command: &[OsString], plan: &Plan) -> Result<Trace, Broken> {
    let port = free_port()?;
    let is_given = command.iter().any(|word| word.to_str().is_some_and(|w| w.contains("{port}")));
    let mut run = Run::start(command, port)?;
    match run.go(plan, Wanted { port, is_sure: is_given, rest: Wanted::REST }) {
        Ok(()) => Ok(run.trace()?),
        Err(why) if why.is_interrupt() => Err(why.into()),
        Err(why) => {
            // What has happened is to be written; what is done to the server from here on is not.
            let _ = run.subject.settle(Duration::from_secs(1));
            if run.subject.ended().is_none() {
                let _ = hold(&run.subject, Duration::from_secs(1));
            }
            let so_far = run.trace().ok().filter(|trace| !trace.tasks.is_empty());
            let mut remark = match (&why, &so_far) {
                (Failure::Script(_) | Failure::Answer(_), Some(trace)) => ends(trace),
                _ => String::new(),
            };
            let is_usual = matches!(plan.clients, Clients::Usual);
            if is_usual && remark.is_empty() && matches!(why, Failure::Answer(_)) {
                remark = String::from(
                    "these clients ask for Fibonacci numbers; --send and --expect, or --script, give others",
                );
            }
            Err(Broken { why, remark, so_far: so_far.map(Box::new) })
        }
    }
}

impl Run {
    fn start(command: &[OsString], port: u16) -> Result<Self, Failure> {
        let tape = Tape::new()?;
        let port = port.to_string();
        let mut strace = Command::new("strace");
        // No signal but SIGKILL ends it before the server.
        strace
            .args(["-f", "-I3", "-ttt", "-T", "-yy", "-s", "65536", "-o"])
            .arg(tape.path())
            .arg("--");
        for word in command {
            let text = word.to_str().map(|word| word.replace("{port}", &port));
            strace.arg(text.map_or_else(|| word.clone(), OsString::from));
        }
        strace.env("PORT", &port);
        let beside = Isolation::Beside(String::new());
        match Subject::confine(strace, &beside, Limits::INHERITED, None) {
            Err(Trouble::Start(_, error)) => Err(Failure::NoStrace(error)),
            started => {
                Ok(Self { subject: started?, tape, clients: Vec::new(), connected: Vec::new() })
            }
        }
    }

    fn go(&mut self, plan: &Plan, wanted: Wanted) -> Result<(), Failure> {
        let patience = plan.patience;
        let reached = self.subject.until_reached(patience, wanted)?;
        let Some(&root) = tree(self.subject.pid()).get(1) else { return Err(Failure::Daemon) };
        let steps = plan.clients.steps(reached.is_tcp);
        is_room_for(&steps)?;
        let group = watch::group(root);

        let Self { subject, tape, clients, connected } = self;
        // The less often somebody rests, the shorter he is waited for.
        let (shortest, longest) = (Duration::from_millis(20), Duration::from_secs(1));
        let mut bound = longest;
        let mut settle = || {
            let has_rested = subject.settle(bound.min(patience))?;
            bound = if has_rested { bound * 2 } else { bound / 4 }.clamp(shortest, longest);
            if tape.is_full() { Err(Failure::Endless) } else { Ok(()) }
        };
        let play = Play {
            subject,
            reached,
            patience,
            settle: &mut settle,
            clients: connected,
            seen: clients,
        };
        play.all(&steps)?;
        self.stop(root, group, patience)
    }

    /// As by Ctrl-C, which the whole process group hears; but one after the other, so that it is not left to chance
    /// who learns of it first: the process that was started, and once that has done what it does, whoever is left.
    fn stop(&mut self, root: u32, group: Option<i32>, patience: Duration) -> Result<(), Failure> {
        // Those that serve once have ended by themselves.
        let _ = kill(root as i32, SIGINT);
        let mut rested = 0;
        let mut is_told = false;
        let ended = until(patience, || {
            if self.subject.ended().is_some() {
                return Ok(Some(Ok(())));
            }
            if self.tape.is_full() {
                return Ok(Some(Err(Failure::Endless)));
            }
            rested = if self.subject.is_at_rest() { rested + 1 } else { 0 };
            if rested >= 3 && !is_told {
                is_told = true;
                // Above them is strace.
                for pid in self.subject.processes().into_iter().skip(1).filter(|&pid| pid != root) {
                    if watch::group(pid) == group {
                        let _ = kill(pid as i32, SIGINT);
                    }
                }
            }
            Ok(None)
        })?;
        ended.unwrap_or(Err(Failure::DidNotStop(patience)))
    }

    /// What has been recorded up to now.
    fn trace(&self) -> Result<Trace, Failure> {
        let lines = parse(&self.tape.read()?).map_err(Failure::Nonsense)?;
        // strace's own helper ends before the command begins.
        let first = lines.iter().find(|line| matches!(line.event, Event::Call(_)));
        let root = first.and_then(|line| line.pid).unwrap_or(0);
        let mut tasks: BTreeMap<u32, Recorded> = BTreeMap::new();
        for line in lines {
            let pid = line.pid.unwrap_or(root);
            let task = tasks.entry(pid).or_insert_with(|| Recorded { pid, lines: Vec::new() });
            task.lines.push(line);
        }
        let is_exit =
            |task: &Recorded| task.lines.iter().all(|line| matches!(line.event, Event::Exited(_)));
        let recorded: Vec<Recorded> = tasks.into_values().filter(|task| !is_exit(task)).collect();
        let mut seen = self.clients.clone();
        clients::settle_in(&mut seen, &recorded);
        Ok(Trace { clients: seen, ..normalise(&recorded, root) })
    }
}

/// How the processes of a run that has broken off have ended, where that says why.
fn ends(trace: &Trace) -> String {
    let said = trace.tasks.iter().filter_map(|task| {
        let end = task.steps.last()?.text.strip_prefix("+++ ")?.strip_suffix(" +++")?;
        let is_said = task.role == "parent" || end.starts_with("killed by ");
        is_said.then(|| match end.strip_prefix("exited with ") {
            Some(status) => format!("the server has ended with status {status}"),
            None if task.role == "parent" => format!("the server was {end}"),
            None => format!("{} was {end}", task.role),
        })
    });
    said.take(3).collect::<Vec<_>>().join(", ")
}

/// Whether this process may have so many clients open at once.
fn is_room_for(steps: &[Step]) -> Result<(), Failure> {
    /// What is open besides.
    const OTHERS: u64 = 24;
    let most = script::most_at_once(steps) as u64;
    let limit = getrlimit(RLIMIT_NOFILE)?.rlim_cur;
    if most + OTHERS <= limit {
        return Ok(());
    }
    Err(Failure::Script(format!(
        "{most} clients at once are more than the limit of open files, which is {limit}, has room for; raise it: \
         ulimit -n {}",
        most + OTHERS
    )))
}

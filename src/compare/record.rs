//! One run of a server under strace, with the clients of a script.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::clients::{self, Act};
use super::normalise::{Recorded, Trace, normalise};
use super::parse::{Event, Nonsense, parse};
use super::script::{self, Action, Step};
use crate::net::{Deadline, family, from_c, to_c, wait};
use crate::posix::error::{EAGAIN, ECONNREFUSED, ECONNRESET, EINPROGRESS, EINTR, ENOTCONN, EPIPE};
use crate::posix::poll::{POLLIN, POLLOUT, pollfd};
use crate::posix::signal::{SIGCONT, SIGINT, SIGSTOP, kill};
use crate::posix::sys_socket::*;
use crate::posix::{Error, Result as CResult};
use crate::subject::{
    Reached, Subject, Trouble, is_accepted, is_at_rest, is_stopped, tree, until, wait_for,
};

/// What is asked of a recording.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What the clients do; `None` for the usual script of TCP or UDP.
    pub script: Option<Vec<Step>>,
    /// How long anything may take.
    pub patience: Duration,
}

/// Why there is no recording.
#[derive(Debug)]
pub enum Failure {
    /// strace is not there.
    NoStrace(std::io::Error),
    /// The server can't be studied.
    Subject(Trouble),
    /// Something that the script waits for did not happen.
    Script(String),
    /// It did not end when it was asked to.
    DidNotStop(Duration),
    /// strace printed what is none of its lines.
    Nonsense(Nonsense),
    /// A file could not be read or written.
    File(PathBuf, std::io::Error),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoStrace(error) => write!(
                f,
                "strace: {error}; install it: apt-get install strace, dnf install strace, pacman -S \
                 strace or apk add strace"
            ),
            Self::Subject(trouble) => trouble.fmt(f),
            Self::Script(what) => f.write_str(what),
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

/// A folder of our own, which goes with us.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Self, Failure> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("socklab-trace-{}-{}", std::process::id(), NUMBER.fetch_add(1, Relaxed));
        let path = std::env::temp_dir().join(name);
        match fs::create_dir(&path) {
            Ok(()) => Ok(Self(path)),
            Err(error) => Err(Failure::File(path, error)),
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // There is nowhere to say that something is left.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Runs a command under strace, lets the clients ask it, stops it with SIGINT, and returns what it did.
/// `{port}` in an argument, and the variable PORT, are a free port.
///
/// # Errors
///
/// See [`Failure`].
pub fn record(command: &[OsString], plan: &Plan) -> Result<Trace, Failure> {
    let folder = Folder::new()?;
    let port = free_port()?.to_string();
    let mut strace = Command::new("strace");
    strace
        .args(["-ff", "-ttt", "-T", "-yy", "-s", "65536", "-o"])
        .arg(folder.0.join("task"))
        .arg("--");
    for word in command {
        let text = word.to_str().map(|word| word.replace("{port}", &port));
        strace.arg(text.map_or_else(|| word.clone(), OsString::from));
    }
    strace.env("PORT", &port);
    let subject = match Subject::start(strace) {
        Err(Trouble::Start(_, error)) => return Err(Failure::NoStrace(error)),
        started => started?,
    };
    let (mut subject, reached) = subject.until_reached(plan.patience)?;
    let Some(&root) = tree(subject.pid()).get(1) else {
        return Err(Failure::Script(String::from("the server ended before anybody asked it")));
    };
    let usual = if reached.is_tcp { script::TCP } else { script::UDP };
    let usual = script::parse(usual).unwrap_or_default();
    let steps = plan.script.as_ref().unwrap_or(&usual);
    settle(root, plan.patience)?;
    let mut seen = Vec::new();
    play(steps, reached, &subject, root, plan.patience, &mut seen)?;
    // Those that serve once have ended by themselves.
    let _ = kill(root as i32, SIGINT);
    if until(plan.patience, || Ok(subject.ended()))?.is_none() {
        return Err(Failure::DidNotStop(plan.patience));
    }
    drop(subject);
    let recorded = read(&folder.0)?;
    clients::settle_in(&mut seen, &recorded);
    Ok(Trace { clients: seen, ..normalise(&recorded, root) })
}

/// A port that nobody has at the moment.
fn free_port() -> CResult<u16> {
    let sockfd = socket(AF_INET, SOCK_STREAM, 0)?;
    bind(&sockfd, &to_c(&SocketAddr::from(([127, 0, 0, 1], 0))))?;
    Ok(from_c(&getsockname(&sockfd)?).map_or(0, |addr| addr.port()))
}

/// Waits until the server has nothing to do, twice in a row; one that never rests is not waited for.
fn settle(root: u32, patience: Duration) -> CResult<()> {
    let mut rested = 0;
    let short = patience.min(Duration::from_secs(1));
    until(short, || {
        rested = if is_at_rest(root) { rested + 1 } else { 0 };
        Ok((rested == 3).then_some(()))
    })?;
    Ok(())
}

/// A client of a script.
struct Client {
    sockfd: OwnedFd,
    addr: SocketAddr,
}

/// The time of day, which strace counts in too.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

fn play(
    steps: &[Step],
    reached: Reached,
    subject: &Subject,
    root: u32,
    patience: Duration,
    seen: &mut Vec<clients::Client>,
) -> Result<(), Failure> {
    let mut clients: HashMap<&str, Client> = HashMap::new();
    // Over UDP a port may be closed by now: whoever has learnt it asks no more.
    let mut refused: Vec<&str> = Vec::new();
    for step in steps {
        let name = step.client.as_str();
        if refused.contains(&name) {
            continue;
        }
        let end = Deadline::after(patience);
        let late = |what: &str| {
            Failure::Script(format!("client {name}: no {what} within {} s", patience.as_secs()))
        };
        let failed = |error: Error| match error.errno() {
            EINTR => Failure::from(error),
            _ => Failure::Script(format!("client {name}: {error}")),
        };
        let began = now();
        let mut note = |new: Option<&Client>| {
            seen.extend(new.map(|new| clients::Client {
                name: step.client.clone(),
                is_tcp: reached.is_tcp,
                port: new.addr.port(),
                connection: None,
                acts: Vec::new(),
            }));
            if let Some(client) = seen.iter_mut().rfind(|client| client.name == name) {
                let (word, text) = (step.action.word(), step.action.to_string());
                client.acts.push(Act { word, text, at: began, spent: now() - began });
            }
        };
        if step.action == Action::Connect {
            let client = connect_to(reached, end).map_err(failed)?;
            note(Some(&client));
            clients.insert(name, client);
            settle(root, patience)?;
            continue;
        }
        if let Action::Ask(bytes) = &step.action {
            // A server goes no further than to its next call while strace stands still.
            hold(subject, patience)?;
            let client = connect_to(reached, end).map_err(failed)?;
            send(&client.sockfd, bytes, MSG_NOSIGNAL).map_err(failed)?;
            kill(subject.pid() as i32, SIGCONT)?;
            clients.insert(name, client);
            settle(root, patience)?;
            continue;
        }
        let Some(client) = clients.get(name) else {
            return Err(Failure::Script(format!("client {name} is not connected any more")));
        };
        match &step.action {
            Action::Connect | Action::Ask(_) => {}
            Action::Accepted => {
                // Or it has its answer already, or its end.
                let taken = || {
                    let mut fds = [pollfd::new(&client.sockfd, POLLIN)];
                    let is_heard = wait(&mut fds, Deadline::after(Duration::ZERO))?;
                    Ok((is_heard || is_accepted(reached.addr, client.addr)?).then_some(()))
                };
                until(patience, taken)?.ok_or_else(|| late("accept"))?;
            }
            Action::Send(bytes) => match send(&client.sockfd, bytes, MSG_NOSIGNAL) {
                Ok(_sent) => {}
                Err(error) if is_gone(error) => refused.push(name),
                Err(error) => return Err(failed(error)),
            },
            Action::Finish => shutdown(&client.sockfd, SHUT_WR).map_err(failed)?,
            Action::Expect(bytes) => {
                let got = receive(client, bytes.len().max(1), end).map_err(failed)?;
                match got {
                    None => refused.push(name),
                    Some(got) if got.is_empty() => return Err(late("answer")),
                    Some(got) if !bytes.is_empty() && got != *bytes => {
                        let (got, bytes) = (got.escape_ascii(), bytes.escape_ascii());
                        let what = format!("client {name}: answered \"{got}\", not \"{bytes}\"");
                        return Err(Failure::Script(what));
                    }
                    Some(_) => {}
                }
            }
            Action::End => loop {
                match receive(client, usize::MAX, end).map_err(failed)? {
                    None => break,
                    Some(got) if got.is_empty() => return Err(late("end of file")),
                    Some(_) => {}
                }
            },
            Action::Reset => {
                let now = linger { l_onoff: 1, l_linger: 0 };
                setsockopt(&client.sockfd, SOL_SOCKET, SO_LINGER, &now).map_err(failed)?;
                clients.remove(name);
            }
            Action::Close => drop(clients.remove(name)),
        }
        note(None);
        settle(root, patience)?;
    }
    Ok(())
}

/// Stops strace, and waits until it has stopped.
fn hold(subject: &Subject, patience: Duration) -> Result<(), Failure> {
    kill(subject.pid() as i32, SIGSTOP)?;
    until(patience, || Ok(is_stopped(subject.pid()).then_some(())))?
        .ok_or_else(|| Failure::Script(String::from("strace can't be stopped")))
}

/// Whether the other end is not there any more.
const fn is_gone(error: Error) -> bool {
    matches!(error.errno(), ECONNREFUSED | ECONNRESET | EPIPE | ENOTCONN)
}

fn connect_to(reached: Reached, end: Deadline) -> CResult<Client> {
    let kind = if reached.is_tcp { SOCK_STREAM } else { SOCK_DGRAM };
    let sockfd = socket(family(&reached.addr), kind | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)?;
    match connect(&sockfd, &to_c(&reached.addr)) {
        Err(error) if error.errno() == EINPROGRESS => {
            wait_for(&mut vec![pollfd::new(&sockfd, POLLOUT)], end)?;
            match getsockopt::<i32>(&sockfd, SOL_SOCKET, SO_ERROR)? {
                0 => {}
                errno => return Err(Error::new("connect", errno)),
            }
        }
        connected => connected?,
    }
    let addr = from_c(&getsockname(&sockfd)?).unwrap_or(reached.addr);
    Ok(Client { sockfd, addr })
}

/// As many bytes as are wanted, fewer if the time is over, and nothing of a connection that has ended.
fn receive(client: &Client, wanted: usize, end: Deadline) -> CResult<Option<Vec<u8>>> {
    let mut got = Vec::new();
    let mut buffer = [0; 4096];
    while got.len() < wanted {
        let room = buffer.len().min(wanted - got.len());
        match recv(&client.sockfd, &mut buffer[..room], 0) {
            Ok(0) => return Ok((!got.is_empty()).then_some(got)),
            Ok(length) => got.extend_from_slice(&buffer[..length]),
            Err(error) if error.errno() == EAGAIN => {
                if !got.is_empty() && wanted == usize::MAX
                    || !wait_for(&mut vec![pollfd::new(&client.sockfd, POLLIN)], end)?
                {
                    return Ok(Some(got));
                }
            }
            Err(error) if is_gone(error) => return Ok(None),
            Err(error) => return Err(error),
        }
    }
    Ok(Some(got))
}

/// The files that strace has written, one for each task.
fn read(folder: &Path) -> Result<Vec<Recorded>, Failure> {
    let file = |error| Failure::File(folder.to_owned(), error);
    let mut recorded = Vec::new();
    for entry in fs::read_dir(folder).map_err(file)? {
        let path = entry.map_err(file)?.path();
        let pid = path.extension().and_then(|pid| pid.to_str()?.parse().ok());
        let Some(pid) = pid else { continue };
        let bytes = fs::read(&path).map_err(|error| Failure::File(path.clone(), error))?;
        let lines = parse(&String::from_utf8_lossy(&bytes)).map_err(Failure::Nonsense)?;
        // strace's own helper ends before the command begins.
        let is_empty = lines.iter().all(|line| matches!(line.event, Event::Exited(_)));
        if !is_empty {
            recorded.push(Recorded { pid, lines });
        }
    }
    recorded.sort_by_key(|task| task.pid);
    Ok(recorded)
}

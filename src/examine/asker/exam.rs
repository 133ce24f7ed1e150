//! One examination of a client: it is started afresh for each check, against the server that the check plays.

use std::cell::{Cell, RefCell};
use std::ffi::OsString;
use std::process::Command;
use std::time::{Duration, Instant};

use super::connection::Connection;
use super::door::{Datagram, Door, Open};
use super::reply::Reply;
use super::run::{Asker, Run};
use crate::examine::counters;
use crate::examine::exam::{finding, judged, still_wanted};
use crate::examine::log::{Log, quoted};
use crate::examine::plan::{PORT, Port};
use crate::examine::{Check, OfClient, Outcome, Over, Trouble};
use crate::linux::sock_diag::{EVERY_STATE, dump, inet_diag_msg, sock_diag};
use crate::net::family;
use crate::posix::fcntl::O_NONBLOCK;
use crate::posix::netinet_in::{IPPROTO_TCP, IPPROTO_UDP};
use crate::report::{Examination, Identity, Role};
use crate::subject::cell::{Isolation, renew_network};
use crate::subject::watch;
use crate::subject::{Limits, Subject, free_port};

/// Which client is examined, and how.
#[derive(Debug, Clone)]
pub struct ClientPlan {
    /// What the report calls it.
    pub name: String,
    /// How it is started; `{host}` and `{port}` in an argument are its server's.
    pub command: Vec<OsString>,
    /// Which port that is.
    pub port: Port,
    /// What it is answered; `None` is Fibonacci's number over TCP, and the time over UDP.
    pub reply: Option<Reply>,
    /// How long anything may take.
    pub patience: Duration,
    /// In what it runs.
    pub isolation: Isolation,
    /// The words of a command that examines the same, to which a selection can be added.
    pub again: String,
}

impl ClientPlan {
    fn is_alone(&self) -> bool {
        self.isolation == Isolation::Namespaces
    }
}

/// What all checks of a client share.
pub struct ClientExam<'a> {
    plan: &'a ClientPlan,
    log: RefCell<Log>,
    /// Whether it speaks TCP, or else UDP.
    is_tcp: Cell<bool>,
}

/// What a client is found to be by what it does first.
struct Kind {
    is_tcp: bool,
    identity: Identity,
}

/// What the kernel counts of those that it has turned away.
pub(super) struct Counter {
    protocol: &'static str,
    /// Its name in /proc/net/snmp.
    pub(super) name: &'static str,
}

impl Counter {
    /// A SYN that was answered with RST.
    pub(super) const TCP: Self = Self { protocol: "Tcp", name: "AttemptFails" };
    /// A datagram that was answered with ICMP.
    pub(super) const UDP: Self = Self { protocol: "Udp", name: "NoPorts" };

    fn count(&self) -> Result<u64, Trouble> {
        match self.protocol {
            "Udp" => counters::udp(self.name),
            _ => counters::counter(self.protocol, self.name),
        }
    }
}

/// A run in which nobody was there.
pub(super) struct Refused {
    /// What became of the client.
    pub(super) run: Run,
    /// How often the kernel has turned it away.
    pub(super) times: u64,
    /// What each of its tasks did while it waited after that, if it did.
    pub(super) seen: Vec<String>,
}

/// What a server does next.
pub(super) enum Step {
    /// It waits: nobody has come.
    Waits,
    /// Somebody has come.
    Came,
    /// No more is wanted of the client.
    Enough,
}

impl<'a> ClientExam<'a> {
    fn new(plan: &'a ClientPlan) -> Self {
        Self { plan, log: RefCell::new(Log::new()), is_tcp: Cell::new(true) }
    }

    /// Whether the client speaks TCP, or else UDP.
    pub(super) fn is_tcp(&self) -> bool {
        self.is_tcp.get()
    }

    /// What the client is answered.
    pub(super) fn reply(&self) -> Reply {
        let usual = || if self.is_tcp.get() { Reply::fibonacci() } else { Reply::time() };
        self.plan.reply.clone().unwrap_or_else(usual)
    }

    /// The transcript of the check that is under way.
    pub(super) fn log(&self) -> Log {
        self.log.borrow().clone()
    }

    /// A new network, and what is open in it.
    fn open(&self, open: Open) -> Result<Door, Trouble> {
        if self.plan.is_alone() {
            renew_network()?;
        }
        let port = match self.plan.port {
            Port::Fixed(port) => port,
            Port::Given if self.plan.is_alone() => PORT,
            Port::Given => free_port()?,
        };
        Door::open(port, open, &self.log())
    }

    fn launch(&self, door: &Door) -> Result<Asker, Trouble> {
        let (host, port) = (door.addr.ip().to_string(), door.addr.port().to_string());
        let fill = |word: &OsString| match word.to_str() {
            Some(text) => OsString::from(text.replace("{host}", &host).replace("{port}", &port)),
            None => word.clone(),
        };
        let mut words = self.plan.command.iter().map(fill);
        let program = words.next().ok_or_else(|| Trouble::Broken("there is no command".into()))?;
        let mut command = Command::new(program);
        // What it says of an error is to be in words that are known here.
        command.args(words).env("HOST", &host).env("PORT", &port).env("LC_ALL", "C");
        let subject = Subject::confine(command, &self.plan.isolation, Limits::USUAL, None)?;
        Ok(Asker::new(subject, self.plan.patience, self.log()))
    }

    /// Runs the client once; `step` does what the server does. It is over when the client has ended, or has had its
    /// time since it first came.
    pub(super) fn play(
        &self,
        open: Open,
        mut step: impl FnMut(&Asker, &Door) -> Result<Step, Trouble>,
    ) -> Result<Run, Trouble> {
        let door = self.open(open)?;
        let client = self.launch(&door)?;
        let mut asked = 0;
        let mut end = client.patience_from_now();
        loop {
            // Looked at in this order: whoever has ended comes no more.
            let is_late = end.is_over(&client.processes(), Duration::ZERO);
            let is_over = client.ended().is_some() || is_late;
            match step(&client, &door)? {
                Step::Came => {
                    asked += 1;
                    if asked == 1 {
                        end = client.patience_from_now();
                    } else if is_late && client.ended().is_none() {
                        break;
                    }
                }
                Step::Waits if !is_over => door.wait()?,
                Step::Waits | Step::Enough => break,
            }
        }
        client.over(asked)
    }

    /// Runs the client once against a server of TCP that does this with each connection, once its request has come.
    pub(super) fn serve(
        &self,
        mut act: impl FnMut(&Asker, &mut Connection) -> Result<(), Trouble>,
    ) -> Result<Run, Trouble> {
        let mut connections = Vec::new();
        let run = self.play(Open::Tcp, |client, door| {
            let Some(mut connection) = door.accept()? else { return Ok(Step::Waits) };
            connection.until_asked(client)?;
            act(client, &mut connection)?;
            connections.push(connection);
            Ok(Step::Came)
        })?;
        asked(run, "it did not connect")
    }

    /// Runs the client once against a server of UDP that does this with each datagram.
    pub(super) fn hear(
        &self,
        mut act: impl FnMut(&Asker, &Door, &Datagram) -> Result<(), Trouble>,
    ) -> Result<Run, Trouble> {
        let run = self.play(Open::Udp, |client, door| {
            let Some(datagram) = door.receive()? else { return Ok(Step::Waits) };
            act(client, door, &datagram)?;
            Ok(Step::Came)
        })?;
        asked(run, "it sent no datagram")
    }

    /// Runs the client where nobody is.
    pub(super) fn refuse(&self, counter: &Counter) -> Result<Refused, Trouble> {
        // In a new network nothing has been counted.
        let before = if self.plan.is_alone() { 0 } else { counter.count()? };
        let (mut after, mut seen) = (before, Vec::new());
        let run = self.play(Open::Nothing, |client, _door| {
            after = counter.count()?;
            if after > before && client.is_at_rest() && client.ended().is_none() {
                seen = client.scene()?;
            }
            Ok(Step::Waits)
        })?;
        match after - before {
            0 => {
                let what =
                    format!("it did not ask: {} of {} stays", counter.name, counter.protocol);
                Err(Trouble::Broken(what))
            }
            times => Ok(Refused { run, times, seen }),
        }
    }

    /// Finds out over what the client asks, and what its socket is.
    fn kind(&self) -> Result<Kind, Trouble> {
        let (mut kind, mut request, mut scene) = (None, Vec::new(), Vec::new());
        let (mut addr, mut elsewhere, mut held) = (None, None, None);
        let run = self.play(Open::Both, |client, door| {
            addr = Some(door.addr);
            elsewhere = self.elsewhere();
            let (is_tcp, peer) = if let Some(mut connection) = door.accept()? {
                connection.until_asked(client)?;
                request.clone_from(&connection.got);
                let peer = connection.peer;
                // Open as long as it is looked at.
                held = Some(connection);
                (true, peer)
            } else if let Some(datagram) = door.receive()? {
                client.until(|| Ok(client.is_at_rest()))?;
                request.clone_from(&datagram.bytes);
                (false, datagram.from)
            } else {
                scene = client.scene()?;
                return Ok(Step::Waits);
            };
            kind = Some(Kind { is_tcp, identity: identity(client, is_tcp, &peer, &request)? });
            Ok(Step::Enough)
        })?;
        drop(held);
        let Some(kind) = kind else {
            let at = addr.map_or_else(String::new, |addr| format!(" {addr}"));
            return Err(Trouble::Broken(absent(&run, &at, elsewhere, &scene)));
        };
        Ok(kind)
    }

    /// How the client has asked somebody else, if the kernel counts that for it alone.
    fn elsewhere(&self) -> Option<String> {
        if !self.plan.is_alone() {
            return None;
        }
        let count = |protocol, name| counters::counter(protocol, name).unwrap_or(0);
        match (count("Tcp", "ActiveOpens"), count("Udp", "OutDatagrams")) {
            (0, 0) => None,
            (0, sent) => Some(format!("it sent datagrams elsewhere (Udp OutDatagrams: {sent})")),
            (opened, _) => Some(format!("it connected elsewhere (Tcp ActiveOpens: {opened})")),
        }
    }

    fn run(&self, check: &Check<OfClient>) -> crate::report::Finding {
        self.log.replace(Log::new());
        let begun = Instant::now();
        let here = if self.is_tcp.get() { Over::Tcp } else { Over::Udp };
        let outcome = if [here, Over::Both].contains(&check.over) {
            judged((check.run)(self))
        } else {
            let spoken = if self.is_tcp.get() { "TCP" } else { "UDP" };
            Outcome::not_applicable(format!("the client speaks {spoken}"))
        };
        finding(check, outcome, &self.log(), begun, &self.plan.again)
    }
}

/// A run whose client has asked.
fn asked(run: Run, otherwise: &str) -> Result<Run, Trouble> {
    if run.asked > 0 {
        return Ok(run);
    }
    Err(Trouble::Broken(format!("{otherwise}; it said: {}", run.complaint())))
}

/// What is said of a client that did not come.
fn absent(run: &Run, at: &str, elsewhere: Option<String>, scene: &[String]) -> String {
    let mut what = match run.status {
        Some(status) => format!("the client ended ({status}) and did not ask{at}"),
        None => format!("the client did not ask{at} within {} s", run.patience.as_secs_f32()),
    };
    if let Some(elsewhere) = elsewhere {
        what += &format!(", {elsewhere}");
    } else if let (None, Some(task)) = (run.status, scene.first()) {
        what += &format!(" ({task})");
    }
    what += "; it is to take its server from {host} and {port} in its arguments or from the variables HOST and PORT";
    match run.complaint() {
        said if said.is_empty() => what,
        said => format!("{what}; it said: {said}"),
    }
}

/// What a client is, by the kernel's word on the socket that it has asked with.
fn identity(
    client: &Asker,
    is_tcp: bool,
    peer: &std::net::SocketAddr,
    request: &[u8],
) -> Result<Identity, Trouble> {
    let row = row(is_tcp, peer)?;
    let mut words = vec![if is_tcp { "TCP client" } else { "UDP client" }];
    if let (false, Some(row)) = (is_tcp, &row) {
        words.push(if row.idiag_dport == 0 { "unconnected socket" } else { "connected socket" });
    }
    let is_own =
        |link: &str| row.is_some_and(|row| watch::socket_in(link) == Some(row.idiag_inode));
    let flags = client.processes().into_iter().find_map(|pid| {
        let (fd, _) = watch::descriptors(pid).into_iter().find(|(_, link)| is_own(link))?;
        watch::flags(pid, fd)
    });
    match flags {
        Some(flags) if flags & O_NONBLOCK as u32 != 0 => words.push("non-blocking"),
        Some(_) => words.push("blocking"),
        None => {}
    }
    let sends = match request {
        [] if is_tcp => String::from("waits to be greeted"),
        request => format!("sends {}", quoted(request)),
    };
    let evidence = std::iter::once(sends).chain(client.scene()?).collect();
    let method = String::from("by what the kernel shows of its socket");
    Ok(Identity { design: words.join(", "), method, workers: None, evidence })
}

/// The kernel's row of the socket with this address.
fn row(is_tcp: bool, addr: &std::net::SocketAddr) -> Result<Option<inet_diag_msg>, Trouble> {
    let kernel = sock_diag()?;
    let protocol = if is_tcp { IPPROTO_TCP } else { IPPROTO_UDP };
    let mut found = None;
    dump(&kernel, family(addr), protocol, EVERY_STATE, |row| {
        if row.idiag_sport == addr.port().to_be() && row.idiag_inode != 0 {
            found = Some(*row);
        }
    })?;
    Ok(found)
}

/// Examines a client with some checks; `tell` is called before each, with how many are done, how many there are,
/// and the one that begins.
///
/// # Errors
///
/// Only if the user has ended it.
pub fn examine_client(
    plan: &ClientPlan,
    checks: &[&Check<OfClient>],
    mut tell: impl FnMut(usize, usize, &Check<OfClient>),
) -> Result<Examination, Trouble> {
    let begun = Instant::now();
    let exam = ClientExam::new(plan);
    let mut examination = Examination {
        role: Role::Client,
        server: plan.name.clone(),
        command: plan.command.iter().map(|word| word.to_string_lossy().into_owned()).collect(),
        isolation: plan.isolation.words(),
        identity: None,
        findings: Vec::new(),
        trouble: None,
        seconds: 0.0,
    };
    match exam.kind() {
        Ok(kind) => {
            exam.is_tcp.set(kind.is_tcp);
            examination.identity = Some(kind.identity);
        }
        Err(trouble) if trouble.is_interrupt() => return Err(trouble),
        Err(trouble) => {
            examination.trouble = Some(trouble.to_string());
            return Ok(examination);
        }
    }
    for (done, check) in checks.iter().enumerate() {
        tell(done, checks.len(), check);
        let finding = exam.run(check);
        if let Err(trouble) = still_wanted() {
            return Err(trouble.into());
        }
        examination.findings.push(finding);
    }
    examination.seconds = begun.elapsed().as_secs_f64();
    Ok(examination)
}

//! One examination: the server is started afresh for each check, and what is found out once is kept.

use std::cell::{Cell, OnceCell, RefCell};
use std::ffi::OsString;
use std::process::Command;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::costly::{Heaviness, outweighs, waiting, weigh};
use super::design::{Design, Kind, Manners, identify, manners};
use super::faults::Habits;
use super::inetd::{self, Life};
use super::leaks::Growth;
use super::log::Log;
use super::plan::{PORT, Plan, Port};
use super::protocol::{Protocol, Shape};
use super::server::{Held, IN_VAIN, Probe, Server};
use super::shared::Shared;
use super::{Check, Outcome, Over, Trouble};
use crate::net::Deadline;
use crate::posix::sys_resource::{RLIMIT_NOFILE, getrlimit, rlimit, setrlimit};
use crate::report::{Examination, Finding, Identity, Role, Verdict};
use crate::subject::cell::{Isolation, come_back_after, renew_network};
use crate::subject::gate::{Gate, Sysno, Tap};
use crate::subject::{Ends, Inetd, Limits, Reached, Running, Subject, Wanted, free_port};

/// What all checks of an examination share.
pub struct Exam<'a> {
    /// What is examined.
    pub plan: &'a Plan,
    log: RefCell<Log>,
    /// How many descriptors a process of the server may have unless a check says otherwise.
    descriptors: u64,
    /// Which port the server has in the check that is under way.
    port: Cell<u16>,
    is_restless: Cell<bool>,
    /// How long it lives, where it is started with a socket and has answered.
    life: Cell<Option<Life>>,
    /// The ends of those that were started like that for the check that is under way.
    ends: RefCell<Vec<Rc<Ends>>>,
    manners: OnceCell<Manners>,
    design: OnceCell<Design>,
    heavy: OnceCell<Option<Heaviness>>,
    bears_empty: OnceCell<bool>,
    habits: OnceCell<Habits>,
    growth: OnceCell<Growth>,
    pub(super) shared: Shared,
}

impl<'a> Exam<'a> {
    fn new(plan: &'a Plan, descriptors: u64) -> Self {
        Self {
            plan,
            log: RefCell::new(Log::new()),
            descriptors,
            port: Cell::new(PORT),
            is_restless: Cell::new(false),
            life: Cell::new(None),
            ends: RefCell::default(),
            manners: OnceCell::new(),
            design: OnceCell::new(),
            heavy: OnceCell::new(),
            bears_empty: OnceCell::new(),
            habits: OnceCell::new(),
            growth: OnceCell::new(),
            shared: Shared::default(),
        }
    }

    /// The transcript of the check that is under way.
    pub fn log(&self) -> Log {
        self.log.borrow().clone()
    }

    /// Starts the server, in a network in which nothing has happened yet; or hands out the one that runs already.
    ///
    /// # Errors
    ///
    /// Why it can't be studied.
    pub fn start(&self) -> Result<Server, Trouble> {
        match &self.plan.running {
            Some(running) => self.hand_out(running),
            None => self.start_within(Limits::USUAL),
        }
    }

    /// Whether a server that has come to harm can be started anew.
    pub fn starts_anew(&self) -> bool {
        self.plan.running.is_none()
    }

    /// An error where the server isn't ours to start.
    fn own(&self) -> Result<(), Trouble> {
        if self.starts_anew() {
            return Ok(());
        }
        let what = "a server that runs already gets no limit and no gate, and no other is started";
        Err(Trouble::Blocked(String::from(what)))
    }

    fn hand_out(&self, running: &Rc<Running>) -> Result<Server, Trouble> {
        if let Some(ending) = running.ended() {
            return Err(Trouble::Died(Outcome::death(ending, None)));
        }
        let reached = running.reached;
        let held = Held::Running(Rc::clone(running));
        Ok(self.server(held, reached, false))
    }

    /// What is said over TCP, or over UDP.
    pub(super) fn protocol(&self, is_tcp: bool) -> Protocol {
        match &self.plan.protocol {
            Some(protocol) => protocol.clone(),
            None if is_tcp => Protocol::fibonacci(),
            None => Protocol::time(),
        }
    }

    fn server(&self, held: Held, reached: Reached, is_gated: bool) -> Server {
        let protocol = self.protocol(reached.is_tcp);
        let (log, patience) = (self.log(), self.plan.patience);
        let server = Server::new(held, reached, log, Rc::new(protocol), patience, is_gated);
        let is_lasting = self.life.get() == Some(Life::Lasting);
        server.restless(self.is_restless.get()).lasting(is_lasting)
    }

    /// As [`start`](Self::start), under other limits.
    ///
    /// # Errors
    ///
    /// Why it can't be studied; [`Trouble::Blocked`] if the server runs already.
    pub fn start_within(&self, limits: Limits) -> Result<Server, Trouble> {
        self.own()?;
        self.renew()?;
        self.launch(limits, None)
    }

    /// A new network, and a port in it.
    fn renew(&self) -> Result<(), Trouble> {
        if self.plan.is_alone() {
            renew_network()?;
        }
        self.port.set(match self.plan.port {
            Port::Fixed(port) => port,
            Port::Given if self.plan.is_alone() => PORT,
            Port::Given => free_port()?,
        });
        Ok(())
    }

    /// Starts the server once more, on the port and in the network that it has had; or hands out the one that runs.
    ///
    /// # Errors
    ///
    /// Why it can't be studied.
    pub fn restart(&self) -> Result<Server, Trouble> {
        match &self.plan.running {
            Some(running) => self.hand_out(running),
            None => self.launch(Limits::USUAL, None),
        }
    }

    /// Starts the server behind a gate for these system calls, in a network in which nothing has happened yet.
    ///
    /// # Errors
    ///
    /// Why it can't be studied; [`Trouble::Blocked`] where the system has no such gates.
    pub fn start_gated(&self, calls: &[&str]) -> Result<(Server, Tap), Trouble> {
        self.own()?;
        let blocked = |error: crate::posix::Error| Trouble::Blocked(error.to_string());
        let (gate, tap) = Gate::new(&Sysno::all(calls)).map_err(blocked)?;
        self.renew()?;
        let server = self.launch(Limits::USUAL, Some(gate))?;
        if !tap.until_installed(Deadline::after(self.plan.patience)).map_err(blocked)? {
            return Err(Trouble::Blocked(String::from("the server is not behind the gate")));
        }
        Ok((server, tap))
    }

    /// Starts a second server of the same beside the first, on another port; `None` if it has but one of its own.
    ///
    /// # Errors
    ///
    /// Why it can't be studied.
    pub fn start_another(&self, port: u16) -> Result<Option<Server>, Trouble> {
        self.own()?;
        if matches!(self.plan.port, Port::Fixed(_)) {
            return Ok(None);
        }
        let first = self.port.replace(port);
        let another = self.restart();
        self.port.set(first);
        another.map(Some)
    }

    /// Starts the server that this one is to be like, in a network in which nothing has happened yet; `None` if
    /// nobody has named one. It may have a port of its own.
    ///
    /// # Errors
    ///
    /// Why it can't be studied.
    pub fn start_like(&self) -> Result<Option<Server>, Trouble> {
        let Some(command) = &self.plan.like else { return Ok(None) };
        self.renew()?;
        let server = self.launch_command(command, Limits::USUAL, None)?;
        Ok(Some(server.beside()))
    }

    fn launch(&self, limits: Limits, gate: Option<Gate>) -> Result<Server, Trouble> {
        let server = self.launch_command(&self.plan.command, limits, gate)?;
        let (port, found) = (self.port.get(), server.addr.port());
        if found != port {
            let what = format!(
                "the server listens on port {found}, not on {port}; it is to take its port from {{port}} in its \
                 arguments or from the variable PORT, or --port tells which it has"
            );
            return Err(Trouble::Broken(what));
        }
        Ok(server)
    }

    fn launch_command(
        &self,
        command: &[OsString],
        limits: Limits,
        gate: Option<Gate>,
    ) -> Result<Server, Trouble> {
        let plan = self.plan;
        let port = self.port.get();
        let fill = |word: &OsString| match word.to_str() {
            Some(text) => OsString::from(text.replace("{port}", &port.to_string())),
            None => word.clone(),
        };
        let mut words = command.iter().map(fill);
        let program = words.next().ok_or_else(|| Trouble::Broken("there is no command".into()))?;
        let mut command = Command::new(program);
        command.args(words).env("PORT", port.to_string());
        let descriptors = limits.descriptors.or(Some(self.descriptors));
        let limits = Limits { descriptors, ..limits };
        let is_gated = gate.is_some();
        let mut subject = match plan.by_inetd {
            Some(style) => {
                Subject::confine_by_inetd(command, &plan.isolation, limits, gate, (style, port))?
            }
            None => Subject::confine(command, &plan.isolation, limits, gate)?,
        };
        self.ends.borrow_mut().extend(subject.ends().cloned());
        let rest = if self.is_restless.get() { IN_VAIN } else { Wanted::REST };
        let wanted = Wanted { port, is_sure: false, rest };
        let reached = subject.until_reached(plan.patience, wanted)?;
        let server = self.server(Held::Own(RefCell::new(subject)), reached, is_gated);
        if self.life.get() == Some(Life::Lasting) {
            inetd::rouse(&server)?;
        }
        Ok(server)
    }

    fn manners(&self) -> Result<Manners, Trouble> {
        self.kept(&self.manners, || manners(&self.start()?)).copied()
    }

    /// Whether the server ends after one request.
    ///
    /// # Errors
    ///
    /// If it does not answer even one.
    pub fn is_single_use(&self) -> Result<bool, Trouble> {
        Ok(self.manners()?.is_single_use)
    }

    /// Whether a connection can carry several requests.
    ///
    /// # Errors
    ///
    /// If it does not answer even one.
    pub fn shape(&self) -> Result<Shape, Trouble> {
        Ok(self.manners()?.shape)
    }

    /// Nothing to check, if the server says its word to a client that has said nothing, and ends the connection.
    ///
    /// # Errors
    ///
    /// If it does not answer even one.
    pub fn speaks_first(&self) -> Result<Option<Outcome>, Trouble> {
        let what = "the server speaks first, and ends the connection: it waits for nobody's word";
        Ok(self.manners()?.speaks_first.then(|| Outcome::not_applicable(what)))
    }

    /// Which design the server is.
    ///
    /// # Errors
    ///
    /// If that can't be found out.
    pub fn design(&self) -> Result<&Design, Trouble> {
        self.kept(&self.design, || {
            let manners = self.manners()?;
            let server = self.start()?;
            let mut design = identify(&server, manners, || {
                let Ok(Some(heavy)) = self.heavy() else { return Ok(None) };
                Ok(Some(waiting(&self.start()?, heavy, 1, 1)? > 0))
            })?;
            drop(server);
            if design.kind == Kind::Unknown
                && let Ok(habits) = self.habits()
                && let Some((kind, line)) = habits.design()
            {
                // What a super-server forks it starts by exec().
                design.kind = if self.starts_often() { Kind::ForkExec } else { kind };
                design.evidence.push(line);
            }
            Ok(Design { by_inetd: self.plan.by_inetd, ..design })
        })
    }

    /// A request that takes the server about a second, if there is one.
    ///
    /// # Errors
    ///
    /// If the server does not answer.
    pub fn heavy(&self) -> Result<Option<&Heaviness>, Trouble> {
        let find = || {
            let server = self.start()?;
            let found = weigh(&server)?;
            match found {
                Some(heavy) if self.starts_often() && !outweighs(&server, &heavy)? => Ok(None),
                found => Ok(found),
            }
        };
        self.kept(&self.heavy, find).map(Option::as_ref)
    }

    /// Whether the server serves the next client after one that has left without a word, however it feels.
    ///
    /// # Errors
    ///
    /// If that can't be found out.
    pub fn bears_empty(&self) -> Result<bool, Trouble> {
        let bears = || {
            let server = self.start()?;
            server.connect_accepted()?.close();
            Ok(server.probe()? == Probe::Right && server.ended().is_none())
        };
        self.kept(&self.bears_empty, bears).copied()
    }

    /// Which calls the server makes for one good client.
    ///
    /// # Errors
    ///
    /// If it does not answer; [`Trouble::Blocked`] where the system does not let its calls be seen.
    pub(super) fn habits(&self) -> Result<&Habits, Trouble> {
        self.kept(&self.habits, || Habits::of(self))
    }

    /// What clients that come and go leave behind.
    ///
    /// # Errors
    ///
    /// Those of the clients; [`Trouble::Broken`] if they are not served.
    pub(super) fn growth(&self) -> Result<&Growth, Trouble> {
        let growth = self.kept(&self.growth, || {
            let before = self.ends.borrow().len();
            let growth = Growth::watch(self)?;
            Ok(growth.with_ends(self.ends.borrow()[before..].to_vec()))
        })?;
        // The check is about these.
        self.ends.borrow_mut().extend(growth.ends.iter().cloned());
        Ok(growth)
    }

    /// What is in a cell, or what is put there now: with servers of its own, in networks of their own, of which
    /// nothing is written down.
    fn kept<'c, T>(
        &self,
        cell: &'c OnceCell<T>,
        make: impl FnOnce() -> Result<T, Trouble>,
    ) -> Result<&'c T, Trouble> {
        if let Some(kept) = cell.get() {
            return Ok(kept);
        }
        self.shared.was_asked.set(true);
        let (port, ends) = (self.port.get(), self.ends.borrow().len());
        let (made, death) = self.unwritten(|| {
            let made = match self.plan.isolation {
                Isolation::Namespaces => come_back_after(make),
                Isolation::Beside(_) => Ok(make()),
            };
            (made, self.log().death())
        });
        self.port.set(port);
        if !matches!(made, Ok(Ok(_))) {
            self.log().note_death(death);
        }
        let made = made??;
        // Whatever has ended meanwhile, it is found out.
        self.ends.borrow_mut().truncate(ends);
        Ok(cell.get_or_init(|| made))
    }

    /// Does something of which nothing comes into the transcript of the check.
    pub(super) fn unwritten<T>(&self, body: impl FnOnce() -> T) -> T {
        let log = self.log.replace(Log::new());
        let done = body();
        self.log.replace(log);
        done
    }

    /// Where each client has a program started, waits until these are through with their start, and with their client if
    /// that has left.
    ///
    /// # Errors
    ///
    /// Those of waiting.
    pub(super) fn until_started(&self, server: &Server) -> Result<(), Trouble> {
        if self.starts_often() {
            server.until_at_rest_for(5, self.plan.patience * 10)?;
        }
        Ok(())
    }

    /// Whether a program is started for each client.
    pub(super) fn starts_often(&self) -> bool {
        match self.plan.by_inetd {
            Some(Inetd::Nowait) => true,
            Some(Inetd::Wait { .. }) => self.life.get() != Some(Life::Lasting),
            None => false,
        }
    }

    /// How long it lives, where it is started with a socket and has answered.
    pub(super) fn life(&self) -> Option<Life> {
        self.life.get()
    }

    /// Whether the server is known to have answered.
    pub(super) fn has_answered(&self) -> bool {
        self.manners.get().is_some()
    }

    /// The longest that it takes the server to compute what a check may have asked for.
    pub(super) fn longest(&self) -> Duration {
        let heavy = self.heavy.get().and_then(Option::as_ref);
        self.plan.patience + heavy.map_or(Duration::ZERO, |heavy| heavy.alone * 10)
    }

    /// What a check comes to. If the server has ended meanwhile, that is told, and it is a fault even where what the
    /// check stands on did not happen because of it.
    fn judged(&self, outcome: Result<Outcome, Trouble>) -> Outcome {
        let Some(death) = self.log().death() else { return judged(outcome) };
        match outcome {
            Err(trouble @ (Trouble::Broken(_) | Trouble::Call(_)))
                if !trouble.is_interrupt() && !self.is_single_use().unwrap_or(false) =>
            {
                death.with(format!("so this came to nothing: {trouble}"))
            }
            // That a client's request came to nothing is what it looks like from outside.
            Ok(outcome)
                if matches!(outcome.verdict, Verdict::Fail | Verdict::Weak)
                    && !outcome.tells_of(&death)
                    && !self.is_single_use().unwrap_or(false) =>
            {
                outcome.with(death.what).with_all(death.evidence)
            }
            outcome => judged(outcome),
        }
    }

    fn run(&self, check: &Check) -> Finding {
        self.log.replace(Log::new());
        let begun = Instant::now();
        self.ends.take();
        let make = || self.judged((check.run)(self));
        let excluded = |style| inetd::excluded(style, self.life.get(), check.id);
        let outcome = match (&self.plan.running, self.plan.by_inetd.and_then(excluded)) {
            (None, Some(excluded)) => excluded,
            (Some(running), _) => self.shared.run(self, running, check.id, make),
            (None, None) if self.life() == Some(Life::Lasting) => {
                inetd::unless_ended(make(), check.id, &self.ends.take())
            }
            (None, None) => make(),
        };
        finding(check, outcome, &self.log(), begun, &self.plan.again)
    }
}

/// What a check comes to, if something has kept it from coming to anything too.
pub(super) fn judged(outcome: Result<Outcome, Trouble>) -> Outcome {
    outcome.unwrap_or_else(|trouble| match trouble {
        Trouble::Blocked(what) => Outcome::new(Verdict::Blocked, what),
        Trouble::Died(death) => death,
        trouble => Outcome::new(Verdict::Broken, trouble.to_string()),
    })
}

/// What is reported of a check that has been made.
pub(super) fn finding<Of>(
    check: &Check<Of>,
    outcome: Outcome,
    log: &Log,
    begun: Instant,
    again: &str,
) -> Finding {
    let is_fault = matches!(outcome.verdict, Verdict::Fail | Verdict::Weak);
    Finding {
        id: check.id.to_owned(),
        name: check.name.to_owned(),
        verdict: outcome.verdict,
        what: outcome.what,
        evidence: outcome.evidence,
        transcript: log.lines(),
        seconds: begun.elapsed().as_secs_f64(),
        source: check.source.to_owned(),
        remedy: is_fault.then(|| outcome.remedy.unwrap_or(check.remedy).to_owned()),
        repeat: repeat(again, check.id),
    }
}

/// The command that repeats one check alone: a claim would add the check of the claim.
fn repeat(again: &str, id: &str) -> String {
    let skip = if again.contains("--claims") && id != "C10" { " --skip C10" } else { "" };
    again.replacen("examine", &format!("examine --only {id}{skip}"), 1)
}

/// Examines a server with some checks; `tell` is called before each, with how many are done, how many there
/// are, and the one that begins.
///
/// # Errors
///
/// Only if the user has ended it.
pub fn examine(
    plan: &Plan,
    checks: &[&Check],
    mut tell: impl FnMut(usize, usize, &Check),
) -> Result<Examination, Trouble> {
    let begun = Instant::now();
    let exam = Exam::new(plan, raise_descriptors()?);
    let mut examination = Examination {
        role: Role::Server,
        server: plan.name.clone(),
        command: plan.command.iter().map(|word| word.to_string_lossy().into_owned()).collect(),
        isolation: plan.surroundings(),
        identity: None,
        findings: Vec::new(),
        trouble: None,
        seconds: 0.0,
    };
    // What can't even be started is one line of trouble, not one for each check.
    let started = exam.start().and_then(|server| {
        exam.life.set(exam.lives(&server)?);
        let is_restless = server.never_rests()?;
        exam.shared.meet(&server)?;
        Ok((server.is_tcp, is_restless))
    });
    let is_tcp = match started {
        Ok((is_tcp, is_restless)) => {
            exam.is_restless.set(is_restless);
            is_tcp
        }
        Err(trouble) if trouble.is_interrupt() => return Err(trouble),
        Err(trouble) => {
            examination.trouble = Some(trouble.to_string());
            return Ok(examination);
        }
    };
    let here = if is_tcp { Over::Tcp } else { Over::Udp };
    let asked: Vec<&&Check> =
        checks.iter().filter(|check| [here, Over::Both].contains(&check.over)).collect();
    for (done, check) in asked.iter().enumerate() {
        tell(done, asked.len(), check);
        let finding = exam.run(check);
        if let Err(trouble) = still_wanted() {
            return Err(trouble.into());
        }
        examination.findings.push(finding);
    }
    examination.identity = exam.design.get().map(|design| Identity {
        design: design.to_string(),
        method: design.method().to_owned(),
        workers: Some(design.workers),
        evidence: design.evidence.clone(),
    });
    examination.seconds = begun.elapsed().as_secs_f64();
    Ok(examination)
}

/// Lets this process have as many descriptors as it may, a client each; returns how many it had, as the server
/// is to have.
fn raise_descriptors() -> crate::posix::Result<u64> {
    let limit = getrlimit(RLIMIT_NOFILE)?;
    setrlimit(RLIMIT_NOFILE, &rlimit { rlim_cur: limit.rlim_max, ..limit })?;
    Ok(limit.rlim_cur)
}

/// An error once the user wants an end.
pub(super) fn still_wanted() -> crate::posix::Result<()> {
    crate::subject::wait_for(&mut Vec::new(), Deadline::after(Duration::ZERO)).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_check_is_repeated_alone() {
        let plain = "socklab examine -- ./examine";
        assert_eq!(repeat(plain, "D8"), "socklab examine --only D8 -- ./examine");
        let claims = "socklab examine --claims forked -- x";
        assert_eq!(
            repeat(claims, "D8"),
            "socklab examine --only D8 --skip C10 --claims forked -- x"
        );
        assert_eq!(repeat(claims, "C10"), "socklab examine --only C10 --claims forked -- x");
    }
}

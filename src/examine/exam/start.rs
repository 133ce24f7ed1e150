//! How the server is started: afresh for each check, in a network in which nothing has happened yet.

use std::cell::RefCell;
use std::ffi::OsString;
use std::process::Command;
use std::rc::Rc;

use super::Exam;
use crate::examine::inetd::{self, Life};
use crate::examine::plan::{PORT, Port};
use crate::examine::protocol::Protocol;
use crate::examine::server::{Held, IN_VAIN, Server};
use crate::examine::{Outcome, Trouble};
use crate::net::Deadline;
use crate::posix::sys_resource::{RLIMIT_NOFILE, getrlimit, rlimit, setrlimit};
use crate::subject::cell::renew_network;
use crate::subject::gate::{Gate, Sysno, Tap};
use crate::subject::{Inetd, Limits, Reached, Running, Subject, Wanted, free_port};

impl Exam<'_> {
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
    pub(in crate::examine) fn protocol(&self, is_tcp: bool) -> Protocol {
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

    /// Where each client has a program started, waits until these are through with their start, and with their client if
    /// that has left.
    ///
    /// # Errors
    ///
    /// Those of waiting.
    pub(in crate::examine) fn until_started(&self, server: &Server) -> Result<(), Trouble> {
        if self.starts_often() {
            server.until_at_rest_for(5, self.plan.patience * 10)?;
        }
        Ok(())
    }

    /// Whether a program is started for each client.
    pub(in crate::examine) fn starts_often(&self) -> bool {
        match self.plan.by_inetd {
            Some(Inetd::Nowait) => true,
            Some(Inetd::Wait { .. }) => self.life.get() != Some(Life::Lasting),
            None => false,
        }
    }
}

/// Lets this process have as many descriptors as it may, a client each; returns how many it had, as the server
/// is to have.
pub(super) fn raise_descriptors() -> crate::posix::Result<u64> {
    let limit = getrlimit(RLIMIT_NOFILE)?;
    setrlimit(RLIMIT_NOFILE, &rlimit { rlim_cur: limit.rlim_max, ..limit })?;
    Ok(limit.rlim_cur)
}

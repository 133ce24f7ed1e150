//! A server that runs already: with the checks that neither start nor stop it.

use std::rc::Rc;
use std::time::Duration;

use super::super::Failure;
use super::{Arguments, ended, one, prepare_here};
use crate::examine::protocol::Protocol;
use crate::examine::{Check, OnRunning, Plan, Port};
use crate::report::shell;
use crate::subject::Running;

pub(super) fn run(
    pid: u32,
    arguments: &Arguments,
    mut checks: Vec<&'static Check>,
    protocol: Option<Protocol>,
) -> Result<(), Failure> {
    let asked = &arguments.asked;
    let is_named =
        |check: &Check| arguments.only.iter().any(|id| check.id.eq_ignore_ascii_case(id));
    let never = |check: &&Check| check.on_running == OnRunning::Never;
    if let Some(check) = checks.iter().copied().filter(never).find(|check| is_named(check)) {
        return Err(Failure::usage(format!(
            "error: {} is not made on a server that runs already: it starts, stops, signals or limits it; give the \
             server's command behind --",
            check.id
        )));
    }
    checks.retain(|check| match check.on_running {
        OnRunning::Made => true,
        OnRunning::IfNamed => is_named(check),
        OnRunning::Never => false,
    });
    if checks.is_empty() {
        return Err(Failure::usage(
            "error: none of these checks is made on a server that runs already; `socklab examine --list` says which are",
        ));
    }
    let running = Running::find(pid, asked.port)
        .map_err(|refusal| Failure { line: format!("error: {refusal}"), status: 2 })?;
    let command = running.command.clone();
    let name = asked.name.clone();
    let plan = Plan {
        name: name.unwrap_or_else(|| format!("{} (process {pid})", shell(&command))),
        command: command.into_iter().map(Into::into).collect(),
        port: Port::Fixed(running.reached.addr.port()),
        by_inetd: None,
        running: Some(Rc::new(running)),
        protocol,
        patience: Duration::from_secs(asked.wait),
        isolation: prepare_here()?,
        claims: asked.claims.clone(),
        like: None,
        again: super::again(),
    };
    let examination = one(&plan, &checks)?;
    arguments.output.one(&examination)?;
    ended(examination.status())
}

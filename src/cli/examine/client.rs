//! A client, whose server the examiner plays.

use std::time::Duration;

use super::super::Failure;
use super::{Arguments, again, ended, prepare, selection, told, words};
use crate::examine::{CLIENT_CHECKS, ClientPlan, Port, Reply, examine_client};
use crate::report::shell;

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let checks = selection(arguments, CLIENT_CHECKS)?;
    let asked = &arguments.asked;
    let reply = asked.answer.as_deref().map(|answer| Reply::own(answer, asked.expect.as_deref()));
    let reply = reply.transpose().map_err(|what| Failure::usage(format!("error: {what}")))?;
    if let Some(file) = &arguments.suite {
        return super::suite::run(file, arguments);
    }
    if arguments.command.is_empty() {
        return Err(Failure::usage(
            "error: no client: give a command behind --, or --suite FILE; `socklab examine --help`",
        ));
    }
    let plan = ClientPlan {
        name: asked.name.clone().unwrap_or_else(|| shell(&words(&arguments.command))),
        command: arguments.command.clone(),
        port: asked.port.map_or(Port::Given, Port::Fixed),
        reply,
        patience: Duration::from_secs(asked.wait),
        isolation: prepare()?,
        again: again(),
    };
    let examination = told(examine_client(&plan, &checks, super::progress))?;
    arguments.output.one(&examination)?;
    ended(examination.status())
}

//! The clients of a script at work: each step, and after it the server's rest.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::clients::{self, Act};
use super::record::Failure;
use super::script::{Action, Step};
use crate::net::{Deadline, family, from_c, to_c, wait};
use crate::posix::error::{EAGAIN, ECONNREFUSED, ECONNRESET, EINPROGRESS, EINTR, ENOTCONN, EPIPE};
use crate::posix::poll::{POLLIN, POLLOUT, pollfd};
use crate::posix::signal::{SIGCONT, SIGSTOP, kill};
use crate::posix::sys_socket::*;
use crate::posix::{Error, Result as CResult};
use crate::subject::{Reached, Subject, is_accepted, is_stopped, is_whole, until, wait_for};

/// A client of a script.
pub(super) struct Client {
    name: String,
    sockfd: OwnedFd,
    addr: SocketAddr,
    /// It has heard the end of its connection.
    is_over: bool,
}

/// Clients, and the server that they ask.
pub(super) struct Play<'a> {
    pub subject: &'a Subject,
    pub reached: Reached,
    pub patience: Duration,
    /// Waits for the server's rest; fails when there can be no recording any more.
    pub settle: &'a mut dyn FnMut() -> Result<(), Failure>,
    /// Those that are connected.
    pub clients: &'a mut Vec<Client>,
    /// What the clients did.
    pub seen: &'a mut Vec<clients::Client>,
}

/// The time of day, which strace counts in too.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

impl Play<'_> {
    /// Plays a script. Whoever is still connected at its end closes then, in the order of the connections.
    ///
    /// # Errors
    ///
    /// What a client waited for in vain, or a call of ours that failed.
    pub(super) fn all(mut self, steps: &[Step]) -> Result<(), Failure> {
        // Over UDP a port may be closed by now: whoever has learnt it asks no more.
        let mut refused: Vec<&str> = Vec::new();
        for step in steps {
            let name = step.client.as_str();
            let is_new = matches!(step.action, Action::Connect | Action::Ask(_));
            if refused.contains(&name) && !is_new {
                continue;
            }
            refused.retain(|refused| *refused != name);
            let began = now();
            if is_new {
                self.clients.retain(|client| client.name != name);
                let client = self.arrive(step)?;
                self.clients.push(client);
            } else {
                let at = self.clients.iter().position(|client| client.name == name);
                let gone = || Failure::Script(format!("client {name} is not connected any more"));
                let at = at.ok_or_else(gone)?;
                match self.act(&self.clients[at], &step.action)? {
                    Went::On => {}
                    Went::Over => self.clients[at].is_over = true,
                    Went::Refused => refused.push(name),
                }
                if matches!(step.action, Action::Reset | Action::Close) {
                    let client = self.clients.remove(at);
                    self.leave(client)?;
                }
            }
            self.note(name, &step.action, began);
            (self.settle)()?;
        }
        for client in std::mem::take(self.clients) {
            let is_heard = self.reached.is_tcp && !client.is_over;
            let (name, began) = (client.name.clone(), now());
            self.leave(client)?;
            if is_heard {
                self.note(&name, &Action::Close, began);
                (self.settle)()?;
            }
        }
        Ok(())
    }

    fn note(&mut self, name: &str, action: &Action, began: f64) {
        if let Some(client) = self.seen.iter_mut().rfind(|client| client.name == name) {
            let (word, text) = (action.word(), action.to_string());
            client.acts.push(Act { word, text, at: began, spent: now() - began });
        }
    }

    fn failed(&self, name: &str, error: Error) -> Failure {
        match error.errno() {
            EINTR => Failure::from(error),
            _ => Failure::Script(format!("client {name}: {error}")),
        }
    }

    fn late(&self, name: &str, what: &str) -> Failure {
        Failure::Answer(format!("client {name}: no {what} within {} s", self.patience.as_secs()))
    }

    /// A new client connects.
    fn arrive(&mut self, step: &Step) -> Result<Client, Failure> {
        let name = step.client.as_str();
        let failed = |error| self.failed(name, error);
        let end = Deadline::after(self.patience);
        if let Action::Ask(_) = step.action {
            // A server goes no further than to its next call while strace stands still.
            self.hold()?;
        }
        let found = connect_to(self.reached, end).map_err(failed)?;
        let (sockfd, addr) = found.ok_or_else(|| {
            let patience = self.patience.as_secs();
            Failure::Script(format!(
                "client {name}: not connected within {patience} s: as many wait to be accepted as the server's backlog \
                 has room for"
            ))
        })?;
        if let Action::Ask(bytes) = &step.action {
            send(&sockfd, bytes, MSG_NOSIGNAL).map_err(failed)?;
            kill(self.subject.pid() as i32, SIGCONT)?;
        }
        self.seen.push(clients::Client {
            name: step.client.clone(),
            is_tcp: self.reached.is_tcp,
            port: addr.port(),
            connection: None,
            acts: Vec::new(),
        });
        Ok(Client { name: step.client.clone(), sockfd, addr, is_over: false })
    }

    /// Stops strace, and waits until it has stopped.
    fn hold(&self) -> Result<(), Failure> {
        hold(self.subject, self.patience)
    }

    /// Does what a connected client does.
    fn act(&self, client: &Client, action: &Action) -> Result<Went, Failure> {
        let name = client.name.clone();
        let failed = |error| self.failed(&name, error);
        let late = |what| self.late(&name, what);
        let end = Deadline::after(self.patience);
        match action {
            Action::Connect | Action::Ask(_) | Action::Close => {}
            Action::Accepted => {
                // Or it has its answer already, or its end.
                let taken = || {
                    let mut fds = [pollfd::new(&client.sockfd, POLLIN)];
                    let is_heard = wait(&mut fds, Deadline::after(Duration::ZERO))?;
                    let addr = self.reached.addr;
                    Ok((is_heard || is_accepted(addr, client.addr)?).then_some(()))
                };
                until(self.patience, taken)?.ok_or_else(|| late("accept"))?;
            }
            Action::Send(bytes) => match send(&client.sockfd, bytes, MSG_NOSIGNAL) {
                Ok(_sent) => {}
                // Over TCP what was sent before may still be answered.
                Err(error) if is_gone(error) && self.reached.is_tcp => {}
                Err(error) if is_gone(error) => return Ok(Went::Refused),
                Err(error) => return Err(failed(error)),
            },
            Action::Finish => {
                shutdown(&client.sockfd, SHUT_WR).map_err(failed)?;
                self.until_heard(client.addr)?;
            }
            Action::Expect(bytes) => {
                let is_enough = |got: &[u8]| got.len() >= bytes.len().max(1);
                match receive(client, bytes.len().max(1), is_enough, end).map_err(failed)? {
                    Heard::Reset => return self.unanswered(&name, "was reset"),
                    Heard::End(got) if got.is_empty() => {
                        return self.unanswered(&name, "has ended");
                    }
                    Heard::Late(got) if got.is_empty() => return Err(late("answer")),
                    Heard::Enough(got) | Heard::End(got) | Heard::Late(got) => {
                        if !bytes.is_empty() && got != *bytes {
                            let (got, bytes) = (got.escape_ascii(), bytes.escape_ascii());
                            let what =
                                format!("client {name}: answered \"{got}\", not \"{bytes}\"");
                            return Err(Failure::Answer(what));
                        }
                    }
                }
            }
            Action::Match(pattern) => {
                let is_enough = |got: &[u8]| pattern.is_match(got);
                match receive(client, usize::MAX, is_enough, end).map_err(failed)? {
                    Heard::Enough(_) => {}
                    Heard::Reset => return self.unanswered(&name, "was reset"),
                    Heard::End(got) if got.is_empty() => {
                        return self.unanswered(&name, "has ended");
                    }
                    Heard::Late(got) if got.is_empty() => return Err(late("answer")),
                    Heard::End(got) | Heard::Late(got) => {
                        let got = got.escape_ascii();
                        let what = format!("client {name}: answered \"{got}\", not like {pattern}");
                        return Err(Failure::Answer(what));
                    }
                }
            }
            Action::End => match receive(client, usize::MAX, |_| false, end).map_err(failed)? {
                Heard::Late(_) => {
                    let patience = self.patience.as_secs();
                    let what = format!("client {name}: no end of file within {patience} s");
                    return Err(Failure::Script(what));
                }
                _ => return Ok(Went::Over),
            },
            Action::Reset => {
                let now = linger { l_onoff: 1, l_linger: 0 };
                setsockopt(&client.sockfd, SOL_SOCKET, SO_LINGER, &now).map_err(failed)?;
            }
        }
        Ok(Went::On)
    }

    /// Over UDP a port may be closed by now; over TCP somebody has taken the client in, and did not answer.
    fn unanswered(&self, name: &str, what: &str) -> Result<Went, Failure> {
        if self.reached.is_tcp {
            let what = format!("client {name}: no answer: the connection {what}");
            return Err(Failure::Answer(what));
        }
        Ok(Went::Refused)
    }

    /// Closes a client's socket, and waits until that has come to the server's end.
    fn leave(&self, client: Client) -> Result<(), Failure> {
        let addr = client.addr;
        drop(client);
        self.until_heard(addr)
    }

    fn until_heard(&self, client: SocketAddr) -> Result<(), Failure> {
        if self.reached.is_tcp {
            let is_heard = || Ok((!is_whole(self.reached.addr, client)?).then_some(()));
            // Behind a full window it comes later.
            until(self.patience.min(Duration::from_secs(1)), is_heard)?;
        }
        Ok(())
    }
}

/// Stops strace, and waits until it has stopped.
pub(super) fn hold(subject: &Subject, patience: Duration) -> Result<(), Failure> {
    if subject.pid() == 0 {
        return Err(Failure::Script(String::from("strace has ended")));
    }
    kill(subject.pid() as i32, SIGSTOP)?;
    until(patience, || Ok(is_stopped(subject.pid()).then_some(())))?
        .ok_or_else(|| Failure::Script(String::from("strace can't be stopped")))
}

/// Whether the other end is not there any more.
const fn is_gone(error: Error) -> bool {
    matches!(error.errno(), ECONNREFUSED | ECONNRESET | EPIPE | ENOTCONN)
}

/// A connected socket and its address; nothing once the time is over.
fn connect_to(reached: Reached, end: Deadline) -> CResult<Option<(OwnedFd, SocketAddr)>> {
    let kind = if reached.is_tcp { SOCK_STREAM } else { SOCK_DGRAM };
    let sockfd = socket(family(&reached.addr), kind | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)?;
    match connect(&sockfd, &to_c(&reached.addr)) {
        Err(error) if error.errno() == EINPROGRESS => {
            if !wait_for(&mut vec![pollfd::new(&sockfd, POLLOUT)], end)? {
                return Ok(None);
            }
            match getsockopt::<i32>(&sockfd, SOL_SOCKET, SO_ERROR)? {
                0 => {}
                errno => return Err(Error::new("connect", errno)),
            }
        }
        connected => connected?,
    }
    let addr = from_c(&getsockname(&sockfd)?).unwrap_or(reached.addr);
    Ok(Some((sockfd, addr)))
}

/// What became of a client's connection in a step.
enum Went {
    On,
    /// It has heard the end.
    Over,
    /// Nobody is there.
    Refused,
}

/// What has come to a client, and why it is no more.
enum Heard {
    Enough(Vec<u8>),
    End(Vec<u8>),
    Late(Vec<u8>),
    Reset,
}

/// Receives no more than so many bytes, until there are enough, the connection has ended, or the time is over.
fn receive(
    client: &Client,
    most: usize,
    is_enough: impl Fn(&[u8]) -> bool,
    end: Deadline,
) -> CResult<Heard> {
    let mut got = Vec::new();
    let mut buffer = [0; 4096];
    while !is_enough(&got) {
        let room = buffer.len().min(most - got.len());
        match recv(&client.sockfd, &mut buffer[..room], 0) {
            Ok(0) => return Ok(Heard::End(got)),
            Ok(length) => got.extend_from_slice(&buffer[..length]),
            Err(error) if error.errno() == EAGAIN => {
                if !wait_for(&mut vec![pollfd::new(&client.sockfd, POLLIN)], end)? {
                    return Ok(Heard::Late(got));
                }
            }
            Err(error) if is_gone(error) => return Ok(Heard::Reset),
            Err(error) => return Err(error),
        }
    }
    Ok(Heard::Enough(got))
}

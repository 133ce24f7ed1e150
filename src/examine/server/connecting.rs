//! Clients that come to the server, and whether it takes them in.

use std::net::SocketAddr;
use std::time::Duration;

use super::Server;
use crate::examine::Trouble;
use crate::examine::client::{Client, End, Manner};

impl Server {
    /// Connects a client.
    ///
    /// # Errors
    ///
    /// [`Trouble::Broken`] if the server does not take it, [`Trouble::Died`] if it has ended.
    pub fn connect(&self) -> Result<Client, Trouble> {
        match (self.connect_as(Manner::default())?, self.ended()) {
            (Some(client), _) => Ok(client),
            (None, Some(ending)) => Err(Trouble::Died(self.died(ending))),
            // The kernel closes the port before it tells of the end.
            (None, None) if self.listeners()?.is_empty() => {
                match self.until_ended(self.patience.min(Duration::from_secs(1)))? {
                    Some(ending) => Err(Trouble::Died(self.died(ending))),
                    None => {
                        Err(Trouble::Broken(String::from("the server does not listen any more")))
                    }
                }
            }
            (None, None) => Err(Trouble::Broken(String::from("a client could not connect"))),
        }
    }

    /// Connects a client that is special; `None` if the server does not take it.
    ///
    /// # Errors
    ///
    /// Those of the calls.
    pub fn connect_as(&self, manner: Manner) -> Result<Option<Client>, Trouble> {
        Client::connect(self.addr, self.is_tcp, manner, &self.log, self.patience)
    }

    /// Connects a client to another address; `None` if nobody takes it.
    ///
    /// # Errors
    ///
    /// Those of the calls.
    pub fn connect_to(&self, addr: SocketAddr) -> Result<Option<Client>, Trouble> {
        Client::connect(addr, self.is_tcp, Manner::default(), &self.log, self.patience)
    }

    /// A client that begins to connect, of which nothing is waited for; `None` if the port is closed.
    ///
    /// # Errors
    ///
    /// Those of the calls.
    pub fn begin_connect(&self) -> Result<Option<Client>, Trouble> {
        Client::begin(self.addr, self.is_tcp, Manner::default(), &self.log, self.patience)
    }

    /// Connects a client and waits until the server has accepted it.
    ///
    /// # Errors
    ///
    /// [`Trouble::Broken`] if it does not.
    pub fn connect_accepted(&self) -> Result<Client, Trouble> {
        let client = self.connect()?;
        if !self.until_accepted(&client)? {
            let mut what = format!("{} was never accepted", client.name());
            what.extend(self.stopped().map(|stopped| format!(": {stopped}")));
            return Err(Trouble::Broken(what));
        }
        Ok(client)
    }

    /// Connects a client, and sees whether the server takes it, or rests without having done so.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect), and what asking the kernel fails with.
    pub fn connect_if_taken(&self) -> Result<(Client, bool), Trouble> {
        let client = self.connect()?;
        let is_taken = || Ok(self.is_accepted(&client)? || client.is_told()?);
        self.until_or_at_rest(self.patience, 40, is_taken)?;
        let is_taken = is_taken()?;
        Ok((client, is_taken))
    }

    /// Lets a client leave in good order, as long as the server does not keep it: it half-closes, and closes when it has heard
    /// what was still to come. Whoever closes with something unread resets the connection.
    ///
    /// # Errors
    ///
    /// Those of the calls.
    pub fn dismiss(&self, mut client: Client) -> Result<(), Trouble> {
        client.finish()?;
        let has_ended = || Ok(client.take()?.end != End::Open);
        self.until_or_at_rest(Duration::from_secs(1), 5, has_ended)?;
        client.take()?;
        client.close();
        Ok(())
    }

    /// Waits until a client is accepted, or is told something; false once the patience is over.
    ///
    /// # Errors
    ///
    /// What asking the kernel fails with.
    pub fn until_accepted(&self, client: &Client) -> Result<bool, Trouble> {
        self.until(|| Ok(self.is_accepted(client)? || client.is_told()?))
    }
}

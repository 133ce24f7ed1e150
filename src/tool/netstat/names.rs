//! Names in place of numbers, each looked up once.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;

use super::Protocol;
use crate::net::name_of;
use crate::posix::netdb::getservbyport;
use crate::posix::pwd::getpwuid;

/// The names that have been asked for.
#[derive(Debug, Default)]
pub struct Names {
    hosts: HashMap<IpAddr, Option<String>>,
    services: HashMap<(Protocol, u16), Option<String>>,
    users: HashMap<u32, Option<String>>,
}

impl Names {
    /// The name of an address, where it has one. This may ask the network.
    pub fn host(&mut self, ip: IpAddr) -> Option<&str> {
        known(self.hosts.entry(ip), || name_of(ip))
    }

    /// The name of a port.
    pub fn service(&mut self, protocol: Protocol, port: u16) -> Option<&str> {
        known(self.services.entry((protocol, port)), || {
            let protocol = match protocol {
                Protocol::Tcp => c"tcp",
                Protocol::Udp => c"udp",
            };
            let service = getservbyport(port.to_be().into(), Some(protocol))?;
            Some(service.s_name.to_string_lossy().into_owned())
        })
    }

    /// The name of a user.
    pub fn user(&mut self, uid: u32) -> Option<&str> {
        known(self.users.entry(uid), || Some(getpwuid(uid)?.pw_name.to_string_lossy().into_owned()))
    }
}

fn known<'a, K>(
    entry: Entry<'a, K, Option<String>>,
    look_up: impl FnOnce() -> Option<String>,
) -> Option<&'a str> {
    entry.or_insert_with(look_up).as_deref()
}

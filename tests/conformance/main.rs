//! Every server design, in every language, against well- and badly-behaved clients.
//!
//! Nothing here sleeps and no time limit decides: what has to have happened first (the client is
//! accepted, the reset has arrived, the server computes) is looked up in /proc and in the kernel's
//! socket table until it is so, and a wait that never ends fails by its own name.

#[path = "../support/mod.rs"]
mod support;

mod addresses;
mod cases;
mod clients;
mod deferred;
mod descriptors;
mod diag;
mod hybrid;
mod injection;
mod pools;
mod promises;
mod protocol;
mod real_clients;
mod shortage;
mod stacks;
mod steadiness;
mod stopping;
mod superservers;
mod tools;
mod udp;
mod watch;
mod wire;

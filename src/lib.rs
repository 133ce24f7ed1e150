//! POSIX sockets to work with: the map, in the order in which data flows.

pub mod posix;

pub mod linux;

pub mod service;

pub mod server;

pub mod client;

pub mod net;

pub mod tool;

pub mod experiment;

pub mod subject;

pub mod report;

pub mod examine;

pub mod compare;

pub mod cli;

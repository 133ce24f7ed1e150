//! More clients than select() has room for, and as many for every other design with a descriptor
//! for each.

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use socklab::server::{Design, PerClient, Pool, Silent};

use crate::cases::{each, is_tcp, skip};
use crate::support::Language;
use crate::watch::{descriptors, polls, rest, serving_task, sleeps, until, until_rest, waits};
use crate::wire::{Client, End, assert_serves};

const CLIENTS: usize = 1100;
/// What one test process and its servers need at the most.
const ENOUGH: u64 = 4096;

fn holds_descriptors(design: &Design) -> bool {
    is_tcp(design)
        && design.promises.silent == Silent::Harmless
        && design.promises.per_client != PerClient::Process
        && design.promises.pool != Pool::Processes
}

/// Raises the soft limit of open files, which the servers inherit.
fn may_open_enough() -> bool {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
    if hard < ENOUGH {
        skip(format_args!("{CLIENTS} clients"), format_args!("no more than {hard} open files"));
        return false;
    }
    if soft < ENOUGH {
        setrlimit(Resource::RLIMIT_NOFILE, ENOUGH, hard).expect("raised");
    }
    true
}

#[test]
fn eleven_hundred_clients() {
    if !may_open_enough() {
        return;
    }
    each(holds_descriptors, |case| {
        let sanitized = !matches!(case.language, Language::Rust | Language::C);
        if sanitized && case.design.promises.per_client == PerClient::Thread {
            return skip(
                format_args!("{CLIENTS} clients of {case}"),
                "as many stacks and their shadows, which says nothing of the descriptors",
            );
        }
        let server = case.start();
        let before = rest(&server);
        let clients: Vec<Client> = (0..CLIENTS).map(|_| Client::connect(&server)).collect();
        until("every client is accepted or refused", || {
            clients.iter().rev().all(|client| client.is_accepted() || client.has_answer())
        });
        until("the server has done with them", || {
            let doing = serving_task(&server).doing();
            sleeps(doing) || polls(doing) || waits(doing)
        });
        let mut held = Vec::new();
        let mut refused = Vec::new();
        for (i, client) in clients.into_iter().enumerate() {
            if client.has_answer() {
                let (answer, end) = client.read();
                assert!(answer.starts_with("error: no room: "), "{answer:?}");
                assert!(answer.ends_with('\n') && answer.lines().count() == 1, "{answer:?}");
                assert_eq!(end, End::Closed);
                refused.push(i);
            } else {
                held.push(client);
            }
        }
        let highest = descriptors(server.pid()).last().expect("some").0 as usize;
        let found = (!refused.is_empty()).then_some(highest + 1);
        assert_eq!(found, case.design.promises.descriptors);
        if let Some(limit) = found {
            // Those that fit, and from then on nobody.
            assert_eq!(held.len(), limit - before.descriptors());
            assert_eq!(refused, (held.len()..CLIENTS).collect::<Vec<_>>());
        } else {
            assert_eq!(highest, CLIENTS + before.descriptors() - 1);
        }
        for client in &held {
            assert!(!client.has_answer(), "a client noticed that others were refused");
        }
        for client in held.drain(..held.len() / 2) {
            client.send(b"10\n");
            client.expect("55");
        }
        // There is room again.
        assert_serves(&server);
        for client in held {
            client.send(b"10\n");
            client.expect("55");
        }
        until_rest(&server, &before);
        let ended = case.stop(server);
        assert!(ended.status.success() && !ended.left, "{ended:?}");
        assert_eq!(ended.stderr.is_empty(), refused.is_empty(), "{ended:?}");
        for line in ended.stderr.lines() {
            assert!(line.contains("a client refused"), "{line:?}");
        }
    });
}

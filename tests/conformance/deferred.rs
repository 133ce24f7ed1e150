//! `--defer-accept`: a client that says nothing stays with the kernel, so nobody waits for it.

use socklab::posix::netinet_in::IPPROTO_TCP;
use socklab::posix::netinet_tcp::TCP_DEFER_ACCEPT;
use socklab::posix::sys_socket::getsockopt;
use socklab::server::{Design, Pool, Silent};

use crate::cases::{POOL, all, each, run};
use crate::support::{Language, descriptor};
use crate::watch::{descriptors, rest, serving_task, until_rest};
use crate::wire::{Client, assert_serves};

fn defers(design: &Design) -> bool {
    design.promises.deferred.is_some()
}

#[test]
fn a_silent_client_is_not_accepted() {
    each(defers, |case| {
        assert_eq!(case.design.promises.deferred, Some(Silent::Harmless));
        let server = case.start_with(&["--defer-accept", "60"]);
        let before = rest(&server);
        // More of them than the backlog: the kernel would answer with SYN cookies, remember nothing,
        // and hand them over.
        let count = if case.design.promises.pool == Pool::None { 1 } else { 2 * POOL };
        let silent: Vec<Client> = (0..count).map(|_| Client::connect(&server)).collect();
        for _ in 0..2 * POOL {
            assert_serves(&server);
        }
        until_rest(&server, &before);
        for client in &silent {
            assert!(!client.is_accepted() && !client.has_answer());
        }
        // Once they speak, they are served.
        for client in silent {
            client.send(b"20\n");
            client.expect("6765");
        }
        until_rest(&server, &before);
        case.stop(server).assert_clean();
    });
}

/// A client that connects and closes has said something: the end of the file.
#[test]
fn a_client_that_closes_is_let_go() {
    each(defers, |case| {
        let server = case.start_with(&["--defer-accept", "60"]);
        let before = rest(&server);
        let client = Client::connect(&server);
        client.finish();
        client.expect("");
        until_rest(&server, &before);
        case.stop(server).assert_clean();
    });
}

/// The time is the kernel's, in steps of its repeated SYN-ACKs; then the client is handed over, and
/// stalls the others as it does without the option.
#[test]
fn only_for_a_time() {
    let cases: Vec<_> = all(|design| defers(design) && design.promises.pool == Pool::None)
        .into_iter()
        .filter(|case| case.language != Language::Sanitized)
        .collect();
    run(
        &cases,
        |case| case.to_string(),
        |case| {
            let server = case.start_with(&["--defer-accept", "1"]);
            rest(&server);
            let pid = serving_task(&server).pid;
            let seconds = descriptors(pid).into_iter().find_map(|(fd, what)| {
                let socket = what.starts_with("socket:").then(|| descriptor(pid, fd))?;
                getsockopt::<i32>(&socket, IPPROTO_TCP, TCP_DEFER_ACCEPT).ok()
            });
            assert_eq!(seconds, Some(1));
            let silent = Client::connect(&server);
            assert_serves(&server);
            silent.until_accepted();
            drop(silent);
            assert_serves(&server);
            case.stop(server).assert_clean();
        },
    );
}

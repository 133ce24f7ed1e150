//! Linux's io_uring.

use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};

use socklab::linux::io_uring::{
    BUFFER_SIZE, BUFFERS, Completion, IORING_SETUP_DEFER_TASKRUN, IORING_SETUP_SINGLE_ISSUER, Ring,
    SEND_MAX, io_uring_queue_exit, io_uring_queue_init, io_uring_submit, io_uring_submit_and_wait,
    next_completion, prep_accept, prep_close, prep_recv, prep_send_and_close, prep_timeout,
    provide_buffers,
};
use socklab::posix::Result;
use socklab::posix::error::{EBUSY, ECONNRESET, EEXIST, EINVAL, EMFILE, EMSGSIZE, EPIPE};
use socklab::posix::fcntl::{F_GETFL, fcntl};
use socklab::posix::sys_socket::{
    MSG_NOSIGNAL, SHUT_RD, SHUT_WR, SO_LINGER, SOL_SOCKET, connect, linger, recv, send, setsockopt,
    shutdown,
};
use socklab::posix::unistd::close;

use crate::support::{
    alone, connected, limit_files, listener, name, row, skip, tcp, unix_pair, until,
};

const FLAGS: u32 = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;

/// A ring with buffers, where the kernel permits it.
fn ring<'fd>() -> Option<Ring<'fd>> {
    let made = io_uring_queue_init(8, FLAGS).and_then(|mut ring| {
        provide_buffers(&mut ring)?;
        Ok(ring)
    });
    made.map_err(|error| skip("io_uring", &error.to_string())).ok()
}

/// The next completion, whenever it comes.
fn wait(ring: &mut Ring<'_>) -> Completion {
    loop {
        if let Some(completion) = next_completion(ring) {
            return completion;
        }
        io_uring_submit_and_wait(ring, 1).expect("io_uring_enter");
    }
}

fn accepted(ring: &mut Ring<'_>) -> (Result<OwnedFd>, bool) {
    match wait(ring) {
        Completion::Accept(accepted, is_over) => (accepted, is_over),
        _ => panic!("not an accept"),
    }
}

fn received(ring: &mut Ring<'_>) -> (OwnedFd, Result<Vec<u8>>) {
    match wait(ring) {
        Completion::Recv(connfd, received) => {
            (connfd, received.map(|received| received.bytes().to_vec()))
        }
        _ => panic!("not a recv"),
    }
}

fn client(listenfd: &OwnedFd) -> OwnedFd {
    let client = tcp();
    connect(&client, &name(listenfd)).expect("connect");
    client
}

/// Everything that is sent, until the end of file.
fn all(fd: impl AsFd) -> Vec<u8> {
    let (mut all, mut buf) = (Vec::new(), [0; 256]);
    loop {
        match recv(&fd, &mut buf, 0).expect("recv") {
            0 => return all,
            n => all.extend_from_slice(&buf[..n]),
        }
    }
}

fn is_open(fd: RawFd) -> bool {
    std::fs::exists(format!("/proc/self/fd/{fd}")).expect("/proc")
}

#[test]
fn from_accept_to_close() {
    alone(|| {
        let (listenfd, _) = listener();
        let Some(mut ring) = ring() else { return };
        prep_accept(&mut ring, &listenfd).expect("room");
        // Asked for once, accepted twice.
        for request in [&b"one"[..], b"two"] {
            let client = client(&listenfd);
            let (connfd, is_over) = accepted(&mut ring);
            assert!(!is_over);
            prep_recv(&mut ring, connfd.expect("accepted")).expect("room");
            assert_eq!(io_uring_submit(&mut ring), Ok(1));
            assert_eq!(io_uring_submit(&mut ring), Ok(0), "nothing is left to submit");
            assert!(next_completion(&mut ring).is_none());
            assert_eq!(send(&client, request, 0), Ok(3));
            let (connfd, bytes) = received(&mut ring);
            assert_eq!(bytes.as_deref(), Ok(request));
            let number = connfd.as_raw_fd();
            assert_eq!(fcntl(&connfd, F_GETFL, 0), Ok(2), "O_RDWR, and not O_NONBLOCK");
            // Two entries that need no completion; the timeout's comes.
            prep_send_and_close(&mut ring, connfd, b"answer").expect("room");
            assert!(is_open(number));
            prep_timeout(&mut ring, 1).expect("room");
            assert!(matches!(wait(&mut ring), Completion::Timeout));
            assert_eq!(all(&client), b"answer");
            assert!(!is_open(number));
        }
        // To be told that no more will be accepted, it has to be shut down.
        shutdown(&listenfd, SHUT_RD).expect("shutdown");
        let (refused, is_over) = accepted(&mut ring);
        row("accept", "a listening socket that is shut down", refused, EINVAL);
        assert!(is_over);
        io_uring_queue_exit(ring);
        close(listenfd).expect("close");
    });
}

#[test]
fn an_end_of_file_and_a_close() {
    alone(|| {
        let Some(mut ring) = ring() else { return };
        let [one, other] = unix_pair();
        prep_recv(&mut ring, one).expect("room");
        shutdown(&other, SHUT_WR).expect("shutdown");
        let (one, bytes) = received(&mut ring);
        assert_eq!(bytes, Ok(vec![]));
        let number = one.as_raw_fd();
        prep_close(&mut ring, one).expect("room");
        io_uring_submit(&mut ring).expect("io_uring_enter");
        assert!(!is_open(number));
        assert_eq!(all(&other), b"");
    });
}

/// A recv that waits holds no buffer, so more can wait than there are.
#[test]
fn more_clients_than_buffers() {
    alone(|| {
        let Some(mut ring) = ring() else { return };
        let mut peers = Vec::new();
        for _ in 0..2 * BUFFERS {
            let [one, other] = unix_pair();
            prep_recv(&mut ring, one).expect("room");
            io_uring_submit(&mut ring).expect("io_uring_enter");
            peers.push(other);
        }
        let longest = [b'x'; BUFFER_SIZE];
        for peer in peers {
            assert_eq!(send(&peer, &[&longest[..], b"more"].concat(), 0), Ok(BUFFER_SIZE + 4));
            let (_, bytes) = received(&mut ring);
            assert_eq!(bytes.as_deref(), Ok(&longest[..]), "no more than a buffer holds");
        }
    });
}

/// Those that come when all buffers are full are told so, and may come again.
#[test]
fn more_at_once_than_buffers() {
    alone(|| {
        let Some(mut ring) = ring() else { return };
        let mut peers = Vec::new();
        for _ in 0..2 * BUFFERS {
            let [one, other] = unix_pair();
            assert_eq!(send(&other, b"all at once", 0), Ok(11));
            prep_recv(&mut ring, one).expect("room");
            io_uring_submit(&mut ring).expect("io_uring_enter");
            peers.push(other);
        }
        let mut results = Vec::new();
        while results.len() < 3 * usize::from(BUFFERS) {
            let (connfd, bytes) = received(&mut ring);
            results.push(bytes.map_err(|error| error.to_string()));
            if results.last().is_some_and(|bytes| bytes.is_err()) {
                prep_recv(&mut ring, connfd).expect("room");
            }
        }
        let came = |bytes: &[std::result::Result<Vec<u8>, String>]| {
            bytes.iter().filter(|bytes| bytes.as_deref() == Ok(b"all at once")).count()
        };
        let (first, rest) = results.split_at(usize::from(BUFFERS));
        assert_eq!((came(first), came(rest)), (first.len(), first.len()));
        let missed = Err(String::from("recv: No buffer space available"));
        assert_eq!(rest.iter().filter(|&bytes| *bytes == missed).count(), first.len());
    });
}

#[test]
fn failures_are_told() {
    alone(|| {
        let Some(mut ring) = ring() else { return };
        let reset = linger { l_onoff: 1, l_linger: 0 };
        let ((client, server), (other, also)) = (connected(), connected());
        prep_recv(&mut ring, server).expect("room");
        setsockopt(&client, SOL_SOCKET, SO_LINGER, &reset).expect("SO_LINGER");
        close(client).expect("close");
        let (server, bytes) = received(&mut ring);
        row("recv", "reset", bytes, ECONNRESET);
        drop(server);
        // Linked, the close comes also after a send that failed.
        shutdown(&also, SHUT_WR).expect("shutdown");
        let number = also.as_raw_fd();
        prep_send_and_close(&mut ring, also, b"answer").expect("room");
        let Completion::Failed(error) = wait(&mut ring) else { panic!("sent") };
        assert_eq!(error.to_string(), "send: Broken pipe");
        until(|| {
            io_uring_submit_and_wait(&mut ring, 0).expect("io_uring_enter");
            prep_timeout(&mut ring, 1).expect("room");
            assert!(matches!(wait(&mut ring), Completion::Timeout));
            !is_open(number)
        });
        assert_eq!(all(&other), b"");
    });
}

/// What is in flight when the ring is dropped ends, and its sockets are closed.
#[test]
fn dropped_with_requests_in_flight() {
    alone(|| {
        let (listenfd, _) = listener();
        let [one, other] = unix_pair();
        {
            let Some(mut ring) = ring() else { return };
            prep_accept(&mut ring, &listenfd).expect("room");
            prep_timeout(&mut ring, 1_000_000).expect("room");
            prep_recv(&mut ring, one).expect("room");
            io_uring_submit(&mut ring).expect("io_uring_enter");
        }
        assert_eq!(all(&other), b"", "it waits for the end of file");
        row("send", "its peer is closed", send(&other, b"x", MSG_NOSIGNAL), EPIPE);
    });
}

#[test]
fn refusals() {
    alone(|| {
        row("io_uring_setup", "other flags", io_uring_queue_init(8, 1).map(drop), EINVAL);
        let Some(mut ring) = ring() else { return };
        row("io_uring_setup", "no entries", io_uring_queue_init(0, FLAGS).map(drop), EINVAL);
        row("io_uring_register", "buffers again", provide_buffers(&mut ring), EEXIST);
        let [one, _other] = unix_pair();
        let long = prep_send_and_close(&mut ring, one, &[0; SEND_MAX + 1]);
        row("send", "too long", long, EMSGSIZE);
        // Eight entries. A pair finds no room where one does, and a completion needs room for two.
        for _ in 0..7 {
            prep_timeout(&mut ring, 0).expect("room");
        }
        let [one, _other] = unix_pair();
        row("io_uring_get_sqe", "a pair", prep_send_and_close(&mut ring, one, b""), EBUSY);
        assert_eq!(io_uring_submit_and_wait(&mut ring, 7), Ok(7));
        for _ in 0..7 {
            prep_timeout(&mut ring, 0).expect("room");
        }
        assert!(next_completion(&mut ring).is_none(), "it is there, but has to wait");
        prep_timeout(&mut ring, 0).expect("room");
        row("io_uring_get_sqe", "full", prep_timeout(&mut ring, 0), EBUSY);
        let another = std::thread::spawn(move || io_uring_submit(&mut ring).map(drop));
        row("io_uring_enter", "another thread", another.join().expect("no panic"), EEXIST);
    });
}

/// The limit that counts is that of the moment at which it was asked.
#[test]
fn no_descriptor_to_be_had() {
    alone(|| {
        let (listenfd, _) = listener();
        let client = client(&listenfd);
        let Some(mut ring) = ring() else { return };
        let soft = limit_files(3);
        prep_accept(&mut ring, &listenfd).expect("room");
        let (refused, is_over) = accepted(&mut ring);
        limit_files(soft);
        row("accept", "no descriptor to be had", refused, EMFILE);
        assert!(is_over);
        prep_accept(&mut ring, &listenfd).expect("room");
        let (connfd, is_over) = accepted(&mut ring);
        assert!(!is_over);
        drop(connfd.expect("the client has waited"));
        assert_eq!(all(&client), b"");
    });
}

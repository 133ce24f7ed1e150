//! `<net/if.h>`, in a network of its own.

use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use socklab::linux::net_if::{IFF_UP, siocsifaddr6, siocsifflags};
use socklab::net::to_c;
use socklab::posix::error::{EINVAL, ENODEV};
use socklab::posix::sys_socket::{AF_INET, AF_INET6, SOCK_DGRAM, bind, socket};
use socklab::posix::sys_wait::{WEXITSTATUS, WIFEXITED, waitpid};

use crate::support::{alone, forked};

const SKIPPED: i32 = 77;

fn in_own_network(body: impl FnOnce() -> Option<()>) -> i32 {
    let network = CloneFlags::CLONE_NEWNET;
    if let Err(error) = unshare(network).or_else(|_| unshare(network | CloneFlags::CLONE_NEWUSER)) {
        eprintln!("skipped: unshare: {}", Errno::desc(error));
        return SKIPPED;
    }
    if body().is_some() { 0 } else { 1 }
}

#[test]
fn an_interface_comes_up_and_gets_an_address() {
    alone(|| {
        let childpid = forked(|| {
            in_own_network(|| {
                let sockfd = socket(AF_INET, SOCK_DGRAM, 0).ok()?;
                let long = siocsifflags(&sockfd, c"an interface of a long name", IFF_UP as i16);
                let unknown = siocsifflags(&sockfd, c"nobody", IFF_UP as i16);
                if long.err()?.errno() != EINVAL || unknown.err()?.errno() != ENODEV {
                    return None;
                }
                siocsifflags(&sockfd, c"lo", IFF_UP as i16).ok()?;
                // Without IPv6 there is nothing to add.
                let Ok(sockfd6) = socket(AF_INET6, SOCK_DGRAM, 0) else { return Some(()) };
                let addr: std::net::Ipv6Addr = "fd00::1".parse().ok()?;
                if bind(&sockfd6, &to_c(&(std::net::Ipv6Addr::LOCALHOST, 0).into())).is_err() {
                    return Some(());
                }
                siocsifaddr6(&sockfd6, addr.octets(), 64, 99).err()?;
                siocsifaddr6(&sockfd6, addr.octets(), 64, 1).ok()?;
                let another = socket(AF_INET6, SOCK_DGRAM, 0).ok()?;
                // The kernel makes sure that nobody else has the address, and lets it be used then.
                while bind(&another, &to_c(&(addr, 0).into())).is_err() {
                    std::thread::yield_now();
                }
                Some(())
            })
        });
        let (_, status) = waitpid(childpid, 0).expect("the child ends");
        assert!(WIFEXITED(status), "{status:#x}");
        assert!([0, SKIPPED].contains(&WEXITSTATUS(status)), "{status:#x}");
    });
}

//! Addresses of the Unix domain: paths, abstract names, none at all, and how long each is.

use socklab::linux::min_ttl::IP_MINTTL;
use socklab::posix::error::{EINVAL, ENAMETOOLONG};
use socklab::posix::netinet_in::IPPROTO_IP;
use socklab::posix::sys_socket::{
    AF_INET, AF_UNIX, SOCK_DGRAM, SOCK_STREAM, SockAddr, accept, bind, connect, getsockname,
    getsockopt, listen, recvfrom, sendto, setsockopt, sockaddr_storage, socket, storage,
};
use socklab::posix::sys_un::{sockaddr_un, sun_path};

#[test]
fn lengths_are_those_of_the_name() {
    for (name, length) in [(&b""[..], 2), (b"/x", 5), (b"\0x", 4), (&[b'x'; 107], 110)] {
        let addr = sockaddr_un(name).expect("it fits");
        assert_eq!(addr.socklen(), length, "{name:?}");
        assert_eq!(sun_path(&storage(&addr)).as_deref(), Some(name));
        assert_eq!(storage(&addr).socklen(), length, "{name:?}");
    }
    assert_eq!(sockaddr_un(&[0; 108]).expect("it fits").socklen(), 110);
    for (name, errno) in
        [(&[b'x'; 108][..], ENAMETOOLONG), (&[0; 109], ENAMETOOLONG), (b"/x\0y", EINVAL)]
    {
        assert_eq!(sockaddr_un(name).err().map(|error| error.errno()), Some(errno), "{name:?}");
    }
    assert_eq!(sun_path(&sockaddr_storage()), None);
    let mut full = sockaddr_storage();
    full.ss_family = AF_UNIX as _;
    assert_eq!(full.socklen(), 2);
}

#[test]
fn a_connection_by_name() {
    let name = format!("\0socklab-sys_un-{}", std::process::id());
    let addr = sockaddr_un(name.as_bytes()).expect("it fits");
    let listenfd = socket(AF_UNIX, SOCK_STREAM, 0).expect("socket");
    bind(&listenfd, &addr).expect("bind");
    listen(&listenfd, 1).expect("listen");
    let sockfd = socket(AF_UNIX, SOCK_STREAM, 0).expect("socket");
    connect(&sockfd, &addr).expect("connect");
    let (_, cliaddr) = accept(&listenfd).expect("accept");
    assert_eq!(sun_path(&cliaddr), Some(Vec::new()), "a client without a name");
    let servaddr = getsockname(&listenfd).expect("getsockname");
    assert_eq!(sun_path(&servaddr).as_deref(), Some(name.as_bytes()));
}

#[test]
fn a_datagram_is_answered() {
    let one = socket(AF_UNIX, SOCK_DGRAM, 0).expect("socket");
    let other = socket(AF_UNIX, SOCK_DGRAM, 0).expect("socket");
    for fd in [&one, &other] {
        // The kernel chooses a name.
        bind(fd, &sockaddr_un(b"").expect("it fits")).expect("bind");
    }
    let name = getsockname(&other).expect("getsockname");
    assert_eq!(sun_path(&name).map(|name| (name[0], name.len())), Some((0, 6)));
    sendto(&one, b"question", 0, &name).expect("sendto");
    let (length, from) = recvfrom(&other, &mut [0; 16], 0).expect("recvfrom");
    assert_eq!(length, 8);
    sendto(&other, b"answer", 0, &from).expect("the storage is an address to send to");
    let (length, from) = recvfrom(&one, &mut [0; 16], 0).expect("recvfrom");
    assert_eq!((length, sun_path(&from)), (6, sun_path(&name)));
}

#[test]
fn the_least_ttl_is_read_back() {
    let sockfd = socket(AF_INET, SOCK_STREAM, 0).expect("socket");
    setsockopt(&sockfd, IPPROTO_IP, IP_MINTTL, &7).expect("setsockopt");
    assert_eq!(getsockopt::<i32>(&sockfd, IPPROTO_IP, IP_MINTTL), Ok(7));
}

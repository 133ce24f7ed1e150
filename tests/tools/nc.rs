//! `socklab nc` against OpenBSD's nc, as its peer and as its reference.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::thread;

use nix::pty::openpty;
use nix::sys::signal::{Signal, kill};
use nix::sys::termios::{FlowArg, tcflow};
use nix::unistd::Pid;
use socklab::net::to_c;
use socklab::posix::sys_socket::{
    AF_INET, AF_UNIX, SO_LINGER, SOCK_STREAM, SOL_SOCKET, accept, bind, getsockname, linger,
    listen, setsockopt, socket,
};
use socklab::posix::sys_un::sockaddr_un;
use socklab::tool::netstat::{Kind, Selection, look};

use crate::support;

fn ours() -> Command {
    let mut command = support::socklab();
    command.arg("nc").stdin(Stdio::null());
    command
}

/// OpenBSD's nc, where it is installed.
fn theirs() -> Option<Command> {
    for name in ["nc.openbsd", "nc"] {
        let help = Command::new(name).arg("-h").output();
        if help.is_ok_and(|help| String::from_utf8_lossy(&help.stderr).contains("OpenBSD")) {
            let mut command = Command::new(name);
            command.stdin(Stdio::null());
            return Some(command);
        }
    }
    eprintln!("skipped: no OpenBSD netcat (Debian: netcat-openbsd)");
    None
}

/// A process that does not survive its test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    fn start(command: &mut Command) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        Self(command.spawn().expect("it starts"))
    }

    fn status(&mut self) -> Option<i32> {
        self.0.wait().expect("our child").code()
    }

    fn rest(&mut self) -> String {
        let mut text = String::new();
        self.0.stdout.take().expect("piped").read_to_string(&mut text).expect("text");
        text
    }

    fn complaint(&mut self) -> String {
        let mut text = String::new();
        self.0.stderr.take().expect("piped").read_to_string(&mut text).expect("text");
        text
    }
}

/// A listener that has said where, its port and its further words.
fn listener(command: &mut Command, args: &[&str]) -> (Running, u16, BufReader<ChildStderr>) {
    let mut running = Running::start(command.args(args));
    let mut words = BufReader::new(running.0.stderr.take().expect("piped"));
    let mut line = String::new();
    words.read_line(&mut line).expect("a line");
    let port = line.trim_end().rsplit(' ').next().and_then(|port| port.parse().ok());
    (running, port.unwrap_or_else(|| panic!("{line:?} names no port")), words)
}

/// A port that refuses, for as long as the descriptor lives: bound, and not listened on.
fn refusing() -> (std::os::fd::OwnedFd, u16) {
    let fd = socket(AF_INET, SOCK_STREAM, 0).expect("socket");
    bind(&fd, &to_c(&"127.0.0.1:0".parse().expect("an address"))).expect("bind");
    let addr = socklab::net::from_c(&getsockname(&fd).expect("getsockname")).expect("IP");
    (fd, addr.port())
}

fn server() -> (TcpListener, String) {
    let server = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = server.local_addr().expect("an address").port().to_string();
    (server, port)
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).replace("nc.openbsd: ", "nc: ")
}

fn folder(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("nc-{name}"));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a folder");
    folder
}

fn reset(stream: TcpStream) {
    setsockopt(&stream, SOL_SOCKET, SO_LINGER, &linger { l_onoff: 1, l_linger: 0 })
        .expect("linger");
}

#[test]
fn a_call_says_what_openbsds_nc_says() {
    let Some(_) = theirs() else { return };
    let (_fd, refused) = refusing();
    let (_server, open) = server();
    let refused = refused.to_string();
    for args in [
        &["-v", "127.0.0.1", &refused][..],
        &["-zv", "127.0.0.1", &refused],
        &["-z", "127.0.0.1", &refused],
        &["-zv", "127.0.0.1", &open],
        &["-z", "127.0.0.1", &open],
        &["-nzv", "127.0.0.1", &open],
        &["-zv", "localhost", &open],
        &["-zv", "127.0.0.1", &open, &refused],
        &["-zv", "127.0.0.1", &refused, &open],
        &["-zvs", "127.0.0.1", "127.0.0.1", &open],
        &["-zvw", "1", "127.0.0.1", &open],
        &["-zvT", "lowdelay", "127.0.0.1", &open],
        &["-zvT", "af43", "-M", "5", "-m", "1", "127.0.0.1", &open],
        &["-zvI", "4096", "-O", "8192", "127.0.0.1", &open],
        &["-nv", "localhost", &refused],
        &["-4v", "::1", &refused],
        &["-6v", "127.0.0.1", &refused],
        &["-v", "", &refused],
        &["-U", "/nonexistent"],
        &["-zU", "/nonexistent"],
        &["-U", &"x".repeat(200)],
    ] {
        let our = ours().args(args).output().expect("runs");
        let their = theirs().expect("still there").args(args).output().expect("runs");
        assert_eq!(our.status.code(), their.status.code(), "{args:?}: {our:?}, {their:?}");
        assert_eq!(stderr(&our), stderr(&their), "{args:?}");
        assert_eq!(our.stdout, their.stdout, "{args:?}");
    }
}

/// Whoever looks at a screen that stands still can still type, and the connection goes on.
#[test]
fn a_terminal_that_is_stopped_stops_nothing_else() {
    let terminal = openpty(None, None).expect("a terminal");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port().to_string();
    tcflow(&terminal.slave, FlowArg::TCOOFF).expect("it stops");
    let mut command = ours();
    command.args(["127.0.0.1", &port]).stdin(Stdio::piped());
    command.stdout(terminal.slave.try_clone().expect("a descriptor"));
    let mut client = Running(command.spawn().expect("it starts"));
    let (mut peer, _) = listener.accept().expect("a connection");
    peer.write_all(b"from the peer\n").expect("written");
    // What it has taken it would now print.
    let selection = Selection {
        tcp: true,
        udp: false,
        ipv4: true,
        ipv6: false,
        kind: Kind::Connected,
        bound: false,
        holders: false,
    };
    let taken = || {
        let seen = look(&selection).expect("the table");
        let local = peer.peer_addr().expect("connected");
        let row = seen.rows.into_iter().find(|row| row.local == local && row.inode != 0);
        row.expect("its row").recv_q == 0
    };
    while !taken() {
        thread::yield_now();
    }
    let mut stdin = client.0.stdin.take().expect("piped");
    stdin.write_all(b"typed\n").expect("written");
    let mut line = [0; 6];
    peer.read_exact(&mut line).expect("it goes on");
    assert_eq!(&line, b"typed\n");
    tcflow(&terminal.slave, FlowArg::TCOON).expect("it goes on");
    let mut printed = [0; 15];
    File::from(terminal.master).read_exact(&mut printed).expect("it is printed");
    assert_eq!(&printed, b"from the peer\r\n");
    drop((stdin, peer));
    assert_eq!(client.status(), Some(0));
}

/// Where the queue of a listening socket is full, the kernel drops who asks: nobody answers.
#[test]
fn a_call_that_nobody_answers_says_what_openbsds_nc_says() {
    let (fd, port) = refusing();
    listen(&fd, 0).expect("listen");
    let _first = TcpStream::connect(("127.0.0.1", port)).expect("there is room for one");
    let port = port.to_string();
    let our = ours().args(["-v", "-w", "0.1", "127.0.0.1", &port]).output().expect("runs");
    let line = format!(
        "nc: connect to 127.0.0.1 port {port} (tcp) timed out: Operation now in progress\n"
    );
    assert_eq!((our.status.code(), stderr(&our)), (Some(1), line));
    let Some(mut theirs) = theirs() else { return };
    let their = theirs.args(["-v", "-w", "1", "127.0.0.1", &port]).output().expect("runs");
    assert_eq!((our.status.code(), stderr(&our)), (their.status.code(), stderr(&their)));
}

#[test]
fn a_mistake_is_a_line_and_status_1() {
    let reference = theirs().is_some();
    for args in [
        &["127.0.0.1", "99999"][..],
        &["127.0.0.1", "0"],
        &["127.0.0.1", "-5"],
        &["127.0.0.1", "0x50"],
        &["127.0.0.1", "no such service"],
        &["127.0.0.1", ""],
        &["-z", "127.0.0.1", "1-"],
        &["-z", "127.0.0.1", "1-99999"],
        &["127.0.0.1"],
        &["", "80"],
        &[],
        &["-l"],
        &["-lz", "9"],
        &["-k", "127.0.0.1", "9"],
        &["-w", "-1", "127.0.0.1", "9"],
        &["-w", "x", "127.0.0.1", "9"],
        &["-w", "99999999999", "127.0.0.1", "9"],
        &["-q", "x", "127.0.0.1", "9"],
        &["-i", "-1", "127.0.0.1", "9"],
        &["-W", "0", "127.0.0.1", "9"],
        &["-T", "256", "127.0.0.1", "9"],
        &["-T", "af44", "127.0.0.1", "9"],
        &["-M", "256", "127.0.0.1", "9"],
        &["-m", "256", "127.0.0.1", "9"],
        &["-I", "0", "127.0.0.1", "9"],
        &["-s", "no.such.invalid", "127.0.0.1", "9"],
        &["-U"],
        &["-U", "a", "b"],
        &["-lU", "/nonexistent/socket"],
        &["-l", "127.0.0.1", "9", "10"],
        &["-Q"],
    ] {
        let our = ours().args(args).output().expect("runs");
        assert_eq!(our.status.code(), Some(1), "{args:?}: {our:?}");
        assert_eq!(stderr(&our).lines().count(), 1, "{args:?}: {our:?}");
        assert!(our.stdout.is_empty(), "{args:?}: {our:?}");
        if reference {
            let their = theirs().expect("still there").args(args).output().expect("runs");
            assert_eq!(our.status.code(), their.status.code(), "{args:?}: {their:?}");
        }
    }
    // These OpenBSD's nc lets pass.
    for args in [&["-l", "99999"][..], &["-p", "99999", "127.0.0.1", "9"]] {
        let our = ours().args(args).output().expect("runs");
        assert_eq!(our.status.code(), Some(1), "{args:?}: {our:?}");
        assert!(stderr(&our).contains("99999 is out of range"), "{our:?}");
    }
}

/// Text with the ports that the kernel has chosen left out.
fn masked(text: &str) -> String {
    let words = |line: &str| {
        let words = line.split(' ').map(|word| {
            if word.len() > 2 && word.bytes().all(|b| b.is_ascii_digit()) { "PORT" } else { word }
        });
        words.collect::<Vec<_>>().join(" ")
    };
    text.lines().map(words).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_listener_says_what_openbsds_nc_says() {
    if theirs().is_none() {
        return;
    }
    for args in
        [&["-lv", "127.0.0.1", "0"][..], &["-lnv", "0"], &["-lv", "-s", "127.0.0.1", "-p", "0"]]
    {
        let mut told = Vec::new();
        for listening in [ours(), theirs().expect("still there")] {
            for mut calling in [ours(), theirs().expect("still there")] {
                let mut listening = Command::new(listening.get_program());
                if listening.get_program() == support::socklab().get_program() {
                    listening.arg("nc");
                }
                listening.stdin(Stdio::null());
                let mut running = Running::start(listening.args(args));
                let mut words = BufReader::new(running.0.stderr.take().expect("piped"));
                let mut line = String::new();
                words.read_line(&mut line).expect("a line");
                let port = line.trim_end().rsplit(' ').next().expect("a port");
                // A file of its own as input: what the caller sends.
                let mut caller =
                    Running::start(calling.args(["-Nnv", "127.0.0.1", port]).stdin(Stdio::piped()));
                caller.0.stdin.take().expect("piped").write_all(b"hello\n").expect("sent");
                assert_eq!(caller.status(), Some(0));
                let text = running.rest();
                assert_eq!(running.status(), Some(0));
                words.read_to_string(&mut line).expect("text");
                told.push((masked(&line), masked(&caller.complaint()), text));
            }
        }
        for other in &told[1..] {
            assert_eq!(*other, told[0], "{args:?}");
        }
        assert!(told[0].0.contains("Connection received on "), "{told:?}");
    }
}

/// The table: A, the server waits for our end and then answers; B, it answers anyway; C, it closes
/// while our input is open.
#[test]
fn the_whole_answer_whatever_ends_first() {
    let answer = "answer\n".repeat(50_000);
    for case in ["A", "B", "C"] {
        let (server, port) = server();
        let mut client = Running::start(ours().args(["127.0.0.1", &port]).stdin(Stdio::piped()));
        let (mut stream, _) = server.accept().expect("a client");
        let mut input = client.0.stdin.take().expect("piped");
        input.write_all(b"question\n").expect("written");
        let input = (case == "C").then_some(input);
        let mut question = String::new();
        if case == "A" {
            stream.read_to_string(&mut question).expect("to the end");
        } else {
            BufReader::new(&stream).read_line(&mut question).expect("a line");
        }
        assert_eq!(question, "question\n");
        let sent = answer.clone();
        let sender = thread::spawn(move || stream.write_all(sent.as_bytes()).expect("sent"));
        assert_eq!(client.rest(), answer, "{case}");
        sender.join().expect("sent");
        assert_eq!(client.status(), Some(0), "{case}");
        assert_eq!(client.complaint(), "", "{case}");
        drop(input);
    }
}

#[test]
fn without_a_half_close_the_server_waits() {
    let (server, port) = server();
    let mut client =
        Running::start(ours().args(["--no-shutdown", "-q", "0.2", "127.0.0.1", &port]));
    let (mut stream, _) = server.accept().expect("a client");
    assert_eq!(client.status(), Some(0));
    let mut nothing = Vec::new();
    stream.read_to_end(&mut nothing).expect("the end comes with the client's");
    assert!(nothing.is_empty());
}

#[test]
fn a_reset_is_a_failure_and_what_came_before_it_is_printed() {
    let (server, port) = server();
    let mut client = Running::start(ours().args(["127.0.0.1", &port]));
    let (mut stream, _) = server.accept().expect("a client");
    stream.write_all(b"partial\n").expect("sent");
    let mut line = String::new();
    let mut answer = BufReader::new(client.0.stdout.take().expect("piped"));
    answer.read_line(&mut line).expect("a line");
    assert_eq!(line, "partial\n");
    reset(stream);
    assert_eq!(client.status(), Some(1));
    assert!(client.complaint().contains("recv: Connection reset by peer (127.0.0.1 port "));

    // Also what the program had not looked at yet.
    let mut client = Running::start(ours().args(["-v", "127.0.0.1", &port]).stdin(Stdio::piped()));
    let (mut stream, _) = server.accept().expect("a client");
    let mut words = BufReader::new(client.0.stderr.as_mut().expect("piped"));
    words.read_line(&mut String::new()).expect("it says that it is connected");
    kill(Pid::from_raw(client.0.id() as i32), Signal::SIGSTOP).expect("runs");
    stream.write_all(b"partial\n").expect("sent");
    reset(stream);
    kill(Pid::from_raw(client.0.id() as i32), Signal::SIGCONT).expect("runs");
    assert_eq!(client.rest(), "partial\n");
    assert_eq!(client.status(), Some(1));
}

#[test]
fn a_full_disk_is_a_failure_and_a_closed_pipe_a_quiet_one() {
    let full = || Stdio::from(File::options().write(true).open("/dev/full").expect("there"));
    let closed = || Stdio::from(std::io::pipe().expect("a pipe").1);
    let outputs: [(&dyn Fn() -> Stdio, &str); 2] =
        [(&full, "nc: write: No space left on device (standard output)\n"), (&closed, "")];
    for (output, line) in outputs {
        let output = output();
        let (server, port) = server();
        let mut client = Running(
            ours()
                .args(["127.0.0.1", &port])
                .stdout(output)
                .stderr(Stdio::piped())
                .spawn()
                .expect("starts"),
        );
        let (mut stream, _) = server.accept().expect("a client");
        stream.write_all(b"answer\n").expect("sent");
        assert_eq!(client.status(), Some(1));
        assert_eq!(client.complaint(), line);
    }
}

#[test]
fn datagrams_are_open_closed_or_silent() {
    let echo = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let open = echo.local_addr().expect("an address").port().to_string();
    let echoing = thread::spawn(move || {
        let (_, from) = echo.recv_from(&mut [0; 9]).expect("a question");
        echo.send_to(b"answer", from).expect("sent");
    });
    let output = ours().args(["-nzuv", "127.0.0.1", &open]).output().expect("runs");
    echoing.join().expect("asked");
    assert_eq!(
        stderr(&output),
        format!("Connection to 127.0.0.1 {open} port [udp/*] succeeded!\n")
    );
    assert_eq!(output.status.code(), Some(0));

    // Who is connected hears nobody else: the port is as if closed.
    let deaf = UdpSocket::bind("127.0.0.1:0").expect("a port");
    deaf.connect("127.0.0.1:9").expect("no packet is sent");
    let closed = deaf.local_addr().expect("an address").port().to_string();
    let output = ours().args(["-zuv", "127.0.0.1", &closed]).output().expect("runs");
    let line =
        "(udp) failed: Connection refused (closed: ICMP port unreachable (3/3) from 127.0.0.1)\n";
    assert!(stderr(&output).ends_with(line), "{output:?}");
    assert_eq!(output.status.code(), Some(1));

    let silent = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let port = silent.local_addr().expect("an address").port().to_string();
    let output = ours().args(["-zuv", "-w", "0.1", "127.0.0.1", &port]).output().expect("runs");
    assert!(stderr(&output).ends_with("(udp): no answer: open, or filtered\n"), "{output:?}");
    assert_eq!(output.status.code(), Some(1));

    // Nobody there, and something to send: an error, not silence.
    let mut client =
        Running::start(ours().args(["-u", "127.0.0.1", &closed]).stdin(Stdio::piped()));
    client.0.stdin.as_mut().expect("piped").write_all(b"question").expect("written");
    assert_eq!(client.status(), Some(1));
    assert!(client.complaint().contains("Connection refused"));
}

#[test]
fn a_listener_of_datagrams_survives_the_end_of_its_input() {
    let (mut running, port, _words) = listener(&mut ours(), &["-luv", "-W", "3", "127.0.0.1", "0"]);
    let client = UdpSocket::bind("127.0.0.1:0").expect("a port");
    client.connect(("127.0.0.1", port)).expect("connected");
    let mut output = running.0.stdout.take().expect("piped");
    for part in ["one", "", "two"] {
        client.send(part.as_bytes()).expect("sent");
        let mut got = vec![0; part.len()];
        output.read_exact(&mut got).expect("printed");
        assert_eq!(got, part.as_bytes());
    }
    assert_eq!(running.status(), Some(0));

    // With -k they are anybody's.
    let (mut running, port, _words) =
        listener(&mut ours(), &["-klu", "-v", "-W", "2", "127.0.0.1", "0"]);
    for part in [b"one", b"two"] {
        let client = UdpSocket::bind("127.0.0.1:0").expect("a port");
        client.send_to(part, ("127.0.0.1", port)).expect("sent");
    }
    assert_eq!(running.rest(), "onetwo");
    assert_eq!(running.status(), Some(0));
}

#[test]
fn one_client_after_the_other() {
    let (mut running, port, mut words) = listener(&mut ours(), &["-klv", "127.0.0.1", "0"]);
    let mut output = BufReader::new(running.0.stdout.take().expect("piped"));
    let mut line = String::new();
    for client in 0..4 {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
        stream.write_all(format!("client {client}\n").as_bytes()).expect("sent");
        line.clear();
        output.read_line(&mut line).expect("a line");
        assert_eq!(line, format!("client {client}\n"));
        // One of them goes wrong, and no other suffers for it.
        if client == 1 {
            reset(stream);
        }
    }
    kill(Pid::from_raw(running.0.id() as i32), Signal::SIGINT).expect("runs");
    let status = running.0.wait().expect("our child");
    assert_eq!(status.signal(), Some(Signal::SIGINT as i32));
    let mut told = String::new();
    words.read_to_string(&mut told).expect("text");
    assert_eq!(told.matches("Connection received on ").count(), 4, "{told}");
    assert_eq!(told.matches("Connection reset by peer").count(), 1, "{told}");
}

/// A listener in the background has /dev/null as its input. That is no answer, and a client at a
/// terminal must not see it as one.
#[test]
fn an_empty_input_does_not_end_the_client() {
    let (mut running, port, _words) = listener(&mut ours(), &["-lv", "127.0.0.1", "0"]);
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
    let mut output = running.0.stdout.take().expect("piped");
    stream.write_all(b"x").expect("sent");
    output.read_exact(&mut [0]).expect("printed");
    stream.set_nonblocking(true).expect("set");
    let error = stream.read(&mut [0]).expect_err("nothing, and no end");
    assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
    drop(stream);
    assert_eq!(running.status(), Some(0));

    let (_running, port, _words) = listener(&mut ours(), &["-lvN", "127.0.0.1", "0"]);
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
    assert_eq!(stream.read(&mut [0]).expect("the end"), 0);
}

#[test]
fn a_second_listener_is_refused() {
    let (server, port) = server();
    let output = ours().args(["-l", "127.0.0.1", &port]).output().expect("runs");
    assert_eq!(output.status.code(), Some(1));
    let line = format!("nc: bind: Address already in use (127.0.0.1 port {port})\n");
    let listened = format!("nc: listen: Address already in use (127.0.0.1 port {port})\n");
    assert!([line, listened].contains(&stderr(&output)), "{output:?}");
    drop(server);
}

#[test]
fn unix_domain() {
    let folder = folder("unix");
    let path = folder.join("socket");
    let path = path.to_str().expect("UTF-8");
    let name = format!("@{path}");
    for word in [path, &name, path] {
        if word == path {
            // Left over from a listener that was killed.
            drop(std::os::unix::net::UnixListener::bind(path));
        }
        let mut running = Running::start(ours().args(["-lvU", word]));
        let mut words = BufReader::new(running.0.stderr.take().expect("piped"));
        let mut line = String::new();
        words.read_line(&mut line).expect("a line");
        words.read_line(&mut line).expect("a line");
        assert_eq!(line, format!("Bound on {word}\nListening on {word}\n"));
        let mut client = Running::start(ours().args(["-U", word]).stdin(Stdio::piped()));
        client.0.stdin.take().expect("piped").write_all(b"hello\n").expect("written");
        assert_eq!(client.status(), Some(0));
        assert_eq!(running.rest(), "hello\n");
        assert_eq!(running.status(), Some(0));
        assert!(!Path::new(path).exists(), "the listener takes its file with it");
    }

    // A file that is no socket is nobody's to remove.
    std::fs::write(path, "precious").expect("written");
    let output = ours().args(["-lU", path]).output().expect("runs");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stderr(&output), format!("nc: bind: Address already in use ({path})\n"));
    assert_eq!(std::fs::read_to_string(path).expect("still there"), "precious");
    std::fs::remove_file(path).expect("removed");

    // Nor is one that somebody listens on.
    let _listening = std::os::unix::net::UnixListener::bind(path).expect("bound");
    let output = ours().args(["-lU", path]).output().expect("runs");
    assert_eq!(output.status.code(), Some(1));
    assert!(std::fs::symlink_metadata(path).expect("there").file_type().is_socket());
}

#[test]
fn a_full_backlog_is_waited_for_no_longer_than_w() {
    let path = folder("backlog").join("socket");
    let listenfd = socket(AF_UNIX, SOCK_STREAM, 0).expect("a socket");
    let word = path.to_str().expect("UTF-8");
    let addr = sockaddr_un(word.as_bytes()).expect("short enough");
    bind(&listenfd, &addr).expect("a path");
    listen(&listenfd, 0).expect("a listener");
    // One fits. It is never accepted.
    let _first = std::os::unix::net::UnixStream::connect(&path).expect("a connection");
    let output = ours().args(["-w", "0.1", "-U", word]).output().expect("runs");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stderr(&output), format!("nc: {word}: Connection timed out\n"));
    // In time it gets in, and is then bound by nothing.
    let mut client = Running::start(ours().args(["-w", "60", "-U", word]));
    drop(accept(&listenfd).expect("a connection"));
    let (second, _) = accept(&listenfd).expect("a connection");
    drop(second);
    assert_eq!(client.status(), Some(0));
}

#[test]
fn unix_domain_datagrams_are_answered() {
    let folder = folder("datagrams");
    let path = folder.join("socket");
    let path = path.to_str().expect("UTF-8");
    let mut running = Running::start(ours().args(["-luvU", "-W", "1", path]).stdin(Stdio::piped()));
    let mut words = BufReader::new(running.0.stderr.take().expect("piped"));
    words.read_line(&mut String::new()).expect("a line");
    let mut client = Running::start(ours().args(["-uU", "-W", "1", path]).stdin(Stdio::piped()));
    running.0.stdin.take().expect("piped").write_all(b"answer\n").expect("written");
    client.0.stdin.take().expect("piped").write_all(b"question\n").expect("written");
    assert_eq!(client.rest(), "answer\n");
    assert_eq!(client.status(), Some(0));
    assert_eq!(running.rest(), "question\n");
    assert_eq!(running.status(), Some(0));
}

#[test]
fn limits_of_time_and_number() {
    // -w: silence ends it.
    let (silent, port) = server();
    let output = ours().args(["-w", "0.1", "-d", "127.0.0.1", &port]).output().expect("runs");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    drop(silent.accept());
    // -q: the time after the end of the input.
    let output = ours().args(["-q", "0.1", "127.0.0.1", &port]).output().expect("runs");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    drop(silent.accept());
    // -q, and the peer ends earlier.
    let mut client = Running::start(ours().args(["-q", "1000", "127.0.0.1", &port]));
    drop(silent.accept());
    assert_eq!(client.status(), Some(0));
    // -W: one packet, and the connection is still open.
    let mut client = Running::start(ours().args(["-d", "-W", "1", "127.0.0.1", &port]));
    let (mut stream, _) = silent.accept().expect("a client");
    stream.write_all(b"answer\n").expect("sent");
    assert_eq!(client.rest(), "answer\n");
    assert_eq!(client.status(), Some(0));
}

#[test]
fn what_is_sent() {
    for (args, input, sent) in [
        (&["-C"][..], "a\nb\r\n\n", "a\r\nb\r\n\r\n"),
        (&["-d"], "a\n", ""),
        (&["-i", "0.01"], "a\nb\nc", "a\nb\nc"),
        (&["-N"], "a\n", "a\n"),
    ] {
        let (server, port) = server();
        let mut client =
            Running::start(ours().args(args).args(["127.0.0.1", &port]).stdin(Stdio::piped()));
        let (mut stream, _) = server.accept().expect("a client");
        client.0.stdin.take().expect("piped").write_all(input.as_bytes()).expect("written");
        if args == ["-d"] {
            // Nothing is to come: the client ends when the server does.
            stream.shutdown(Shutdown::Write).expect("half-closed");
        }
        let mut got = String::new();
        stream.read_to_string(&mut got).expect("to the end");
        assert_eq!(got, sent, "{args:?}");
        drop(stream);
        assert_eq!(client.status(), Some(0), "{args:?}");
    }
}

/// A peer that has ended its side still gets all of a file.
#[test]
fn input_that_is_there_is_sent_after_the_peers_end() {
    let folder = folder("half");
    let big = vec![b'x'; 20_000_000];
    std::fs::write(folder.join("big"), &big).expect("written");
    let (server, port) = server();
    let input = File::open(folder.join("big")).expect("there");
    let mut client = Running::start(ours().args(["127.0.0.1", &port]).stdin(input));
    let (mut stream, _) = server.accept().expect("a client");
    stream.shutdown(Shutdown::Write).expect("half-closed");
    let mut got = Vec::new();
    stream.read_to_end(&mut got).expect("to the end");
    assert!(got == big, "{} bytes", got.len());
    drop(stream);
    assert_eq!(client.status(), Some(0));
}

/// 64 MiB in each direction. First nobody reads what the program prints, and what it sends goes on
/// all the same; then the other way round. It never holds more than its two buffers.
#[test]
fn both_directions_at_once_in_bounded_memory() {
    const SIZE: usize = 64 << 20;
    for output_first in [true, false] {
        let (server, port) = server();
        let mut client = Running::start(ours().args(["127.0.0.1", &port]).stdin(Stdio::piped()));
        let (stream, _) = server.accept().expect("a client");
        let mut input = client.0.stdin.take().expect("piped");
        let mut output = client.0.stdout.take().expect("piped");
        let mut writing = stream.try_clone().expect("a copy");
        let mut reading = stream;
        let (ours, theirs) = (pattern(SIZE, 3), pattern(SIZE, 5));
        let up = thread::spawn(move || input.write_all(&ours).expect("written"));
        reading.peek(&mut [0]).expect("it has begun");
        let down = thread::spawn(move || {
            writing.write_all(&theirs).expect("sent");
            writing.shutdown(Shutdown::Write).expect("half-closed");
        });
        let read = |from: &mut dyn Read, step: u8| {
            let mut got = vec![0; SIZE];
            from.read_exact(&mut got).expect("all of it");
            assert!(got == pattern(SIZE, step), "other bytes than those that were sent");
        };
        if output_first {
            read(&mut output, 5);
        } else {
            read(&mut reading, 3);
        }
        comes_to_rest(client.0.id());
        let status = std::fs::read_to_string(format!("/proc/{}/status", client.0.id()));
        let status = status.expect("it runs");
        let most = status.lines().find(|line| line.starts_with("VmHWM:")).expect("a line");
        let most: usize =
            most.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("KiB");
        assert!(most < 16 * 1024, "{most} KiB");
        if output_first {
            read(&mut reading, 3);
        } else {
            read(&mut output, 5);
        }
        up.join().expect("written");
        down.join().expect("sent");
        drop(reading);
        assert_eq!(client.status(), Some(0));
    }
}

/// Waits until a process sleeps, and is still asleep whenever it is looked at: it waits for an event.
fn comes_to_rest(pid: u32) {
    let mut asleep = 0;
    while asleep < 50 {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("it runs");
        let state = stat.rsplit(") ").next().and_then(|rest| rest.chars().next());
        asleep = if state == Some('S') { asleep + 1 } else { 0 };
        thread::yield_now();
    }
}

/// Both halves of the connection have ended, poll() would say so at once and always, and what is left
/// is to be printed to a pipe that is full.
#[test]
fn it_waits_at_rest_for_who_reads_it() {
    let (server, port) = server();
    let mut client = Running::start(ours().args(["127.0.0.1", &port]));
    let (mut stream, _) = server.accept().expect("a client");
    let answer = pattern(3 << 20, 7);
    stream.write_all(&answer).expect("sent");
    drop(stream);
    comes_to_rest(client.0.id());
    let mut got = Vec::new();
    client.0.stdout.take().expect("piped").read_to_end(&mut got).expect("to the end");
    assert!(got == answer, "{} bytes", got.len());
    assert_eq!(client.status(), Some(0));
}

/// A line that is paused after, and a peer that does not read.
#[test]
fn it_waits_at_rest_for_a_pause_and_for_a_peer() {
    let (server, port) = server();
    let mut client =
        Running::start(ours().args(["-i", "1000", "127.0.0.1", &port]).stdin(Stdio::piped()));
    let (stream, _) = server.accept().expect("a client");
    client.0.stdin.as_mut().expect("piped").write_all(b"one\ntwo\n").expect("written");
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).expect("a line");
    assert_eq!(line, "one\n");
    comes_to_rest(client.0.id());

    let zeros = File::open("/dev/zero").expect("there");
    let client = Running::start(ours().args(["127.0.0.1", &port]).stdin(zeros));
    let (_stream, _) = server.accept().expect("a client");
    comes_to_rest(client.0.id());
}

fn pattern(size: usize, step: u8) -> Vec<u8> {
    (0..size).map(|at| (at / 251) as u8 ^ (at as u8).wrapping_mul(step)).collect()
}

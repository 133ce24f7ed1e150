//! `socklab client fib` and `c-compat/client/fibonacci.c`.

use std::io::Write;
use std::net::{TcpListener, TcpStream};

use crate::play::{
    Client::Fib, PROGRAMS, Said, answer, ask, command, end_tcp, expect_request, reset, silence, tcp,
};

#[test]
fn the_answer_in_the_lectures_form() {
    let said = tcp(Fib, &[], |mut client| {
        expect_request(&mut client, "37\n");
        answer(client, b"24157817");
    });
    said.assert_success("fib(37)=24157817 (TIME)\n");
}

#[test]
fn the_form_to_the_letter() {
    for program in 0..PROGRAMS {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let addr = listener.local_addr().expect("bound");
        let server = std::thread::spawn(move || {
            answer(listener.accept().expect("a client").0, b"24157817");
        });
        let output = ask(Fib, program, addr, &[]);
        end_tcp(server, addr, &output);
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        let time = text
            .strip_prefix("fib(37)=24157817 (")
            .and_then(|rest| rest.strip_suffix("s calc time)\n"))
            .unwrap_or_else(|| panic!("{text:?}"));
        assert!(time.parse::<f64>().is_ok() && time.split('.').nth(1).unwrap().len() == 3);
    }
}

#[test]
fn an_answer_byte_by_byte() {
    let said = tcp(Fib, &[], |mut client| {
        expect_request(&mut client, "37\n");
        client.set_nodelay(true).expect("TCP_NODELAY");
        for byte in b"24157817" {
            client.write_all(&[*byte]).expect("the client reads");
        }
    });
    said.assert_success("fib(37)=24157817 (TIME)\n");
}

#[test]
fn eleven_digits_and_twenty() {
    let said = tcp(Fib, &["-n", "50"], |mut client| {
        expect_request(&mut client, "50\n");
        answer(client, b"12586269025");
    });
    said.assert_success("fib(50)=12586269025 (TIME)\n");
    let said = tcp(Fib, &["-n", "93"], |mut client| {
        expect_request(&mut client, "93\n");
        answer(client, b"12200160415121876738");
    });
    said.assert_success("fib(93)=12200160415121876738 (TIME)\n");
}

#[test]
fn a_newline_after_the_answer_is_no_part_of_it() {
    for serve in [|client| answer(client, b"55\n"), |client| answer(client, b"55\r\n")] {
        tcp(Fib, &["-n", "10"], serve).assert_success("fib(10)=55 (TIME)\n");
    }
}

#[test]
fn a_negative_number_is_the_servers_to_refuse() {
    let refuse: fn(TcpStream) = |mut client| {
        expect_request(&mut client, "-5\n");
        answer(client, b"error: negative; send a decimal integer from 0 to 45\n");
    };
    for args in [&["-n", "-5"][..], &["-n=-5"]] {
        tcp(Fib, args, refuse)
            .assert_failure("error: negative; send a decimal integer from 0 to 45", "");
    }
}

#[test]
fn no_answer() {
    tcp(Fib, &[], |mut client| expect_request(&mut client, "37\n"))
        .assert_failure("error: the server closed the connection without an answer", "");
}

#[test]
fn a_reset_in_the_middle() {
    let said = tcp(Fib, &[], |mut client| {
        expect_request(&mut client, "37\n");
        client.write_all(b"241").expect("the client reads");
        reset(client);
    });
    said.assert_failure("recv: Connection reset by peer (127.0.0.1 port PORT)", "");
}

#[test]
fn silence_and_a_time_limit() {
    tcp(Fib, &["--timeout", "0.2"], silence).assert_failure(
        "recv: Resource temporarily unavailable (127.0.0.1 port PORT; no answer in time)",
        "",
    );
}

#[test]
fn what_is_no_number() {
    for (serve, shown) in [
        ((|client| answer(client, b"\n")) as fn(TcpStream), ""),
        (|client| answer(client, b"0x37"), "0x37"),
        (|client| answer(client, b"-1"), "-1"),
        (|client| answer(client, b"1\n2"), "1"),
        (|client| answer(client, b"1\x002"), "1?2"),
        // What would make a terminal red, sound its bell and set its title.
        (|client| answer(client, b"\x1b[31m1\x07\x1b]0;t\x9c"), "?[31m1??]0;t\u{fffd}"),
        (|client| answer(client, b"\xc2\x9b31m\x7f\xe2\x82\xac\xe2\x82"), "?31m?€\u{fffd}"),
    ] {
        tcp(Fib, &[], serve)
            .assert_failure(&format!("error: the server's answer is not a number: {shown}"), "");
    }
}

#[test]
fn a_refusal_is_one_line_without_escapes() {
    tcp(Fib, &[], |client| answer(client, b"error: \x1b[2Jno\nerror: nor this\n"))
        .assert_failure("error: ?[2Jno", "");
}

#[test]
fn an_answer_without_end() {
    let said = tcp(Fib, &[], |mut client| {
        // Until the client has had enough and resets the connection.
        while client.write_all(&[b'7'; 4096]).is_ok() {}
    });
    said.assert_failure("error: the server's answer does not end", "");
}

#[test]
fn nobody_reads_what_the_client_says() {
    for (program, full) in (0..PROGRAMS).flat_map(|program| [(program, true), (program, false)]) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let addr = listener.local_addr().expect("bound");
        let server = std::thread::spawn(move || {
            answer(listener.accept().expect("a client").0, b"24157817");
        });
        let mut command = command(Fib, program);
        command.args(["127.0.0.1", &addr.port().to_string()]);
        if full {
            let full = std::fs::File::options().write(true).open("/dev/full");
            command.stdout(full.expect("/dev/full"));
        } else {
            let (_reader, writer) = std::io::pipe().expect("a pipe");
            command.stdout(writer);
        }
        let output = command.output().expect("the client runs");
        end_tcp(server, addr, &output);
        Said::new(&output, addr.port())
            .assert_failure(if full { "write: No space left on device" } else { "" }, "");
    }
}

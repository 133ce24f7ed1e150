//! Help, mistakes, and where the output goes.

use std::fs;
use std::process::{Command, Stdio};

use super::{FUNCTIONS, assert_all, programs};
use crate::support;

#[test]
fn mistakes_on_the_command_line() {
    let missing = "error: the following required arguments were not provided:";
    let mut rows: Vec<(Vec<&str>, String)> = vec![
        (vec!["getnameinfo"], format!("{missing} <ADDR> <PORT>")),
        (vec!["getnameinfo", "::1"], format!("{missing} <PORT>")),
        (vec!["gethostbyname"], format!("{missing} <NAME>")),
        (vec!["getservbyport"], format!("{missing} <PORT>")),
        (
            vec!["getaddrinfo", "foo", "--flags"],
            "error: a value is required for '--flags <FLAGS>' but none was supplied".into(),
        ),
    ];
    for function in FUNCTIONS {
        rows.push((
            vec![function, "--nosuch"],
            "error: unexpected argument '--nosuch' found".into(),
        ));
        rows.push((vec![function, "-1"], "error: unexpected argument '-1' found".into()));
        rows.push((vec![function, "1", "2", "3"], "error: unexpected argument '3' found".into()));
    }
    // One word is enough for some.
    for row in &mut rows {
        let one = matches!(row.0[0], "gethostbyname" | "gethostbyaddr")
            || row.0[0].starts_with("getproto");
        if one && row.0.len() == 4 {
            row.1 = "error: unexpected argument '2' found".into();
        }
    }
    let rows: Vec<(&[&str], i32, &str)> =
        rows.iter().map(|(asked, line)| (asked.as_slice(), 1, line.as_str())).collect();
    assert_all(&rows);
}

#[test]
fn help_says_what_it_is() {
    for function in FUNCTIONS {
        for kind in ["", "sanitized/"] {
            let program = support::c_program(&format!("{kind}resolve/{function}"));
            for option in ["--help", "-h"] {
                let output = Command::new(&program).arg(option).output().expect("it runs");
                let text = String::from_utf8(output.stdout).expect("UTF-8");
                assert!(output.status.success() && output.stderr.is_empty(), "{function}");
                assert!(
                    text.starts_with(&format!("The C twin of `socklab {function}`.")),
                    "{text}"
                );
            }
        }
    }
}

#[test]
fn closed_pipes_and_full_disks() {
    for (function, args) in [
        ("gethostbyname", &["127.0.0.1"][..]),
        ("getaddrinfo", &["127.0.0.1", "80"]),
        ("getnameinfo", &["127.0.0.1", "80", "--flags", "NI_NUMERICHOST|NI_NUMERICSERV"]),
        ("getaddrinfo", &["127.0.0.1", "80", "--json"]),
    ] {
        for program in programs(function) {
            if args.contains(&"--json") && program.len() == 1 {
                continue;
            }
            let mut command = Command::new(&program[0]);
            command.args(&program[1..]).args(args).stderr(Stdio::piped());
            let (reader, writer) = std::io::pipe().expect("a pipe");
            drop(reader);
            let output = command.stdout(writer).output().expect("it runs");
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert_eq!((output.status.code(), stderr.as_ref()), (Some(1), ""), "{program:?}");
            let full = fs::File::options().write(true).open("/dev/full").expect("/dev/full");
            let output = command.stdout(full).output().expect("it runs");
            let stderr = String::from_utf8_lossy(&output.stderr);
            let line = "write: No space left on device\n";
            assert_eq!((output.status.code(), stderr.as_ref()), (Some(1), line), "{program:?}");
        }
    }
}

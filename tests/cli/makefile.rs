//! The Makefile and what decides.

use std::process::Command;

use socklab::server::DESIGNS;

use crate::console::{MAKE_VARIABLES, bin, root};

/// What make would do, or says.
fn make(args: &[&str]) -> String {
    let path = format!("{}:{}", bin().display(), std::env::var("PATH").unwrap_or_default());
    let mut command = Command::new(bin().join("make"));
    command.args(args).current_dir(root()).env("PATH", path);
    for variable in MAKE_VARIABLES {
        command.env_remove(variable);
    }
    let output = command.output().expect("make runs");
    assert!(output.status.success(), "make {args:?}: {output:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn help_lists_every_design_and_target() {
    let help = make(&["help"]);
    let designs = help.lines().find_map(|line| line.trim().strip_prefix("designs: "));
    let mut listed: Vec<&str> = designs.expect("a line").split_whitespace().collect();
    let mut names: Vec<&str> = DESIGNS.iter().map(|design| design.name).collect();
    listed.sort_unstable();
    names.sort_unstable();
    assert_eq!(listed, names, "the C programs (left) and the registry (right)");
    for target in [
        "help",
        "build",
        "run-%",
        "run-c-%",
        "run",
        "client",
        "client-time",
        "experiments",
        "compare-%",
        "compare",
        "trace-%",
        "calls",
        "examine-broken",
        "test",
        "check",
        "bench",
    ] {
        let line = format!("  make {target} ");
        assert!(help.lines().any(|shown| shown.starts_with(&line)), "no {target} in:\n{help}");
    }
    for variable in ["PORT=9000", "BIND=127.0.0.1", "N=37", "DESIGN=forked", "HOST=localhost"] {
        assert!(help.contains(variable), "no {variable} in:\n{help}");
    }
}

#[test]
fn help_is_what_make_alone_says() {
    assert_eq!(make(&[]), make(&["help"]));
}

#[test]
fn a_full_disk_is_one_line_and_makes() {
    let mut make = Command::new(bin().join("make"));
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("Linux has it");
    make.arg("help").current_dir(root()).stdout(full);
    for variable in MAKE_VARIABLES {
        make.env_remove(variable);
    }
    let output = make.output().expect("make runs");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    let lines: Vec<&str> = stderr.lines().collect();
    assert!(lines.len() == 2 && lines[0].starts_with("make help: "), "{stderr}");
}

/// Where there is no liburing, one C program says so; a compiler that fails finds none.
#[test]
fn a_missing_liburing_is_named() {
    let mut make = Command::new(bin().join("make"));
    make.args(["liburing", "CC=false"]).current_dir(root());
    for variable in MAKE_VARIABLES {
        make.env_remove(variable);
    }
    let output = make.output().expect("make runs");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    let line = stderr.lines().next().unwrap_or_default();
    assert!(line.starts_with("c-compat/uring.c needs liburing"), "{stderr}");
    assert!(line.contains("liburing-dev"), "{stderr}");
}

#[test]
fn every_design_can_be_run_in_both_languages() {
    let socklab = env!("CARGO_BIN_EXE_socklab");
    for design in DESIGNS {
        let name = design.name;
        let rust = make(&["-n", &format!("run-{name}"), "PORT=7000", "ARGS=--more"]);
        let line = format!("exec {socklab} serve {name} --bind 127.0.0.1 --port 7000 --more");
        assert_eq!(rust.trim_end(), line);
        let c = make(&["-n", &format!("run-c-{name}"), "BIND=::1"]);
        let line = format!("exec target/c/{name} --bind ::1 --port 9000");
        assert_eq!(c.lines().last().map(str::trim_end), Some(line.as_str()));
    }
    let run = make(&["-n", "run", "DESIGN=select"]);
    assert!(run.contains(" serve select "), "{run}");
    let client = make(&["-n", "client", "N=30", "HOST=::1"]);
    assert_eq!(client.trim_end(), format!("exec {socklab} client fib ::1 9000 -n 30"));
    let client = make(&["-n", "client-time"]);
    assert_eq!(client.trim_end(), format!("exec {socklab} client time localhost 9000"));
}

#[test]
fn functions_of_the_resolver_can_be_run_in_both_languages() {
    let socklab = env!("CARGO_BIN_EXE_socklab");
    for function in [
        "gethostbyname",
        "gethostbyaddr",
        "getservbyname",
        "getservbyport",
        "getprotobyname",
        "getprotobynumber",
        "getaddrinfo",
        "getnameinfo",
    ] {
        let rust = make(&["-n", function, "ARGS=localhost"]);
        assert_eq!(rust.trim_end(), format!("exec {socklab} {function} localhost"));
        for folder in ["target/c", "target/c/sanitized"] {
            // Always made anew: what would be done to make it.
            let c = make(&[
                "-n",
                "-W",
                "Makefile",
                "-W",
                &format!("c-compat/resolve/{function}.c"),
                &format!("{folder}/resolve/{function}"),
            ]);
            assert!(c.contains(&format!("-o {folder}/resolve/{function} ")), "{c}");
        }
    }
}

#[test]
fn what_decides_calls_the_tests_first() {
    let script = std::fs::read_to_string(root().join(".ci/run")).expect(".ci/run");
    let commands: Vec<&str> = script
        .lines()
        .filter(|line| {
            !line.starts_with('#') && !line.starts_with("set ") && !line.starts_with("cd ")
        })
        .collect();
    assert_eq!(commands.first(), Some(&"make test"), "{script}");
    let syntax = Command::new("bash").arg("-n").arg(root().join(".ci/run")).status();
    assert!(syntax.expect("bash").success());
}

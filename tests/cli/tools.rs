//! tests/tools.sh: what is missing is named, with the command that installs it.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::console::root;

/// A PATH of one folder with these programs, and with an `id` that says who asks.
fn tools(name: &str, uid: u32, programs: &[&str]) -> Output {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("tools-{name}"));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a folder");
    let script = |name: &str, text: &str| {
        std::fs::write(folder.join(name), format!("#!/bin/sh\n{text}\n")).expect("written");
        let executable = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(folder.join(name), executable).expect("executable");
    };
    script("id", &format!("echo {uid}"));
    for program in programs {
        if *program == "apt-get" {
            // Installs nothing, and fails at it.
            script(program, "exit 1");
        } else {
            script(program, "exit 0");
        }
    }
    symlink(Path::new("/bin/sh"), folder.join("sh")).expect("a link");
    let mut command = Command::new("/bin/sh");
    command
        .arg(root().join("tests/tools.sh"))
        .env_clear()
        .env("PATH", &folder)
        .env("SBIN", &folder);
    command.output().expect("sh runs")
}

/// What tests/tools.sh needs where there is apt-get, and the package of each.
fn needed() -> Vec<(String, String)> {
    let script = std::fs::read_to_string(root().join("tests/tools.sh")).expect("tests/tools.sh");
    let (_, apt) = script.split_once("install='apt-get").expect("a branch for apt-get");
    let (apt, _) = apt.split_once("elif").expect("its end");
    let words = |need: &str| {
        let mut words = need.split_whitespace();
        Some((words.next()?.to_owned(), words.next()?.to_owned()))
    };
    apt.split(['\n', ';'])
        .filter_map(|line| line.trim().strip_prefix("need "))
        .filter_map(words)
        .collect()
}

#[test]
fn what_is_missing_is_named() {
    let needed = needed();
    assert!(needed.iter().any(|(program, _)| program == "strace"), "{needed:?}");
    let packages: Vec<&str> = needed.iter().map(|(_, package)| package.as_str()).collect();
    let output = tools("none", 1000, &["apt-get"]);
    assert_eq!(output.status.code(), Some(1));
    let line = String::from_utf8_lossy(&output.stderr);
    for package in packages {
        assert!(line.contains(&format!(" {package}")), "{line}");
    }
    assert!(line.starts_with("the tests need ") && line.contains("sudo apt-get install"), "{line}");
    assert_eq!(line.lines().count(), 1, "{line}");

    // All but one: only that one.
    let (absent, package) = &needed[0];
    let mut present: Vec<&str> = needed.iter().map(|(program, _)| program.as_str()).collect();
    present.retain(|program| program != absent);
    present.push("apt-get");
    let output = tools("one", 1000, &present);
    let line = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(line.starts_with(&format!("the tests need {package}: ")), "{line}");
}

#[test]
fn an_installation_that_fails_ends_in_the_same_line() {
    let output = tools("root", 0, &["apt-get"]);
    let line = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{line}");
    assert!(line.contains("the tests need ") && line.contains("sudo apt-get install"), "{line}");
}

#[test]
fn without_a_package_manager_they_are_named_too() {
    let output = tools("unknown", 0, &[]);
    let line = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{line}");
    assert!(line.starts_with("the tests need ") && line.contains("strace"), "{line}");
}

#[test]
fn nothing_is_said_when_all_is_there() {
    let needed = needed();
    let mut present: Vec<&str> = needed.iter().map(|(program, _)| program.as_str()).collect();
    present.push("apt-get");
    let output = tools("all", 1000, &present);
    assert!(output.status.success() && output.stderr.is_empty() && output.stdout.is_empty());
}

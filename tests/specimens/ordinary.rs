//! What the superuser can't have examined: no limit of processes binds him.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use nix::unistd::Uid;
use serde_json::Value;

use crate::examined::stranger;
use crate::support::{c_program, socklab};

/// A folder that anybody can look into, with copies of programs; it goes when it is dropped.
struct Folder(PathBuf);

impl Folder {
    fn with(programs: &[PathBuf]) -> Self {
        let name = format!("socklab-ordinary-{}", std::process::id());
        let folder = Self(std::env::temp_dir().join(name));
        fs::create_dir(&folder.0).expect("a folder");
        fs::set_permissions(&folder.0, fs::Permissions::from_mode(0o755)).expect("ours");
        // By a process of its own: a child that is started meanwhile would have a copy open that is to be executed (ETXTBSY).
        let copied = Command::new("cp").args(programs).arg(&folder.0).status().expect("cp runs");
        assert!(copied.success(), "{copied}");
        folder
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left is in the temporary folder.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_limit_of_tasks() {
    const CASES: &[(&str, &str)] = &[
        ("broken/exits_on_fork_failure", "fail"),
        ("broken/exits_on_thread_failure", "fail"),
        ("forked", "pass"),
        ("threaded", "pass"),
        // A worker that has ended can't be replaced for a while.
        ("preforked", "pass"),
        ("preforked_passing", "pass"),
        ("broken/no_replacement", "n/a"),
        // A thread that waits for its next client is none that could not be made.
        ("cached.py", "pass"),
        ("executor.py", "n/a"),
    ];
    let program = |name: &str| if name.ends_with(".py") { stranger(name) } else { c_program(name) };
    let mut programs: Vec<PathBuf> = CASES.iter().map(|(name, _)| program(name)).collect();
    programs.push(socklab().get_program().into());
    let folder = Folder::with(&programs);
    for (name, expected) in CASES {
        let name = name.rsplit('/').next().expect("a name");
        let mut examiner = Command::new(folder.0.join("socklab"));
        examiner.args(["examine", "--json", "--only=F8", "--"]).current_dir(&folder.0);
        if name.ends_with(".py") {
            examiner.args(["python3", "-B", name, "{port}"]);
        } else {
            examiner.args([&format!("./{name}"), "--port", "{port}"]);
        }
        if Uid::effective().is_root() {
            examiner.uid(65534).gid(65534);
        }
        let output = examiner.output().expect("it runs");
        let found: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let finding = &found["findings"][0];
        assert_eq!(finding["verdict"], *expected, "{name}: {found}");
    }
}

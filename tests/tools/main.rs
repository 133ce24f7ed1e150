//! The lecture's tools against the originals, and against hostile input.

#[path = "../support/mod.rs"]
mod support;

mod knock;
mod nc;
mod netstat;
mod network;
mod readiness;
mod resolve;
mod sockopt;
mod traceroute;

/// The program's output without privilege, where these tests have one to give up; or why not.
fn without_privilege(args: &[&str]) -> Result<std::process::Output, String> {
    use std::os::unix::process::CommandExt;
    if !nix::unistd::geteuid().is_root() {
        return Err(String::from("these tests have none to give up"));
    }
    let mut command = support::socklab();
    command.args(args).uid(65534).gid(65534).stdin(std::process::Stdio::null());
    // The folder may be one that only root may enter.
    command.output().map_err(|error| error.to_string())
}

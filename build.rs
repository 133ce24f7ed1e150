//! Links the unwinder into the program. As a shared library of its own (libgcc_s, which the C twins have no use for) it
//! takes a sixth of the time that the program needs to start, and again in each child of a server that forks.

use std::env;
use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=CC");
    let set = |name| env::var(name).unwrap_or_default();
    if set("CARGO_CFG_TARGET_ENV") != "gnu" || set("TARGET") != set("HOST") {
        return;
    }
    let cc = env::var("CC").unwrap_or_else(|_| String::from("cc"));
    let found = Command::new(cc).arg("-print-file-name=libgcc_eh.a").output();
    let path =
        found.ok().and_then(|found| String::from_utf8(found.stdout).ok()).unwrap_or_default();
    // A compiler that has none prints the name as it was. Then the shared library is used.
    if let Some(folder) = Path::new(path.trim()).parent().filter(|folder| folder.is_absolute()) {
        println!("cargo::rustc-link-search=native={}", folder.display());
        println!("cargo::rustc-link-lib=static=gcc_eh");
    }
}

//! The user-mode instructions of one connection stay within their bounds, in Rust and in C.

#[path = "support/callgrind.rs"]
mod callgrind;
#[path = "support/mod.rs"]
mod support;

use callgrind::{BOUNDS, per_connection};
use support::Language;

#[test]
fn instructions_per_connection_are_within_their_bounds() {
    if !cfg!(all(target_arch = "x86_64", target_env = "gnu")) {
        eprintln!("skipped: the bounds are those of x86-64 and glibc");
        return;
    }
    let mut failures = Vec::new();
    for &(name, rust, c) in BOUNDS {
        let design = socklab::server::find(name).expect("a design");
        // Two servers at a time, and no more: each of them keeps a processor busy.
        let (in_rust, in_c) = std::thread::scope(|scope| {
            let in_rust = scope.spawn(|| per_connection(Language::Rust, design));
            let in_c = per_connection(Language::C, design);
            (in_rust.join().expect("counted"), in_c)
        });
        for (language, counted, bound) in [("Rust", in_rust, rust), ("C", in_c, c)] {
            if counted > bound {
                failures.push(format!("{name} in {language}: {counted:.1}, at most {bound}"));
            }
        }
    }
    assert!(failures.is_empty(), "instructions per connection: {}", failures.join("; "));
}

//! The user-mode instructions of one connection, by callgrind: every design that serves TCP for
//! ever, in Rust and in C. `make instructions`

#[path = "../tests/support/callgrind.rs"]
mod callgrind;
#[path = "../tests/support/mod.rs"]
mod support;

use socklab::server::DESIGNS;

use callgrind::{BOUNDS, is_candidate, obstacle, per_connection};
use support::Language;

fn main() {
    println!("user instructions per connection, one client");
    println!("{:16} {:>8} {:>8}   bound (Rust, C)", "", "Rust", "C");
    for design in DESIGNS.iter().filter(|design| is_candidate(design)) {
        if let Some(obstacle) = obstacle(design) {
            println!("{:16} {:>8} {:>8}   not counted: {obstacle}", design.name, "-", "-");
            continue;
        }
        let rust = per_connection(Language::Rust, design);
        let c = per_connection(Language::C, design);
        let bound = BOUNDS.iter().find(|(name, ..)| *name == design.name);
        let bound = bound.map_or(String::from("-"), |(_, rust, c)| format!("{rust}, {c}"));
        println!("{:16} {rust:8.1} {c:8.1}   {bound}", design.name);
    }
}

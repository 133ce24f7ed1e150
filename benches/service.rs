//! The service measured.

fn main() {}

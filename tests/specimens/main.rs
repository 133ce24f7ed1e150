//! The specimens of `c-compat/broken`: the table in its README, and the files.

use std::path::PathBuf;

mod table;

/// A C program that make has built.
fn c_program(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/c").join(name);
    assert!(path.exists(), "{} is missing: run `make test`, which builds it", path.display());
    path
}

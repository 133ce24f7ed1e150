//! No wrapper without a test.

use std::collections::BTreeSet;
use std::path::Path;

fn sources(folder: &str) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let entries = std::fs::read_dir(folder).expect("the sources are there");
    entries
        .map(|entry| std::fs::read_to_string(entry.expect("entry").path()).expect("text"))
        .collect()
}

/// The names of the public functions in a source.
fn public_functions(source: &str) -> impl Iterator<Item = &str> {
    source.lines().filter_map(|line| {
        let line = line.trim_start().strip_prefix("pub ")?;
        let line = line.strip_prefix("const ").unwrap_or(line);
        let line = line.strip_prefix("unsafe ").unwrap_or(line);
        line.strip_prefix("fn ")?.split(['(', '<']).next()
    })
}

/// Whether a function of this name is called in the source.
fn calls(source: &str, name: &str) -> bool {
    let inside = |c: char| c.is_alphanumeric() || c == '_';
    source.match_indices(name).any(|(at, _)| {
        let after = &source[at + name.len()..];
        !source[..at].ends_with(inside)
            && !source[..at].ends_with("fn ")
            && (after.starts_with('(') || after.starts_with("::<"))
    })
}

#[test]
fn every_wrapper_is_called() {
    let tests = sources("tests/posix").join("\n");
    let code: Vec<&str> =
        tests.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let code = code.join("\n");
    let mut wrappers = sources("src/posix");
    wrappers.extend(sources("src/linux"));
    let names: BTreeSet<&str> =
        wrappers.iter().flat_map(|source| public_functions(source)).collect();
    assert!(names.len() > 100, "only {} functions found", names.len());
    let missing: Vec<_> = names.into_iter().filter(|name| !calls(&code, name)).collect();
    assert!(missing.is_empty(), "no test calls {missing:?}");
}

//! README.md's table of what a connection costs is what is found.

use std::path::Path;

use socklab::server::DESIGNS;

use super::{compare, has_strace, said, support};

fn cells(row: &str) -> Vec<&str> {
    row.trim_matches('|').split('|').map(str::trim).collect()
}

#[test]
fn the_table_in_the_readme_is_true() {
    if !has_strace() {
        return;
    }
    if let Some((design, why)) =
        DESIGNS.iter().find_map(|design| support::refused(design).map(|why| (design.name, why)))
    {
        eprintln!("skipped: {design}: {why}");
        return;
    }
    let output = compare(&["--table"]);
    assert!(output.status.success(), "{}", said(&output));
    let found = String::from_utf8(output.stdout).expect("UTF-8");

    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = std::fs::read_to_string(readme).expect("README.md");
    let (_, after) = readme.split_once("<!-- calls -->\n").expect("the marker before the table");
    let (table, _) = after.split_once("<!-- end of calls -->").expect("the marker after it");
    assert_eq!(table, found, "README.md's table (left) is not what `make calls` prints (right)");

    // And what a design promises.
    for (row, design) in found.lines().skip(2).zip(DESIGNS) {
        let cells = cells(row);
        let promised = design.promises.calls.map_or("varies".into(), |calls| calls.to_string());
        assert_eq!((cells[0], cells[3]), (design.name, promised.as_str()), "{row}");
    }
    assert_eq!(found.lines().count(), 2 + DESIGNS.len());
}

//! The table of `c-compat/broken/README.md`, and the files.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::c_program;

/// How many checks each group of the catalogue has.
const CHECKS: &[(char, u32)] = &[
    ('A', 6),
    ('B', 6),
    ('C', 10),
    ('D', 19),
    ('E', 7),
    ('F', 12),
    ('G', 4),
    ('H', 9),
    ('J', 9),
    ('K', 8),
];

/// The group that tells where a server can be reached, and needs no specimens.
const REACH: (char, u32) = ('I', 4);

pub(crate) struct Row {
    pub(crate) specimen: String,
    pub(crate) design: String,
    pub(crate) fault: String,
    /// The checks that have to name it; none for a command, or a sound one.
    pub(crate) names: Vec<String>,
    /// What else may fail.
    pub(crate) follows: Vec<String>,
    /// Whether it is about the command, not about what the server does.
    pub(crate) is_command: bool,
    /// Whether such a command is examined all the same.
    pub(crate) is_examined: bool,
}

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn is_check(word: &str) -> bool {
    CHECKS.iter().chain(&[REACH]).any(|&(group, most)| {
        let number = word.strip_prefix(group).and_then(|number| number.parse::<u32>().ok());
        number.is_some_and(|number| (1..=most).contains(&number))
    })
}

/// The checks that stand before each colon of a cell: `H5, H6: why; D2: why`.
pub(crate) fn following(cell: &str) -> Vec<String> {
    let mut checks = Vec::new();
    for part in cell.split("; ").filter(|part| !part.is_empty()) {
        let Some((named, why)) = part.split_once(": ") else {
            panic!("{part:?} has no reason");
        };
        assert!(!why.trim().is_empty(), "{part:?} has no reason");
        for check in named.split(", ") {
            assert!(is_check(check), "{check:?} in {cell:?} is no check");
            checks.push(check.to_owned());
        }
    }
    checks
}

pub(crate) fn rows() -> Vec<Row> {
    let text = fs::read_to_string(root("c-compat/broken/README.md")).unwrap();
    let table = text.split("<!-- specimens -->").nth(1).expect("the table begins");
    let table = table.split("<!-- end of specimens -->").next().expect("the table ends");
    let lines = table.lines().filter(|line| !line.is_empty()).skip(2);
    lines
        .map(|line| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            let ["", specimen, design, fault, names, follows, ""] = cells[..] else {
                panic!("not five cells: {line}");
            };
            let bare = |cell: &str| cell.trim_matches('`').to_owned();
            let is_examined = names == "examined";
            let is_command = names == "command" || is_examined;
            let mut checks = Vec::new();
            if !is_command && names != "none" {
                for check in names.split(", ") {
                    let check = check.strip_suffix(" WEAK").unwrap_or(check);
                    assert!(is_check(check), "{check:?} in {line} is no check");
                    checks.push(check.to_owned());
                }
            }
            Row {
                specimen: bare(specimen),
                design: bare(design),
                fault: fault.to_owned(),
                names: checks,
                follows: following(follows),
                is_command,
                is_examined,
            }
        })
        .collect()
}

/// What the folder holds beside the specimens.
const SHARED: &[&str] = &["common", "lines", "client/common"];

fn files() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (folder, prefix) in [("c-compat/broken", ""), ("c-compat/broken/client", "client/")] {
        for entry in fs::read_dir(root(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "c") {
                found.insert(format!("{prefix}{}", path.file_stem().unwrap().to_str().unwrap()));
            }
        }
    }
    for name in SHARED {
        assert!(found.remove(*name), "c-compat/broken/{name}.c is missing");
    }
    found
}

#[test]
fn table_and_files_agree() {
    let rows = rows();
    let listed: BTreeSet<String> = rows.iter().map(|row| row.specimen.clone()).collect();
    assert_eq!(listed.len(), rows.len(), "a specimen stands twice in the table");
    assert_eq!(listed, files(), "the table (left) and the files (right)");
    for row in &rows {
        assert!(!row.fault.is_empty(), "{} has no fault", row.specimen);
        // They are there, so they have been compiled with the house's warnings.
        c_program(&format!("broken/{}", row.specimen));
        let twin = format!("c-compat/{}.c", row.design);
        let sound = format!("c-compat/broken/{}.c", row.design);
        assert!(root(&twin).exists() || root(&sound).exists(), "no sound program {}", row.design);
        for check in &row.names {
            assert!(!row.follows.contains(check), "{check} stands twice at {}", row.specimen);
        }
    }
}

/// Of each group whose checks can fail, those that have no specimen, and why.
const WITHOUT: &[(&str, &str)] = &[
    ("A1", "what never listens is no server: a command that can't be examined"),
    ("A3", "a backlog is a figure"),
    (
        "B4",
        "the protocol's shape is found out, and judged only by what the command line says of it; its faults are D5's",
    ),
    ("C1", "it says which design it is"),
    ("C2", "it says which design it is"),
    ("C3", "it says which design it is"),
    ("C4", "a stranger's: a blocking listening socket in a loop"),
    ("C5", "it says which design it is"),
    ("C6", "it says which design it is"),
    ("C7", "it says which design it is"),
    ("C8", "it says which design it is"),
    ("C10", "any sound server with the name of another design"),
    ("F8", "an ordinary user's: ordinary::a_limit_of_tasks"),
    ("J8", "what a full queue drops is a figure"),
];

#[test]
fn every_check_that_can_fail_has_a_specimen() {
    let named: BTreeSet<String> = rows().into_iter().flat_map(|row| row.names).collect();
    for &(group, most) in CHECKS {
        for number in 1..=most {
            let check = format!("{group}{number}");
            let without = WITHOUT.iter().any(|(without, _)| *without == check);
            assert_ne!(
                named.contains(&check),
                without,
                "{check}: a specimen, or a reason for none"
            );
        }
    }
}

#[test]
fn a_specimen_is_one_page_with_one_fault() {
    for row in rows() {
        let text =
            fs::read_to_string(root(&format!("c-compat/broken/{}.c", row.specimen))).unwrap();
        let lines = text.lines().count();
        assert!(lines <= 65, "{}: {lines} lines", row.specimen);
        let first = text.lines().next().unwrap_or_default();
        assert!(first.starts_with("/* ") && first.ends_with(". */"), "{}: {first}", row.specimen);
        let faults = usize::from(row.fault != "none");
        assert_eq!(text.matches("/* The fault: ").count(), faults, "{}", row.specimen);
    }
}

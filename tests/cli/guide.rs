//! README.md, docs/ and c-compat/README.md: what they show is what happens.

use socklab::server::DESIGNS;

use crate::console::{root, run_page};
use crate::support;

fn page(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn run(path: &str) {
    let refused = DESIGNS.iter().find_map(|design| {
        let shown = path == format!("docs/{}.md", design.name);
        shown.then(|| support::refused(design)).flatten()
    });
    if let Some(reason) = refused {
        return eprintln!("skipped {path}: {reason}");
    }
    match run_page(path) {
        Ok(blocks) => assert!(blocks > 0, "{path} has no block to run"),
        Err(reason) => eprintln!("skipped {path}: {reason}"),
    }
}

macro_rules! pages {
    ($($name:ident $path:literal)*) => {
        const PAGES: &[&str] = &[$($path),*];
        $(#[test] fn $name() { run($path); })*
    };
}

pages! {
    the_tour "README.md"
    debugging "docs/debugging.md"
    netstat "docs/netstat.md"
    udp_time "docs/udp_time.md"
    iterative "docs/iterative.md"
    forked "docs/forked.md"
    threaded "docs/threaded.md"
    prethreaded "docs/prethreaded.md"
    blocking "docs/blocking.md"
    select "docs/select.md"
    uring "docs/uring.md"
    epoll "docs/epoll.md"
    preforked "docs/preforked.md"
    inetd "docs/inetd.md"
    hybrid "docs/hybrid.md"
    options "docs/options.md"
    readiness "docs/readiness.md"
    names "docs/names.md"
    knock "docs/knock.md"
    traceroute "docs/traceroute.md"
    nc "docs/nc.md"
    compare "docs/compare.md"
    examine "docs/examine.md"
    examine_json "docs/examine-json.md"
    experiments "docs/experiments.md"
    costs "docs/costs.md"
    benchmarks "docs/benchmarks.md"
}

#[test]
fn no_page_of_the_guide_is_left_out() {
    let contents = page("docs/README.md");
    for entry in std::fs::read_dir(root().join("docs")).expect("a folder") {
        let name = entry.expect("an entry").file_name().into_string().expect("a name");
        if name != "README.md" && name.ends_with(".md") {
            assert!(contents.contains(&format!("]({name})")), "docs/README.md lacks {name}");
            assert!(PAGES.contains(&format!("docs/{name}").as_str()), "docs/{name} is not run");
        }
    }
}

#[test]
fn the_table_of_designs_is_the_registrys() {
    let output = support::socklab().args(["designs", "--markdown"]).output().expect("runs");
    let table = String::from_utf8(output.stdout).expect("UTF-8");
    for design in DESIGNS {
        let row = table.lines().find(|line| line.starts_with(&format!("| {} ", design.name)));
        let row = row.unwrap_or_else(|| panic!("no row for {}", design.name));
        assert!(row.contains(design.slide) && row.contains(design.changes), "{row}");
    }
    assert_eq!(table.lines().count(), DESIGNS.len() + 2);
    let readme = page("README.md");
    let (_, after) = readme.split_once("<!-- designs -->\n").expect("the marker before the table");
    let (shown, _) = after.split_once("<!-- end of designs -->").expect("the marker after it");
    assert_eq!(
        shown.trim(),
        table.trim(),
        "README.md's table (left) is not what `socklab designs --markdown` prints (right)"
    );
}

#[test]
fn links_lead_somewhere() {
    let pages =
        ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "c-compat/README.md", "docs/README.md"];
    for path in pages.iter().chain(PAGES) {
        let text = page(path);
        let folder = root().join(path);
        let folder = folder.parent().expect("a folder");
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = link.split('#').next().unwrap_or_default();
            if !link.starts_with("https://") && !target.is_empty() {
                assert!(folder.join(target).exists(), "{path}: no {link}");
            }
        }
    }
}

/// The names of the programs that a page tells to start exist: a renamed design is found here.
#[test]
fn pages_name_designs_that_exist() {
    for path in PAGES {
        for line in page(path).lines().filter(|line| line.starts_with("$ ")) {
            if let Some((_, rest)) = line.split_once("socklab serve ") {
                let name = rest.split_whitespace().next().unwrap_or_default();
                let name = name.trim_end_matches([')', '\'']);
                assert!(DESIGNS.iter().any(|design| design.name == name), "{path}: {line}");
            }
        }
    }
}

/// `| design | call | where | reason |`: what a comparison of the traces may leave out.
#[test]
fn the_accepted_differences_are_a_table_that_a_program_can_read() {
    let text = page("c-compat/README.md");
    let (_, after) =
        text.split_once("<!-- differences -->\n").expect("the marker before the table");
    let (table, _) = after.split_once("<!-- end of differences -->").expect("the marker after it");
    let mut rows = table.trim().lines();
    assert_eq!(rows.next(), Some("| design | calls | where | reason |"));
    assert!(rows.next().is_some_and(|line| line.starts_with("|--")));
    let mut count = 0;
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        assert_eq!(cells.len(), 4, "{row}");
        let [program, calls, place, reason] = cells[..] else { unreachable!("four") };
        for program in program.split(", ") {
            let known = ["pools", "servers", "clients", "commands", "all"].contains(&program)
                || DESIGNS.iter().any(|design| design.name == program)
                || ["client fib", "client time", "client nonblocking"].contains(&program);
            assert!(known, "{row}");
        }
        for call in calls.split(", ") {
            let name = call.strip_prefix('`').and_then(|call| call.strip_suffix('`'));
            let name = name.unwrap_or_else(|| panic!("a call in backticks: {row}"));
            let is_signal = name.starts_with("SIG") && name.bytes().all(|b| b.is_ascii_uppercase());
            let is_call =
                name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
            assert!(is_signal || is_call, "{name}: {row}");
        }
        assert!(!place.is_empty() && !reason.is_empty(), "{row}");
        count += 1;
    }
    assert!(count > 0);
}

//! The house rules that a compiler does not hold: who may import whom, where `unsafe` and `libc::`
//! may stand, how long a server module may be.

use std::fs;
use std::path::{Path, PathBuf};

/// What each module may name of this crate, and which external crates.
const ARROWS: &[(&str, &[&str], &[&str])] = &[
    ("posix", &["posix"], &["libc", "errno"]),
    ("linux", &["linux", "posix"], &["libc", "errno", "io_uring", "landlock", "seccompiler"]),
    ("service", &["service", "posix", "linux"], &["proptest"]),
    ("server", &["server", "service", "posix", "linux"], &["proptest"]),
    ("client", &["client", "service", "posix", "linux"], &[]),
    ("experiment", &["experiment", "posix", "linux"], &["serde"]),
    ("net", &["net", "posix", "linux"], &["proptest"]),
    ("tool", &["tool", "net", "posix", "linux"], &["serde", "proptest"]),
    ("subject", &["subject", "net", "posix", "linux"], &["nix"]),
    (
        "report",
        &["report"],
        &["serde", "serde_json", "askama", "csv", "quick_xml", "textwrap", "proptest", "roxmltree"],
    ),
    (
        "examine",
        &["examine", "subject", "report", "net", "posix", "linux"],
        &["nix", "regex", "shlex", "proptest"],
    ),
    (
        "compare",
        &["compare", "subject", "report", "net", "posix", "linux"],
        &["regex", "serde", "similar", "proptest"],
    ),
    (
        "cli",
        &[
            "cli",
            "server",
            "client",
            "service",
            "tool",
            "net",
            "experiment",
            "subject",
            "report",
            "examine",
            "compare",
            "posix",
            "linux",
        ],
        &["clap", "comfy_table", "serde", "serde_json"],
    ),
];

/// All crates that Cargo.toml names, `std` aside.
const CRATES: &[&str] = &[
    "libc",
    "errno",
    "io_uring",
    "landlock",
    "seccompiler",
    "nix",
    "clap",
    "comfy_table",
    "serde",
    "serde_json",
    "similar",
    "regex",
    "shlex",
    "askama",
    "csv",
    "quick_xml",
    "textwrap",
    "proptest",
    "roxmltree",
    "hdrhistogram",
];

/// The files outside `posix` and `linux` in which `unsafe` may stand, and why.
const UNSAFE: &[(&str, &str)] = &[
    ("server/lifecycle/mod.rs", "a signal handler, and descriptors that it knows by number"),
    ("server/forked.rs", "fork() is the design"),
    ("server/preforked.rs", "fork() is the design"),
    ("server/epoll_shared.rs", "fork() is the design"),
    ("server/reuseport.rs", "fork() is the design"),
    ("server/preforked_fcntl.rs", "fork() is the design"),
    ("server/preforked_mutex.rs", "fork() is the design"),
    ("server/preforked_passing.rs", "fork() is the design"),
    ("subject/mod.rs", "what must happen between fork and exec"),
    ("subject/cell.rs", "what must happen between fork and exec"),
    ("subject/inetd.rs", "what must happen between fork and exec"),
    ("server/inetd.rs", "fork() is the design, and a socket that it was started with"),
];

struct Source {
    /// Below `src/`.
    path: String,
    /// Without comments.
    code: String,
}

fn sources() -> Vec<Source> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    walk(&src, &mut files);
    assert!(files.len() > 30, "only {} files found", files.len());
    let below = |file: &PathBuf| file.strip_prefix(&src).unwrap().display().to_string();
    files.iter().map(|file| Source { path: below(file), code: code(file) }).collect()
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

fn code(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    text.lines().map(|line| line.split("//").next().unwrap_or("")).collect::<Vec<_>>().join("\n")
}

impl Source {
    fn module(&self) -> &str {
        self.path.split(['/', '.']).next().unwrap()
    }

    /// The identifiers that stand directly before `::` or, after `crate::`, directly behind it.
    fn names(&self, prefix: &str) -> Vec<String> {
        let mut names = Vec::new();
        for (at, _) in self.code.match_indices(prefix) {
            let name: String = self.code[at + prefix.len()..]
                .chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect();
            names.push(name);
        }
        names
    }

    fn says(&self, word: &str) -> bool {
        self.code.match_indices(word).any(|(at, _)| {
            let before = self.code[..at].chars().next_back();
            !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':')
        })
    }
}

#[test]
fn arrows() {
    let mut wrong = Vec::new();
    for source in sources() {
        if matches!(source.module(), "lib" | "main") {
            continue;
        }
        let Some((_, modules, crates)) = ARROWS.iter().find(|arrow| arrow.0 == source.module())
        else {
            wrong.push(format!("{}: no row in ARROWS", source.path));
            continue;
        };
        for name in source.names("crate::") {
            if !modules.contains(&name.as_str()) {
                wrong.push(format!("{} imports crate::{name}", source.path));
            }
        }
        for name in CRATES.iter().filter(|name| !crates.contains(name)) {
            if source.says(&format!("{name}::")) {
                wrong.push(format!("{} imports {name}", source.path));
            }
        }
        if matches!(source.module(), "service" | "server" | "client" | "experiment")
            && source.code.contains("std::net")
        {
            wrong.push(format!("{} imports std::net", source.path));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_crates_are_those_that_cargo_names() {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let manifest = fs::read_to_string(manifest).unwrap();
    let mut named: Vec<String> = Vec::new();
    let mut inside = false;
    for line in manifest.lines() {
        if line.starts_with('[') {
            inside = line.ends_with("dependencies]");
        } else if inside && let Some((name, _)) = line.split_once(" =") {
            named.push(name.replace('-', "_"));
        }
    }
    named.sort();
    // The tests may use more of a crate than the program does.
    named.dedup();
    let mut known = CRATES.to_vec();
    known.sort_unstable();
    assert_eq!(named, known);
}

#[test]
fn unsafe_stands_where_it_may() {
    let mut wrong = Vec::new();
    for source in sources() {
        let raw = matches!(source.module(), "posix" | "linux");
        let excepted = UNSAFE.iter().find(|(path, _)| *path == source.path);
        if !raw && source.says("unsafe {") && excepted.is_none() {
            wrong.push(format!("{} says unsafe", source.path));
        }
        if let Some((_, reason)) = excepted
            && !source.code.contains(&format!("#![expect(unsafe_code, reason = \"{reason}\")]"))
        {
            wrong.push(format!("{} does not say #![expect(unsafe_code, ...)]", source.path));
        }
        let forbids = source.code.contains("#![forbid(unsafe_code)]");
        let top = source.path.ends_with("/mod.rs") && source.path.matches('/').count() == 1;
        // In a tree with an exception each file forbids for itself.
        let is_mixed = matches!(source.module(), "server" | "subject");
        let part = is_mixed && !top && excepted.is_none();
        if (part || top && !is_mixed && !raw) && !forbids {
            wrong.push(format!("{} does not forbid unsafe code", source.path));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_macro_hides_unsafe() {
    for source in sources() {
        for (at, _) in source.code.match_indices("macro_rules!") {
            let body = &source.code[at..];
            let body = &body[..body.find("\n}").unwrap_or(body.len())];
            assert!(!body.contains("unsafe"), "{}: {body}", source.path);
        }
    }
}

/// A `println!` panics when nobody reads any more.
#[test]
fn nothing_prints_by_macro() {
    for source in sources() {
        for name in
            ["println!", "print!", "eprintln!", "eprint!", "panic!", ".unwrap()", ".expect("]
        {
            let code = source.code.split("#[cfg(test)]").next().unwrap();
            assert!(!code.contains(name), "{} says {name}", source.path);
        }
    }
}

const EVENTS: &[&str] = &[
    "select.rs",
    "nonblocking.rs",
    "poll.rs",
    "epoll.rs",
    "epoll_edge.rs",
    "epoll_shared.rs",
    "reuseport.rs",
    "preforked_passing.rs",
    "uring.rs",
    "hybrid/mod.rs",
];

#[test]
fn a_server_module_is_as_short_as_its_slide() {
    for source in sources() {
        let Some(name) = source.path.strip_prefix("server/") else { continue };
        let Some(body) = source.code.split("fn serve(").nth(1) else { continue };
        let lines = body.lines().filter(|line| !line.trim().is_empty()).count();
        // An event loop also remembers what elsewhere a process or a thread would.
        let most = if EVENTS.contains(&name) { 100 } else { 60 };
        assert!(lines <= most, "{name}: {lines} lines from `fn serve` on, at most {most}");
    }
}

/// Line 1 of a wrapper's doc is the C prototype and a clause, line 2 where it is specified.
#[test]
fn wrappers_say_their_prototype_and_their_source() {
    let posix = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/posix");
    let mut wrong = Vec::new();
    let mut wrappers = 0;
    for entry in fs::read_dir(posix).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        for (at, line) in lines.iter().enumerate() {
            let Some(signature) =
                line.strip_prefix("pub fn ").or(line.strip_prefix("pub unsafe fn "))
            else {
                continue;
            };
            let name: String =
                signature.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            let body = lines[at..].iter().take_while(|line| **line != "}").copied();
            let body: String = body.collect::<Vec<_>>().join("\n");
            if !body.contains(&format!("libc::{name}(")) && !body.contains(&format!("c::{name}(")) {
                continue;
            }
            wrappers += 1;
            let docs: Vec<&str> = lines[..at]
                .iter()
                .rev()
                .take_while(|line| line.starts_with("///") || line.starts_with("#["))
                .copied()
                .collect();
            let docs = docs.join("\n");
            if !docs.contains(&format!("{name}(")) && !docs.contains(&format!("*{name}(")) {
                wrong.push(format!("{}: {name}: no prototype", path.display()));
            }
            let sourced = docs.contains("manual!(") || docs.contains("man7.org");
            if !sourced {
                wrong.push(format!("{}: {name}: no manual", path.display()));
            }
        }
    }
    assert!(wrappers > 70, "only {wrappers} wrappers found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

//! A design's Rust module and its C twin are the same program: same names, same calls in the same
//! order.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use socklab::server::DESIGNS;

/// The clients and their files.
const CLIENTS: &[&str] = &["fibonacci", "nonblocking", "time"];

/// The resolver's functions and their C programs.
const FUNCTIONS: &[&str] = &[
    "getaddrinfo",
    "gethostbyaddr",
    "gethostbyname",
    "getnameinfo",
    "getprotobyname",
    "getprotobynumber",
    "getservbyname",
    "getservbyport",
];

/// The same thing under the name that each language gives it: Rust's, C's.
const RENAMED: &[(&str, &str)] = &[
    // pause() is a system call in C.
    ("pause", "pause_a_while"),
    ("report", "report_errno"),
];

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The Rust file of a design, which may be a folder.
fn rust_file(design: &str) -> String {
    let folder = format!("src/server/{design}/mod.rs");
    if root(&folder).exists() { folder } else { format!("src/server/{design}.rs") }
}

fn stems(folder: &str, extension: &str, but: &[&str]) -> BTreeSet<String> {
    let mut stems = BTreeSet::new();
    for entry in fs::read_dir(root(folder)).unwrap() {
        let path = entry.unwrap().path();
        let is_module = extension == "rs" && path.join("mod.rs").exists();
        if is_module || path.extension().is_some_and(|found| found == extension) {
            stems.insert(path.file_stem().unwrap().to_str().unwrap().to_owned());
        }
    }
    for name in but {
        assert!(stems.remove(*name), "{folder}/{name}.{extension} is missing");
    }
    stems
}

#[test]
fn every_design_has_its_two_files_and_every_file_its_design() {
    let registered: BTreeSet<String> =
        DESIGNS.iter().map(|design| design.name.to_owned()).collect();
    assert_eq!(registered.len(), DESIGNS.len(), "a name stands twice in DESIGNS");
    let rust =
        stems("src/server", "rs", &["mod", "clients", "lifecycle", "options", "promise", "table"]);
    let c = stems("c-compat", "c", &["clients", "table"]);
    for (what, files) in [("src/server/*.rs", rust), ("c-compat/*.c", c)] {
        let missing: Vec<_> = registered.difference(&files).collect();
        let unknown: Vec<_> = files.difference(&registered).collect();
        assert!(missing.is_empty(), "{what}: no file for the designs {missing:?}");
        assert!(unknown.is_empty(), "{what}: no line in DESIGNS for {unknown:?}");
    }
}

#[test]
fn every_client_and_every_service_has_its_two_files() {
    let named: BTreeSet<String> = CLIENTS.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(stems("src/client", "rs", &["mod"]), named);
    assert_eq!(stems("c-compat/client", "c", &["common"]), named);
    assert_eq!(stems("src/service", "rs", &["mod"]), stems("c-compat/service", "c", &[]));
}

#[test]
fn titles_agree() {
    for design in DESIGNS {
        let rust = fs::read_to_string(root(&rust_file(design.name))).unwrap();
        let c = fs::read_to_string(root(&format!("c-compat/{}.c", design.name))).unwrap();
        let title = rust.lines().next().unwrap().trim_start_matches("//! ");
        assert_eq!(c.lines().next().unwrap(), format!("/* {title} */"), "{}", design.name);
    }
}

/// What the services offer to the designs.
const SERVICE: &[&str] = &[
    "handle_request",
    "handle_datagram",
    "is_answerable",
    "exchange_new",
    "advance",
    "is_answering",
];

/// The functions whose calls are compared: all of `posix` and `linux`, and what the designs share.
fn compared() -> BTreeSet<String> {
    let mut names: BTreeSet<String> = SERVICE.iter().map(|name| (*name).to_owned()).collect();
    let mut files = vec![root("src/client/mod.rs")];
    for part in stems("src/server/lifecycle", "rs", &[]) {
        files.push(root(&format!("src/server/lifecycle/{part}.rs")));
    }
    files.push(root("src/linux/epoll.rs"));
    for header in stems("src/posix", "rs", &["mod", "error", "ffi"]) {
        files.push(root(&format!("src/posix/{header}.rs")));
    }
    for header in stems("src/linux", "rs", &["mod"]) {
        let text = fs::read_to_string(root(&format!("src/linux/{header}.rs"))).unwrap();
        names.extend(text.split("\npub fn ").skip(1).map(name_at));
    }
    for file in files {
        let text = fs::read_to_string(file).unwrap();
        for qualifiers in ["\npub fn ", "\npub unsafe fn ", "\npub const fn ", "\nfn "] {
            names.extend(text.split(qualifiers).skip(1).map(name_at));
        }
    }
    let clients = fs::read_to_string(root("src/server/clients.rs")).unwrap();
    names.extend(clients.split("\n    pub fn ").skip(1).map(name_at));
    // It is said with its type.
    assert!(names.remove("new") && names.insert("clients_new".to_owned()));
    // In C a variable, so it is no call; what C's clients do round the exchange, in main; and what is
    // mostly a `?` in Rust. The sandbox only Rust has.
    for name in ["die", "stopping", "clock_gettime", "ntohl", "forbid_files", "forbid_calls"] {
        assert!(names.remove(name), "{name} is gone");
    }
    assert!(names.len() > 100, "only {} functions found", names.len());
    names
}

fn name_at(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// The calls of `names` in a function's body, in the order of the text.
fn calls(code: &str, names: &BTreeSet<String>) -> Vec<String> {
    let mut calls = Vec::new();
    let bytes = code.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if !is_word(bytes[at]) {
            at += 1;
            continue;
        }
        let word = name_at(&code[at..]);
        at += word.len();
        if bytes.get(at) != Some(&b'(') {
            continue;
        }
        let word =
            RENAMED.iter().find(|(_, c)| *c == word).map_or(word, |(rust, _)| (*rust).into());
        if names.contains(&word) {
            calls.push(word);
        }
    }
    calls
}

/// The body of a function: from its opening line to the first `}` at the beginning of a line.
fn body<'a>(text: &'a str, opening: &str, file: &str) -> &'a str {
    let start = text.find(opening).unwrap_or_else(|| panic!("{file}: no {opening:?}"));
    let start = start + text[start..].find('{').unwrap();
    let end = text[start..].find("\n}").unwrap();
    &text[start..start + end]
}

fn without_comments(text: &str) -> String {
    let mut code = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("/*") {
        code.push_str(&rest[..at]);
        rest = &rest[at..];
        rest = &rest[rest.find("*/").map_or(rest.len(), |end| end + 2)..];
    }
    code.push_str(rest);
    code.lines().map(|line| line.split("//").next().unwrap()).collect::<Vec<_>>().join("\n")
}

fn read(path: &str) -> String {
    without_comments(&fs::read_to_string(root(path)).unwrap())
        .replace("Exchange::new(", "exchange_new(")
        .replace("Clients::new(", "clients_new(")
}

fn assert_same_calls(rust: (&str, &str), c: (&str, &str)) {
    let names = compared();
    let in_rust = calls(body(&read(rust.0), rust.1, rust.0), &names);
    let in_c = calls(body(&read(c.0), c.1, c.0), &names);
    assert!(!in_rust.is_empty(), "{}: no calls found", rust.0);
    assert_eq!(in_rust, in_c, "{} (left) and {} (right) part", rust.0, c.0);
}

#[test]
fn designs_make_the_same_calls_in_the_same_order() {
    for design in DESIGNS {
        let rust = rust_file(design.name);
        let c = format!("c-compat/{}.c", design.name);
        assert_same_calls((&rust, "\nfn serve("), (&c, "\nint main("));
    }
    for (design, rust, c) in [
        ("threaded", "serve_client(", "void *serve_client("),
        ("preforked", "serve_clients(", "int serve_clients("),
        ("preforked_fcntl", "serve_clients(", "int serve_clients("),
        ("preforked_mutex", "serve_clients(", "int serve_clients("),
        ("preforked_passing", "serve_clients(", "int serve_clients("),
        ("prethreaded", "serve_clients(", "void serve_clients("),
        ("prethreaded_queue", "serve_clients(", "void serve_clients("),
        ("epoll_shared", "serve_clients(", "int serve_clients("),
        ("reuseport", "serve_clients(", "int serve_clients("),
    ] {
        assert_same_calls(
            (&format!("src/server/{design}.rs"), &format!("\nfn {rust}")),
            (&format!("c-compat/{design}.c"), &format!("\nstatic {c}")),
        );
    }
}

#[test]
fn clients_make_the_same_calls_in_the_same_order() {
    for (client, function) in [
        ("fibonacci", "\npub fn ask("),
        ("time", "\npub fn ask("),
        ("nonblocking", "\npub fn watch("),
    ] {
        let rust = format!("src/client/{client}.rs");
        let c = format!("c-compat/client/{client}.c");
        assert_same_calls((&rust, function), (&c, "\nint main("));
    }
}

/// Each function of the resolver has one C program, and both languages call that function, and no other of
/// them; but for getnameinfo(), whose address getaddrinfo() reads.
#[test]
fn functions_of_the_resolver_have_their_programs() {
    let named: BTreeSet<String> = FUNCTIONS.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(stems("c-compat/resolve", "c", &["common", "constants"]), named);
    let rust_file = "src/tool/resolve/mod.rs";
    // getaddrinfo() stands in a function of its own there.
    let rust = read(rust_file).replace(" ask(", " getaddrinfo(");
    let owned = |names: &[&str]| names.iter().map(|name| String::from(*name)).collect::<Vec<_>>();
    for function in FUNCTIONS {
        let c_file = format!("c-compat/resolve/{function}.c");
        let in_rust = calls(body(&rust, &format!("\npub fn {function}("), rust_file), &named);
        let in_c = calls(body(&read(&c_file), "\nint main(", &c_file), &named);
        let expected = match *function {
            // For IPv4 and for IPv6.
            "gethostbyaddr" => vec!["gethostbyaddr", "gethostbyaddr"],
            "getnameinfo" => vec!["getaddrinfo", "getnameinfo"],
            name => vec![name],
        };
        assert_eq!((in_rust, in_c), (owned(&expected), owned(&expected)), "{function}");
    }
}

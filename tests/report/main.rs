//! The forms of an examination and of a suite: what they show, that others can read them, and that nothing which a
//! server has said comes through as more than text.

mod html;
mod json;
mod junit;
mod matrix;
mod samples;
mod tap;
mod text;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A program with this text as its input; nothing, said aloud, where it is not installed.
fn consumer(program: &str, arguments: &[&str], input: &str) -> Option<Output> {
    let child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            eprintln!("skipped: {program} is not installed");
            return None;
        }
        Err(error) => panic!("{program}: {error}"),
    };
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    let writer = std::thread::spawn(move || {
        // Who does not read all of it says so by its exit status.
        let _ = stdin.write_all(input.as_bytes());
    });
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    Some(output)
}

/// A file of this test's, for programs that read no standard input.
fn file(name: &str, content: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, content).unwrap();
    path
}

/// What a form's function writes.
fn written(write: impl FnOnce(&mut Vec<u8>) -> std::io::Result<()>) -> String {
    let mut out = Vec::new();
    write(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// Nothing that a terminal, an editor or a reader's eye would follow.
fn assert_harmless(text: &str) {
    let obeyed = |c: &char| {
        (c.is_control() && *c != '\n')
            || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
    };
    assert_eq!(text.chars().find(obeyed), None);
}

/// Compares with a file beside this one. `REPORT_EXPECTED=write` writes what there should be, to be read before it is
/// committed.
fn assert_expected(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/report/expected").join(name);
    if std::env::var_os("REPORT_EXPECTED").is_some_and(|what| what == "write") {
        std::fs::write(&path, text).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap();
    assert!(text == expected, "{} differs from this:\n{text}", path.display());
}

/// Every form says that it is a client, and what kind; none calls it a server, or what it is a design.
#[test]
fn clients_are_called_clients() {
    use socklab::report::examination::{html, json, junit, tap, text};
    use socklab::report::{Examination, Style, Suite, matrix};

    let one: &Examination = &samples::client();
    let suite = &Suite { examinations: vec![one.clone()], seconds: 1.0 };
    let style = &Style { width: None, colour: false };
    for (form, says) in [
        (written(|out| text::write(one, style, out)), "client       ./ask"),
        (
            written(|out| text::write(one, style, out)),
            "kind         UDP client, unconnected socket",
        ),
        (written(|out| tap::write([one], out)), "# client: ./ask\n"),
        (written(|out| tap::write([one], out)), "# kind: UDP client, unconnected socket"),
        (written(|out| junit::write([one], out)), "name=\"kind\" value=\"UDP client"),
        (written(|out| html::write(one, out)), "<dt>Kind</dt><dd><strong>UDP client"),
        (written(|out| json::write(one, out)), "\"role\":\"client\""),
        (written(|out| matrix::text::write(suite, style, out)), "1 client, 1 check"),
        (written(|out| matrix::csv::write(suite, out)), "client,status,kind,"),
        (written(|out| matrix::html::write(suite, out)), "only clients with FAIL"),
    ] {
        assert!(form.contains(says), "{says:?} is not in {form}");
        let body = form.rsplit("<body>").next().unwrap();
        // In JSON the name of the field is the same for both.
        let is_json = body.starts_with('{');
        let body = body.replace("server-0", "an anchor");
        assert!(is_json || !body.contains("server") && !body.contains("esign "), "{form}");
    }
}

/// What an older program has written is read: it knew servers only.
#[test]
fn an_examination_without_a_role_is_a_servers() {
    use socklab::report::Role;
    use socklab::report::examination::json;

    let text = written(|out| json::write(&samples::lecture(), out));
    let older = text.replacen("\"role\":\"server\",", "", 1);
    assert_ne!(older, text);
    assert_eq!(json::read(older).unwrap().role, Role::Server);
}

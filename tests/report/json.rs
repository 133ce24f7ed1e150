//! For programs.

use std::io::ErrorKind;

use proptest::prelude::*;
use serde_json::Value;
use socklab::report::examination::json;
use socklab::report::{Examination, Suite};

use super::samples::{absent, any_examination, hostile, lecture, sound, suite};
use super::{assert_expected, assert_harmless, written};

fn shown(examination: &Examination) -> String {
    written(|out| json::write(examination, out))
}

#[test]
fn one_line_with_fields_in_their_order() {
    let text = shown(&lecture());
    assert_eq!(text.matches('\n').count(), 1);
    assert_expected("examination.json", &text);
}

#[test]
fn what_was_written_is_read() {
    assert_eq!(json::read(shown(&lecture())).unwrap(), lecture());
    assert_eq!(json::read(shown(&absent())).unwrap(), absent());
    let text = written(|out| json::write_suite(&suite(), out));
    assert_eq!(json::read_suite(&text).unwrap(), suite());
    let read = json::read(shown(&hostile())).unwrap();
    assert_eq!(read.server, hostile().server);
    assert_eq!(read.findings[3].evidence, hostile().findings[3].evidence);
    assert_eq!(read.findings[3].seconds, 0.0);
}

#[test]
fn what_is_something_else_is_refused() {
    let suite = written(|out| json::write_suite(&suite(), out));
    let error = json::read(&suite).unwrap_err();
    assert_eq!(
        error.to_string(),
        "schema socklab-suite-1, but this program reads socklab-examination-1"
    );
    for text in [
        "",
        "{",
        "null",
        "[]",
        "{}",
        r#"{"schema":"socklab-examination-1"}"#,
        "\0",
        "{\"schema\":1}",
    ] {
        let error = json::read(text).unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof),
            "{error:?}"
        );
    }
    assert!(json::read(b"{\"schema\":\"\xff\"}").is_err());
    let cut = shown(&lecture());
    assert!(json::read(&cut[..cut.len() / 2]).is_err());
}

#[test]
fn a_field_more_is_no_trouble() {
    let text = shown(&lecture()).replacen('{', "{\"later\":[1,2],", 1);
    assert_eq!(json::read(&text).unwrap(), lecture());
}

#[test]
fn a_status_for_the_shell() {
    let mut examination = sound();
    assert_eq!(examination.status(), 0);
    examination.findings[0].verdict = socklab::report::Verdict::Fail;
    assert_eq!(examination.status(), 1);
    examination.findings[1].verdict = socklab::report::Verdict::Broken;
    assert_eq!(examination.status(), 2);
    assert_eq!(absent().status(), 2);
    examination.findings.clear();
    assert_eq!(examination.status(), 2, "who has checked nothing has not found out");
    assert_eq!(suite().status(), 2);
    let sound = Suite { examinations: vec![sound()], seconds: 1.0 };
    assert_eq!(sound.status(), 0);
    assert_eq!(Suite { examinations: Vec::new(), seconds: 1.0 }.status(), 2);
}

/// Each field is on the page, and no field on the page is missing.
#[test]
fn the_page_names_each_field() {
    fn fields(value: &Value, at: &str, found: &mut Vec<String>) {
        match value {
            Value::Object(map) => {
                for (key, value) in map {
                    let name = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
                    fields(value, &name, found);
                    found.push(name);
                }
            }
            Value::Array(items) => {
                items.iter().for_each(|item| fields(item, &format!("{at}[]"), found));
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    fields(&serde_json::from_str(&shown(&lecture())).unwrap(), "", &mut found);
    found.sort();
    found.dedup();
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/examine-json.md");
    let page = std::fs::read_to_string(page).unwrap();
    let table = page.split("## One server").nth(1).unwrap().split("\n## ").next().unwrap();
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let mut named: Vec<String> = rows.map(String::from).collect();
    named.sort();
    assert_eq!(named, found);
}

proptest! {
    #[test]
    fn any_text_comes_back(examination in any_examination()) {
        let text = shown(&examination);
        assert_harmless(&text);
        let read = json::read(&text).unwrap();
        prop_assert_eq!(&read.server, &examination.server);
        prop_assert_eq!(&read.command, &examination.command);
        prop_assert_eq!(&read.identity, &examination.identity);
        prop_assert_eq!(&read.trouble, &examination.trouble);
        prop_assert_eq!(shown(&read), text);
    }
}

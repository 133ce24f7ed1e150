//! Several servers at once.

use proptest::collection::vec;
use proptest::prelude::*;
use socklab::report::matrix::{csv, html, text};
use socklab::report::{Style, Suite, Verdict};
use textwrap::core::display_width;

use super::html::assert_page;
use super::samples::{any_examination, class, finding, hostile, lecture, suite};
use super::{assert_expected, assert_harmless, consumer, written};

fn shown(suite: &Suite, width: impl Into<Option<usize>>) -> String {
    let style = Style { width: width.into(), colour: false };
    written(|out| text::write(suite, &style, out))
}

#[test]
fn words_where_there_is_room() {
    assert_expected("suite-80.txt", &shown(&suite(), 80));
    assert_expected("suite-40.txt", &shown(&suite(), 40));
}

#[test]
fn a_class_of_100() {
    assert_expected("class-80.txt", &shown(&class(), 80));
    let text = shown(&class(), None);
    let row = text.lines().find(|line| line.starts_with("submission-007")).unwrap();
    assert_eq!(row.len(), "submission-007 ".len() + 85 + 9, "{row}");
}

#[test]
fn the_worse_of_two_counts() {
    let mut examination = lecture();
    examination.findings = vec![
        finding("D8", "empty connection", Verdict::Fail, "spins"),
        finding("D8", "empty connection", Verdict::Pass, "fine"),
        finding("D10", "reset", Verdict::Pass, "fine"),
        finding("A2", "address", Verdict::Pass, "fine"),
    ];
    let suite = Suite { examinations: vec![examination], seconds: 1.0 };
    let csv = written(|out| csv::write(&suite, out));
    let [head, row]: [&str; 2] = csv.lines().collect::<Vec<_>>().try_into().unwrap();
    assert!(head.ends_with(",A2,D8,D10"), "{head}");
    assert!(row.ends_with(",PASS,FAIL,PASS"), "{row}");
}

#[test]
fn values_separated_by_commas() {
    assert_expected("suite.csv", &written(|out| csv::write(&suite(), out)));
}

/// As Python's csv reads it: as many fields in each record, and no field that a spreadsheet would compute.
fn read_by_python(csv: &str) -> Option<Vec<Vec<String>>> {
    let script = "import csv, json, sys, io\n\
        text = io.TextIOWrapper(sys.stdin.buffer, 'utf-8', newline='')\n\
        csv.field_size_limit(10_000_000)\n\
        print(json.dumps(list(csv.reader(text, strict=True))))";
    let output = consumer("python3", &["-c", script], csv)?;
    assert!(output.status.success(), "{output:?}");
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

fn assert_records(records: &[Vec<String>], rows: usize) {
    assert_eq!(records.len(), rows + 1);
    for field in records.iter().flatten() {
        assert!(!field.starts_with(['=', '+', '-', '@', '\t', '\r']), "{field:?}");
    }
    assert!(records.iter().all(|record| record.len() == records[0].len()));
}

#[test]
fn python_reads_the_values() {
    let mut suite = suite();
    suite.examinations.push(hostile());
    suite.examinations[0].server = "=cmd|'/c calc'!A1, \"quoted\"\n".into();
    let csv = written(|out| csv::write(&suite, out));
    assert!(csv.ends_with("\r\n"));
    let Some(records) = read_by_python(&csv) else { return };
    assert_records(&records, 4);
    assert_eq!(records[1][0], "'=cmd|'/c calc'!A1, \"quoted\"\\n");
    assert_eq!(
        records[3][..5],
        ["bert", "2", "", "0.010", "execve(./bert): No such file or directory"]
    );
}

#[test]
fn hostile_servers_change_nothing_but_text() {
    let suite = Suite { examinations: vec![hostile(), lecture()], seconds: f64::NAN };
    for width in [None, Some(0), Some(32), Some(80), Some(200)] {
        assert_harmless(&shown(&suite, width));
    }
    assert_page(&written(|out| html::write(&suite, out)));
}

#[test]
fn nobody_at_all() {
    let suite = Suite { examinations: Vec::new(), seconds: 0.0 };
    assert_eq!(shown(&suite, 80), "\n0 servers, 0 checks in 0 ms\n");
    assert_page(&written(|out| html::write(&suite, out)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn any_text_keeps_each_form(
        examinations in vec(any_examination(), 0..6),
        width in Style::NARROWEST..200,
        colour: bool,
    ) {
        let suite = Suite { examinations, seconds: 1.5 };
        let style = Style { width: Some(width), colour };
        let text = written(|out| text::write(&suite, &style, out));
        for line in text.lines() {
            prop_assert!(display_width(line) <= width, "{width}: {line:?}");
        }
        assert_harmless(&shown(&suite, None));
        assert_page(&written(|out| html::write(&suite, out)));
        let csv = written(|out| csv::write(&suite, out));
        let mut reader = ::csv::ReaderBuilder::new().has_headers(false).from_reader(csv.as_bytes());
        let records = reader.records().map(|record| record.unwrap().iter().map(String::from).collect());
        assert_records(&records.collect::<Vec<Vec<String>>>(), suite.examinations.len());
    }
}

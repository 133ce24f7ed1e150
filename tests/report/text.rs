//! For a terminal.

use proptest::prelude::*;
use socklab::report::examination::text;
use socklab::report::{Examination, Style, Verdict};
use textwrap::core::display_width;

use super::samples::{absent, any_examination, finding, hostile, lecture, sound};
use super::{assert_expected, assert_harmless, written};

fn shown(examination: &Examination, width: impl Into<Option<usize>>) -> String {
    let style = Style { width: width.into(), colour: false };
    written(|out| text::write(examination, &style, out))
}

#[test]
fn what_a_person_sees() {
    assert_expected("examination-80.txt", &shown(&lecture(), 80));
    assert_expected("examination-40.txt", &shown(&lecture(), 40));
    assert_expected("examination.txt", &shown(&lecture(), None));
    assert_expected("absent.txt", &shown(&absent(), 80));
}

#[test]
fn nothing_but_the_table_where_nothing_is_wrong() {
    let text = shown(&sound(), 80);
    assert!(!text.contains("repeat"), "{text}");
    assert!(text.ends_with("\n9 checks in 12.3 s: 9 pass\n"), "{text}");
}

#[test]
fn words_tell_verdicts_apart_and_colours_are_added() {
    let plain = shown(&lecture(), 80);
    let style = Style { width: Some(80), colour: true };
    let coloured = written(|out| text::write(&lecture(), &style, out));
    assert!(coloured.contains("\x1b[1;31mFAIL\x1b[0m"), "{coloured:?}");
    let mut stripped = coloured;
    while let Some(at) = stripped.find("\x1b[") {
        let end = at + stripped[at..].find('m').unwrap();
        stripped.replace_range(at..=end, "");
    }
    assert_eq!(stripped, plain);
    assert!(Verdict::ALL.iter().all(|verdict| plain.contains(verdict.word())));
}

#[test]
fn hostile_servers_change_nothing_but_text() {
    for width in [None, Some(0), Some(1), Some(32), Some(80), Some(200)] {
        assert_harmless(&shown(&hostile(), width));
    }
}

#[test]
fn a_terminal_gets_as_much_as_a_person_reads() {
    let mut examination = lecture();
    examination.findings[6].evidence = vec!["x".repeat(1_000_000); 1000];
    let text = shown(&examination, None);
    assert!(text.contains("... (999400 characters more)"));
    assert!(text.contains("(and 960 lines more: --json has them)"));
    assert!(text.len() < 60_000, "{}", text.len());
}

#[test]
fn a_check_of_no_group_is_shown_last() {
    let mut examination = lecture();
    examination.findings.insert(0, finding("Z1", "unheard of", Verdict::Pass, "fine"));
    let text = shown(&examination, 80);
    let (others, stop) = (text.find("\nothers\n").unwrap(), text.find("\nH  stop\n").unwrap());
    assert!(others > stop, "{text}");
    assert!(text.contains("PASS      Z1  unheard of"), "{text}");
}

proptest! {
    #[test]
    fn no_line_is_wider_than_asked(
        examination in any_examination(),
        width in Style::NARROWEST..200,
        colour: bool,
    ) {
        let style = Style { width: Some(width), colour };
        let text = written(|out| text::write(&examination, &style, out));
        for line in text.lines() {
            prop_assert!(display_width(line) <= width, "{width}: {line:?}");
        }
        if !colour {
            assert_harmless(&text);
        }
    }

    #[test]
    fn without_a_terminal_each_check_has_one_line(examination in any_examination()) {
        let text = shown(&examination, None);
        assert_harmless(&text);
        let ids = examination.findings.iter().filter(|finding| !finding.id.trim().is_empty());
        prop_assert!(text.lines().count() > ids.count());
    }
}

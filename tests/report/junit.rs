//! For continuous integration.

use proptest::prelude::*;
use roxmltree::{Document, Node};
use socklab::report::examination::junit;
use socklab::report::{Examination, Verdict};

use super::samples::{absent, any_examination, hostile, lecture, suite};
use super::{assert_expected, assert_harmless, consumer, written};

fn shown<'a>(examinations: impl IntoIterator<Item = &'a Examination>) -> String {
    written(|out| junit::write(examinations, out))
}

#[test]
fn one_server() {
    assert_expected("examination.junit.xml", &shown([&lecture()]));
}

/// The rules of the xsd files of Jenkins' xunit plugin (junit-10) and of the common reading of Ant's: elements,
/// attributes, how often, and counts that agree.
fn assert_schema(text: &str) {
    let document = Document::parse(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let top = document.root_element();
    assert_attributes(top, &["name", "tests", "failures", "errors", "time"]);
    let mut totals = [0; 3];
    for suite in elements(top, "testsuite") {
        assert_attributes(suite, &["name", "tests", "failures", "errors", "skipped", "time"]);
        let mut kinds: Vec<&str> = suite
            .children()
            .filter(Node::is_element)
            .map(|child| child.tag_name().name())
            .collect();
        assert_eq!((kinds.remove(0), kinds.pop()), ("properties", Some("system-out")));
        assert!(kinds.iter().all(|kind| *kind == "testcase"));
        for property in elements(suite.first_element_child().unwrap(), "property") {
            assert_attributes(property, &["name", "value"]);
        }
        let mut counts = [0; 4];
        for case in suite.children().filter(|child| child.has_tag_name("testcase")) {
            assert_attributes(case, &["name", "classname", "time"]);
            counts[0] += 1;
            let outcome = case.first_element_child().unwrap();
            assert!(outcome.next_sibling_element().is_none());
            match outcome.tag_name().name() {
                "failure" => counts[1] += 1,
                "error" => counts[2] += 1,
                "skipped" => counts[3] += 1,
                name => assert_eq!(name, "system-out"),
            }
            if !outcome.has_tag_name("system-out") {
                assert_attributes(outcome, &["type", "message"]);
            }
        }
        let said = ["tests", "failures", "errors", "skipped"].map(|name| number(suite, name));
        assert_eq!(said, counts);
        totals.iter_mut().zip(counts).for_each(|(total, count)| *total += count);
    }
    assert_eq!(["tests", "failures", "errors"].map(|name| number(top, name)), totals);
}

fn elements<'a>(of: Node<'a, 'a>, name: &'static str) -> impl Iterator<Item = Node<'a, 'a>> {
    let children = of.children().filter(Node::is_element);
    children.inspect(move |child| assert!(child.has_tag_name(name), "{child:?}"))
}

fn assert_attributes(element: Node<'_, '_>, names: &[&str]) {
    let found: Vec<&str> = element.attributes().map(|attribute| attribute.name()).collect();
    assert_eq!(found, names);
    for name in ["name", "classname"] {
        assert!(
            element.attribute(name).is_none_or(|value| !value.trim().is_empty()),
            "{element:?}"
        );
    }
    if let Some(time) = element.attribute("time") {
        let (whole, part) = time.split_once('.').unwrap();
        assert!(
            [whole, part].iter().all(|part| part.bytes().all(|byte| byte.is_ascii_digit())),
            "{time}"
        );
    }
}

fn number(element: Node<'_, '_>, name: &str) -> usize {
    element.attribute(name).unwrap().parse().unwrap()
}

#[test]
fn several_servers_and_hostile_ones() {
    for text in [shown(&suite().examinations), shown([&absent()]), shown([&hostile()]), shown([])] {
        assert_harmless(&text);
        assert_schema(&text);
    }
}

#[test]
fn a_second_parser_reads_it() {
    let text = shown([&lecture(), &hostile()]);
    let script = "import sys, xml.etree.ElementTree as t\n\
        top = t.fromstring(sys.stdin.buffer.read())\n\
        print(len(top.findall('testsuite')), len(top.findall('.//failure')))";
    let Some(output) = consumer("python3", &["-c", script], &text) else { return };
    let failed = lecture().count(Verdict::Fail) + hostile().count(Verdict::Fail);
    assert_eq!(String::from_utf8_lossy(&output.stdout), format!("2 {failed}\n"), "{output:?}");
}

proptest! {
    #[test]
    fn any_text_is_well_formed(examinations in proptest::collection::vec(any_examination(), 0..3)) {
        let text = shown(&examinations);
        assert_harmless(&text);
        assert_schema(&text);
    }
}

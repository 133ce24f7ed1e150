//! Examinations as JUnit XML, in what Ant's, Jenkins' and GitLab's readers have in common: a test suite for
//! each server, a test case for each check.

use std::io::{self, Write};

use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};

use super::super::{Examination, Finding, Verdict, finite, shell, visible};
use super::{groups, lines, summary};

/// Writes one document for all of them.
///
/// FAIL is a failure, BROKEN and what kept a server from being examined an error, N/A and BLOCKED are skipped;
/// PASS, INFO, BY DESIGN and WEAK are passed, and say in their output which of these they are.
pub fn write<'a>(
    examinations: impl IntoIterator<Item = &'a Examination>,
    out: &mut impl Write,
) -> io::Result<()> {
    let examinations: Vec<&Examination> = examinations.into_iter().collect();
    let mut writer = quick_xml::Writer::new_with_indent(&mut *out, b' ', 2);
    writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let mut totals = Totals::default();
    for examination in &examinations {
        totals.add(examination);
    }
    let mut top = element("testsuites", &[("name", "socklab examine".into())]);
    totals.attributes(&mut top, false);
    writer.write_event(Event::Start(top))?;
    for examination in examinations {
        suite(examination, &mut writer)?;
    }
    writer.write_event(Event::End(BytesEnd::new("testsuites")))?;
    out.write_all(b"\n")
}

type Xml<'a, W> = quick_xml::Writer<&'a mut W>;

#[derive(Default)]
struct Totals {
    tests: usize,
    failures: usize,
    errors: usize,
    skipped: usize,
    seconds: f64,
}

impl Totals {
    fn add(&mut self, examination: &Examination) {
        let count = |verdict| examination.count(verdict);
        let trouble = usize::from(examination.trouble.is_some());
        self.tests += examination.findings.len() + trouble;
        self.failures += count(Verdict::Fail);
        self.errors += count(Verdict::Broken) + trouble;
        self.skipped += count(Verdict::NotApplicable) + count(Verdict::Blocked);
        self.seconds += finite(examination.seconds);
    }

    fn attributes(&self, element: &mut BytesStart<'_>, skipped: bool) {
        let mut push = |name, value: String| element.push_attribute((name, value.as_str()));
        push("tests", self.tests.to_string());
        push("failures", self.failures.to_string());
        push("errors", self.errors.to_string());
        if skipped {
            push("skipped", self.skipped.to_string());
        }
        push("time", time(self.seconds));
    }
}

fn suite<W: Write>(examination: &Examination, writer: &mut Xml<'_, W>) -> io::Result<()> {
    let mut totals = Totals::default();
    totals.add(examination);
    let mut start = element("testsuite", &[("name", named(&examination.server))]);
    totals.attributes(&mut start, true);
    writer.write_event(Event::Start(start))?;
    properties(examination, writer)?;
    for group in groups(examination) {
        let letter = group.letter.map_or(String::new(), |letter| format!("{letter} "));
        for finding in group.findings {
            let class = format!("{}.{letter}{}", named(&examination.server), group.title);
            case(finding, &class, writer)?;
        }
    }
    if let Some(trouble) = &examination.trouble {
        let case = element(
            "testcase",
            &[
                ("name", "examination".into()),
                ("classname", named(&examination.server)),
                ("time", time(0.0)),
            ],
        );
        writer.write_event(Event::Start(case))?;
        let error = [("type", "trouble".into()), ("message", visible(trouble).into_owned())];
        writer.write_event(Event::Empty(element("error", &error)))?;
        writer.write_event(Event::End(BytesEnd::new("testcase")))?;
    }
    text_element("system-out", &[], &visible(&summary(examination)), writer)?;
    writer.write_event(Event::End(BytesEnd::new("testsuite")))
}

fn properties<W: Write>(examination: &Examination, writer: &mut Xml<'_, W>) -> io::Result<()> {
    let mut rows = vec![
        ("command", shell(&examination.command)),
        ("isolation", examination.isolation.clone()),
    ];
    if let Some(identity) = &examination.identity {
        rows.push((examination.role.kind(), identity.design.clone()));
        rows.push(("method", identity.method.clone()));
        rows.push(("evidence", lines(&identity.evidence).collect::<Vec<_>>().join("; ")));
    }
    for verdict in Verdict::ALL {
        rows.push((verdict.word(), examination.count(verdict).to_string()));
    }
    writer.write_event(Event::Start(BytesStart::new("properties")))?;
    for (name, value) in rows {
        let row = [("name", name.to_owned()), ("value", visible(&value).into_owned())];
        writer.write_event(Event::Empty(element("property", &row)))?;
    }
    writer.write_event(Event::End(BytesEnd::new("properties")))
}

fn case<W: Write>(finding: &Finding, class: &str, writer: &mut Xml<'_, W>) -> io::Result<()> {
    let name = named(&format!("{} {}", finding.id, finding.name));
    let start = element(
        "testcase",
        &[("name", name), ("classname", class.into()), ("time", time(finding.seconds))],
    );
    writer.write_event(Event::Start(start))?;
    let kind = ("type", finding.verdict.word().to_owned());
    let message = ("message", visible(&finding.what).into_owned());
    let body = body(finding);
    match finding.verdict {
        Verdict::Fail => text_element("failure", &[kind, message], &body, writer)?,
        Verdict::Broken => text_element("error", &[kind, message], &body, writer)?,
        Verdict::NotApplicable | Verdict::Blocked => {
            writer.write_event(Event::Empty(element("skipped", &[kind, message])))?;
        }
        Verdict::Pass | Verdict::Info | Verdict::ByDesign | Verdict::Weak => {
            let body = format!("{}: {}\n{body}", finding.verdict, visible(&finding.what));
            text_element("system-out", &[], &body, writer)?;
        }
    }
    writer.write_event(Event::End(BytesEnd::new("testcase")))
}

fn body(finding: &Finding) -> String {
    let mut body = String::new();
    for (title, texts) in [("evidence", &finding.evidence), ("client", &finding.transcript)] {
        let mut lines = lines(texts).peekable();
        if lines.peek().is_some() {
            body += &format!("{title}:\n");
        }
        lines.for_each(|line| body += &format!("  {line}\n"));
    }
    if let Some(remedy) = &finding.remedy {
        body += &format!("remedy: {}\n", visible(remedy));
    }
    body + &format!("source: {}\nrepeat: {}\n", visible(&finding.source), visible(&finding.repeat))
}

/// Readers refuse a name that is empty.
fn named(text: &str) -> String {
    let text = visible(text);
    let text = text.trim();
    if text.is_empty() { String::from("unnamed") } else { text.to_owned() }
}

fn time(seconds: f64) -> String {
    format!("{:.3}", finite(seconds))
}

fn element<'a>(name: &'a str, attributes: &[(&str, String)]) -> BytesStart<'a> {
    let attributes = attributes.iter().map(|(name, value)| (*name, value.as_str()));
    BytesStart::new(name).with_attributes(attributes)
}

fn text_element<W: Write>(
    name: &str,
    attributes: &[(&str, String)],
    text: &str,
    writer: &mut Xml<'_, W>,
) -> io::Result<()> {
    writer.write_event(Event::Start(element(name, attributes)))?;
    writer.write_event(Event::Text(BytesText::new(text)))?;
    writer.write_event(Event::End(BytesEnd::new(name)))
}

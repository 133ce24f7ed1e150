//! Examinations as JSON: one line each, with the fields that docs/examine-json.md describes.

use std::io::{self, Write};

use serde::ser::Serialize;
use serde::{Deserialize, Serialize as Derive};
use serde_json::ser::{CompactFormatter, Formatter};

use super::super::escape::is_hidden;
use super::super::{Examination, Suite, Verdict, microseconds};

/// What the field `schema` says of one server's examination. Fields may be added; what changes a field's
/// meaning, or takes it away, changes the number.
pub const EXAMINATION: &str = "socklab-examination-1";

/// What it says of several.
pub const SUITE: &str = "socklab-suite-1";

#[derive(Derive)]
struct Document<'a> {
    schema: &'a str,
    socklab: &'a str,
    status: u8,
    counts: Counts,
    #[serde(flatten)]
    examination: &'a Examination,
}

#[derive(Derive)]
struct Documents<'a> {
    schema: &'a str,
    socklab: &'a str,
    status: u8,
    #[serde(serialize_with = "microseconds")]
    seconds: f64,
    examinations: Vec<Document<'a>>,
}

/// How many findings come to each verdict.
#[derive(Derive)]
struct Counts {
    pass: usize,
    #[serde(rename = "by-design")]
    by_design: usize,
    weak: usize,
    fail: usize,
    info: usize,
    #[serde(rename = "n/a")]
    not_applicable: usize,
    blocked: usize,
    broken: usize,
}

fn document(examination: &Examination) -> Document<'_> {
    let count = |verdict| examination.count(verdict);
    Document {
        schema: EXAMINATION,
        socklab: env!("CARGO_PKG_VERSION"),
        status: examination.status(),
        counts: Counts {
            pass: count(Verdict::Pass),
            by_design: count(Verdict::ByDesign),
            weak: count(Verdict::Weak),
            fail: count(Verdict::Fail),
            info: count(Verdict::Info),
            not_applicable: count(Verdict::NotApplicable),
            blocked: count(Verdict::Blocked),
            broken: count(Verdict::Broken),
        },
        examination,
    }
}

/// Writes one examination in one line.
pub fn write(examination: &Examination, out: &mut impl Write) -> io::Result<()> {
    line(&document(examination), out)
}

/// Writes a suite in one line.
pub fn write_suite(suite: &Suite, out: &mut impl Write) -> io::Result<()> {
    let documents = Documents {
        schema: SUITE,
        socklab: env!("CARGO_PKG_VERSION"),
        status: suite.status(),
        seconds: suite.seconds,
        examinations: suite.examinations.iter().map(document).collect(),
    };
    line(&documents, out)
}

/// Reads what [`write()`] has written.
pub fn read(text: impl AsRef<[u8]>) -> io::Result<Examination> {
    parse(text.as_ref(), EXAMINATION)
}

/// Reads what [`write_suite`] has written.
pub fn read_suite(text: impl AsRef<[u8]>) -> io::Result<Suite> {
    parse(text.as_ref(), SUITE)
}

fn parse<'a, T: Deserialize<'a>>(text: &'a [u8], schema: &str) -> io::Result<T> {
    #[derive(Deserialize)]
    struct Head {
        schema: String,
    }
    let head: Head = serde_json::from_slice(text)?;
    if head.schema != schema {
        let found = super::super::visible(&head.schema).into_owned();
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("schema {found}, but this program reads {schema}"),
        ));
    }
    Ok(serde_json::from_slice(text)?)
}

fn line(document: &impl Serialize, out: &mut impl Write) -> io::Result<()> {
    document.serialize(&mut serde_json::Serializer::with_formatter(&mut *out, Shown))?;
    out.write_all(b"\n")
}

/// Escapes more than JSON demands: the controls beyond ASCII, some of which a terminal obeys.
struct Shown;

impl Formatter for Shown {
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = rest.find(is_hidden) {
            let (before, from) = rest.split_at(at);
            CompactFormatter.write_string_fragment(writer, before)?;
            let mut characters = from.chars();
            if let Some(hidden) = characters.next() {
                for unit in hidden.encode_utf16(&mut [0; 2]) {
                    write!(writer, "\\u{unit:04x}")?;
                }
            }
            rest = characters.as_str();
        }
        CompactFormatter.write_string_fragment(writer, rest)
    }
}

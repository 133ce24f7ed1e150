//! For harnesses that read the Test Anything Protocol.

use proptest::prelude::*;
use socklab::report::examination::tap;
use socklab::report::{Examination, Verdict, visible};

use super::samples::{absent, any_examination, hostile, lecture, sound, suite};
use super::{assert_expected, assert_harmless, consumer, file, written};

fn shown(examination: &Examination) -> String {
    written(|out| tap::write([examination], out))
}

#[test]
fn one_server() {
    assert_expected("examination.tap", &shown(&lecture()));
}

/// Perl's parser, which also reads the YAML: for each test a letter, `p`assed, `f`ailed or `s`kipped, and then how
/// many lines of evidence it has found.
fn parsed(text: &str) -> Option<String> {
    let script = r#"
        use TAP::Parser;
        local $/;
        my $parser = TAP::Parser->new({ tap => <STDIN> });
        while (my $result = $parser->next) {
            if ($result->is_test) {
                print $result->has_skip ? "s" : $result->is_ok ? "p" : "f";
            } elsif ($result->is_yaml) {
                my $lines = ($result->data->{evidence} // "") =~ tr/\n//;
                print $lines if $lines;
            } elsif ($result->is_unknown) {
                print "unknown: ", $result->as_string;
            }
        }
        print " ", join(", ", $parser->parse_errors), "\n";
    "#;
    let output = consumer("perl", &["-e", script], text)?;
    assert!(output.stderr.is_empty(), "{}{text}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn letters(examination: &Examination) -> String {
    let letter = |verdict| match verdict {
        Verdict::Fail | Verdict::Broken => 'f',
        Verdict::NotApplicable | Verdict::Blocked => 's',
        _ => 'p',
    };
    let letters = examination.findings.iter().map(|finding| letter(finding.verdict));
    letters.chain(examination.trouble.iter().map(|_| 'f')).collect()
}

#[test]
fn perl_reads_each_test_and_its_evidence() {
    let Some(read) = parsed(&shown(&lecture())) else { return };
    assert_eq!(read, "pppppsf5sf \n");
    let Some(read) = parsed(&shown(&hostile())) else { return };
    let tests: String = read.chars().filter(|c| "pfs".contains(*c)).collect();
    assert_eq!(tests, letters(&hostile()), "{read}");
    assert!(read.ends_with(" \n"), "{read}");
}

#[test]
fn several_servers_are_one_document() {
    let suite = suite();
    let text = written(|out| tap::write(&suite.examinations, out));
    assert!(text.contains("\nnot ok 7 - python3 fib.py: D8 empty connection\n"), "{text}");
    assert!(text.contains("\nok 16 - anna: D8 empty connection\n"), "{text}");
    assert!(text.contains("\nnot ok 19 - bert: examination\n"), "{text}");
    let Some(read) = parsed(&text) else { return };
    assert_eq!(read, "pppppsf5sfppppppp5ppf \n");
    assert_eq!(
        written(|out| tap::write([], out)),
        "TAP version 13\n1..0 # SKIP nothing was checked\n"
    );
}

/// A parser of all of YAML: as many blocks as tests, and the same text in them.
#[test]
fn the_blocks_are_yaml() {
    let script = "import json, sys\n\
        try: import yaml\n\
        except ImportError: sys.exit(77)\n\
        text = sys.stdin.buffer.read().decode()\n\
        blocks = [b.split('\\n  ...\\n')[0] for b in text.split('\\n  ---\\n')[1:]]\n\
        print(json.dumps([yaml.safe_load(b)['message'] for b in blocks]))";
    let Some(output) = consumer("python3", &["-c", script], &shown(&hostile())) else { return };
    if output.status.code() == Some(77) {
        eprintln!("skipped: Python's yaml is not installed");
        return;
    }
    assert!(output.status.success(), "{output:?}");
    let messages: Vec<String> = serde_json::from_slice(&output.stdout).unwrap();
    let hostile = hostile();
    let texts = hostile.findings.iter().map(|finding| &finding.what).chain(&hostile.trouble);
    let texts: Vec<String> = texts.map(|text| visible(text).into_owned()).collect();
    assert_eq!(messages, texts);
}

#[test]
fn prove_judges_as_the_exit_status_does() {
    for (name, examination) in
        [("lecture", lecture()), ("sound", sound()), ("absent", absent()), ("hostile", hostile())]
    {
        let path = file(&format!("{name}.tap"), &shown(&examination));
        let path = path.to_str().unwrap();
        let Some(output) = consumer("prove", &["--exec", "cat", path], "") else { return };
        assert_eq!(output.status.success(), examination.status() == 0, "{name}: {output:?}");
        let out = String::from_utf8_lossy(&output.stdout);
        assert!(!out.contains("Parse errors"), "{name}: {out}");
    }
}

/// A subset of YAML 1.2 that both its parsers and Perl's read: in each block one key in a line, with a quoted string,
/// a figure, a bare word or a literal block of indented lines.
fn assert_form(text: &str, examination: &Examination) {
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("TAP version 13"));
    let mut tests = 0;
    let mut inside = false;
    for line in lines {
        let is_test = line.starts_with("ok ") || line.starts_with("not ok ");
        match (inside, line) {
            (false, "  ---") => inside = true,
            (true, "  ...") => inside = false,
            (true, line) if line.starts_with("    ") => {
                assert!(!line.starts_with("     "), "{line}");
            }
            (true, line) => {
                let (key, value) = line.trim_start().split_once(": ").unwrap();
                assert!(key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{line}");
                let is_string =
                    value.starts_with('"') && serde_json::from_str::<String>(value).is_ok();
                let is_figure = value.parse::<f64>().is_ok_and(f64::is_finite);
                let is_word = ["fail", "error", "warning", "comment", "|"].contains(&value);
                assert!(is_string || is_figure || is_word, "{line}");
            }
            (false, line) if is_test => {
                tests += 1;
                let directives = line.replace("\\\\", "").replace("\\#", "").matches('#').count();
                assert!(directives <= 1, "{line}");
            }
            (false, line) => assert!(line.starts_with("# ") || line.starts_with("1.."), "{line}"),
        }
    }
    assert!(!inside);
    assert_eq!(tests, letters(examination).len());
}

proptest! {
    #[test]
    fn any_text_keeps_the_form(examination in any_examination()) {
        let text = shown(&examination);
        assert_harmless(&text);
        assert_form(&text, &examination);
    }
}

proptest! {
    // One document, since a process has to be started for each.
    #![proptest_config(ProptestConfig::with_cases(1))]

    #[test]
    fn perl_reads_any_text(examinations in proptest::collection::vec(any_examination(), 40)) {
        let text = written(|out| tap::write(&examinations, out));
        if let Some(read) = parsed(&text) {
            let tests: String = read.chars().filter(|c| "pfs".contains(*c)).collect();
            let expected: String = examinations.iter().map(letters).collect();
            prop_assert_eq!(tests, expected, "{}\n{}", read, text);
            prop_assert!(read.ends_with(" \n"), "{}\n{}", read, text);
        }
    }
}

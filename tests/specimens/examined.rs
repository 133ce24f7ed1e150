//! What `socklab examine` says of the specimens, of their sound twins, of the lecture's listings and of the designs.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use socklab::server::{DESIGNS, Serves};

use crate::support::{c_program, python, refused, socklab};
use crate::{all, lecture, table};

/// The checks that there are.
pub(crate) fn checks() -> Vec<String> {
    let output = socklab().args(["examine", "--list"]).output().expect("socklab runs");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let ids = text
        .lines()
        .filter(|line| line.starts_with(' '))
        .filter_map(|line| line.split_whitespace().next());
    ids.map(str::to_owned).collect()
}

/// Whether servers can be examined in namespaces of their own here; beside others some checks are BLOCKED.
pub(crate) fn alone() -> bool {
    let output = examine(&["A2".to_owned()], &[], &c("iterative"));
    let found: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let isolation = found["isolation"].as_str().unwrap_or_default();
    let is_alone = isolation.starts_with("namespaces");
    if !is_alone {
        eprintln!("skipped: no namespaces for the examined: {isolation}");
    }
    is_alone
}

/// Examines a command with some checks, and returns the verdict of each.
pub(crate) fn verdicts(
    only: &[String],
    options: &[&str],
    command: &[String],
) -> Vec<(String, String, String)> {
    let output = examine(only, options, command);
    let text = String::from_utf8_lossy(&output.stdout);
    let found: Value = serde_json::from_str(&text).unwrap_or_else(|error| {
        panic!("{command:?}: {error}: {text}{}", String::from_utf8_lossy(&output.stderr))
    });
    assert_eq!(found["trouble"], Value::Null, "{command:?}");
    let findings = found["findings"].as_array().expect("findings").iter();
    let word =
        |finding: &Value, field: &str| finding[field].as_str().unwrap_or_default().to_owned();
    findings
        .map(|finding| {
            let why = format!("{} {}", finding["what"], finding["evidence"]);
            (word(finding, "id"), word(finding, "verdict"), why)
        })
        .collect()
}

pub(crate) fn examine(only: &[String], options: &[&str], command: &[String]) -> Output {
    let mut examiner: Command = socklab();
    examiner.args(["examine", "--json"]).args(options);
    if !only.is_empty() {
        examiner.arg(format!("--only={}", only.join(",")));
    }
    examiner.arg("--").args(command).stdin(Stdio::null());
    examiner.output().expect("socklab runs")
}

pub(crate) fn c(name: &str) -> Vec<String> {
    [&c_program(name).display().to_string(), "--port", "{port}"].map(String::from).to_vec()
}

/// Where a program of `tests/strangers` is.
pub(crate) fn stranger(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/strangers").join(name)
}

/// The command of a program of `tests/strangers`, with its arguments, or else of one of `c-compat`.
pub(crate) fn server(name: &str) -> Vec<String> {
    let mut words = name.split(' ').map(str::to_owned);
    let program = words.next().unwrap_or_default();
    if !program.ends_with(".py") {
        return c(&program);
    }
    let path = stranger(&program).display().to_string();
    [python(), "-B", &path, "{port}"].map(String::from).into_iter().chain(words).collect()
}

/// The command of a row's sound program, and what says that it is the one to be like.
fn sound(design: &str) -> (Vec<String>, [String; 2]) {
    let name =
        if design.starts_with("sound_") { format!("broken/{design}") } else { design.to_owned() };
    let command = c(&name);
    let line = shlex::try_join(command.iter().map(String::as_str)).expect("no NUL");
    (command, ["--like".to_owned(), line])
}

/// The checks of a specimen's row that there are, and that a server is asked; the clients' stand in `examined_clients`.
fn named(row: &table::Row, checks: &[String]) -> Vec<String> {
    row.names.iter().filter(|id| checks.contains(id) && !id.starts_with('K')).cloned().collect()
}

#[test]
fn each_specimen_is_named() {
    if !alone() {
        return;
    }
    let checks = checks();
    let rows: Vec<table::Row> =
        table::rows().into_iter().filter(|row| !named(row, &checks).is_empty()).collect();
    assert!(rows.len() > 40, "{} specimens", rows.len());
    all(
        &rows,
        |row| row.specimen.clone(),
        |row| {
            let ids = named(row, &checks);
            let (_, like) = sound(&row.design);
            let like = like.each_ref().map(String::as_str);
            let found = verdicts(&ids, &like, &c(&format!("broken/{}", row.specimen)));
            assert_eq!(found.len(), ids.len(), "{found:?}");
            for (id, verdict, why) in found {
                assert!(["fail", "weak"].contains(&verdict.as_str()), "{id} is {verdict}: {why}");
            }
        },
    );
}

#[test]
fn each_sound_twin_passes() {
    if !alone() {
        return;
    }
    let checks = checks();
    // The same checks, by the design that they are asked of.
    let mut designs: Vec<(String, Vec<String>)> = Vec::new();
    for row in table::rows() {
        let ids = named(&row, &checks);
        match designs.iter_mut().find(|(design, _)| *design == row.design) {
            Some((_, all)) => all.extend(ids),
            None => designs.push((row.design.clone(), ids)),
        }
    }
    for (_, ids) in &mut designs {
        ids.sort();
        ids.dedup();
    }
    designs.retain(|(_, ids)| !ids.is_empty());
    all(
        &designs,
        |(design, _)| design.clone(),
        |(design, ids)| {
            let (command, like) = sound(design);
            let like = like.each_ref().map(String::as_str);
            for (id, verdict, why) in verdicts(ids, &like, &command) {
                // Of all designs only the hybrid limits a request's time as a whole.
                if (id.as_str(), verdict.as_str()) == ("D2", "weak") {
                    continue;
                }
                assert!(
                    ["pass", "by-design", "info"].contains(&verdict.as_str()),
                    "{id} is {verdict}: {why}"
                );
                // What it is concluded from stands behind it, as a list; of these three the verdict says it all.
                let is_shown = !why.ends_with(" []") || ["B2", "B6", "F10"].contains(&id.as_str());
                assert!(verdict != "pass" || is_shown, "{id} passes by what? {why}");
            }
        },
    );
}

/// What all checks come to that find something, but for what stands in none of our servers' way.
fn findings(like: &[String; 2], command: &[String]) -> Vec<(String, String, String)> {
    let like = like.each_ref().map(String::as_str);
    let mut found = verdicts(&[], &like, command);
    found.retain(|(id, verdict, _)| {
        // Of all designs only the hybrid limits a request's time as a whole.
        ["fail", "weak", "broken"].contains(&verdict.as_str())
            && (id.as_str(), verdict.as_str()) != ("D2", "weak")
    });
    found
}

#[test]
#[ignore = "half an hour: make examine-broken"]
fn the_whole_table_holds() {
    assert!(alone(), "beside others some checks are blocked");
    let rows: Vec<table::Row> = table::rows()
        .into_iter()
        .filter(|row| !row.is_command && !row.specimen.contains('/'))
        .collect();
    all(
        &rows,
        |row| row.specimen.clone(),
        |row| {
            let (_, like) = sound(&row.design);
            let found = findings(&like, &c(&format!("broken/{}", row.specimen)));
            let missed = row.names.iter().filter(|id| {
                !found.iter().any(|(found, verdict, _)| found == *id && verdict != "broken")
            });
            let missed: Vec<_> = missed.collect();
            let surplus = found
                .iter()
                .filter(|(id, ..)| !row.names.contains(id) && !row.follows.contains(id));
            let surplus: Vec<_> = surplus.collect();
            assert!(
                missed.is_empty() && surplus.is_empty(),
                "not named: {missed:?}; in neither column: {surplus:#?}"
            );
        },
    );
}

#[test]
#[ignore = "ten minutes: make examine-broken"]
fn nothing_is_found_in_the_sound_twins() {
    assert!(alone(), "beside others some checks are blocked");
    let mut designs: Vec<String> = table::rows()
        .into_iter()
        .filter(|row| !row.specimen.contains('/'))
        .map(|row| row.design)
        .collect();
    designs.sort();
    designs.dedup();
    all(&designs, String::clone, |design| {
        let (command, like) = sound(design);
        let found = findings(&like, &command);
        assert!(found.is_empty(), "{found:#?}");
    });
}

#[test]
fn commands_that_cannot_be_examined() {
    let mut commands: Vec<(String, Vec<String>)> = table::rows()
        .into_iter()
        .filter(|row| row.is_command && !row.is_examined)
        .map(|row| (row.specimen.clone(), c(&format!("broken/{}", row.specimen))))
        .collect();
    commands.push(("nothing".into(), vec!["/nowhere/at/all".into()]));
    commands.push(("true".into(), vec!["true".into()]));
    all(
        &commands,
        |(name, _)| name.clone(),
        |(_, command)| {
            let output = examine(&[], &["--wait=1"], command);
            assert_eq!(
                output.status.code(),
                Some(2),
                "{}",
                String::from_utf8_lossy(&output.stdout)
            );
            let found: Value = serde_json::from_slice(&output.stdout).expect("JSON");
            assert!(found["trouble"].as_str().is_some_and(|why| why.len() > 10), "{found}");
        },
    );
}

/// Outputs that nobody reads, and a terminal that is not there, keep no server from being examined.
#[test]
fn commands_that_can() {
    let only = ["A1".to_owned()];
    let rows: Vec<_> = table::rows().into_iter().filter(|row| row.is_examined).collect();
    assert_eq!(rows.len(), 2);
    for table::Row { specimen: name, .. } in rows {
        // A busy machine takes its time for 64 megabytes.
        let found = verdicts(&only, &["--wait=60"], &c(&format!("broken/{name}")));
        assert_eq!(
            (found[0].0.as_str(), found[0].1.as_str()),
            ("A1", "pass"),
            "{name}: {}",
            found[0].2
        );
    }
}

#[test]
fn the_lectures_listings_and_their_faults() {
    if !alone() {
        return;
    }
    let rows: Vec<_> =
        lecture::rows().into_iter().filter(|row| !row.listing.starts_with("client_")).collect();
    all(
        &rows,
        |row| row.listing.clone(),
        |row| {
            let path = lecture::folder().join(&row.listing).display().to_string();
            let command = [python(), "-B", &path, "{port}"].map(String::from);
            let ids: Vec<String> = row.faults.iter().chain(&row.harmless).cloned().collect();
            for (id, verdict, why) in verdicts(&ids, &[], &command) {
                let is_found = ["fail", "weak"].contains(&verdict.as_str());
                assert_eq!(is_found, row.faults.contains(&id), "{id} is {verdict}: {why}");
            }
        },
    );
}

#[test]
fn a_report_that_can_not_be_written() {
    for option in ["--html", "--junit"] {
        let output = examine(&[], &[option, "/nowhere/at/all"], &c("iterative"));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((output.status.code(), &output.stdout[..]), (Some(2), &b""[..]), "{said}");
        assert!(said.contains(&format!("{option} /nowhere/at/all: No such file")), "{said}");
    }
}

/// One check that is made again writes over no report.
#[test]
fn the_command_that_repeats_a_check() {
    let file = std::env::temp_dir().join(format!("socklab-repeated-{}.html", std::process::id()));
    let html = format!("--html={}", file.display());
    let output = examine(&["A2".to_owned()], &[&html, "--wait=7"], &c("iterative"));
    let _ = std::fs::remove_file(file);
    let found: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let repeat = format!("socklab examine --only A2 --wait=7 -- {}", c("iterative").join(" "));
    assert_eq!(found["findings"][0]["repeat"], repeat);
}

/// Each design is found to be what it is, from outside.
#[test]
fn the_designs_are_what_they_claim() {
    if !alone() {
        return;
    }
    let designs: Vec<_> = DESIGNS.iter().filter(|design| refused(design).is_none()).collect();
    let only = ["C10", "D8"].map(String::from);
    all(
        &designs,
        |design| design.name.to_owned(),
        |design| {
            let command = [
                &socklab().get_program().display().to_string(),
                "serve",
                design.name,
                "--port",
                "{port}",
            ];
            for command in [command.map(String::from).to_vec(), c(design.name)] {
                for (id, verdict, why) in verdicts(&only, &["--claims", design.name], &command) {
                    let is_asked = id == "C10" || design.promises.serves == Serves::Forever;
                    assert!(
                        verdict == "pass" || !is_asked,
                        "{command:?}: {id} is {verdict}: {why}"
                    );
                }
            }
        },
    );
}

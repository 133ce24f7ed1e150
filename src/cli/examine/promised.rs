//! A design and its C twin: what is found has to be what is promised, good and bad alike.

use std::ffi::OsString;
use std::time::{Duration, Instant};

use super::super::Failure;
use super::{Arguments, ended, one, prepare};
use crate::examine::protocol::Protocol;
use crate::examine::{Check, Plan, Port};
use crate::report::{Examination, Suite, Verdict};
use crate::server::{Design, Heavy, Idle, Serves, Silent, find};

pub(super) fn run(
    name: &str,
    arguments: &Arguments,
    checks: &[&Check],
    protocol: Option<Protocol>,
) -> Result<(), Failure> {
    let Some(design) = find(name) else {
        return Err(Failure::usage(format!(
            "error: no design '{name}'; `socklab designs` lists them"
        )));
    };
    let begun = Instant::now();
    let isolation = prepare()?;
    let mut examinations = Vec::new();
    let mut broken = Vec::new();
    let [own, twin] = commands(name)?;
    // Each is to answer as the other does.
    for ((title, command), (_, like)) in [(own.clone(), twin.clone()), (twin, own)] {
        let plan = Plan {
            name: title,
            command,
            by_inetd: None,
            running: None,
            port: Port::Given,
            protocol: protocol.clone(),
            patience: Duration::from_secs(arguments.asked.wait),
            isolation: isolation.clone(),
            claims: Some(name.to_owned()),
            like: Some(like),
            again: super::again(),
        };
        let examination = one(&plan, checks)?;
        broken.extend(differences(design, &examination));
        examinations.push(examination);
    }
    let suite = Suite { examinations, seconds: begun.elapsed().as_secs_f64() };
    arguments.output.several(&suite)?;
    if broken.is_empty() {
        return ended(if suite.status() == 1 { 0 } else { suite.status() });
    }
    Err(Failure { line: broken.join("\n"), status: suite.status().max(1) })
}

/// The program itself, and target/c/NAME beside target/release/socklab.
fn commands(name: &str) -> Result<[(String, Vec<OsString>); 2], Failure> {
    let this = std::env::current_exe()?;
    let twin =
        this.parent().and_then(|folder| folder.parent()).map(|target| target.join("c").join(name));
    let Some(twin) = twin.filter(|twin| twin.exists()) else {
        return Err(Failure {
            line: format!("error: the C twin of {name} is not built: make c"),
            status: 2,
        });
    };
    let options = ["--port", "{port}"].map(OsString::from);
    let own = [this.into(), "serve".into(), name.into()].into_iter().chain(options.clone());
    let other = [OsString::from(twin)].into_iter().chain(options);
    Ok([(format!("{name} (Rust)"), own.collect()), (format!("{name} (C)"), other.collect())])
}

/// Where a finding is not what the design promises.
fn differences(design: &Design, found: &Examination) -> Vec<String> {
    let promised = promises(design);
    let mut lines = Vec::new();
    for finding in &found.findings {
        let expected =
            promised.iter().find(|(id, _)| *id == finding.id).map(|(_, verdict)| *verdict);
        let is_kept = match expected {
            Some(expected) => finding.verdict == expected,
            None => !matches!(finding.verdict, Verdict::Fail | Verdict::Broken),
        };
        if !is_kept {
            let wanted = expected.map_or("no fault", Verdict::word);
            let (id, verdict, what) = (&finding.id, finding.verdict, &finding.what);
            lines
                .push(format!("{}: {id} is {verdict}, promised is {wanted}: {what}", found.server));
        }
    }
    lines
}

/// What a design promises, as verdicts of checks.
fn promises(design: &Design) -> Vec<(&'static str, Verdict)> {
    let either = |is_good: bool| if is_good { Verdict::Pass } else { Verdict::ByDesign };
    let promised = &design.promises;
    let mut all = vec![
        ("A6", either(promised.idle == Idle::Sleeps)),
        ("C10", Verdict::Pass),
        ("D1", either(promised.silent == Silent::Harmless)),
        ("D15", either(promised.heavy == Heavy::Harmless)),
        ("J2", either(promised.serves == Serves::Forever)),
    ];
    if promised.descriptors.is_some() {
        all.push(("G3", Verdict::ByDesign));
    }
    if promised.serves == Serves::Once {
        // Whoever is gone after one client has nothing to answer these with.
        all.retain(|(id, _)| matches!(*id, "A6" | "C10" | "J2"));
    }
    all
}

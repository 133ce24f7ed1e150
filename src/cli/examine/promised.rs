//! A design and its C twin: what is found has to be what is promised, good and bad alike.

use std::ffi::OsString;
use std::time::{Duration, Instant};

use super::super::Failure;
use super::{Arguments, ended, one, prepare};
use crate::examine::protocol::Protocol;
use crate::examine::{Check, Cost, Plan, Port};
use crate::report::{Examination, Suite, Verdict};
use crate::server::{DEFAULT_WORKERS, Design, Heavy, Idle, PerClient, Pool, Serves, Silent, find};

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
            by_inetd: false,
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
        let (id, verdict, what) = (finding.id.as_str(), finding.verdict, &finding.what);
        let expected = promised.iter().find(|(promised, _)| *promised == id);
        let is_kept = match expected {
            Some((_, expected)) => expected.contains(&verdict),
            None => is_well(design, id, verdict),
        };
        if !is_kept {
            let words = |(_, all): &(_, Vec<Verdict>)| -> Vec<&str> {
                all.iter().map(|verdict| verdict.word()).collect()
            };
            let wanted =
                expected.map_or_else(|| String::from("no fault"), |all| words(all).join(" or "));
            lines
                .push(format!("{}: {id} is {verdict}, promised is {wanted}: {what}", found.server));
        }
        if id == "C1" && verdict == Verdict::Info && *what != cost(design).words() {
            let wanted = cost(design).words();
            lines.push(format!("{}: {id} finds {what}, promised is {wanted}", found.server));
        }
    }
    let workers = if design.promises.pool == Pool::None { 1 } else { DEFAULT_WORKERS };
    if let Some(found_workers) = found.identity.as_ref().and_then(|identity| identity.workers)
        && found_workers != workers
    {
        lines.push(format!("{}: {found_workers} workers, promised are {workers}", found.server));
    }
    lines
}

/// What an ordinary user may look at and the superuser has no limit of, and the other way round.
const BY_PRIVILEGE: &[&str] = &["F8", "F11"];
/// What no gate sees where the kernel makes the calls, out of a ring.
const BY_RING: &[&str] = &["C9", "F1", "F2", "F3", "F4", "F5", "F6", "F7", "F10"];

/// Whether a verdict is no fault where nothing is promised: what was not looked at is not as promised either.
fn is_well(design: &Design, id: &str, verdict: Verdict) -> bool {
    match verdict {
        Verdict::Pass | Verdict::ByDesign | Verdict::Info | Verdict::NotApplicable => true,
        Verdict::Blocked => {
            BY_PRIVILEGE.contains(&id) || (design.name == "uring" && BY_RING.contains(&id))
        }
        Verdict::Weak | Verdict::Fail | Verdict::Broken => false,
    }
}

/// What a client costs, as C1 has it.
fn cost(design: &Design) -> Cost {
    match (design.promises.per_client, design.promises.silent) {
        (PerClient::Process, _) => Cost::Process,
        (PerClient::Thread, _) => Cost::Thread,
        (PerClient::Descriptor, Silent::Harmless) => Cost::Descriptor,
        (PerClient::Descriptor, _) => Cost::Worker,
    }
}

/// What a design promises, as verdicts of checks.
fn promises(design: &Design) -> Vec<(&'static str, Vec<Verdict>)> {
    let either = |is_good: bool| vec![if is_good { Verdict::Pass } else { Verdict::ByDesign }];
    let promised = &design.promises;
    let mut all = vec![
        ("A6", either(promised.idle == Idle::Sleeps)),
        ("C10", vec![Verdict::Pass]),
        ("D1", either(promised.silent == Silent::Harmless)),
        // Without a limit of a request's time as a whole.
        (
            "D2",
            if promised.has_limits() {
                either(true)
            } else {
                vec![Verdict::Weak, Verdict::ByDesign]
            },
        ),
        ("D15", either(promised.heavy == Heavy::Harmless)),
        ("J2", either(promised.serves == Serves::Forever)),
    ];
    if promised.descriptors.is_some() {
        all.push(("G3", either(false)));
    }
    if promised.serves == Serves::Once {
        // Whoever is gone after one client has nothing to answer these with.
        all.retain(|(id, _)| matches!(*id, "A6" | "C10" | "J2"));
    }
    all
}

//! A design and its C twin: what is found has to be what is promised, good and bad alike.

use std::ffi::OsString;
use std::time::{Duration, Instant};

use super::super::Failure;
use super::{Arguments, ended, one, prepare};
use crate::examine::protocol::Protocol;
use crate::examine::{Check, Cost, Plan, Port};
use crate::report::plural::counted;
use crate::report::{Examination, Suite, Verdict, shell};
use crate::server::{DEFAULT_WORKERS, Design, Heavy, Idle, PerClient, Pool, Serves, Silent, find};

pub(super) fn run(
    name: &str,
    arguments: &Arguments,
    checks: &[&Check],
    protocol: Option<Protocol>,
) -> Result<(), Failure> {
    let Some(design) = find(name) else {
        let what = if name.contains('/') {
            format!(
                "a command stands behind --: `socklab examine -- {}`",
                shell(&[name.to_owned()])
            )
        } else {
            String::from("`socklab designs` lists them")
        };
        return Err(Failure::usage(format!("error: no design '{name}'; {what}")));
    };
    let begun = Instant::now();
    let isolation = prepare()?;
    let mut examinations = Vec::new();
    let mut broken = Vec::new();
    let [own, twin] = commands(name)?;
    // Each is to answer as the other does.
    let both = [(false, own.clone(), twin.clone()), (true, twin, own)];
    for (is_twin, (title, command), (_, like)) in both {
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
        broken.extend(differences(design, is_twin, &examination));
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
fn differences(design: &Design, is_twin: bool, found: &Examination) -> Vec<String> {
    let promised = promises(design, is_twin);
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
        let has = counted(found_workers, "worker", "workers");
        lines.push(format!("{}: {has}, promised are {workers}", found.server));
    }
    lines
}

/// What an ordinary user may look at and the superuser has no limit of, and the other way round.
const BY_PRIVILEGE: &[&str] = &["F8", "F11"];
/// What no gate sees where the kernel makes the calls, out of a ring.
const BY_RING: &[&str] = &["F1", "F2", "F3", "F4", "F5", "F6", "F7", "F10"];

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
fn promises(design: &Design, is_twin: bool) -> Vec<(&'static str, Vec<Verdict>)> {
    let either = |is_good: bool| vec![if is_good { Verdict::Pass } else { Verdict::ByDesign }];
    let promised = &design.promises;
    // Only one design limits a request's time as a whole, and its twin has none of its limits.
    let trickle = if promised.has_limits() && !is_twin {
        either(true)
    } else {
        vec![Verdict::Weak, Verdict::ByDesign]
    };
    let mut all = vec![
        ("A6", either(promised.idle == Idle::Sleeps)),
        ("C10", vec![Verdict::Pass]),
        ("D1", either(promised.silent == Silent::Harmless)),
        ("D2", trickle),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Finding, Identity, Role};

    fn finding(id: &str, verdict: Verdict, what: &str) -> Finding {
        Finding {
            id: id.to_owned(),
            name: String::new(),
            verdict,
            what: what.to_owned(),
            evidence: Vec::new(),
            transcript: Vec::new(),
            seconds: 0.0,
            source: String::new(),
            remedy: None,
            repeat: String::new(),
        }
    }

    /// What is said of a design of which this is found, and so many workers.
    fn said(name: &str, workers: usize, found: Vec<Finding>) -> Vec<String> {
        let identity = Identity {
            design: String::new(),
            method: String::new(),
            workers: Some(workers),
            evidence: Vec::new(),
        };
        let examination = Examination {
            role: Role::Server,
            server: String::from("it"),
            command: Vec::new(),
            isolation: String::new(),
            identity: Some(identity),
            findings: found,
            trouble: None,
            seconds: 0.0,
        };
        find(name).map_or_else(Vec::new, |design| differences(design, false, &examination))
    }

    #[test]
    fn what_is_promised_is_found() {
        let found = || {
            vec![
                finding("C1", Verdict::Info, "a worker each, which is there already"),
                finding("D1", Verdict::ByDesign, ""),
                finding("D2", Verdict::Weak, ""),
                finding("D8", Verdict::Pass, ""),
                finding("F8", Verdict::Blocked, ""),
            ]
        };
        assert_eq!(said("preforked", 4, found()), [""; 0]);
        assert_eq!(said("preforked", 3, found()), ["it: 3 workers, promised are 4"]);
        assert_eq!(said("preforked", 1, found()), ["it: 1 worker, promised are 4"]);
        let ring = vec![finding("F1", Verdict::Blocked, "")];
        assert_eq!(said("uring", 1, ring), [""; 0]);
    }

    #[test]
    fn what_is_not_looked_at_is_not_as_promised() {
        for (id, verdict) in
            [("F1", Verdict::Blocked), ("D8", Verdict::Weak), ("A4", Verdict::Broken)]
        {
            let said = said("epoll", 1, vec![finding(id, verdict, "why")]);
            assert_eq!(said, [format!("it: {id} is {verdict}, promised is no fault: why")]);
        }
    }

    #[test]
    fn a_promise_holds_in_both_directions() {
        let vanished = said("iterative", 1, vec![finding("D1", Verdict::Pass, "why")]);
        assert_eq!(vanished, ["it: D1 is PASS, promised is BY DESIGN: why"]);
        let other = said("forked", 1, vec![finding("C1", Verdict::Info, "a thread each")]);
        assert_eq!(other, ["it: C1 finds a thread each, promised is a process each"]);
    }
}

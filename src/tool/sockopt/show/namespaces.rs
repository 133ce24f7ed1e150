//! This program once more, inside namespaces that take no privilege to make: a demonstration's part that
//! the machine's own network is not for.

use std::process::{Command, Stdio};

use super::Observation;

/// Runs a shell script in namespaces of its own, with this program as its `$0`. The script ends in
/// `exec "$0" sockopt show NAME --inside`, which prints [`line()`]s. Or why that can't be had.
pub(super) fn run(script: &str) -> Result<Vec<Observation>, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let path = std::env::var("PATH").unwrap_or_default();
    let output = Command::new("unshare")
        .args(["-Urnm", "--map-root-user", "sh", "-c", script])
        .arg(program)
        // Without privilege, PATH often lacks where `ip` is.
        .env("PATH", format!("{path}:/usr/sbin:/sbin"))
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("unshare: {error}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let line = said.lines().last().unwrap_or("it has failed without a word");
        return Err(line.chars().filter(|c| !c.is_control()).collect());
    }
    let lines = String::from_utf8_lossy(&output.stdout);
    let observations: Option<Vec<Observation>> = lines.lines().map(from_line).collect();
    observations.filter(|all| !all.is_empty()).ok_or_else(|| String::from("it has said nothing"))
}

/// An observation as the program inside tells it to the one outside.
pub fn line(seen: &Observation) -> String {
    let Observation { case, what, seen, expected, as_expected } = seen;
    format!("{case}\t{what}\t{seen}\t{expected}\t{as_expected}\n")
}

fn from_line(line: &str) -> Option<Observation> {
    let words: Vec<&str> = line.split('\t').collect();
    let [case, what, seen, expected, as_expected] = words[..] else { return None };
    let as_expected = as_expected.parse().ok()?;
    let [case, what, seen, expected] = [case, what, seen, expected].map(String::from);
    Some(Observation { case, what, seen, expected, as_expected })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_from_inside() {
        for as_expected in [true, false] {
            let [case, what, seen, expected] = ["a case", "recv()", "1", ""].map(String::from);
            let observation = Observation { case, what, seen, expected, as_expected };
            let told = line(&observation);
            let read = from_line(told.trim_end_matches('\n')).unwrap();
            assert_eq!((line(&read), read.as_expected), (told, as_expected));
        }
        for wrong in ["", "1\t2\t3\t4", "1\t2\t3\t4\t5", "1\t2\t3\t4\ttrue\t6"] {
            assert!(from_line(wrong).is_none(), "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn no_line_panics(line in ".*") {
            let _ = from_line(&line);
        }
    }
}

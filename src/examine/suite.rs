//! Many servers: each is examined by a process of its own, several side by side.

use std::ffi::OsString;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use super::Trouble;
use crate::linux::pidfd::pidfd_open;
use crate::net::Deadline;
use crate::posix::poll::{POLLIN, pollfd};
use crate::posix::signal::{SIGTERM, kill};
use crate::report::examination::json;
use crate::report::{Examination, Role, Suite};
use crate::subject::wait_for;

/// A server of a suite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What the report calls it.
    pub name: String,
    /// How it is started.
    pub command: Vec<String>,
}

/// Reads a suite: on each line a name, a colon and a command with a shell's quoting; `#` begins a comment.
///
/// # Errors
///
/// Which line says something else, in words.
pub fn parse(text: &str) -> Result<Vec<Entry>, String> {
    let mut entries: Vec<Entry> = Vec::new();
    // An editor's mark that it is UTF-8 is no part of the first name.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let wrong = |what: &str| format!("line {}: {what}: {line}", number + 1);
        let Some((name, command)) = line.split_once(':') else {
            return Err(wrong("no colon between a name and a command"));
        };
        let name = name.trim().to_owned();
        let command = words(command).map_err(wrong)?;
        if name.is_empty() || command.is_empty() {
            return Err(wrong("a name and a command are needed"));
        }
        if entries.iter().any(|entry| entry.name == name) {
            return Err(wrong("the name is there already"));
        }
        entries.push(Entry { name, command });
    }
    if entries.is_empty() {
        return Err(String::from("nobody in it: a line is a name, a colon and a command"));
    }
    Ok(entries)
}

/// The words of a command, with a shell's quoting.
///
/// # Errors
///
/// What is wrong with it, in words.
pub fn words(command: &str) -> Result<Vec<String>, &'static str> {
    shlex::split(command).ok_or("a quotation that does not end")
}

/// An examiner at work. We hold the other end of its standard input, into which nothing is written: with us, whatever ends
/// us, comes that one's end, and then the examiner's. (`PR_SET_PDEATHSIG` tells of the end of a thread, not of a process, and
/// too late if that is over when it is asked for.)
struct Worker {
    child: Child,
    /// Readable once it has ended.
    over: OwnedFd,
    at: usize,
    said: std::thread::JoinHandle<(Vec<u8>, Vec<u8>)>,
}

impl Worker {
    fn start(examiner: &[OsString], at: usize, entry: &Entry) -> Result<Self, String> {
        let Some((program, words)) = examiner.split_first() else {
            return Err(String::from("no examiner"));
        };
        let mut child = Command::new(program)
            .args(words)
            .arg(format!("--name={}", entry.name))
            .arg("--")
            .args(&entry.command)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{}: {error}", program.to_string_lossy()))?;
        let over = match pidfd_open(child.id() as i32, 0) {
            Ok(over) => over,
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(error.to_string());
            }
        };
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let said = std::thread::spawn(move || {
            let (mut out, mut err) = (Vec::new(), Vec::new());
            // What is cut off is no JSON, and is said to be none.
            let _ = stdout.map(|mut stdout| stdout.read_to_end(&mut out));
            let _ = stderr.map(|mut stderr| stderr.read_to_end(&mut err));
            (out, err)
        });
        Ok(Self { child, over, at, said })
    }

    fn found(mut self, role: Role, entry: &Entry) -> Examination {
        // It has ended.
        let _ = self.child.wait();
        let (out, err) = self.said.join().unwrap_or_default();
        json::read(&out).unwrap_or_else(|error| {
            let said = String::from_utf8_lossy(&err).trim().to_owned();
            let why =
                if said.is_empty() { format!("the examiner's answer: {error}") } else { said };
            nothing(role, entry, why)
        })
    }
}

fn nothing(role: Role, entry: &Entry, why: String) -> Examination {
    Examination {
        role,
        server: entry.name.clone(),
        command: entry.command.clone(),
        isolation: String::new(),
        identity: None,
        findings: Vec::new(),
        trouble: Some(why),
        seconds: 0.0,
    }
}

/// Waits until one of them has ended.
fn first_ended(working: &[Worker]) -> crate::posix::Result<usize> {
    let mut fds = working.iter().map(|worker| pollfd::new(&worker.over, POLLIN)).collect();
    loop {
        wait_for(&mut fds, Deadline::NEVER)?;
        if let Some(number) = fds.iter().position(|fd| fd.revents() != 0) {
            return Ok(number);
        }
    }
}

/// Examines servers, or clients, `jobs` side by side; `examiner` is the command that examines one, prints JSON, and ends
/// with its standard input; `tell` is called whenever that changes, with how many are done, how many there are, and the
/// names of those under way.
///
/// # Errors
///
/// Only if the user has ended it; then nothing is left of any.
pub fn examine_all(
    role: Role,
    entries: &[Entry],
    examiner: &[OsString],
    jobs: usize,
    mut tell: impl FnMut(usize, usize, &[&str]),
) -> Result<Suite, Trouble> {
    let begun = Instant::now();
    let mut found: Vec<Option<Examination>> = vec![None; entries.len()];
    let mut waiting = entries.iter().enumerate();
    let mut working: Vec<Worker> = Vec::new();
    let mut done = 0;
    while done < entries.len() {
        // One that can't even be started is done.
        while working.len() < jobs.max(1)
            && let Some((at, entry)) = waiting.next()
        {
            match Worker::start(examiner, at, entry) {
                Ok(worker) => working.push(worker),
                Err(why) => {
                    found[at] = Some(nothing(role, entry, why));
                    done += 1;
                }
            }
        }
        if working.is_empty() {
            continue;
        }
        let names: Vec<&str> =
            working.iter().map(|worker| entries[worker.at].name.as_str()).collect();
        tell(done, entries.len(), &names);
        match first_ended(&working) {
            Ok(number) => {
                let worker = working.swap_remove(number);
                let at = worker.at;
                found[at] = Some(worker.found(role, &entries[at]));
                done += 1;
            }
            Err(error) => {
                // Each ends what it has started, and then itself.
                for worker in &working {
                    let _ = kill(worker.child.id() as i32, SIGTERM);
                }
                for mut worker in working {
                    let _ = worker.child.wait();
                }
                return Err(error.into());
            }
        }
    }
    let examinations = found.into_iter().flatten().collect();
    Ok(Suite { examinations, seconds: begun.elapsed().as_secs_f64() })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines() {
        let text = "\u{feff}anna: ./anna {port}\n bob : python3 'my server.py' --port {port}\n# a class\n\n";
        let entries = parse(text).unwrap();
        assert_eq!(
            entries[0],
            Entry { name: "anna".into(), command: vec!["./anna".into(), "{port}".into()] }
        );
        assert_eq!(entries[1].command, ["python3", "my server.py", "--port", "{port}"]);
        for wrong in ["", "# nobody", "anna", "anna:", ": ./x", "a: 'x", "a: x\na: y"] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
        for (text, line) in [
            ("# a\n\nanna: ./x\nbob\n", "line 4: no colon between a name and a command: bob"),
            ("a: x\n a : y", "line 2: the name is there already: a : y"),
        ] {
            assert_eq!(parse(text).unwrap_err(), line);
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".*") {
            let _ = parse(&text);
        }
    }
}

//! Runs the `console` blocks of a page as a person would type them, and holds what is seen against
//! what the page shows.
//!
//! Each block is one bash in a network of its own, so that port 9000 is always free. Of its output
//! only what changes from run to run is masked, by [`MASKS`]; a server's line is waited for.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// What changes from run to run. `#` stands for some digits, `%` for the five of an ephemeral port,
/// `@` for a word, `~` for hexadecimal digits, and a blank for some blanks.
const MASKS: &[&str] = &[
    "(#.#s calc time)",        // how long it took
    "#.# ms",                  // how long an answer took
    "@ @ # #:#:# #",           // the time: human
    "#-#-#T#:#:#Z",            // ISO 8601
    "@, @ #, # #:#:#-@",       // RFC 867
    "[::]:%",                  // a port that the kernel chose
    "#/socklab",               // a process id, of netstat
    "recvfrom(3, 0x~,",        // where a buffer lies, of strace
    "received on 127.0.0.1 %", // the same, of nc
];

/// A line that a client repeats as long as nothing comes.
const POLLS: &str = "EAGAIN\nEWOULDBLOCK\n";

/// What netstat says first to all but root.
const NETSTATS_REMARK: &str = "(Not all processes could be identified, non-owned process info
 will not be shown, you would have to be root to see it all.)\n";

/// One command of a block and what it shows.
#[derive(Debug)]
struct Step {
    command: String,
    shown: Vec<String>,
}

/// The folder of the project.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The blocks of a page, each with the line where it begins.
fn blocks(page: &str) -> Vec<(usize, Vec<Step>)> {
    let mut blocks = Vec::new();
    let mut lines = page.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        if line != "```console" {
            continue;
        }
        let mut steps: Vec<Step> = Vec::new();
        for (_, line) in lines.by_ref().take_while(|(_, line)| *line != "```") {
            if let Some(command) = line.strip_prefix("$ ") {
                steps.push(Step { command: command.into(), shown: Vec::new() });
            } else {
                steps.last_mut().expect("a command comes first").shown.push(line.into());
            }
        }
        blocks.push((number + 1, steps));
    }
    blocks
}

/// Runs every block of a page. Returns how many there were, or why none could be run.
pub(crate) fn run_page(path: &str) -> Result<usize, String> {
    let page = std::fs::read_to_string(root().join(path)).expect("a page");
    let blocks = blocks(&page);
    for (line, steps) in &blocks {
        let mut shell = Shell::start()?;
        for step in steps {
            let seen = shell.run(step);
            let (seen, shown) = (masked(&seen), masked(&step.shown.join("\n")));
            assert_eq!(
                seen, shown,
                "{path}, the block at line {line}: `{}` shows the left, the page the right",
                step.command
            );
        }
    }
    Ok(blocks.len())
}

/// A bash that reads one command after the other and says when each is done.
struct Shell {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

/// A byte that no command of a page prints.
const DONE: char = '\u{1}';

const LOOP: &str = "exec 9<&0 </dev/null
while IFS= read -r -u 9 command; do eval \"$command\"; printf '\\001\\n'; done";

impl Shell {
    fn start() -> Result<Self, String> {
        let path = format!("{}:{}", bin().display(), std::env::var("PATH").unwrap_or_default());
        let isolated = |script: &str| {
            let mut command = Command::new("unshare");
            command.args(["-Urn", "sh", "-c", &format!("ip link set lo up && {script}")]);
            command.current_dir(root()).env("PATH", &path).env("TZ", "UTC").env("LC_ALL", "C");
            for variable in MAKE_VARIABLES {
                command.env_remove(variable);
            }
            command
        };
        let tried = isolated("ip -6 addr show lo | grep -q ::1").stderr(Stdio::piped()).output();
        if !tried.as_ref().is_ok_and(|tried| tried.status.success()) {
            return Err(format!("no network with IPv6 of its own can be had here: {tried:?}"));
        }
        let mut child = isolated("exec bash --norc -c \"$0\" 2>&1")
            .arg(LOOP)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(|error| error.to_string())?;
        let stdin = child.stdin.take().expect("piped");
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        Ok(Self { child, stdin, stdout })
    }

    /// Types a command and returns what it shows. One that goes to the background has shown all
    /// when it has shown as many lines as the page has.
    fn run(&mut self, step: &Step) -> String {
        writeln!(self.stdin, "{}", step.command).expect("bash reads");
        let waited_for = if step.command.ends_with('&') { step.shown.len() } else { 0 };
        let mut done = false;
        let mut seen = String::new();
        while !done || seen.lines().count() < waited_for {
            let mut line = String::new();
            let length = self.stdout.read_line(&mut line).expect("text");
            assert!(length > 0, "bash has ended in `{}` after {seen:?}", step.command);
            if let Some((rest, _)) = line.split_once(DONE) {
                done = true;
                line = if rest.is_empty() { String::new() } else { format!("{rest}\n") };
            }
            seen.push_str(&line);
        }
        seen
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        // Whatever the block has left running is in bash's process group.
        let group = Pid::from_raw(self.child.id().try_into().expect("a pid"));
        let _ = killpg(group, Signal::SIGKILL);
        let _ = self.child.wait();
    }
}

/// A folder for the front of PATH: `socklab` is the program under test, and `make` knows that it is
/// built, so that no test waits for cargo.
pub(crate) fn bin() -> &'static Path {
    static BIN: OnceLock<PathBuf> = OnceLock::new();
    BIN.get_or_init(|| {
        let bin = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("bin");
        std::fs::create_dir_all(&bin).expect("a folder");
        let socklab = env!("CARGO_BIN_EXE_socklab");
        // Renamed into place: another run of the tests may be using it.
        let new = |name: &str| bin.join(format!("{name}-{}", std::process::id()));
        symlink(socklab, new("socklab")).expect("a link");
        let script = format!(
            "#!/bin/sh\nPATH=${{PATH#*:}}\n\
             exec make --no-print-directory -o '{socklab}' SOCKLAB='{socklab}' \"$@\"\n"
        );
        std::fs::write(new("make"), script).expect("written");
        let executable = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(new("make"), executable).expect("executable");
        for name in ["socklab", "make"] {
            std::fs::rename(new(name), bin.join(name)).expect("renamed");
        }
        bin
    })
}

/// What whoever started the tests may have told make, and what the Makefile asks for.
pub(crate) const MAKE_VARIABLES: [&str; 9] =
    ["MAKEFLAGS", "MFLAGS", "MAKELEVEL", "PORT", "BIND", "N", "DESIGN", "HOST", "ARGS"];

/// Without what changes from run to run, and without blanks at the ends of lines.
fn masked(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    let mut text = (lines.join("\n") + "\n").replace(NETSTATS_REMARK, "");
    for mask in MASKS {
        text = replaced(&text, mask);
    }
    while text.contains(&POLLS.repeat(2)) {
        text = text.replace(&POLLS.repeat(2), POLLS);
    }
    text
}

/// Every match of the mask becomes the mask itself.
fn replaced(text: &str, mask: &str) -> String {
    let mut result = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let after = result.chars().next_back().is_some_and(char::is_alphanumeric);
        match matched(rest, mask) {
            Some(length) if !after => {
                result.push_str(mask);
                rest = &rest[length..];
            }
            _ => {
                result.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
    }
    result
}

/// The length of the text's beginning that the mask matches.
fn matched(text: &str, mask: &str) -> Option<usize> {
    let mut length = 0;
    for symbol in mask.chars() {
        let rest = &text[length..];
        let run =
            |class: fn(&char) -> bool| rest.chars().take_while(class).map(char::len_utf8).sum();
        length += match symbol {
            '#' => run(char::is_ascii_digit),
            '%' if run(char::is_ascii_digit) == 5 => 5,
            '%' => 0,
            '@' => run(char::is_ascii_alphabetic),
            '~' => run(char::is_ascii_hexdigit),
            ' ' => run(|c| *c == ' '),
            other if rest.starts_with(other) => other.len_utf8(),
            _ => 0,
        };
        if length == text.len() - rest.len() {
            return None;
        }
    }
    Some(length)
}

#[test]
fn masks_hide_what_they_say_and_nothing_else() {
    for (text, hidden) in [
        ("fib(10)=55 (0.004s calc time)", "fib(10)=55 (#.#s calc time)"),
        ("RST, 0.037 ms", "RST, #.# ms"),
        ("Sun Nov  2 10:52:39 2026", "@ @ # #:#:# #"),
        ("2026-11-22T10:52:38Z", "#-#-#T#:#:#Z"),
        ("Sunday, November 22, 2026 10:52:38-UTC", "@, @ #, # #:#:#-@"),
        ("on [::]:54321", "on [::]:%"),
        ("on [::]:9000", "on [::]:9000"),
        ("on 127.0.0.1:9000", "on 127.0.0.1:9000"),
        ("LISTEN  123/socklab", "LISTEN  #/socklab"),
        ("EAGAIN\nEWOULDBLOCK\nEAGAIN\nEWOULDBLOCK", "EAGAIN\nEWOULDBLOCK"),
    ] {
        assert_eq!(masked(text), format!("{hidden}\n"));
    }
}

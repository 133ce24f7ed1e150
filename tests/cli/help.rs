//! Help, and mistakes on the command line.

use std::process::{Command, Output};

use socklab::server::{DESIGNS, Service};

use crate::support::{self, Language};

fn run(args: &[&str]) -> Output {
    support::socklab().args(args).output().expect("the program runs")
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).expect("UTF-8")
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).expect("UTF-8")
}

const COMMANDS: &[(&[&str], &[&str])] = &[
    (&[], &["serve", "client", "designs", "--version", "Examples:"]),
    (
        &["serve"],
        &["--bind", "--port", "--max-n", "--timeout", "--format", "[default: 9000]", "Examples:"],
    ),
    (&["client"], &["fib", "time", "nonblocking"]),
    (&["client", "fib"], &["[HOST]", "[PORT]", "-n <N>", "--timeout", "Examples:"]),
    (&["client", "time"], &["[HOST]", "[PORT]", "--timeout", "Examples:"]),
    (&["client", "nonblocking"], &["<HOST>", "<PORT>", "--timeout", "Examples:"]),
    (&["designs"], &["--markdown", "Examples:"]),
    (
        &["nc"],
        &["-l", "-z", "0.0.0.0", "every network", "--no-shutdown", "Exit status", "Examples:"],
    ),
    (&["experiment"], &["herd", "balance", "backlog"]),
    (
        &["examine"],
        &[
            "[DESIGN]",
            "[COMMAND]...",
            "--only",
            "--like",
            "--suite",
            "--explain",
            "{port}",
            r"\OOO in octal",
            "or a check was BROKEN",
            "130",
            "Examples:",
        ],
    ),
    (
        &["compare"],
        &[
            "[DESIGN]",
            "[COMMAND]...",
            "--all",
            "--script",
            "--json",
            "--wait",
            "--table",
            "{port}",
            "Examples:",
        ],
    ),
    (
        &["trace"],
        &["[DESIGN]", "[COMMAND]...", "--script", "--json", "--wait", "{port}", "Examples:"],
    ),
    (&["experiment", "herd"], &["--workers", "--connections", "--json", "15", "200", "Examples:"]),
    (&["experiment", "balance"], &["--workers", "--connections", "--json", "300", "Examples:"]),
    (&["experiment", "backlog"], &["--json", "Examples:"]),
    (&["gethostbyname"], &["<NAME>", "--json", "Examples:"]),
    (&["gethostbyaddr"], &["<ADDR>", "--json", "Examples:"]),
    (&["getservbyname"], &["<NAME>", "[PROTO]", "--json", "Examples:"]),
    (&["getservbyport"], &["<PORT>", "[PROTO]", "--json", "Examples:"]),
    (&["getprotobyname"], &["<NAME>", "--json", "Examples:"]),
    (&["getprotobynumber"], &["<NUMBER>", "--json", "Examples:"]),
    (
        &["getaddrinfo"],
        &["[HOST]", "[SERVICE]", "--family", "--type", "--proto", "--flags", "--json", "Examples:"],
    ),
    (&["getnameinfo"], &["<ADDR>", "<PORT>", "--flags", "--json", "Examples:"]),
    (
        &["knock"],
        &["<HOST>", "<PORT>...", "--udp", "--wait", "--json", "Examples:", "Exit status:"],
    ),
    (
        &["traceroute"],
        &["<HOST>", "--tcp", "--port", "--queries", "-4", "--json", "Examples:", "!X"],
    ),
    (&["sockopt"], &["list", "get", "set", "show"]),
    (&["sockopt", "list"], &["[PREFIX]", "--json", "Examples:"]),
    (&["sockopt", "get"], &["<NAME>", "--tcp", "--udp", "-6", "--json", "Examples:"]),
    (&["sockopt", "set"], &["<NAME=VALUE>", "--tcp", "--udp", "-6", "--json", "Examples:"]),
    (&["sockopt", "show"], &["[NAME]", "--json", "Examples:"]),
    (&["readiness"], &["--json", "Examples:"]),
    (&["netstat"], &["-t", "-W", "-4", "--json", "--watch <SECONDS>", "-tulpne", "Examples:"]),
];

#[test]
fn every_command_has_help_on_standard_output() {
    for (command, words) in COMMANDS {
        let mut help = vec!["help"];
        help.extend(*command);
        for args in [[*command, &["--help"]].concat(), [*command, &["-h"]].concat(), help] {
            let output = run(&args);
            assert!(output.status.success() && output.stderr.is_empty(), "{args:?}: {output:?}");
            let text = stdout(&output);
            for word in *words {
                assert!(text.contains(word), "{args:?} does not mention {word}:\n{text}");
            }
            assert!(text.lines().all(|line| line.chars().count() <= 100), "{args:?}:\n{text}");
        }
    }
}

/// The commands that a help lists, each with what it says of them.
fn listed(help: &str) -> Vec<(&str, String)> {
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let mut commands: Vec<(&str, String)> = Vec::new();
    for line in lines.take_while(|line| !line.is_empty()) {
        if line.starts_with("   ") {
            let (_, about) = commands.last_mut().expect("a command before its second line");
            *about = format!("{about} {}", line.trim());
        } else {
            let (name, about) = line.trim().split_once(' ').expect("a name and what it does");
            commands.push((name, about.trim().to_owned()));
        }
    }
    commands
}

#[test]
fn every_help_begins_with_what_the_list_of_commands_says() {
    let mut open = vec![Vec::new()];
    let mut count = 0;
    while let Some(command) = open.pop() {
        let help = support::socklab().args(&command).arg("--help").output().expect("it runs");
        for (name, about) in listed(stdout(&help)) {
            let mut own: Vec<String> = command.clone();
            own.push(name.to_owned());
            if name == "help" {
                continue;
            }
            let output = support::socklab().args(&own).arg("--help").output().expect("it runs");
            let lines = stdout(&output).lines().take_while(|line| !line.is_empty());
            let first = lines.collect::<Vec<_>>().join(" ");
            assert_eq!(first.trim_end_matches('.'), about, "{own:?}");
            count += 1;
            open.push(own);
        }
    }
    assert!(count > 25, "{count} commands");
}

/// What help shows as an example is accepted: with `--help` behind it, and nothing is run.
#[test]
fn every_example_is_a_command() {
    let mut count = 0;
    for (command, _) in COMMANDS {
        let output = run(&[*command, &["--help"]].concat());
        for line in stdout(&output).lines().filter_map(|line| line.strip_prefix("  socklab ")) {
            // A remark stands after two blanks.
            let example = line.split("  ").next().unwrap_or_default();
            let words = shlex::split(example).expect("a shell's words");
            let mut args: Vec<&str> = words.iter().map(String::as_str).collect();
            // What follows `--` is another command's.
            let own = args.iter().position(|arg| *arg == "--").unwrap_or(args.len());
            args.insert(own, "--help");
            let output = run(&args);
            assert!(output.status.success(), "{example}: {}", stderr(&output));
            if args[0] == "serve" {
                let exists = DESIGNS.iter().any(|design| design.name == args[1]);
                assert!(exists, "{example}: no such design");
            }
            count += 1;
        }
    }
    assert!(count >= 10, "{count} examples");
}

#[test]
fn alone_it_shows_its_help_and_fails() {
    for (command, word) in [
        (&[][..], "serve"),
        (&["client"], "nonblocking"),
        (&["experiment"], "herd"),
        (&["sockopt"], "list"),
    ] {
        let output = run(command);
        assert_eq!(output.status.code(), Some(2));
        assert!(output.stdout.is_empty() && stderr(&output).contains(word), "{output:?}");
    }
}

#[test]
fn its_version_is_the_packages() {
    let output = run(&["--version"]);
    assert!(output.status.success());
    assert_eq!(stdout(&output), concat!("socklab ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn a_mistake_is_one_line_and_status_2() {
    for (args, line) in [
        (&["nosuch"][..], "error: unrecognized subcommand 'nosuch'"),
        (&["--nosuch"], "error: unexpected argument '--nosuch' found"),
        (&["designs", "more"], "error: unexpected argument 'more' found"),
        (&["serve"], "error: the following required arguments were not provided: <DESIGN>"),
        (
            &["serve", "forked", "--port", "70000"],
            "error: invalid value '70000' for '--port <N>': a port is a number from 0 to 65535",
        ),
        (
            &["serve", "forked", "--port", "http"],
            "error: invalid value 'http' for '--port <N>': a port is a number from 0 to 65535",
        ),
        (
            &["serve", "forked", "--port"],
            "error: a value is required for '--port <N>' but none was supplied",
        ),
        (
            &["serve", "forked", "--max-n", "94"],
            "error: invalid value '94' for '--max-n <N>': the largest n is a number from 0 to 93",
        ),
        (
            &["serve", "timeout", "--timeout", "-1"],
            "error: invalid value '-1' for '--timeout <S>': a time is a number of seconds greater \
             than 0, such as 0.5",
        ),
        (
            &["serve", "timeout", "--timeout", "0"],
            "error: invalid value '0' for '--timeout <S>': a time is a number of seconds greater \
             than 0, such as 0.5",
        ),
        (
            &["serve", "udp_iterative", "--format", "french"],
            "error: invalid value 'french' for '--format <F>': a format is human, iso8601, daytime \
             or time",
        ),
        (
            &["serve", "udp_iterative", "--max-n", "5"],
            "error: '--max-n' does nothing in the design udp_iterative",
        ),
        (
            &["serve", "forked", "--timeout", "5"],
            "error: '--timeout' does nothing in the design forked",
        ),
        (
            &["experiment", "herd", "--workers", "100000"],
            "error: invalid value '100000' for '--workers <N>': the number of workers is one from \
             1 to 256",
        ),
        (
            &["experiment", "balance", "--connections", "0"],
            "error: invalid value '0' for '--connections <N>': the number of connections is one \
             from 1 to 1000000",
        ),
        (
            &["experiment", "backlog", "--workers", "3"],
            "error: unexpected argument '--workers' found",
        ),
        (&["experiment", "nosuch"], "error: unrecognized subcommand 'nosuch'"),
        (&["serve", "epoll", "--sandbox"], "error: '--sandbox' does nothing in the design epoll"),
        (
            &["serve", "threaded", "--drain", "5"],
            "error: '--drain' does nothing in the design threaded",
        ),
        (
            &["serve", "hybrid", "--max-clients", "0"],
            "error: invalid value '0' for '--max-clients <N>': a number of clients is from 1 to \
             1000000",
        ),
        (
            &["serve", "hybrid", "--max-queue", "-1"],
            "error: invalid value '-1' for '--max-queue <N>': a number of requests is from 0 to \
             1000000",
        ),
        (
            &["serve", "hybrid", "--deadline", "soon"],
            "error: invalid value 'soon' for '--deadline <S>': a time is a number of seconds greater \
             than 0, such as 0.5",
        ),
        (
            &["examine", "--client"],
            "error: no client: give a command behind --, or --suite FILE; `socklab examine --help`",
        ),
        (
            &["examine", "./mine"],
            "error: no design './mine'; a command stands behind --: `socklab examine -- ./mine`",
        ),
        (&["examine", "--", ""], "error: the command behind -- has an empty name"),
        (&["examine", "--only", "K1", "--", "x"], "error: K1 is for clients: give --client"),
        (
            &["examine", "--client", "--only", "d8", "--", "x"],
            "error: D8 is for servers, not with --client",
        ),
        (
            &["examine", "--client", "--answer", "\\q", "--", "x"],
            "error: --answer \\q: \\q is no escape; use \\\\ for a backslash",
        ),
        (
            &["examine", "--send", r"1\400", "--expect", "x", "--", "x"],
            r"error: --send 1\400: \400 is more than a byte; octal escapes go up to \377",
        ),
        (
            &["examine", "--explain", "D8,nosuch"],
            "error: no check 'nosuch'; `socklab examine --list` lists them",
        ),
        (
            &["examine", "forked", "--claims", "forked"],
            "error: the argument '[DESIGN]' cannot be used with '--claims <DESIGN>'",
        ),
        (
            &["examine", "--client", "--claims", "forked", "--", "x"],
            "error: the argument '--client' cannot be used with '--claims <DESIGN>'",
        ),
        (
            &["examine", "--client", "--csv", "x", "--", "x"],
            "error: --csv is the table of a suite; --suite FILE, or --json for one server",
        ),
        (
            &["examine", "--answer", "x", "--", "x"],
            "error: the following required arguments were not provided: --client",
        ),
        (&["client", "fib", "localhost", "9000", "37"], "error: unexpected argument '37' found"),
        (
            &["client", "nonblocking"],
            "error: the following required arguments were not provided: <HOST> <PORT>",
        ),
        (
            &["examine", "--like", "'./server {port}", "--", "true"],
            "error: invalid value ''./server {port}' for '--like <COMMAND-LINE>': a quotation that does \
             not end",
        ),
        (
            &["examine", "--like", " ", "--", "true"],
            "error: invalid value ' ' for '--like <COMMAND-LINE>': there is no command in it",
        ),
        (
            &["examine", "forked", "--like", "true"],
            "error: the argument '[DESIGN]' cannot be used with '--like <COMMAND-LINE>'",
        ),
    ] {
        let output = run(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {output:?}");
        assert!(output.stdout.is_empty(), "{args:?}: {output:?}");
        assert_eq!(stderr(&output), format!("{line}\n"), "{args:?}");
    }
}

/// By the words that --only takes, in the catalogue's order.
#[test]
fn several_checks_are_explained() {
    let headlines = |words: &str| -> Vec<String> {
        let output = run(&["examine", "--explain", words]);
        assert!(output.status.success(), "{output:?}");
        let parts = stdout(&output).split("\n\nWhat is done\n");
        let mut parts: Vec<&str> = parts.map(|part| part.lines().last().unwrap_or("")).collect();
        parts.pop();
        parts.into_iter().map(|line| line.split(' ').next().unwrap_or("").to_owned()).collect()
    };
    assert_eq!(headlines("d12"), ["D12"]);
    assert_eq!(headlines("K1,D12,D8"), ["D8", "D12", "K1"]);
    let group = headlines("D");
    assert!(group.len() > 10 && group.iter().all(|id| id.starts_with('D')), "{group:?}");
}

#[test]
fn an_unknown_design_lists_those_that_there_are() {
    let output = run(&["serve", "nosuch"]);
    assert_eq!(output.status.code(), Some(2));
    let names: Vec<&str> = DESIGNS.iter().map(|design| design.name).collect();
    let line = format!("error: no design 'nosuch': there are {}\n", names.join(", "));
    assert_eq!(stderr(&output), line);
}

/// The same mistake, the same words: in Rust and in each C twin.
#[test]
fn the_servers_refuse_alike() {
    for design in DESIGNS {
        let foreign = if design.service == Service::Time { "--max-n" } else { "--format" };
        let value = if design.service == Service::Time { "5" } else { "time" };
        for args in [
            &["--port", "65536"][..],
            &["--port="],
            &["--bind"],
            &["--nosuch"],
            &["more"],
            &[foreign, value],
        ] {
            let refused = |language| {
                let mut command: Command = support::command(language, design);
                let output = command.args(args).output().expect("the program runs");
                (output.status.code(), stderr(&output).to_owned())
            };
            let (status, line) = refused(Language::Rust);
            assert_eq!(status, Some(2), "{} {args:?}: {line}", design.name);
            assert_eq!(line.lines().count(), 1, "{} {args:?}: {line}", design.name);
            assert_eq!(refused(Language::C), (status, line), "{} {args:?}", design.name);
        }
    }
}

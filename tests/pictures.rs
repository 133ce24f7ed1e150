//! The pictures of `socklab compare`: that they are made, whole or not at all, and what a browser makes of them.

#[path = "support/mod.rs"]
mod support;

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;

/// A folder of a test's own, empty.
fn folder(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("pictures-{name}"));
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).expect("a folder");
    path
}

fn has(program: &str) -> bool {
    let found =
        Command::new(program).arg("--version").output().is_ok_and(|out| out.status.success());
    if !found {
        eprintln!("skipped: {program} is not installed");
    }
    found
}

fn compare(args: &[&str], folder: &Path) -> Output {
    let mut command = support::socklab();
    command.arg("compare").args(args).current_dir(folder).stdin(Stdio::null());
    command.output().expect("socklab runs")
}

/// Whether there is a comparison; on a busy machine the two runs may differ.
fn is_made(output: &Output) -> bool {
    matches!(output.status.code(), Some(0 | 1))
}

fn said(output: &Output) -> String {
    format!("{:?} {}", output.status, String::from_utf8_lossy(&output.stderr))
}

/// How often each lane of a picture has a frame or a bar of a class.
fn shapes(svg: &str, class: &str) -> usize {
    let document = roxmltree::Document::parse(svg).expect("well-formed");
    let wanted: Vec<&str> = class.split(' ').collect();
    let rects = document.descendants().filter(|node| node.tag_name().name() == "rect");
    rects
        .filter_map(|node| node.attribute("class"))
        .filter(|is| {
            let is: Vec<&str> = is.split(' ').collect();
            wanted.iter().all(|word| is.contains(word))
        })
        .count()
}

/// The names that stand at the lanes; the kernel has as many of a kind as something waits at the same time.
fn lanes(svg: &str) -> Vec<String> {
    let document = roxmltree::Document::parse(svg).expect("well-formed");
    let texts = document.descendants().filter(|node| node.tag_name().name() == "text");
    let names = texts.filter(|node| {
        node.attribute("class").is_some_and(|class| class.split(' ').any(|word| word == "name"))
    });
    let mut names: Vec<String> = names.filter_map(|node| node.text().map(str::to_owned)).collect();
    names.dedup();
    names
}

#[test]
fn a_forked_and_a_threaded_server_look_different() {
    if !has("strace") {
        return;
    }
    let folder = folder("designs");
    for design in ["forked", "threaded"] {
        let (svg, html) = (format!("{design}.svg"), format!("{design}.html"));
        let output = compare(&["--svg", &svg, "--html", &html, design], &folder);
        assert!(is_made(&output), "{design}: {}", said(&output));
        let page = fs::read_to_string(folder.join(html)).expect("a page");
        let options = roxmltree::ParsingOptions { allow_dtd: true, ..Default::default() };
        roxmltree::Document::parse_with_options(&page, options).expect("well-formed");
        let verdict = if output.status.success() { ">Equal: " } else { ">Different in " };
        assert!(page.contains(verdict), "{design}: {verdict}");
    }
    let read = |name: &str| fs::read_to_string(folder.join(name)).expect("a picture");
    let (forked, threaded) = (read("forked.svg"), read("threaded.svg"));
    let clients = ["good", "first", "second", "silent", "reset", "bad"];
    for (svg, worker) in [(&forked, "child"), (&threaded, "thread")] {
        let mut wanted: Vec<String> = clients.map(String::from).to_vec();
        wanted.extend(["accept queue", "receive buffer", "parent"].map(String::from));
        wanted.extend((1..=6).map(|number| format!("{worker} {number}")));
        assert_eq!(lanes(svg), [wanted.clone(), wanted].concat());
    }
    // The parent and six children of each run, and one that the legend shows.
    assert_eq!(shapes(&forked, "frame process"), 2 * 7 + 1);
    assert_eq!(shapes(&forked, "thread"), 0);
    // One process each, and all threads in it.
    assert_eq!(shapes(&threaded, "frame process"), 2 + 1);
    assert!(shapes(&threaded, "thread") > 2 * 6);
    let left: Vec<_> = fs::read_dir(&folder).expect("the folder").flatten().collect();
    assert_eq!(left.len(), 4, "{left:?}");
}

#[test]
fn a_file_is_written_whole_or_not_at_all() {
    if !has("strace") {
        return;
    }
    let folder = folder("files");
    let script = folder.join("script.txt");
    fs::write(&script, "a connect\na close\n").expect("written");
    let run = |file: &str, option: &str| {
        compare(&["--script", "script.txt", option, file, "iterative"], &folder)
    };
    for (file, why) in [
        ("nowhere/picture", "No such file or directory"),
        ("/dev/full", "No space left on device"),
        (".", "Is a directory"),
    ] {
        for option in ["--svg", "--html"] {
            let output = run(file, option);
            assert_eq!(output.status.code(), Some(2), "{file}: {}", said(&output));
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert!(stderr.starts_with(&format!("error: {option} {file}: {why}")), "{stderr}");
            assert_eq!(stderr.lines().count(), 1, "{stderr}");
            // Only a full disk is not known before.
            assert_eq!(output.stdout.is_empty(), file != "/dev/full");
        }
    }
    // What is there is replaced, through a link too, and keeps its mode.
    fs::write(folder.join("old.svg"), "old").expect("written");
    std::os::unix::fs::symlink("old.svg", folder.join("link.svg")).expect("a link");
    let output = run("link.svg", "--svg");
    assert!(is_made(&output), "{}", said(&output));
    assert!(fs::read_to_string(folder.join("old.svg")).expect("there").starts_with("<svg"));
    assert!(folder.join("link.svg").is_symlink());
    // A pipe is written to.
    let output = run("/dev/stderr", "--svg");
    assert!(is_made(&output) && String::from_utf8_lossy(&output.stderr).ends_with("</svg>"));
    let mut left: Vec<_> = fs::read_dir(&folder)
        .expect("the folder")
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    left.sort();
    assert_eq!(left, ["link.svg", "old.svg", "script.txt"]);
}

/// Whatever the command and the clients say stands in the picture as text.
#[test]
fn hostile_words_stay_words() {
    if !has("strace") || !has("python3") {
        return;
    }
    let folder = folder("hostile");
    let script =
        "<b>&\u{202e} connect\n<b>&\u{202e} send </title><script>\\x00\\n\n<b>&\u{202e} end\n";
    fs::write(folder.join("script.txt"), script).expect("written");
    let server = "\
import socket, sys
s = socket.create_server((\"127.0.0.1\", int(sys.argv[1])))
try:
    while True:
        c, _ = s.accept()
        c.sendall(c.recv(64))
        c.close()
except KeyboardInterrupt:
    pass
";
    let command = ["python3", "-c", server, "{port}", "<script>alert(1)</script>\u{1b}[2J"];
    let mut args =
        vec!["--script", "script.txt", "--svg", "picture.svg", "--html", "page.html", "--"];
    args.extend(command.iter().chain(&["--"]).chain(&command));
    let output = compare(&args, &folder);
    assert!(is_made(&output), "{}", said(&output));
    for name in ["picture.svg", "page.html"] {
        let text = fs::read_to_string(folder.join(name)).expect("it is there");
        let options = roxmltree::ParsingOptions { allow_dtd: true, ..Default::default() };
        let document =
            roxmltree::Document::parse_with_options(&text, options).expect("well-formed");
        assert!(document.descendants().all(|node| node.tag_name().name() != "script"));
        assert!(text.contains("&#60;script&#62;alert(1)&#60;/script&#62;\\x1b[2J"), "{name}");
        assert!(!text.contains(['\u{202e}', '\u{1b}', '\0']), "{name}");
    }
}

/// Serves these pages on a port of the loopback until it is asked for `/quit`, and then tells what it was asked for.
fn serve(pages: Vec<(&'static str, Vec<u8>)>) -> (u16, mpsc::Receiver<Vec<String>>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let (tell, asked) = mpsc::channel();
    std::thread::spawn(move || {
        let mut paths = Vec::new();
        for stream in listener.incoming() {
            let Some(path) = stream.ok().and_then(|stream| answer(stream, &pages)) else {
                continue;
            };
            if path == "/quit" {
                break;
            }
            paths.push(path);
        }
        let _ = tell.send(paths);
    });
    (port, asked)
}

fn answer(mut stream: TcpStream, pages: &[(&str, Vec<u8>)]) -> Option<String> {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        let length = stream.read(&mut buffer).ok().filter(|length| *length > 0)?;
        request.extend_from_slice(&buffer[..length]);
    }
    let request = String::from_utf8_lossy(&request).into_owned();
    let path = request.split(' ').nth(1)?.to_owned();
    let none = Vec::new();
    let page = pages.iter().find(|(name, _)| *name == path);
    let (status, body) = page.map_or(("404 Not Found", &none), |(_, body)| ("200 OK", body));
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    // A browser may lose interest.
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
    Some(path)
}

/// Chromium without a window, which asks nobody but this machine.
fn chromium(profile: &Path, args: &[&str]) -> Output {
    let mut command = Command::new("chromium");
    command
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
        .args(["--no-first-run", "--disable-background-networking", "--disable-component-update"])
        .args(["--disable-sync", "--disable-default-apps", "--no-default-browser-check"])
        .arg("--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1")
        .args(["--enable-logging=stderr", "--hide-scrollbars"])
        .arg(format!("--user-data-dir={}", profile.display()))
        .args(args)
        .stdin(Stdio::null());
    command.output().expect("chromium runs")
}

/// Opens all that can be opened, and says what sticks out of a page of 360 pixels and what it has loaded.
const WRAPPER: &str = r#"<!DOCTYPE html><html><head><link rel="icon" href="data:,"></head><body>
<iframe id="frame" style="width:360px;height:740px;border:0" src="/page"></iframe><pre id="found"></pre>
<script>
document.getElementById('frame').onload = function () {
    const page = this.contentDocument, view = this.contentWindow;
    page.querySelectorAll('details').forEach(details => details.open = true);
    const out = [...page.querySelectorAll('body *')].filter(element => {
        const box = element.getBoundingClientRect();
        return box.width > 0 && (box.right > 360.5 || box.left < -0.5) && !element.closest('.hidden');
    });
    const seen = [...page.querySelectorAll('svg')].filter(svg => svg.getBoundingClientRect().height > 0);
    document.getElementById('found').textContent = [
        'width=' + page.documentElement.scrollWidth,
        'out=' + out.map(element => element.tagName + '.' + element.getAttribute('class')).join(','),
        'loaded=' + view.performance.getEntriesByType('resource').length,
        'seen=' + seen.length,
        'rows=' + (page.querySelectorAll('tr').length > 50),
        'smallest=' + Math.min(...seen.map(svg => svg.getBoundingClientRect().width / svg.viewBox.baseVal.width)),
    ].join(' ') + ' end';
};
</script></body></html>"#;

#[test]
fn a_browser_shows_the_page_on_a_phone_and_on_a_desk() {
    if !has("strace") || !has("chromium") {
        return;
    }
    let folder = folder("browser");
    let output = compare(&["--html", "page.html", "forked"], &folder);
    assert!(is_made(&output), "{}", said(&output));
    let page = fs::read(folder.join("page.html")).expect("a page");
    let empty = b"<!DOCTYPE html><title>empty</title><link rel=\"icon\" href=\"data:,\">".to_vec();
    let wrapper = WRAPPER.as_bytes().to_vec();
    let (port, asked) = serve(vec![("/page", page), ("/empty", empty), ("/wrapper", wrapper)]);
    let url = |path: &str| format!("http://127.0.0.1:{port}{path}");
    let profile = folder.join("profile");

    let output = chromium(&profile, &["--window-size=800,900", "--dump-dom", &url("/wrapper")]);
    let dom = String::from_utf8_lossy(&output.stdout);
    let found = dom.split_once("<pre id=\"found\">").map_or("", |(_, rest)| rest);
    let found = found.split(" end").next().unwrap_or_default();
    let stderr = String::from_utf8_lossy(&output.stderr);
    let console: Vec<&str> = stderr.lines().filter(|line| line.contains("CONSOLE")).collect();
    assert!(console.is_empty(), "{console:?}");
    // Both runs and the legend, as wide as they were drawn, and nothing sticks out.
    assert_eq!(found, "width=360 out= loaded=0 seen=3 rows=true smallest=1", "{stderr}");

    let shot = |path: &str, size: &str| {
        let file = folder.join("shot.png");
        let screenshot = format!("--screenshot={}", file.display());
        let size = format!("--window-size={size}");
        let output = chromium(&profile, &[&size, &screenshot, &url(path)]);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && !stderr.contains("CONSOLE"), "{stderr}");
        let length = fs::metadata(&file).expect("a screenshot").len();
        fs::remove_file(&file).expect("removed");
        length
    };
    for size in ["1280,900", "500,900"] {
        let (full, blank) = (shot("/page", size), shot("/empty", size));
        assert!(full > 5 * blank, "{size}: {full} bytes, {blank} of an empty page");
    }
    let mut quit = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    quit.write_all(b"GET /quit HTTP/1.1\r\n\r\n").expect("sent");
    let paths = asked.recv().expect("it ends");
    let others: Vec<&String> = paths
        .iter()
        .filter(|path| !["/page", "/empty", "/wrapper"].contains(&path.as_str()))
        .collect();
    assert!(others.is_empty(), "{others:?}");
    fs::remove_dir_all(&folder).expect("removed");
}

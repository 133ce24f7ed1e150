//! For a browser.

use std::path::Path;
use std::process::{Command, Stdio};

use proptest::prelude::*;
use roxmltree::{Document, ParsingOptions};
use socklab::report::Examination;
use socklab::report::examination::html;
use socklab::report::matrix;

use super::samples::{absent, any_examination, class, hostile, lecture, suite};
use super::{assert_harmless, file, written};

fn shown(examination: &Examination) -> String {
    written(|out| html::write(examination, out))
}

/// The pages are written so that they are well-formed XML as well: who breaks out of a text or an attribute breaks
/// that. The elements and attributes are those of the templates.
pub(crate) fn assert_page(text: &str) {
    assert_harmless(text);
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    let document = Document::parse_with_options(text, options)
        .unwrap_or_else(|error| panic!("{error}: {text}"));
    let mut anchors = Vec::new();
    let mut links = Vec::new();
    for element in document.descendants().filter(|node| node.is_element()) {
        let name = element.tag_name().name();
        assert!(ELEMENTS.contains(&name), "{name}");
        for attribute in element.attributes() {
            assert!(ATTRIBUTES.contains(&attribute.name()), "{name} {attribute:?}");
            match attribute.name() {
                "id" => anchors.push(attribute.value()),
                "href" => links.push(attribute.value().strip_prefix('#').unwrap()),
                _ => {}
            }
        }
    }
    assert!(links.iter().all(|link| anchors.contains(link)), "a link leads nowhere");
    let count = anchors.len();
    anchors.sort_unstable();
    anchors.dedup();
    assert_eq!(anchors.len(), count, "an anchor stands twice");
}

const ELEMENTS: &[&str] = &[
    "html", "head", "meta", "title", "style", "body", "header", "main", "section", "h1", "h2", "p",
    "dl", "dt", "dd", "ul", "li", "a", "span", "strong", "code", "pre", "details", "summary",
    "fieldset", "legend", "label", "input", "div", "table", "thead", "tbody", "tr", "th", "td",
];

const ATTRIBUTES: &[&str] = &[
    "lang",
    "charset",
    "name",
    "content",
    "http-equiv",
    "class",
    "id",
    "href",
    "open",
    "type",
    "checked",
    "tabindex",
    "role",
    "aria-label",
    "scope",
    "title",
];

#[test]
fn all_of_it_is_on_the_page_and_nothing_is_fetched() {
    let page = shown(&lecture());
    assert_page(&page);
    for word in ["PASS", "BY DESIGN", "WEAK", "FAIL", "INFO", "N/A", "BLOCKED", "BROKEN"] {
        assert!(page.contains(word), "{word}");
    }
    for text in
        ["recvfrom(4) = 0, again and again", "namespaces of its own", "close, and accept the next"]
    {
        assert!(page.contains(text), "{text}");
    }
    for outside in ["http:", "https:", "src=", "@import", "url(", "<script", "javascript:"] {
        assert!(!page.contains(outside), "{outside}");
    }
}

#[test]
fn hostile_servers_stay_text() {
    assert_page(&shown(&hostile()));
    assert_page(&shown(&absent()));
    assert!(shown(&hostile()).contains("&#60;script&#62;alert(1)&#60;/script&#62;"));
}

/// What a browser makes of the pages: each card is an element, nothing became a script, nothing is wider than a
/// phone, and where no verdict is wanted no card is shown. A window of Chromium's is never as narrow as that, so the page stands in a frame.
#[test]
fn a_browser_shows_it_on_a_phone() {
    let pages = [
        ("lecture", shown(&lecture()), lecture().findings.len()),
        ("hostile", shown(&hostile()), hostile().findings.len()),
        ("suite", written(|out| matrix::html::write(&suite(), out)), 3),
    ];
    for (name, page, cards) in pages {
        let page = page.replace('&', "&amp;").replace('"', "&quot;");
        let script = "onload = () => {
            const page = frames[0].document, all = selector => [...page.querySelectorAll(selector)]
            const cards = all('details.card')
            const facts = [cards.length, all('script').length, page.documentElement.scrollWidth <= 360]
            all('[id^=show-]').forEach(box => box.click())
            document.title = [...facts, cards.filter(card => card.checkVisibility()).length].join(' ')
        }";
        let outer = format!(
            "<!DOCTYPE html><meta charset='utf-8'><title></title><script>{script}</script>\
             <iframe width='360' height='800' srcdoc=\"{page}\"></iframe>"
        );
        let path = file(&format!("{name}.html"), &outer);
        let Some(title) = title(&path) else { return };
        assert_eq!(title, format!("{cards} 0 true 0"), "{name}");
    }
}

/// The page's title after headless Chromium has loaded it.
fn title(path: &Path) -> Option<String> {
    let profile = path.with_extension("profile");
    let output = Command::new("chromium")
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
        .arg(format!("--user-data-dir={}", profile.display()))
        .arg("--dump-dom")
        .arg(format!("file://{}", path.display()))
        .stdin(Stdio::null())
        .output();
    let output = match output {
        Ok(output) => output,
        Err(error) => {
            eprintln!("skipped: chromium: {error}");
            return None;
        }
    };
    let _ = std::fs::remove_dir_all(profile);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let title = text.split("<title>").nth(1).and_then(|rest| rest.split("</title>").next());
    Some(title.unwrap_or_else(|| panic!("{output:?}")).to_owned())
}

#[test]
fn a_class_on_a_page() {
    let page = written(|out| matrix::html::write(&class(), out));
    assert_page(&page);
    assert!(page.len() < 3_000_000, "{}", page.len());
    // For who wants to look at them.
    file("class.html", &page);
    file("examination.html", &shown(&lecture()));
    file("suite-page.html", &written(|out| matrix::html::write(&suite(), out)));
}

proptest! {
    #[test]
    fn any_text_stays_text(examination in any_examination()) {
        assert_page(&shown(&examination));
    }
}

//! Two runs as one page, which needs nothing but itself: no network, no script.

use askama::Template;

use super::super::sequence::svg::Part;
use super::super::sequence::{Direction, Sequence, draw, duration, legend, shown};
use super::{Comparison, Count, Pair, Row, Verdict, by_call, excerpt, excerpts, in_parts};
use crate::report::repeats::Part as Stretch;

#[derive(Template)]
#[template(path = "comparison.html", escape = "html")]
struct Page {
    title: String,
    equal: usize,
    accepted: usize,
    differ: usize,
    runs: Vec<Run>,
    legends: Vec<Part>,
    calls: Vec<CallRow>,
    tasks: Vec<Task>,
}

struct Run {
    command: String,
    summary: String,
    wide: Part,
    tall: Part,
    events: Vec<Event>,
}

impl Run {
    /// Both drawings; the width of the page decides which is seen.
    fn parts(&self) -> [(&'static str, &Part); 2] {
        [("wide", &self.wide), ("tall", &self.tall)]
    }
}

/// A bar, as a row.
struct Event {
    at: String,
    who: String,
    text: String,
    how: &'static str,
    took: String,
}

struct CallRow {
    call: String,
    made: [usize; 2],
    spent: [String; 2],
    mark: &'static str,
}

struct Task {
    role: String,
    equal: usize,
    all: usize,
    is_open: bool,
    rows: Vec<PairRow>,
}

struct PairRow {
    left: String,
    right: String,
    class: &'static str,
    mark: char,
    reason: String,
}

/// The page.
///
/// # Errors
///
/// Those of the template, which has none of its own.
pub fn html(comparison: &Comparison) -> Result<String, askama::Error> {
    let [equal, accepted, differ] = comparison.verdicts();
    let [one, other] = &comparison.runs;
    let runs = [run((0, one)), run((1, other))];
    let names: Vec<&str> = runs.iter().map(|run| run.command.as_str()).collect();
    let title = names.join(" beside ");
    let legends = [("legend-wide", 6), ("legend-tall", 2)].map(|(id, columns)| Part {
        id: id.into(),
        title: "Legend".into(),
        top: 0.0,
        drawing: legend(&runs.each_ref().map(|run| &run.wide.drawing), columns),
    });
    let marks = by_call(comparison.tasks.iter().flat_map(|pair| &pair.rows));
    let mark = |count: &Count| match marks.get(&count.call) {
        _ if count.made[0] == count.made[1] => "",
        Some('!') => "≠",
        _ => "~",
    };
    let calls = comparison.calls.iter().map(|count| call(count, mark(count))).collect();
    let tasks = comparison.tasks.iter().map(task).collect();
    Page {
        title,
        equal,
        accepted,
        differ,
        runs: runs.into(),
        legends: legends.into(),
        calls,
        tasks,
    }
    .render()
}

fn run((number, sequence): (usize, &Sequence)) -> Run {
    let part = |name: &str, direction| {
        let (id, title) = (format!("{name}{number}"), shown(&sequence.title));
        Part { id, title, top: 0.0, drawing: draw(sequence, direction) }
    };
    let mut bars: Vec<_> = sequence
        .lanes
        .iter()
        .flat_map(|lane| lane.bars.iter().map(move |bar| (lane, bar)))
        .collect();
    bars.sort_by(|one, other| one.1.at.total_cmp(&other.1.at));
    let events = bars.into_iter().map(|(lane, bar)| Event {
        at: duration(bar.at),
        who: shown(&lane.full_name()),
        text: excerpt(&shown(&bar.text), LONG),
        how: bar.kind.word(),
        took: duration(bar.spent),
    });
    Run {
        command: shown(&sequence.title),
        summary: shown(&sequence.summary()),
        wide: part("wide", Direction::Wide),
        tall: part("tall", Direction::Tall),
        events: events.collect(),
    }
}

fn call(count: &Count, mark: &'static str) -> CallRow {
    let spent = count.spent.map(|seconds| format!("{:.3}", seconds * 1e3));
    CallRow { call: shown(&count.call), made: count.made, spent, mark }
}

/// The longest call that is shown in full.
const LONG: usize = 600;

fn task(pair: &Pair) -> Task {
    let equal = pair.rows.iter().filter(|row| row.verdict == Verdict::Equal).count();
    let rows = in_parts(&pair.rows).into_iter().map(|part| match part {
        Stretch::Once(at) => row(&pair.rows[at]),
        Stretch::Again { from, period, times } => {
            let (class, mark) = verdict(&pair.rows[from]);
            let rows = if period == 1 {
                String::from("The row above")
            } else {
                format!("The {period} rows above")
            };
            let left = format!("{rows}, {times} times more");
            PairRow { left, right: String::new(), class, mark, reason: String::new() }
        }
    });
    let is_open = pair.rows.iter().any(|row| row.verdict == Verdict::Differs);
    Task { role: shown(&pair.role), equal, all: pair.rows.len(), is_open, rows: rows.collect() }
}

fn row(row: &Row) -> PairRow {
    let (class, mark) = verdict(row);
    let reason = match &row.verdict {
        Verdict::Accepted(reason) => shown(reason),
        _ => String::new(),
    };
    let [left, right] = match (&row.left, &row.right) {
        (Some(left), Some(right)) => excerpts(&shown(left), &shown(right), LONG),
        (left, right) => [left, right]
            .map(|text| text.as_deref().map_or(String::new(), |text| excerpt(&shown(text), LONG))),
    };
    PairRow { left, right, class, mark, reason }
}

const fn verdict(row: &Row) -> (&'static str, char) {
    match row.verdict {
        Verdict::Equal => ("equal", '='),
        Verdict::Accepted(_) => ("accepted", '~'),
        Verdict::Differs => ("differs", '!'),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::sequence::examples::{self, HOSTILE};
    use super::super::Row;
    use super::*;

    fn comparison() -> Comparison {
        let row = |left: Option<&str>, right: Option<&str>, verdict| Row {
            left: left.map(str::to_owned),
            right: right.map(str::to_owned),
            verdict,
        };
        let rows = vec![
            row(Some("close(connfd 1) = 0"), Some("close(connfd 1) = 0"), Verdict::Equal),
            row(Some(HOSTILE), None, Verdict::Accepted(String::from("it is <known>"))),
            row(Some("listen(listenfd, 5) = 0"), Some("listen(listenfd, 6) = 0"), Verdict::Differs),
        ];
        let count = Count { call: HOSTILE.into(), made: [1, 2], spent: [0.5e-3, 0.25e-3] };
        Comparison {
            runs: [examples::sequence(), examples::sequence()],
            tasks: vec![Pair { role: "parent".into(), rows }],
            calls: vec![count],
        }
    }

    /// The page without its drawings, as text.
    fn said(document: &roxmltree::Document<'_>) -> String {
        let is_drawn = |node: &roxmltree::Node<'_, '_>| {
            node.ancestors().any(|node| matches!(node.tag_name().name(), "svg" | "style"))
        };
        let texts = document.descendants().filter(|node| node.is_text() && !is_drawn(node));
        texts.filter_map(|node| node.text()).collect::<Vec<_>>().join("")
    }

    #[test]
    fn the_page_has_all_and_needs_nothing() {
        let text = html(&comparison()).expect("it is made");
        let options = roxmltree::ParsingOptions { allow_dtd: true, ..Default::default() };
        let document =
            roxmltree::Document::parse_with_options(&text, options).expect("well-formed");
        let said = said(&document);
        for bar in comparison().runs[0].lanes.iter().flat_map(|lane| &lane.bars) {
            assert_eq!(said.matches(&shown(&bar.text)).count(), 2, "{bar:?}");
        }
        for words in [
            "1 events are equal, 1 differ for a reason that is known, 1 differ",
            "Different in 1 place.",
            "listen(listenfd, 5) = 0",
            "listen(listenfd, 6) = 0",
            "accepted: it is <known>",
            "0.500",
        ] {
            assert!(said.contains(words), "{words}: {said}");
        }
        assert!(said.contains(&shown(HOSTILE)));
        for node in document.descendants().filter(|node| node.is_element()) {
            assert!(!matches!(node.tag_name().name(), "script" | "img" | "iframe" | "object"));
            for attribute in node.attributes() {
                let name = attribute.name();
                assert!(!name.starts_with("on") && name != "src", "{name}");
                assert!(name != "href" || attribute.value() == "data:,", "{}", attribute.value());
            }
        }
        assert!(!text.contains("@import") && !text.contains("url(http"));
    }

    #[test]
    fn the_same_comparison_is_the_same_page() {
        assert_eq!(html(&comparison()).ok(), html(&comparison()).ok());
    }

    #[test]
    fn every_table_has_a_caption_and_every_picture_a_title() {
        let text = html(&comparison()).expect("it is made");
        let count = |word: &str| text.matches(word).count();
        assert_eq!(count("<table"), count("<caption"));
        assert_eq!(count("<svg"), count("role=\"img\""));
        assert_eq!(count("<svg"), count("<title id="));
    }
}

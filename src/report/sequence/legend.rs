//! What the shapes of a picture mean.

use super::shapes::{Drawing, Path, Shape, Text};

/// What each shape means: its classes, its pattern, the words, and what is drawn over it or, as an arrow,
/// instead of it.
const LEGEND: &[(&str, &str, &str, &str)] = &[
    ("quick client", "", "a client's act", ""),
    ("quick process", "", "a call of a process", ""),
    ("quick thread", "", "a call of a thread", ""),
    ("blocked process", "process", "a call that waits", ""),
    ("aside process", "", "a call aside", ""),
    ("quick process failed", "", "a call that failed", "cross"),
    ("waiting kernel", "waiting", "waits in the kernel", ""),
    ("signal process", "", "a signal", ""),
    ("over process", "", "the end", ""),
    ("frame process", "", "a process", ""),
    ("", "", "a connection", "connection"),
    ("", "", "data, or their end", "data"),
    ("", "", "makes a task", "birth"),
    ("", "", "sends a signal", "kick"),
    ("blocked process", "process", "a pause, cut short", "cut"),
    ("start process", "", "how it starts", ""),
    ("start again process", "", "again and again", ""),
];

/// Whether any of the drawings has what this is about.
fn is_in(drawings: &[&Drawing], class: &str, mark: &str) -> bool {
    let mut words = class.split(' ');
    let (kind, party) = (words.next().unwrap_or_default(), words.next_back().unwrap_or_default());
    drawings.iter().any(|drawing| match (kind, mark) {
        (_, "cut") => !drawing.cuts.is_empty(),
        (_, "cross") => drawing.marks.iter().any(|path| path.class == mark),
        ("", mark) => drawing.arrows.iter().any(|path| path.class == mark),
        ("frame", _) => drawing.frames.iter().any(|shape| shape.class == class),
        ("quick", _) => drawing.bars.iter().any(|shape| {
            shape.class.starts_with(kind) && shape.class.split(' ').any(|word| word == party)
        }),
        ("start", _) => {
            let is_again = class.contains("again");
            let starts = drawing.bars.iter().filter(|shape| shape.class.starts_with(kind));
            starts.into_iter().any(|shape| shape.class.contains("again") == is_again)
        }
        (kind, _) => drawing.bars.iter().any(|shape| shape.class.starts_with(kind)),
    })
}

/// The legend of these drawings, in so many columns.
pub(in crate::report) fn legend(drawings: &[&Drawing], columns: usize) -> Drawing {
    const COLUMN: f64 = 168.0;
    const ROW: f64 = 20.0;
    let entries: Vec<_> =
        LEGEND.iter().filter(|(class, _, _, mark)| is_in(drawings, class, mark)).collect();
    let rows = entries.len().div_ceil(columns).max(1);
    let mut drawing = Drawing::new(COLUMN * columns as f64, ROW * rows as f64 + 2.0);
    for (number, &(class, pattern, words, mark)) in entries.into_iter().enumerate() {
        let (x, y) = ((number / rows) as f64 * COLUMN + 2.0, (number % rows) as f64 * ROW + 2.0);
        let (inset, width) = match class.split(' ').next() {
            Some("aside") => (5.0, 6.0),
            Some("signal" | "over") => (0.0, 7.0),
            _ => (1.0, 26.0),
        };
        if class.is_empty() {
            let d = format!("M{x} {}H{}", y + 7.5, x + 21.0);
            let class = LINES.iter().find(|line| **line == mark).copied().unwrap_or_default();
            drawing.arrows.push(Path { class, d });
            let d = format!(
                "M{} {}L{} {}L{} {}Z",
                x + 26.0,
                y + 7.5,
                x + 21.0,
                y + 4.7,
                x + 21.0,
                y + 10.3
            );
            drawing.arrows.push(Path { class: "head", d });
        } else {
            let shape = Shape {
                x: x + (26.0 - width) / 2.0,
                y: y + inset,
                width,
                height: 15.0 - 2.0 * inset,
                class: class.to_owned(),
                pattern,
                title: words.to_owned(),
            };
            drawing.bars.push(shape);
        }
        if mark == "cross" {
            let (left, right, top, bottom) = (x + 21.0, x + 25.0, y - 1.5, y + 2.5);
            let d = format!("M{left} {top}L{right} {bottom}M{left} {bottom}L{right} {top}");
            drawing.marks.push(Path { class: "cross", d });
        }
        if mark == "cut" {
            let (class, title) = (String::from("cut"), String::new());
            let (y, height) = (y - 0.5, 18.0);
            drawing.cuts.push(Shape {
                x: x + 11.0,
                y,
                width: 4.0,
                height,
                class,
                pattern: "",
                title,
            });
        }
        let text = Text {
            x: x + 34.0,
            y: y + 11.0,
            class: "label",
            is_turned: false,
            text: words.to_owned(),
        };
        drawing.texts.push(text);
    }
    drawing
}

/// The classes of arrows.
const LINES: &[&str] = &["connection", "data", "birth", "kick"];

#[cfg(test)]
mod tests {
    use super::super::{Cause, Direction, Kind, draw, examples};
    use super::*;

    fn words(drawing: &Drawing) -> Vec<String> {
        let legend = legend(&[drawing], 4);
        legend.texts.into_iter().map(|text| text.text).collect()
    }

    #[test]
    fn only_what_is_there_is_told() {
        let mut sequence = examples::sequence();
        let all = words(&draw(&sequence, Direction::Wide));
        for word in
            ["a signal", "sends a signal", "a call that failed", "a call that waits", "the end"]
        {
            assert!(all.iter().any(|other| other == word), "{word}: {all:?}");
        }
        assert!(!all.iter().any(|word| word == "again and again"));
        sequence.arrows.retain(|arrow| arrow.cause != Cause::Signal);
        for lane in &mut sequence.lanes {
            lane.bars.retain(|bar| bar.kind != Kind::Signal);
        }
        let fewer = words(&draw(&sequence, Direction::Wide));
        assert!(!fewer.iter().any(|word| word.contains("signal")), "{fewer:?}");
        assert_eq!(words(&Drawing::new(1.0, 1.0)), Vec::<String>::new());
    }
}

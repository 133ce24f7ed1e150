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
];

/// The legend, in so many columns.
pub(in crate::report) fn legend(columns: usize) -> Drawing {
    const COLUMN: f64 = 168.0;
    const ROW: f64 = 20.0;
    let rows = LEGEND.len().div_ceil(columns);
    let mut drawing = Drawing::new(COLUMN * columns as f64, ROW * rows as f64 + 2.0);
    for (number, &(class, pattern, words, mark)) in LEGEND.iter().enumerate() {
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

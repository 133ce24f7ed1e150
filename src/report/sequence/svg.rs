//! Sequences as one picture, in the Scalable Vector Graphics of the W3C.

use askama::Template;

use super::drawing::{Direction, PHONE, draw};
use super::legend::legend;
use super::shapes::Drawing;
use super::{Sequence, shown};

#[derive(Template)]
#[template(path = "sequences.svg", escape = "html")]
struct Picture {
    title: String,
    description: String,
    width: f64,
    height: f64,
    parts: Vec<Part>,
    legend: Part,
}

/// One drawing of several, with names of its own for its patterns.
pub(in crate::report) struct Part {
    pub id: String,
    pub title: String,
    pub top: f64,
    pub drawing: Drawing,
}

/// The name of a lane, and where it stands.
pub(in crate::report) struct Name {
    pub x: f64,
    pub y: f64,
    pub text: String,
}

impl Part {
    /// The names of the lanes, which stay where the rest is scrolled.
    pub(in crate::report) fn names(&self) -> impl Iterator<Item = Name> + '_ {
        let names = self.drawing.texts.iter().filter(|text| text.class.starts_with("name"));
        names.map(|text| Name { x: text.x, y: text.y, text: text.text.clone() })
    }

    /// Whether it is wider than a phone.
    pub(in crate::report) fn is_broad(&self) -> bool {
        self.drawing.width > PHONE + 1.0
    }
}

/// The sequences, one under the other, and what their shapes mean.
///
/// # Errors
///
/// Those of the template, which has none of its own.
pub fn svg(sequences: &[Sequence]) -> Result<String, askama::Error> {
    let mut parts = Vec::new();
    let mut top = 4.0;
    for (number, sequence) in sequences.iter().enumerate() {
        let drawing = draw(sequence, Direction::Wide);
        let next = top + 20.0 + drawing.height + 12.0;
        parts.push(Part {
            id: format!("run{number}"),
            title: shown(&sequence.title),
            top,
            drawing,
        });
        top = next;
    }
    let drawn: Vec<&Drawing> = parts.iter().map(|part| &part.drawing).collect();
    let drawing = legend(&drawn, 4);
    let height = top + drawing.height + 4.0;
    let legend = Part { id: String::from("legend"), title: String::new(), top, drawing };
    let width = parts.iter().map(|part| part.drawing.width).fold(legend.drawing.width, f64::max);
    let titles: Vec<&str> = parts.iter().map(|part| part.title.as_str()).collect();
    let title = titles.join(" beside ");
    let summaries = sequences
        .iter()
        .map(|sequence| format!("{}: {}", shown(&sequence.title), shown(&sequence.summary())));
    let description = summaries.collect::<Vec<_>>().join(" ");
    let picture = Picture { title, description, width: width + 16.0, height, parts, legend };
    picture.render()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::super::{Sequence, examples};
    use super::*;

    fn drawn(sequences: &[Sequence]) -> String {
        svg(sequences).expect("it is drawn")
    }

    #[test]
    fn all_of_a_run_is_in_its_picture_and_nothing_that_it_says_is_obeyed() {
        let runs = [examples::sequence(), examples::sequence()];
        let text = drawn(&runs);
        let document = roxmltree::Document::parse(&text).expect("well-formed");
        let titles: Vec<&str> = document
            .descendants()
            .filter(|node| node.has_tag_name(("http://www.w3.org/2000/svg", "title")))
            .filter_map(|node| node.text())
            .collect();
        for bar in runs[0].lanes.iter().flat_map(|lane| &lane.bars) {
            let there = titles.iter().filter(|title| title.contains(&shown(&bar.text))).count();
            assert_eq!(there, 2, "{bar:?}");
        }
        let names: BTreeSet<&str> = document
            .descendants()
            .filter(|node| node.is_element())
            .map(|node| node.tag_name().name())
            .collect();
        assert!(!names.contains("script"), "{names:?}");
        assert!(text.contains("{{ 1 }}"), "what is filled in is not read as a template again");
    }

    #[test]
    fn names_are_unique_and_those_that_are_used_are_there() {
        let text = drawn(&[examples::sequence(), examples::sequence()]);
        let document = roxmltree::Document::parse(&text).expect("well-formed");
        let all: Vec<&str> =
            document.descendants().filter_map(|node| node.attribute("id")).collect();
        let names: BTreeSet<&str> = all.iter().copied().collect();
        assert_eq!(all.len(), names.len());
        for used in text.split("url(#").skip(1).filter_map(|rest| rest.split(')').next()) {
            assert!(names.contains(used), "{used}");
        }
    }

    #[test]
    fn the_same_run_is_the_same_picture() {
        let one = [examples::sequence()];
        assert_eq!(drawn(&one), drawn(&one));
    }

    proptest! {
        #[test]
        fn any_run_is_drawn(sequence in examples::sequences()) {
            let text = drawn(&[sequence]);
            prop_assert!(roxmltree::Document::parse(&text).is_ok());
        }
    }
}

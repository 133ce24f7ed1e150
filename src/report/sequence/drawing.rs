//! A sequence as shapes with coordinates, time running to the right (wide) or down (tall).

use super::layout::{Layout, Measures, is_labelled, layout};
use super::shapes::{Drawing, Path, Shape, Text};
use super::{Arrow, Bar, Cause, Kind, Lane, Party, Sequence, duration, shown};
use crate::report::comparison::excerpt;

/// In which direction time runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::report) enum Direction {
    /// To the right: for a desk.
    Wide,
    /// Down, with the labels beside the lanes: for a phone.
    Tall,
}

/// The longest call that is shown in full.
const LONG: usize = 600;
/// How far apart lines of text are.
const LINE: f64 = 12.5;
/// The width of a letter, by the size of the type: that of every common typeface with fixed widths.
const LETTER: f64 = 0.602;
const WIDE: Measures =
    Measures { letter: 10.0 * LETTER, padding: 7.0, least: 5.0, row: 0.0, cut: 9.0 };
const TALL: Measures = Measures { letter: 0.0, padding: 0.0, least: 5.0, row: 13.0, cut: 25.0 };
/// What a phone shows, less the margins of the page.
pub(in crate::report) const PHONE: f64 = 336.0;
/// The room for the labels beside the lanes.
const BESIDE: f64 = 92.0;

/// A tenth of a pixel is enough.
fn round(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

const fn party(party: Party) -> &'static str {
    match party {
        Party::Client => "client",
        Party::Kernel => "kernel",
        Party::Process => "process",
        Party::Thread => "thread",
    }
}

/// Where the lanes lie, across the axis of time.
struct Lanes {
    /// The edge of each lane's bars that is nearer to the beginning of the page.
    at: Vec<f64>,
    thickness: f64,
    /// Where the last one ends.
    end: f64,
}

impl Lanes {
    fn new(lanes: &[Lane], begin: f64, pitch: f64, thickness: f64, gap: f64) -> Self {
        let mut at = Vec::new();
        let mut end = begin;
        for (number, lane) in lanes.iter().enumerate() {
            let before = number.checked_sub(1).map(|before| &lanes[before]);
            if before.is_some_and(|before| before.group != lane.group) {
                end += gap;
            }
            at.push(end);
            end += pitch;
        }
        Self { at, thickness, end: end - pitch + thickness }
    }

    fn middle(&self, lane: usize) -> f64 {
        self.at[lane] + self.thickness / 2.0
    }
}

struct Canvas<'a> {
    sequence: &'a Sequence,
    direction: Direction,
    layout: Layout,
    lanes: Lanes,
    /// Where time begins.
    origin: f64,
    /// Where labels stand on each lane beside its bars, from and to.
    labels: Vec<Vec<(f64, f64)>>,
    drawing: Drawing,
}

/// Draws a sequence.
pub(in crate::report) fn draw(sequence: &Sequence, direction: Direction) -> Drawing {
    let longest = sequence.lanes.iter().map(|lane| lane.name.chars().count()).max().unwrap_or(0);
    let names = longest.min(NAME) as f64 * 11.0 * LETTER + 14.0;
    let (measures, lanes, origin) = match direction {
        Direction::Wide => {
            (WIDE, Lanes::new(&sequence.lanes, 30.0, 23.0, 17.0, 9.0), names.max(60.0))
        }
        Direction::Tall => {
            let changes =
                sequence.lanes.windows(2).filter(|pair| pair[0].group != pair[1].group).count();
            let room = PHONE - BESIDE - 8.0 - 4.0 * changes as f64;
            // Never narrower than a name is high: what does not fit is scrolled.
            let pitch = (room / sequence.lanes.len().max(1) as f64).clamp(12.0, 24.0).floor();
            (TALL, Lanes::new(&sequence.lanes, 4.0, pitch, pitch - 4.0, 4.0), names)
        }
    };
    let layout = layout(sequence, &measures);
    let (length, end) = (layout.length, lanes.end);
    let (width, height) = match direction {
        Direction::Wide => (origin + length + 16.0, end + 48.0),
        Direction::Tall => (end + BESIDE, origin + length + 24.0),
    };
    let mut drawing = Drawing::new(width.ceil(), height.ceil());
    drawing.margin = origin - 5.0;
    let labels = vec![Vec::new(); sequence.lanes.len()];
    let mut canvas = Canvas { sequence, direction, layout, lanes, origin, labels, drawing };
    canvas.frames();
    canvas.names();
    canvas.bars();
    sequence.arrows.iter().for_each(|arrow| canvas.arrow(arrow));
    canvas.cuts();
    canvas.clock();
    canvas.drawing
}

/// A label of a tall picture: of a bar, or of a time that is cut short.
struct Beside {
    along: f64,
    lane: Option<usize>,
    text: String,
}

/// The longest name of a lane, in letters.
const NAME: usize = 18;

impl Canvas<'_> {
    /// A place along the axis of time and one across it as x and y.
    fn point(&self, along: f64, across: f64) -> (f64, f64) {
        match self.direction {
            Direction::Wide => (round(self.origin + along), round(across)),
            Direction::Tall => (round(across), round(self.origin + along)),
        }
    }

    fn shape(&self, along: (f64, f64), across: (f64, f64), class: String) -> Shape {
        let (x, y) = self.point(along.0, across.0);
        let (right, bottom) = self.point(along.1, across.1);
        let (width, height) = (round(right - x), round(bottom - y));
        Shape { x, y, width, height, class, pattern: "", title: String::new() }
    }

    /// A frame round each group, and a line for each lane as long as it lives.
    fn frames(&mut self) {
        let lanes = &self.sequence.lanes;
        for (number, lane) in lanes.iter().enumerate() {
            let life = |lane: usize| {
                let bars = &self.layout.bars[lane];
                bars.first().zip(bars.last()).map(|(first, last)| (first.0, last.1))
            };
            if let Some((begin, end)) = life(number) {
                let across = self.lanes.middle(number);
                let ((x, y), (right, bottom)) =
                    (self.point(begin, across), self.point(end, across));
                let d = format!("M{x} {y}L{right} {bottom}");
                self.drawing.lines.push(Path { class: "life", d });
            }
            let is_first = number == 0 || lanes[number - 1].group != lane.group;
            if !is_first || lane.party == Party::Client {
                continue;
            }
            let members = lanes[number..].iter().take_while(|other| other.group == lane.group);
            let last = number + members.count() - 1;
            let lives = (number..=last).filter_map(life);
            let along = lives.reduce(|one, other| (one.0.min(other.0), one.1.max(other.1)));
            let along = match (lane.party, along) {
                (Party::Kernel, _) => (0.0, self.layout.length),
                (_, along) => along.unwrap_or_default(),
            };
            let across = (self.lanes.at[number], self.lanes.at[last] + self.lanes.thickness);
            let margin = if self.direction == Direction::Wide { 3.0 } else { 2.0 };
            let frame = self.shape(
                (along.0 - margin, along.1 + margin),
                (across.0 - margin, across.1 + margin),
                format!("frame {}", party(lane.party)),
            );
            self.drawing.frames.push(frame);
        }
    }

    fn names(&mut self) {
        for (number, lane) in self.sequence.lanes.iter().enumerate() {
            let mut text = shown(&lane.name);
            if text.chars().count() > NAME {
                text = text.chars().take(NAME - 1).chain(['…']).collect();
            }
            let middle = self.lanes.middle(number);
            self.drawing.texts.push(match self.direction {
                Direction::Wide => {
                    let (x, y) = (round(self.origin - 10.0), round(middle + 4.0));
                    Text { x, y, class: "name end", is_turned: false, text }
                }
                Direction::Tall => {
                    let (x, y) = (round(middle + 4.0), round(self.origin - 8.0));
                    Text { x, y, class: "name", is_turned: true, text }
                }
            });
        }
    }

    fn bars(&mut self) {
        let mut beside: Vec<Beside> = Vec::new();
        let places = std::mem::take(&mut self.layout.bars);
        for (number, lane) in self.sequence.lanes.iter().enumerate() {
            let next = places[number].iter().skip(1).map(|next| next.0);
            let next = next.chain([self.layout.length + 12.0]);
            for ((bar, &(begin, end)), next) in lane.bars.iter().zip(&places[number]).zip(next) {
                self.bar(lane, number, bar, begin, end);
                if self.direction == Direction::Wide {
                    self.label(number, bar, (begin, end), next);
                }
                if is_labelled(bar) {
                    beside.push(Beside { along: begin, lane: Some(number), text: said(bar) });
                }
            }
        }
        self.layout.bars = places;
        if self.direction == Direction::Tall {
            beside.extend(self.layout.cuts.iter().map(|cut| Beside {
                along: (cut.from + cut.to) / 2.0 - 4.0,
                lane: None,
                text: format!("⋯ {}", duration(cut.skipped)),
            }));
            self.labels_beside(beside);
        }
    }

    fn bar(&mut self, lane: &Lane, number: usize, bar: &Bar, begin: f64, end: f64) {
        let thickness = self.lanes.thickness;
        let inset = if bar.kind == Kind::Aside { (thickness * 0.3).round() } else { 0.0 };
        let across = (self.lanes.at[number] + inset, self.lanes.at[number] + thickness - inset);
        let failed = if bar.error.is_some() { " failed" } else { "" };
        let class = match bar.kind {
            Kind::Start => "start",
            Kind::Again => "start again",
            Kind::Quick => "quick",
            Kind::Blocked => "blocked",
            Kind::Aside => "aside",
            Kind::Signal => "signal",
            Kind::End => "over",
            Kind::Waiting => "waiting",
        };
        let class = format!("{class} {}{failed}", party(lane.party));
        let mut shape = self.shape((begin, end), across, class);
        shape.pattern = match (bar.kind, lane.party) {
            (Kind::Blocked, Party::Client) => "client",
            (Kind::Blocked, Party::Thread) => "thread",
            (Kind::Blocked, _) => "process",
            (Kind::Waiting, _) => "waiting",
            _ => "",
        };
        let took = match bar.kind {
            Kind::Signal | Kind::End => String::new(),
            _ => format!(", {} {}", bar.kind.word(), duration(bar.spent)),
        };
        let took =
            if bar.kind == Kind::Quick { format!(", {}", duration(bar.spent)) } else { took };
        shape.title = shown(&format!(
            "{}: {} (at {}{took})",
            lane.full_name(),
            excerpt(&bar.text, LONG),
            duration(bar.at)
        ));
        self.drawing.bars.push(shape);
        // Beside colour and pattern, a stroke through the end of what failed.
        if bar.error.is_some() {
            let middle = (end - 2.5).max((begin + end) / 2.0);
            let ((x, y), (right, bottom)) = (
                self.point(middle - 2.0, across.0 - 2.5),
                self.point(middle + 2.0, across.0 + 1.5),
            );
            let d = format!("M{x} {y}L{right} {bottom}M{x} {bottom}L{right} {y}");
            self.drawing.marks.push(Path { class: "cross", d });
        }
    }

    /// The label of a bar in a wide picture: inside where it fits, or else behind it.
    fn label(&mut self, lane: usize, bar: &Bar, (begin, end): (f64, f64), next: f64) {
        // Too thin for a word.
        if bar.kind == Kind::Aside {
            return;
        }
        let need = WIDE.width(&shown(&bar.label)) - 1.0;
        let room = next - end;
        let is_patterned = matches!(bar.kind, Kind::Blocked | Kind::Waiting);
        let (along, class) = if end - begin >= need {
            (begin + 3.5, if is_patterned { "label halo" } else { "label" })
        } else if is_labelled(bar) && room >= need {
            self.labels[lane].push((end, end + need));
            (end + 3.0, "label halo")
        } else {
            return;
        };
        let (x, y) = self.point(along, self.lanes.middle(lane) + 3.5);
        self.drawing.texts.push(Text { x, y, class, is_turned: false, text: shown(&bar.label) });
    }

    /// The labels of a tall picture, in one column, each with a line to its bar.
    fn labels_beside(&mut self, mut labels: Vec<Beside>) {
        labels.sort_by(|one, other| {
            one.along.total_cmp(&other.along).then(one.lane.cmp(&other.lane))
        });
        let left = self.lanes.end + 10.0;
        let most = ((BESIDE - 10.0) / (10.5 * LETTER)) as usize;
        let mut least = f64::MIN;
        for Beside { along: begin, lane, text } in labels {
            let along = (begin + 4.0).max(least);
            least = along + 11.5;
            if let Some(lane) = lane {
                let (x, y) = self.point(begin + 2.0, self.lanes.at[lane] + self.lanes.thickness);
                let (right, bottom) = self.point(along, left - 2.0);
                let d = format!("M{x} {y}L{right} {bottom}");
                self.drawing.lines.push(Path { class: "leader", d });
            }
            let mut text = shown(&text);
            if text.chars().count() > most {
                text = text.chars().take(most - 1).chain(['…']).collect();
            }
            let (x, y) = self.point(along + 3.5, left);
            let class = if lane.is_some() { "label" } else { "time" };
            self.drawing.texts.push(Text { x, y, class, is_turned: false, text });
        }
    }

    fn arrow(&mut self, arrow: &Arrow) {
        let Some(from) = self.layout.edge(arrow.from) else { return };
        let to = arrow.to.and_then(|to| self.layout.edge(to)).unwrap_or(from);
        let (one, other) = (arrow.from.lane, arrow.lane);
        let is_labelled =
            self.labels[other].iter().any(|(from, until)| (*from..=*until).contains(&to));
        let is_met = is_labelled || self.layout.bar_at(other, to).is_some();
        // To the side of a bar or of a label, or to the middle of the line where there is none.
        let depth = if is_met { 0.0 } else { self.lanes.thickness / 2.0 };
        let (begin, end, sign) = if one < other {
            (self.lanes.at[one] + self.lanes.thickness, self.lanes.at[other] + depth, 1.0)
        } else {
            let end = self.lanes.at[other] + self.lanes.thickness - depth;
            (self.lanes.at[one], end, -1.0)
        };
        let class = match arrow.cause {
            Cause::Connection => "connection",
            Cause::Data => "data",
            Cause::Birth => "birth",
            Cause::Signal => "kick",
        };
        let neck = end - sign * 5.0;
        let ((x, y), (right, bottom)) = (self.point(from, begin), self.point(to, neck));
        let (tip_x, tip_y) = self.point(to, end);
        let ((ax, ay), (bx, by)) = (self.point(to - 2.8, neck), self.point(to + 2.8, neck));
        self.drawing.arrows.push(Path { class, d: format!("M{x} {y}L{right} {bottom}") });
        let d = format!("M{tip_x} {tip_y}L{ax} {ay}L{bx} {by}Z");
        self.drawing.arrows.push(Path { class: "head", d });
    }

    /// What was cut out of the time, with how long it was.
    fn cuts(&mut self) {
        let last = self.lanes.end;
        let mut least = f64::MIN;
        let mut rightmost = 0.0_f64;
        for cut in std::mem::take(&mut self.layout.cuts) {
            let middle = (cut.from + cut.to) / 2.0;
            let text = duration(cut.skipped);
            for number in 0..self.layout.bars.len() {
                if self.layout.bar_at(number, middle).is_none() {
                    continue;
                }
                let begin = self.lanes.at[number];
                let across = (begin - 1.5, begin + self.lanes.thickness + 1.5);
                let mark = self.shape((middle - 2.0, middle + 2.0), across, "cut".into());
                let title = format!("{text} in which nothing happens");
                self.drawing.cuts.push(Shape { title, ..mark });
            }
            if self.direction == Direction::Wide {
                let along = middle.max(least);
                least = along + LINE;
                rightmost = self.origin + least;
                let ((x, y), (right, bottom)) =
                    (self.point(middle, last + 3.0), self.point(along, last + 9.0));
                let d = format!("M{x} {y}L{right} {bottom}");
                self.drawing.lines.push(Path { class: "tick", d });
                let (x, y) = self.point(along + 3.0, last + 12.0);
                self.drawing.texts.push(Text { x, y, class: "time end", is_turned: true, text });
            }
        }
        self.drawing.width = self.drawing.width.max(rightmost.ceil());
    }

    /// How late it is, here and there.
    fn clock(&mut self) {
        if self.direction == Direction::Tall {
            return;
        }
        let mut free = 0.0;
        for (at, place) in std::mem::take(&mut self.layout.moments) {
            if place < free {
                continue;
            }
            let text = if at == 0.0 { String::from("0") } else { format!("{:.1} ms", at * 1e3) };
            let width = text.chars().count() as f64 * 6.0;
            if place + width > self.layout.length + 12.0 {
                break;
            }
            free = place + width + 40.0;
            let ((x, y), (_, bottom)) = (self.point(place, 14.0), self.point(place, 22.0));
            self.drawing.lines.push(Path { class: "tick", d: format!("M{x} {y}L{x} {bottom}") });
            let (x, y) = (round(x + 3.0), 17.0);
            self.drawing.texts.push(Text { x, y, class: "time", is_turned: false, text });
        }
    }
}

/// A label, with what it failed with.
fn said(bar: &Bar) -> String {
    match &bar.error {
        Some(error) => format!("{} {error}", bar.label),
        None => bar.label.clone(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Edge, examples};
    use super::*;

    /// Across the axis of time, from and to.
    fn across(shape: &Shape, direction: Direction) -> (f64, f64) {
        match direction {
            Direction::Wide => (shape.y, shape.y + shape.height),
            Direction::Tall => (shape.x, shape.x + shape.width),
        }
    }

    proptest! {
        #[test]
        fn lanes_do_not_overlap_and_all_is_on_the_paper(sequence in examples::sequences()) {
            for direction in [Direction::Wide, Direction::Tall] {
                let drawing = draw(&sequence, direction);
                let bars: usize = sequence.lanes.iter().map(|lane| lane.bars.len()).sum();
                prop_assert_eq!(drawing.bars.len(), bars);
                let mut rest = drawing.bars.iter();
                let mut last = f64::MIN;
                for lane in sequence.lanes.iter().filter(|lane| !lane.bars.is_empty()) {
                    let here: Vec<_> = rest.by_ref().take(lane.bars.len()).collect();
                    let spans = || here.iter().map(|shape| across(shape, direction));
                    let begin = spans().map(|span| span.0).fold(f64::MAX, f64::min);
                    prop_assert!(begin > last, "{begin} {last}");
                    last = spans().map(|span| span.1).fold(f64::MIN, f64::max);
                }
                for shape in drawing.bars.iter().chain(&drawing.frames).chain(&drawing.cuts) {
                    prop_assert!(shape.width >= 0.0 && shape.height >= 0.0);
                    prop_assert!(shape.x >= 0.0 && shape.x + shape.width <= drawing.width);
                    prop_assert!(shape.y >= 0.0 && shape.y + shape.height <= drawing.height);
                }
            }
        }
    }

    #[test]
    fn a_phone_shows_the_labels_of_all_calls_one_below_the_other() {
        let drawing = draw(&examples::sequence(), Direction::Tall);
        assert!(drawing.width <= PHONE + 1.0, "{}", drawing.width);
        let labels: Vec<&Text> =
            drawing.texts.iter().filter(|text| text.class == "label").collect();
        let said: Vec<&str> = labels.iter().map(|text| text.text.as_str()).collect();
        assert_eq!(said[..3], ["3 calls", "accept", "connect"]);
        assert!(said.contains(&"close ECHILD"), "{said:?}");
        assert!(labels.windows(2).all(|pair| pair[1].y - pair[0].y >= 11.0));
    }

    #[test]
    fn whoever_waits_and_whoever_fails_differ_by_more_than_colour() {
        let drawing = draw(&examples::sequence(), Direction::Wide);
        let bar = |word: &str| drawing.bars.iter().find(|bar| bar.title.contains(word));
        assert_eq!(bar("accept(").map(|bar| bar.pattern), Some("process"));
        assert_eq!(bar("recv(").map(|bar| bar.pattern), Some("thread"));
        assert_eq!(bar("connect(").map(|bar| bar.pattern), Some(""));
        assert_eq!(drawing.marks.len(), 1);
    }

    /// The tip of an arrow to a lane with a label there ends at the lane's edge.
    #[test]
    fn the_tips_of_arrows_are_seen() {
        let mut sequence = examples::sequence();
        let lanes = &mut sequence.lanes;
        lanes[0].bars[0].label = String::from("a long word");
        lanes[3].bars[0].at = 0.0011;
        lanes[3].bars[0].spent = 0.0;
        sequence.arrows = vec![Arrow {
            from: Edge { lane: 3, bar: 0, is_end: false },
            lane: 0,
            to: None,
            cause: Cause::Data,
        }];
        let drawing = draw(&sequence, Direction::Wide);
        let label = drawing.texts.iter().find(|text| text.text == "a long word").expect("a label");
        let head = drawing.arrows.iter().find(|path| path.class == "head").expect("a head");
        let tip = head.d[1..].split(['L', ' ']).map(|n| n.parse::<f64>().expect("a number"));
        let tip: Vec<f64> = tip.take(2).collect();
        assert!((label.x - 3.0..label.x + 66.0).contains(&tip[0]), "{tip:?} {}", label.x);
        assert!(tip[1] > label.y + 3.0, "{tip:?} {}", label.y);
    }

    #[test]
    fn times_of_gaps_do_not_touch_each_other() {
        let mut sequence = examples::sequence();
        sequence.arrows.clear();
        let bar = &sequence.lanes[2].bars[2].clone();
        sequence.lanes[2].bars =
            (0..50).map(|n| Bar { at: f64::from(n) * 0.002, ..bar.clone() }).collect();
        let drawing = draw(&sequence, Direction::Wide);
        let times: Vec<f64> =
            drawing.texts.iter().filter(|text| text.is_turned).map(|text| text.x).collect();
        assert!(times.len() > 40 && times.windows(2).all(|pair| pair[1] - pair[0] >= 12.0));
        assert!(times.iter().all(|x| *x < drawing.width));
    }

    #[test]
    fn a_process_and_its_threads_stand_in_one_frame() {
        let drawing = draw(&examples::sequence(), Direction::Wide);
        let classes: Vec<&str> = drawing.frames.iter().map(|frame| frame.class.as_str()).collect();
        assert_eq!(classes, ["frame kernel", "frame process", "frame process", "frame process"]);
        assert!(drawing.frames[1].height > 1.5 * drawing.frames[2].height);
    }
}

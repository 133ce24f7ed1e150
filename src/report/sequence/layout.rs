//! Where the moments of a run stand on paper: in their order, each bar as long as its label needs, and a wait
//! in which nothing happens cut short.

use std::collections::BTreeMap;

use super::{Bar, Edge, Kind, Sequence, shown};

/// From which length on a time in which nothing begins or ends is cut short, in nanoseconds.
const IDLE: i64 = 1_000_000;

/// What a picture is made with, in pixels.
#[derive(Debug, Clone, Copy)]
pub(super) struct Measures {
    /// How wide a letter of a label is; 0 where labels stand beside the bars.
    pub letter: f64,
    /// What surrounds a label.
    pub padding: f64,
    /// The least length of a bar without a label.
    pub least: f64,
    /// How far from each other labelled bars begin, in whichever lanes they are.
    pub row: f64,
    /// The length of a time that is cut short.
    pub cut: f64,
}

/// A time in which nothing happened.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Cut {
    /// Where it is drawn, from and to.
    pub from: f64,
    pub to: f64,
    /// How long it was, in seconds.
    pub skipped: f64,
}

/// A layout of a sequence, along the axis of time.
pub(super) struct Layout {
    /// For each lane and bar its beginning and end, in pixels.
    pub bars: Vec<Vec<(f64, f64)>>,
    pub cuts: Vec<Cut>,
    /// Moments and their places, in order.
    pub moments: Vec<(f64, f64)>,
    pub length: f64,
}

impl Measures {
    /// How much room a bar needs.
    fn need(&self, bar: &Bar) -> f64 {
        if bar.is_key && self.letter > 0.0 { self.width(&shown(&bar.label)) } else { self.least }
    }

    /// How much room a label needs.
    pub(super) fn width(&self, label: &str) -> f64 {
        label.chars().count() as f64 * self.letter + self.padding
    }
}

/// Whether a bar shows its label where there is room for all.
pub(super) fn is_labelled(bar: &Bar) -> bool {
    !matches!(bar.kind, Kind::Aside | Kind::Waiting | Kind::End)
}

/// The beginning and end of each bar of a lane in nanoseconds: beginnings strictly one after the other,
/// and no end after the next beginning.
fn times(bars: &[Bar]) -> Vec<(i64, i64)> {
    let nanoseconds = |seconds: f64| (seconds * 1e9).round() as i64;
    let mut begins: Vec<i64> = Vec::new();
    for bar in bars {
        let least = begins.last().map_or(i64::MIN, |last| last + 1);
        begins.push(nanoseconds(bar.at).max(least));
    }
    let next = begins.iter().skip(1).copied().chain([i64::MAX]);
    begins
        .iter()
        .zip(next)
        .zip(bars)
        .map(|((&begin, next), bar)| {
            let end = nanoseconds(bar.at + bar.spent.max(0.0));
            (begin, end.clamp(begin, next))
        })
        .collect()
}

/// Puts each moment as far to the right as those before it need, and no farther.
pub(super) fn layout(sequence: &Sequence, measures: &Measures) -> Layout {
    let lanes: Vec<Vec<(i64, i64)>> = sequence.lanes.iter().map(|lane| times(&lane.bars)).collect();
    // Which moments come how far behind which others.
    let mut apart: BTreeMap<i64, Vec<(i64, f64)>> = BTreeMap::new();
    let mut labelled: Vec<i64> = Vec::new();
    for (lane, times) in sequence.lanes.iter().zip(&lanes) {
        for (number, (bar, &(begin, end))) in lane.bars.iter().zip(times).enumerate() {
            let need = measures.need(bar);
            apart.entry(begin).or_default();
            let after = apart.entry(end).or_default();
            if end > begin {
                after.push((begin, need));
            }
            if let Some(&(next, _)) = times.get(number + 1) {
                apart.entry(next).or_default().push((begin, need + 2.0));
            }
            if is_labelled(bar) {
                labelled.push(begin);
            }
        }
    }
    labelled.sort_unstable();
    for pair in labelled.windows(2) {
        if pair[1] > pair[0] {
            apart.entry(pair[1]).or_default().push((pair[0], measures.row));
        }
    }
    let mut places: BTreeMap<i64, f64> = BTreeMap::new();
    let mut cuts = Vec::new();
    let mut last: Option<(i64, f64)> = None;
    for (&moment, before) in &apart {
        let mut place = 0.0_f64;
        if let Some((then, there)) = last {
            let passed = moment - then;
            let step = if passed >= IDLE { measures.cut } else { (passed as f64 / 1e5).min(2.0) };
            place = there + step;
            if passed >= IDLE {
                let skipped = passed as f64 / 1e9;
                cuts.push((there, moment, skipped));
            }
        }
        for (earlier, distance) in before {
            place = place.max(places.get(earlier).map_or(0.0, |there| there + distance));
        }
        places.insert(moment, place);
        last = Some((moment, place));
    }
    let place = |moment: i64| places.get(&moment).copied().unwrap_or_default();
    let cuts = cuts.into_iter().map(|(there, moment, skipped)| {
        // In the middle of what the labels make of it.
        let middle = (there + place(moment)) / 2.0;
        Cut { from: middle - measures.cut / 2.0, to: middle + measures.cut / 2.0, skipped }
    });
    let bars: Vec<Vec<(f64, f64)>> = sequence
        .lanes
        .iter()
        .zip(&lanes)
        .map(|(lane, times)| {
            let drawn = lane.bars.iter().zip(times).map(|(bar, &(begin, end))| {
                let least = if end > begin { 0.0 } else { measures.need(bar) };
                (place(begin), place(end).max(place(begin) + least))
            });
            drawn.collect()
        })
        .collect();
    let length = bars.iter().flatten().map(|bar| bar.1).fold(0.0, f64::max);
    let moments = places.iter().map(|(&moment, &place)| (moment as f64 / 1e9, place)).collect();
    Layout { bars, cuts: cuts.collect(), moments, length }
}

impl Layout {
    /// Which bar of a lane is at a place.
    pub(super) fn bar_at(&self, lane: usize, place: f64) -> Option<usize> {
        let bars = &self.bars[lane];
        let number = bars.partition_point(|bar| bar.0 <= place).checked_sub(1)?;
        (place <= bars[number].1).then_some(number)
    }

    /// The place of an edge.
    pub(super) fn edge(&self, edge: Edge) -> Option<f64> {
        let (begin, end) = self.bars.get(edge.lane)?.get(edge.bar)?;
        Some(if edge.is_end { *end } else { *begin })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::examples;
    use super::*;

    const SOME: Measures = Measures { letter: 6.0, padding: 8.0, least: 5.0, row: 0.0, cut: 10.0 };

    #[test]
    fn a_long_time_without_an_event_is_cut_and_said() {
        let layout = layout(&examples::sequence(), &SOME);
        let skipped: Vec<i64> =
            layout.cuts.iter().map(|cut| (cut.skipped * 1e6).round() as i64).collect();
        // Until the connection is taken, and until the signal.
        assert_eq!(skipped, [19_900, 8_000]);
        assert!(layout.length < 300.0, "{}", layout.length);
    }

    #[test]
    fn moments_at_the_same_time_stand_one_after_the_other() {
        let layout = layout(&examples::sequence(), &SOME);
        let [.., signal, end] = layout.bars[2][..] else { panic!("{:?}", layout.bars[2]) };
        assert!(signal.1 <= end.0, "{signal:?} {end:?}");
    }

    proptest! {
        #[test]
        fn bars_of_a_lane_stand_in_order_and_have_the_room_that_they_need(
            sequence in examples::sequences(),
        ) {
            let layout = layout(&sequence, &SOME);
            for (lane, places) in sequence.lanes.iter().zip(&layout.bars) {
                for (bar, (begin, end)) in lane.bars.iter().zip(places) {
                    prop_assert!(*begin >= 0.0 && *end <= layout.length);
                    prop_assert!(end - begin >= SOME.need(bar) - 0.001, "{bar:?}: {begin} {end}");
                }
                for pair in places.windows(2) {
                    prop_assert!(pair[0].1 <= pair[1].0, "{pair:?}");
                }
            }
            let is_in_order = layout.moments.is_sorted_by(|one, other| one.0 < other.0 && one.1 <= other.1);
            prop_assert!(is_in_order);
        }
    }
}
